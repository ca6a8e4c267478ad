package check

import (
	"github.com/flowctl/flowctl/dataflow"
)

var workflowUnknown = Rule{
	Code: "FC440", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def add(ctx, n):
    return ctx.run(Thing.create, n = n)

def twice(ctx, n):
    return [ctx.workflow("ad", n = n), ctx.workflow("add", n = n)]  # here

app = Nexus()
app.handler("add", add, input = {"n": int})
app.handler("twice", twice, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def add(ctx, n):
    return ctx.run(Thing.create, n = n)

def twice(ctx, n):
    return [ctx.workflow("add", n = n), ctx.workflow("add", n = n)]

app = Nexus()
app.handler("add", add, input = {"n": int})
app.handler("twice", twice, input = {"n": int})
app.start()
`,
	find: (*pass).tell,
}

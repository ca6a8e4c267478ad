package check

import (
	"github.com/flowctl/flowctl/dataflow"
)

var partMissing = Rule{
	Code: "FC146", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"total": decimal(12, 2)})

def do(ctx, thing):
    found = ctx.run(Thing.read, id = thing)
    return {"total": found.totl}  # here

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"thing": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"total": decimal(12, 2)})

def do(ctx, thing):
    found = ctx.run(Thing.read, id = thing)
    return {"total": found.total}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"thing": int})
app.start()
`,
	find: (*pass).tell,
}

package check

import (
	"github.com/flowctl/flowctl/dataflow"
)

var wordImpossible = Rule{
	Code: "FC145", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"status": enum("new", "paid")})

def do(ctx, thing):
    found = ctx.run(Thing.read, id = thing)
    if found.status == "payd":  # here
        fail("it is paid")
    return {"status": found.status}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"thing": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"status": enum("new", "paid")})

def do(ctx, thing):
    found = ctx.run(Thing.read, id = thing)
    if found.status == "paid":
        fail("it is paid")
    return {"status": found.status}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"thing": int})
app.start()
`,
	find: (*pass).tell,
}

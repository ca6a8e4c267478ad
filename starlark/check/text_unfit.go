package check

import (
	"github.com/flowctl/flowctl/dataflow"
)

var textUnfit = Rule{
	Code: "FC148", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"status": enum("new", "paid")})

def do(ctx, thing):
    return ctx.run(Thing.update, id = thing, fields = {"status": "payd"})  # here

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"thing": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"status": enum("new", "paid")})

def do(ctx, thing):
    return ctx.run(Thing.update, id = thing, fields = {"status": "paid"})

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"thing": int})
app.start()
`,
	find: (*pass).tell,
}

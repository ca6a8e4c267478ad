package check

import (
	"github.com/flowctl/flowctl/dataflow"
)

var namesPassedOn = Rule{
	Code: "FC147", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int, "name": str})

def do(ctx, rows):
    all = [{"n": row.n, "nmae": row.name} for row in rows]  # here
    return ctx.run(Thing.bulk_create, data = all)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"rows": list({"n": int, "name": str}, max_length = 100)})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int, "name": str})

def do(ctx, rows):
    all = [{"n": row.n, "name": row.name} for row in rows]
    return ctx.run(Thing.bulk_create, data = all)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"rows": list({"n": int, "name": str}, max_length = 100)})
app.start()
`,
	find: (*pass).tell,
}

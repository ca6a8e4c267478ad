package check

import (
	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var firstOfList = Rule{
	Code: "FC433", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, unique = True)})

def do(ctx, n):
    found = ctx.run(Thing.list, filter = {"n": n}, limit = 1).records[0]  # here
    return {"id": found.id}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, unique = True)})

def do(ctx, n):
    found = ctx.run(Thing.read, filter = {"n": n})
    return {"id": found.id}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				ix, ok := n.(*syntax.IndexExpr)
				if !ok {
					return
				}
				records, ok := ix.X.(*syntax.DotExpr)
				if !ok || records.Name.Name != "records" {
					return
				}
				if c, ok := runOf(records.X); ok && c.kind == "list" && keyword(c.CallExpr, "sort") == nil {
					p.report(f.span(ix), "where no row is found this ends the run with a fault of the app", "read the one that is meant: ctx.run(….read, filter = …) tells the caller that there is none")
				}
			})
		}
	},
}

package check

import (
	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var countedByList = Rule{
	Code: "FC438", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True)})

def do(ctx, n):
    return {"there": len(ctx.run(Thing.list, filter = {"n": n}, limit = 1000).records)}  # here

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True)})

def do(ctx, n):
    return {"there": ctx.run(Thing.count, filter = {"n": n}).count}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				var list syntax.Expr
				switch n := n.(type) {
				case *syntax.CallExpr: // len(….records)
					if callee(n) == "len" && len(n.Args) == 1 {
						if dot, ok := n.Args[0].(*syntax.DotExpr); ok && dot.Name.Name == "records" {
							list = dot.X
						}
					}
				case *syntax.DotExpr:
					if n.Name.Name == "count" {
						list = n.X
					}
				}
				if list == nil {
					return
				}
				if c, ok := runOf(list); ok && c.kind == "list" {
					p.report(f.span(n), "rows are fetched to be counted, and no more than the limit of them", "ask for their number: ctx.run(….count, filter = …).count")
				}
			})
		}
	},
}

package check

import (
	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var answerDropped = Rule{
	Code: "FC434", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    ctx.run(Thing.count, filter = {"n": n})  # here
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    if ctx.run(Thing.count, filter = {"n": n}).count > 0:
        fail("there is one")
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				st, ok := n.(*syntax.ExprStmt)
				if !ok {
					return
				}
				if c, ok := runOf(st.X); ok && !c.writes() && c.kind != "read" { // which refuses where there is no row
					p.report(f.span(st.X), "the database is asked, and nobody looks at what it says", "set a name to it, or take the line out")
				}
			})
		}
	},
}

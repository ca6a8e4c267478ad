package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var readOnlyWrites = Rule{
	Code: "FC436", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    return ctx.run(Thing.create, n = n)  # here

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int}, read_only = True)
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		p.handlers(func(w *dataflow.Workflow, f *file, def *syntax.DefStmt) {
			if !w.ReadOnly {
				return
			}
			syntax.Walk(def, func(n syntax.Node) bool {
				if c, ok := runOf(n); ok && c.writes() {
					p.report(f.span(c.CallExpr), fmt.Sprintf("the handler %s promises not to write, and is refused here", w.Name), "leave read_only = True out of app.handler")
				}
				return true
			})
		})
	},
}

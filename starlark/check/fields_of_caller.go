package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var fieldsOfCaller = Rule{
	Code: "FC520", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"id": int, "changes": json})
order = wf.add_node(Order.update, "order", {
    "id": "${input.id}",
    "fields": "${input.changes}",  # here
})
app = Nexus()
app.register("make", wf.build(output = {"order": order.id}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"id": int, "changes": {"note": str}})
order = wf.add_node(Order.update, "order", {
    "id": "${input.id}",
    "fields": "${input.changes}",
})
app = Nexus()
app.register("make", wf.build(output = {"order": order.id}))
app.start()
`,
	find: func(p *pass) {
		tell := func(w *dataflow.Workflow, _ string, in *dataflow.Field, at dataflow.Span) {
			if in.Type.Kind == dataflow.KindJSON || in.Type.Kind == dataflow.KindAny {
				p.report(at, fmt.Sprintf("callers of %s may set every field of the row", w.Name), fmt.Sprintf("declare what they may set: input = {%q: {\"note\": str}}", in.Name))
			}
		}
		for _, name := range []string{"fields", "create", "update"} {
			p.wholeInputs(name, tell)
		}
		p.handlers(func(w *dataflow.Workflow, f *file, def *syntax.DefStmt) {
			syntax.Walk(def, func(n syntax.Node) bool {
				c, ok := runOf(n)
				if !ok || c.kind != "create" { // whose arguments are the fields
					return true
				}
				for _, e := range c.Args[1:] {
					if spread, ok := e.(*syntax.UnaryExpr); ok && spread.Op == syntax.STARSTAR {
						e = spread.X
					}
					if in := inputOf(w, f.parameter(def, e)); in != nil {
						tell(w, c.kind, in, f.span(e))
					}
				}
				return true
			})
		})
	},
}

package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
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
		for _, name := range []string{"fields", "create", "update"} {
			p.wholeInputs(name, func(w *dataflow.Workflow, op string, in *dataflow.Field, at dataflow.Span) {
				if in.Type.Kind == dataflow.KindJSON || in.Type.Kind == dataflow.KindAny {
					p.report(at, fmt.Sprintf("callers of %s may set every field of the row", w.Name), fmt.Sprintf("declare what they may set: input = {%q: {\"note\": str}}", in.Name))
				}
			})
		}
	},
}

package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

var failureUnheard = Rule{
	Code: "FC371", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"n": int, "note": str})
wf.add_node(Order.create, "order", {"n": "${input.n}", "note": "${input.note}"}, on_error = "continue")  # here
wf.add_node(Order.count, "all", {})
app = Nexus()
app.register("make", wf.build(output = {"all": "${all.count}"}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"n": int, "note": str})
wf.add_node(Order.create, "order", {"n": "${input.n}", "note": "${input.note}"}, on_error = "continue")
wf.add_node(Order.count, "all", {})
app = Nexus()
app.register("make", wf.build(output = {"all": "${all.count}", "order": "${order.id}"}))
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			if w.Output == nil { // it says of every node whether it ran
				continue
			}
			for _, n := range w.Nodes {
				op := p.opOf(n)
				if n.OnError == "continue" && op != nil && op.Kind.Writes() && !p.reads(w, n) {
					p.report(n.Spans.At("/on_error"), fmt.Sprintf("if the node %s fails, what it writes is missing and nobody is told", n.ID),
						fmt.Sprintf("return something of it, or tell of it: {\"goto\": \"told\"} with ${%s.error.message}; or leave on_error out", n.ID))
				}
			}
		}
	},
}

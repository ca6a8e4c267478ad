package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

var whenConstant = Rule{
	Code: "FC365", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})
wf = WorkflowBuilder("make", input = {"n": int})
wf.add_node(Order.create, "order", {"n": "${input.n}"}, when = False)  # here
app = Nexus()
app.register("make", wf.build())
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})
wf = WorkflowBuilder("make", input = {"n": int, "really": bool})
wf.add_node(Order.create, "order", {"n": "${input.n}"}, when = "${input.really}")
app = Nexus()
app.register("make", wf.build())
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			for _, n := range w.Nodes {
				b, ok := n.When.(bool)
				if !ok {
					continue
				}
				at := n.Spans.At("/when")
				if at.IsZero() {
					at = n.Span
				}
				if b {
					p.report(at, fmt.Sprintf("when of the node %s is always true", n.ID), "leave it out")
				} else {
					p.report(at, fmt.Sprintf("when of the node %s is never true: it never runs, nor does what needs it", n.ID), "take the node out, or let it depend on something: when = wf.input.really")
				}
			}
		}
	},
}

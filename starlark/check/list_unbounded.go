package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

var listUnbounded = Rule{
	Code: "FC360", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"status": field(str, index = True)})
wf = WorkflowBuilder("open", input = {})
wf.add_node(Order.list, "orders", {"filter": {"status": "open"}})  # here
app = Nexus()
app.register("open", wf.build(output = {"orders": "${orders.records}"}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"status": field(str, index = True)})
wf = WorkflowBuilder("open", input = {})
wf.add_node(Order.list, "orders", {"filter": {"status": "open"}, "limit": 50})
app = Nexus()
app.register("open", wf.build(output = {"orders": "${orders.records}"}))
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			for _, n := range w.Nodes {
				op := p.opOf(n)
				if op == nil || op.Kind != dataflow.OpList || n.Config.Has("limit") || n.Config.Has("cursor") || p.reads(w, n, "has_more", "next_cursor") || bring(w, n, "limit") {
					continue
				}
				p.report(n.Span, fmt.Sprintf("the node %s lists %d rows at most, and nothing asks whether there are more", n.ID, access.DefaultLimit),
					fmt.Sprintf("say how many are enough: \"limit\": %d; or look at has_more", access.DefaultLimit))
			}
		}
	},
}

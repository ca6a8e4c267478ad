package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

var mapOfQueries = Rule{
	Code: "FC373", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"rows": list({"n": int, "note": str}, max_length = 100)})
wf.add_node("MapNode", "each", {"items": "${input.rows}", "node": Order.create})  # here
app = Nexus()
app.register("make", wf.build(output = {"n": "${each.count}"}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"rows": list({"n": int, "note": str}, max_length = 100)})
wf.add_node(Order.bulk_create, "all", {"data": "${input.rows}"})
app = Nexus()
app.register("make", wf.build(output = {"n": "${all.inserted}"}))
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			for _, n := range w.Nodes {
				v, _ := n.Config.Get("node")
				if n.Type != "MapNode" {
					continue
				}
				op, ok := v.(dataflow.Op)
				if !ok {
					for _, m := range p.app.Models() {
						for _, kind := range dataflow.AllOps() {
							if o := (dataflow.Op{Model: m, Kind: kind}); v == o.NodeType() {
								op, ok = o, true
							}
						}
					}
				}
				if advice := loopAdvice[op.Kind.String()]; ok && advice != "" {
					p.report(n.Spans.At("/config/node"), fmt.Sprintf("the node %s asks the database once for each item", n.ID), advice)
				}
			}
		}
	},
}

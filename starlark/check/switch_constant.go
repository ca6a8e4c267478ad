package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

var switchConstant = Rule{
	Code: "FC369", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"note": str})
wf.add_node("SwitchNode", "big", {"condition": True})  # here
order = wf.add_node(Order.create, "order", {"n": 1, "note": "${input.note}"}, when = "${big.true_output}")
app = Nexus()
app.register("make", wf.build(output = {"order": order.id}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"note": str, "big": bool})
wf.add_node("SwitchNode", "big", {"condition": "${input.big}"})
order = wf.add_node(Order.create, "order", {"n": 1, "note": "${input.note}"}, when = "${big.true_output}")
app = Nexus()
app.register("make", wf.build(output = {"order": order.id}))
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			for _, n := range w.Nodes {
				name := fixedChoice(n)
				if name == "" || bring(w, n, name) {
					continue
				}
				p.report(n.Spans.At("/config/"+name), fmt.Sprintf("the node %s always goes the same way: what it decides by is written in the file", n.ID), "give it a reference: \"${input.big}\"")
			}
		}
	},
}

// fixedChoice returns the parameter of a SwitchNode that it decides by, if that
// is a constant.
func fixedChoice(n *dataflow.Node) string {
	if n.Type != "SwitchNode" {
		return ""
	}
	if v, ok := n.Config.Get("condition"); ok {
		if _, constant := v.(bool); constant {
			return "condition"
		}
		return ""
	}
	v, ok := n.Config.Get("value")
	if !ok || !n.Config.Has("cases") {
		return ""
	}
	switch v.(type) {
	case string, int64, bool:
		return "value"
	}
	return ""
}

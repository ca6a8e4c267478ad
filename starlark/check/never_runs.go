package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

var neverRuns = Rule{
	Code: "FC370", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"note": str})
wf.add_node(Order.count, "all", {}, when = False)
order = wf.add_node(Order.create, "order", {"n": "${all.count}", "note": "${input.note}"})  # here
app = Nexus()
app.register("make", wf.build(output = {"order": order.id}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"note": str})
wf.add_node(Order.count, "all", {})
order = wf.add_node(Order.create, "order", {"n": "${all.count}", "note": "${input.note}"})
app = Nexus()
app.register("make", wf.build(output = {"order": order.id}))
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			dead := map[string]string{} // ids of nodes that never run, and of what they wait for
			for _, n := range w.Nodes {
				if n.When == false {
					dead[n.ID] = n.ID
				}
			}
			for changed := len(dead) > 0; changed; {
				changed = false
				for _, n := range w.Nodes {
					if by := waitsFor(w, n, dead); by != "" && dead[n.ID] == "" {
						dead[n.ID], changed = by, true
						p.report(n.Span, fmt.Sprintf("the node %s never runs: it needs %s, which never does", n.ID, by), "take both out, or let the first depend on something: when = wf.input.really")
					}
				}
			}
		}
	},
}

// waitsFor returns the node that never runs and that n can't run without, or
// "". A MergeNode takes what is there.
func waitsFor(w *dataflow.Workflow, n *dataflow.Node, dead map[string]string) (by string) {
	if n.Type == "MergeNode" {
		return ""
	}
	for _, v := range []any{n.Config, n.When} {
		valueRefs(v, func(r dataflow.Ref) {
			if r.Root == dataflow.RootNode && dead[r.Node] != "" {
				by = r.Node
			}
		})
	}
	for _, e := range w.Edges {
		if e.To == n.ID && dead[e.From] != "" {
			by = e.From
		}
	}
	return by
}

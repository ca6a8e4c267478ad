package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

var inputUnused = Rule{
	Code: "FC364", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})
wf = WorkflowBuilder("make", input = {
    "n": int,
    "note": str,  # here
})
wf.add_node(Order.create, "order", {"n": "${input.n}"})
app = Nexus()
app.register("make", wf.build())
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"n": int, "note": str})
wf.add_node(Order.create, "order", {"n": "${input.n}", "note": "${input.note}"})
app = Nexus()
app.register("make", wf.build())
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			if w.Handler != nil {
				continue
			}
			used := inputsOf(w)
			for _, in := range w.Input {
				if !used[in.Name] && !used[""] {
					p.report(in.Span, fmt.Sprintf("the workflow %s never uses its input %s", w.Name, in.Name), "use it, or don't ask callers for it")
				}
			}
		}
	},
}

// inputsOf are the inputs that a workflow's nodes and output refer to; "" is
// all of them.
func inputsOf(w *dataflow.Workflow) map[string]bool {
	used := map[string]bool{}
	eachRef(w, func(r dataflow.Ref) {
		if r.Root != dataflow.RootInput {
			return
		}
		if len(r.Path) == 0 {
			used[""] = true
			return
		}
		used[r.Path[0].Name] = true
	})
	for _, e := range w.Edges {
		if e.From == "input" {
			used[firstName(e.Output)] = true
		}
	}
	return used
}

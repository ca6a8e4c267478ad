package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

var retrySame = Rule{
	Code: "FC372", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})

def double(n):
    return {"n": n * 2}

wf = WorkflowBuilder("make", input = {"n": int})
wf.add_node("StarlarkNode", "twice", {"fn": double, "n": "${input.n}"}, retry = retry(max = 2))  # here
wf.add_node(Order.create, "order", {"n": "${twice.n}"})
app = Nexus()
app.register("make", wf.build())
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})

def double(n):
    return {"n": n * 2}

wf = WorkflowBuilder("make", input = {"n": int})
wf.add_node("StarlarkNode", "twice", {"fn": double, "n": "${input.n}"})
wf.add_node(Order.create, "order", {"n": "${twice.n}"})
app = Nexus()
app.register("make", wf.build())
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			for _, n := range w.Nodes {
				if n.Retry != nil && n.Retry.Max > 0 && sameAgain[n.Type] {
					p.report(n.Spans.At("/retry"), fmt.Sprintf("what the node %s does comes out the same each time: if it fails, it fails again", n.ID), "leave retry out; it helps where a service or the database may be busy")
				}
			}
		}
	},
}

// sameAgain are node types whose config alone decides what they give.
var sameAgain = map[string]bool{"StarlarkNode": true, "SwitchNode": true, "MergeNode": true, "FilterNode": true, "SortNode": true}

package check

import (
	"github.com/flowctl/flowctl/dataflow"
)

var outputMissing = Rule{
	Code: "FC375", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})

def double(n):
    return {"twice": n * 2}

wf = WorkflowBuilder("make", input = {"n": int})
wf.add_node("StarlarkNode", "sum", {"fn": double, "n": "${input.n}"})
order = wf.add_node(Order.create, "order", {"n": "${sum.twcie}"})  # here
app = Nexus()
app.register("make", wf.build(output = {"order": order.id}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})

def double(n):
    return {"twice": n * 2}

wf = WorkflowBuilder("make", input = {"n": int})
wf.add_node("StarlarkNode", "sum", {"fn": double, "n": "${input.n}"})
order = wf.add_node(Order.create, "order", {"n": "${sum.twice}"})
app = Nexus()
app.register("make", wf.build(output = {"order": order.id}))
app.start()
`,
	find: (*pass).tell,
}

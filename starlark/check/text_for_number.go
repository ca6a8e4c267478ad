package check

import (
	"github.com/flowctl/flowctl/dataflow"
)

var textForNumber = Rule{
	Code: "FC376", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"total": decimal(12, 2)})
wf = WorkflowBuilder("make", input = {"total": str})
order = wf.add_node(Order.create, "order", {"total": "${input.total}"})  # here
app = Nexus()
app.register("make", wf.build(output = {"order": order.id}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"total": decimal(12, 2)})
wf = WorkflowBuilder("make", input = {"total": decimal(12, 2)})
order = wf.add_node(Order.create, "order", {"total": "${input.total}"})
app = Nexus()
app.register("make", wf.build(output = {"order": order.id}))
app.start()
`,
	find: (*pass).tell,
}

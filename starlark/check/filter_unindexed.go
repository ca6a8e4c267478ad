package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

var filterUnindexed = Rule{
	Code: "FC361", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"status": str})
wf = WorkflowBuilder("open", input = {})
wf.add_node(Order.list, "orders", {"filter": {"status": "open"}, "limit": 50})  # here
app = Nexus()
app.register("open", wf.build(output = {"orders": "${orders.records}"}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"status": str, "day": date}, indexes = [index("status", "day")])
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
				if op == nil || op.Kind != dataflow.OpList && op.Kind != dataflow.OpCount {
					continue
				}
				filter, ok := n.Config.Get("filter")
				fields, ok2 := filter.(*dataflow.Object)
				if !ok || !ok2 || fields.Len() == 0 || findable(op.Model, fields) {
					continue
				}
				at := n.Spans.Key("/config/filter")
				p.report(at, fmt.Sprintf("no index of %s serves this filter: every row is looked at", op.Model.Name),
					"give one of its fields index = True, or the model indexes = [index(…)] that begins with it")
			}
		}
	},
}

// findable reports whether an index leads to the rows of a filter: one of the
// fields that must all hold is the first of one.
func findable(m *dataflow.Model, filter *dataflow.Object) bool {
	for name := range filter.All {
		if strings.HasPrefix(name, "$") || strings.Contains(name, ".") { // which index serves these, only the database can tell
			return true
		}
		f := m.Field(name)
		if f == nil || f.System == dataflow.RoleID || f.Unique || f.Index || f.Type.Kind == dataflow.KindRef || f.Type.Kind == dataflow.KindBool { // of two values an index finds half the table
			return true
		}
		if slices.ContainsFunc(m.Indexes, func(ix dataflow.Index) bool { return ix.Fields[0] == name }) {
			return true
		}
	}
	return false
}

package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var filterOfCaller = Rule{
	Code: "FC519", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"filter": json})
wf.add_node(Order.bulk_delete, "gone", {
    "filter": "${input.filter}",  # here
})
app = Nexus()
app.register("make", wf.build(output = {"n": "${gone.deleted}"}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"n": int})
wf.add_node(Order.bulk_delete, "gone", {
    "filter": {"n": "${input.n}"},
})
app = Nexus()
app.register("make", wf.build(output = {"n": "${gone.deleted}"}))
app.start()
`,
	find: func(p *pass) {
		p.wholeInputs("filter", func(w *dataflow.Workflow, op string, in *dataflow.Field, at dataflow.Span) {
			p.report(at, fmt.Sprintf("callers of %s choose which rows are changed, all of them if they like", w.Name), "write the filter in the file, with the values that callers give: {\"id\": \"${input.id}\"}")
		})
	},
}

// wholeInputs calls visit for every write, of a node or in a handler, whose
// argument of that name is as it is what a caller sent.
func (p *pass) wholeInputs(name string, visit func(w *dataflow.Workflow, op string, in *dataflow.Field, at dataflow.Span)) {
	for _, w := range p.app.Workflows {
		for _, n := range w.Nodes {
			v, _ := n.Config.Get(name)
			r, ok := v.(dataflow.Ref)
			if op := p.opOf(n); ok && op != nil && op.Kind.Writes() && r.Root == dataflow.RootInput && len(r.Path) == 1 {
				if in := inputOf(w, r.Path[0].Name); in != nil {
					visit(w, op.Kind.String(), in, n.Spans.At("/config/"+name))
				}
			}
		}
	}
	p.handlers(func(w *dataflow.Workflow, f *file, def *syntax.DefStmt) {
		syntax.Walk(def, func(n syntax.Node) bool {
			c, ok := runOf(n)
			if !ok || !c.writes() {
				return true
			}
			if e := keyword(c.CallExpr, name); e != nil {
				if in := inputOf(w, f.parameter(def, e)); in != nil {
					visit(w, c.kind, in, f.span(e))
				}
			}
			return true
		})
	})
}

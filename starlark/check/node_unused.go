package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var nodeUnused = Rule{
	Code: "FC363", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})
wf = WorkflowBuilder("make", input = {"n": int})
wf.add_node(Order.count, "all", {})  # here
wf.add_node(Order.create, "order", {"n": "${input.n}"})
app = Nexus()
app.register("make", wf.build(output = {"order": "${order.id}"}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})
wf = WorkflowBuilder("make", input = {"n": int})
wf.add_node(Order.count, "all", {})
wf.add_node(Order.create, "order", {"n": "${input.n}"})
app = Nexus()
app.register("make", wf.build(output = {"order": "${order.id}", "before": "${all.count}"}))
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			if w.Output == nil { // the output of every node is given
				continue
			}
			for _, n := range w.Nodes {
				op := p.opOf(n)
				harmless := op != nil && !op.Kind.Writes() && op.Kind != dataflow.OpRead || n.Type == "StarlarkNode" && !fails(p, n)
				if harmless && !p.reads(w, n) {
					p.report(n.Span, fmt.Sprintf("nothing uses what the node %s gives", n.ID), "use its output, or take it out")
				}
			}
		}
	},
}

// fails reports whether a node's function may be there to refuse: a call of
// fail stands in it, or of what can't be looked into.
func fails(p *pass, n *dataflow.Node) bool {
	fn, ok := n.Config.Get("fn")
	f, isFunc := fn.(dataflow.Func)
	if !ok || !isFunc {
		return true
	}
	_, def := p.definition(f)
	if def == nil {
		return false
	}
	found := false
	syntax.Walk(def, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok {
			found = found || !calculates[callee(call)]
		}
		return true
	})
	return found
}

// calculates are builtins that give a value and do nothing else.
var calculates = map[string]bool{"len": true, "str": true, "sum": true, "min": true, "max": true, "sorted": true, "range": true, "abs": true, "dict": true, "list": true, "format": true, "join": true, "append": true, "get": true, "decimal": true}

package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/internal/lazyregexp"
)

var foreignTemplate = Rule{
	Code: "FC374", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"n": int, "note": str})
order = wf.add_node(Order.create, "order", {
    "n": "${input.n}",
    "note": "for {{input.note}}",  # here
})
app = Nexus()
app.register("make", wf.build(output = {"order": order.id}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"n": int, "note": str})
order = wf.add_node(Order.create, "order", {
    "n": "${input.n}",
    "note": "for ${input.note}",
})
app = Nexus()
app.register("make", wf.build(output = {"order": order.id}))
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			roots := map[string]bool{"input": true, "inputs": true, "env": true, "ctx": true}
			for _, n := range w.Nodes {
				roots[n.ID] = true
			}
			for _, n := range w.Nodes {
				for name, v := range n.Config.All {
					p.foreign(n, roots, v, "/config/"+name)
				}
			}
		}
	},
}

// foreign looks for references as other systems write them, which are plain
// text here.
func (p *pass) foreign(n *dataflow.Node, roots map[string]bool, v any, at string) {
	switch v := v.(type) {
	case string:
		if !strings.ContainsAny(v, "{$") {
			return
		}
		m := otherForm.FindStringSubmatch(v)
		if m == nil {
			return
		}
		path := m[1] + m[2] + m[3] + m[4]
		if root, _, _ := strings.Cut(path, "."); roots[root] {
			p.report(n.Spans.At(at), fmt.Sprintf("%s is plain text here, and reaches %s as it stands", m[0], n.ID), fmt.Sprintf("write \"${%s}\"", path))
		}
	case []any:
		for i, item := range v {
			p.foreign(n, roots, item, fmt.Sprintf("%s/%d", at, i))
		}
	case *dataflow.Object:
		for name, item := range v.All {
			p.foreign(n, roots, item, at+"/"+name)
		}
	case *dataflow.Template:
		for _, part := range v.Parts {
			if s, ok := part.(string); ok {
				p.foreign(n, roots, s, at)
			}
		}
	}
}

// otherForm matches {{a.b}}, {a.b}, $(a.b) and $a.b.
var otherForm = lazyregexp.New(`\{\{\s*(\w+\.[\w.]+)\s*\}\}|\{(\w+\.[\w.]+)\}|\$\((\w+\.[\w.]+)\)|\$(\w+\.[\w.]*\w)`)

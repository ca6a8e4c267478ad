package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var comparedToBool = Rule{
	Code: "FC802", severity: dataflow.SeverityInfo, Fixes: true, unsafe: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"done": bool, "n": int})

def label(row):
    return "done" if row.done == True else "open"  # here

Other = db.model("Other", {"done": bool}, computed = {"label": label})
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"done": bool, "n": int})

def label(row):
    return "done" if row.done else "open"

Other = db.model("Other", {"done": bool}, computed = {"label": label})
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				b, ok := n.(*syntax.BinaryExpr)
				if !ok || b.Op != syntax.EQL && b.Op != syntax.NEQ {
					return
				}
				id, ok := b.Y.(*syntax.Ident)
				if !ok || id.Name != "True" && id.Name != "False" {
					return
				}
				left := f.span(b.X)
				whole := f.span(b)
				d := p.report(whole, fmt.Sprintf("comparing with %s adds nothing to a yes or no", id.Name), "write the value itself, or not before it")
				if (id.Name == "True") == (b.Op == syntax.EQL) {
					d.Fixes = []dataflow.Fix{{Message: "write the value itself", Edits: []dataflow.Edit{{Span: dataflow.Span{File: f.Path, Start: left.End, End: whole.End}}}}}
				}
			})
		}
	},
}

package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var resultMissing = Rule{
	Code: "FC239", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
def label(row):  # here
    "n: {}".format(row.n)

Thing = db.model("Thing", {"n": int}, computed = {"label": label})
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
def label(row):
    return "n: {}".format(row.n)

Thing = db.model("Thing", {"n": int}, computed = {"label": label})
`,
	find: func(p *pass) {
		for _, m := range p.app.Models() {
			for _, c := range m.Computed {
				p.resultless(c.Func, fmt.Sprintf("%s.%s is always null: %s returns nothing", m.Name, c.Name, c.Func.Name()))
			}
		}
		for _, w := range p.app.Workflows {
			for _, n := range w.Nodes {
				v, _ := n.Config.Get("fn")
				if fn, ok := v.(dataflow.Func); ok && w.Output != nil && p.reads(w, n) {
					p.resultless(fn, fmt.Sprintf("what uses the node %s gets null: %s returns nothing", n.ID, fn.Name()))
				}
			}
		}
	},
}

func (p *pass) resultless(fn dataflow.Func, message string) {
	f, def := p.definition(fn)
	if def == nil {
		return
	}
	given := false
	results(def, func(syntax.Expr) { given = true })
	if !given {
		p.report(f.span(def.Name), message, "return the value")
	}
}

package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var localUnused = Rule{
	Code: "FC132", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def twice(ctx, n):
    double = 2 * n  # here
    return n

app = Nexus()
app.handler("twice", twice, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def twice(ctx, n):
    double, _ = 2 * n, "not needed"
    return double

app = Nexus()
app.handler("twice", twice, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			used := f.uses()
			f.walk(func(n syntax.Node) {
				st, ok := n.(*syntax.AssignStmt)
				if !ok || st.Op != syntax.EQ {
					return
				}
				id, ok := st.LHS.(*syntax.Ident)
				if !ok || !f.isLocal(id) || used[f.first(id)] > 0 || strings.HasPrefix(id.Name, "_") {
					return
				}
				p.report(f.span(id), fmt.Sprintf("%s is set and never used", id.Name), "take it out; what its value is made of may still be needed, as a call")
			})
		}
	},
}

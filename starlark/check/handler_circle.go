package check

import (
	"fmt"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var handlerCircle = Rule{
	Code: "FC435", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    return ctx.workflow("do", n = n - 1)  # here

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    for i in range(n):
        print(i)
    return {"n": n}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		type use struct {
			to string
			at dataflow.Span
		}
		runs := map[string][]use{}
		p.handlers(func(w *dataflow.Workflow, f *file, def *syntax.DefStmt) {
			syntax.Walk(def, func(n syntax.Node) bool {
				if call, ok := n.(*syntax.CallExpr); ok && callee(call) == "workflow" && len(call.Args) > 0 {
					if name, ok := text(call.Args[0]); ok {
						runs[w.Name] = append(runs[w.Name], use{name, f.span(call)})
					}
				}
				return true
			})
		})
		var reaches func(from, to string, seen map[string]bool) bool
		reaches = func(from, to string, seen map[string]bool) bool {
			if from == to {
				return true
			}
			if seen[from] {
				return false
			}
			seen[from] = true
			return slices.ContainsFunc(runs[from], func(u use) bool { return reaches(u.to, to, seen) })
		}
		for _, w := range p.app.Workflows {
			for _, u := range runs[w.Name] {
				if reaches(u.to, w.Name, map[string]bool{}) {
					p.report(u.at, fmt.Sprintf("the handler %s gets back to itself by this", w.Name), "a run that goes too deep fails as a whole: write a loop")
				}
			}
		}
	},
}

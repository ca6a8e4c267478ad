package check

import (
	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var conditionTwice = Rule{
	Code: "FC808", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    if n < 10:
        size = "small"
    elif n < 10:  # here
        size = "large"
    else:
        size = "none"
    return {"size": size}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    if n < 10:
        size = "small"
    elif n < 100:
        size = "large"
    else:
        size = "none"
    return {"size": size}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				first, ok := n.(*syntax.IfStmt)
				if !ok || calls(first.Cond) {
					return
				}
				asked := f.source(first.Cond)
				for st := elif(first); st != nil; st = elif(st) {
					if f.source(st.Cond) == asked {
						p.once(f.span(st.Cond), "this condition was asked above: the branch is never taken", "it was probably to ask something else")
					}
				}
			})
		}
	},
}

// elif returns the elif behind an if, or nil.
func elif(st *syntax.IfStmt) *syntax.IfStmt {
	if len(st.False) != 1 {
		return nil
	}
	next, _ := st.False[0].(*syntax.IfStmt)
	return next
}

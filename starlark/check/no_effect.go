package check

import (
	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var noEffect = Rule{
	Code: "FC804", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def twice(ctx, n):
    n * 2  # here
    return {"n": n}

app = Nexus()
app.expose(Thing)
app.handler("twice", twice, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def twice(ctx, n):
    "Doubles a number."
    return {"n": n * 2}

app = Nexus()
app.expose(Thing)
app.handler("twice", twice, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				st, ok := n.(*syntax.ExprStmt)
				if !ok {
					return
				}
				switch x := st.X.(type) {
				case *syntax.CallExpr, *syntax.Comprehension:
					return
				case *syntax.Literal:
					if _, isText := text(x); isText { // a docstring
						return
					}
				}
				p.report(f.span(st.X), "the value of this line goes nowhere", "return it, set a name to it, or take the line out")
			})
		}
	},
}

package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var changedWhileRead = Rule{
	Code: "FC136", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, ns):
    for n in ns:
        if n < 0:
            ns.remove(n)  # here
    return {"ns": ns}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"ns": list(int)})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, ns):
    return {"ns": [n for n in ns if n >= 0]}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"ns": list(int)})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				loop, ok := n.(*syntax.ForStmt)
				if !ok {
					return
				}
				over, ok := loop.X.(*syntax.Ident)
				if !ok {
					return
				}
				for _, st := range loop.Body {
					syntax.Walk(st, func(n syntax.Node) bool {
						if id := mutated(n); id != nil && f.first(id) == f.first(over) && f.bound[f.first(id)] == 1 {
							p.report(f.span(n), fmt.Sprintf("%s can't change while the loop goes through it", id.Name), fmt.Sprintf("build a new one, or go through a copy: for … in list(%s):", id.Name))
						}
						return true
					})
				}
			})
		}
	},
}

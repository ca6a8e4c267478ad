package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var recursion = Rule{
	Code: "FC142", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def factorial(n):
    return 1 if n < 2 else n * factorial(n - 1)  # here

def do(ctx, n):
    return {"n": factorial(n)}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def factorial(n):
    product = 1
    for i in range(2, n + 1):
        product *= i
    return product

def do(ctx, n):
    return {"n": factorial(n)}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			p.recursions(f)
		}
	},
}

// recursions reports the calls by which a function gets back to itself.
func (p *pass) recursions(f *file) {
	defs := f.functions()
	type use struct {
		to *syntax.DefStmt
		at *syntax.CallExpr
	}
	calls := map[*syntax.DefStmt][]use{}
	for _, def := range defs {
		syntax.Walk(def, func(n syntax.Node) bool {
			if call, ok := n.(*syntax.CallExpr); ok {
				if id, ok := call.Fn.(*syntax.Ident); ok && defs[f.first(id)] != nil {
					calls[def] = append(calls[def], use{defs[f.first(id)], call})
				}
			}
			return true
		})
	}
	var reaches func(from, to *syntax.DefStmt, seen map[*syntax.DefStmt]bool) bool
	reaches = func(from, to *syntax.DefStmt, seen map[*syntax.DefStmt]bool) bool {
		if from == to {
			return true
		}
		if seen[from] {
			return false
		}
		seen[from] = true
		for _, u := range calls[from] {
			if reaches(u.to, to, seen) {
				return true
			}
		}
		return false
	}
	for def, uses := range calls {
		for _, u := range uses {
			if reaches(u.to, def, map[*syntax.DefStmt]bool{}) {
				p.report(f.span(u.at), fmt.Sprintf("%s calls itself by this, which Starlark refuses", def.Name.Name), "write a loop: for _ in range(n): … break")
			}
		}
	}
}

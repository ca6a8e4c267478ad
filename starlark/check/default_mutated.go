package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var defaultMutated = Rule{
	Code: "FC134", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def gather(n, into = []):
    into.append(n)  # here
    return into

def do(ctx, n):
    return {"all": gather(n)}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def gather(n, into = None):
    into = into or []
    into.append(n)
    return into

def do(ctx, n):
    return {"all": gather(n)}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				if def, ok := n.(*syntax.DefStmt); ok {
					p.defaultsMutated(f, def)
				}
			})
		}
	},
}

func (p *pass) defaultsMutated(f *file, def *syntax.DefStmt) {
	shared := map[*syntax.Ident]bool{} // parameters, by the default that all calls share
	for _, q := range def.Params {
		if b, ok := q.(*syntax.BinaryExpr); ok && isCollection(b.Y) {
			if id := b.X.(*syntax.Ident); f.bound[f.first(id)] == 1 {
				shared[f.first(id)] = true
			}
		}
	}
	if len(shared) == 0 || f.calledAtLoad()[def.Name.Name] {
		return
	}
	syntax.Walk(def, func(n syntax.Node) bool {
		if id := mutated(n); id != nil && shared[f.first(id)] {
			p.report(f.span(n), fmt.Sprintf("the default of %s is one value for all calls, and fixed by the time a request comes", id.Name),
				fmt.Sprintf("write %s = None, and begin with: %s = %s or []", id.Name, id.Name, id.Name))
		}
		return true
	})
}

// calledAtLoad are the names of functions that the file calls itself while it
// is evaluated, when nothing is fixed yet.
func (f *file) calledAtLoad() map[string]bool {
	names := map[string]bool{}
	syntax.Walk(f.tree, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DefStmt, *syntax.LambdaExpr:
			return false
		case *syntax.CallExpr:
			names[callee(n)] = true
		}
		return true
	})
	return names
}

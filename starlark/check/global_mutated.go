package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var globalMutated = Rule{
	Code: "FC135", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

SEEN = {}

def do(ctx, n):
    SEEN[n] = True  # here
    return {"seen": len(SEEN)}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

RATES = {"a": 1}

def do(ctx, n):
    rates = dict(RATES)
    rates["b"] = n
    return {"rates": rates}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			global := map[*syntax.Ident]bool{}
			for _, st := range f.tree.Stmts {
				if set, ok := st.(*syntax.AssignStmt); ok && set.Op == syntax.EQ && isCollection(set.RHS) {
					if id, ok := set.LHS.(*syntax.Ident); ok {
						global[f.first(id)] = true
					}
				}
			}
			p.collectionsLoaded(f, global)
			if len(global) == 0 {
				continue
			}
			early := f.calledAtLoad()
			f.walk(func(n syntax.Node) {
				def, ok := n.(*syntax.DefStmt)
				if !ok || early[def.Name.Name] {
					return
				}
				syntax.Walk(def, func(n syntax.Node) bool {
					if id := mutatedWithin(n); id != nil && !f.isLocal(id) && global[f.first(id)] {
						p.report(f.span(n), fmt.Sprintf("%s can't change any more when the function runs: what the file declares is fixed", id.Name),
							"what is to last belongs in a model; for a changed copy write dict(…) or list(…) first")
					}
					return true
				})
			})
		}
	},
}

// collectionsLoaded adds the names that a file has from others of the app's which
// set them to a collection.
func (p *pass) collectionsLoaded(f *file, global map[*syntax.Ident]bool) {
	for _, st := range f.tree.Stmts {
		load, ok := st.(*syntax.LoadStmt)
		if !ok || strings.HasPrefix(load.ModuleName(), "@") {
			continue
		}
		other := p.fileAt(p.pathOf(f, load.ModuleName()))
		if other == nil {
			continue
		}
		for _, st := range other.tree.Stmts {
			set, ok := st.(*syntax.AssignStmt)
			if !ok || set.Op != syntax.EQ || !isCollection(set.RHS) {
				continue
			}
			for i, from := range load.From {
				if isNamed(set.LHS, from.Name) {
					global[f.first(load.To[i])] = true
				}
			}
		}
	}
}

func isNamed(e syntax.Expr, name string) bool {
	id, ok := e.(*syntax.Ident)
	return ok && id.Name == name
}

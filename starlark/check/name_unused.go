package check

import (
	"fmt"
	"path"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var nameUnused = Rule{
	Code: "FC131", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
RATE = 19  # here
Thing = db.model("Thing", {"n": int})

def helper(x):  # here
    return x
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
RATE = 19
Thing = db.model("Thing", {"n": field(int, default = RATE)})
`,
	find: func(p *pass) {
		main := p.main()
		if main == nil {
			return
		}
		used := main.uses()
		for _, f := range p.files {
			for _, st := range f.tree.Stmts {
				if load, ok := st.(*syntax.LoadStmt); ok && f != main && p.pathOf(f, load.ModuleName()) == path.Clean(main.Path) {
					for _, from := range load.From {
						p.usedElsewhere(main, from.Name, used)
					}
				}
			}
		}
		for _, st := range main.tree.Stmts {
			switch st := st.(type) {
			case *syntax.DefStmt:
				p.unusedGlobal(main, st.Name, used, "the function")
			case *syntax.AssignStmt:
				if id, ok := st.LHS.(*syntax.Ident); ok && plain(st.RHS) {
					p.unusedGlobal(main, id, used, "the name")
				}
			}
		}
	},
}

// usedElsewhere notes that a file which is discovered beside the app takes a
// name from it.
func (p *pass) usedElsewhere(f *file, name string, used map[*syntax.Ident]int) {
	for id := range f.bound {
		if id.Name == name && !f.isLocal(id) {
			used[id]++
		}
	}
}

// unusedGlobal reports a name of the main file that nothing uses.
func (p *pass) unusedGlobal(f *file, id *syntax.Ident, used map[*syntax.Ident]int, what string) {
	if used[f.first(id)] == 0 && !strings.HasPrefix(id.Name, "_") {
		p.report(f.span(id), fmt.Sprintf("%s %s is never used", what, id.Name), "use it, or take it out")
	}
}

// plain reports whether working an expression out does nothing but give a
// value: a call may declare a model, and is there for that.
func plain(e syntax.Expr) bool {
	ok := true
	syntax.Walk(e, func(n syntax.Node) bool {
		if _, call := n.(*syntax.CallExpr); call {
			ok = false
		}
		return ok
	})
	return ok
}

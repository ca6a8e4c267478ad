package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var neverSet = Rule{
	Code: "FC149", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, lines):
    for line in lines:
        total += line.n  # here
    return {"total": total}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"lines": list({"n": int}, max_length = 100)})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, lines):
    total = 0
    for line in lines:
        total += line.n
    return {"total": total}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"lines": list({"n": int}, max_length = 100)})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			set := map[*syntax.Ident]int{} // how often a name is added to
			f.inFunctions(func(_ *syntax.DefStmt, n syntax.Node) {
				if id := addedTo(n); id != nil {
					set[f.first(id)]++
				}
			})
			f.inFunctions(func(def *syntax.DefStmt, n syntax.Node) {
				if id := addedTo(n); id != nil && f.isLocal(id) && set[f.first(id)] == f.bound[f.first(id)] {
					p.once(f.span(id), fmt.Sprintf("%s has no value to begin with", id.Name),
						or(dataflow.DidYouMean(id.Name, f.usedIn(def, map[string]bool{id.Name: true})), fmt.Sprintf("set it before, as %s = 0", id.Name)))
				}
			})
		}
	},
}

// addedTo is the name of x += y.
func addedTo(n syntax.Node) *syntax.Ident {
	st, ok := n.(*syntax.AssignStmt)
	if !ok || st.Op == syntax.EQ {
		return nil
	}
	id, _ := st.LHS.(*syntax.Ident)
	return id
}

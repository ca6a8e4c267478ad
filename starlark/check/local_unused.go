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
			unused := func(e syntax.Expr) *syntax.Ident {
				id, ok := e.(*syntax.Ident)
				if !ok || !f.isLocal(id) || used[f.first(id)] > 0 || strings.HasPrefix(id.Name, "_") {
					return nil
				}
				return id
			}
			f.inFunctions(func(def *syntax.DefStmt, n syntax.Node) {
				switch n := n.(type) {
				case *syntax.AssignStmt:
					p.unusedVariable(f, def, n, unused)
				case *syntax.Comprehension:
					p.unusedItem(f, n, unused)
				}
			})
		}
	},
}

// inFunctions calls visit for every node of a function, with the outermost
// function that it is in.
func (f *file) inFunctions(visit func(*syntax.DefStmt, syntax.Node)) {
	for _, st := range f.tree.Stmts {
		def, ok := st.(*syntax.DefStmt)
		if !ok {
			continue
		}
		syntax.Walk(def, func(n syntax.Node) bool {
			if n != nil {
				visit(def, n)
			}
			return true
		})
	}
}

// unusedVariable reports what an assignment sets for nothing. Of several names
// that are set at once, some may not be needed: there only one is reported that
// is near a name that is.
func (p *pass) unusedVariable(f *file, def *syntax.DefStmt, st *syntax.AssignStmt, unused func(syntax.Expr) *syntax.Ident) {
	if st.Op != syntax.EQ {
		return
	}
	if id := unused(st.LHS); id != nil {
		p.report(f.span(id), fmt.Sprintf("%s is set and never used", id.Name),
			or(dataflow.DidYouMean(id.Name, f.usedIn(def, nil)), "take it out; what its value is made of may still be needed, as a call"))
		return
	}
	tuple, ok := st.LHS.(*syntax.TupleExpr)
	if !ok {
		return
	}
	beside := map[string]bool{}
	for _, x := range tuple.List {
		if id, ok := x.(*syntax.Ident); ok {
			beside[id.Name] = true
		}
	}
	for _, x := range tuple.List {
		if id := unused(x); id != nil && len(id.Name) > 3 {
			if near := dataflow.DidYouMean(id.Name, f.usedIn(def, beside)); near != "" {
				p.report(f.span(id), fmt.Sprintf("%s is set and never used", id.Name), near)
			}
		}
	}
}

// unusedItem reports the variable of a comprehension that was to be another: its
// body uses a name that is near.
func (p *pass) unusedItem(f *file, c *syntax.Comprehension, unused func(syntax.Expr) *syntax.Ident) {
	for _, clause := range c.Clauses {
		loop, ok := clause.(*syntax.ForClause)
		if !ok {
			continue
		}
		if id := unused(loop.Vars); id != nil && len(id.Name) > 2 {
			if near := dataflow.DidYouMean(id.Name, f.usedIn(c.Body, nil)); near != "" {
				p.report(f.span(id), fmt.Sprintf("%s is set and never used", id.Name), near)
			}
		}
	}
}

// usedIn are the names that are used below a node, less some.
func (f *file) usedIn(n syntax.Node, without map[string]bool) []string {
	var names []string
	syntax.Walk(n, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DotExpr: // whose name is none
			names = append(names, f.usedIn(n.X, without)...)
			return false
		case *syntax.Ident:
			if !f.binds[n] && !without[n.Name] && !outside(n) {
				names = append(names, n.Name)
			}
		}
		return true
	})
	return names
}

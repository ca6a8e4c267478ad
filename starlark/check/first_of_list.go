package check

import (
	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var firstOfList = Rule{
	Code: "FC433", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, unique = True)})

def do(ctx, n):
    found = ctx.run(Thing.list, filter = {"n": n}, limit = 1).records[0]  # here
    return {"id": found.id}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, unique = True)})

def do(ctx, n):
    found = ctx.run(Thing.read, filter = {"n": n})
    return {"id": found.id}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		const message, hint = "where no row is found this ends the run with a fault of the app", "read the one that is meant: ctx.run(….read, filter = …) tells the caller that there is none"
		for _, f := range p.files {
			only := f.onlyIndexed()
			f.walk(func(n syntax.Node) {
				switch n := n.(type) {
				case *syntax.IndexExpr:
					if recordsOfList(n.X) {
						p.report(f.span(n), message, hint)
					}
				case *syntax.AssignStmt:
					if id, ok := n.LHS.(*syntax.Ident); ok && n.Op == syntax.EQ && recordsOfList(n.RHS) && f.isLocal(id) && f.bound[f.first(id)] == 1 {
						for _, at := range only[f.first(id)] {
							p.report(f.span(at), message, "ask whether there is one: if not "+id.Name+"; or "+hint)
						}
					}
				}
			})
		}
	},
}

// recordsOfList reports whether an expression is the rows of a list whose order
// nobody asked for.
func recordsOfList(e syntax.Expr) bool {
	records, ok := e.(*syntax.DotExpr)
	if !ok || records.Name.Name != "records" {
		return false
	}
	c, ok := runOf(records.X)
	return ok && c.kind == "list" && keyword(c.CallExpr, "sort") == nil
}

// onlyIndexed are the names of which a file takes one item by a number, and does
// nothing else, with where it does.
func (f *file) onlyIndexed() map[*syntax.Ident][]*syntax.IndexExpr {
	at := map[*syntax.Ident][]*syntax.IndexExpr{}
	f.walk(func(n syntax.Node) {
		ix, ok := n.(*syntax.IndexExpr)
		if !ok {
			return
		}
		id, ok := ix.X.(*syntax.Ident)
		lit, number := ix.Y.(*syntax.Literal)
		if ok && number && lit.Token == syntax.INT {
			at[f.first(id)] = append(at[f.first(id)], ix)
		}
	})
	used := f.uses()
	for id, places := range at {
		if used[id] != len(places) {
			delete(at, id)
		}
	}
	return at
}

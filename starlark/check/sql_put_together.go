package check

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var sqlPutTogether = Rule{
	Code: "FC432", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"sku": str})

def find(ctx, sku):
    return ctx.run("SQLQueryNode", sql = "SELECT id FROM orders WHERE sku = '%s'" % sku).rows  # here

app = Nexus()
app.handler("find", find, input = {"sku": str})
app.expose(Order)
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"sku": str})

def find(ctx, sku):
    return ctx.run("SQLQueryNode", sql = "SELECT id FROM orders WHERE sku = :sku", params = {"sku": sku}).rows

app = Nexus()
app.handler("find", find, input = {"sku": str})
app.expose(Order)
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			texts := f.putTogetherBefore()
			f.walk(func(n syntax.Node) {
				call, ok := n.(*syntax.CallExpr)
				if !ok || len(call.Args) < 2 {
					return
				}
				if name, ok := text(call.Args[0]); !ok || name != "SQLQueryNode" {
					return
				}
				for _, a := range call.Args[1:] {
					e := sqlOf(a)
					if id, ok := e.(*syntax.Ident); ok && f.isLocal(id) && !f.isParam[f.first(id)] {
						e = texts[f.first(id)]
					}
					if e != nil && putTogether(e) {
						p.report(f.span(e), "the SQL is put together as the app runs: a value in it can become part of the statement",
							`write one literal, and bind the value: sql = "… WHERE sku = :sku", params = {"sku": sku}`)
					}
				}
			})
		}
	},
}

// putTogetherBefore are the variables that are set to a text which is put
// together, with what makes it: by one assignment or by adding to them.
func (f *file) putTogetherBefore() map[*syntax.Ident]syntax.Expr {
	texts := map[*syntax.Ident]syntax.Expr{}
	f.walk(func(n syntax.Node) {
		st, ok := n.(*syntax.AssignStmt)
		if !ok {
			return
		}
		id, ok := st.LHS.(*syntax.Ident)
		switch {
		case !ok:
		case st.Op == syntax.EQ && putTogether(st.RHS):
			texts[f.first(id)] = st.RHS
		case st.Op == syntax.PLUS_EQ && putTogether(st.RHS):
			texts[f.first(id)] = st.RHS
		}
	})
	return texts
}

// sqlOf returns what an argument of ctx.run gives for sql, or nil.
func sqlOf(arg syntax.Expr) syntax.Expr {
	switch arg := arg.(type) {
	case *syntax.BinaryExpr:
		if id, ok := arg.X.(*syntax.Ident); ok && arg.Op == syntax.EQ && id.Name == "sql" {
			return arg.Y
		}
	case *syntax.DictExpr:
		for _, item := range arg.List {
			entry := item.(*syntax.DictEntry)
			if key, ok := text(entry.Key); ok && key == "sql" {
				return entry.Value
			}
		}
	}
	return nil
}

// putTogether reports whether a text is made of parts, not all of which are
// written out.
func putTogether(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return putTogether(e.X)
	case *syntax.BinaryExpr:
		if e.Op == syntax.PLUS {
			return !written(e.X) || !written(e.Y)
		}
		return e.Op == syntax.PERCENT
	case *syntax.CallExpr:
		return slices.Contains([]string{"format", "join", "replace"}, callee(e))
	}
	return false
}

// written reports whether a text is one literal, or several joined.
func written(e syntax.Expr) bool {
	if b, ok := e.(*syntax.BinaryExpr); ok && b.Op == syntax.PLUS {
		return written(b.X) && written(b.Y)
	}
	_, ok := text(e)
	return ok
}

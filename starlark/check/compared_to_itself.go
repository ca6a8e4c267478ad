package check

import (
	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var comparedToItself = Rule{
	Code: "FC807", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n, m):
    if n == n:  # here
        fail("the same")
    return {"n": n + m}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "m": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n, m):
    if n == m:
        fail("the same")
    return {"n": n + m}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "m": int})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				switch n := n.(type) {
				case *syntax.BinaryExpr:
					if alike[n.Op] && f.same(n.X, n.Y) {
						p.report(f.span(n), "both sides are the same", "one of them was probably to be another name")
					}
				case *syntax.AssignStmt:
					if n.Op == syntax.EQ && f.same(n.LHS, n.RHS) {
						p.report(f.span(n), "this sets a name to itself", "take it out, or set it to what was meant")
					}
				}
			})
		}
	},
}

// alike are operators that say nothing new of two operands that are the same.
var alike = map[syntax.Token]bool{
	syntax.EQL: true, syntax.NEQ: true, syntax.LT: true, syntax.LE: true, syntax.GT: true, syntax.GE: true,
	syntax.AND: true, syntax.OR: true, syntax.MINUS: true, syntax.IN: true, syntax.NOT_IN: true,
}

// same reports whether two expressions are written alike and give the same.
func (f *file) same(a, b syntax.Expr) bool {
	switch a.(type) {
	case *syntax.Literal: // 1 - 1 is arithmetic
		return false
	}
	x, y := f.span(a), f.span(b)
	if x.End.Col-x.Start.Col != y.End.Col-y.Start.Col { // most are told apart by this
		return false
	}
	return f.source(a) == f.source(b) && !calls(a)
}

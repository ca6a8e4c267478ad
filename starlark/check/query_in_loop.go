package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var queryInLoop = Rule{
	Code: "FC362", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})
Line = db.model("Line", {"order": ref(Order), "qty": int})

def total(ctx):
    qty = 0
    for order in ctx.run(Order.list, limit = 100).records:
        for line in ctx.run(Line.list, filter = {"order": order.id}, limit = 100).records:  # here
            qty += line.qty
    return {"qty": qty}

app = Nexus()
app.handler("total", total)
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})
Line = db.model("Line", {"order": ref(Order), "qty": int})

def total(ctx):
    found = ctx.run(Line.aggregate, aggregates = {"qty": {"$sum": "qty"}})
    return {"qty": found.groups[0].qty}

app = Nexus()
app.handler("total", total)
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.inLoops(func(call *syntax.CallExpr, turn syntax.Node) {
				if other, def := p.called(f, call); def != nil {
					p.queriedBy(f, other, call, def)
					return
				}
				dot, ok := call.Fn.(*syntax.DotExpr)
				if !ok || dot.Name.Name != "run" || len(call.Args) == 0 {
					return
				}
				op, ok := call.Args[0].(*syntax.DotExpr)
				if !ok || loopAdvice[op.Name.Name] == "" || op.Name.Name == "read" && changes(turn) {
					return
				}
				p.report(f.span(call), "the database is asked once for each turn of the loop", loopAdvice[op.Name.Name])
			})
		}
	},
}

// queriedBy reports the call of a function that asks the database each time, and
// does nothing else with it.
func (p *pass) queriedBy(f, other *file, call *syntax.CallExpr, def *syntax.DefStmt) {
	advice, writes := "", false
	syntax.Walk(def, func(n syntax.Node) bool {
		if c, ok := runOf(n); ok {
			writes = writes || c.writes()
			advice = or(advice, loopAdvice[c.kind])
		} else if call, ok := n.(*syntax.CallExpr); ok {
			_, helper := p.called(other, call)
			writes = writes || helper != nil // what it does is not known here
		}
		return true
	})
	if advice != "" && !writes {
		p.report(f.span(call), fmt.Sprintf("the database is asked once for each turn of the loop, by %s", def.Name.Name), advice)
	}
}

var loopAdvice = map[string]string{
	"read":      `ask once for all: list with filter = {"id": {"$in": ids}}, or expand the reference`,
	"list":      `ask once for all: a filter with $in, expand = […], or aggregate`,
	"count":     "ask once for all: aggregate with group_by",
	"aggregate": "ask once for all: group_by",
	"create":    "gather the rows and write them together: bulk_create",
	"upsert":    "gather the rows and write them together: bulk_upsert",
}

// changes reports whether something below a node changes a row: then what is
// read is read to be kept from changing meanwhile, each for itself.
func changes(n syntax.Node) bool {
	found := false
	syntax.Walk(n, func(n syntax.Node) bool {
		if call, ok := n.(*syntax.CallExpr); ok && callee(call) == "run" && len(call.Args) > 0 {
			op, ok := call.Args[0].(*syntax.DotExpr)
			found = found || ok && (op.Name.Name == "update" || op.Name.Name == "delete")
		}
		return !found
	})
	return found
}

// inLoops calls visit for every call that is made anew for each turn of a
// loop, and with the innermost of the loops.
func (f *file) inLoops(visit func(call *syntax.CallExpr, loop syntax.Node)) {
	var body func(root, loop syntax.Node)
	body = func(root, loop syntax.Node) {
		syntax.Walk(root, func(n syntax.Node) bool {
			switch n := n.(type) {
			case *syntax.CallExpr:
				if loop != nil {
					visit(n, loop)
				}
			case *syntax.ForStmt:
				body(n.X, loop)
				for _, st := range n.Body {
					body(st, n)
				}
				return false
			case *syntax.Comprehension:
				for i, c := range n.Clauses {
					switch c := c.(type) {
					case *syntax.ForClause:
						if i == 0 { // worked out once
							body(c.X, loop)
						} else {
							body(c.X, n)
						}
					case *syntax.IfClause:
						body(c.Cond, n)
					}
				}
				body(n.Body, n)
				return false
			}
			return true
		})
	}
	body(f.tree, nil)
}

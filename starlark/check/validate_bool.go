package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var validateBool = Rule{
	Code: "FC238", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
def sound(row):
    return row.n > 0  # here

Thing = db.model("Thing", {"n": int}, validate = sound)
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
def sound(row):
    if row.n <= 0:
        return {"n": "must be more than 0"}
    return None

Thing = db.model("Thing", {"n": int}, validate = sound)
`,
	find: func(p *pass) {
		for _, m := range p.app.Models() {
			if m.Validate == nil {
				continue
			}
			f, def := p.definition(m.Validate)
			if def == nil {
				continue
			}
			results(def, func(e syntax.Expr) {
				if isBool(e) {
					p.report(f.span(e), fmt.Sprintf("validate of %s returns a yes or no, which says of no problem what it is", m.Name),
						`return None if the row is sound, else what is wrong with it: {"n": "must be more than 0"}`)
				}
			})
		}
	},
}

// isBool reports whether an expression is True or False, whatever is in it.
func isBool(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return isBool(e.X)
	case *syntax.Ident:
		return e.Name == "True" || e.Name == "False"
	case *syntax.UnaryExpr:
		return e.Op == syntax.NOT
	case *syntax.CondExpr:
		return isBool(e.True) && isBool(e.False)
	case *syntax.CallExpr:
		id, ok := e.Fn.(*syntax.Ident)
		return ok && outside(id) && (id.Name == "bool" || id.Name == "all" || id.Name == "any")
	case *syntax.BinaryExpr:
		switch e.Op {
		case syntax.EQL, syntax.NEQ, syntax.LT, syntax.LE, syntax.GT, syntax.GE, syntax.IN, syntax.NOT_IN:
			return true
		case syntax.AND, syntax.OR:
			return isBool(e.X) && isBool(e.Y)
		}
	}
	return false
}

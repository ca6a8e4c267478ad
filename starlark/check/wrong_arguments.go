package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var wrongArguments = Rule{
	Code: "FC140", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def add(a, b):
    return a + b

def total(ctx, n):
    return {"total": add(n)}  # here

app = Nexus()
app.handler("total", total, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def add(a, b = 1):
    return a + b

def total(ctx, n):
    return {"total": add(n), "more": add(n, b = 2)}

app = Nexus()
app.handler("total", total, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				call, ok := n.(*syntax.CallExpr)
				if !ok {
					return
				}
				if _, def := p.called(f, call); def != nil && !p.failed(f.span(call)) {
					p.arguments(f, call, def)
				}
			})
		}
		p.tell() // what methods of ctx are called with
	},
}

// functions are the functions of the file by the name they are bound to, those
// whose name is bound once.
func (f *file) functions() map[*syntax.Ident]*syntax.DefStmt {
	if f.fns != nil {
		return f.fns
	}
	defs := map[*syntax.Ident]*syntax.DefStmt{}
	f.walk(func(n syntax.Node) {
		if def, ok := n.(*syntax.DefStmt); ok && f.bound[f.first(def.Name)] == 1 {
			defs[f.first(def.Name)] = def
		}
	})
	f.fns = defs
	return defs
}

// arguments compares a call with the function it calls.
func (p *pass) arguments(f *file, call *syntax.CallExpr, def *syntax.DefStmt) {
	params, rest := parametersOf(def)
	given := map[string]bool{}
	position := 0
	for _, a := range call.Args {
		switch a := a.(type) {
		case *syntax.UnaryExpr:
			if a.Op == syntax.STAR || a.Op == syntax.STARSTAR {
				return // only the run knows how many
			}
		case *syntax.BinaryExpr:
			if a.Op == syntax.EQ {
				name := a.X.(*syntax.Ident).Name
				if !hasParam(params, name) && !rest.named {
					var names []string
					for _, q := range params {
						names = append(names, q.name)
					}
					p.report(f.span(a.X), fmt.Sprintf("%s has no parameter %q", def.Name.Name, name), or(dataflow.DidYouMean(name, names), "it has "+strings.Join(names, ", ")))
				}
				given[name] = true
				continue
			}
		}
		if position < len(params) && !params[position].named {
			given[params[position].name] = true
		} else if !rest.positional {
			p.report(f.span(a), fmt.Sprintf("%s takes %d arguments by position", def.Name.Name, position), "")
			return
		}
		position++
	}
	for _, q := range params {
		if !q.optional && !given[q.name] {
			p.report(f.span(call), fmt.Sprintf("%s needs %s", def.Name.Name, q.name), "")
		}
	}
}

// parameter is one of a function's.
type parameter struct {
	name            string
	optional, named bool
}

// parametersOf lists a function's parameters, and whether it takes others.
func parametersOf(def *syntax.DefStmt) (params []parameter, rest struct{ positional, named bool }) {
	named := false
	for _, e := range def.Params {
		switch e := e.(type) {
		case *syntax.Ident:
			params = append(params, parameter{e.Name, false, named})
		case *syntax.BinaryExpr:
			params = append(params, parameter{e.X.(*syntax.Ident).Name, true, named})
		case *syntax.UnaryExpr:
			named = true
			rest.named = rest.named || e.Op == syntax.STARSTAR
			rest.positional = rest.positional || e.Op == syntax.STAR && e.X != nil
		}
	}
	return params, rest
}

func hasParam(params []parameter, name string) bool {
	for _, q := range params {
		if q.name == name {
			return true
		}
	}
	return false
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

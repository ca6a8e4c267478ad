package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/internal/lazyregexp"
	"go.starlark.net/syntax"
)

var formatMismatch = Rule{
	Code: "FC141", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def greet(ctx, name, n):
    return {
        "a": "%s has %d" % (name),  # here
        "b": "{} has {}".format(name),  # here
    }

app = Nexus()
app.handler("greet", greet, input = {"name": str, "n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def greet(ctx, name, n):
    return {"a": "%s has %d, 100%%" % (name, n), "b": "{} has {n}".format(name, n = n)}

app = Nexus()
app.handler("greet", greet, input = {"name": str, "n": int})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				switch n := n.(type) {
				case *syntax.BinaryExpr:
					if format, ok := text(n.X); ok && n.Op == syntax.PERCENT {
						p.percent(f, n, format)
					}
				case *syntax.CallExpr:
					if dot, ok := n.Fn.(*syntax.DotExpr); ok && dot.Name.Name == "format" {
						if format, ok := text(dot.X); ok {
							p.braces(f, n, format)
						}
					}
				}
			})
		}
	},
}

// percent compares the verbs of a format with what follows the %.
func (p *pass) percent(f *file, n *syntax.BinaryExpr, format string) {
	rest := strings.ReplaceAll(format, "%%", "")
	want := strings.Count(rest, "%")
	if strings.Contains(rest, "%(") {
		return // by name, from a dict
	}
	have := 1
	y := n.Y
	if paren, ok := y.(*syntax.ParenExpr); ok {
		y = paren.X
	}
	switch y := y.(type) {
	case *syntax.TupleExpr:
		have = len(y.List)
	case *syntax.Literal, *syntax.ListExpr, *syntax.DictExpr, *syntax.BinaryExpr:
	default:
		if want == 1 {
			return
		}
		if _, parens := n.Y.(*syntax.ParenExpr); !parens {
			return // may be a tuple
		}
	}
	if have != want {
		p.report(f.span(n), fmt.Sprintf("the text has %d places for values, and gets %d", want, have), `write "%s is %s" % (a, b)`)
	}
}

var brace = lazyregexp.New(`\{\{|\}\}|\{([^{}]*)\}`)

// braces compares the places of a format with the arguments of the call.
func (p *pass) braces(f *file, call *syntax.CallExpr, format string) {
	position, named := 0, map[string]bool{}
	for _, a := range call.Args {
		switch a := a.(type) {
		case *syntax.UnaryExpr:
			if a.Op == syntax.STAR || a.Op == syntax.STARSTAR {
				return
			}
		case *syntax.BinaryExpr:
			if a.Op == syntax.EQ {
				named[a.X.(*syntax.Ident).Name] = true
				continue
			}
		}
		position++
	}
	auto := 0
	for _, m := range brace.FindAllStringSubmatch(format, -1) {
		name, _, _ := strings.Cut(m[1], "!")
		switch {
		case m[0] == "{{" || m[0] == "}}":
		case name == "":
			auto++
		case strings.Trim(name, "0123456789") == "":
		case !named[name]:
			p.report(f.span(call), fmt.Sprintf("the text has a place for %s, which is not given", name), fmt.Sprintf("write .format(%s = …)", name))
		}
	}
	if auto > position {
		p.report(f.span(call), fmt.Sprintf("the text has %d places for values, and gets %d", auto, position), `write "{} is {}".format(a, b)`)
	}
}

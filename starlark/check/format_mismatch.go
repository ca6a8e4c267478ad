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
        "c": "%s-%02d" % (name, n),  # here
        "d": "{:.2f}".format(n),  # here
    }

app = Nexus()
app.handler("greet", greet, input = {"name": str, "n": int})
app.start()
`,
	Good: `load("@stdlib//math.star", "round")
load("@stdlib//strings.star", "pad_left")

db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def greet(ctx, name, n):
    return {
        "a": "%s has %d, 100%%" % (name, n),
        "b": "{} has {n}".format(name, n = n),
        "c": "%s-%s" % (name, pad_left(str(n), 2, "0")),
        "d": str(round(n, 2)),
    }

app = Nexus()
app.handler("greet", greet, input = {"name": str, "n": int})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				switch n := n.(type) {
				case *syntax.BinaryExpr:
					if format, ok := joinedText(n.X); ok && n.Op == syntax.PERCENT {
						p.percent(f, n, format)
					}
				case *syntax.CallExpr:
					if dot, ok := n.Fn.(*syntax.DotExpr); ok && dot.Name.Name == "format" {
						if format, ok := joinedText(dot.X); ok {
							p.braces(f, n, format)
						}
					}
				}
			})
		}
	},
}

const verbs = "srdioxXeEfFgGc"

// place is a % of a text: what Starlark does not know of Python's, and the verb.
var place = lazyregexp.New(`%(?:\([^)]*\))?([-+ #0]*\d*(?:\.\d*)?)([A-Za-z]?)`)

// laidOut says how to write what Python lays out by "02d" or ".2f".
func laidOut(as string) string {
	digits := strings.TrimLeft(as, "-+ #0<>^,_123456789")
	switch {
	case strings.HasPrefix(digits, "."):
		places := strings.Trim(digits, ".dfgeEG%")
		if places == "" {
			places = "0"
		}
		return fmt.Sprintf(`round it: round(x, %s) of @stdlib//math.star, or round_half_even(x, %s) of @stdlib//money.star`, places, places)
	case strings.HasPrefix(as, "0"):
		return fmt.Sprintf(`write pad_left(str(n), %s, "0") of @stdlib//strings.star`, strings.Trim(as, "0dsfi"))
	}
	return "write pad_left(s, width) or pad_right(s, width) of @stdlib//strings.star"
}

// percent compares the verbs of a format with what follows the %.
func (p *pass) percent(f *file, n *syntax.BinaryExpr, format string) {
	rest := strings.ReplaceAll(format, "%%", "")
	want := strings.Count(rest, "%")
	for _, m := range place.FindAllStringSubmatch(rest, -1) {
		if strings.Contains(verbs, m[2]) && m[1] == "" && m[2] != "" {
			continue
		}
		hint := "write %% for a percent sign"
		if m[1] != "" && m[2] != "" && strings.Contains("dsfgixXeEG", m[2]) {
			hint = laidOut(m[1] + m[2])
		}
		p.report(f.span(n), fmt.Sprintf("a text has no place like %q: there are %%s, %%d and the like, without width or digits", m[0]), hint)
		return
	}
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
		name, layout, laid := strings.Cut(name, ":")
		switch {
		case m[0] == "{{" || m[0] == "}}":
		case laid:
			p.report(f.span(call), fmt.Sprintf("a text has no place like %q: what is put in is not laid out", m[0]), laidOut(layout))
			return
		case strings.ContainsAny(name, ".["):
			p.report(f.span(call), fmt.Sprintf("a text has no place like %q: there is none for a part of a value", m[0]), "give the part: .format(…)")
			return
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

// joinedText is the value of a string literal, or of several that are added.
func joinedText(e syntax.Expr) (string, bool) {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return joinedText(e.X)
	case *syntax.BinaryExpr:
		x, ok := joinedText(e.X)
		y, also := joinedText(e.Y)
		return x + y, ok && also && e.Op == syntax.PLUS
	}
	return text(e)
}

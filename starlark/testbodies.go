package starlark

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/spec"
	"github.com/flowctl/flowctl/starlark/value"
	"go.starlark.net/syntax"
)

// testSuffix ends the names of files with tests.
const testSuffix = "_test.star"

// asker is the parameter of a test by the name that its documentation gives it.
const asker = "t"

// tests looks at what a function of a test file asks of t. In a test that is
// what the run gives it; in another function anything may be called so, and
// only what is all but a method's name is told.
func (b *bodies) tests(def *syntax.DefStmt) {
	if !strings.HasSuffix(b.m.key, testSuffix) || len(def.Params) == 0 {
		return
	}
	var t *syntax.Ident
	for _, p := range def.Params {
		if id, ok := p.(*syntax.Ident); ok && id.Name == asker {
			t = id
		}
	}
	if t == nil || rebinds(def, t) {
		return
	}
	tb := &testBody{bodies: b, certain: strings.HasPrefix(def.Name.Name, "test_") && len(def.Params) == 1, callers: callersIn(def)}
	syntax.Walk(def, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DotExpr:
			tb.attribute(n)
		case *syntax.CallExpr:
			b.expected(n)
			tb.call(n)
		}
		return true
	})
}

// testBody is a function that has t.
type testBody struct {
	*bodies
	certain bool            // t is what a test is given
	callers map[string]bool // variables that t.as_caller gave
}

// callersIn are the variables of a function that are set once, by t.as_caller.
func callersIn(def *syntax.DefStmt) map[string]bool {
	sets := map[string]int{}
	out := map[string]bool{}
	syntax.Walk(def, func(n syntax.Node) bool {
		s := &scope{first: map[string]*syntax.Ident{}}
		switch n := n.(type) {
		case *syntax.AssignStmt:
			if id, ok := n.LHS.(*syntax.Ident); ok && n.Op == syntax.EQ && isAsCaller(n.RHS) {
				out[id.Name] = true
			}
			s.targets(n.LHS)
		case *syntax.ForStmt:
			s.targets(n.Vars)
		case *syntax.DefStmt, *syntax.LambdaExpr, *syntax.Comprehension:
			s = scopeOf(n)
			if d, ok := n.(*syntax.DefStmt); ok { // what its body sets is counted there
				s = &scope{first: map[string]*syntax.Ident{}}
				for _, p := range d.Params {
					s.targets(p)
				}
			}
		}
		for _, name := range s.names {
			sets[name]++
		}
		return true
	})
	for name := range out {
		if sets[name] != 1 {
			delete(out, name)
		}
	}
	return out
}

func isAsCaller(e syntax.Expr) bool {
	call, ok := e.(*syntax.CallExpr)
	if !ok {
		return false
	}
	dot, ok := call.Fn.(*syntax.DotExpr)
	return ok && dot.Name.Name == "as_caller" && isNamed(dot.X, asker)
}

// of names what an expression is: "t", what t.as_caller gives, or "" for
// anything else.
func (tb *testBody) of(e syntax.Expr) string {
	id, isName := e.(*syntax.Ident)
	switch {
	case isNamed(e, asker):
		return asker
	case isAsCaller(e), isName && tb.callers[id.Name]:
		return "a caller"
	}
	return ""
}

func (tb *testBody) attribute(n *syntax.DotExpr) {
	var names []string
	of := tb.of(n.X)
	switch of {
	case "":
		return
	case asker:
		for _, b := range spec.TestBuiltins() {
			names = append(names, strings.TrimPrefix(b.Name, "t."))
		}
	default:
		names = []string{"run", "workflow"}
	}
	if !slices.Contains(names, n.Name.Name) {
		near := dataflow.DidYouMean(n.Name.Name, names)
		tb.tell(near != "", tb.m.src.span(n.Name), fmt.Sprintf("%s has no %q", of, n.Name.Name), orElse(near, "it has "+strings.Join(names, ", ")))
	}
}

// tell reports what is certain of a test's own t, and likely of another's.
func (tb *testBody) tell(likely bool, at dataflow.Span, message, hint string) {
	switch {
	case tb.certain:
		tb.error("FC416", at, message, hint)
	case likely:
		tb.l.warn("FC416", at, message, hint)
	}
}

func (tb *testBody) call(n *syntax.CallExpr) {
	dot, ok := n.Fn.(*syntax.DotExpr)
	if !ok || tb.of(dot.X) == "" {
		return
	}
	for _, b := range spec.TestBuiltins() {
		if b.Name == "t."+dot.Name.Name {
			tb.given(n, b)
		}
	}
	if dot.Name.Name == "workflow" {
		tb.workflow(n)
	}
}

// given compares the arguments of a call with what the method takes.
func (tb *testBody) given(n *syntax.CallExpr, b *spec.Builtin) {
	var names []string
	for _, p := range b.Params {
		names = append(names, p.Name)
	}
	takes := "it takes " + strings.Join(names, ", ")
	if len(names) == 0 {
		takes = "it takes nothing"
	}
	most := len(b.Params)
	if b.Name == "t.mock_http" { // whose URL alone goes by position
		most = 1
	}
	given, all, slip := map[string]bool{}, true, false
	pos := 0
	for _, a := range n.Args {
		if u, ok := a.(*syntax.UnaryExpr); ok && (u.Op == syntax.STAR || u.Op == syntax.STARSTAR) {
			all = false
			continue
		}
		kw, ok := a.(*syntax.BinaryExpr)
		if !ok || kw.Op != syntax.EQ {
			if pos < most {
				given[names[pos]] = true
				tb.value(b, b.Params[pos], a)
			} else {
				tb.tell(false, tb.m.src.span(a), b.Name+" takes no further argument by position", takes)
			}
			pos++
			continue
		}
		name := kw.X.(*syntax.Ident).Name
		i := slices.Index(names, name)
		switch {
		case b.Extra != nil: // of what is run
		case i < 0:
			near := dataflow.DidYouMean(name, names)
			slip = slip || near != ""
			tb.tell(near != "", tb.m.src.span(kw.X), fmt.Sprintf("%s takes no %q", b.Name, name), orElse(near, takes))
		case given[name]:
			tb.tell(false, tb.m.src.span(kw.X), fmt.Sprintf("%s is given %q twice", b.Name, name), "leave one of them out")
		default:
			given[name] = true
			tb.value(b, b.Params[i], kw.Y)
		}
	}
	for _, p := range b.Params {
		if all && !slip && p.Required && !given[p.Name] {
			tb.tell(false, tb.m.src.span(n), fmt.Sprintf("%s needs %q", b.Name, p.Name), "as in "+b.Example)
		}
	}
}

// value looks at an argument that is written out.
func (tb *testBody) value(b *spec.Builtin, p spec.Param, e syntax.Expr) {
	var is spec.Accept
	var what string
	switch e := e.(type) {
	case *syntax.Literal:
		switch e.Token {
		case syntax.STRING:
			is, what = spec.Str|spec.Duration, "a string"
		case syntax.INT:
			is, what = spec.Int|spec.Number, "a whole number"
		case syntax.FLOAT:
			is, what = spec.Number, "a float"
		}
	case *syntax.ListExpr:
		is, what = spec.List, "a list"
	case *syntax.DictExpr:
		is, what = spec.Dict, "a dict"
	}
	if s, ok := text(e); ok && p.Accept == spec.Duration {
		if _, err := value.ParseDuration(s); err != nil {
			tb.tell(false, tb.m.src.span(e), fmt.Sprintf("%s of %s is %s, not %q", p.Name, b.Name, p.Accept, s), "as in "+b.Example)
		}
		return
	}
	if is != 0 && !p.Accept.Has(spec.Any) && !p.Accept.Has(is) {
		tb.tell(false, tb.m.src.span(e), fmt.Sprintf("%s of %s is %s, not %s", p.Name, b.Name, p.Accept, what), "as in "+b.Example)
	}
}

// workflow looks at the name and inputs of t.workflow. What is expected to fail
// may be wrong on purpose.
func (tb *testBody) workflow(n *syntax.CallExpr) {
	if tb.fails[n] || len(n.Args) == 0 {
		return
	}
	name, ok := text(n.Args[0])
	if !ok {
		return
	}
	var names []string
	var w *dataflow.Workflow
	for _, known := range tb.l.app.Workflows {
		if names = append(names, known.Name); known.Name == name {
			w = known
		}
	}
	if w == nil {
		near := dataflow.DidYouMean(name, names)
		tb.tell(near != "", tb.m.src.span(n.Args[0]), fmt.Sprintf("no workflow or handler is registered as %q", name), orElse(near, dataflow.ThereAre(names)))
		return
	}
	tb.inputs(n, w)
}

func (tb *testBody) inputs(n *syntax.CallExpr, w *dataflow.Workflow) {
	var names []string
	for _, in := range w.Input {
		names = append(names, in.Name)
	}
	given, all, slip := map[string]bool{}, true, false
	for _, a := range n.Args[1:] {
		kw, ok := a.(*syntax.BinaryExpr)
		if !ok || kw.Op != syntax.EQ {
			all = false // a dict, *args or **kwargs
			continue
		}
		name := kw.X.(*syntax.Ident).Name
		if given[name] = true; !slices.Contains(names, name) {
			slip = true
			near := dataflow.DidYouMean(name, names)
			takes := "it takes nothing"
			if len(names) > 0 {
				takes = "it takes " + strings.Join(names, ", ")
			}
			tb.tell(near != "", tb.m.src.span(kw.X), fmt.Sprintf("%s takes no input %q", w.Name, name), orElse(near, takes))
		}
	}
	for _, in := range w.Input {
		if all && !slip && in.Required() && !given[in.Name] {
			tb.tell(false, tb.m.src.span(n), fmt.Sprintf("%s needs the input %q", w.Name, in.Name), "")
		}
	}
}

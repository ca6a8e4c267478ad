package starlark

import (
	"fmt"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/spec"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// site is a call in a file.
type site struct {
	src  *source
	at   dataflow.Span
	call *syntax.CallExpr // nil if a builtin made the call, as sorted(key = …) does
}

// site returns the call that runs the builtin of this thread.
func (l *loader) site(thread *sl.Thread) *site {
	p := thread.CallFrame(1).Pos
	src := l.sources[p.Filename()]
	if src == nil {
		return &site{src: &source{name: p.Filename()}, at: l.locate(p)}
	}
	return &site{src: src, at: src.locate(p), call: src.calls[placeOf(p)]}
}

// arg is an argument as it was written.
type arg struct {
	val  sl.Value
	expr syntax.Expr // nil where it can't be told, as after *args
	at   dataflow.Span
	key  dataflow.Span // of its name, else at
}

// args are the arguments of a call, checked against the table.
type args struct {
	l     *loader
	b     *spec.Builtin
	site  *site
	given map[string]arg // those that have the right type
	rest  []arg
	extra []namedArg      // named arguments for b.Extra
	lost  map[string]bool // parameters whose arguments are wrong, missing, or under a name that is
	taken map[string]bool // parameters that have an argument under their own name
	ok    bool            // nothing was wrong
}

type namedArg struct {
	name string
	arg
}

// bind checks the arguments of a call against the table and reports all that
// is wrong with them.
func (l *loader) bind(thread *sl.Thread, b *spec.Builtin, pos sl.Tuple, kwargs []sl.Tuple) *args {
	a := &args{l: l, b: b, site: l.site(thread), given: map[string]arg{}, lost: map[string]bool{}, taken: map[string]bool{}, ok: true}
	exprs, named := a.site.written()
	a.bindPositional(pos, exprs)
	for _, kv := range kwargs {
		name := string(kv[0].(sl.String))
		w := arg{val: kv[1], at: a.site.at, key: a.site.at}
		if e := named[name]; e != nil {
			w.expr, w.at, w.key = e.Y, a.site.src.span(e.Y), a.site.src.span(e.X)
		}
		a.bindNamed(name, w)
	}
	for _, p := range b.Params {
		if p.Required && !a.mentioned(p.Name) {
			a.lost[p.Name] = true
			a.fail("FC106", a.site.at, fmt.Sprintf("%s needs %s", b.Name, p.Name), "as "+b.Example)
		}
	}
	return a
}

// mentioned reports whether there was an argument, right or wrong.
func (a *args) mentioned(name string) bool { return a.has(name) || a.lost[name] }

// written returns the argument expressions of the call.
func (s *site) written() (pos []syntax.Expr, named map[string]*syntax.BinaryExpr) {
	named = map[string]*syntax.BinaryExpr{}
	if s.call == nil {
		return nil, named
	}
	star := false
	for _, e := range s.call.Args {
		switch e := e.(type) {
		case *syntax.BinaryExpr:
			if e.Op == syntax.EQ {
				named[e.X.(*syntax.Ident).Name] = e
				continue
			}
		case *syntax.UnaryExpr:
			if e.Op == syntax.STAR || e.Op == syntax.STARSTAR {
				star = true
				continue
			}
		}
		if !star {
			pos = append(pos, e)
		}
	}
	return pos, named
}

func (a *args) bindPositional(pos sl.Tuple, exprs []syntax.Expr) {
	var positional []*spec.Param
	for i := range a.b.Params {
		if !a.b.Params[i].Named {
			positional = append(positional, &a.b.Params[i])
		}
	}
	for i, v := range pos {
		w := arg{val: v, at: a.site.at, key: a.site.at}
		if i < len(exprs) {
			w.expr, w.at = exprs[i], a.site.src.span(exprs[i])
			w.key = w.at
		}
		switch {
		case i < len(positional):
			a.accept(positional[i], w)
		case a.b.Rest != nil:
			if a.fits(a.b.Rest, w) {
				a.rest = append(a.rest, w)
			}
		case i == len(positional):
			most := "no arguments"
			if n := len(positional); n == 1 {
				most = "one argument"
			} else if n > 1 {
				most = fmt.Sprintf("%d arguments", n)
			}
			a.fail("FC106", w.at, fmt.Sprintf("%s takes %s by position", a.b.Name, most), "as "+a.b.Example)
		}
	}
}

func (a *args) bindNamed(name string, w arg) {
	p := a.b.Param(name)
	if p == nil {
		a.unknown(name, w)
		return
	}
	if a.taken[name] {
		a.fail("FC106", w.key, fmt.Sprintf("%s is given twice", name), "")
		return
	}
	a.accept(p, w)
}

// unknown handles a name that is no parameter.
func (a *args) unknown(name string, w arg) {
	for _, g := range a.b.Gone {
		if g.Name == name {
			a.gone(g, w)
			return
		}
	}
	if a.b.Extra != nil {
		a.extra = append(a.extra, namedArg{name, w})
		return
	}
	near := dataflow.Suggest(name, a.b.ParamNames())
	hint := ""
	if near != "" {
		a.lost[near] = true
		hint = fmt.Sprintf("did you mean %q?", near)
	} else if names := a.b.ParamNames(); len(names) > 0 && len(names) <= 6 {
		hint = "it takes " + strings.Join(names, ", ")
	}
	a.fail("FC102", w.key, fmt.Sprintf("%s has no parameter %q", a.b.Name, name), hint)
	if near != "" && w.key != a.site.at {
		a.l.fix(fmt.Sprintf("change it to %q", near), false, dataflow.Edit{Span: w.key, New: near})
	}
}

func (a *args) gone(g spec.Gone, w arg) {
	advice := g.Advice
	if advice == "" {
		advice = "write " + g.Instead
	}
	if g.Instead != "" {
		a.lost[g.Instead] = true
	}
	if !g.Still {
		a.fail("FC104", w.key, fmt.Sprintf("%s has no parameter %q", a.b.Name, g.Name), advice)
		return
	}
	a.l.warn("FC103", w.key, fmt.Sprintf("%s is the old name of %s", g.Name, g.Instead), advice)
	if strings.HasPrefix(g.Name, "skip_") { // the new name says the opposite
		if b, ok := w.val.(sl.Bool); ok {
			w.val = !b
		}
	}
	if !a.taken[g.Instead] {
		a.accept(a.b.Param(g.Instead), w)
	}
}

// accept records an argument if it has the right type; else it reports it and
// records that it was there.
func (a *args) accept(p *spec.Param, w arg) {
	if b, ok := w.val.(*builder); ok && p.Accept.Has(spec.Workflow) {
		a.missingBuild(w)
		w.val = b.finished()
	}
	a.taken[p.Name] = true
	if isPlaceholder(w.val) || !a.fits(p, w) {
		a.lost[p.Name] = true
		a.ok = false
		return
	}
	a.given[p.Name] = w
	a.distinct(p, w)
}

// fits checks an argument against its parameter and reports what is wrong.
func (a *args) fits(p *spec.Param, w arg) bool {
	if isPlaceholder(w.val) {
		a.ok = false
		return false
	}
	if !matches(p.Accept, w.val) {
		a.fail("FC105", w.at, fmt.Sprintf("%s of %s is %s, not %s", p.Name, a.b.Name, p.Accept, given(p, w.val)), a.hintFor(p, w.val))
		return false
	}
	return a.inBounds(p, w) && a.isDuration(p, w) && a.isSome(p, w) && a.oneOf(p, w)
}

// hintFor says what to write in place of a value of another sort.
func (a *args) hintFor(p *spec.Param, v sl.Value) string {
	if v == sl.None && p.Required {
		return "as " + a.b.Example
	}
	return typeHint(p.Accept, v)
}

func (a *args) missingBuild(w arg) {
	a.fail("FC401", w.at, "the workflow has not been built", "write .build() behind it")
	if w.expr != nil {
		end := dataflow.Span{File: w.at.File, Start: w.at.End, End: w.at.End}
		a.l.fix("add .build()", true, dataflow.Edit{Span: end, New: ".build()"})
	}
}

func (a *args) inBounds(p *spec.Param, w arg) bool {
	i, ok := w.val.(sl.Int)
	if !ok || p.Min == nil && p.Max == nil {
		return true
	}
	n, fits := i.Int64()
	if fits && (p.Min == nil || n >= *p.Min) && (p.Max == nil || n <= *p.Max) {
		return true
	}
	var want string
	switch {
	case p.Min != nil && p.Max != nil:
		want = fmt.Sprintf("from %d to %d", *p.Min, *p.Max)
	case p.Min != nil:
		want = fmt.Sprintf("at least %d", *p.Min)
	default:
		want = fmt.Sprintf("at most %d", *p.Max)
	}
	a.fail("FC105", w.at, fmt.Sprintf("%s of %s is %s, not %s", p.Name, a.b.Name, want, i), "")
	return false
}

func (a *args) isDuration(p *spec.Param, w arg) bool {
	if !p.Accept.Has(spec.Duration) {
		return true
	}
	d, err := duration(w.val)
	if err == nil && d < 0 {
		err = fmt.Errorf("%s is negative", d)
	}
	if err != nil {
		a.fail("FC105", w.at, fmt.Sprintf("%s of %s: %s", p.Name, a.b.Name, err), "")
		return false
	}
	return true
}

// isSome refuses a value that would be taken for none: what it was meant to
// bound or to name would be as if nothing had been said.
func (a *args) isSome(p *spec.Param, w arg) bool {
	if !p.Some {
		return true
	}
	text, isText := sl.AsString(w.val)
	d, isDict := w.val.(*sl.Dict)
	switch {
	case isText && p.Accept.Has(spec.Str) && strings.TrimSpace(text) == "", isDict && d.Len() == 0:
		hint := "give it a value, or leave it out"
		if p.Required {
			hint = "as " + a.b.Example
		}
		a.fail("FC105", w.at, fmt.Sprintf("%s of %s is empty", p.Name, a.b.Name), hint)
		return false
	case isText && p.Accept.Has(spec.Str), isDict:
		return true
	}
	if d, err := duration(w.val); err != nil || d != 0 || !p.Accept.Has(spec.Duration) {
		return true
	}
	a.fail("FC105", w.at, fmt.Sprintf("%s of %s is more than 0", p.Name, a.b.Name), `write a duration such as "30s", or leave it out`)
	return false
}

func (a *args) oneOf(p *spec.Param, w arg) bool {
	if p.OneOf == nil {
		return true
	}
	ok := true
	for _, item := range listOf(w) {
		s, isText := sl.AsString(item.val)
		if !isText {
			continue
		}
		known := false
		for _, o := range p.OneOf {
			known = known || o == s
		}
		if !known {
			hint := dataflow.DidYouMean(s, p.OneOf)
			switch {
			case p.Advice[s] != "":
				hint = p.Advice[s]
			case hint != "":
			case len(p.OneOf) == 1:
				hint = fmt.Sprintf("write %q, or leave it out", p.OneOf[0])
			default:
				hint = dataflow.ThereAre(p.OneOf)
			}
			a.fail("FC105", a.site.src.element(item, w), fmt.Sprintf("%s of %s can't be %q", p.Name, a.b.Name, s), hint)
			ok = false
		}
	}
	return ok
}

// distinct refuses to be told the same twice: another was meant.
func (a *args) distinct(p *spec.Param, w arg) {
	if !p.Accept.Has(spec.StrList) {
		return
	}
	seen := map[string]bool{}
	for _, item := range listOf(w) {
		s, _ := sl.AsString(item.val)
		if seen[s] {
			a.fail("FC105", a.site.src.element(item, w), fmt.Sprintf("%q is twice in %s of %s", s, p.Name, a.b.Name), "name it once")
		}
		seen[s] = true
	}
}

// element is the place of an item of a list, or of the list.
func (s *source) element(item, list arg) dataflow.Span {
	if item.expr != nil {
		return s.span(item.expr)
	}
	return list.at
}

// listOf returns the items of a list or tuple; anything else is a list of itself.
func listOf(w arg) []arg {
	seq, ok := w.val.(sl.Indexable)
	if _, isText := w.val.(sl.String); !ok || isText {
		return []arg{w}
	}
	items := make([]arg, seq.Len())
	var exprs []syntax.Expr
	switch e := w.expr.(type) {
	case *syntax.ListExpr:
		exprs = e.List
	case *syntax.TupleExpr:
		exprs = e.List
	}
	for i := range items {
		items[i] = arg{val: seq.Index(i), at: w.at, key: w.at}
		if len(exprs) == len(items) {
			items[i].expr = exprs[i]
		}
	}
	return items
}

func (a *args) fail(code string, at dataflow.Span, message, hint string) {
	a.ok = false
	a.l.error(code, at, message, hint)
}

// choice is a bool that was given, or nil.
func (a *args) choice(name string) *bool {
	if !a.has(name) {
		return nil
	}
	v := a.bool(name, false)
	return &v
}

// has reports whether the argument was given, and was right.
func (a *args) has(name string) bool { _, ok := a.given[name]; return ok }

// at is the place of an argument, or of the call.
func (a *args) at(name string) dataflow.Span {
	if g, ok := a.given[name]; ok {
		return g.at
	}
	return a.site.at
}

// value returns the argument, or None.
func (a *args) value(name string) sl.Value {
	if g, ok := a.given[name]; ok {
		return g.val
	}
	return sl.None
}

func (a *args) str(name, dflt string) string {
	if s, ok := a.value(name).(sl.String); ok {
		return string(s)
	}
	return dflt
}

func (a *args) bool(name string, dflt bool) bool {
	if b, ok := a.value(name).(sl.Bool); ok {
		return bool(b)
	}
	return dflt
}

func (a *args) int(name string, dflt int) int {
	if i, ok := a.value(name).(sl.Int); ok {
		if n, fits := i.Int64(); fits {
			return int(n)
		}
	}
	return dflt
}

func (a *args) duration(name string, dflt time.Duration) time.Duration {
	if !a.has(name) {
		return dflt
	}
	d, err := duration(a.value(name))
	if err != nil {
		return dflt // reported by bind
	}
	return d
}

func (a *args) strings(name string) []string {
	if !a.has(name) {
		return nil
	}
	var out []string
	for _, item := range listOf(a.given[name]) {
		if s, ok := sl.AsString(item.val); ok {
			out = append(out, s)
		}
	}
	return out
}

// fn returns a function argument, or nil.
func (a *args) fn(name string) *sl.Function {
	f, _ := a.value(name).(*sl.Function)
	return f
}

// spans returns the places of the arguments, by name.
func (a *args) spans() dataflow.Spans {
	out := dataflow.Spans{"": a.site.at}
	for name := range a.lost {
		out.Refuse("/" + name)
	}
	for name, g := range a.given {
		out["/"+name] = g.at
		if p := a.b.Param(name); p != nil && p.Accept.Has(spec.StrList) {
			for i, item := range listOf(g) {
				out[fmt.Sprintf("/%s/%d", name, i)] = a.site.src.element(item, g)
			}
		}
		if g.key != g.at {
			out["/"+name+dataflow.KeySuffix] = g.key
		}
	}
	return out
}

// duration reads a string with a unit, or milliseconds.
func duration(v sl.Value) (time.Duration, error) {
	switch v := v.(type) {
	case sl.String:
		return value.ParseDuration(string(v))
	case sl.Int:
		if n, ok := v.Int64(); ok && n < 1<<40 && n > -1<<40 {
			return time.Duration(n) * time.Millisecond, nil
		}
		return 0, fmt.Errorf("%s milliseconds are too long", v)
	case value.Duration:
		return v.D, nil
	}
	return 0, nil // None
}

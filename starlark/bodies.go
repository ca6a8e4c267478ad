package starlark

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/starlark/spec"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

// checkBodies looks into functions, which loading only defines, for what can
// be told without running them: the operations they name, and the arguments
// they write out for them.
func (l *loader) checkBodies(m *module) {
	b := &bodies{l: l, m: m, sp: &speller{src: m.src}, ofRows: l.rowFunctions(m.src), fails: map[*syntax.CallExpr]bool{}}
	b.sp.walk(b.look)
}

type bodies struct {
	l  *loader
	m  *module
	sp *speller
	// ofRows are the models whose rows a function of the file is given, by its
	// place.
	ofRows map[dataflow.Pos]*dataflow.Model
	// fails are the calls that a test expects to fail, perhaps for what they lack.
	fails map[*syntax.CallExpr]bool
}

// rowFunctions finds validate, computed and the hooks of all models.
func (l *loader) rowFunctions(src *source) map[dataflow.Pos]*dataflow.Model {
	out := map[dataflow.Pos]*dataflow.Model{}
	for _, m := range l.app.Models() {
		fns := []dataflow.Func{m.Validate, m.BeforeCreate, m.BeforeUpdate, m.BeforeDelete}
		for _, c := range m.Computed {
			fns = append(fns, c.Func)
		}
		for _, fn := range fns {
			if fn != nil && fn.Span().File == src.name {
				out[fn.Span().Start] = m
			}
		}
	}
	return out
}

func (b *bodies) look(n syntax.Node) {
	switch n := n.(type) {
	case *syntax.DotExpr:
		b.attribute(n)
	case *syntax.CallExpr:
		b.expected(n)
		b.call(n)
		b.libraryCall(n)
	case *syntax.DefStmt:
		b.rows(pos(n.Name.NamePos), n.Params, n)
		b.tests(n)
	case *syntax.LambdaExpr:
		b.rows(pos(n.Lambda), n.Params, n)
	}
}

// expected notes the calls within t.fails(lambda: …).
func (b *bodies) expected(n *syntax.CallExpr) {
	dot, ok := n.Fn.(*syntax.DotExpr)
	if !ok || dot.Name.Name != "fails" || !isNamed(dot.X, "t") {
		return
	}
	for _, a := range n.Args {
		syntax.Walk(a, func(n syntax.Node) bool {
			if call, ok := n.(*syntax.CallExpr); ok {
				b.fails[call] = true
			}
			return true
		})
	}
}

// rows reports row.pric in a function that is given rows of a model.
func (b *bodies) rows(at dataflow.Pos, params []syntax.Expr, fn syntax.Node) {
	m := b.ofRows[at]
	if m == nil || len(params) == 0 {
		return
	}
	row, ok := params[0].(*syntax.Ident)
	if !ok || rebinds(fn, row) {
		return
	}
	names := dataflow.RecordOf(m).AttrNames()
	syntax.Walk(fn, func(n syntax.Node) bool {
		dot, ok := n.(*syntax.DotExpr)
		if !ok {
			return true
		}
		if id, ok := dot.X.(*syntax.Ident); ok && id.Name == row.Name && !slices.Contains(names, dot.Name.Name) && !slices.Contains(rowMethods, dot.Name.Name) {
			b.error("FC117", b.m.src.span(dot.Name), fmt.Sprintf("a row of %s has no %q", m.Name, dot.Name.Name),
				orElse(dataflow.DidYouMean(dot.Name.Name, names), "it has "+strings.Join(names, ", ")))
		}
		return true
	})
}

// rowMethods are what rows have beside their fields.
var rowMethods = []string{"get", "items", "keys", "values"}

// rebinds reports whether the parameter's name may stand for something else
// somewhere in the function.
func rebinds(fn syntax.Node, param *syntax.Ident) bool {
	found := false
	syntax.Walk(fn, func(n syntax.Node) bool {
		s := &scope{first: map[string]*syntax.Ident{}}
		switch n := n.(type) {
		case *syntax.AssignStmt:
			s.targets(n.LHS)
		case *syntax.ForStmt:
			s.targets(n.Vars)
		case *syntax.ForClause:
			s.targets(n.Vars)
		case *syntax.DefStmt, *syntax.LambdaExpr:
			if n != fn {
				s = scopeOf(n)
			}
		}
		found = found || s.first[param.Name] != nil
		return !found
	})
	return found
}

// global returns what a name of the file stands for within a function; nil
// outside, and where the function has a name of its own.
func (b *bodies) global(e syntax.Expr) sl.Value {
	id, ok := b.free(e)
	if !ok {
		return nil
	}
	if v, ok := b.m.exports[id.Name]; ok {
		return v
	}
	return b.m.src.loaded[id.Name]
}

// builtin returns what a name that the file does not set stands for within a
// function, as datetime; nil otherwise.
func (b *bodies) builtin(e syntax.Expr) sl.Value {
	id, ok := b.free(e)
	if !ok || b.m.exports[id.Name] != nil || b.m.src.loaded[id.Name] != nil {
		return nil
	}
	if file := b.sp.scopes[0]; file != nil && file.first[id.Name] != nil {
		return nil
	}
	return b.l.globals[id.Name]
}

// free reports whether an expression is a name within a function that is none of
// the function's own.
func (b *bodies) free(e syntax.Expr) (*syntax.Ident, bool) {
	id, ok := e.(*syntax.Ident)
	if !ok {
		return nil, false
	}
	inside := false
	for _, s := range b.sp.scopes[1:] { // the first is the file's
		if s == nil {
			continue
		}
		inside = true
		if s.first[id.Name] != nil {
			return nil, false
		}
	}
	return id, inside
}

// ctxNames are the attributes of ctx.
func ctxNames() []string { return append(spec.Methods("ctx"), "user", "tenant", "run_id") }

// attribute reports Order.creat, and ctx.rum. Whatever a StarlarkNode is given
// may be called ctx too, so of that it only warns.
func (b *bodies) attribute(n *syntax.DotExpr) {
	if id, ok := n.X.(*syntax.Ident); ok && id.Name == "ctx" {
		names := ctxNames()
		if near := dataflow.DidYouMean(n.Name.Name, names); near != "" && !slices.Contains(names, n.Name.Name) {
			b.l.warn("FC117", b.m.src.span(n.Name), fmt.Sprintf("ctx has no %q", n.Name.Name), near)
		}
		return
	}
	if t, ok := b.builtin(n.X).(*typeValue); ok { // which has no attribute at all
		_, advice := t.Attr(n.Name.Name)
		hint := ""
		if advice != nil {
			hint = advice.Error()
		}
		b.error("FC117", b.m.src.span(n.Name), fmt.Sprintf("%s has no %q", t.name, n.Name.Name), hint)
		return
	}
	if v, ok := b.global(n.X).(sl.HasAttrs); ok && isFixed(v) {
		b.part(n, v.AttrNames())
		return
	}
	m, ok := b.global(n.X).(value.Model)
	if !ok || slices.Contains(m.AttrNames(), n.Name.Name) {
		return
	}
	at := b.m.src.span(n.Name)
	near := dataflow.DidYouMean(n.Name.Name, m.AttrNames())
	b.error("FC117", at, fmt.Sprintf("the model %s has no %q", m.M.Name, n.Name.Name), orElse(near, "its operations are "+strings.Join(m.AttrNames()[2:], ", ")))
}

// isFixed reports whether what a value has can be listed, and is nothing but that.
func isFixed(v sl.Value) bool {
	switch v.(type) {
	case *starlarkstruct.Module, *starlarkstruct.Struct:
		return true
	}
	return false
}

// part reports money.cent, where the names that a module has are these.
func (b *bodies) part(n *syntax.DotExpr, names []string) {
	name := n.Name.Name
	if slices.Contains(names, name) {
		return
	}
	names = slices.DeleteFunc(slices.Sorted(slices.Values(names)), func(n string) bool { return strings.HasPrefix(n, "_") })
	b.error("FC117", b.m.src.span(n.Name), fmt.Sprintf("%s has no %q", n.X.(*syntax.Ident).Name, name),
		orElse(dataflow.DidYouMean(name, names), "it has "+strings.Join(names, ", ")))
}

// error reports what evaluating the file may have come across already.
func (b *bodies) error(code string, at dataflow.Span, message, hint string) {
	for _, d := range b.l.diags {
		if d.Code == code && d.Span.File == at.File && d.Span.Start.Line == at.Start.Line && d.Span.Start.Col < at.End.Col && at.Start.Col < d.Span.End.Col {
			return
		}
	}
	b.l.error(code, at, message, hint)
}

// call looks at ctx.run(Order.create, …), and notes ctx.run("LogNode", …), of
// which the planner knows whether there is such a type.
func (b *bodies) call(n *syntax.CallExpr) {
	dot, ok := n.Fn.(*syntax.DotExpr)
	if !ok || dot.Name.Name != "run" || len(n.Args) == 0 {
		return
	}
	if name, ok := text(n.Args[0]); ok && isNamed(dot.X, "ctx") {
		b.l.app.Calls = append(b.l.app.Calls, b.byName(n, name))
	}
	what, ok := n.Args[0].(*syntax.DotExpr)
	if !ok {
		return
	}
	m, ok := b.global(what.X).(value.Model)
	if !ok {
		return
	}
	v, err := m.Attr(what.Name.Name)
	op, ok := v.(value.Op)
	if err != nil || !ok {
		return
	}
	b.arguments(n, op.O)
}

// byName is a call of the node type of that name.
func (b *bodies) byName(n *syntax.CallExpr, name string) *dataflow.Call {
	c := &dataflow.Call{Type: name, Span: b.m.src.span(n.Args[0])}
	for _, a := range n.Args[1:] {
		if kw, ok := a.(*syntax.BinaryExpr); ok && kw.Op == syntax.EQ {
			c.Args = append(c.Args, dataflow.CallArg{Name: kw.X.(*syntax.Ident).Name, Span: b.m.src.span(kw.X)})
		}
	}
	return c
}

func isNamed(e syntax.Expr, name string) bool {
	id, ok := e.(*syntax.Ident)
	return ok && id.Name == name
}

func text(e syntax.Expr) (string, bool) {
	lit, ok := e.(*syntax.Literal)
	if !ok {
		return "", false
	}
	s, ok := lit.Value.(string)
	return s, ok
}

func (b *bodies) arguments(n *syntax.CallExpr, op dataflow.Op) {
	params := access.Spec(op).Params
	var names []string
	for _, p := range params {
		names = append(names, p.Name)
	}
	given, all := map[string]bool{}, true
	for _, a := range n.Args[1:] {
		kw, ok := a.(*syntax.BinaryExpr)
		if !ok || kw.Op != syntax.EQ {
			all = false // a dict, *args or **kwargs
			continue
		}
		name := kw.X.(*syntax.Ident).Name
		given[name] = true
		if !slices.Contains(names, name) {
			given[dataflow.Suggest(name, names)] = true
			b.error("FC414", b.m.src.span(kw.X), fmt.Sprintf("%s.%s takes no %q", op.Model.Name, op.Kind, name),
				orElse(cmp.Or(access.Instead(op.Model, op.Kind, name), dataflow.DidYouMean(name, names)), "it takes "+strings.Join(names, ", ")))
			continue
		}
		b.argument(op, name, kw.Y)
	}
	for _, p := range params {
		if all && p.Required() && !given[p.Name] && !b.fails[n] {
			b.error("FC414", b.m.src.span(n), fmt.Sprintf("%s.%s needs %q", op.Model.Name, op.Kind, p.Name), "")
		}
	}
}

// argument looks at names of fields that an argument writes out.
func (b *bodies) argument(op dataflow.Op, name string, e syntax.Expr) {
	switch {
	case op.Kind == dataflow.OpCreate: // the names are those of fields themselves
		return
	case op.Kind == dataflow.OpAggregate && name != "filter": // they may be those of the groups
		return
	}
	computed := false
	var items []syntax.Expr
	switch x := e.(type) {
	case *syntax.DictExpr:
		if !slices.Contains([]string{"filter", "where", "fields", "create", "update"}, name) {
			return
		}
		for _, item := range x.List {
			items = append(items, item.(*syntax.DictEntry).Key)
		}
	case *syntax.ListExpr:
		if !slices.Contains([]string{"fields", "sort", "conflict_on"}, name) {
			return
		}
		items, computed = x.List, name == "fields"
	case *syntax.Literal:
		if name != "sort" {
			return
		}
		items = []syntax.Expr{x}
	}
	for _, item := range items {
		b.field(op.Model, item, computed)
	}
}

func (b *bodies) field(m *dataflow.Model, e syntax.Expr, computed bool) {
	lit, ok := e.(*syntax.Literal)
	if !ok {
		return
	}
	name, ok := lit.Value.(string)
	name = strings.TrimPrefix(name, "-")
	name, _, _ = strings.Cut(name, ".")
	if !ok || strings.HasPrefix(name, "$") || m.Field(name) != nil || computed && m.ComputedField(name) != nil {
		return
	}
	names := dataflow.RecordOf(m).AttrNames()
	b.error("FC414", b.m.src.span(lit), fmt.Sprintf("%s has no field %q", m.Name, name), orElse(dataflow.DidYouMean(name, names), "it has "+strings.Join(names, ", ")))
}

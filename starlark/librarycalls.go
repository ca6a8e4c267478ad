package starlark

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// libraryCall compares a call of a module's function with what that takes.
// What the app's own files define is looked at by a rule of flowctl check.
func (b *bodies) libraryCall(n *syntax.CallExpr) {
	fn, ok := b.callee(n.Fn).(*sl.Function)
	if !ok || !strings.HasPrefix(fn.Position().Filename(), "@") || fn.HasVarargs() {
		return
	}
	var names []string
	for i := range fn.NumParams() {
		name, _ := fn.Param(i)
		names = append(names, name)
	}
	positional := names[:len(names)-fn.NumKwonlyParams()]
	if fn.HasKwargs() {
		names = names[:len(names)-1]
		positional = positional[:len(positional)-1]
	}
	takes := "it takes " + strings.Join(names, ", ")
	given, all := map[string]bool{}, true
	pos := 0
	for _, a := range n.Args {
		if u, ok := a.(*syntax.UnaryExpr); ok && (u.Op == syntax.STAR || u.Op == syntax.STARSTAR) {
			all = false
			continue
		}
		kw, ok := a.(*syntax.BinaryExpr)
		switch {
		case ok && kw.Op == syntax.EQ:
			name := kw.X.(*syntax.Ident).Name
			if !slices.Contains(names, name) && !fn.HasKwargs() {
				b.error("FC140", b.m.src.span(kw.X), fmt.Sprintf("%s takes no %q", fn.Name(), name), orElse(dataflow.DidYouMean(name, names), takes))
			}
			given[name] = true
		case pos < len(positional):
			given[positional[pos]] = true
			pos++
		case all:
			b.error("FC140", b.m.src.span(a), fmt.Sprintf("%s takes no further argument by position", fn.Name()), takes)
			pos++
		}
	}
	for i, name := range names {
		if all && fn.ParamDefault(i) == nil && !given[name] {
			b.error("FC140", b.m.src.span(n), fmt.Sprintf("%s needs %q", fn.Name(), name), takes)
			return
		}
	}
}

// callee is what an expression stands for that is called within a function: a
// name of the file, or a member of a module; nil where that is not known.
func (b *bodies) callee(e syntax.Expr) sl.Value {
	if dot, ok := e.(*syntax.DotExpr); ok {
		of, ok := b.global(dot.X).(sl.HasAttrs)
		if !ok || !isFixed(of) {
			return nil
		}
		v, err := of.Attr(dot.Name.Name)
		if err != nil {
			return nil
		}
		return v
	}
	return b.global(e)
}

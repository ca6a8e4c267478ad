package check

import (
	"path"
	"strings"

	"go.starlark.net/syntax"
)

// called is the function of the app's files that a call by name calls, with the
// file it stands in; nil if it is another.
func (p *pass) called(f *file, call *syntax.CallExpr) (*file, *syntax.DefStmt) {
	id, ok := call.Fn.(*syntax.Ident)
	if !ok || outside(id) {
		return nil, nil
	}
	if def := f.functions()[f.first(id)]; def != nil {
		return f, def
	}
	if f.isLocal(id) {
		return nil, nil
	}
	for _, st := range f.tree.Stmts {
		load, ok := st.(*syntax.LoadStmt)
		if !ok || strings.HasPrefix(load.ModuleName(), "@") {
			continue
		}
		for i, to := range load.To {
			if to != f.first(id) {
				continue
			}
			if other := p.fileAt(p.pathOf(f, load.ModuleName())); other != nil {
				return other, other.exported(load.From[i].Name)
			}
		}
	}
	return nil, nil
}

// mayFollow reports whether one more call may be followed. Functions that call
// others several times each, many deep, are more ways than can be gone.
func (p *pass) mayFollow() bool {
	p.reached++
	return p.reached <= maxFollowed
}

// fileAt is the file of the app at a path, or nil.
func (p *pass) fileAt(at string) *file {
	for _, f := range p.files {
		if path.Clean(f.Path) == at {
			return f
		}
	}
	return nil
}

// exported is the function that a file declares by a name, or nil.
func (f *file) exported(name string) *syntax.DefStmt {
	for _, st := range f.tree.Stmts {
		if def, ok := st.(*syntax.DefStmt); ok && def.Name.Name == name && f.bound[f.first(def.Name)] == 1 {
			return def
		}
	}
	return nil
}

// inOrder calls visit for what is worked out in an expression or a simple
// statement, in the order in which it is: arguments before the call. What
// stands in a lambda is worked out elsewhere.
func inOrder(n syntax.Node, visit func(syntax.Node)) {
	var open []syntax.Node
	syntax.Walk(n, func(n syntax.Node) bool {
		if n == nil {
			visit(open[len(open)-1])
			open = open[:len(open)-1]
			return true
		}
		if _, later := n.(*syntax.LambdaExpr); later {
			return false
		}
		open = append(open, n)
		return true
	})
}

package starlark

import (
	"errors"
	"slices"

	"github.com/flowctl/flowctl/starlark/internal/tree"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// behind is the program of the statements behind the one that failed, which are
// run for what is wrong with them. What that one sets, or works on, is unknown
// to them.
func (l *loader) behind(m *module, predeclared sl.StringDict, err error) (*sl.Program, sl.StringDict, bool) {
	failed, ok := errors.AsType[*sl.EvalError](err)
	if !ok || len(failed.CallStack) == 0 {
		return nil, nil, false
	}
	file, err := tree.Options().Parse(m.src.name, m.src.text, 0) // the tree of src is for others to look at
	if err != nil {
		return nil, nil, false
	}
	at := failed.CallStack[0].Pos
	i := slices.IndexFunc(file.Stmts, func(st syntax.Stmt) bool {
		_, end := st.Span()
		return end.Line > at.Line || end.Line == at.Line && end.Col >= at.Col
	})
	if i < 0 {
		return nil, nil, false
	}
	known := merge(merge(predeclared, m.src.loaded), m.exports)
	for _, st := range file.Stmts[:i] {
		if load, ok := st.(*syntax.LoadStmt); ok {
			for _, to := range load.To {
				if !known.Has(to.Name) {
					known[to.Name] = &placeholder{}
				}
			}
		}
	}
	for _, name := range touched(file.Stmts[i]) {
		known[name] = &placeholder{}
	}
	file.Stmts = file.Stmts[i+1:]
	rewriteOperators(file.Stmts)
	prog, err := sl.FileProgram(file, known.Has)
	return prog, known, err == nil
}

// touched are the names that a statement sets, or whose value it alters.
func touched(st syntax.Stmt) (names []string) {
	var set func(e syntax.Expr)
	set = func(e syntax.Expr) {
		switch e := e.(type) {
		case *syntax.Ident:
			names = append(names, e.Name)
		case *syntax.ParenExpr:
			set(e.X)
		case *syntax.TupleExpr:
			for _, x := range e.List {
				set(x)
			}
		case *syntax.ListExpr:
			for _, x := range e.List {
				set(x)
			}
		case *syntax.CallExpr:
			set(e.Fn)
		case *syntax.DotExpr:
			set(e.X)
		case *syntax.IndexExpr:
			set(e.X)
		}
	}
	switch st := st.(type) {
	case *syntax.AssignStmt:
		set(st.LHS)
	case *syntax.ExprStmt:
		set(st.X)
	case *syntax.DefStmt:
		set(st.Name)
	case *syntax.LoadStmt:
		for _, to := range st.To {
			set(to)
		}
	}
	return names
}

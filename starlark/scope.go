package starlark

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

// scope is what a file, a function, a lambda or a comprehension binds.
type scope struct {
	names []string // in order
	first map[string]*syntax.Ident
}

func (s *scope) bind(id *syntax.Ident) {
	if s.first[id.Name] == nil {
		s.names = append(s.names, id.Name)
		s.first[id.Name] = id
	}
}

// targets binds the names in the left side of an assignment, or a parameter.
func (s *scope) targets(e syntax.Expr) {
	switch e := e.(type) {
	case *syntax.Ident:
		s.bind(e)
	case *syntax.BinaryExpr: // a parameter with a default
		s.targets(e.X)
	case *syntax.UnaryExpr: // *args, **kwargs
		if e.X != nil {
			s.targets(e.X)
		}
	case *syntax.ParenExpr:
		s.targets(e.X)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			s.targets(x)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			s.targets(x)
		}
	}
}

// statements binds what statements bind, those of nested functions not among
// it.
func (s *scope) statements(stmts []syntax.Stmt) {
	for _, st := range stmts {
		switch st := st.(type) {
		case *syntax.AssignStmt:
			s.targets(st.LHS)
		case *syntax.DefStmt:
			s.bind(st.Name)
		case *syntax.LoadStmt:
			for _, to := range st.To {
				s.bind(to)
			}
		case *syntax.ForStmt:
			s.targets(st.Vars)
			s.statements(st.Body)
		case *syntax.IfStmt:
			s.statements(st.True)
			s.statements(st.False)
		case *syntax.WhileStmt:
			s.statements(st.Body)
		}
	}
}

// scopeOf returns the scope that a node opens, or nil.
func scopeOf(n syntax.Node) *scope {
	switch n.(type) {
	case *syntax.File, *syntax.DefStmt, *syntax.LambdaExpr, *syntax.Comprehension:
	default:
		return nil
	}
	s := &scope{first: map[string]*syntax.Ident{}}
	switch n := n.(type) {
	case *syntax.File:
		s.statements(n.Stmts)
	case *syntax.DefStmt:
		for _, p := range n.Params {
			s.targets(p)
		}
		s.statements(n.Body)
	case *syntax.LambdaExpr:
		for _, p := range n.Params {
			s.targets(p)
		}
	case *syntax.Comprehension:
		for _, c := range n.Clauses {
			if f, ok := c.(*syntax.ForClause); ok {
				s.targets(f.Vars)
			}
		}
	}
	return s
}

// speller suggests names that can be seen from a place of a file.
type speller struct {
	src    *source
	count  map[string]int // how often a name stands in the file
	scopes []*scope       // the innermost last; nil for nodes that open none
	others []string       // names that no file binds
}

func newSpeller(src *source, others []string) *speller {
	sp := &speller{src: src, count: map[string]int{}, others: others}
	syntax.Walk(src.file, func(n syntax.Node) bool {
		if id, ok := n.(*syntax.Ident); ok {
			sp.count[id.Name]++
		}
		return true
	})
	return sp
}

// walk calls f for every node, while the speller's scopes are those of it.
func (sp *speller) walk(f func(syntax.Node)) {
	syntax.Walk(sp.src.file, func(n syntax.Node) bool {
		if n == nil {
			sp.scopes = sp.scopes[:len(sp.scopes)-1]
			return true
		}
		sp.scopes = append(sp.scopes, scopeOf(n))
		f(n)
		return true
	})
}

// suggest returns the name that was probably meant. A name that is bound and
// used nowhere is the likeliest of those that are equally near: then it is the
// binding that is misspelt, and the place of that is returned too.
func (sp *speller) suggest(name string) (string, dataflow.Span) {
	var unused, used []string
	bound := map[string]*syntax.Ident{}
	for _, s := range slices.Backward(sp.scopes) {
		if s == nil {
			continue
		}
		for _, n := range s.names {
			if bound[n] == nil {
				bound[n] = s.first[n]
			}
			if sp.count[n] == 1 {
				unused = append(unused, n)
			} else {
				used = append(used, n)
			}
		}
	}
	best := dataflow.Suggest(name, slices.Concat(unused, used, sp.others))
	if id := bound[best]; id != nil && sp.count[best] == 1 {
		return best, sp.src.span(id)
	}
	return best, dataflow.Span{}
}

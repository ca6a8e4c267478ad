package check

import (
	"strings"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/internal/tree"
	"go.starlark.net/resolve"
	"go.starlark.net/syntax"
)

// file is a source with its syntax tree.
type file struct {
	Source
	lines []string

	binds   map[*syntax.Ident]bool // identifiers that set a name, rather than use it
	bound   map[*syntax.Ident]int  // how often a name is set, by its first identifier
	isParam map[*syntax.Ident]bool // first identifiers of parameters

	defs    map[dataflow.Pos]*syntax.DefStmt    // by the place of their names
	lambdas map[dataflow.Pos]*syntax.LambdaExpr // by their own place
	used    map[*syntax.Ident]int               // see uses
	holds   map[*syntax.Ident]string            // see modelName
	fns     map[*syntax.Ident]*syntax.DefStmt   // see functions
	outer   map[string]map[string]bool          // see loadedFrom
}

func parse(s Source) *file {
	if s.tree == nil {
		t, err := tree.Options().Parse(s.Path, s.Text, 0)
		if err != nil {
			return nil
		}
		anything := func(string) bool { return true }
		_ = resolve.File(t, anything, func(string) bool { return false }) // what is wrong has been reported
		s.tree = t
	}
	f := &file{Source: s, lines: strings.Split(s.Text, "\n")}
	f.bindings()
	return f
}

func (f *file) span(n syntax.Node) dataflow.Span { return tree.Span(f.Path, n) }

// line is the whole of a line, its end too, so that it can be taken out.
func (f *file) line(n int) dataflow.Span {
	return dataflow.Span{File: f.Path, Start: dataflow.Pos{Line: n, Col: 1}, End: dataflow.Pos{Line: n + 1, Col: 1}}
}

// bindings finds out which identifiers set a name.
func (f *file) bindings() {
	f.binds, f.bound, f.isParam = map[*syntax.Ident]bool{}, map[*syntax.Ident]int{}, map[*syntax.Ident]bool{}
	f.defs, f.lambdas = map[dataflow.Pos]*syntax.DefStmt{}, map[dataflow.Pos]*syntax.LambdaExpr{}
	f.walk(func(n syntax.Node) {
		switch n := n.(type) {
		case *syntax.AssignStmt:
			f.bind(n.LHS, false)
		case *syntax.ForStmt:
			f.bind(n.Vars, false)
		case *syntax.ForClause:
			f.bind(n.Vars, false)
		case *syntax.DefStmt:
			f.defs[f.span(n.Name).Start] = n
			f.bind(n.Name, false)
			for _, p := range n.Params {
				f.bind(p, true)
			}
		case *syntax.LambdaExpr:
			f.lambdas[f.span(n).Start] = n
			for _, p := range n.Params {
				f.bind(p, true)
			}
		case *syntax.LoadStmt:
			for i := range n.To {
				f.bind(n.To[i], false)
				f.binds[n.From[i]] = true
			}
		}
	})
}

// bind notes the names that the left side of an assignment, or a parameter, sets.
func (f *file) bind(e syntax.Expr, param bool) {
	switch e := e.(type) {
	case *syntax.Ident:
		f.binds[e] = true
		f.bound[f.first(e)]++
		f.isParam[f.first(e)] = f.isParam[f.first(e)] || param
	case *syntax.BinaryExpr: // a parameter with a default
		f.bind(e.X, param)
	case *syntax.UnaryExpr: // *args, **kwargs
		if e.X != nil {
			f.bind(e.X, param)
		}
	case *syntax.ParenExpr:
		f.bind(e.X, param)
	case *syntax.TupleExpr:
		for _, x := range e.List {
			f.bind(x, param)
		}
	case *syntax.ListExpr:
		for _, x := range e.List {
			f.bind(x, param)
		}
	}
}

// first returns the identifier that first sets what id means, which stands for
// it; id itself where nothing in the file does.
func (f *file) first(id *syntax.Ident) *syntax.Ident {
	if b, ok := id.Binding.(*resolve.Binding); ok && b.First != nil {
		return b.First
	}
	return id
}

// isLocal reports whether id is a variable of a function.
func (f *file) isLocal(id *syntax.Ident) bool {
	b, ok := id.Binding.(*resolve.Binding)
	return ok && (b.Scope == resolve.Local || b.Scope == resolve.Cell)
}

// uses counts how often each name is used, by the identifier that first sets it.
func (f *file) uses() map[*syntax.Ident]int {
	if f.used == nil {
		f.used = f.countUses()
	}
	return f.used
}

func (f *file) countUses() map[*syntax.Ident]int {
	used := map[*syntax.Ident]int{}
	names := map[*syntax.Ident]bool{} // attributes and names of arguments
	f.walk(func(n syntax.Node) {
		switch n := n.(type) {
		case *syntax.DotExpr:
			names[n.Name] = true
		case *syntax.CallExpr:
			for _, a := range n.Args {
				if b, ok := a.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
					if id, ok := b.X.(*syntax.Ident); ok {
						names[id] = true
					}
				}
			}
		}
	})
	f.walk(func(n syntax.Node) {
		if id, ok := n.(*syntax.Ident); ok && !f.binds[id] && !names[id] {
			used[f.first(id)]++
		}
	})
	return used
}

// walk calls visit for every node of the file.
func (f *file) walk(visit func(syntax.Node)) {
	syntax.Walk(f.tree, func(n syntax.Node) bool {
		if n != nil {
			visit(n)
		}
		return true
	})
}

// text returns the value of a string literal.
func text(e syntax.Expr) (string, bool) {
	if p, ok := e.(*syntax.ParenExpr); ok {
		return text(p.X)
	}
	lit, ok := e.(*syntax.Literal)
	if !ok || lit.Token != syntax.STRING {
		return "", false
	}
	s, ok := lit.Value.(string)
	return s, ok
}

// callee returns the last name of what a call calls: "run" of ctx.run(…).
func callee(c *syntax.CallExpr) string {
	switch fn := c.Fn.(type) {
	case *syntax.Ident:
		return fn.Name
	case *syntax.DotExpr:
		return fn.Name.Name
	}
	return ""
}

// offset returns where a place is in text, in bytes; -1 if it is not there.
func offset(text string, p dataflow.Pos) int {
	at := 0
	for line := 1; line < p.Line; line++ {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			if line == p.Line-1 && p.Col == 1 { // the line after the last, which has no end
				return len(text)
			}
			return -1
		}
		at += i + 1
	}
	for col := 1; col < p.Col; col++ {
		if at >= len(text) {
			return -1
		}
		_, n := utf8.DecodeRuneInString(text[at:])
		at += n
	}
	return at
}

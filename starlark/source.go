package starlark

import (
	"strings"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/internal/tree"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// source is one file: its text, its syntax tree, and what finds the place of
// an argument from the place of a call.
type source struct {
	key     string // path in the FS, or module name
	name    string // as spans show it
	text    string
	file    *syntax.File
	calls   map[place]*syntax.CallExpr    // by the place of "("
	defs    map[place]*syntax.DefStmt     // by the place of "def"
	loads   map[string][]*syntax.LoadStmt // by the module they name
	globals map[string]syntax.Expr        // top-level assignments of literals
	loaded  sl.StringDict                 // what load() brought
}

// place is a line and a column in one file.
type place uint64

func placeOf(p syntax.Position) place {
	return place(uint64(uint32(p.Line))<<32 | uint64(uint32(p.Col)))
}

// index records the calls, loads and literals of the file. It must run before
// the tree is rewritten.
func (s *source) index() {
	s.calls = make(map[place]*syntax.CallExpr)
	s.defs = make(map[place]*syntax.DefStmt)
	s.loads = make(map[string][]*syntax.LoadStmt)
	s.globals = make(map[string]syntax.Expr)
	for _, st := range s.file.Stmts {
		if a, ok := st.(*syntax.AssignStmt); ok && a.Op == syntax.EQ {
			if id, ok := a.LHS.(*syntax.Ident); ok {
				s.globals[id.Name] = a.RHS
			}
		}
	}
	syntax.Walk(s.file, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.CallExpr:
			s.calls[placeOf(n.Lparen)] = n
		case *syntax.LoadStmt:
			s.loads[n.ModuleName()] = append(s.loads[n.ModuleName()], n)
		case *syntax.DefStmt:
			s.defs[placeOf(n.Def)] = n
		}
		return true
	})
}

// span returns the place of a node.
func (s *source) span(n syntax.Node) dataflow.Span { return tree.Span(s.name, n) }

// point returns the span of n characters from p, or as many as its line has.
// The parser may stop behind the end of a line, which it takes for a token.
func (s *source) point(p syntax.Position, n int) dataflow.Span { return s.run(pos(p), n) }

// run is the span of n characters of a line.
func (s *source) run(start dataflow.Pos, n int) dataflow.Span {
	behind := utf8.RuneCountInString(s.line(start.Line)) + 1
	start.Col = min(start.Col, behind)
	end := start
	end.Col = min(start.Col+n, behind)
	return dataflow.Span{File: s.name, Start: start, End: end}
}

// locate returns the span of the call whose "(" is at p, else the character at p.
func (s *source) locate(p syntax.Position) dataflow.Span {
	if call := s.calls[placeOf(p)]; call != nil {
		return s.span(call)
	}
	return s.point(p, 1)
}

func pos(p syntax.Position) dataflow.Pos { return tree.Pos(p) }

// within returns what finds the span of bytes [from, to) of a string literal's
// value. A literal with escapes that stand for more than a byte answers with all
// of itself.
func (s *source) within(e syntax.Expr, whole dataflow.Span) func(from, to int) dataflow.Span {
	lit, ok := e.(*syntax.Literal)
	if !ok || lit.Token != syntax.STRING {
		return func(int, int) dataflow.Span { return whole }
	}
	value, ok := lit.Value.(string)
	open := strings.IndexAny(lit.Raw, `"'`)
	if !ok || open < 0 {
		return func(int, int) dataflow.Span { return whole }
	}
	quotes := 1
	if strings.HasPrefix(lit.Raw[open:], `"""`) || strings.HasPrefix(lit.Raw[open:], `'''`) {
		quotes = 3
	}
	raw := lit.Raw[open+quotes : len(lit.Raw)-quotes]
	at := rawOffsets(raw, value)
	if at == nil {
		return func(int, int) dataflow.Span { return whole }
	}
	start := pos(lit.TokenPos)
	start.Col += open + quotes
	return func(from, to int) dataflow.Span {
		return dataflow.Span{File: s.name, Start: tree.Advance(start, raw[:at[from]]), End: tree.Advance(start, raw[:at[to]])}
	}
}

// rawOffsets are where the bytes of a literal's value stand between its quotes,
// and the end of them; nil where an escape stands for something else than a
// byte, and a line ends in a carriage return.
func rawOffsets(raw, value string) []int {
	escapes := len(raw) != len(value) // r"\n" has none
	at := make([]int, 0, len(value)+1)
	for i := 0; i < len(raw); i++ {
		at = append(at, i)
		if escapes && raw[i] == '\\' {
			if i++; i == len(raw) || strings.IndexByte(`"'\abfnrtv`, raw[i]) < 0 {
				return nil
			}
		}
	}
	if len(at) != len(value) {
		return nil
	}
	return append(at, len(raw))
}

// literal follows a name to the literal that a top-level assignment gives it,
// so that `config = {...}` keeps the places of its parts.
func (s *source) literal(e syntax.Expr) syntax.Expr {
	for range 8 { // ends `a = b; b = a` too
		switch x := e.(type) {
		case *syntax.ParenExpr:
			e = x.X
		case *syntax.Ident:
			next, ok := s.globals[x.Name]
			if !ok {
				return e
			}
			e = next
		default:
			return e
		}
	}
	return e
}

// entry is an element of a dict literal.
type entry struct{ key, value syntax.Expr }

// entries returns the elements of a dict literal, or of a dict(a = …) call,
// by name.
func (s *source) entries(e syntax.Expr) map[string]entry {
	out := map[string]entry{}
	switch x := s.literal(e).(type) {
	case *syntax.DictExpr:
		for _, item := range x.List {
			d := item.(*syntax.DictEntry)
			if lit, ok := d.Key.(*syntax.Literal); ok {
				if name, ok := lit.Value.(string); ok {
					out[name] = entry{d.Key, d.Value}
				}
			}
		}
	case *syntax.CallExpr:
		if id, ok := x.Fn.(*syntax.Ident); ok && id.Name == "dict" {
			for _, a := range x.Args {
				if b, ok := a.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
					out[b.X.(*syntax.Ident).Name] = entry{b.X, b.Y}
				}
			}
		}
	}
	return out
}

// elements returns the elements of a list or tuple literal, if there are n.
func (s *source) elements(e syntax.Expr, n int) []syntax.Expr {
	var list []syntax.Expr
	switch x := s.literal(e).(type) {
	case *syntax.ListExpr:
		list = x.List
	case *syntax.TupleExpr:
		list = x.List
	}
	if len(list) != n {
		return make([]syntax.Expr, n)
	}
	return list
}

// bring notes what load() binds to a name.
func (s *source) bring(name string, v sl.Value) {
	if s.loaded == nil {
		s.loaded = sl.StringDict{}
	}
	s.loaded[name] = v
}

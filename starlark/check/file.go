package check

import (
	"strings"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/internal/tree"
	"go.starlark.net/syntax"
)

// file is a source with its syntax tree, comments and all.
type file struct {
	Source
	tree  *syntax.File
	lines []string
}

func parse(s Source) *file {
	t, err := tree.Options().Parse(s.Path, s.Text, syntax.RetainComments)
	if err != nil {
		return nil
	}
	return &file{Source: s, tree: t, lines: strings.Split(s.Text, "\n")}
}

func (f *file) span(n syntax.Node) dataflow.Span { return tree.Span(f.Path, n) }

// line is the whole of a line, its end too, so that it can be taken out.
func (f *file) line(n int) dataflow.Span {
	return dataflow.Span{File: f.Path, Start: dataflow.Pos{Line: n, Col: 1}, End: dataflow.Pos{Line: n + 1, Col: 1}}
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

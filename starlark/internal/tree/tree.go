// Package tree finds the places of syntax. It knows the trees of
// go.starlark.net/syntax and nothing of what a file means.
package tree

import (
	"strings"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

// Options is the dialect: Starlark with sets.
func Options() *syntax.FileOptions { return &syntax.FileOptions{Set: true} }

// Pos converts a place.
func Pos(p syntax.Position) dataflow.Pos { return dataflow.Pos{Line: int(p.Line), Col: int(p.Col)} }

// Span returns the place of a node of the file.
func Span(file string, n syntax.Node) dataflow.Span {
	start, end := n.Span()
	switch n := n.(type) { // these end before their bracket
	case *syntax.IndexExpr, *syntax.SliceExpr, *syntax.LoadStmt:
		end.Col++
	case *syntax.TupleExpr:
		if n.Lparen.IsValid() {
			end.Col++
		}
	}
	return dataflow.Span{File: file, Start: Pos(start), End: Pos(end)}
}

// Advance returns the place after text that begins at p.
func Advance(p dataflow.Pos, text string) dataflow.Pos {
	if n := strings.Count(text, "\n"); n > 0 {
		p.Line += n
		p.Col = 1
		text = text[strings.LastIndexByte(text, '\n')+1:]
	}
	p.Col += utf8.RuneCountInString(text)
	return p
}

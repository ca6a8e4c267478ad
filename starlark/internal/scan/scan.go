// Package scan splits source text into tokens, more coarsely than the parser
// and without ever failing: it serves to find what a parser would stumble over,
// and to look at what is only half typed.
package scan

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/internal/tree"
)

// Kind is the sort of a token.
type Kind uint8

// The sorts.
const (
	Name Kind = iota
	Number
	String // with its prefix in Text
	Op
	Comment
)

// Token is a piece of source text.
type Token struct {
	Kind     Kind
	Text     string // of a string: its prefix only
	At, End  dataflow.Pos
	From, To int  // the same in bytes
	Depth    int  // of brackets around it
	First    bool // of its statement
}

// Span is the token's place in a file.
func (t Token) Span(file string) dataflow.Span {
	return dataflow.Span{File: file, Start: t.At, End: t.End}
}

// File is a file as tokens.
type File struct {
	Tokens []Token
	Open   []Token // the brackets that are open at the end, the innermost last
}

// Unclosed is the innermost bracket that is open at the end, or nil.
func (f *File) Unclosed() *Token {
	if n := len(f.Open); n > 0 {
		return &f.Open[n-1]
	}
	return nil
}

type scanner struct {
	rest  string
	at    dataflow.Pos
	first bool
	from  int // what rest starts at
	open  []Token
	out   []Token
}

// IsNameRune reports whether a name may contain the character.
func IsNameRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

// Text splits a text.
func Text(text string) *File {
	s := &scanner{rest: text, at: dataflow.Pos{Line: 1, Col: 1}, first: true}
	for s.rest != "" {
		s.next()
	}
	return &File{s.out, s.open}
}

// take moves on by n bytes and returns them.
func (s *scanner) take(n int) string {
	text := s.rest[:n]
	s.rest = s.rest[n:]
	s.from += n
	s.at = tree.Advance(s.at, text)
	return text
}

func (s *scanner) emit(kind Kind, n int) {
	t := Token{Kind: kind, At: s.at, From: s.from, Depth: len(s.open), First: s.first}
	t.Text = s.take(n)
	t.End, t.To = s.at, s.from
	s.out = append(s.out, t)
	if kind != Comment {
		s.first = false
	}
}

func (s *scanner) next() {
	r, size := utf8.DecodeRuneInString(s.rest)
	switch {
	case r == '\n':
		s.take(1)
		if len(s.open) == 0 {
			s.first = true
		}
	case r == '\\' && strings.HasPrefix(s.rest[1:], "\n"):
		s.take(2)
	case r == ' ' || r == '\t' || r == '\r':
		s.take(1)
	case r == '#':
		s.emit(Comment, lineEnd(s.rest))
	case r == '"' || r == '\'':
		s.str(0)
	case unicode.IsDigit(r):
		s.emit(Number, runLen(s.rest, func(r rune) bool { return IsNameRune(r) || r == '.' }))
	case IsNameRune(r):
		n := runLen(s.rest, IsNameRune)
		if n <= 2 && n < len(s.rest) && (s.rest[n] == '"' || s.rest[n] == '\'') {
			s.str(n)
			return
		}
		s.emit(Name, n)
	default:
		s.op(size)
	}
}

func lineEnd(s string) int {
	if i := strings.IndexByte(s, '\n'); i >= 0 {
		return i
	}
	return len(s)
}

func runLen(s string, in func(rune) bool) int {
	if i := strings.IndexFunc(s, func(r rune) bool { return !in(r) }); i >= 0 {
		return i
	}
	return len(s)
}

// str takes a string literal with a prefix of n bytes.
func (s *scanner) str(n int) {
	t := Token{Kind: String, Text: s.rest[:n], At: s.at, From: s.from, Depth: len(s.open), First: s.first}
	quote := s.rest[n : n+1]
	size := n + 1
	if strings.HasPrefix(s.rest[n:], quote+quote+quote) {
		quote += quote + quote
		size = n + 3
	}
	for size < len(s.rest) {
		if s.rest[size] == '\\' && size+1 < len(s.rest) {
			size += 2
			continue
		}
		if strings.HasPrefix(s.rest[size:], quote) {
			size += len(quote)
			break
		}
		if len(quote) == 1 && s.rest[size] == '\n' { // never closed: the line ends it
			break
		}
		size++
	}
	s.take(min(size, len(s.rest)))
	t.End, t.To = s.at, s.from
	s.out = append(s.out, t)
	s.first = false
}

// operators of more than one character, those of other languages among them.
var operators = []string{"**=", "//=", ">>=", "<<=", "===", "!==", "**", ":=", "->", "==", "!=", "<=", ">=", "//", "&&", "||", "++", "--", "<<", ">>", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^="}

func (s *scanner) op(size int) {
	for _, op := range operators {
		if strings.HasPrefix(s.rest, op) {
			size = len(op)
			break
		}
	}
	switch s.rest[0] {
	case ')', ']', '}':
		if n := len(s.open); n > 0 {
			s.open = s.open[:n-1]
		}
	}
	opens := strings.ContainsRune("([{", rune(s.rest[0]))
	semicolon := s.rest[0] == ';' && len(s.open) == 0
	s.emit(Op, size)
	if opens {
		s.open = append(s.open, s.out[len(s.out)-1])
	}
	if semicolon {
		s.first = true
	}
}

package starlark

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
)

// tokenKind is the sort of a token.
type tokenKind uint8

const (
	nameToken tokenKind = iota
	numberToken
	stringToken // with its prefix in text
	opToken
	commentToken
)

// token is a piece of source text. The scan is coarser than the parser's and
// never fails: it serves to find what a parser would stumble over.
type token struct {
	kind  tokenKind
	text  string // of a string: its prefix only
	at    dataflow.Pos
	end   dataflow.Pos
	depth int  // of brackets around it
	first bool // of its statement
}

func (t token) span(src *source) dataflow.Span {
	return dataflow.Span{File: src.name, Start: t.at, End: t.end}
}

// scanned is a file as tokens.
type scanned struct {
	tokens   []token
	unclosed *token // the innermost bracket that is open at the end
}

type scanner struct {
	rest  string
	at    dataflow.Pos
	first bool
	open  []token
	out   []token
}

func isNameRune(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }

func scanTokens(text string) *scanned {
	s := &scanner{rest: text, at: dataflow.Pos{Line: 1, Col: 1}, first: true}
	for s.rest != "" {
		s.next()
	}
	out := &scanned{tokens: s.out}
	if n := len(s.open); n > 0 {
		out.unclosed = &s.open[n-1]
	}
	return out
}

// take moves on by n bytes and returns them.
func (s *scanner) take(n int) string {
	text := s.rest[:n]
	s.rest = s.rest[n:]
	s.at = advance(s.at, text)
	return text
}

func (s *scanner) emit(kind tokenKind, n int) {
	t := token{kind: kind, at: s.at, depth: len(s.open), first: s.first}
	t.text = s.take(n)
	t.end = s.at
	s.out = append(s.out, t)
	if kind != commentToken {
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
		s.emit(commentToken, lineEnd(s.rest))
	case r == '"' || r == '\'':
		s.str(0)
	case unicode.IsDigit(r):
		s.emit(numberToken, runLen(s.rest, func(r rune) bool { return isNameRune(r) || r == '.' }))
	case isNameRune(r):
		n := runLen(s.rest, isNameRune)
		if n <= 2 && n < len(s.rest) && (s.rest[n] == '"' || s.rest[n] == '\'') {
			s.str(n)
			return
		}
		s.emit(nameToken, n)
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
	t := token{kind: stringToken, text: s.rest[:n], at: s.at, depth: len(s.open), first: s.first}
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
	t.end = s.at
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
	s.emit(opToken, size)
	if opens {
		s.open = append(s.open, s.out[len(s.out)-1])
	}
	if semicolon {
		s.first = true
	}
}

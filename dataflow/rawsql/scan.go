package rawsql

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	sign     kind = iota // punctuation
	name                 // a name or keyword
	quoted               // "a name", `a name` or [a name]
	text                 // 'text', and what engines write like it
	number               // 12.5
	byName               // :min
	byNumber             // $1
	mark                 // ?
)

// word is a word of SQL, without the space and comments around it.
type word struct {
	kind     kind
	from, to int
}

func (w word) text(s string) string { return s[w.from:w.to] }

// isName reports whether the word is this name, however it is quoted.
func (w word) isName(s, n string) bool {
	switch w.kind {
	case name:
		return strings.EqualFold(w.text(s), n)
	case quoted:
		return strings.EqualFold(s[w.from+1:w.to-1], n)
	}
	return false
}

// scan splits SQL into words, as both engines read it. Where they differ in
// what ends a text (only PostgreSQL has $$…$$ and E'…\'…'), each is taken as the
// engine that knows it does: to the other it is an error anyway.
func scan(s string) ([]word, *Flaw) {
	var words []word
	for i := 0; i < len(s); {
		start := i
		c := s[i]
		switch {
		case c == 0:
			return nil, &Flaw{Offset: i, Message: "there is a NUL in the statement"}
		case strings.IndexByte(" \t\r\n\f\v", c) >= 0:
			i++
			continue
		case strings.HasPrefix(s[i:], "--"):
			end := strings.IndexByte(s[i:], '\n')
			if end < 0 {
				return words, nil
			}
			i += end
			continue
		case strings.HasPrefix(s[i:], "/*"):
			end := strings.Index(s[i+2:], "*/")
			if end < 0 {
				return nil, &Flaw{Offset: i, Message: "a comment is not closed"}
			}
			if strings.Contains(s[i+2:i+2+end], "/*") {
				return nil, &Flaw{Offset: i, Message: "a comment stands in a comment, which engines read differently"}
			}
			i += end + 4
			continue
		}
		k := sign
		switch {
		case c == '\'':
			k, i = text, closing(s, i, '\'', escaped(s, words))
		case c == '"' || c == '`':
			k, i = quoted, closing(s, i, c, false)
		case c == '[' && bracketName(words, s):
			k, i = quoted, closing(s, i, ']', false)
		case c == '$' && i+1 < len(s) && digit(s[i+1]):
			k, i = byNumber, i+1+run(s[i+1:], digit)
		case c == '$':
			if tag := dollarTag(s[i:]); tag != "" {
				k = text
				end := strings.Index(s[i+len(tag):], tag)
				if end < 0 {
					i = -1
				} else {
					i += end + 2*len(tag)
				}
				break
			}
			i++
		case c == ':' && i+1 < len(s) && letter(rune(s[i+1])) && !after(words, s, ':', i):
			k, i = byName, i+1+nameLength(s[i+1:])
		case c == ':' && strings.HasPrefix(s[i:], "::"):
			i += 2
		case c == '?':
			k, i = mark, i+1
		case digit(c) || c == '.' && i+1 < len(s) && digit(s[i+1]):
			k, i = number, i+run(s[i:], func(b byte) bool { return digit(b) || b == '.' || b == '_' || letter(rune(b)) })
		default:
			if n := nameLength(s[i:]); n > 0 {
				k, i = name, i+n
				break
			}
			i++
		}
		if i < 0 {
			return nil, &Flaw{Offset: start, Message: "what begins here is not closed"}
		}
		words = append(words, word{k, start, i})
	}
	return words, nil
}

// closing returns the place behind the closing quote, or -1. A doubled quote
// stands for itself, and behind a backslash if that escapes.
func closing(s string, i int, quote byte, backslash bool) int {
	for i++; i < len(s); i++ {
		switch {
		case backslash && s[i] == '\\':
			i++
		case s[i] == quote && i+1 < len(s) && s[i+1] == quote && quote != ']':
			i++
		case s[i] == quote:
			return i + 1
		}
	}
	return -1
}

// escaped reports whether a text that follows is PostgreSQL's E'…'.
func escaped(s string, words []word) bool {
	if len(words) == 0 {
		return false
	}
	w := words[len(words)-1]
	return w.kind == name && strings.EqualFold(w.text(s), "e") && w.to < len(s) && s[w.to] == '\''
}

// bracketName reports whether a "[" begins a name, as in SQLite, and no
// subscript, as in PostgreSQL: that follows an operand.
func bracketName(words []word, s string) bool {
	if len(words) == 0 {
		return false
	}
	w := words[len(words)-1]
	switch w.kind {
	case name:
		return nameFollows[strings.ToUpper(w.text(s))]
	case sign:
		t := w.text(s)
		return t != ")" && t != "]"
	}
	return false
}

// nameFollows are keywords behind which a name in brackets may stand.
var nameFollows = map[string]bool{"SELECT": true, "FROM": true, "JOIN": true, "INTO": true, "UPDATE": true, "AS": true, "ON": true,
	"BY": true, "WHERE": true, "AND": true, "OR": true, "SET": true, "DISTINCT": true, "RETURNING": true}

// dollarTag returns the $tag$ that s begins with, or "".
func dollarTag(s string) string {
	n := 1 + nameLength(s[1:])
	if n < len(s) && s[n] == '$' {
		return s[:n+1]
	}
	return ""
}

// after reports whether a sign stands right before i.
func after(words []word, s string, c byte, i int) bool {
	return i > 0 && s[i-1] == c && len(words) > 0
}

func digit(c byte) bool { return c >= '0' && c <= '9' }

func letter(r rune) bool { return r == '_' || r >= utf8.RuneSelf || unicode.IsLetter(r) }

func run(s string, is func(byte) bool) int {
	n := 0
	for n < len(s) && is(s[n]) {
		n++
	}
	return n
}

func nameLength(s string) int {
	n := 0
	for n < len(s) && (letter(rune(s[n])) || n > 0 && (digit(s[n]))) {
		n++
	}
	return n
}

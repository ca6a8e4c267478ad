package dataflow

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Pos is a place in a source file. Line and Col count from 1; Col counts
// Unicode code points, as editors and Starlark do. The zero Pos is unknown.
type Pos struct {
	Line int `json:"line"`
	Col  int `json:"col"`
}

// Span is a half-open stretch of a source file: End is the place after the
// last character. File is the path as the user named it. The zero Span means
// that a value was not written in a file, but built by a Go program.
type Span struct {
	File  string `json:"file"`
	Start Pos    `json:"start"`
	End   Pos    `json:"end"`
}

// IsZero reports whether the span is unknown.
func (s Span) IsZero() bool { return s.File == "" && s.Start.Line == 0 }

// String renders the span's start as file:line:col.
func (s Span) String() string {
	switch {
	case s.IsZero():
		return "<unknown>"
	case s.Start.Line == 0:
		return s.File
	}
	return fmt.Sprintf("%s:%d:%d", s.File, s.Start.Line, s.Start.Col)
}

// Within returns the place at an offset, in bytes, of a text that is written
// as one literal with this span. Where the literal has escapes, or is none, that
// is the span itself.
func (s Span) Within(text string, offset int) Span {
	lines := strings.Count(text, "\n")
	last := utf8.RuneCountInString(text[strings.LastIndexByte(text, '\n')+1:])
	var quote int
	switch {
	case lines == 0 && s.Start.Line == s.End.Line && s.End.Col-s.Start.Col == last+2:
		quote = 1
	case lines == 0 && s.Start.Line == s.End.Line && s.End.Col-s.Start.Col == last+6, // """…"""
		lines > 0 && s.End.Line-s.Start.Line == lines && s.End.Col == 1+last+3:
		quote = 3
	default:
		return s
	}
	at := s.Start
	at.Col += quote
	before := text[:min(offset, len(text))]
	if n := strings.Count(before, "\n"); n > 0 {
		at.Line += n
		at.Col = 1
		before = before[strings.LastIndexByte(before, '\n')+1:]
	}
	at.Col += utf8.RuneCountInString(before)
	end := at
	rest := text[min(offset, len(text)):]
	if n := strings.IndexFunc(rest, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }); n >= 0 {
		rest = rest[:n]
	}
	end.Col += max(1, utf8.RuneCountInString(rest))
	return Span{File: s.File, Start: at, End: end}
}

// Spans gives the place of each part of a nested value. Keys are JSON
// pointers (RFC 6901) below the value; "" is the value itself. The place of a
// mapping's key, rather than of its value, is stored behind KeySuffix.
type Spans map[string]Span

// KeySuffix marks the entry of Spans that holds a key's own place.
const KeySuffix = "#key"

// At returns the place of the part at the JSON pointer, or of the nearest
// enclosing part whose place is known.
func (s Spans) At(pointer string) Span {
	for {
		if span, ok := s[pointer]; ok && !span.IsZero() {
			return span
		}
		cut := lastSlash(pointer)
		if cut < 0 {
			return Span{}
		}
		pointer = pointer[:cut]
	}
}

// Key returns the place of the key that names the part at the JSON pointer,
// or of the part itself where the key's place is not known.
func (s Spans) Key(pointer string) Span {
	if span, ok := s[pointer+KeySuffix]; ok {
		return span
	}
	return s.At(pointer)
}

// Refuse notes that the part at the JSON pointer is not what the file meant:
// what was written there, or that nothing was, has been reported.
func (s Spans) Refuse(pointer string) { s[pointer] = Span{} }

// Refused reports whether the part at the JSON pointer has been refused, so
// that nothing can be said of its value.
func (s Spans) Refused(pointer string) bool {
	span, ok := s[pointer]
	return ok && span.IsZero()
}

func lastSlash(s string) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == '/' {
			return i
		}
	}
	return -1
}

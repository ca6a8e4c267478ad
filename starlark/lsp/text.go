package lsp

import (
	"strings"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
)

// units is how many units of UTF-16 a character takes.
func units(r rune) int {
	if r > 0xFFFF {
		return 2
	}
	return 1
}

// lineStart returns where a line, counted from 0, begins; the end of the text
// for those behind it.
func lineStart(text string, line int) int {
	at := 0
	for ; line > 0; line-- {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return len(text)
		}
		at += i + 1
	}
	return at
}

// offsetOf finds a place in the text, in bytes. One beyond a line's end is the
// line's end, as the protocol says.
func offsetOf(text string, p position) int {
	at := lineStart(text, p.Line)
	for n := 0; n < p.Character && at < len(text) && text[at] != '\n' && text[at] != '\r'; {
		r, size := utf8.DecodeRuneInString(text[at:])
		n += units(r)
		at += size
	}
	return at
}

// positionOf is the place of a byte of the text.
func positionOf(text string, offset int) position {
	before := text[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	p := position{Line: strings.Count(before, "\n")}
	for _, r := range before[start:] {
		p.Character += units(r)
	}
	return p
}

// posOf is a place as our spans have it.
func posOf(text string, p position) dataflow.Pos {
	start := lineStart(text, p.Line)
	return dataflow.Pos{Line: p.Line + 1, Col: utf8.RuneCountInString(text[start:offsetOf(text, p)]) + 1}
}

// byteOf finds a place of ours, counted from 1 in code points, in the text.
func byteOf(text string, p dataflow.Pos) int {
	at := lineStart(text, p.Line-1)
	for col := 1; col < p.Col && at < len(text) && text[at] != '\n'; col++ {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}

// rangeOf converts a span. One without a place is the file's first character.
func rangeOf(text string, s dataflow.Span) span {
	from := byteOf(text, s.Start)
	to := max(from, byteOf(text, s.End))
	return span{positionOf(text, from), positionOf(text, to)}
}

// whole is the range of all of a text.
func whole(text string) span { return span{End: positionOf(text, len(text))} }

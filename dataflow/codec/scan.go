package codec

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
)

// parser reads one JSON text (RFC 8259). Its methods return false as soon as
// the text turns out not to be JSON, or to be nested too deeply; a value that
// is JSON but wrong is recorded as a problem and read past.
type parser struct {
	collector
	s    string // valid UTF-8
	i    int
	left int // levels still allowed
}

// document reads the whole text by f.
func (p *parser) document(f func() (any, bool)) (any, bool) {
	if !utf8.ValidString(p.s) {
		p.i = invalidUTF8(p.s)
		return nil, p.fail("a byte here is not valid UTF-8")
	}
	p.space()
	if p.i == len(p.s) {
		return nil, p.fail("there is nothing in it")
	}
	v, ok := f()
	if !ok {
		return nil, false
	}
	p.space()
	if p.i < len(p.s) {
		return nil, p.fail("something follows the value")
	}
	return v, true
}

func invalidUTF8(s string) int {
	for i, r := range s {
		if r == utf8.RuneError {
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return i
			}
		}
	}
	return 0
}

// fail records that the text is not JSON at the present position. Nothing
// else that was found in it counts.
func (p *parser) fail(why string) bool {
	before := p.s[:min(p.i, len(p.s))]
	line := strings.Count(before, "\n") + 1
	col := utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1
	p.problems = []dataflow.Problem{{Code: Malformed,
		Detail: fmt.Sprintf("%s (line %d, column %d)", why, line, col)}}
	return false
}

// unexpected fails with what was found where something else was wanted.
func (p *parser) unexpected(wanted string) bool {
	if p.i >= len(p.s) {
		return p.fail("it ends where " + wanted + " should be")
	}
	r, _ := utf8.DecodeRuneInString(p.s[p.i:])
	return p.fail(fmt.Sprintf("%q stands where %s should be", r, wanted))
}

// enter goes one level deeper.
func (p *parser) enter() bool {
	if p.left == 0 {
		return p.add("too_deep", "nests too deeply", "")
	}
	p.left--
	return true
}

// space skips white space.
func (p *parser) space() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\n', '\r', '\t':
			p.i++
		default:
			return
		}
	}
}

// peek returns the next byte, or 0 at the end.
func (p *parser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

// literal reads the rest of true, false or null.
func (p *parser) literal(word string) bool {
	if !strings.HasPrefix(p.s[p.i:], word) {
		return p.unexpected("a value")
	}
	p.i += len(word)
	return true
}

// str reads a string.
func (p *parser) str() (string, bool) {
	p.i++ // the quote
	start := p.i
	for i := start; i < len(p.s); i++ {
		switch b := p.s[i]; {
		case b == '"':
			p.i = i + 1
			return p.s[start:i], true
		case b == '\\':
			return p.escaped(start, i)
		case b < 0x20:
			p.i = i
			return "", p.fail("a string holds a control character: write it as an escape")
		}
	}
	p.i = len(p.s)
	return "", p.fail("a string has no closing quote")
}

// escaped reads the rest of a string that starts at start and has its first
// escape at i.
func (p *parser) escaped(start, i int) (string, bool) {
	buf := append(make([]byte, 0, i-start+32), p.s[start:i]...)
	for i < len(p.s) {
		b := p.s[i]
		switch {
		case b == '"':
			p.i = i + 1
			return string(buf), true
		case b < 0x20:
			p.i = i
			return "", p.fail("a string holds a control character: write it as an escape")
		case b != '\\':
			buf = append(buf, b)
			i++
			continue
		}
		p.i = i
		if i+1 == len(p.s) {
			break
		}
		if at := strings.IndexByte(`"\/bfnrt`, p.s[i+1]); at >= 0 {
			buf = append(buf, "\"\\/\b\f\n\r\t"[at])
			i += 2
			continue
		}
		r, n := unicodeEscape(p.s[i:])
		if n == 0 {
			return "", p.fail("a string holds an escape that does not exist")
		}
		buf = utf8.AppendRune(buf, r)
		i += n
	}
	p.i = len(p.s)
	return "", p.fail("a string has no closing quote")
}

// unicodeEscape reads \uXXXX, or two of them that make one character. Half of
// a pair is no character: there is no text to store it as.
func unicodeEscape(s string) (r rune, n int) {
	r = hex4(s)
	if r < 0 {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, 6
	}
	if r = utf16.DecodeRune(r, hex4(s[6:])); r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}

// hex4 reads \uXXXX, or returns -1.
func hex4(s string) rune {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return -1
	}
	var r rune
	for i := 2; i < 6; i++ {
		d := hexDigit(s[i])
		if d < 0 {
			return -1
		}
		r = r<<4 | rune(d)
	}
	return r
}

func hexDigit(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0')
	case b >= 'a' && b <= 'f':
		return int(b-'a') + 10
	case b >= 'A' && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}

// number reads a number and returns its text, and whether it has neither
// fraction nor exponent.
func (p *parser) number() (raw string, whole, ok bool) {
	start := p.i
	if p.peek() == '-' {
		p.i++
	}
	switch b := p.peek(); {
	case b == '0':
		p.i++
	case b >= '1' && b <= '9':
		p.digits()
	default:
		return "", false, p.unexpected("a digit")
	}
	whole = true
	if p.peek() == '.' {
		whole = false
		p.i++
		if !p.digits() {
			return "", false, p.unexpected("a digit")
		}
	}
	if b := p.peek(); b == 'e' || b == 'E' {
		whole = false
		p.i++
		if b := p.peek(); b == '+' || b == '-' {
			p.i++
		}
		if !p.digits() {
			return "", false, p.unexpected("a digit")
		}
	}
	return p.s[start:p.i], whole, true
}

// digits skips digits and reports whether there was one.
func (p *parser) digits() bool {
	start := p.i
	for p.i < len(p.s) && p.s[p.i]-'0' <= 9 {
		p.i++
	}
	return p.i > start
}

// elements reads a list, calling f at the start of each element.
func (p *parser) elements(f func() bool) bool {
	if !p.enter() {
		return false
	}
	p.i++
	p.space()
	if p.peek() == ']' {
		p.i++
		p.left++
		return true
	}
	p.pushIndex(0)
	for n := 0; ; n++ {
		p.setIndex(n)
		p.space()
		if !f() {
			return false
		}
		p.space()
		switch p.peek() {
		case ',':
			p.i++
			continue
		case ']':
			p.i++
			p.pop()
			p.left++
			return true
		}
		return p.unexpected(`"," or "]"`)
	}
}

// members reads an object, calling f with each name at the start of its
// value.
func (p *parser) members(f func(name string) bool) bool {
	if !p.enter() {
		return false
	}
	p.i++
	p.space()
	if p.peek() == '}' {
		p.i++
		p.left++
		return true
	}
	p.push("")
	for {
		p.space()
		if p.peek() != '"' {
			return p.unexpected("a name in quotes")
		}
		name, ok := p.str()
		if !ok {
			return false
		}
		p.space()
		if p.peek() != ':' {
			return p.unexpected(`":"`)
		}
		p.i++
		p.space()
		p.setName(name)
		if !f(name) {
			return false
		}
		p.space()
		switch p.peek() {
		case ',':
			p.i++
			continue
		case '}':
			p.i++
			p.pop()
			p.left++
			return true
		}
		return p.unexpected(`"," or "}"`)
	}
}

package codec

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// maxNesting is how deep text may nest that is only looked at: as deep as
// encoding/json takes it.
const maxNesting = 10_000

// Valid reports whether b is one JSON value (RFC 8259). It makes nothing of it,
// so that every value that is handed out as it is kept can be looked at.
func Valid(b []byte) bool {
	var room [64]byte
	open := room[:0] // how each list and object that is not closed yet ends
	i := skipSpace(b, 0)
	for i < len(b) {
		switch c := b[i]; c {
		case '"':
			i = skipString(b, i+1)
		case '{', '[':
			if len(open) == maxNesting {
				return false
			}
			if i = skipSpace(b, i+1); i < len(b) && b[i] == c+2 { // '}' or ']'
				i++
				break
			}
			if open = append(open, c+2); c == '{' {
				i = skipName(b, i)
			}
			if i < 0 {
				return false
			}
			continue
		case 't':
			i = skipWord(b, i, "true")
		case 'f':
			i = skipWord(b, i, "false")
		case 'n':
			i = skipWord(b, i, "null")
		default:
			i = skipNumber(b, i)
		}
		// A value has ended: so may what it is in.
		for {
			if i < 0 {
				return false
			}
			i = skipSpace(b, i)
			if len(open) == 0 {
				return i == len(b) && utf8.Valid(b)
			}
			if i == len(b) {
				return false
			}
			end := open[len(open)-1]
			if b[i] == end {
				open = open[:len(open)-1]
				i++
				continue
			}
			if b[i] != ',' {
				return false
			}
			if i = skipSpace(b, i+1); end == '}' {
				i = skipName(b, i)
			}
			if i < 0 {
				return false
			}
			break
		}
	}
	return false
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && b[i] <= ' ' && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipName returns where the value of the name that begins at i begins, or -1.
func skipName(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	if i = skipString(b, i+1); i < 0 {
		return -1
	}
	if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
		return -1
	}
	return skipSpace(b, i+1)
}

func skipWord(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

// skipString skips the rest of a string and its closing quote, eight bytes at a
// time where nothing in them ends it, is an escape or may not stand there.
func skipString(b []byte, i int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for {
		for ; i+8 <= len(b); i += 8 {
			x := binary.LittleEndian.Uint64(b[i:])
			quote, escape := x^('"'*ones), x^('\\'*ones)
			// The lowest byte that is marked is one of them; those above may not be.
			found := ((quote-ones)&^quote | (escape-ones)&^escape | (x-0x20*ones)&^x) & tops
			if found != 0 {
				i += bits.TrailingZeros64(found) / 8
				break
			}
		}
		if i >= len(b) {
			return -1
		}
		switch c := b[i]; {
		case c == '"':
			return i + 1
		case c == '\\':
			if i = skipEscape(b, i+1); i < 0 {
				return -1
			}
		case c < 0x20:
			return -1
		default:
			i++ // within the last eight bytes
		}
	}
}

// skipEscape skips what stands behind a backslash.
func skipEscape(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i + 1
	case 'u':
		if i+5 > len(b) {
			return -1
		}
		for _, c := range b[i+1 : i+5] {
			if hexDigit(c) < 0 {
				return -1
			}
		}
		return i + 5
	}
	return -1
}

func skipNumber(b []byte, i int) int {
	if i < len(b) && b[i] == '-' {
		i++
	}
	whole := skipDigits(b, i)
	if whole == i || b[i] == '0' && whole > i+1 {
		return -1
	}
	if i = whole; i < len(b) && b[i] == '.' {
		if i = skipDigits(b, i+1); b[i-1] == '.' {
			return -1
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		from := i
		if i = skipDigits(b, i); i == from {
			return -1
		}
	}
	return i
}

func skipDigits(b []byte, i int) int {
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	return i
}

package query

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// A $like pattern: % stands for any text, _ for any one character, \ takes
// the meaning from the character behind it. It must match the whole value,
// and case counts. $ilike is the same over both sides with every character
// in its simple lower case (Unicode), so case does not count; accents do.

// patternProblem says what is wrong with a $like pattern, or "".
func patternProblem(pattern string) string {
	for i := 0; i < len(pattern); i++ {
		if pattern[i] == '\\' {
			if i++; i == len(pattern) {
				return `ends in a single \, which takes the meaning from a character that must follow it`
			}
		}
	}
	return ""
}

// LikeMatch reports whether s matches a $like pattern. Its time is at most
// the product of the two lengths.
func LikeMatch(pattern, s string) bool {
	var (
		p, i         int
		retryP       = -1 // behind the last %
		retryI       int
		pr, sr       rune
		psize, ssize int
		wild         bool
	)
	for i < len(s) {
		if p < len(pattern) && pattern[p] == '%' {
			p++
			retryP, retryI = p, i
			continue
		}
		if p < len(pattern) {
			pr, psize, wild = patternRune(pattern[p:])
			sr, ssize = utf8.DecodeRuneInString(s[i:])
			if wild || pr == sr {
				p += psize
				i += ssize
				continue
			}
		}
		if retryP < 0 {
			return false
		}
		_, ssize = utf8.DecodeRuneInString(s[retryI:])
		retryI += ssize
		p, i = retryP, retryI
	}
	return strings.Trim(pattern[p:], "%") == ""
}

// patternRune reads one character of a pattern that is no %.
func patternRune(p string) (r rune, size int, wild bool) {
	switch {
	case p[0] == '_':
		return 0, 1, true
	case p[0] == '\\' && len(p) > 1:
		r, size = utf8.DecodeRuneInString(p[1:])
		return r, size + 1, false
	}
	r, size = utf8.DecodeRuneInString(p)
	return r, size, false
}

// FoldCase returns s with every character in its simple lower case: what
// $ilike compares.
func FoldCase(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			return strings.Map(unicode.ToLower, s)
		}
	}
	return s
}

// LikePrefix returns the literal text that every match of a $like pattern
// starts with, for an index to narrow the search.
func LikePrefix(pattern string) string {
	var b strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '%', '_':
			return b.String()
		case '\\':
			if i++; i == len(pattern) {
				return b.String()
			}
		}
		b.WriteByte(pattern[i])
	}
	return b.String()
}

// PrefixEnd returns the least text that is greater, by bytes, than every text
// that starts with prefix. ok is false if there is none.
func PrefixEnd(prefix string) (end string, ok bool) {
	for prefix != "" {
		r, size := utf8.DecodeLastRuneInString(prefix)
		prefix = prefix[:len(prefix)-size]
		switch {
		case r == utf8.RuneError && size <= 1, r == unicode.MaxRune:
			continue // drop it: the one before decides
		case r == 0xD7FF: // the next is a surrogate, which no text holds
			r = 0xE000
		default:
			r++
		}
		return prefix + string(r), true
	}
	return "", false
}

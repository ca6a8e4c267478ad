package postgres

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
)

// PostgreSQL's regular expressions are not those of the filter language, which
// are RE2's: \d, \b, (?i), $ and the classes of Unicode differ in what they
// match, and its letters' cases depend on the server's locale. So a pattern is
// parsed as RE2 and written anew from what is common to both: literal
// characters, sets of them by number, and the operators. It asks only whether
// there is a match, so greed does not matter.
//
// $ilike becomes such a pattern too: each character stands for the set of
// those that have it as their simple lower case.

// director makes what follows an advanced regular expression, whatever the
// server's settings.
const director = "***:"

const (
	anyRune  = `[\u0001-\U0010FFFF]`
	notLine  = `[^\n]`
	wordRune = `[0-9A-Za-z_]`
	never    = `(?:\Z` + anyRune + `)`
	// maxRepeat is the most that PostgreSQL takes in braces.
	maxRepeat = 255
)

// regexPattern writes an RE2 pattern, which the filter's parser has checked,
// for PostgreSQL.
func regexPattern(re2 string) string {
	re, err := syntax.Parse(re2, syntax.Perl)
	if err != nil {
		return director + never
	}
	var b strings.Builder
	b.WriteString(director)
	writeRegex(&b, re)
	return b.String()
}

func writeRegex(b *strings.Builder, re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpNoMatch:
		b.WriteString(never)
	case syntax.OpEmptyMatch:
		b.WriteString("(?:)")
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			if re.Flags&syntax.FoldCase != 0 {
				writeSet(b, orbit(r))
			} else {
				writeRune(b, r)
			}
		}
	case syntax.OpCharClass:
		writeClass(b, re.Rune)
	case syntax.OpAnyChar:
		b.WriteString(anyRune)
	case syntax.OpAnyCharNotNL:
		b.WriteString(notLine)
	case syntax.OpBeginText:
		b.WriteString(`\A`)
	case syntax.OpEndText:
		b.WriteString(`\Z`)
	case syntax.OpBeginLine:
		b.WriteString(`(?:\A|(?<=\n))`)
	case syntax.OpEndLine:
		b.WriteString(`(?:\Z|(?=\n))`)
	case syntax.OpWordBoundary:
		b.WriteString(`(?:(?<=` + wordRune + `)(?!` + wordRune + `)|(?<!` + wordRune + `)(?=` + wordRune + `))`)
	case syntax.OpNoWordBoundary:
		b.WriteString(`(?:(?<=` + wordRune + `)(?=` + wordRune + `)|(?<!` + wordRune + `)(?!` + wordRune + `))`)
	default:
		writeOperator(b, re)
	}
}

func writeOperator(b *strings.Builder, re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpStar:
		writeGroup(b, re.Sub[0], "*")
	case syntax.OpPlus:
		writeGroup(b, re.Sub[0], "+")
	case syntax.OpQuest:
		writeGroup(b, re.Sub[0], "?")
	case syntax.OpRepeat:
		writeRepeat(b, re)
	case syntax.OpCapture:
		writeGroup(b, re.Sub[0], "")
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			writeGroup(b, sub, "")
		}
	case syntax.OpAlternate:
		b.WriteString("(?:")
		for i, sub := range re.Sub {
			if i > 0 {
				b.WriteByte('|')
			}
			writeGroup(b, sub, "")
		}
		b.WriteByte(')')
	default:
		panic(fmt.Sprintf("postgres: unknown regular expression %v", re.Op))
	}
}

func writeGroup(b *strings.Builder, re *syntax.Regexp, suffix string) {
	b.WriteString("(?:")
	writeRegex(b, re)
	b.WriteByte(')')
	b.WriteString(suffix)
}

// writeRepeat writes x{min,max}, in parts if they are beyond maxRepeat.
func writeRepeat(b *strings.Builder, re *syntax.Regexp) {
	rest := 0 // how often it may come beyond the least
	if re.Max > 0 {
		rest = re.Max - re.Min
	}
	b.WriteString("(?:")
	for least := re.Min; least > 0; least -= maxRepeat {
		writeGroup(b, re.Sub[0], fmt.Sprintf("{%d}", min(least, maxRepeat)))
	}
	for ; rest > 0; rest -= maxRepeat {
		writeGroup(b, re.Sub[0], fmt.Sprintf("{0,%d}", min(rest, maxRepeat)))
	}
	if re.Max < 0 {
		writeGroup(b, re.Sub[0], "*")
	}
	b.WriteByte(')')
}

// writeRune writes one character, by number unless it is plain.
func writeRune(b *strings.Builder, r rune) {
	switch {
	case r == 0: // no text has it
		b.WriteString(never)
	case r < unicode.MaxASCII && (r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'):
		b.WriteRune(r)
	default:
		writeNumber(b, r)
	}
}

func writeNumber(b *strings.Builder, r rune) { fmt.Fprintf(b, `\U%08X`, r) }

// writeClass writes a set given as pairs, each the first and last of a range.
func writeClass(b *strings.Builder, pairs []rune) {
	var set strings.Builder
	for i := 0; i < len(pairs); i += 2 {
		first, last := max(pairs[i], 1), pairs[i+1]
		if first > last {
			continue
		}
		writeNumber(&set, first)
		if last > first {
			set.WriteByte('-')
			writeNumber(&set, last)
		}
	}
	if set.Len() == 0 {
		b.WriteString(never)
		return
	}
	b.WriteString("[" + set.String() + "]")
}

func writeSet(b *strings.Builder, runes []rune) {
	if len(runes) == 1 {
		writeRune(b, runes[0])
		return
	}
	b.WriteByte('[')
	for _, r := range runes {
		writeNumber(b, r)
	}
	b.WriteByte(']')
}

// orbit lists the characters that are one when case does not count.
func orbit(r rune) []rune {
	all := []rune{r}
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		all = append(all, f)
	}
	return all
}

// ilikePattern writes a $ilike pattern whose case is folded.
func ilikePattern(folded string) string {
	var b strings.Builder
	b.WriteString(director + `\A`)
	escaped := false
	for _, r := range folded {
		switch {
		case escaped:
			writeSet(&b, lowersTo(r))
			escaped = false
		case r == '\\':
			escaped = true
		case r == '%':
			b.WriteString(anyRune + "*")
		case r == '_':
			b.WriteString(anyRune)
		default:
			writeSet(&b, lowersTo(r))
		}
	}
	b.WriteString(`\Z`)
	return b.String()
}

// dottedI is the one character whose simple lower case is of another orbit.
const dottedI = 'İ'

// lowersTo lists the characters whose simple lower case is r.
func lowersTo(r rune) []rune {
	all := slices.DeleteFunc(orbit(r), func(x rune) bool { return unicode.ToLower(x) != r })
	if r == 'i' {
		all = append(all, dottedI)
	}
	if len(all) == 0 { // an upper case can't be in folded text
		all = append(all, r)
	}
	return all
}

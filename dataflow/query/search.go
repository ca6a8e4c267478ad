package query

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
)

// A search looks for words in the texts of a model's searchable fields. The
// words of a text are its runs of letters, digits and marks, each character in
// its lower case; whatever else is in it only separates them. What a search
// means is decided here, in Go: an engine's index of words narrows where to
// look, and need not be exact.

// Limits of a search.
const (
	MaxSearch      = 1000 // bytes
	MaxSearchTerms = 32
)

// Search holds for the rows in which every term is found, and none that is
// excluded. It is an Expr.
type Search struct {
	Model  *dataflow.Model
	Fields []int  // that are looked into, of those that are searchable
	Text   string // as the caller wrote it; Terms are made of it
	Terms  []Term
}

func (*Search) expr() {}

// Term is one word of a search, or several that stand side by side in one text.
type Term struct {
	Words   []string
	Prefix  bool // the last word may go on
	Exclude bool // it must not be found
}

// ParseSearch reads a search on m's rows: words, all of which must be found, in
// any of the searchable fields; "several words" side by side; wor* for words
// that begin so; -word for rows without it. Nothing is a syntax error.
func ParseSearch(m *dataflow.Model, text, pointer string) (Expr, []dataflow.Problem) {
	return Sight{}.Search(m, text, pointer)
}

// Search is ParseSearch in the fields that are seen.
func (s Sight) Search(m *dataflow.Model, text, pointer string) (Expr, []dataflow.Problem) {
	p := parser{model: m, sight: s}
	fields := s.searchable(m)
	switch {
	case len(fields) == 0:
		p.bad("not_filterable", pointer, "write field(str, searchable = True) for what is to be searched"+s.filterInstead(m), "%s has no searchable field", m.Name)
	case len(text) > MaxSearch:
		p.bad("too_long", pointer, "", "a search has at most %d bytes", MaxSearch)
	}
	if len(p.problems) > 0 {
		return nil, p.problems
	}
	terms := ParseTerms(text)
	switch {
	case len(terms) == 0:
		p.bad("required", pointer, "leave it out to get every row", "there is no word in it to look for")
	case len(terms) > MaxSearchTerms:
		p.bad("too_large", pointer, "", "a search has at most %d terms", MaxSearchTerms)
	}
	return &Search{Model: m, Fields: fields, Text: text, Terms: terms}, p.problems
}

// filterInstead shows the filter that looks for a part of a text, if the model
// has one.
func (s Sight) filterInstead(m *dataflow.Model) string {
	for i, f := range m.Fields {
		if f.Type.Kind == dataflow.KindString && f.System == dataflow.RoleNone && s.field(m, i) {
			return `, or use a filter: {"` + f.Name + `": {"$ilike": "%red%"}}`
		}
	}
	return ""
}

// ParseSearchStatic checks a search as an app file has it, if it is a text that
// is written out.
func ParseSearchStatic(m *dataflow.Model, v any, pointer string) []dataflow.Problem {
	text, ok := v.(string)
	if !ok {
		return nil
	}
	_, problems := ParseSearch(m, text, pointer)
	return problems
}

// ParseTerms takes a search apart.
func ParseTerms(text string) []Term {
	var terms []Term
	for text != "" {
		var t Term
		text = strings.TrimLeftFunc(text, unicode.IsSpace)
		if rest, ok := strings.CutPrefix(text, "-"); ok {
			t.Exclude, text = true, rest
		}
		part := text
		if rest, quoted := strings.CutPrefix(text, `"`); quoted {
			part, text, _ = strings.Cut(rest, `"`)
			if strings.HasPrefix(text, "*") {
				t.Prefix, text = true, text[1:]
			}
		} else {
			if end := strings.IndexFunc(text, func(r rune) bool { return unicode.IsSpace(r) || r == '"' }); end >= 0 {
				part, text = text[:end], text[end:]
			} else {
				text = ""
			}
			t.Prefix = strings.HasSuffix(part, "*")
		}
		if t.Words = Words(part); len(t.Words) > 0 {
			terms = append(terms, t)
		}
	}
	return terms
}

// Words returns the words of a text, in order.
func Words(text string) []string {
	var words []string
	eachWord(text, func(w string) bool {
		words = append(words, w)
		return true
	})
	return words
}

// eachWord hands f each word, until it says to stop.
func eachWord(text string, f func(string) bool) {
	for text != "" {
		start := strings.IndexFunc(text, isWordRune)
		if start < 0 {
			return
		}
		text = text[start:]
		end := strings.IndexFunc(text, isWordBreak)
		if end < 0 {
			end = len(text)
		}
		if !f(foldWord(text[:end])) {
			return
		}
		text = text[end:]
	}
}

func isWordRune(r rune) bool { return !isWordBreak(r) }

func isWordBreak(r rune) bool {
	if r < utf8.RuneSelf {
		return r < '0' || r > '9' && r < 'A' || r > 'Z' && r < 'a' || r > 'z'
	}
	_, found := slices.BinarySearchFunc(wordBreaks, r, func(span [2]rune, r rune) int {
		switch {
		case r < span[0]:
			return 1
		case r > span[1]:
			return -1
		}
		return 0
	})
	return found || r == utf8.RuneError
}

// foldWord returns a word in lower case.
func foldWord(w string) string {
	for i := range len(w) {
		if c := w[i]; c >= utf8.RuneSelf || c >= 'A' && c <= 'Z' {
			return strings.Map(foldRune, w)
		}
	}
	return w
}

// foldRune is the lower case of the scripts that have one and that people
// write; the rest stays apart, so that the table an engine needs is short.
// What would become an ASCII letter from outside of it stays too.
func foldRune(r rune) rune {
	switch {
	case r < utf8.RuneSelf:
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r
	case r == 0x37F: // younger than its lower case
	case r == 'ς': // which stands for σ at the end of a word
		return 'σ'
	case r < 0x590, r >= 0x1E00 && r < 0x2000, r >= 0xFF21 && r <= 0xFF3A:
		if low := unicode.ToLower(r); low >= utf8.RuneSelf {
			return low
		}
	}
	return r
}

// WordBreaks is the set of characters that no word holds, as ranges in order.
func WordBreaks() [][2]rune { return wordBreaks }

// WordFolds lists the characters beyond ASCII that have a lower case, and it,
// side by side.
func WordFolds() (from, to []rune) {
	for r := rune(utf8.RuneSelf); r <= 0xFF3A; r++ {
		if low := foldRune(r); low != r {
			from, to = append(from, r), append(to, low)
		}
	}
	return from, to
}

// Matches reports whether the texts of a row, one of each searchable field,
// have what is looked for. Null has no words.
func Matches(terms []Term, texts []string) bool {
	words := make([][]string, len(texts))
	for i, text := range texts {
		words[i] = Words(text)
	}
	for _, t := range terms {
		found := slices.ContainsFunc(words, t.in)
		if found == t.Exclude {
			return false
		}
	}
	return true
}

// in reports whether a text, given by its words, has the term.
func (t *Term) in(words []string) bool {
	for len(words) >= len(t.Words) {
		if t.starts(words) {
			return true
		}
		words = words[1:]
	}
	return false
}

func (t *Term) starts(words []string) bool {
	last := len(t.Words) - 1
	for i, w := range t.Words {
		if words[i] != w && !(i == last && t.Prefix && strings.HasPrefix(words[i], w)) {
			return false
		}
	}
	return true
}

// matches is the meaning of a search in memory.
func (s *Search) matches(value func(Path) any) bool {
	var texts []string
	for _, i := range s.Fields {
		if text, ok := value(Path{Model: s.Model, Field: i}).(string); ok {
			texts = append(texts, text)
		}
	}
	return Matches(s.Terms, texts)
}

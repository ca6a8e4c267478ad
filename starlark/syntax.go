package starlark

import (
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/internal/lazyregexp"
	"github.com/flowctl/flowctl/starlark/internal/scan"
	"github.com/flowctl/flowctl/starlark/internal/tree"
	"go.starlark.net/syntax"
)

// mostBroken bounds how many statements of a file are left out for what is wrong
// with them: for each, what is left is parsed again.
const mostBroken = 20

// syntaxErrors reports what keeps a file from being parsed. The parser stops at
// the first error: the statement that it is in is taken out then, and what is
// left parsed again.
func (l *loader) syntaxErrors(src *source, err error) {
	s := newStumbles(src)
	defer func() { l.diags = append(l.diags, s.met()...) }()
	for n := 0; err != nil && n < mostBroken; n++ {
		e, ok := errors.AsType[syntax.Error](err)
		if !ok {
			l.error("FC001", dataflow.Span{File: src.name}, "the file can't be parsed", "")
			return
		}
		d, ok := s.take(e)
		if d.Code != "" {
			l.diags = append(l.diags, d)
		}
		if !ok {
			return
		}
		_, err = tree.Options().Parse(src.name, string(s.rest), 0)
	}
}

// stumbles goes through what the parser stumbles over.
type stumbles struct {
	src    *source
	starts []scan.Token // of the statements at the top level
	tokens []scan.Token // of each statement by itself: none stands in another's bracket
	habits []dataflow.Diagnostic
	rest   []byte   // of the text: blank where an error has been told
	taken  [][2]int // lines of the statements that were
}

func newStumbles(src *source) *stumbles {
	s := &stumbles{src: src, starts: statements(scan.Text(src.text)), rest: []byte(src.text)}
	for i := range max(1, len(s.starts)) {
		_, to := s.part(i)
		s.tokens = append(s.tokens, s.scan(i, to).Tokens...)
	}
	s.habits = findHabits(src, s.tokens)
	return s
}

// met are the habits that the parser stumbled over. Each is an error to it too:
// what looks like one elsewhere stands in a string whose begin is missing, say.
func (s *stumbles) met() (habits []dataflow.Diagnostic) {
	for _, h := range s.habits {
		at := h.Span.Start.Line
		if slices.ContainsFunc(s.taken, func(lines [2]int) bool { return lines[0] <= at && at <= lines[1] }) {
			habits = append(habits, h)
		}
	}
	return habits
}

// scan splits a statement up to a byte of the text, as if nothing stood before.
func (s *stumbles) scan(i, to int) *scan.File {
	from, _ := s.part(i)
	f := scan.Text(s.src.text[from:to])
	for _, list := range [][]scan.Token{f.Tokens, f.Open} {
		for k := range list {
			t := &list[k]
			t.From, t.To = t.From+from, t.To+from
			if i > 0 { // a statement begins a line
				t.At.Line, t.End.Line = t.At.Line+s.starts[i].At.Line-1, t.End.Line+s.starts[i].At.Line-1
			}
		}
	}
	return f
}

// statements finds what begins a statement at the top level: what stands first
// on a line there, inside of a bracket too that is never closed.
func statements(f *scan.File) (starts []scan.Token) {
	for i, t := range f.Tokens {
		switch {
		case t.At.Col != 1 || t.Kind == scan.Comment || continues(t):
		case t.First,
			len(f.Open) > 0 && t.From > f.Open[0].From && (t.Kind == scan.Name && begins(f.Tokens[i+1:]) || t.Text == "@"):
			starts = append(starts, t)
		}
	}
	return starts
}

func continues(t scan.Token) bool {
	switch t.Text {
	case "else", "elif", "and", "or", "in", ")", "]", "}":
		return t.Kind != scan.String
	}
	return false
}

// begins reports whether a name, by what comes then, looks like the begin of a
// statement, rather than like one of the values in brackets.
func begins(then []scan.Token) bool {
	return len(then) > 0 && !(then[0].Kind == scan.Op && strings.Contains(",)]}:", then[0].Text))
}

// part is a statement of the top level, by bytes of the text.
func (s *stumbles) part(i int) (from, to int) {
	to = len(s.rest)
	if i+1 < len(s.starts) {
		to = s.starts[i+1].From
	}
	if i > 0 { // the first has what stands before, which nothing begins
		from = s.starts[i].From
	}
	return from, to
}

// take tells of an error, unless a habit explains it, and takes the statement
// that it is in out of the rest. It is false where nothing is left to take out.
func (s *stumbles) take(e syntax.Error) (d dataflow.Diagnostic, ok bool) {
	f := s.see(e)
	i := max(0, sort.Search(len(s.starts), func(i int) bool { return s.starts[i].At.Line > f.at.Line })-1)
	behind := f.got == "end of file"
	if f.got != "" && f.met != nil && i > 0 && f.met.At == s.starts[i].At && s.left(i-1) {
		i, behind = i-1, true // what is missing belongs to the one before
	}
	j, open := s.open(i, behind)
	if open == nil && f.ends() {
		j, open = i, s.scan(i, f.met.From).Unclosed()
	}
	if open != nil {
		i = j
		d = dataflow.Diagnostic{Code: "FC001", Span: open.Span(s.src.name), Message: fmt.Sprintf("%q is never closed", open.Text)}
	} else {
		d = s.explain(f)
	}
	from, to := s.part(i)
	first := tree.Advance(dataflow.Pos{Line: 1, Col: 1}, s.src.text[:from])
	last := tree.Advance(first, strings.TrimSpace(s.src.text[from:to]))
	explained := func(h dataflow.Diagnostic) bool {
		at := h.Span.Start.Line
		return open == nil && h.Severity == dataflow.SeverityError && at >= first.Line && at <= min(last.Line, f.at.Line)
	}
	if slices.ContainsFunc(s.habits, explained) {
		d = dataflow.Diagnostic{}
	}
	if len(s.taken) > 0 && (f.got == "else" || f.got == "elif") { // of an if that is not there any more
		d = dataflow.Diagnostic{}
	}
	ok = s.left(i)
	s.taken = append(s.taken, [2]int{first.Line, last.Line})
	for k := from; k < to; k++ {
		if s.rest[k] != '\n' {
			s.rest[k] = ' '
		}
	}
	return d, ok
}

// open finds the first statement, before one or up to it, that leaves a bracket
// open: whatever comes behind is taken for what stands in it.
func (s *stumbles) open(before int, inclusive bool) (int, *scan.Token) {
	if inclusive {
		before++
	}
	for i := range before {
		if !s.left(i) {
			continue
		}
		_, to := s.part(i)
		if t := s.scan(i, to).Unclosed(); t != nil {
			return i, t
		}
	}
	return 0, nil
}

// stumble is an error of the parser's.
type stumble struct {
	syntax.Error
	at        dataflow.Pos
	got, want string      // of "got …, want …"
	met       *scan.Token // nil where it is none, as the end of a line
}

// ends reports whether a bracket should have been closed before what was met: a
// word that begins a statement stands in none.
func (f *stumble) ends() bool {
	switch f.got {
	case "def", "return", "pass", "break", "continue":
		return f.met != nil && f.want != "newline" && f.want != "indent"
	}
	return false
}

var gotWant = lazyregexp.New(`^got (.+), want (.+)$`)

// see finds the place of an error. The parser says where a token begins where
// it looks for a value, and else where it ends: the end of a line is in the next.
func (s *stumbles) see(e syntax.Error) stumble {
	f := stumble{Error: e, at: pos(e.Pos)}
	if m := gotWant.FindStringSubmatch(e.Msg); m != nil {
		f.got, f.want = m[1], m[2]
	}
	value := f.want == "primary expression"
	if f.got == "end of file" || f.at.Col == 1 && f.at.Line > 1 && !value && (f.got != "" || strings.HasPrefix(e.Msg, "not an identifier")) {
		f.at = s.lineEnd(f.at)
		return f
	}
	if f.got == "newline" || f.got == "indent" {
		return f
	}
	if i := slices.IndexFunc(s.tokens, func(t scan.Token) bool {
		return t.Kind != scan.Comment && (value && t.At == f.at || !value && t.End == f.at)
	}); i >= 0 {
		f.met = &s.tokens[i]
	}
	return f
}

// left reports whether something of a statement is still there.
func (s *stumbles) left(i int) bool {
	from, to := s.part(i)
	return strings.TrimSpace(string(s.rest[from:to])) != ""
}

// lineEnd is behind the last line before a place that has something on it.
func (s *stumbles) lineEnd(before dataflow.Pos) dataflow.Pos {
	lines := strings.Split(s.src.text, "\n")
	n := min(before.Line, len(lines))
	if n > 1 && before.Col == 1 {
		n--
	}
	for n > 1 && strings.TrimSpace(lines[n-1]) == "" {
		n--
	}
	return dataflow.Pos{Line: n, Col: utf8.RuneCountInString(strings.TrimRight(lines[n-1], "\r")) + 1}
}

// explain says in words what the parser says.
func (s *stumbles) explain(f stumble) dataflow.Diagnostic {
	d := dataflow.Diagnostic{Code: "FC001", Span: s.src.run(f.at, 1)}
	text, hint, behind := f.said()
	if f.met != nil && (f.got != "" || behind) {
		d.Span = f.met.Span(s.src.name)
	}
	if strings.Contains(f.Msg, "does not associate with") {
		d.Code, d.Message, d.Hint = "FC027", "comparisons can't be chained", "write a < b and b < c"
		return d
	}
	d.Message, d.Hint = "syntax error: "+text, hint
	if word := firstWord(s.src.line(f.at.Line)); f.want == "newline" && !isKeyword(word) {
		d.Hint = dataflow.DidYouMean(word, []string{"def", "return", "if", "elif", "else", "for", "load", "pass", "break", "continue"})
	}
	return d
}

// said is what the parser says, in words. behind tells that the place is where
// what is wrong ends.
func (f *stumble) said() (text, hint string, behind bool) {
	there := words(f.got)
	closer := strings.TrimLeft(f.want, "'")
	switch {
	case f.got == "":
		for _, w := range parserWords {
			if strings.HasPrefix(f.Msg, w.begin) {
				return w.text, w.hint, w.behind
			}
		}
		return f.Msg, typedWrong(f.Msg), false
	case f.want == "indent":
		return there + ` where the block behind ":" is expected`, "indent what belongs to the block; pass is one that does nothing", false
	case f.got == "indent":
		return "the line is indented, and nothing before it begins a block", "begin it where the one before begins", false
	case f.want == "':'" && f.got == "newline":
		return there + ` where ":" is expected`, "a block begins with a colon at the end of the line", false
	case f.want == "':'":
		return there + ` where ":" is expected`, "in a dict a colon stands between a key and its value", false
	case closer != "" && strings.Contains(",)]}", closer[:1]):
		text = there + ` where "," is expected`
		if closer[0] != ',' {
			text = fmt.Sprintf(`%s where "," or %q is expected`, there, closer[:1])
		}
		if startsValue(f.got) {
			hint = "a comma is missing before it"
		}
		return text, hint, false
	}
	return there + " where " + wanted(f.want) + " is expected", "", false
}

// parserWords are the parser's messages that are not of the form "got …, want …".
var parserWords = []struct {
	begin, text, hint string
	behind            bool
}{
	{begin: "unindent does not match", text: "the line is indented like none of the blocks around it", hint: "begin it where one of them begins"},
	{begin: "unexpected newline in string", text: "the string is not closed on its line", hint: `close it with the quote that it begins with; a text of several lines stands between """ and """`},
	{begin: "unexpected EOF in string", text: "the string is never closed"},
	{begin: "conditional expression without else", text: "if without else in an expression", hint: "write a if condition else b"},
	{begin: "keyword argument must have form", text: "what stands before = in a call is no name", behind: true},
	{begin: "not an identifier", text: "a name is expected here", behind: true},
	{begin: "unparenthesized tuple", text: "a comma behind the last value", hint: "leave it out, or write (x,) for a tuple of one"},
	{begin: "first operand of load", text: "load names the file first, as a string", hint: `write load("lib.star", "name")`, behind: true},
	{begin: "load operand must be", text: "what load brings is named as a string", hint: `write load("lib.star", "name"), or other = "name"`, behind: true},
	{begin: "original name of loaded", text: "what load brings is named as a string", hint: `write load("lib.star", other = "name")`, behind: true},
	{begin: "load statement must import", text: "load brings nothing", hint: `write load("lib.star", "name")`},
	{begin: "excessive nesting", text: "brackets are nested too deeply"},
	{begin: "obsolete form of octal", text: "the number begins with 0", hint: "leave the 0 out; an octal number begins with 0o", behind: true},
	{begin: "stray backslash", text: "a backslash that ends no line"},
	{begin: "unexpected ')'", text: `")" closes nothing`},
	{begin: "unexpected ']'", text: `"]" closes nothing`},
	{begin: "unexpected '}'", text: `"}" closes nothing`},
}

// words is a thing of the parser's as it stands in a sentence, with its verb.
func words(got string) string {
	switch got {
	case "newline":
		return "the line ends"
	case "end of file":
		return "the file ends"
	case "outdent":
		return "the block ends"
	case "identifier":
		return "a name stands"
	case "string literal", "bytes literal":
		return "a string stands"
	case "int literal", "float literal":
		return "a number stands"
	}
	return fmt.Sprintf("%q stands", strings.Trim(got, "'"))
}

func wanted(want string) string {
	switch want {
	case "primary expression":
		return "a value"
	case "identifier":
		return "a name"
	case "newline":
		return "the end of the line"
	}
	return fmt.Sprintf("%q", strings.Trim(want, "'"))
}

func startsValue(got string) bool {
	switch got {
	case "identifier", "string literal", "bytes literal", "int literal", "float literal", "'{'", "'['", "'('", "lambda", "not":
		return true
	}
	return false
}

// firstWord is the name or keyword that a line begins with.
func firstWord(line string) string {
	line = strings.TrimLeft(line, " \t")
	if end := strings.IndexFunc(line, func(r rune) bool { return !scan.IsNameRune(r) }); end >= 0 {
		return line[:end]
	}
	return line
}

// typedWrong says what to type instead of a character that word processors
// and web pages put in the place of another.
func typedWrong(message string) string {
	_, c, ok := strings.Cut(message, "unexpected input character ")
	switch {
	case !ok:
		return ""
	case strings.ContainsAny(c, "“”„«»"):
		return `write the quote "`
	case strings.ContainsAny(c, "‘’‚"):
		return "write the quote ', or better \""
	case strings.ContainsAny(c, "–—−"):
		return "write the sign -"
	case strings.ContainsAny(c, "×"):
		return "write *"
	case strings.HasPrefix(c, `'\u`), strings.HasPrefix(c, `'\x`):
		return "this character can't be seen: delete it, and type a space where one is needed"
	}
	return ""
}

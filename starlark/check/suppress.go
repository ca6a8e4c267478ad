package check

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/internal/lazyregexp"
	"github.com/flowctl/flowctl/starlark/internal/scan"
)

// A finding that is meant to be is suppressed beside it:
//
//	"rate": float,  # flowctl: ignore[FC230] an exchange rate, not an amount
//
// or in a line of its own above. Only warnings can be: an error is an app that
// would not do what its file says.

// suppression is one such comment.
type suppression struct {
	codes []string
	line  int // that it speaks of
	at    dataflow.Span
	alone bool // it has its line to itself
	used  map[string]bool
}

var (
	directive = lazyregexp.New(`^#\s*flowctl:\s*(.*)$`)
	ignore    = lazyregexp.New(`^ignore\[([^\]]*)\]\s*(.*)$`)
	codeForm  = lazyregexp.New(`^FC\d{3}$`)
)

// suppress takes out what the files say is to be ignored, and adds what is
// wrong with the comments that say so.
func suppress(files []*file, ds []dataflow.Diagnostic) []dataflow.Diagnostic {
	var out []dataflow.Diagnostic
	byPlace := map[string][]*suppression{} // by file
	for _, f := range files {
		list, wrong := f.suppressions()
		byPlace[f.Path] = list
		out = append(out, wrong...)
	}
	for _, d := range ds {
		if !suppressed(byPlace[d.Span.File], &d) {
			out = append(out, d)
		}
	}
	for _, f := range files {
		for _, s := range byPlace[f.Path] {
			out = append(out, f.idle(s)...)
		}
	}
	return out
}

func suppressed(list []*suppression, d *dataflow.Diagnostic) bool {
	for _, s := range list {
		if s.line < d.Span.Start.Line || s.line > max(d.Span.Start.Line, d.Span.End.Line) || !slices.Contains(s.codes, d.Code) {
			continue
		}
		s.used[d.Code] = true
		if d.Severity != dataflow.SeverityError {
			return true
		}
		d.Hint = strings.TrimPrefix(d.Hint+"; an error can't be ignored", "; ")
	}
	return false
}

// idle reports the codes of a suppression that suppress nothing.
func (f *file) idle(s *suppression) (ds []dataflow.Diagnostic) {
	var idle []string
	for _, c := range s.codes {
		if !s.used[c] {
			idle = append(idle, c)
		}
	}
	if len(idle) == 0 {
		return nil
	}
	d := dataflow.Diagnostic{Code: "FC901", Severity: dataflow.SeverityWarning, Span: s.at,
		Message: fmt.Sprintf("nothing here is reported as %s any more", strings.Join(idle, " or ")), Hint: "take the comment out"}
	if len(idle) == len(s.codes) {
		edit := dataflow.Edit{Span: s.at}
		if s.alone {
			edit.Span = f.line(s.at.Start.Line)
		} else { // the blanks before it too
			line := []rune(f.lines[s.at.Start.Line-1])[:s.at.Start.Col-1]
			edit.Span.Start.Col = utf8.RuneCountInString(strings.TrimRight(string(line), " \t")) + 1
		}
		d.Fixes = []dataflow.Fix{{Message: "take the comment out", Safe: true, Edits: []dataflow.Edit{edit}}}
	}
	return []dataflow.Diagnostic{d}
}

// suppressions reads the comments of a file.
func (f *file) suppressions() (list []*suppression, wrong []dataflow.Diagnostic) {
	if !strings.Contains(f.Text, "flowctl:") { // as in most files
		return nil, nil
	}
	for _, c := range scan.Text(f.Text).Tokens {
		if c.Kind != scan.Comment {
			continue
		}
		at := c.Span(f.Path)
		for _, said := range directives(strings.TrimRight(c.Text, " \t\r")) {
			at.End.Col = at.Start.Col + utf8.RuneCountInString(said)
			if m := directive.FindStringSubmatch(strings.TrimRight(said, " \t")); m != nil {
				s, ds := f.suppression(at, m[1])
				if wrong = append(wrong, ds...); s != nil {
					list = append(list, s)
				}
			}
			at.Start.Col = at.End.Col
		}
	}
	return list, wrong
}

// directives splits a comment where another begins in it: "# one  # flowctl: …".
func directives(comment string) []string {
	var out []string
	for {
		i := strings.Index(comment[1:], "# flowctl:")
		if i < 0 {
			return append(out, comment)
		}
		out = append(out, comment[:i+1])
		comment = comment[i+1:]
	}
}

func (f *file) suppression(at dataflow.Span, said string) (*suppression, []dataflow.Diagnostic) {
	bad := func(code, message, hint string) []dataflow.Diagnostic {
		return []dataflow.Diagnostic{{Code: code, Severity: dataflow.SeverityWarning, Span: at, Message: message, Hint: hint}}
	}
	m := ignore.FindStringSubmatch(said)
	if m == nil {
		return nil, bad("FC902", "the comment to flowctl can't be read, and does nothing", "write # flowctl: ignore[FC230] why")
	}
	s := &suppression{line: at.Start.Line, at: at, used: map[string]bool{}}
	var ds []dataflow.Diagnostic
	for _, c := range strings.Split(m[1], ",") {
		c = strings.TrimSpace(c)
		if !known(c) {
			ds = append(ds, bad("FC902", fmt.Sprintf("there is no code %q", c), dataflow.DidYouMean(c, codes()))...)
			continue
		}
		s.codes = append(s.codes, c)
	}
	if m[2] == "" {
		ds = append(ds, bad("FC903", "the comment does not say why", "add the reason behind the bracket, for whoever reads it next")...)
	}
	before := string([]rune(f.lines[at.Start.Line-1])[:at.Start.Col-1])
	if before = strings.TrimSpace(before); before == "" || strings.HasPrefix(before, "#") {
		s.line = f.nextCode(at.Start.Line)
	}
	s.alone = before == "" && at.End.Col > utf8.RuneCountInString(strings.TrimRight(f.lines[at.Start.Line-1], " \t\r"))
	return s, ds
}

// nextCode is the line after n that has more than a comment on it.
func (f *file) nextCode(n int) int {
	for i := n; i < len(f.lines); i++ {
		if l := strings.TrimSpace(f.lines[i]); l != "" && !strings.HasPrefix(l, "#") {
			return i + 1
		}
	}
	return n
}

func codes() []string {
	var list []string
	for _, c := range dataflow.Codes() {
		list = append(list, c.Code)
	}
	return list
}

func known(code string) bool { return codeForm.MatchString(code) && slices.Contains(codes(), code) }

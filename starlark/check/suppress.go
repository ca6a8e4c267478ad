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
	codes  []string
	places map[string]dataflow.Span // of the codes
	line   int                      // that it speaks of
	at     dataflow.Span
	alone  bool // it has its line to itself
	used   map[string]bool
}

var (
	ignore   = lazyregexp.New(`^(#\s*flowctl:\s*ignore\[)([^\]]*)\]\s*(.*)$`)
	codeForm = lazyregexp.New(`^FC\d{3}$`)
)

// suppress takes out what the files say is to be ignored, and adds what is
// wrong with the comments that say so.
func suppress(files []*file, ds []dataflow.Diagnostic) []dataflow.Diagnostic {
	var out []dataflow.Diagnostic
	byPlace := map[string][]*suppression{} // by file
	for _, f := range files {
		list, wrong := f.suppressions(ds)
		byPlace[f.Path] = list
		out = append(out, wrong...)
	}
	var left []dataflow.Diagnostic
	for _, d := range ds {
		if !suppressed(byPlace[d.Span.File], &d) {
			left = append(left, d)
		}
	}
	for _, f := range files {
		for _, s := range byPlace[f.Path] {
			out = append(out, f.idle(s, s.warned(left))...)
		}
	}
	return append(out, left...)
}

func suppressed(list []*suppression, d *dataflow.Diagnostic) bool {
	for _, s := range list {
		if !s.covers(d.Span) || !slices.Contains(s.codes, d.Code) {
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

// idle reports the codes of a suppression that suppress nothing. One that is a
// slip away from what is reported there was meant to be that.
func (f *file) idle(s *suppression, reported []string) (ds []dataflow.Diagnostic) {
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
	if meant := dataflow.Suggest(idle[0], reported); len(idle) == 1 && meant != "" {
		d.Message = fmt.Sprintf("nothing here is reported as %s", idle[0])
		d.Hint, d.Fixes = didYouMean(s.places[idle[0]], meant)
		return []dataflow.Diagnostic{d}
	}
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

// suppressions reads the comments of a file, of which ds is reported.
func (f *file) suppressions(ds []dataflow.Diagnostic) (list []*suppression, wrong []dataflow.Diagnostic) {
	if !perhaps.MatchString(f.Text) { // as in most files
		return nil, nil
	}
	for _, c := range scan.Text(f.Text).Tokens {
		if c.Kind != scan.Comment {
			continue
		}
		at := c.Span(f.Path)
		for _, said := range directives(strings.TrimRight(c.Text, " \t\r")) {
			at.End.Col = at.Start.Col + utf8.RuneCountInString(said)
			s, bad := f.suppression(at, said, ds)
			if wrong = append(wrong, bad...); s != nil {
				list = append(list, s)
			}
			at.Start.Col = at.End.Col
		}
	}
	return list, wrong
}

// directives splits a comment where another begins in it: "# one  # flowctl: …".
func directives(comment string) []string {
	var out []string
	from := 0
	for _, m := range again.FindAllStringIndex(comment, -1) {
		if m[0] > from {
			out = append(out, comment[from:m[0]])
			from = m[0]
		}
	}
	return append(out, comment[from:])
}

// suppression reads a comment; nil if it suppresses nothing.
func (f *file) suppression(at dataflow.Span, comment string, reported []dataflow.Diagnostic) (*suppression, []dataflow.Diagnostic) {
	comment = strings.TrimRight(comment, " \t")
	m := ignore.FindStringSubmatch(comment)
	if m == nil {
		if ds := nearMiss(within(at, comment, 0, len(comment)), comment); ds != nil || !strings.HasPrefix(strings.TrimLeft(comment, "# \t"), "flowctl:") {
			return nil, ds
		}
		return nil, []dataflow.Diagnostic{{Code: "FC902", Severity: dataflow.SeverityWarning, Span: at,
			Message: "the comment to flowctl can't be read, and does nothing", Hint: "write # flowctl: ignore[FC230] why"}}
	}
	s := &suppression{line: at.Start.Line, at: at, used: map[string]bool{}, places: map[string]dataflow.Span{}}
	before := string([]rune(f.lines[at.Start.Line-1])[:at.Start.Col-1])
	if before = strings.TrimSpace(before); before == "" || strings.HasPrefix(before, "#") {
		s.line = f.nextCode(at.Start.Line)
	}
	s.alone = before == "" && at.End.Col > utf8.RuneCountInString(strings.TrimRight(f.lines[at.Start.Line-1], " \t\r"))
	var ds []dataflow.Diagnostic
	from := len(m[1])
	for _, said := range strings.SplitAfter(m[2], ",") {
		c := strings.TrimSpace(strings.TrimSuffix(said, ","))
		i := from + strings.Index(said, c)
		if s.places[c] = within(at, comment, i, i+len(c)); known(c) {
			s.codes = append(s.codes, c)
		} else {
			ds = append(ds, unknownCode(s.places[c], c, s.warned(reported)))
		}
		from += len(said)
	}
	if m[3] == "" {
		ds = append(ds, dataflow.Diagnostic{Code: "FC903", Severity: dataflow.SeverityWarning, Span: at,
			Message: "the comment does not say why", Hint: "add the reason behind the bracket, for whoever reads it next"})
	}
	return s, ds
}

// covers reports whether the suppression speaks of a place.
func (s *suppression) covers(at dataflow.Span) bool {
	return at.File == s.at.File && s.line >= at.Start.Line && s.line <= max(at.Start.Line, at.End.Line)
}

// warned are the codes of the warnings that it could suppress.
func (s *suppression) warned(ds []dataflow.Diagnostic) []string {
	var list []string
	for i := range ds {
		if ds[i].Severity != dataflow.SeverityError && s.covers(ds[i].Span) {
			list = append(list, ds[i].Code)
		}
	}
	return list
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

// Package report renders diagnostics for people and for programs. It owns the
// look of what flowctl says about an app: where the carets stand, when there
// is colour, what the JSON is called. It knows dataflow.Diagnostic and nothing
// of how one is found.
package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"github.com/flowctl/flowctl/dataflow"
)

// Text writes diags for a person: each with its code, its place, the line it
// is on with carets under the exact span, related places and the hint; then a
// line that counts them. source returns the text of a file by the path that
// spans name it by, or "" if it has none. Nothing is written for no diags.
func Text(w io.Writer, diags []dataflow.Diagnostic, source func(path string) string, color bool) error {
	if len(diags) == 0 {
		return nil
	}
	p := printer{source: source, paint: plain, lines: map[string][]string{}}
	if color {
		p.paint = ansi
	}
	for i := range diags {
		p.diagnostic(&diags[i])
		p.out.WriteByte('\n')
	}
	p.out.WriteString(Summary(diags))
	p.out.WriteByte('\n')
	_, err := io.WriteString(w, p.out.String())
	return err
}

// Summary counts diags: "2 errors, 1 warning".
func Summary(diags []dataflow.Diagnostic) string {
	errors, warnings := count(diags)
	var parts []string
	if errors > 0 || warnings == 0 {
		parts = append(parts, plural(errors, "error"))
	}
	if warnings > 0 {
		parts = append(parts, plural(warnings, "warning"))
	}
	return strings.Join(parts, ", ")
}

func count(diags []dataflow.Diagnostic) (errors, warnings int) {
	for i := range diags {
		switch diags[i].Severity {
		case dataflow.SeverityError:
			errors++
		case dataflow.SeverityWarning:
			warnings++
		}
	}
	return errors, warnings
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}

type printer struct {
	out    strings.Builder
	source func(string) string
	lines  map[string][]string // of each file, split once
	paint  func(style, string) string
}

func (p *printer) diagnostic(d *dataflow.Diagnostic) {
	st := styleOf(d.Severity)
	head := d.Severity.String()
	if d.Code != "" {
		head += "[" + d.Code + "]"
	}
	fmt.Fprintf(&p.out, "%s: %s\n", p.paint(st, head), p.paint(bold, clean(d.Message)))
	gutter := p.gutter(d)
	p.place(d.Span, "", gutter, st)
	for _, r := range d.Related {
		p.place(r.Span, r.Message, gutter, faint)
	}
	if d.Hint != "" {
		hint := strings.ReplaceAll(clean(d.Hint), "\n", "\n"+strings.Repeat(" ", gutter+len(" hint: ")))
		fmt.Fprintf(&p.out, "%*s %s %s\n", gutter, "", p.paint(hintStyle, "hint:"), hint)
	}
}

// gutter is the width that the longest line number of d needs, so that all of
// its places stand in one column.
func (p *printer) gutter(d *dataflow.Diagnostic) int {
	widest := d.Span.Start.Line
	for _, r := range d.Related {
		widest = max(widest, r.Span.Start.Line)
	}
	return len(strconv.Itoa(widest)) + 1
}

// place writes " --> file:line:col", then the line with its carets if there is
// a source for it.
func (p *printer) place(s dataflow.Span, label string, gutter int, st style) {
	if s.IsZero() {
		if label != "" {
			fmt.Fprintf(&p.out, "%*s note: %s\n", gutter, "", clean(label))
		}
		return
	}
	fmt.Fprintf(&p.out, "%*s %s", gutter-1, "", p.paint(faint, "-->")+" "+clean(s.String()))
	if label != "" {
		p.out.WriteString(": " + clean(label))
	}
	p.out.WriteByte('\n')
	line, ok := p.line(s)
	if !ok {
		return
	}
	shown, from, to := window(line, s)
	text, lead, carets := underline(shown, from, to)
	number := fmt.Sprintf("%*d", gutter, s.Start.Line)
	fmt.Fprintf(&p.out, "%s %s\n", p.paint(faint, number+" |"), text)
	fmt.Fprintf(&p.out, "%s %s%s\n", p.paint(faint, strings.Repeat(" ", gutter)+" |"), lead, p.paint(st, carets))
}

func (p *printer) line(s dataflow.Span) (string, bool) {
	if s.Start.Line == 0 || p.source == nil {
		return "", false
	}
	lines, ok := p.lines[s.File]
	if !ok {
		if text := p.source(s.File); text != "" {
			lines = strings.Split(text, "\n")
		}
		p.lines[s.File] = lines
	}
	if s.Start.Line > len(lines) {
		return "", false
	}
	return strings.TrimSuffix(lines[s.Start.Line-1], "\r"), true
}

// maxLine is how many characters of a line are shown.
const maxLine = 160

// window cuts a long line down to what is around the span, and returns the
// span's columns (from 0, half-open) in what is left. A span over several
// lines reaches to the end of its first.
func window(line string, s dataflow.Span) (cut []rune, from, to int) {
	rs := []rune(line)
	from = min(max(s.Start.Col-1, 0), len(rs))
	to = len(rs)
	if s.End.Line <= s.Start.Line && s.End.Col > 0 {
		to = min(s.End.Col-1, len(rs))
	}
	to = max(to, from)
	if len(rs) <= maxLine {
		return rs, from, to
	}
	start := 0
	if from > maxLine/2 {
		start = from - maxLine/2
	}
	end := min(start+maxLine, len(rs))
	cut = append(cut, rs[start:end]...)
	if end < len(rs) {
		cut = append(cut, '…')
	}
	from, to = from-start, min(to, end)-start
	if start > 0 {
		cut = append([]rune{'…'}, cut...)
		from, to = from+1, to+1
	}
	return cut, from, to
}

// underline returns the line as a terminal can show it, the blanks that lead
// to the span and the carets under it. Tabs stay tabs in both lines, so they
// align whatever the terminal makes of them.
func underline(line []rune, from, to int) (text, lead, carets string) {
	var t, l strings.Builder
	width := 0
	for i, r := range line {
		if r != '\t' && unicode.IsControl(r) {
			r = unicode.ReplacementChar
		}
		t.WriteRune(r)
		switch {
		case i < from && r == '\t':
			l.WriteByte('\t')
		case i < from:
			l.WriteString(strings.Repeat(" ", cells(r)))
		case i < to:
			width += max(cells(r), 0)
		}
	}
	return t.String(), l.String(), strings.Repeat("^", max(width, 1))
}

// cells is how many columns of a terminal a character takes (UAX #11, roughly:
// the wide blocks that names and texts are written in).
func cells(r rune) int {
	switch {
	case unicode.Is(unicode.Mn, r) || unicode.Is(unicode.Cf, r):
		return 0
	case r >= 0x1100 && r <= 0x115F, r >= 0x2E80 && r <= 0xA4CF, r >= 0xAC00 && r <= 0xD7A3,
		r >= 0xF900 && r <= 0xFAFF, r >= 0xFE30 && r <= 0xFE6F, r >= 0xFF00 && r <= 0xFF60,
		r >= 0xFFE0 && r <= 0xFFE6, r >= 0x1F300 && r <= 0x1FAFF, r >= 0x20000 && r <= 0x3FFFD:
		return 2
	}
	return 1
}

// clean keeps a message from steering the terminal: what a file says may stand
// in one.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// Package checktest owns what must hold of everything that is reported of any
// text whatever, and the texts to hold it against. What loads, plans and checks
// a text is handed in: with engines of databases in it or, where all that is
// compiled in is to be instrumented, without. It must not know how a text is
// checked.
package checktest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/internal/lazyregexp"
	"github.com/flowctl/flowctl/starlark/check"
	"github.com/flowctl/flowctl/starlark/report"
)

// Find returns everything that is said of the file app.star.
type Find func(text string) []dataflow.Diagnostic

// Seeds are the examples, what each rule fires in, and texts that end or break
// in the middle. The caller's package is two folders below the module's root.
func Seeds(t testing.TB) []string {
	t.Helper()
	texts := []string{
		"", "\n", "\ufeffdb = DataFlow(database_url = \"sqlite:a.db\")\n", "\x00", "é = ü\n", "x = (\n", "\"\"\"", "a\r\nb = strr\r\n",
		"db:  # nothing follows", "def f(x) ->", "def f(x:",
		"db = DataFlow(database_url = \"sqlite:a.db\")\nM = db.model(\"M\", {\"é\": strr, \"日本\": float}) # flowctl: ignore[FC2",
	}
	for _, pattern := range []string{"../../examples/*/*.star", "../../starlark/testdata/*.star"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no seeds at %s (%v)", pattern, err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(text))
		}
	}
	for _, r := range check.Rules() {
		texts = append(texts, r.Bad)
	}
	return texts
}

var pieces = lazyregexp.New(`\w+|\s+|[^\w\s]`)

// Mutated is a text with some of its pieces taken out, doubled, swapped,
// replaced by others, or cut off, or with bytes that are no text.
func Mutated(rnd *rand.Rand, text string) string {
	var list []string
	for _, m := range pieces.FindAllStringIndex(text, -1) {
		list = append(list, text[m[0]:m[1]])
	}
	if len(list) == 0 {
		return "(" + text
	}
	for range 1 + rnd.IntN(3) {
		if len(list) == 0 {
			break
		}
		i, j := rnd.IntN(len(list)), rnd.IntN(len(list))
		switch rnd.IntN(8) {
		case 0:
			list = append(list[:i:i], list[i+1:]...)
		case 1:
			list = append(list[:i:i], append([]string{list[i], list[i]}, list[i+1:]...)...)
		case 2:
			list[i], list[j] = list[j], list[i]
		case 3:
			list[i] = list[j]
		case 4:
			list = list[:i]
		case 5:
			list[i] = []string{"é", "\t", "\r", "\n", "\\", "\"", "'''", "{", ")", "${", "\xff", "0", "lambda", "None", "***", "日本", "# flowctl: ignore["}[rnd.IntN(17)]
		case 6:
			list[i] = list[i][:len(list[i])/2] + "xx"
		case 7:
			list = append(list[:i:i], append([]string{"\n"}, list[i:]...)...)
		}
	}
	return strings.Join(list, "")
}

// Hold checks what is said of a text: nothing panics, every place is in the
// file, what is quoted stands there, fixes can be applied, and every form of
// the report is well formed.
func Hold(t *testing.T, find Find, text string) {
	t.Helper()
	ds := find(text)
	for _, d := range ds {
		if strings.Contains(d.Hint, "fault of flowctl") {
			t.Errorf("%s of\n%s", d.Message, text)
		}
		if d.Code == "" || d.Message == "" {
			t.Errorf("a diagnostic lacks something: %+v of\n%s", d, text)
		}
		placed(t, text, d.Span, d)
		for _, r := range d.Related {
			placed(t, text, r.Span, d)
		}
		for _, fix := range d.Fixes {
			for _, e := range fix.Edits {
				placed(t, text, e.Span, d)
			}
		}
		if m := undefinedName.FindStringSubmatch(d.Message); m != nil && At(text, d.Span) != m[1] {
			t.Errorf("%s says %q of what reads %q in\n%s", d.Span, d.Message, At(text, d.Span), text)
		}
	}
	if changed, _ := check.Fix([]check.Source{{Path: "app.star", Text: text}}, ds, true); len(changed) > 0 {
		find(changed["app.star"])
	}
	wellFormed(t, text, ds)
}

var undefinedName = lazyregexp.New(`^"(\w+)" is not defined$`)

// placed checks that a place is one of the file.
func placed(t *testing.T, text string, s dataflow.Span, d dataflow.Diagnostic) {
	t.Helper()
	if s.IsZero() || s.Start.Line == 0 || s.File != "app.star" {
		return
	}
	lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
	inside := func(p dataflow.Pos) bool {
		if p.Line == len(lines)+1 && p.Col == 1 {
			return true // behind the end of the last line
		}
		return p.Line >= 1 && p.Line <= len(lines) && p.Col >= 1 && p.Col <= utf8.RuneCountInString(lines[p.Line-1])+1
	}
	forward := s.End.Line > s.Start.Line || s.End.Line == s.Start.Line && s.End.Col >= s.Start.Col
	if !inside(s.Start) || !inside(s.End) || !forward {
		t.Errorf("%s %s: %d:%d to %d:%d is no place in\n%s", d.Code, d.Message, s.Start.Line, s.Start.Col, s.End.Line, s.End.Col, text)
	}
}

// At is the text at a place of one line.
func At(text string, s dataflow.Span) string {
	lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
	if s.Start.Line != s.End.Line || s.Start.Line > len(lines) {
		return ""
	}
	line := []rune(lines[s.Start.Line-1])
	if s.End.Col-1 > len(line) {
		return ""
	}
	return string(line[s.Start.Col-1 : s.End.Col-1])
}

// wellFormed writes every form of the report.
func wellFormed(t *testing.T, text string, ds []dataflow.Diagnostic) {
	t.Helper()
	if err := report.Text(io.Discard, ds, func(string) string { return text }, true); err != nil {
		t.Errorf("text: %v", err)
	}
	for _, f := range report.Formats() {
		var out bytes.Buffer
		if err := f.Write(&out, ds); err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
		switch f.Name {
		case "json", "sarif":
			if !json.Valid(out.Bytes()) {
				t.Errorf("%s is no JSON of\n%s", f.Name, text)
			}
		case "junit":
			for dec := xml.NewDecoder(&out); ; {
				if _, err := dec.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Errorf("junit is no XML (%v) of\n%s", err, text)
					break
				}
			}
		case "concise", "github":
			if lines := strings.Count(out.String(), "\n"); lines != len(ds) {
				t.Errorf("%s has %d lines for %d findings of\n%s", f.Name, lines, len(ds), text)
			}
		}
	}
}

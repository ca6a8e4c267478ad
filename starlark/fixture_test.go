package starlark_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark"
)

// A fixture says beside a line what is to be reported there:
//
//	x = f()   # want FC102 "part of the message or hint" FC105 "…"
//
// want-file is for what concerns no line. Nothing else may be reported.
var (
	wantComment = regexp.MustCompile(`# want(-file)? (.*)$`)
	wantItem    = regexp.MustCompile(`(FC\d+) "((?:[^"\\]|\\.)*)"`)
)

type expectation struct {
	file string
	line int
	code string
	text string
}

func expectations(t *testing.T, file string) []expectation {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	var out []expectation
	for i, line := range strings.Split(string(text), "\n") {
		m := wantComment.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		n := i + 1
		if m[1] != "" {
			n = 0
		}
		for _, item := range wantItem.FindAllStringSubmatch(m[2], -1) {
			out = append(out, expectation{file, n, item[1], strings.ReplaceAll(item[2], `\"`, `"`)})
		}
	}
	return out
}

func TestFixtures(t *testing.T) {
	others := map[string][]string{"loads.star": {"circle_a.star", "circle_b.star"}}
	files, err := filepath.Glob("testdata/*.star")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		file := filepath.Base(path)
		if strings.HasPrefix(file, "circle") {
			continue // loaded by another
		}
		t.Run(file, func(t *testing.T) {
			want := expectations(t, file)
			for _, o := range others[file] {
				want = append(want, expectations(t, o)...)
			}
			_, got := starlark.Load(context.Background(), file, starlark.Options{
				FS:      os.DirFS("testdata"),
				Env:     func(name string) (string, bool) { return "sqlite::memory:", name == "IS_SET" },
				Modules: []starlark.Module{{Name: "@stdlib//money.star", Source: "cents = 1"}},
			})
			compare(t, want, got)
		})
	}
}

func compare(t *testing.T, want []expectation, got []dataflow.Diagnostic) {
	t.Helper()
	used := make([]bool, len(want))
next:
	for _, d := range got {
		text := d.Message + "\n" + d.Hint
		for _, r := range d.Related {
			text += "\n" + r.Message
		}
		for i, w := range want {
			if !used[i] && w.file == d.Span.File && w.line == d.Span.Start.Line && w.code == d.Code && strings.Contains(text, w.text) {
				used[i] = true
				continue next
			}
		}
		t.Errorf("not expected: %s", show(d))
	}
	for i, w := range want {
		if !used[i] {
			t.Errorf("missing: %s:%d %s %q", w.file, w.line, w.code, w.text)
		}
	}
}

func show(d dataflow.Diagnostic) string {
	return fmt.Sprintf("%s-%d:%d %s %s [%s]", d.Span, d.Span.End.Line, d.Span.End.Col, d.Code, d.Message, d.Hint)
}

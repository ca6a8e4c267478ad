package starlark_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/spec"
	"github.com/flowctl/flowctl/starlark/value"
	"github.com/google/go-cmp/cmp"
)

func loadTests(text string) ([]string, []string) {
	files := fstest.MapFS{
		"app.star":      {Data: []byte("db = DataFlow(database_url = \"sqlite:a.db\")\nNote = db.model(\"Note\", {\"text\": str})\ndef test_not_here(t): pass\n")},
		"app_test.star": {Data: []byte(text)},
	}
	_, tests, diags := starlark.LoadTests(context.Background(), "app.star", "app_test.star", starlark.Options{FS: files})
	var names, said []string
	for _, t := range tests {
		names = append(names, t.Name)
	}
	for _, d := range diags {
		said = append(said, show(d))
	}
	return names, said
}

func TestTheTestsOfAFileComeInOrder(t *testing.T) {
	names, said := loadTests("load(\"app.star\", \"Note\", \"test_not_here\")\ndef test_z(t): pass\ndef helper(t): pass\ntest_n = 1\ndef test_a(t): pass\n")
	if diff := cmp.Diff([]string{"test_z", "test_a"}, names); diff != "" || said != nil {
		t.Error(diff, said)
	}
}

func TestWhatATestFileMayNotBe(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"def test_a(): pass\n", "FC415"},
		{"def test_a(t, u): pass\n", "FC415"},
		{"def test_a(*t): pass\n", "FC415"},
		{"def test_a(t) pass\n", "FC001"},
		{"load(\"app.star\", \"Nota\")\ndef test_a(t): pass\n", "FC112"},
	} {
		names, said := loadTests(tt.text)
		if names != nil || len(said) == 0 || !strings.Contains(said[0], tt.want) {
			t.Errorf("%q: %v, %v", tt.text, names, said)
		}
	}
}

// What a test expects to fail may fail for what it lacks; a name that is
// misspelt is a mistake there too.
func TestWhatFailsMayLackSomething(t *testing.T) {
	text := "load(\"app.star\", \"Note\")\ndef test_a(t):\n    t.fails(lambda: t.run(Note.create), code = \"invalid\")\n"
	if names, said := loadTests(text); len(names) != 1 || said != nil {
		t.Error(names, said)
	}
	_, said := loadTests(text + "    t.fails(lambda: t.run(Note.create, txet = \"a\"))\n    t.run(Note.create)\n")
	if len(said) != 2 || !strings.Contains(said[0], `takes no "txet"`) || !strings.Contains(said[1], `needs "text"`) {
		t.Error(said)
	}
}

// A name in the table that tests lack, or the other way round, is
// documentation that lies.
func TestTheTableAndTheTestsAgree(t *testing.T) {
	var names []string
	for _, b := range spec.TestBuiltins() {
		names = append(names, strings.TrimPrefix(b.Name, "t."))
	}
	slices.Sort(names)
	if diff := cmp.Diff(names, value.TestNames()); diff != "" {
		t.Error(diff)
	}
}

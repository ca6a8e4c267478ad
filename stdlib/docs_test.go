package stdlib_test

import (
	"context"
	"flag"
	"os"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/spec"
	"github.com/flowctl/flowctl/stdlib"
)

var update = flag.Bool("update", false, "rewrite the generated part of docs/language.md")

const languagePage = "../docs/language.md"

func TestTheLanguagePageIsUpToDate(t *testing.T) {
	page, err := os.ReadFile(languagePage)
	if err != nil {
		t.Fatal(err)
	}
	want, ok := spec.ReplaceSection(string(page), "library", stdlib.Markdown())
	if !ok {
		t.Fatal("docs/language.md has no section for the library")
	}
	if want == string(page) {
		return
	}
	if !*update {
		t.Fatal("docs/language.md is out of date: go test ./stdlib -update")
	}
	if err := os.WriteFile(languagePage, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestTheFileOfTheLanguagePageLoads(t *testing.T) {
	page, err := os.ReadFile(languagePage)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```python\n")
	file, _, _ := strings.Cut(rest, "```\n")
	app, diags := starlark.Load(context.Background(), "app.star", starlark.Options{
		FS: fstest.MapFS{"app.star": {Data: []byte(file)}}, Modules: stdlib.Modules(),
	})
	if len(diags) > 0 || len(app.Workflows) != 1 {
		t.Errorf("%v", diags)
	}
}

package arch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/spec"
)

// The reference of node types, operations and operators in docs/language.md is
// what their tables say.
func TestNodePages(t *testing.T) {
	file := filepath.Join("..", "..", "docs", "language.md")
	have, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want, ok := spec.ReplaceSection(string(have), "nodes", nodes.Markdown())
	if !ok {
		t.Fatal("docs/language.md has no place for the node types")
	}
	want, ok = spec.ReplaceSection(want, "operations", access.Markdown(shownModel(t, want)))
	if !ok {
		t.Fatal("docs/language.md has no place for the operations of a model")
	}
	want, ok = spec.ReplaceSection(want, "operators", query.Markdown())
	if !ok {
		t.Fatal("docs/language.md has no place for the operators of filters")
	}
	if want == string(have) {
		return
	}
	if !*update {
		t.Fatal("docs/language.md is out of date: go test ./internal/arch -run NodePages -update")
	}
	if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
		t.Fatal(err)
	}
}

// shownModel is the model that the page shows operations of.
func shownModel(t *testing.T, page string) *dataflow.Model {
	t.Helper()
	_, rest, ok := strings.Cut(page, "## Operations of a model\n")
	_, rest, found := strings.Cut(rest, "```python\n")
	declaration, _, closed := strings.Cut(rest, "```")
	if !ok || !found || !closed {
		t.Fatal("docs/language.md does not show the model whose operations it lists")
	}
	text := "db = DataFlow(database_url = \"sqlite:app.db\")\n" + declaration
	app, ds := starlark.Load(t.Context(), "app.star", starlark.Options{FS: fstest.MapFS{"app.star": {Data: []byte(text)}}})
	if dataflow.HasErrors(ds) {
		t.Fatal(ds)
	}
	return app.Models()[0]
}

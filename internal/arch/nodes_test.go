package arch

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/flowctl/flowctl/dataflow/engine/nodes"
	"github.com/flowctl/flowctl/starlark/spec"
)

// The reference of node types in docs/language.md is what their specs say.
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

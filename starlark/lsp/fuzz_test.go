package lsp

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever stands in a file, no question about any of its places is answered
// with a fault, and what is offered is put before the cursor.
func FuzzFile(f *testing.F) {
	for i := 0; i < len(app); i += 150 {
		f.Add(app[:i], i)
		f.Add(app[:i]+"\"${"+app[i:], i+3)
	}
	for _, text := range []string{"load(", "{", "x = \"\\", "def f(t):\n    if ", "'''${a.", "\"${", "wf.add_node(\"", "[x for x in "} {
		f.Add(text, len(text))
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text string, offset int) {
		s := &server{o: options(), started: true, docs: map[string]*document{}, loaded: map[string]*result{}, known: map[string]*result{}}
		s.out.w = &strings.Builder{}
		path := filepath.Join(dir, "app.star")
		d := &document{uri: "file://" + filepath.ToSlash(path), path: path, version: 1, text: text}
		s.docs[d.uri] = d
		p := positionOf(text, min(max(offset, 0), len(text)))
		params, err := json.Marshal(map[string]any{"textDocument": map[string]any{"uri": d.uri}, "position": p, "newName": "renamed", "range": span{p, p}})
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"completion", "hover", "definition", "references", "documentSymbol", "rename", "codeAction", "formatting"} {
			result, err := s.call(job{ctx: context.Background(), msg: incoming{Method: "textDocument/" + name, Params: params}})
			if err != nil && strings.Contains(err.Error(), "fault") {
				t.Fatalf("%s: %v", name, err)
			}
			if list, ok := result.(completionList); ok {
				for _, item := range list.Items {
					if before(p, item.TextEdit.Range.Start) {
						t.Fatalf("%s is put behind the cursor", item.Label)
					}
				}
			}
		}
		for _, r := range s.loaded {
			for _, diag := range r.diags {
				if strings.Contains(diag.Hint, "fault of flowctl") {
					t.Fatal(diag.Message)
				}
			}
		}
	})
}

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// longFile is an app of more than 5,000 lines that end as on Windows, with
// characters of two units of UTF-16 before names.
func longFile() string {
	var b strings.Builder
	b.WriteString("db = DataFlow(database_url = \"sqlite:a.db\")\nThing = db.model(\"Thing\", {\"total\": int, \"name\": str})\n")
	for i := range 1700 {
		fmt.Fprintf(&b, "def _f%d(row):\n    x = [\"😀𝄞\", row.name]  # 😀\n    return x\n", i)
	}
	b.WriteString("def show(ctx, id):\n    row = ctx.run(Thing.read, id = id)\n    return [\"😀𝄞\", row.total, _f7(row)]\n")
	b.WriteString("app = Nexus()\napp.expose(Thing)\napp.handler(\"show\", show, input = {\"id\": int}, read_only = True)\napp.start()\n")
	return strings.ReplaceAll(b.String(), "\n", "\r\n")
}

// placeIn is a place of the text in lines and units of UTF-16.
func placeIn(text string, offset int) lspPosition {
	before := text[:offset]
	start := strings.LastIndexByte(before, '\n') + 1
	return lspPosition{strings.Count(before, "\n"), len(utf16.Encode([]rune(before[start:])))}
}

// offsetIn is the inverse.
func offsetIn(text string, p lspPosition) int {
	at := 0
	for range p.Line {
		at += strings.IndexByte(text[at:], '\n') + 1
	}
	for n := 0; n < p.Character; {
		r := []rune(text[at:min(at+4, len(text))])[0]
		n += len(utf16.Encode([]rune{r}))
		at += len(string(r))
	}
	return at
}

type lspRange struct{ Start, End lspPosition }

// told waits for what is said of a version of a file.
func (e *editor) told(version int) (found []struct {
	Range   lspRange
	Message string
}) {
	e.t.Helper()
	for {
		m := e.receive()
		var p struct {
			Version     int
			Diagnostics json.RawMessage
		}
		if m.Method != "textDocument/publishDiagnostics" {
			continue
		}
		if err := json.Unmarshal(m.Params, &p); err != nil {
			e.t.Fatal(err)
		}
		if p.Version < version {
			continue
		}
		if err := json.Unmarshal(p.Diagnostics, &found); err != nil {
			e.t.Fatal(err)
		}
		return found
	}
}

// raw sends a body as it is and returns the error of the answer.
func (e *editor) raw(body string) string {
	e.t.Helper()
	if _, err := fmt.Fprintf(e.in, "Content-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		e.t.Fatal(err)
	}
	for {
		m := e.receive()
		if m.Method == "" {
			if m.Error == nil {
				e.t.Fatalf("%s is answered with %s", body, m.Result)
			}
			return m.Error.Message
		}
	}
}

// An editor that types fast into a long file sees what is wrong at the right
// units of it, and one that talks nonsense is told so and served on.
func TestARoughEditorOfALongFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.star")
	uri := "file://" + file
	text := longFile()
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	e := startEditor(t)
	e.ask("initialize", map[string]any{"capabilities": map[string]any{}}, nil)
	e.tell("initialized", map[string]any{})
	e.tell("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": uri, "languageId": "starlark", "version": 1, "text": text}})
	if found := e.told(1); len(found) > 0 {
		t.Fatalf("of the file as it is: %+v", found[0])
	}

	version := 1
	change := func(from, to int, by string) {
		version++
		e.tell("textDocument/didChange", map[string]any{
			"textDocument":   map[string]any{"uri": uri, "version": version},
			"contentChanges": []any{map[string]any{"range": lspRange{placeIn(text, from), placeIn(text, to)}, "text": by}},
		})
		text = text[:from] + by + text[to:]
	}
	for i := range 60 { // behind characters of two units, in lines far apart; all but the last are taken back
		at := strings.Index(text, fmt.Sprintf("_f%d(row)", i*28))
		at += strings.Index(text[at:], "row.name") + len("row.")
		change(at, at, "𝄞x")
		change(at, at+len("𝄞x"), "")
	}
	at := strings.Index(text, "row.total") + len("row.tota")
	change(at, at+1, "")
	found := e.told(version)
	if len(found) != 1 || !strings.Contains(found[0].Message, `has no "tota"`) || text[offsetIn(text, found[0].Range.Start):offsetIn(text, found[0].Range.End)] != "tota" {
		t.Fatalf("of tota: %+v", found)
	}
	change(at, at, "l")
	if found := e.told(version); len(found) > 0 {
		t.Fatalf("of the file put right: %+v", found[0])
	}

	for body, want := range map[string]string{
		`{`:  "",
		`[]`: "",
		`{"jsonrpc":"2.0","id":1,"method":"textDocument/none","params":{}}`:                                                                                              "textDocument/none",
		`{"jsonrpc":"2.0","id":2,"method":"textDocument/hover","params":7}`:                                                                                              "",
		`{"jsonrpc":"2.0","id":3,"method":"textDocument/hover","params":{"position":{}}}`:                                                                                "",
		`{"jsonrpc":"2.0","id":4,"method":"textDocument/rename","params":{"textDocument":{"uri":"` + uri + `"},"position":{"line":999999,"character":0},"newName":"a"}}`: "",
	} {
		if said := e.raw(body); said == "" || !strings.Contains(said, want) {
			t.Errorf("%s is answered with %q", body, said)
		}
	}

	at = strings.Index(text, "row.total") + len("row.")
	var edit struct {
		Changes map[string][]struct {
			Range   lspRange
			NewText string
		}
	}
	e.ask("textDocument/rename", map[string]any{"textDocument": map[string]any{"uri": uri}, "position": placeIn(text, at), "newName": "amount"}, &edit)
	edits := edit.Changes[uri]
	for i := len(edits) - 1; i >= 0; i-- { // they come in order
		r := edits[i].Range
		text = text[:offsetIn(text, r.Start)] + edits[i].NewText + text[offsetIn(text, r.End):]
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("flowctl", "check", "--strict", file).CombinedOutput(); err != nil || len(edits) < 2 {
		t.Errorf("after a rename of %d places: %v\n%s", len(edits), err, out)
	}
}

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// editor is an editor that talks to the real binary.
type editor struct {
	t   *testing.T
	in  io.WriteCloser
	out *textproto.Reader
	id  int
}

// piped starts flowctl with ends of its standard streams for the test to hold.
func piped(t *testing.T, stderr io.Writer, args ...string) (cmd *exec.Cmd, in io.WriteCloser, out io.ReadCloser) {
	t.Helper()
	path, err := exec.LookPath("flowctl") // which testscript.Main has put there
	if err != nil {
		t.Fatal(err)
	}
	cmd = exec.Command(path, args...)
	cmd.Stderr = stderr
	if in, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if out, err = cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return cmd, in, out
}

func startEditor(t *testing.T) *editor {
	t.Helper()
	cmd, in, out := piped(t, nil, "lsp")
	e := &editor{t: t, in: in, out: textproto.NewReader(bufio.NewReader(out))}
	t.Cleanup(func() {
		e.ask("shutdown", nil, nil)
		e.tell("exit", nil)
		if err := cmd.Wait(); err != nil {
			t.Errorf("flowctl lsp ended with %v", err)
		}
	})
	return e
}

func (e *editor) send(message map[string]any) {
	e.t.Helper()
	message["jsonrpc"] = "2.0"
	body, err := json.Marshal(message)
	if err != nil {
		e.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(e.in, "Content-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		e.t.Fatal(err)
	}
}

func (e *editor) tell(method string, params any) {
	e.send(map[string]any{"method": method, "params": params})
}

type lspMessage struct {
	ID     *int
	Method string
	Params json.RawMessage
	Result json.RawMessage
	Error  *struct{ Message string }
}

func (e *editor) receive() lspMessage {
	e.t.Helper()
	header, err := e.out.ReadMIMEHeader()
	if err != nil {
		e.t.Fatal(err)
	}
	n, err := strconv.Atoi(header.Get("Content-Length"))
	if err != nil {
		e.t.Fatal(err)
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(e.out.R, body); err != nil {
		e.t.Fatal(err)
	}
	var m lspMessage
	if err := json.Unmarshal(body, &m); err != nil {
		e.t.Fatalf("%v: %s", err, body)
	}
	return m
}

// ask decodes the answer to a request into result.
func (e *editor) ask(method string, params, result any) {
	e.t.Helper()
	e.id++
	e.send(map[string]any{"id": e.id, "method": method, "params": params})
	for {
		m := e.receive()
		if m.ID == nil || *m.ID != e.id {
			continue
		}
		if m.Error != nil {
			e.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				e.t.Fatal(err)
			}
		}
		return
	}
}

type lspPosition struct{ Line, Character int }

// lspAt is the place behind the first character of a text that stands once
// in a file of ASCII, or in whose line only ASCII stands before.
func lspAt(t *testing.T, uri, text, part string) map[string]any {
	t.Helper()
	i := strings.Index(text, part)
	if i < 0 {
		t.Fatalf("there is no %q", part)
	}
	line := strings.Count(text[:i], "\n")
	return map[string]any{"textDocument": map[string]any{"uri": uri},
		"position": lspPosition{line, i + 1 - (strings.LastIndexByte(text[:i], '\n') + 1)}}
}

// The shop is opened, looked at, and a field of it is renamed. What comes of it
// is as sound as it was.
func TestTheShopInAnEditor(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.star")
	text := copyShop(t, file)
	uri := "file://" + file
	e := startEditor(t)
	e.ask("initialize", map[string]any{"capabilities": map[string]any{}}, nil)
	e.tell("initialized", map[string]any{})
	e.tell("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": uri, "languageId": "starlark", "version": 1, "text": text}})
	if m := e.receive(); m.Method != "textDocument/publishDiagnostics" || !strings.Contains(string(m.Params), `"diagnostics":[]`) {
		t.Errorf("got %s %s", m.Method, m.Params)
	}

	var hover struct{ Contents struct{ Value string } }
	e.ask("textDocument/hover", lspAt(t, uri, text, "percent(net, VAT)), note"), &hover)
	if !strings.Contains(hover.Contents.Value, "percent(") || !strings.Contains(hover.Contents.Value, "@stdlib//money.star") {
		t.Errorf("hover shows %q", hover.Contents.Value)
	}

	var list struct{ Items []struct{ Label string } }
	e.ask("textDocument/completion", lspAt(t, uri, text, ".stock + line.qty"), &list)
	var labels []string
	for _, item := range list.Items {
		labels = append(labels, item.Label)
	}
	for _, want := range []string{"sku", "stock", "price", "active"} {
		if !slices.Contains(labels, want) {
			t.Errorf("%s is not offered: %v", want, labels)
		}
	}

	rename := lspAt(t, uri, text, `price": decimal(10, 2, ge = 0, doc = "Without`)
	rename["newName"] = "unit_price"
	var edit struct {
		Changes map[string][]struct {
			Range   struct{ Start, End lspPosition }
			NewText string
		}
	}
	e.ask("textDocument/rename", rename, &edit)
	lines := strings.SplitAfter(text, "\n")
	edits := edit.Changes[uri]
	if len(edits) < 6 {
		t.Errorf("only %d edits", len(edits))
	}
	for _, ed := range slices.Backward(edits) { // they come in order
		line := lines[ed.Range.Start.Line]
		lines[ed.Range.Start.Line] = line[:ed.Range.Start.Character] + ed.NewText + line[ed.Range.End.Character:]
	}
	if err := os.WriteFile(file, []byte(strings.Join(lines, "")), 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("flowctl", "check", "--strict", file).CombinedOutput()
	if err != nil {
		t.Errorf("after the rename: %v\n%s", err, out)
	}
}

func copyShop(t *testing.T, to string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "examples", "shop", "app.star"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return string(text)
}

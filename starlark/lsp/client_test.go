package lsp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
	"github.com/flowctl/flowctl/starlark"
	"github.com/google/go-cmp/cmp"
)

// client is an editor that follows a script.
type client struct {
	t   testing.TB
	in  io.WriteCloser
	out *bufio.Reader
	end chan error
	dir string
	id  int
}

// open starts a server beside a folder with these files.
func open(t testing.TB, files map[string]string) *client {
	t.Helper()
	c := &client{t: t, dir: t.TempDir(), end: make(chan error, 1)}
	for name, text := range files {
		path := filepath.Join(c.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in, w := io.Pipe()
	r, out := io.Pipe()
	c.in, c.out = w, bufio.NewReader(r)
	go func() {
		err := Serve(context.Background(), in, out, options())
		out.Close()
		in.Close()
		c.end <- err
	}()
	t.Cleanup(func() { w.Close(); r.Close() })
	return c
}

// options are those of flowctl, less its rules on databases and servers.
func options() Options {
	o := Options{Version: "test", Modules: []starlark.Module{{Name: "@stdlib//half.star", Source: "def half(n):\n    return n // 2\n"}},
		Library: []Module{{Name: "@stdlib//half.star", Doc: "Halves.", Functions: []Function{{Name: "half", Params: "n", Doc: "Half of it.", Example: "half(4)"}}}}}
	o.Plan = func(app *dataflow.App, _ string) []dataflow.Diagnostic {
		_, ds := engine.NewPlan(app, nodes.Types())
		return ds
	}
	o.Outline = func(app *dataflow.App, ws []*dataflow.Workflow) *dataflow.Outline {
		return engine.NewOutline(app, nodes.Types(), ws)
	}
	return o
}

// ready is open, initialized.
func ready(t testing.TB, files map[string]string) *client {
	t.Helper()
	c := open(t, files)
	c.ask("initialize", `{"processId":null,"rootUri":null,"capabilities":{}}`)
	c.tell("initialized", `{}`)
	return c
}

func (c *client) write(body string) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.in, "Content-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		c.t.Fatal(err)
	}
}

// receive returns the next message, with the folder's URI replaced by DIR.
func (c *client) receive() string {
	c.t.Helper()
	body, err := readMessage(c.out)
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.ReplaceAll(string(body), "file://"+filepath.ToSlash(c.dir), "DIR")
}

func (c *client) place(params string) string {
	return strings.ReplaceAll(params, "DIR", "file://"+filepath.ToSlash(c.dir))
}

func (c *client) tell(method, params string) {
	c.t.Helper()
	c.write(fmt.Sprintf(`{"jsonrpc":"2.0","method":%q,"params":%s}`, method, c.place(params)))
}

// ask returns the answer to a request. Diagnostics that come before it are
// those of a check that was under way.
func (c *client) ask(method, params string) string {
	c.t.Helper()
	c.id++
	c.write(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":%q,"params":%s}`, c.id, method, c.place(params)))
	for {
		if m := c.receive(); !strings.Contains(m, `"method":"textDocument/publishDiagnostics"`) {
			return strings.TrimSuffix(strings.TrimPrefix(m, fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,`, c.id)), "}")
		}
	}
}

// edit opens a document and returns the diagnostics of it.
func (c *client) edit(name, text string) string {
	c.t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		c.t.Fatal(err)
	}
	c.tell("textDocument/didOpen", fmt.Sprintf(`{"textDocument":{"uri":"DIR/%s","languageId":"starlark","version":1,"text":%s}}`, name, quoted))
	return c.diagnostics()
}

func (c *client) diagnostics() string {
	c.t.Helper()
	return strings.TrimSuffix(strings.TrimPrefix(c.receive(), `{"jsonrpc":"2.0","method":"textDocument/publishDiagnostics","params":`), "}")
}

func same(t testing.TB, want, got string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

const shop = `db = DataFlow(database_url = "sqlite:shop.db")
Order = db.model("Order", {"status": enum("new", "paid"), "total": decimal(12, 2)})

wf = WorkflowBuilder("place", input = {"total": decimal(12, 2)})
wf.add_node("OrderCreateNode", "order", {"status": "new", "total": "${input.total}"})

app = Nexus()
app.register("place", wf.build())
app.start()
`

func TestConversation(t *testing.T) {
	c := open(t, nil)
	same(t, `"error":{"code":-32002,"message":"initialize comes first"}`, c.ask("textDocument/formatting", `{}`))
	want, err := json.Marshal(capabilities())
	if err != nil {
		t.Fatal(err)
	}
	same(t, `"result":{"capabilities":`+string(want)+`,"serverInfo":{"name":"flowctl","version":"test"}}`, c.ask("initialize", `{}`))
	same(t, `"error":{"code":-32600,"message":"the server is initialized already"}`, c.ask("initialize", `{}`))
	same(t, `"error":{"code":-32601,"message":"there is no method \"dance\""}`, c.ask("dance", `{}`))
	same(t, `"result":null`, c.ask("shutdown", `null`))
	same(t, `"error":{"code":-32600,"message":"the server was shut down"}`, c.ask("textDocument/formatting", `{}`))
	c.tell("exit", `null`)
	if err := <-c.end; err != nil {
		t.Error(err)
	}
}

func TestLeavingWithoutShutdown(t *testing.T) {
	for name, leave := range map[string]func(*client){
		"exit":       func(c *client) { c.tell("exit", `null`) },
		"end of all": func(c *client) { c.in.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			c := ready(t, nil)
			leave(c)
			if err := <-c.end; !errors.Is(err, ErrNoShutdown) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestMalformedMessagesAreAnswered(t *testing.T) {
	ask := func(method, params string) string {
		return `{"jsonrpc":"2.0","id":1,"method":"textDocument/` + method + `","params":` + params + `}`
	}
	invalid := func(why string) string {
		return `{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"` + why + `"}}`
	}
	for _, tt := range []struct{ body, want string }{
		{`{"jsonrpc":`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"the message is no JSON"}}`},
		{`[]`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the message is no request"}}`},
		{`{"method":7}`, `{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the message is no request"}}`},
		{`{"jsonrpc":"2.0","id":"a","method":"textDocument/formatting","params":[]}`,
			`{"jsonrpc":"2.0","id":"a","error":{"code":-32602,"message":"params must be an object, not an array"}}`},
		{`{"jsonrpc":"2.0","id":1,"method":"textDocument/hover"}`, invalid(`params are missing; they must be an object`)},
		{ask("hover", `null`), invalid(`params must be an object, not null`)},
		{ask("hover", `{}`), invalid(`textDocument is missing; it must be an object`)},
		{ask("hover", `{"textDocument":"file:///x.star"}`), invalid(`textDocument must be an object, not a string`)},
		{ask("hover", `{"textDocument":{"uri":7},"position":{"line":0,"character":0}}`), invalid(`textDocument.uri must be a string, not a number`)},
		{ask("hover", `{"textDocument":{"uri":"file:///x.star"},"position":{"line":"0","character":0}}`), invalid(`position.line must be a number, not a string`)},
		{ask("hover", `{"textDocument":{"uri":"file:///x.star"},"position":{"line":1.5,"character":0}}`), invalid(`position.line must be a whole number`)},
		{ask("hover", `{"textDocument":{"uri":"file:///x.star"}}`), invalid(`position is missing; it must be an object`)},
		{ask("rename", `{"textDocument":{"uri":"file:///x.star"},"position":{"line":1,"character":0}}`), invalid(`newName is missing; it must be a string`)},
		{ask("codeAction", `{"textDocument":{"uri":"file:///x.star"},"range":{"start":{"line":1,"character":0},"end":{"line":1}}}`), invalid(`range.end.character is missing; it must be a number`)},
		{ask("references", `{"textDocument":{"uri":"file:///x.star"},"position":{"line":1,"character":0},"context":{"includeDeclaration":"no"}}`), invalid(`context.includeDeclaration must be true or false, not a string`)},
		{ask("didChange", `{"textDocument":{"uri":"file:///x.star","version":2},"contentChanges":[{"text":"a"},{"range":null,"text":null}]}`), invalid(`contentChanges[1].text must be a string, not null`)},
		{`{"jsonrpc":"2.0","id":2,"method":"textDocument/formatting","params":{"textDocument":{"uri":"file:///x.star"}}}`,
			`{"jsonrpc":"2.0","id":2,"error":{"code":-32602,"message":"the document is not open: file:///x.star"}}`},
	} {
		c := ready(t, nil)
		c.write(tt.body)
		same(t, tt.want, c.receive())
		same(t, `"result":null`, c.ask("shutdown", `null`))
	}
}

func TestBrokenFramingEndsTheConversation(t *testing.T) {
	for _, stream := range []string{
		"\r\n\r\n", "Content-Length: -1\r\n\r\n", "Content-Length: many\r\n\r\n", "Content-Length: 99999999999\r\n\r\n",
		"Content-Length: 10\r\n\r\n{}", "Content-Le", "X: " + strings.Repeat("x", maxHeader+1) + "\r\n\r\n",
	} {
		err := Serve(context.Background(), strings.NewReader(stream), io.Discard, Options{})
		if !errors.Is(err, errFraming) {
			t.Errorf("%.30q: got %v", stream, err)
		}
	}
}

func TestCancelledRequest(t *testing.T) {
	s := &server{started: true}
	s.pending.cancels = map[string]context.CancelFunc{}
	var out strings.Builder
	s.out.w = &out
	msg := incoming{ID: json.RawMessage("7"), Method: "textDocument/formatting", Params: json.RawMessage(`{}`)}
	j := job{ctx: s.pending.add(context.Background(), msg.ID), msg: msg}
	s.pending.cancel(json.RawMessage(`{"id":7}`))
	if err := s.handle(j); err != nil {
		t.Fatal(err)
	}
	_, body, _ := strings.Cut(out.String(), "\r\n\r\n")
	same(t, `{"jsonrpc":"2.0","id":7,"error":{"code":-32800,"message":"cancelled"}}`, body)
}

func TestDiagnosticsOfUnsavedText(t *testing.T) {
	c := ready(t, map[string]string{"app.star": shop})
	same(t, `{"uri":"DIR/app.star","version":1,"diagnostics":[]}`, c.edit("app.star", shop))

	// A name behind a character that takes two units is set, then renamed.
	c.tell("textDocument/didChange", `{"textDocument":{"uri":"DIR/app.star","version":2},"contentChanges":[
		{"range":{"start":{"line":3,"character":0},"end":{"line":3,"character":0}},"text":"[\"😀\"]; x = 1\n"},
		{"range":{"start":{"line":3,"character":8},"end":{"line":3,"character":9}},"text":"long"}]}`)
	same(t, `{"uri":"DIR/app.star","version":2,"diagnostics":[{"range":{"start":{"line":3,"character":0},"end":{"line":3,"character":6}},"severity":2,"code":"FC804","source":"flowctl","message":"the value of this line goes nowhere\nreturn it, set a name to it, or take the line out"},{"range":{"start":{"line":3,"character":8},"end":{"line":3,"character":12}},"severity":2,"code":"FC131","source":"flowctl","message":"the name long is never used\nuse it, or take it out"}]}`, c.diagnostics())

	c.tell("textDocument/didChange", `{"textDocument":{"uri":"DIR/app.star","version":3},"contentChanges":[{"text":"db = (\n"}]}`)
	same(t, `{"uri":"DIR/app.star","version":3,"diagnostics":[{"range":{"start":{"line":0,"character":5},"end":{"line":0,"character":6}},"severity":1,"code":"FC001","source":"flowctl","message":"\"(\" is never closed"}]}`, c.diagnostics())
	c.tell("textDocument/didClose", `{"textDocument":{"uri":"DIR/app.star"}}`)
	same(t, `{"uri":"DIR/app.star","diagnostics":[]}`, c.diagnostics())
}

func TestFilesThatLoadEachOther(t *testing.T) {
	const lib = "def double(n):\n    return n * 2\n"
	c := ready(t, map[string]string{"app.star": "load(\"lib/n.star\", \"double\")\n" + shop + "X = double(2)\n", "lib/n.star": lib})
	same(t, `{"uri":"DIR/app.star","diagnostics":[{"range":{"start":{"line":0,"character":20},"end":{"line":0,"character":26}},"severity":1,"code":"FC112","source":"flowctl","message":"lib/n.star has no \"double\"\nit has twice"}]}`,
		c.edit("lib/n.star", strings.ReplaceAll(lib, "double", "twice")))
	same(t, `{"uri":"DIR/lib/n.star","version":1,"diagnostics":[]}`, c.diagnostics())
}

func TestFormatting(t *testing.T) {
	c := ready(t, nil)
	c.edit("app.star", "x=[1,\n2]\n")
	same(t, `"result":[{"range":{"start":{"line":0,"character":0},"end":{"line":2,"character":0}},"newText":"x = [\n    1,\n    2,\n]\n"}]`,
		c.ask("textDocument/formatting", `{"textDocument":{"uri":"DIR/app.star"},"options":{}}`))
}

func TestCodeActions(t *testing.T) {
	c := ready(t, nil)
	c.edit("app.star", strings.ReplaceAll(shop, "wf.build()", "wf"))
	same(t, `"result":[{"title":"add .build()","kind":"quickfix","diagnostics":[{"range":{"start":{"line":7,"character":22},"end":{"line":7,"character":24}},"severity":1,"code":"FC401","source":"flowctl","message":"the workflow has not been built\nwrite .build() behind it"}],"isPreferred":true,"edit":{"changes":{"DIR/app.star":[{"range":{"start":{"line":7,"character":24},"end":{"line":7,"character":24}},"newText":".build()"}]}}}]`, c.ask("textDocument/codeAction", `{"textDocument":{"uri":"DIR/app.star"},"range":{"start":{"line":7,"character":24},"end":{"line":7,"character":24}},"context":{"diagnostics":[]}}`))
}

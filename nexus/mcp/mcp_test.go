package mcp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/nexus/mcp"
	"github.com/google/go-cmp/cmp"
	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	proto "github.com/mark3labs/mcp-go/mcp"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

// clients are the ways a client can reach a server.
var clients = map[string]func(t *testing.T, s *mcp.Server) *client.Client{
	"http": func(t *testing.T, s *mcp.Server) *client.Client {
		ts := httptest.NewServer(s.Handler())
		t.Cleanup(ts.Close)
		c, err := client.NewStreamableHttpClient(ts.URL+"/mcp/all", transport.WithHTTPHeaders(map[string]string{"X-Tenant-ID": "acme"}))
		if err != nil {
			t.Fatal(err)
		}
		return c
	},
	"stdio": func(t *testing.T, s *mcp.Server) *client.Client {
		fromClient, toServer := io.Pipe()
		fromServer, toClient := io.Pipe()
		ctx := mcp.WithToolset(mcp.WithCaller(context.Background(), access.Caller{Tenant: "acme"}), "all")
		served := make(chan error, 1)
		go func() { served <- s.ServeStdio(ctx, fromClient, toClient) }()
		t.Cleanup(func() {
			toServer.Close()
			if err := <-served; err != nil {
				t.Error(err)
			}
		})
		return client.NewClient(transport.NewIO(fromServer, toServer, io.NopCloser(&bytes.Buffer{})))
	},
}

func connect(t *testing.T, c *client.Client) *proto.InitializeResult {
	t.Helper()
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	var req proto.InitializeRequest
	req.Params.ProtocolVersion = proto.ProtocolVersion20251125
	req.Params.ClientInfo = proto.Implementation{Name: "test", Version: "1"}
	res, err := c.Initialize(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// each runs a test over every transport, against a new database.
func each(t *testing.T, f func(t *testing.T, c *client.Client)) {
	for name, dial := range clients {
		t.Run(name, func(t *testing.T) {
			c := dial(t, newServer(t, mcp.Options{Version: "1"}))
			connect(t, c)
			f(t, c)
		})
	}
}

// call calls a tool with arguments as JSON text and returns the text of the
// result, after "error " if it is one.
func call(t *testing.T, c *client.Client, tool, args string) string {
	t.Helper()
	var req proto.CallToolRequest
	req.Params.Name = tool
	req.Params.RawArguments = json.RawMessage(args)
	res, err := c.CallTool(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Content) != 1 {
		t.Fatalf("%d contents", len(res.Content))
	}
	text := res.Content[0].(proto.TextContent).Text
	if res.IsError {
		if len(res.RawStructuredContent) > 0 {
			t.Error("an error has structured content, which clients hold to the output schema")
		}
		return "error " + text
	}
	var structured bytes.Buffer
	if err := json.Compact(&structured, res.RawStructuredContent); err != nil {
		t.Fatal(err)
	}
	if text != structured.String() {
		t.Errorf("the text is not the structured content:\n%s\n%s", text, structured.String())
	}
	return text
}

func TestInitializeTellsAgentsHowToUseTheApp(t *testing.T) {
	c := clients["http"](t, newServer(t, mcp.Options{Version: "1"}))
	res := connect(t, c)
	want := `The app bank.
Workflows, which are the app's own ways of doing things and come first: open_account, withdraw, broken.
Tables: accounts_{create,read,update,delete,list,upsert,count,bulk_create,bulk_update,bulk_delete,bulk_upsert,aggregate}, notes_{create,list,aggregate}.
Each call is one transaction. A result with isError says in code, message, problems and hint what to correct; nothing has then been changed.
Decimals are strings ("12.50"), datetimes are UTC (2006-01-02T15:04:05Z).
Filters: {"status": "new", "total": {"$gte": 10}, "$or": [{…}, {…}]}, with $eq $ne $gt $gte $lt $lte $in $nin $like $ilike $contains $startswith $endswith $regex $exists $null $between, and "customer.email" through a reference. Sort: "-created_at".`
	if diff := cmp.Diff(want, res.Instructions); diff != "" {
		t.Errorf("instructions (-want +got):\n%s", diff)
	}
	if res.ServerInfo.Name != "bank" || res.ProtocolVersion != proto.ProtocolVersion20251125 {
		t.Errorf("got %s %s", res.ServerInfo.Name, res.ProtocolVersion)
	}
}

func TestToolsAreDescribedForAgents(t *testing.T) {
	each(t, func(t *testing.T, c *client.Client) {
		res, err := c.ListTools(t.Context(), proto.ListToolsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := json.MarshalIndent(res.Tools, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		golden(t, "tools.json", string(got)+"\n")
	})
}

// golden compares got with a file of testdata, which UPDATE=1 writes anew.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got; UPDATE=1 writes it anew):\n%s", path, diff)
	}
}

func TestSchemasAreValid(t *testing.T) {
	c := clients["http"](t, newServer(t, mcp.Options{Version: "1"}))
	connect(t, c)
	res, err := c.ListTools(t.Context(), proto.ListToolsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range res.Tools {
		compileSchema(t, tool.Name+" input", mustJSON(t, tool.InputSchema))
		if tool.OutputSchema.Type != "" {
			compileSchema(t, tool.Name+" output", mustJSON(t, tool.OutputSchema))
		}
		if len(tool.Name) > 40 {
			t.Errorf("the name %s is too long", tool.Name)
		}
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// compileSchema checks a schema against the metaschema of 2020-12, and that
// it can be used.
func compileSchema(t *testing.T, name string, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft2020)
	if err := compiler.AddResource("mem:///"+name, doc); err != nil {
		t.Fatal(err)
	}
	s, err := compiler.Compile("mem:///" + name)
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, text)
	}
	return s
}

func TestCalls(t *testing.T) {
	steps := []struct{ name, tool, args string }{
		{"a row keeps every digit", "accounts_create", `{"owner": "ada", "balance": 0.10, "serial": 9007199254740993}`},
		{"a workflow", "open_account", `{"owner": "bob", "deposit": "12345678.90"}`},
		{"a read by filter", "accounts_read", `{"filter": {"serial": 9007199254740993}}`},
		{"a read of some fields", "accounts_read", `{"id": 1, "fields": ["owner"]}`},
		{"a list", "accounts_list", `{"filter": {"balance": {"$gte": "0.10"}}, "fields": ["balance"], "sort": "-id", "count": true}`},
		{"a tenant's row", "notes_create", `{"text": "hello"}`},
		{"no arguments", "accounts_count", ``},
		{"null for no arguments", "accounts_count", `null`},
		{"a second row of a unique value", "accounts_create", `{"owner": "ada", "balance": 1}`},
		{"everything wrong at once", "accounts_create", `{"ownr": "x", "balance": "1.005", "serial": 1.5, "status": "new", "id": 7}`},
		{"a workflow's inputs wrong at once", "open_account", `{"onwer": "x", "deposit": []}`},
		{"a row that is not there", "accounts_read", `{"id": 99}`},
		{"an unknown operator", "accounts_list", `{"filter": {"owner": {"$gtt": 1}}}`},
		{"SQL in a filter key", "accounts_list", `{"filter": {"owner\" = '' or 1=1 --": 1}}`},
		{"arguments that are no object", "accounts_count", `[1]`},
		{"a name twice", "accounts_count", `{"filter": {}, "filter": {}}`},
		{"a workflow tried out", "open_account", `{"owner": "eve", "deposit": 1, "dry_run": true}`},
		{"keeps nothing", "accounts_count", `{"filter": {"owner": "eve"}}`},
		{"a workflow that refuses", "withdraw", `{"owner": "ada"}`},
		{"leaves nothing behind", "accounts_read", `{"id": 1}`},
		{"a fault tells nothing of itself", "broken", `{}`},
		{"and the server lives", "accounts_count", `{}`},
	}
	each(t, func(t *testing.T, c *client.Client) {
		var got strings.Builder
		for _, step := range steps {
			fmt.Fprintf(&got, "# %s\n%s %s\n%s\n\n", step.name, step.tool, step.args, call(t, c, step.tool, step.args))
		}
		golden(t, "calls.txt", got.String())
	})
}

func TestResultsFitTheirSchemas(t *testing.T) {
	c := clients["http"](t, newServer(t, mcp.Options{Version: "1"}))
	connect(t, c)
	res, err := c.ListTools(t.Context(), proto.ListToolsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	schemas := make(map[string]*jsonschema.Schema)
	for _, tool := range res.Tools {
		if tool.OutputSchema.Type != "" {
			schemas[tool.Name] = compileSchema(t, tool.Name, mustJSON(t, tool.OutputSchema))
		}
	}
	for _, step := range []struct{ tool, args string }{
		{"accounts_create", `{"owner": "ada", "balance": 1}`},
		{"accounts_read", `{"id": 1}`},
		{"accounts_read", `{"id": 1, "fields": ["balance"]}`},
		{"accounts_update", `{"id": 1, "fields": {"balance": 2}}`},
		{"accounts_list", `{}`},
		{"accounts_list", `{"fields": ["owner"], "limit": 1, "count": true}`},
		{"accounts_upsert", `{"where": {"owner": "bob"}, "create": {"balance": 1}, "update": {}}`},
		{"accounts_bulk_create", `{"data": [{"owner": "c", "balance": 1}, {"owner": "d", "balance": 1}]}`},
		{"accounts_bulk_create", `{"data": [{"owner": "c", "balance": 1}, {"owner": "e", "balance": 1}], "on_error": "skip", "return_ids": true}`},
		{"accounts_bulk_update", `{"filter": {"owner": "c"}, "fields": {"status": "closed"}}`},
		{"accounts_bulk_upsert", `{"data": [{"owner": "c", "balance": 3}], "conflict_on": ["owner"]}`},
		{"accounts_bulk_delete", `{"ids": [2, 99]}`},
		{"accounts_delete", `{"id": 1}`},
		{"accounts_count", `{}`},
		{"open_account", `{"owner": "z", "deposit": 1}`},
		{"open_account", `{"owner": "y", "deposit": 1, "dry_run": true}`},
	} {
		text := call(t, c, step.tool, step.args)
		v, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		if err != nil {
			t.Fatalf("%s: %s", step.tool, text)
		}
		if schemas[step.tool] == nil {
			t.Errorf("%s has no output schema", step.tool)
		} else if err := schemas[step.tool].Validate(v); err != nil {
			t.Errorf("%s %s gave %s: %v", step.tool, step.args, text, err)
		}
	}
}

// packed packs a message as a client may.
func packed(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHTTPGuards(t *testing.T) {
	ts := httptest.NewServer(newServer(t, mcp.Options{MaxBody: 1000, Origins: []string{"https://friend.example"}}).Handler())
	t.Cleanup(ts.Close)
	const count = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"accounts_count","arguments":{}}}`
	const notes = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"notes_list","arguments":{}}}`
	tests := []struct {
		name, body string
		header     map[string]string
		status     int
		want       string
	}{
		{"no browser", count, nil, 200, `{"count":0}`},
		{"a page of this host", count, map[string]string{"Origin": ts.URL}, 200, `{"count":0}`},
		{"a page of this machine", count, map[string]string{"Origin": "http://localhost:5173"}, 200, `{"count":0}`},
		{"a page that is allowed", count, map[string]string{"Origin": "https://friend.example"}, 200, `{"count":0}`},
		{"a page of elsewhere", count, map[string]string{"Origin": "https://evil.example"}, 403,
			`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"pages of this origin may not call the server; to allow them, add the origin to cors_origins of Nexus(...)"}}`},
		{"an opaque origin", count, map[string]string{"Origin": "null"}, 403, `pages of this origin may not call`},
		{"a message too large", `{"pad": "` + strings.Repeat("x", 1000) + `"}`, nil, 413,
			`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the message is larger than 1000 bytes; send less at a time, or raise max_body of Nexus(...)"}}`},
		{"a message that is packed", packed(t, count), map[string]string{"Content-Encoding": "gzip"}, 200, `{"count":0}`},
		{"a message that is as it is, and says so", count, map[string]string{"Content-Encoding": "identity"}, 200, `{"count":0}`},
		{"a message too large when it is unpacked", packed(t, `{"pad": "`+strings.Repeat("x", 1000)+`"}`), map[string]string{"Content-Encoding": "gzip"}, 413,
			`the message is larger than 1000 bytes; send less at a time, or raise max_body of Nexus(...)`},
		{"no gzip, though it says so", count, map[string]string{"Content-Encoding": "gzip"}, 400,
			`{"jsonrpc":"2.0","id":null,"error":{"code":-32600,"message":"the body is not what gzip makes, or not all of it"}}`},
		{"part of what gzip made", packed(t, count)[:60], map[string]string{"Content-Encoding": "gzip"}, 400, `or not all of it`},
		{"a coding that is not known", count, map[string]string{"Content-Encoding": "br"}, 415,
			`the body is encoded in a way that is not known here; send it as it is, without Content-Encoding, or packed with gzip`},
		{"no tenant where one is needed", notes, nil, 200, `tenant_required`},
		{"a tenant", notes, map[string]string{"X-Tenant-ID": "acme"}, 200, `"records":[]`},
		{"a tenant that is none", notes, map[string]string{"X-Tenant-ID": strings.Repeat("x", 300)}, 400, `the header X-Tenant-ID must name one tenant`},
		{"no JSON", `{`, nil, 400, `"code":-32700`},
		{"arguments too deep", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"accounts_count","arguments":{"filter":` +
			strings.Repeat("[", 70) + strings.Repeat("]", 70) + `}}}`, nil, 200, `too_deep`},
		{"an unknown tool", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"accounts_drop"}}`, nil, 200, `"code":-32602,"message":"there is no tool "accounts_drop"`},
		{"a tool misspelt", `{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{"name":"accounts_cont"}}`, nil, 200, `{"jsonrpc":"2.0","id":"x","error":{"code":-32602,"message":"there is no tool "accounts_cont"; did you mean "accounts_count"?"}}`},
		{"params that are none", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[1]}`, nil, 200, `the params of tools/call must be an object: {"name": "…", "arguments": {…}}`},
		{"no tool", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{}}`, nil, 200, `the params of tools/call must be an object`},
		{"a number beyond all bounds", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"accounts_count","arguments":{"filter":{"a":1e999}}}}`, nil, 200, `is a number too large`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, ts.URL, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Accept", "application/json, text/event-stream")
			for name, v := range tt.header {
				req.Header.Set(name, v)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			body, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(string(body), `\"`, `"`)
			if takes := res.Header.Get("Accept-Encoding"); (takes == "gzip, identity") != (tt.status == 415) {
				t.Errorf("Accept-Encoding: %s", takes)
			}
			if res.StatusCode != tt.status || !strings.Contains(got, tt.want) {
				t.Errorf("got %d %s\nwant %d %s", res.StatusCode, got, tt.status, tt.want)
			}
		})
	}
}

// The revision of 2026-07-28 has no handshake: each request says what it is.
func TestModernRevision(t *testing.T) {
	ts := httptest.NewServer(newServer(t, mcp.Options{Version: "1"}).Handler())
	t.Cleanup(ts.Close)
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"accounts_create","arguments":{"owner":"ada","balance":0.10,"serial":9007199254740993},
		"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, ts.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]string{"Content-Type": "application/json", "Accept": "application/json, text/event-stream",
		"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "accounts_create"} {
		req.Header.Set(name, v)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Result struct {
			ResultType        string          `json:"resultType"`
			StructuredContent json.RawMessage `json:"structuredContent"`
		} `json:"result"`
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	want := `{"id":1,"owner":"ada","balance":"0.10","serial":9007199254740993,"status":"open","created_at":"2026-01-02T03:04:05.000000Z","updated_at":"2026-01-02T03:04:05.000000Z"}`
	if got := string(answer.Result.StructuredContent); got != want || answer.Result.ResultType != "complete" {
		t.Errorf("got %s\nwant a complete %s", text, want)
	}
}

func TestAWriteIsFinishedThoughItsClientGoesAway(t *testing.T) {
	entered, release, finished := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	slow := &dataflow.Workflow{Name: "slow", Handler: &goFunc{"slow", func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
		close(entered)
		<-release
		_, err := h.Workflow(ctx, "open_account", dataflow.ObjectOf("owner", "ada", "deposit", int64(1)))
		finished <- err
		return nil, err
	}}}
	handler := newServer(t, mcp.Options{}, slow).Handler()
	gone, served := make(chan struct{}), make(chan struct{})
	ts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Slow") != "" {
			context.AfterFunc(r.Context(), func() { close(gone) })
			defer close(served)
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(ts.Close)
	post := func(ctx context.Context, tool, header string) (string, error) {
		body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{}}}`
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, ts.URL+"/mcp", strings.NewReader(body))
		if err != nil {
			return "", err
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Slow", header)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			return "", err
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		return string(text), err
	}
	ctx, leave := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := post(ctx, "slow", "yes")
		left <- err
	}()
	<-entered
	leave()
	if err := <-left; err == nil {
		t.Error("the client did not leave")
	}
	<-gone
	close(release)
	if err := <-finished; err != nil {
		t.Errorf("the write was called off: %v", err)
	}
	<-served
	text, err := post(t.Context(), "accounts_count", "")
	if err != nil || !strings.Contains(text, `"count":1`) {
		t.Errorf("the row is not there: %s %v", text, err)
	}
}

func TestStdioAnswersWhatIsUnderWayWhenInputEnds(t *testing.T) {
	s := newServer(t, mcp.Options{MaxBody: 500})
	in := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"accounts_create","arguments":{"owner":"ada","balance":1}}}` + "\n" +
		"\n" + strings.Repeat("x", 2000) + "\n{\n" +
		`{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"open_account","arguments":{"owner":"bob","deposit":2}}}`)
	var out bytes.Buffer
	if err := s.ServeStdio(t.Context(), in, &out); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for _, want := range []string{`"id":1,"result"`, `"id":2,"result"`, `the message is larger than 500 bytes`, `"code":-32700`} {
		n := 0
		for _, l := range lines {
			if strings.Contains(l, want) {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d answers have %s:\n%s", n, want, out.String())
		}
	}
	if len(lines) != 4 {
		t.Errorf("%d answers, want 4:\n%s", len(lines), out.String())
	}
}

func TestCheckFindsToolsOfOneName(t *testing.T) {
	app := testApp()
	app.Workflows = append(app.Workflows, &dataflow.Workflow{Name: "accounts_count"})
	got := mcp.Check(app)
	if len(got) != 1 || got[0].Code != "FC710" || got[0].Message != "the workflow accounts_count and the operation count of Account would both be the MCP tool accounts_count" {
		t.Errorf("got %v", got)
	}
	long := strings.Repeat("long", 10)
	app.Workflows = []*dataflow.Workflow{{Name: long + "_a"}, {Name: long + "_b"}, {Name: long + "é"}}
	app.Exposures = []*dataflow.Exposure{{Model: app.Models()[0], Path: long + "_a", Ops: dataflow.Ops()}}
	if got := mcp.Check(app); len(got) != 0 {
		t.Errorf("names that differ were shortened to the same: %v", got)
	}
}

func TestListsOfToolsComeInPages(t *testing.T) {
	var many []*dataflow.Workflow
	for i := range 600 {
		many = append(many, &dataflow.Workflow{Name: fmt.Sprintf("more_%d", i), ReadOnly: true,
			Handler: &goFunc{"more", func(context.Context, dataflow.Handler, *dataflow.Object) (any, error) { return nil, nil }}})
	}
	c := clients["http"](t, newServer(t, mcp.Options{}, many...))
	connect(t, c)
	names := make(map[string]bool)
	var req proto.ListToolsRequest
	for page := 0; ; page++ {
		res, err := c.ListToolsByPage(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		for _, tool := range res.Tools {
			names[tool.Name] = true
		}
		if req.Params.Cursor = res.NextCursor; res.NextCursor == "" {
			if page != 1 {
				t.Errorf("%d pages, want 2", page+1)
			}
			break
		}
	}
	if want := 600 + 3 + 12 + 3; len(names) != want {
		t.Errorf("%d tools, want %d", len(names), want)
	}
}

package mcp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/nexus/mcp"
	"github.com/mark3labs/mcp-go/client"
	proto "github.com/mark3labs/mcp-go/mcp"
)

// wire speaks the protocol as it is written, for what a client's library hides.
type wire struct {
	t       *testing.T
	url     string
	session string
	modern  bool
	header  map[string]string
}

func serving(t *testing.T, h http.Handler) *wire {
	t.Helper()
	ts := httptest.NewServer(h)
	t.Cleanup(ts.Close)
	return &wire{t: t, url: ts.URL + "/mcp"}
}

// initialized begins a session.
func (w *wire) initialized() *wire {
	w.t.Helper()
	res := w.send(w.t.Context(), "initialize", `{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}},"clientInfo":{"name":"t","version":"1"}}`)
	defer res.Body.Close()
	out := *w
	if out.session = res.Header.Get("Mcp-Session-Id"); out.session == "" {
		w.t.Fatal("no session")
	}
	return &out
}

func (w *wire) send(ctx context.Context, method, params string) *http.Response {
	w.t.Helper()
	id := `"id":7,`
	if strings.HasPrefix(method, "notifications/") {
		id = ""
	}
	if w.modern {
		rest := strings.TrimPrefix(params, "{")
		if rest != "}" {
			rest = "," + rest
		}
		params = `{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}` + rest
	}
	res, err := w.try(ctx, http.MethodPost, `{"jsonrpc":"2.0",`+id+`"method":"`+method+`","params":`+params+`}`, method, params)
	if err != nil {
		w.t.Fatal(err)
	}
	return res
}

func (w *wire) try(ctx context.Context, verb, body, method, params string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, verb, w.url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	if w.session != "" {
		req.Header.Set("Mcp-Session-Id", w.session)
	}
	if w.modern {
		req.Header.Set("Mcp-Protocol-Version", "2026-07-28")
		req.Header.Set("Mcp-Method", method)
		var p struct{ Name, URI string }
		_ = json.Unmarshal([]byte(params), &p)
		if p.Name+p.URI != "" {
			req.Header.Set("Mcp-Name", p.Name+p.URI)
		}
	}
	for name, v := range w.header {
		req.Header.Set(name, v)
		if name == "Host" {
			req.Host = v
		}
	}
	return http.DefaultClient.Do(req)
}

// do sends a request and returns the status and the body of the answer.
func (w *wire) do(method, params string) (int, string) {
	w.t.Helper()
	res := w.send(w.t.Context(), method, params)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// want does a request whose answer must hold some text.
func (w *wire) want(method, params string, want ...string) string {
	w.t.Helper()
	_, text := w.do(method, params)
	for _, s := range want {
		if !strings.Contains(text, s) {
			w.t.Errorf("%s %s\ngot  %s\nwant %s", method, params, text, s)
		}
	}
	return text
}

// stream is a stream of events, read a message at a time.
type stream struct {
	t   *testing.T
	res *http.Response
	r   *bufio.Reader
}

func (w *wire) open(res *http.Response) *stream {
	w.t.Helper()
	if kind := res.Header.Get("Content-Type"); kind != "text/event-stream" {
		text, _ := io.ReadAll(res.Body)
		w.t.Fatalf("no stream: %s %s", kind, text)
	}
	return &stream{w.t, res, bufio.NewReader(res.Body)}
}

// listen opens the stream of a session.
func (w *wire) listen() *stream {
	w.t.Helper()
	res, err := w.try(w.t.Context(), http.MethodGet, "", "", "")
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { res.Body.Close() })
	s := w.open(res)
	if _, err := s.r.ReadString('\n'); err != nil { // the comment that it begins with
		w.t.Fatal(err)
	}
	return s
}

// next is the next message; "" at the stream's end.
func (s *stream) next() string {
	for {
		line, err := s.r.ReadString('\n')
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			return strings.TrimSpace(data)
		}
		if err != nil {
			return ""
		}
	}
}

func TestTheLastNotificationBeforeAnAnswerIsSent(t *testing.T) {
	for _, modern := range []bool{false, true} {
		w := serving(t, newFixture(t))
		w.modern = modern
		res := w.send(t.Context(), "tools/call", `{"name":"test_tool_with_progress","_meta":{"progressToken":"p"}}`)
		if modern {
			res.Body.Close()
			res, _ = w.try(t.Context(), http.MethodPost, `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"test_tool_with_progress","_meta":{"progressToken":"p","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
				"tools/call", `{"name":"test_tool_with_progress"}`)
		}
		s := w.open(res)
		for _, want := range []string{`"progress":0`, `"progress":50`, `"progress":100`, `"id":7,"result"`} {
			if got := s.next(); !strings.Contains(got, want) {
				t.Errorf("modern %v: got %s, want %s", modern, got, want)
			}
		}
		res.Body.Close()
	}
}

func TestAPageThatTakesThisMachinesNameIsTurnedAway(t *testing.T) {
	w := serving(t, newServer(t, mcp.Options{}).Handler())
	w.header = map[string]string{"Origin": "http://evil.example.com", "Host": "evil.example.com"}
	if status, text := w.do("ping", `{}`); status != http.StatusForbidden {
		t.Errorf("got %d %s", status, text)
	}
}

func TestSessionsEnd(t *testing.T) {
	var clock atomic.Int64
	hub := mcp.NewHub(mcp.HubOptions{Now: func() time.Time { return time.Unix(clock.Load(), 0) }})
	w := serving(t, newServer(t, mcp.Options{Hub: hub}).Handler())
	first := w.initialized()
	first.want("ping", `{}`, `"result":{}`)
	clock.Store(31 * 60)
	second := w.initialized() // which has the idle one forgotten
	if status, text := first.do("ping", `{}`); status != http.StatusNotFound || !strings.Contains(text, "begin again with initialize") {
		t.Errorf("a session idle for half an hour: %d %s", status, text)
	}
	second.want("ping", `{}`, `"result":{}`)
	res, err := second.try(t.Context(), http.MethodDelete, "", "", "")
	if err != nil || res.StatusCode != http.StatusNoContent {
		t.Errorf("ending a session: %v %v", res, err)
	}
	if status, _ := second.do("ping", `{}`); status != http.StatusNotFound {
		t.Errorf("a session that was ended answers with %d", status)
	}
}

func TestASessionIsItsCallersAlone(t *testing.T) {
	w := serving(t, newServer(t, mcp.Options{}).Handler())
	mine := w.initialized()
	mine.header = map[string]string{"X-Tenant-ID": "other"}
	if status, text := mine.do("ping", `{}`); status != http.StatusNotFound {
		t.Errorf("another tenant's request with the id: %d %s", status, text)
	}
}

func TestStreamsEndWhenTheServerCloses(t *testing.T) {
	f := newFixture(t)
	w := serving(t, f)
	early := w.initialized().listen()
	later := *w
	later.modern = true
	modern := w.open(later.send(t.Context(), "subscriptions/listen", `{"notifications":{"toolsListChanged":true}}`))
	if got := modern.next(); !strings.Contains(got, `notifications/subscriptions/acknowledged`) {
		t.Fatal(got)
	}
	f.hub.Close()
	if got := early.next(); got != "" {
		t.Errorf("after the end: %s", got)
	}
	if got := modern.next(); !strings.Contains(got, `"result"`) || modern.next() != "" {
		t.Errorf("after the end: %s", got)
	}
}

func TestSubscriptionsAreKept(t *testing.T) {
	f := newFixture(t)
	w := serving(t, f).initialized()
	s := w.listen()
	w.want("resources/subscribe", `{"uri":"test://watched-resource"}`, `"result":{}`)
	w.want("resources/subscribe", `{"uri":"flowctl://models/Account"}`, `"result":{}`)
	w.want("resources/subscribe", `{"uri":"flowctl://models/Account/records/1"}`, `are not told of`)
	w.want("resources/subscribe", `{"uri":"test://static-text"}`, `"code":-32002`)
	f.hub.Updated("test://watched-resource")
	if got := s.next(); got != `{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"test://watched-resource"}}` {
		t.Error(got)
	}
	w.want("resources/unsubscribe", `{"uri":"test://watched-resource"}`, `"result":{}`)
	f.hub.Updated("test://watched-resource")
	f.reload() // of which the client hears, as of nothing before
	for _, want := range []string{"tools/list_changed", "prompts/list_changed"} {
		if got := s.next(); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestASubscriptionPromisesWhatIsKept(t *testing.T) {
	f := newFixture(t)
	w := serving(t, f)
	w.modern = true
	s := w.open(w.send(t.Context(), "subscriptions/listen", `{"notifications":{"resourceSubscriptions":["test://watched-resource","test://static-text","nonsense"]}}`))
	want := `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":{"io.modelcontextprotocol/subscriptionId":7},"notifications":{"resourceSubscriptions":["test://watched-resource"]}}}`
	if got := s.next(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	f.reload()
	f.hub.Updated("test://watched-resource")
	if got := s.next(); !strings.Contains(got, "resources/updated") || !strings.Contains(got, `"io.modelcontextprotocol/subscriptionId":7`) {
		t.Errorf("got %s: the first that it is told must be what it asked for", got)
	}
	s.res.Body.Close()
}

// A write that its client calls off is undone.
func TestAWriteThatIsCalledOffIsUndone(t *testing.T) {
	entered := make(chan struct{})
	slow := &dataflow.Workflow{Name: "slow", Handler: &goFunc{"slow", func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
		if _, err := h.Workflow(ctx, "open_account", dataflow.ObjectOf("owner", "ada", "deposit", int64(1))); err != nil {
			return nil, err
		}
		close(entered)
		<-ctx.Done()
		return nil, ctx.Err()
	}}}
	w := serving(t, newServer(t, mcp.Options{}, slow).Handler()).initialized()
	answer := make(chan string, 1)
	go func() {
		res, err := w.try(t.Context(), http.MethodPost, `{"jsonrpc":"2.0","id":"long","method":"tools/call","params":{"name":"slow","arguments":{}}}`, "", "")
		if err != nil {
			answer <- err.Error()
			return
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		answer <- string(text)
	}()
	<-entered
	if status, text := w.do("notifications/cancelled", `{"requestId":"long","reason":"no more"}`); status != http.StatusAccepted {
		t.Errorf("got %d %s", status, text)
	}
	if got := <-answer; !strings.Contains(got, `"code":-32800`) {
		t.Errorf("got %s", got)
	}
	w.want("tools/call", `{"name":"accounts_count","arguments":{}}`, `"structuredContent":{"count":0}`)
}

// From 2026-07-28 on whoever closes the stream calls the request off.
func TestAModernClientThatIsGoneHasCalledItsRequestOff(t *testing.T) {
	entered, ended := make(chan struct{}), make(chan error, 1)
	slow := &dataflow.Workflow{Name: "slow", Handler: &goFunc{"slow", func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
		close(entered)
		<-ctx.Done()
		ended <- ctx.Err()
		return nil, ctx.Err()
	}}}
	w := serving(t, newServer(t, mcp.Options{}, slow).Handler())
	w.modern = true
	ctx, leave := context.WithCancel(t.Context())
	go func() {
		<-entered
		leave()
	}()
	body := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"slow","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
	if res, err := w.try(ctx, http.MethodPost, body, "tools/call", `{"name":"slow"}`); err == nil {
		res.Body.Close()
		t.Error("the client did not leave")
	}
	if err := <-ended; err == nil {
		t.Error("the call went on")
	}
}

func TestWhatAProgramAddsCanBreakNothingElse(t *testing.T) {
	bad := mcp.Extension{
		Tools: []mcp.Tool{
			{Name: "odd", Description: "Has a schema that is none.", Input: dataflow.ObjectOf("type", "object", "properties", "none", "x", []any{nil, 1.5}), Do: says("odd")},
			{Name: "panics", Description: "Panics.", Do: func(context.Context, *mcp.Call) (*mcp.Result, error) { panic("a secret") }},
		},
		Prompts: []mcp.Prompt{{Name: "panics", Get: func(context.Context, *mcp.Call) ([]mcp.Message, error) { panic("a secret") }}},
	}
	w := serving(t, newServer(t, mcp.Options{Extension: bad}).Handler())
	w.want("tools/list", `{}`, `"name":"odd"`)
	w.want("tools/call", `{"name":"odd"}`, `"text":"odd"`)
	for _, text := range []string{w.want("tools/call", `{"name":"panics"}`, `"isError":true`), w.want("prompts/get", `{"name":"panics"}`, `"code":-32603`)} {
		if strings.Contains(text, "secret") {
			t.Errorf("a panic tells of itself: %s", text)
		}
	}
	w.want("ping", `{}`, `"result":{}`)
}

func TestAToolThatNeedsMoreOfTheClientSaysSo(t *testing.T) {
	w := serving(t, newFixture(t))
	w.modern = true
	status, text := w.do("tools/call", `{"name":"test_missing_capability"}`)
	if status != http.StatusBadRequest || !strings.Contains(text, `"code":-32021`) || !strings.Contains(text, `"requiredCapabilities":{"sampling":{}}`) {
		t.Errorf("got %d %s", status, text)
	}
	w.modern = false
	w.initialized().want("tools/call", `{"name":"test_missing_capability"}`, `"isError":true`, `client_unable`)
}

// What a client keeps for the server is good for the same request of the same
// caller alone, and not for ever.
func TestAStateIsBoundToItsRequest(t *testing.T) {
	var clock atomic.Int64
	hub := mcp.NewHub(mcp.HubOptions{Now: func() time.Time { return time.Unix(clock.Load(), 0) }})
	f := &fixture{t: t, hub: hub}
	f.reload()
	w := serving(t, f)
	call := func(tool, state, tenant string) string {
		more := ""
		if state != "" {
			more = `,"requestState":"` + state + `","inputResponses":{"confirm":{"action":"accept","content":{"ok":true}}}`
		}
		req := `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `"` + more +
			`,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"elicitation":{}}}}}`
		w.modern, w.header = true, map[string]string{"X-Tenant-ID": tenant}
		res, err := w.try(t.Context(), http.MethodPost, req, "tools/call", `{"name":"`+tool+`"}`)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, _ := io.ReadAll(res.Body)
		return string(text)
	}
	const tool = "test_input_required_result_request_state"
	var asked struct{ Result struct{ RequestState string } }
	if err := json.Unmarshal([]byte(call(tool, "", "a")), &asked); err != nil {
		t.Fatal(err)
	}
	state := asked.Result.RequestState
	for name, got := range map[string]string{
		"of another request": call("test_input_required_result_tampered_state", state, "a"),
		"of another caller":  call(tool, state, "b"),
		"of nobody":          call(tool, "bm9uZQ.bm9uZQ", "a"),
	} {
		if !strings.Contains(got, `"code":-32602`) {
			t.Errorf("a state %s: %s", name, got)
		}
	}
	if got := call(tool, state, "a"); !strings.Contains(got, "state-ok") {
		t.Errorf("the state itself: %s", got)
	}
	clock.Store(3601)
	if got := call(tool, state, "a"); !strings.Contains(got, `"code":-32602`) {
		t.Errorf("a state an hour later: %s", got)
	}
}

func TestAnAnswerIsBounded(t *testing.T) {
	w := serving(t, newServer(t, mcp.Options{MaxAnswer: 1500}).Handler())
	w.header = map[string]string{"X-Tenant-ID": "acme"}
	for i := range 9 {
		w.want("tools/call", fmt.Sprintf(`{"name":"notes_create","arguments":{"text":"%d%s"}}`, i, strings.Repeat("x", 200)), `"id":`)
	}
	type page struct {
		Result struct {
			StructuredContent struct {
				Records   []struct{ ID int }
				Cursor    string `json:"next_cursor"`
				More      bool   `json:"has_more"`
				Truncated bool
			}
		}
	}
	var ids []int
	for cursor := "null"; ; {
		text := w.want("tools/call", `{"name":"find_records","arguments":{"model":"Note","sort":"id","cursor":`+cursor+`}}`)
		var p page
		if err := json.Unmarshal([]byte(text), &p); err != nil {
			t.Fatal(err)
		}
		got := p.Result.StructuredContent
		for _, r := range got.Records {
			ids = append(ids, r.ID)
		}
		if got.More != got.Truncated {
			t.Errorf("more %v, truncated %v: %s", got.More, got.Truncated, text)
		}
		if !got.More {
			break
		}
		cursor = `"` + got.Cursor + `"`
	}
	if fmt.Sprint(ids) != "[1 2 3 4 5 6 7 8 9]" {
		t.Errorf("the pages have %v", ids)
	}
	w.want("tools/call", `{"name":"notes_create","arguments":{"text":"`+strings.Repeat("y", 2000)+`"}}`, `"id":10`)
	w.want("tools/call", `{"name":"find_records","arguments":{"model":"Note","filter":{"id":10}}}`, `answer_too_large`)
	w.want("tools/call", `{"name":"find_records","arguments":{"model":"Note","filter":{"id":10},"fields":["id"]}}`, `"truncated":false`)
}

func TestTheOldTransportOnlyIfAsked(t *testing.T) {
	off := serving(t, newServer(t, mcp.Options{}).Handler())
	off.url = strings.TrimSuffix(off.url, "/mcp") + "/sse"
	if res, err := off.try(t.Context(), http.MethodGet, "", "", ""); err != nil || res.StatusCode != http.StatusNotFound {
		t.Errorf("got %v %v", res, err)
	}
	ts := httptest.NewServer(newServer(t, mcp.Options{SSE: true, Version: "1"}).Handler())
	t.Cleanup(ts.Close)
	c, err := client.NewSSEMCPClient(ts.URL + "/sse")
	if err != nil {
		t.Fatal(err)
	}
	connect(t, c)
	if got := call(t, c, "accounts_create", `{"owner": "ada", "balance": 1}`); !strings.Contains(got, `"owner":"ada"`) {
		t.Error(got)
	}
	res, err := c.ListTools(t.Context(), proto.ListToolsRequest{})
	if err != nil || len(res.Tools) == 0 {
		t.Errorf("got %v %v", res, err)
	}
}

func TestTheCardSaysWhereTheServerIs(t *testing.T) {
	ts := httptest.NewServer(newServer(t, mcp.Options{Discovery: true, Version: "1"}).Handler())
	t.Cleanup(ts.Close)
	res, err := http.Get(ts.URL + mcp.CardPath)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var card struct {
		Name, Version string
		Remotes       []struct{ Type, URL string }
	}
	if err := json.NewDecoder(res.Body).Decode(&card); err != nil {
		t.Fatal(err)
	}
	if card.Name != "bank" || len(card.Remotes) != 1 || card.Remotes[0].URL != ts.URL+"/mcp" {
		t.Errorf("got %+v", card)
	}
}

func TestAReadOnlyToolsetWritesNothing(t *testing.T) {
	w := serving(t, newServer(t, mcp.Options{}).Handler())
	w.url += "/accounts/readonly"
	w.want("tools/list", `{}`, `accounts_list`)
	for _, tool := range []string{"accounts_create", "create_records", "open_account", "notes_list"} {
		w.want("tools/call", `{"name":"`+tool+`","arguments":{}}`, `there is no tool`, `in the toolset accounts/readonly`)
	}
}

// An agent that has records counted by group is told how many each has.
func TestGroupsAreCounted(t *testing.T) {
	w := serving(t, newServer(t, mcp.Options{}).Handler())
	w.want("tools/call", `{"name":"create_records","arguments":{"model":"Account","records":[{"owner":"a","balance":1},{"owner":"b","balance":1},{"owner":"c","balance":1,"status":"closed"}]}}`, `"inserted":3`)
	w.want("tools/call", `{"name":"count_records","arguments":{"model":"Account","group_by":"status","sort":"-count"}}`, `"groups":[{"status":"open","count":2},{"status":"closed","count":1}]`)
	w.want("tools/call", `{"name":"count_records","arguments":{"model":"Account","aggregates":{"most":{"$max":"balance"}}}}`, `"groups":[{"most":"1.00"}]`)
}

// A toolset of what only reads has none within it.
func TestReadOnlyIsNoToolsetOfItself(t *testing.T) {
	w := serving(t, newServer(t, mcp.Options{}).Handler())
	w.url += "/readonly/readonly"
	w.want("tools/list", `{}`, `there is no toolset \"readonly/readonly\"`)
}

// Where to sign in is told to whoever asks, and tells nobody which models there
// are.
func TestAnAddressOfAToolsetTellsOfNone(t *testing.T) {
	s := newServer(t, mcp.Options{})
	for path, want := range map[string]bool{
		"/mcp": true, "/mcp/accounts": true, "/mcp/nothing": true, "/mcp/readonly": true, "/mcp/nothing/readonly": true,
		"/mcp/": false, "/mcp//readonly": false, "/mcp/a/b": false, "/mcp/a\"b": false, "/api": false,
	} {
		if got := s.Serves(path); got != want {
			t.Errorf("%s: %v, want %v", path, got, want)
		}
	}
}

func TestAnAgentSeesWhatItMayUse(t *testing.T) {
	owner := func(roles ...string) *dataflow.Rule {
		return &dataflow.Rule{Grants: []dataflow.Grant{{Who: dataflow.WhoRole, Roles: roles}}}
	}
	closed := &dataflow.Workflow{Name: "audit", ReadOnly: true, Access: owner("auditor"),
		Handler: &goFunc{"audit", func(context.Context, dataflow.Handler, *dataflow.Object) (any, error) { return "done", nil }}}
	s := newServer(t, mcp.Options{}, closed)
	as := func(c access.Caller) *wire {
		return serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.Handler().ServeHTTP(w, r.WithContext(mcp.WithCaller(r.Context(), c)))
		}))
	}
	user := dataflow.ObjectOf("id", "u", "roles", []any{"clerk"})
	clerk := as(access.Caller{User: user, Roles: []string{"clerk"}, Key: "user:u"})
	if text := clerk.want("tools/list", `{}`); strings.Contains(text, `"audit"`) {
		t.Error("a tool is listed that may not be called")
	}
	clerk.want("tools/call", `{"name":"audit"}`, `"isError":true`, `forbidden`)
	auditor := as(access.Caller{User: user, Roles: []string{"auditor"}, Key: "user:u"})
	auditor.want("tools/list", `{}`, `"audit"`)
	auditor.want("tools/call", `{"name":"audit"}`, `done`)
}

// A model of which a caller may do nothing is no resource of theirs, and a tool for
// all models that they may use for none is not in their list.
func TestWhatACallerMayNotUseIsNotListed(t *testing.T) {
	app := testApp()
	rule := func(roles ...string) *dataflow.Rule {
		return &dataflow.Rule{Grants: []dataflow.Grant{{Who: dataflow.WhoRole, Roles: roles}}}
	}
	for _, exp := range app.Exposures {
		exp.Model.Access = &dataflow.Access{Paths: []string{exp.Path}, Read: rule("boss")}
		if exp.Model.Name == "Account" {
			exp.Model.Access = &dataflow.Access{Paths: []string{exp.Path}, Read: rule("boss", "clerk"), Create: rule("boss")}
		}
	}
	s := serverOf(t, app, mcp.Options{})
	as := func(role string) *wire {
		c := access.Caller{User: dataflow.ObjectOf("id", "u"), Roles: []string{role}, Key: "user:u"}
		return serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.Handler().ServeHTTP(w, r.WithContext(mcp.WithCaller(r.Context(), c)))
		})).initialized()
	}
	clerk, boss, nobody := as("clerk"), as("boss"), as("guest")
	names := func(w *wire, toolset, method, key string) string {
		t.Helper()
		at := *w
		at.url += toolset
		_, text := at.do(method, "{}")
		var all []string
		for part := range strings.SplitSeq(text, `"`+key+`":"`) {
			name, _, _ := strings.Cut(part, `"`)
			all = append(all, name)
		}
		return strings.Join(all[1:], " ")
	}
	for _, c := range []struct {
		w         *wire
		resources string
		generic   string
	}{
		{clerk, "models Account", "describe_models find_records get_record count_records"},
		{boss, "models Account Note", "describe_models find_records get_record count_records create_records"},
		{nobody, "models", "describe_models"},
	} {
		if got := names(c.w, "", "resources/list", "name"); got != c.resources {
			t.Errorf("resources: %s, want %s", got, c.resources)
		}
		_, text := func() (int, string) { at := *c.w; at.url += "/generic"; return at.do("tools/list", "{}") }()
		for _, tool := range strings.Fields("describe_models find_records get_record count_records create_records update_records upsert_records delete_records") {
			if want := slices.Contains(strings.Fields(c.generic), tool); strings.Contains(text, `"name":"`+tool+`"`) != want {
				t.Errorf("%s is listed: %v, want %v", tool, !want, want)
			}
		}
	}
	boss.want("resources/read", `{"uri":"flowctl://models/Note"}`, `\"title\":\"Note\"`)
	boss.want("resources/subscribe", `{"uri":"flowctl://models/Note"}`, `"result":{}`)
	// As of one that there is not, to the letter.
	for _, method := range []string{"resources/read", "resources/subscribe"} {
		_, there := clerk.do(method, `{"uri":"flowctl://models/Note"}`)
		_, none := clerk.do(method, `{"uri":"flowctl://models/None"}`)
		if !strings.Contains(there, `"error"`) || strings.ReplaceAll(there, "Note", "None") != none {
			t.Errorf("%s: %s\nof one that there is not: %s", method, there, none)
		}
	}
	// Called by name, it answers as ever.
	clerk.want("tools/call", `{"name":"delete_records","arguments":{"model":"Account","ids":[1]}}`, `"isError":true`, `forbidden`)
}

// A key or token that is good, but not for this, is answered by HTTP's own means:
// clients know by them what to ask their user for.
func TestWhatAScopeIsLackingForIsAChallenge(t *testing.T) {
	app, everyone := testApp(), &dataflow.Rule{Grants: []dataflow.Grant{{Who: dataflow.WhoSignedIn}}}
	for _, exp := range app.Exposures {
		exp.Model.Access = &dataflow.Access{Paths: []string{exp.Path}, Read: everyone, Create: everyone, Update: everyone, Delete: everyone}
	}
	s := serverOf(t, app, mcp.Options{Challenge: func(_ *http.Request, e *dataflow.Error) string {
		return `Bearer error="` + e.Code + `", scope="` + access.ScopeOf(e) + `"`
	}}, &dataflow.Workflow{Name: "close", Access: everyone,
		Handler: &goFunc{"close", func(context.Context, dataflow.Handler, *dataflow.Object) (any, error) { return "done", nil }}})
	caller := access.Caller{User: dataflow.ObjectOf("id", "u"), Key: "key:k", Scoped: true, Scopes: []string{"accounts:read"}}
	w := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.Handler().ServeHTTP(w, r.WithContext(mcp.WithCaller(r.Context(), caller)))
	}))
	for _, c := range []struct{ method, params, scope string }{
		{"tools/call", `{"name":"accounts_create","arguments":{}}`, "accounts:write"},
		{"tools/call", `{"name":"close","arguments":{}}`, "workflows:close"},
		{"tools/call", `{"name":"delete_records","arguments":{"model":"Account","ids":[1]}}`, "accounts:write"},
		{"tools/call", `{"name":"find_records","arguments":{"model":"Note"}}`, "notes:read"},
		{"tools/call", `{"name":"accounts_count","arguments":{}}`, ""},
		{"tools/list", `{}`, ""},
	} {
		for _, modern := range []bool{false, true} {
			w.modern = modern
			res := w.send(t.Context(), c.method, c.params)
			text, err := io.ReadAll(res.Body)
			if res.Body.Close(); err != nil {
				t.Fatal(err)
			}
			status, challenge, body := http.StatusOK, "", `"result"`
			if c.scope != "" {
				status, challenge = http.StatusForbidden, `Bearer error="insufficient_scope", scope="`+c.scope+`"`
				body = `"id":7,"error":{"code":-32600,"message":"the key or token is not good for this: it lacks the scope ` + c.scope + `; ask whoever runs the app for one that has it"`
			}
			if got := res.Header.Get("Www-Authenticate"); res.StatusCode != status || got != challenge || !strings.Contains(string(text), body) {
				t.Errorf("modern %v: %s: got %d %q %s\nwant %d %q %s", modern, c.params, res.StatusCode, got, text, status, challenge, body)
			}
		}
	}
	var out strings.Builder // where there is no HTTP it is the tool's own answer
	in := strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"accounts_create","arguments":{}}}` + "\n")
	if err := s.ServeStdio(mcp.WithCaller(t.Context(), caller), in, &out); err != nil {
		t.Fatal(err)
	}
	if got := out.String(); !strings.Contains(got, `"isError":true`) || !strings.Contains(got, `insufficient_scope`) {
		t.Errorf("got %s", got)
	}
}

func TestAWorkflowSaysHowFarItHasCome(t *testing.T) {
	create := func(id, owner string) *dataflow.Node {
		return &dataflow.Node{ID: id, Type: "AccountCreateNode", Config: dataflow.ObjectOf("owner", owner, "balance", int64(1))}
	}
	w := serving(t, newServer(t, mcp.Options{}, &dataflow.Workflow{Name: "twice", Nodes: []*dataflow.Node{create("one", "a"), create("two", "b")}}).Handler())
	s := w.open(w.send(t.Context(), "tools/call", `{"name":"twice","arguments":{},"_meta":{"progressToken":7}}`))
	for _, want := range []string{`"params":{"progressToken":7,"progress":1,"total":2,"message":"`, `"progress":2,"total":2`, `"id":7,"result"`} {
		if got := s.next(); !strings.Contains(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	s.res.Body.Close()
	w.want("tools/call", `{"name":"accounts_count","arguments":{}}`, `{"jsonrpc":"2.0","id":7,"result":{"content"`)
}

// deposits is a handler that opens an account, tells that it has, and goes on
// until it is called off.
func deposits(kept bool, opened chan<- struct{}) *dataflow.Workflow {
	wf := &dataflow.Workflow{Name: "deposits", Handler: &goFunc{"deposits", func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
		for _, owner := range []string{"a", "b"} {
			if _, err := h.Workflow(ctx, "open_account", dataflow.ObjectOf("owner", owner, "deposit", int64(1))); err != nil {
				return nil, err
			}
		}
		if opened == nil {
			return "done", nil
		}
		close(opened)
		<-ctx.Done()
		return nil, ctx.Err()
	}}}
	if kept {
		wf.Durable = &kept
	}
	return wf
}

func TestAHandlerSaysHowFarItHasCome(t *testing.T) {
	for _, kept := range []bool{false, true} {
		w := serving(t, newServer(t, mcp.Options{}, deposits(kept, nil)).Handler())
		s := w.open(w.send(t.Context(), "tools/call", `{"name":"deposits","arguments":{},"_meta":{"progressToken":"p"}}`))
		for _, want := range []string{`"params":{"progressToken":"p","progress":1,"message":"`, `"progressToken":"p","progress":2,`, `"structuredContent":{"result":"done"}`} {
			if got := s.next(); !strings.Contains(got, want) {
				t.Errorf("kept %v: got %s, want %s", kept, got, want)
			}
		}
		s.res.Body.Close()
	}
}

// A durable run survives everything but its client's wish: whoever calls off the
// call that began it, in the way of the revision, cancels it.
func TestARunIsCancelledWithTheCallThatBeganIt(t *testing.T) {
	for _, modern := range []bool{false, true} {
		opened := make(chan struct{})
		w := serving(t, newServer(t, mcp.Options{}, deposits(true, opened)).Handler())
		if w.modern = modern; !modern {
			w = w.initialized()
		}
		ctx, leave := context.WithCancel(t.Context())
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			meta := ""
			if modern {
				meta = `,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}`
			}
			res, err := w.try(ctx, http.MethodPost, `{"jsonrpc":"2.0","id":"long","method":"tools/call","params":{"name":"deposits","arguments":{}`+meta+`}}`, "tools/call", `{"name":"deposits"}`)
			if err == nil {
				res.Body.Close()
			}
		}()
		<-opened
		if modern {
			leave()
		} else {
			w.do("notifications/cancelled", `{"requestId":"long"}`)
		}
		<-answered
		until(t, func() bool {
			_, text := w.do("tools/call", `{"name":"list_runs","arguments":{}}`)
			return strings.Contains(text, `"status":"cancelled"`)
		})
		leave()
	}
}

// until waits for something to come about.
func until(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); {
		if time.Now().After(end) {
			t.Fatal("it has not come about within a minute")
		}
		runtime.Gosched()
	}
}

// Of a reload a client is told once, and only if it gives it other tools: by
// name, by a description or a schema alone, or by who may use them.
func TestWhatAReloadIsToldFor(t *testing.T) {
	role := func(name string) *dataflow.Rule {
		return &dataflow.Rule{Grants: []dataflow.Grant{{Who: dataflow.WhoRole, Roles: []string{name}}}}
	}
	hub := mcp.NewHub(mcp.HubOptions{})
	var current atomic.Pointer[mcp.Server]
	swap := func(change func(app *dataflow.App, audit *dataflow.Workflow)) {
		app := testApp()
		audit := &dataflow.Workflow{Name: "audit", ReadOnly: true, Access: role("auditor"),
			Handler: &goFunc{"audit", func(context.Context, dataflow.Handler, *dataflow.Object) (any, error) { return "done", nil }}}
		change(app, audit)
		s := serverOf(t, app, mcp.Options{Hub: hub}, audit)
		current.Store(s)
		hub.Swap(s)
	}
	same := func(*dataflow.App, *dataflow.Workflow) {}
	swap(same)
	as := func(roles ...string) *stream {
		c := access.Caller{User: dataflow.ObjectOf("id", "u"), Roles: roles, Key: "user:u"}
		w := serving(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			current.Load().Handler().ServeHTTP(w, r.WithContext(mcp.WithCaller(r.Context(), c)))
		}))
		return w.initialized().listen()
	}
	clerk, auditor := as("clerk"), as("auditor")
	const tools = `{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}`
	const prompts = `{"jsonrpc":"2.0","method":"notifications/prompts/list_changed"}`
	told := func(what string, s *stream, want ...string) {
		t.Helper()
		for _, w := range want {
			if got := s.next(); got != w {
				t.Errorf("%s: told %q, want %q", what, got, w)
			}
		}
	}
	swap(same) // of which nobody hears: what they hear next is of the next one
	swap(func(_ *dataflow.App, audit *dataflow.Workflow) { audit.Access = role("clerk") })
	told("other rules", clerk, tools)
	told("other rules", auditor, tools)
	both := func(app *dataflow.App, audit *dataflow.Workflow) {
		audit.Access, app.Workflows[0].Doc = role("clerk"), "Opens it."
	}
	swap(both)
	told("another description", clerk, tools)
	told("another description", auditor, tools)
	swap(func(app *dataflow.App, audit *dataflow.Workflow) {
		both(app, audit)
		app.Workflows[0].Input[0].Optional = true
	})
	told("another schema", clerk, tools)
	told("another schema", auditor, tools)
	swap(func(app *dataflow.App, audit *dataflow.Workflow) {
		both(app, audit)
		app.Workflows[0].Input[0].Optional = true
		app.Prompts = []*dataflow.Prompt{{Name: "p", Text: "x"}}
	})
	told("a prompt", clerk, prompts)
	told("a prompt", auditor, prompts)
}

// What models get wrong is answered with what to write instead.
func TestMistakesAreAnsweredWithTheNextStep(t *testing.T) {
	w := serving(t, newServer(t, mcp.Options{}).Handler())
	for _, c := range []struct{ tool, args, want string }{
		{"find_records", `{"model":"Account","limit":"10"}`, `"hint":"write it without quotes: 10"`},
		{"find_records", `{"model":"Account","filter":"{\"owner\":\"a\"}"}`, `"hint":"give the JSON itself, not a text that holds it"`},
		{"find_records", `{"model":"Account","fields":"owner"}`, `"hint":"put it into a list: [\"owner\"]"`},
		{"find_records", `{"model":"Acount"}`, `"hint":"did you mean \"Account\"?"`},
		{"find_records", `{"model":"accounts"}`, `"hint":"did you mean \"Account\"?"`},
		{"find_records", `{"model":"Unheard"}`, `"hint":"describe_models names those there are"`},
		{"find_records", `{}`, `"detail":"model is required: the model"`},
		{"update_records", `{"model":"Note","ids":[1],"fields":{"text":"x"}}`, `"hint":"Note does not allow this; its operations are create, list, aggregate"`},
		{"create_records", `{"model":"Account"}`, `"pointer":"/records","detail":"records is required: the records"`},
		{"create_records", `{"model":"Account","records":{"owner":"a"}}`, `"hint":"put it into a list: [ … ]"`},
		{"create_records", `{"model":"Account","records":[{"owner":"a","balance":1,"serial":"7"}]}`, `"pointer":"/records/0/serial","detail":"must be a whole number, not a string","hint":"write it without quotes: 7"`},
		{"accounts_read", `"{\"id\":1}"`, `"hint":"give the JSON itself, not a text that holds it"`},
		{"accounts_read", `{"id":9}`, `"hint":"find the row with accounts_list, and call again with its id"`},
		{"update_records", `{"model":"Account","ids":[1],"version":1,"fields":{"serial":7}}`, `"pointer":"/version","detail":"Account keeps no versions","hint":"leave it out"`},
		{"update_records", `{"model":"Account","ids":[1],"records":[{"id":1,"serial":7}]}`, `"pointer":"/ids","detail":"can't go with records"`},
		{"delete_records", `{"model":"Account","ids":[9],"dry_run":"true"}`, `"hint":"write it without quotes: true"`},
	} {
		_, text := w.do("tools/call", `{"name":"`+c.tool+`","arguments":`+c.args+`}`)
		var got struct {
			Result struct {
				IsError bool
				Content []struct{ Text string }
			}
		}
		if err := json.Unmarshal([]byte(text), &got); err != nil || len(got.Result.Content) != 1 || !got.Result.IsError {
			t.Errorf("%s %s: got %s", c.tool, c.args, text)
		} else if said := got.Result.Content[0].Text; !strings.Contains(said, c.want) {
			t.Errorf("%s %s\ngot  %s\nwant %s", c.tool, c.args, said, c.want)
		}
	}
	for _, c := range []struct{ set, hint string }{
		{"/all", "see with accounts_list which rows of Account there are, and call again"},
		{"", "see with find_records which rows of Account there are, and call again"},
		{"/workflows", "find out which Account there is, and call again"},
	} {
		in := *w
		in.url += c.set
		in.want("tools/call", `{"name":"withdraw","arguments":{"owner":"nobody"}}`, c.hint)
	}
	w.want("tools/call", `{"name":"nothing"}`, `there is no tool \"nothing\"; tools/list names those there are`)
	for cursor, want := range map[string]string{`"x"`: "x", `0`: "0", `["0"]`: `[\"0\"]`} {
		w.want("tools/list", `{"cursor":`+cursor+`}`, `the cursor \"`+want+`\" is not one that the server gave; begin again without it`)
	}
	w.want("tools/list", `{"cursor":null}`, `"name":"find_records"`)
}

// A completion names what there is, and counts only what it has counted.
func TestCompletion(t *testing.T) {
	app := testApp()
	db := app.Databases[0]
	ticket := testModel(db, "Ticket", "tickets", &dataflow.Field{Name: "text", Type: dataflow.String})
	ticket.Fields[0].Type = &dataflow.Type{Kind: dataflow.KindUUID}
	ticket.Seal()
	app.Exposures = append(app.Exposures, &dataflow.Exposure{Model: ticket, Path: "tickets", Ops: dataflow.Ops()})
	app.Prompts = []*dataflow.Prompt{{Name: "explain", Text: "${input.state}", Args: []*dataflow.Field{
		{Name: "state", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"open", "closed"}}},
		{Name: "account", Type: &dataflow.Type{Kind: dataflow.KindRef, Model: app.Exposures[0].Model}}}}}
	w := serving(t, serverOf(t, app, mcp.Options{}).Handler())
	var rows []string
	for i := range 120 {
		rows = append(rows, fmt.Sprintf(`{"owner":"o%d","balance":1}`, i))
	}
	w.want("tools/call", `{"name":"accounts_bulk_create","arguments":{"data":[`+strings.Join(rows, ",")+`]}}`, `"inserted":120`)
	w.want("tools/call", `{"name":"tickets_create","arguments":{"text":"x"}}`, `"id":"0`)
	prompt := func(arg, typed string) string {
		return `{"ref":{"type":"ref/prompt","name":"explain"},"argument":{"name":"` + arg + `","value":"` + typed + `"}}`
	}
	resource := func(uri, model, arg, typed string) string {
		return `{"ref":{"type":"ref/resource","uri":"` + uri + `"},"argument":{"name":"` + arg + `","value":"` + typed + `"},"context":{"arguments":{"model":"` + model + `"}}}`
	}
	const record = "flowctl://models/{model}/records/{id}"
	for _, c := range []struct{ params, want string }{
		{prompt("state", "O"), `{"completion":{"values":["open"],"total":1,"hasMore":false}}`},
		{prompt("account", ""), `"99","100"],"hasMore":true}}`},
		{prompt("account", "3"), `{"completion":{"values":["3","30","31","32","33","34","35","36","37","38","39"],"total":11,"hasMore":false}}`},
		{prompt("account", "12"), `{"completion":{"values":["12","120"],"total":2,"hasMore":false}}`},
		{prompt("account", "119"), `{"completion":{"values":["119"],"total":1,"hasMore":false}}`},
		{prompt("account", "9223372036854775807"), `{"completion":{"values":[],"total":0,"hasMore":false}}`},
		{prompt("account", "x"), `{"completion":{"values":[],"total":0,"hasMore":false}}`},
		{prompt("stat", ""), `"code":-32602,"message":"the prompt explain has no argument \"stat\"; did you mean \"state\"?"`},
		{resource(record, "", "model", "acc"), `"values":["Account"]`},
		{resource(record, "Account", "id", "12"), `"values":["12","120"]`},
		{resource(record, "Ticket", "id", "0"), `"total":1,"hasMore":false`},
		{resource(record, "Ticket", "id", "00000000-"), `"total":1,"hasMore":false`},
		{resource(record, "Ticket", "id", "f"), `{"values":[],"total":0,"hasMore":false}`},
		{resource("flowctl://nothing/{id}", "", "id", ""), `there is no resource template \"flowctl://nothing/{id}\"; resources/templates/list names those there are`},
		{resource("flowctl://models/{model}/record/{id}", "", "id", ""), `there is no resource template \"flowctl://models/{model}/record/{id}\"; did you mean \"flowctl://models/{model}/records/{id}\"?`},
	} {
		w.want("completion/complete", c.params, c.want)
	}
}

// Whatever is called by a name that there is not, the answer is the protocol's
// error, and says which was meant, or where the names are.
func TestAWrongNameIsToldTheRightOne(t *testing.T) {
	app := testApp()
	app.Prompts = []*dataflow.Prompt{{Name: "explain", Text: "x", Args: nil}}
	w := serving(t, serverOf(t, app, mcp.Options{Extension: mcp.Extension{Resources: []mcp.Resource{{URI: "notes://today", Name: "today"}}}}).Handler())
	for _, c := range []struct{ method, params, want string }{
		{"tools/call", `{"name":"account_list"}`, `"code":-32602,"message":"there is no tool \"account_list\"; did you mean \"accounts_list\"?"`},
		{"tools/call", `{"name":"find_record"}`, `"code":-32602,"message":"there is no tool \"find_record\"; did you mean \"find_records\"?"`},
		{"tools/call", `{"name":"accounts_list","arguments":{"filtre":{"owner":"a"}}}`, `did you mean \\\"filter\\\"?`},
		{"tools/call", `{"name":"accounts_create","arguments":{"ownr":"a","balance":1}}`, `did you mean \\\"owner\\\"?`},
		{"prompts/get", `{"name":"explian"}`, `"code":-32602,"message":"there is no prompt \"explian\"; did you mean \"explain\"?"`},
		{"prompts/get", `{"name":"summarise"}`, `"code":-32602,"message":"there is no prompt \"summarise\"; prompts/list names those there are"`},
		{"resources/read", `{"uri":"flowctl://model"}`, `"code":-32002,"message":"there is no resource \"flowctl://model\"; did you mean \"flowctl://models\"?"`},
		{"resources/read", `{"uri":"flowctl://models/Acount"}`, `there is no resource \"flowctl://models/Acount\"; did you mean \"flowctl://models/Account\"?`},
		{"resources/read", `{"uri":"flowctl://models/Acount/records/7"}`, `did you mean \"flowctl://models/Account/records/7\"?`},
		{"resources/read", `{"uri":"flowctl://models/Account/records/7"}`, `the model has no such row, or none that you may read`},
		{"resources/read", `{"uri":"flowctl://models/accounts/records/7"}`, `the model has no such row, or none that you may read`},
		{"resources/read", `{"uri":"flowctl://modles/Account"}`, `did you mean \"flowctl://models/Account\"?`},
		{"resources/read", `{"uri":"flowctl://models/Zebra/records/7"}`, `resources/list and resources/templates/list name those there are`},
		{"resources/read", `{"uri":"note://today"}`, `did you mean \"notes://today\"?`},
		{"resources/read", `{"uri":"file:///etc/passwd"}`, `resources/list and resources/templates/list name those there are`},
	} {
		w.want(c.method, c.params, c.want)
	}
	w.modern = true
	w.want("resources/read", `{"uri":"flowctl://models/Acount"}`, `"code":-32602,"message":"there is no resource \"flowctl://models/Acount\"; did you mean \"flowctl://models/Account\"?"`)
}

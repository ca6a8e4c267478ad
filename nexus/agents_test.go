package nexus_test

import (
	"bufio"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
)

// agentStream sends a message of MCP and reads the messages of the stream that
// answers it, or that the method GET opens.
func agentStream(t *testing.T, method, url, body string, header map[string]string) (next func() string, res *http.Response) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json, text/event-stream")
	for name, v := range header {
		req.Header.Set(name, v)
	}
	if res, err = http.DefaultClient.Do(req); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	r := bufio.NewReader(res.Body)
	return func() string {
		for {
			line, err := r.ReadString('\n')
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				return strings.TrimSpace(data)
			}
			if err != nil {
				return ""
			}
		}
	}, res
}

// A client's session and its streams go on through reloads. It is told once of
// each that gives it other tools, and of none that does not; and no stream holds
// up a generation's end or the server's.
func TestAgentsHearOfAReloadOnce(t *testing.T) {
	dir := t.TempDir()
	app := func(rename string) *dataflow.App {
		a := apptest.Shop("sqlite:" + filepath.Join(dir, "shop.db"))
		a.Workflows[0].Name = rename
		return a
	}
	first := build(t, app("one"), nexus.Options{})
	srv, stop := started(t, first, time.Minute)
	_, at := srv.URLs()
	_, res := agentStream(t, http.MethodPost, at, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}}`, nil)
	early, _ := agentStream(t, http.MethodGet, at, "", map[string]string{"Mcp-Session-Id": res.Header.Get("Mcp-Session-Id")})
	modern, _ := agentStream(t, http.MethodPost, at, `{"jsonrpc":"2.0","id":1,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},
		"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`,
		map[string]string{"Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": "subscriptions/listen"})
	if got := modern(); !strings.Contains(got, "acknowledged") {
		t.Fatal(got)
	}
	for _, name := range []string{"one", "two", "two", "three"} {
		next, ds := nexus.Build(t.Context(), app(name), nexus.Options{Shared: srv.Shared()})
		if next == nil {
			t.Fatal(diagnostics(ds))
		}
		if err := srv.Swap(next).Close(); err != nil { // which waits for no stream
			t.Error(err)
		}
	}
	// Of "one" and of the second "two" there was nothing to tell. What came while
	// nobody was looking is told once.
	for _, next := range []func() string{early, modern} {
		if got := next(); !strings.Contains(got, "notifications/tools/list_changed") {
			t.Errorf("got %s", got)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- stop() }()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	for name, next := range map[string]func() string{"early": early, "modern": modern} {
		told := 0
		for got := next(); got != ""; got = next() {
			if strings.Contains(got, "list_changed") {
				told++
			}
		}
		if told > 1 {
			t.Errorf("%s: told %d times more of the reloads that changed its tools, want at most once", name, told)
		}
	}
}

//go:build unix

package main

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
)

// Within a test nothing comes of a limit by the day. That a cache stands in front
// of the database makes no difference.
const limitedApp = `
db = DataFlow(database_url = env("DATABASE_URL"), cache_enabled = True)
Note = db.model("Note", {"text": str})
app = Nexus(rate_limit_config = {
    "models": {"Note": {"create": "10/day"}},
    "workflows": {"few": "10/day", "many": {"rate": "200/s", "burst": 1000}},
})
app.expose(Note)
app.handler("few", lambda ctx: {})
app.handler("many", lambda ctx: {})
app.start()
`

// passes reports whether a request gets past the limits.
func passes(t *testing.T, c *http.Client, url, body string) bool {
	t.Helper()
	a, err := ask(c, http.MethodPost, url, body, "")
	if err != nil {
		t.Fatal(err)
	}
	if a.status == http.StatusTooManyRequests && (a.retryAfter == "" || !strings.Contains(a.body, "rate_limited")) {
		t.Errorf("refused by %v", a)
	}
	return a.status != http.StatusTooManyRequests
}

// toolPasses is passes for a tool of MCP.
func toolPasses(t *testing.T, p *serverProcess, tool string, args map[string]any) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.NewStreamableHttpClient(p.mcp)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Initialize(ctx, mcp.InitializeRequest{}); err != nil {
		t.Fatal(err)
	}
	var req mcp.CallToolRequest
	req.Params.Name, req.Params.Arguments = tool, args
	res, err := c.CallTool(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprint(res.Content); res.IsError && !strings.Contains(text, "rate_limited") {
		t.Errorf("refused by %s", text)
	}
	return !res.IsError
}

// TestProcessesShareLimits: what one process lets pass counts in the other one,
// on every channel; without the database each goes on by itself, and they come
// together again.
func TestProcessesShareLimits(t *testing.T) {
	pg := pgtest.Start(t, "", nil)
	app := writeApp(t, limitedApp)
	c := newClient(t, 8)
	a := serveApp(t, app, "DATABASE_URL="+pg.URL())
	b := serveApp(t, app, "DATABASE_URL="+pg.URL())

	passed := 0
	count := func(n int, ok bool) {
		if ok {
			passed += n
		}
	}
	const batch = `{"operations": [{"model": "notes", "op": "create", "args": {"text": "x"}}, {"model": "notes", "op": "create", "args": {"text": "y"}}]}`
	for _, p := range []*serverProcess{a, b, a} {
		count(1, passes(t, c, p.api+"/api/notes", `{"text": "z"}`))
		count(2, passes(t, c, p.api+"/api/batch", batch))
		count(1, toolPasses(t, p, "notes_create", map[string]any{"text": "w"}))
	}
	if passed != 10 || pgValue(t, pg.URL(), `SELECT count(*)::text FROM notes`) != "10" {
		t.Errorf("%d notes were let in by both, want 10", passed)
	}
	for _, p := range []*serverProcess{a, b} {
		if passes(t, c, p.api+"/api/notes", `{"text": "z"}`) || toolPasses(t, p, "notes_create", map[string]any{"text": "w"}) {
			t.Error("one more was let in")
		}
	}
	if kept := pgValue(t, pg.URL(), `SELECT string_agg(id, ' ') FROM _flow_limits`); kept == "" || strings.Contains(kept, "127.0.0") {
		t.Errorf("the limits are kept as %q", kept)
	}

	few := func(p *serverProcess, n int) (passed int) {
		for range n {
			if passes(t, c, p.api+"/workflows/few/execute", `{"inputs": {}}`) {
				passed++
			}
		}
		return passed
	}
	if x, y := few(a, 4), few(b, 3); x != 4 || y != 3 {
		t.Fatalf("%d and %d were let in, want 4 and 3", x, y)
	}
	pg.Stop(syscall.SIGINT)
	if x, y := few(a, 20), few(b, 20); x != 6 || y != 3 { // what each knew there was
		t.Errorf("without the database %d and %d were let in, want 6 and 3", x, y)
	}
	pg.Start()
	back := 0
	for _, p := range []*serverProcess{a, b} {
		var log string
		await(t, "the limits are shared again", func() bool {
			back += few(p, 1)
			_, said := p.output() // since it was asked last
			log += said
			return strings.Contains(log, "rate limits are shared with other processes again")
		})
		if strings.Count(log, "rate limits are not shared with other processes for now") != 1 {
			t.Errorf("the log is\n%s", log)
		}
	}
	if back += few(a, 10) + few(b, 10); back != 3 { // what the database knew there was
		t.Errorf("with the database %d were let in, want 3", back)
	}
}

// TestProcessesShareALargeLimit: together they let pass what the limit lets pass,
// give and take the 50th that each may hold.
func TestProcessesShareALargeLimit(t *testing.T) {
	if err := pgtest.Missing(); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: %v", err)
	}
	app, url := writeApp(t, limitedApp), pgtest.URL(t)
	c := newClient(t, 8)
	began := time.Now()
	const rate, burst, hold, asked = 200, 1000, 2 * 1000 / 50, 1600
	var passed atomic.Int64
	var clients sync.WaitGroup
	for range 2 {
		p := serveApp(t, app, "DATABASE_URL="+url)
		for range 2 {
			clients.Go(func() {
				for range asked / 4 {
					if passes(t, c, p.api+"/workflows/many/execute", `{"inputs": {}}`) {
						passed.Add(1)
					}
				}
			})
		}
	}
	clients.Wait()
	most := burst + int(time.Since(began).Seconds()*rate) + hold
	if n := int(passed.Load()); n > most || n < burst-hold {
		t.Errorf("%d of %d were let in, want %d at most and %d at least", n, asked, most, burst-hold)
	}
}

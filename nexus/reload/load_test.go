package reload_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
	"github.com/flowctl/flowctl/nexus/reload"
	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/mcp"
)

// patience is longer than anything here takes.
const patience = 60 * time.Second

// served is an app of a file that says in a line what the app is, served and
// reloaded.
type served struct {
	t       *testing.T
	dir     string
	url     string // of its database
	api     string
	mcp     string
	results chan reload.Result
	now     chan os.Signal
	stop    func() // and waits until everything is closed

	change  func(*dataflow.App)       // makes another of it; nil: none
	clock   func() time.Time          // nil: that of the machine
	loading func(ctx context.Context) // is called before the app is loaded again
}

// shopOf makes the app of a file: its number, and how many fields the product
// has more; a third word has it hurry. "broken" is none.
func shopOf(url string, texts map[string]string) (*dataflow.App, []dataflow.Diagnostic) {
	words := strings.Fields(texts["app.txt"])
	if len(words) == 0 || words[0] == "broken" {
		return nil, []dataflow.Diagnostic{{Code: "FC001", Message: "it is broken", Span: dataflow.Span{File: "app.txt"}}}
	}
	app := apptest.Shop(url)
	app.Server.Name = words[0]
	if len(words) > 1 {
		more, _ := strconv.Atoi(words[1])
		product := app.Databases[0].Models[2]
		for i := range more {
			product.Fields = append(product.Fields, apptest.Field("more"+strconv.Itoa(i), dataflow.Int, apptest.Optional))
		}
		product.Seal()
	}
	if len(words) > 2 { // it waits no longer than this for locks of others
		app.Databases[0].Options.MigrationLockTimeout = 100 * time.Millisecond
	}
	return app, nil
}

func (s *served) shop(texts map[string]string) (*dataflow.App, []dataflow.Diagnostic) {
	app, ds := shopOf(s.url, texts)
	if app != nil && s.change != nil {
		s.change(app)
	}
	return app, ds
}

func (s *served) load(ctx context.Context, files fs.FS) reload.Loaded {
	if s.loading != nil && s.stop != nil {
		s.loading(ctx)
	}
	text, err := fs.ReadFile(files, "app.txt")
	if err != nil {
		return reload.Loaded{Diagnostics: []dataflow.Diagnostic{{Code: "FC110", Message: "there is no app.txt"}}}
	}
	texts := map[string]string{"app.txt": string(text)}
	app, diags := s.shop(texts)
	return reload.Loaded{App: app, Diagnostics: diags, Options: nexus.Options{Dir: s.dir, Now: s.clock,
		Source: durable.Source{Main: "app.txt", Files: texts},
		Load: func(_ context.Context, src durable.Source) (*dataflow.App, []dataflow.Diagnostic) {
			return s.shop(src.Files)
		}}}
}

// save puts another file in the place of the app's, as editors do.
func (s *served) save(text string) {
	s.t.Helper()
	temp := filepath.Join(s.dir, ".app.txt.tmp")
	if err := os.WriteFile(temp, []byte(text), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Rename(temp, filepath.Join(s.dir, "app.txt")); err != nil {
		s.t.Fatal(err)
	}
}

// result waits for the outcome of the next reload.
func (s *served) result() reload.Result {
	s.t.Helper()
	select {
	case r := <-s.results:
		return r
	case <-time.After(patience):
		s.t.Fatal("nothing was reloaded")
		panic("unreachable")
	}
}

func serve(t *testing.T, url, text string, with ...func(*served)) *served {
	t.Helper()
	s := &served{t: t, dir: t.TempDir(), url: url, results: make(chan reload.Result, 1000), now: make(chan os.Signal)}
	for _, set := range with {
		set(s)
	}
	s.save(text)
	var first reload.Loaded
	seen, err := reload.Read(s.dir, func(files fs.FS) { first = s.load(t.Context(), files) })
	if err != nil {
		t.Fatal(err)
	}
	gen, ds := nexus.Build(t.Context(), first.App, first.Options)
	if gen == nil {
		t.Fatal(ds)
	}
	srv, ds := nexus.Listen(gen, first.Options)
	if srv == nil {
		t.Fatal(ds)
	}
	s.api, s.mcp = srv.URLs()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	s.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(s.stop)
	reloads := reload.Begin(reload.Options{Dir: s.dir, Server: srv, Load: s.load, First: first, Seen: seen, Watch: true, Now: s.now,
		Report: func(r reload.Result) { s.results <- r }})
	wg.Go(func() {
		if err := srv.Serve(ctx, patience); err != nil {
			t.Error(err)
		}
	})
	wg.Go(func() {
		if err := reloads(ctx); err != nil {
			t.Error(err)
		}
	})
	return s
}

// ask makes a request and returns its answer, which must have the status.
func ask(c *http.Client, method, url, body string, status int) (map[string]any, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != status {
		return nil, fmt.Errorf("%s %s: %d %s", method, url, res.StatusCode, text)
	}
	var v map[string]any
	return v, json.Unmarshal(text, &v)
}

func (s *served) ask(method, path, body string, status int) map[string]any {
	s.t.Helper()
	v, err := ask(http.DefaultClient, method, s.api+path, body, status)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

const (
	reloads = 200
	clients = 8
)

// What is saved 200 times under load fails no request, loses no write, doubles
// none, cuts no stream and leaves nothing behind; a run that waited all the
// while ends as the app that it began with says.
func TestReloadsUnderLoadFailNoRequest(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { underLoad(t, "sqlite:"+filepath.Join(t.TempDir(), "shop.db")) })
	t.Run("postgres", func(t *testing.T) {
		if err := pgtest.Missing(); err != nil {
			t.Skipf("SKIPPED, NOT TESTED: %v", err)
		}
		underLoad(t, pgtest.URL(t))
	})
}

func underLoad(t *testing.T, url string) {
	s := serve(t, url, "0 0")
	waiting := s.ask("POST", "/workflows/approve/execute", `{"inputs": {"id": 1}}`, http.StatusAccepted)["run_id"].(string)
	s.ask("POST", "/api/customers", `{"email": "first@example.com", "name": "first"}`, http.StatusCreated)
	s.save("1 0") // what is made once is made before things are counted
	s.result()
	before := runtime.NumGoroutine()

	events, err := http.NewRequestWithContext(t.Context(), "GET", s.api+"/runs/"+waiting+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	events.Header.Set("Accept", "text/event-stream")
	stream, err := http.DefaultClient.Do(events)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()

	var customers, orders atomic.Int64
	customers.Store(1)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	turns := make(chan struct{}, clients)
	for i := range clients {
		wg.Go(func() {
			defer cancel() // where one fails all end
			if err := s.client(ctx, i, turns, &customers, &orders); err != nil {
				t.Error(err)
			}
		})
	}
	for n := range reloads {
		for range clients {
			select {
			case turns <- struct{}{}:
			default: // they are busy with those before
			}
		}
		s.save(fmt.Sprint(n+2, n*4/reloads))
		if r := s.result(); r.Outcome != reload.Served || r.Generation != n+3 {
			t.Errorf("reload %d: outcome %d, generation %d: %v", n, r.Outcome, r.Generation, r.Diagnostics)
		}
		if ctx.Err() != nil {
			break
		}
	}
	cancel()
	wg.Wait()

	for path, want := range map[string]int64{"/api/customers/count": customers.Load(), "/api/orders/count": orders.Load()} {
		if got := s.ask("POST", path, `{}`, http.StatusOK)["count"]; got != float64(want) {
			t.Errorf("%s: %v, want %d", path, got, want)
		}
	}
	s.ask("POST", "/runs/"+waiting+"/signal", `{"name": "approval"}`, http.StatusAccepted)
	last := ""
	for lines := bufio.NewScanner(stream.Body); lines.Scan(); {
		if status, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			last = status
		}
	}
	if last != "completed" {
		t.Errorf("the stream of a run that began before all reloads ended with %q", last)
	}
	stream.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	settles(t, func() (string, bool) {
		n := runtime.NumGoroutine()
		return fmt.Sprintf("%d goroutines, %d before %d reloads", n, before, reloads), n <= before+10
	})
	s.stop()
}

// settles waits for what is on its way.
func settles(t *testing.T, ok func() (string, bool)) {
	t.Helper()
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	late := time.After(patience)
	for {
		what, done := ok()
		if done {
			return
		}
		select {
		case <-look.C:
		case <-late:
			var stacks bytes.Buffer
			_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
			t.Fatalf("%s\n%s", what, stacks.String())
		}
	}
}

// client calls the app in every way, a round for each turn, until ctx is done.
func (s *served) client(ctx context.Context, i int, turns <-chan struct{}, customers, orders *atomic.Int64) error {
	c := &http.Client{Transport: &http.Transport{}, Timeout: patience}
	defer c.CloseIdleConnections()
	tools, err := client.NewStreamableHttpClient(s.mcp)
	if err != nil {
		return err
	}
	defer tools.Close()
	if err := tools.Start(context.Background()); err != nil {
		return err
	}
	if _, err := tools.Initialize(context.Background(), mcp.InitializeRequest{}); err != nil {
		return err
	}
	for n := 0; ; n++ {
		select {
		case <-turns:
		case <-ctx.Done():
			return nil
		}
		email := fmt.Sprintf("%d.%d@example.com", i, n)
		made, err := ask(c, "POST", s.api+"/api/customers", fmt.Sprintf(`{"email": %q, "name": "x"}`, email), http.StatusCreated)
		if err != nil {
			return err
		}
		customers.Add(1)
		if _, err := ask(c, "GET", fmt.Sprintf("%s/api/customers/%.0f", s.api, made["id"]), "", http.StatusOK); err != nil {
			return err
		}
		for _, wf := range []string{"place_order", "keep_order"} {
			if _, err := ask(c, "POST", s.api+"/workflows/"+wf+"/execute", fmt.Sprintf(`{"inputs": {"email": %q, "total": "1.00"}}`, email), http.StatusOK); err != nil {
				return err
			}
			orders.Add(1)
		}
		var req mcp.CallToolRequest
		req.Params.Name, req.Params.Arguments = "find_customer", map[string]any{"id": made["id"]}
		if res, err := tools.CallTool(context.Background(), req); err != nil || res.IsError {
			return fmt.Errorf("find_customer: %v %v", res, err)
		}
	}
}

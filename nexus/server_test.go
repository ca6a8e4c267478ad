package nexus_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
	"github.com/google/go-cmp/cmp"
)

// diagnostics renders what an author would be told.
func diagnostics(ds []dataflow.Diagnostic) string {
	var b strings.Builder
	for _, d := range ds {
		fmt.Fprintf(&b, "%s: %s %s: %s\n", d.Span, d.Severity, d.Code, d.Message)
		for _, r := range d.Related {
			fmt.Fprintf(&b, "\t%s: %s\n", r.Span, r.Message)
		}
		if d.Hint != "" {
			fmt.Fprintf(&b, "\t%s\n", d.Hint)
		}
	}
	return b.String()
}

func shop(t *testing.T) *dataflow.App {
	return apptest.Shop("sqlite:" + filepath.Join(t.TempDir(), "shop.db"))
}

func build(t *testing.T, app *dataflow.App, o nexus.Options) *nexus.Generation {
	t.Helper()
	gen, ds := nexus.Build(t.Context(), app, o)
	if gen == nil {
		t.Fatal(diagnostics(ds))
	}
	t.Cleanup(func() { gen.Close() })
	return gen
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name   string
		change func(app *dataflow.App)
		want   string
	}{
		{"nothing is wrong", func(*dataflow.App) {}, ""},
		{"PostgreSQL", func(app *dataflow.App) { app.Databases[0].URL = "postgres://ada:secret@db/shop" }, ""},
		{"a password that breaks its URL", func(app *dataflow.App) { app.Databases[0].URL = "postgres://ada:sec/ret@db/shop" }, `app.star:2:1: error FC601: the URL can't be read: characters such as @ : / ? # and % in a user's name or password are written as %40 %3A %2F %3F %23 and %25
	write database_url = "postgres://user:password@host:5432/database", or take it from the environment: env("DATABASE_URL")
`},
		{"a mistyped engine", func(app *dataflow.App) { app.Databases[0].URL = "sqlit:shop.db" }, `app.star:2:1: error FC701: no database engine answers to "sqlit:"
	did you mean "sqlite:"?
`},
		{"no engine", func(app *dataflow.App) { app.Databases[0].URL = "secret" }, `app.star:2:1: error FC701: database_url has no scheme that says which engine it is for
	write database_url = "sqlite:app.db" for a file beside the app, or "postgres://user@host/name"
`},
		{"no URL, as the loader has said", func(app *dataflow.App) { app.Databases[0].URL = "" }, ""},
		{"no URL, built in Go", func(app *dataflow.App) {
			app.Databases[0].URL, app.Databases[0].Span, app.Databases[0].Spans = "", dataflow.Span{}, nil
		}, `<unknown>: error FC701: database_url has no scheme that says which engine it is for
	write database_url = "sqlite:app.db" for a file beside the app, or "postgres://user@host/name"
`},
		{"two at one path, told once", func(app *dataflow.App) {
			app.Exposures[1].Path, app.Exposures[1].Span = "customers", dataflow.Span{}
			app.Exposures[0].Span = dataflow.Span{}
		}, `<unknown>: error FC452: Customer and Order are both exposed at "customers"
	give one of them another path
`},
		{"one port", func(app *dataflow.App) { app.Server.APIPort, app.Server.MCPPort = 8000, 8000 }, `app.star:52:1: error FC704: api_port and mcp_port are both 8000
	app.star:51:1: api_port
	give each a port of its own
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			app := apptest.Shop("sqlite:shop.db")
			tt.change(app)
			if diff := cmp.Diff(tt.want, diagnostics(nexus.Check(app, nexus.Options{}))); diff != "" {
				t.Errorf("Check (-want +got)\n%s", diff)
			}
			if tt.want == "" {
				return
			}
			gen, ds := nexus.Build(t.Context(), app, nexus.Options{Dir: t.TempDir()})
			if diff := cmp.Diff(tt.want, diagnostics(ds)); gen != nil || diff != "" {
				t.Errorf("Build: %v (-want +got)\n%s", gen, diff)
			}
		})
	}
}

// opener counts what is open, and refuses what it is told to.
type opener struct {
	store.Opener
	scheme string
	open   *atomic.Int64
	refuse bool
}

func (o opener) Schemes() []string { return []string{o.scheme} }

func (o opener) Open(_ context.Context, db *dataflow.Database, _ store.Options) (store.Store, *store.Migration, []dataflow.Diagnostic) {
	if o.refuse {
		return nil, nil, []dataflow.Diagnostic{{Code: "FC602", Message: "can't be opened"}}
	}
	o.open.Add(1)
	return counted{open: o.open}, &store.Migration{Database: db.Name}, nil
}

type counted struct {
	store.Store
	open *atomic.Int64
}

func (c counted) Close() error {
	c.open.Add(-1)
	return nil
}

func TestBuildLeavesNothingOpenWhenItFails(t *testing.T) {
	var open atomic.Int64
	app := &dataflow.App{Path: "app.star", Databases: []*dataflow.Database{
		{Name: "a", URL: "good:a"}, {Name: "b", URL: "bad:b", Spans: dataflow.Spans{"/database_url": {File: "app.star"}}}, {Name: "c", URL: "good:c"},
	}}
	gen, ds := nexus.Build(t.Context(), app, nexus.Options{Openers: []store.Opener{
		opener{scheme: "good", open: &open}, opener{scheme: "bad", open: &open, refuse: true},
	}})
	if want := "app.star: error FC602: can't be opened\n"; gen != nil || diagnostics(ds) != want {
		t.Errorf("got %v\n%s\nwant\n%s", gen, diagnostics(ds), want)
	}
	if n := open.Load(); n != 0 {
		t.Errorf("%d databases are still open", n)
	}
}

func TestCloseIsIdempotentAndRefusesWhatComesLater(t *testing.T) {
	gen := build(t, shop(t), nexus.Options{})
	s := &server{t: t, api: gen.API()}
	for range 2 {
		if err := gen.Close(); err != nil {
			t.Fatal(err)
		}
	}
	res := s.do("GET /health/live")
	res.Header.Set("X-Request-Id", "r1")
	const want = `503
Cache-Control: no-store
Connection: close
Content-Type: application/problem+json
Retry-After: 1

{"type":"urn:flowctl:problem:shutting_down","title":"Service Unavailable","status":503,"detail":"the server is closing","code":"shutting_down","hint":"try again in a moment"}`
	if got := render(res); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if err := gen.ServeStdio(t.Context(), strings.NewReader(""), io.Discard); err == nil {
		t.Error("a closed app still speaks over stdio")
	}
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

func TestPortsInUseAreReportedTogether(t *testing.T) {
	var taken [2]net.Listener
	for i := range taken {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		taken[i] = l
	}
	app := shop(t)
	app.Server.APIPort, app.Server.MCPPort = port(taken[0]), port(taken[1])
	srv, ds := nexus.Listen(build(t, app, nexus.Options{}), nexus.Options{})
	want := fmt.Sprintf(`app.star:51:1: error FC706: port %d of 127.0.0.1 is in use
	stop what listens there, or set api_port to another port (0 takes any free one)
app.star:52:1: error FC706: port %d of 127.0.0.1 is in use
	stop what listens there, or set mcp_port to another port (0 takes any free one)
`, app.Server.APIPort, app.Server.MCPPort)
	if got := diagnostics(ds); srv != nil || got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAHostThatIsNoneOfThisMachine(t *testing.T) {
	app := shop(t)
	app.Server.Host = "192.0.2.1"
	srv, ds := nexus.Listen(build(t, app, nexus.Options{}), nexus.Options{})
	const want = `app.star:53:1: error FC707: "192.0.2.1" is no address of this machine
	host = "127.0.0.1" serves this machine only, "0.0.0.0" every network it is on
`
	if got := diagnostics(ds); srv != nil || got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// started serves an app on free ports; stop ends it and returns what Serve did.
func started(t *testing.T, gen *nexus.Generation, grace time.Duration) (srv *nexus.Server, stop func() error) {
	t.Helper()
	srv, ds := nexus.Listen(gen, nexus.Options{})
	if srv == nil {
		t.Fatal(diagnostics(ds))
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, grace) }()
	var once sync.Once
	var err error
	stop = func() error {
		once.Do(func() {
			cancel()
			err = <-done
		})
		return err
	}
	t.Cleanup(func() { stop() })
	return srv, stop
}

// Whoever asks while the server finishes what is under way is told that it takes
// no more.
func TestAServerThatStopsIsNotReady(t *testing.T) {
	inside, finish := make(chan struct{}), make(chan struct{})
	app := shop(t)
	app.Workflows = append(app.Workflows, apptest.Handler("linger", nil, func(context.Context, dataflow.Handler, *dataflow.Object) (any, error) {
		close(inside)
		<-finish
		return nil, nil
	}))
	gen := build(t, app, nexus.Options{})
	srv, stop := started(t, gen, time.Minute)
	api, _ := srv.URLs()
	answered := make(chan error, 1)
	go func() {
		res, err := http.Post(api+"/workflows/linger/execute", "application/json", strings.NewReader(`{"inputs":{}}`))
		if err == nil {
			res.Body.Close()
		}
		answered <- err
	}()
	<-inside
	ready := func() string {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/health/ready", nil)
		gen.API().ServeHTTP(w, r)
		return fmt.Sprint(w.Code, " ", w.Body)
	}
	if got := ready(); got != `200 {"status":"ready","databases":{"db":"ok"}}` {
		t.Errorf("before: %s", got)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	got := ready()
	for until := time.Now().Add(time.Minute); strings.HasPrefix(got, "200") && time.Now().Before(until); got = ready() {
		runtime.Gosched()
	}
	if got != `503 {"status":"stopping","databases":{"db":"ok"}}` {
		t.Errorf("while it stops: %s", got)
	}
	close(finish)
	if err := errors.Join(<-answered, <-stopped); err != nil {
		t.Error(err)
	}
}

func TestServe(t *testing.T) {
	srv, stop := started(t, build(t, shop(t), nexus.Options{}), time.Second)
	api, mcp := srv.URLs()
	if !strings.HasPrefix(api, "http://127.0.0.1:") || !strings.HasSuffix(mcp, "/mcp") {
		t.Errorf("URLs are %q and %q", api, mcp)
	}
	res, err := http.Get(api + "/health/ready")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("ready: %d", res.StatusCode)
	}
	r, err := http.NewRequest("GET", api+"/health/ready", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	if res, err = http.DefaultClient.Do(r); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusMisdirectedRequest {
		t.Errorf("a name of another machine's: %d, want 421", res.StatusCode)
	}
	res, err = http.Post(mcp, "application/json", strings.NewReader(`{"jsonrpc":"2.0","id":1,"method":"ping"}`))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if !strings.Contains(string(body), `"jsonrpc"`) {
		t.Errorf("MCP: %d %s", res.StatusCode, body)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
	if _, err := http.Get(api + "/health/live"); err == nil {
		t.Error("still serving after the end")
	}
}

func TestServeWithoutMCPOverHTTP(t *testing.T) {
	app := shop(t)
	app.Server.MCPStdioOnly = true
	srv, stop := started(t, build(t, app, nexus.Options{}), time.Second)
	api, mcp := srv.URLs()
	if mcp != "" {
		t.Errorf("MCP is served at %s", mcp)
	}
	res, err := http.Get(api + "/health/live")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if err := stop(); err != nil {
		t.Error(err)
	}
}

// blocking adds a handler that waits until it is released.
func blocking(app *dataflow.App) (entered, release chan struct{}) {
	entered, release = make(chan struct{}, 100), make(chan struct{})
	app.Workflows = append(app.Workflows, apptest.Handler("block", nil, func(ctx context.Context, _ dataflow.Handler, _ *dataflow.Object) (any, error) {
		entered <- struct{}{}
		select {
		case <-release:
			return dataflow.ObjectOf("done", true), nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}))
	return entered, release
}

func execute(url, workflow string) (int, error) {
	res, err := http.Post(url+"/workflows/"+workflow+"/execute", "application/json", strings.NewReader(`{}`))
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

func TestServeLetsRequestsFinish(t *testing.T) {
	app := shop(t)
	entered, release := blocking(app)
	srv, stop := started(t, build(t, app, nexus.Options{}), time.Minute)
	api, _ := srv.URLs()
	type result struct {
		status int
		err    error
	}
	got := make(chan result, 1)
	go func() {
		status, err := execute(api, "block")
		got <- result{status, err}
	}()
	<-entered
	stopped := make(chan error, 1)
	go func() { stopped <- stop() }()
	// No new request is let in; the one that is under way ends well.
	for {
		if _, err := execute(api, "find_customer"); err != nil {
			break
		}
	}
	close(release)
	if r := <-got; r.status != http.StatusOK || r.err != nil {
		t.Errorf("the request under way ended with %d, %v", r.status, r.err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

func TestServeDropsWhatOutlivesItsGrace(t *testing.T) {
	app := shop(t)
	entered, _ := blocking(app)
	srv, stop := started(t, build(t, app, nexus.Options{}), time.Millisecond)
	api, _ := srv.URLs()
	got := make(chan error, 1)
	go func() {
		_, err := execute(api, "block")
		got <- err
	}()
	<-entered
	if err := stop(); err != nil {
		t.Error(err)
	}
	if err := <-got; err == nil {
		t.Error("the request was answered")
	}
}

// A listening MCP client has nothing to finish, and must not hold up the end.
func TestServeEndsStreams(t *testing.T) {
	srv, stop := started(t, build(t, shop(t), nexus.Options{}), time.Hour)
	_, mcp := srv.URLs()
	r, err := http.NewRequest("GET", mcp, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, res.Body)
		done <- err
	}()
	if err := stop(); err != nil {
		t.Error(err)
	}
	<-done
}

// Generations change under load without one failed request, and each serves
// out what it began.
func TestSwapFailsNoRequest(t *testing.T) {
	dir := t.TempDir()
	app := func(n int) *dataflow.App {
		a := apptest.Shop("sqlite:" + filepath.Join(dir, "shop.db"))
		a.Server.Name = strconv.Itoa(n)
		return a
	}
	first := build(t, app(0), nexus.Options{})
	srv, stop := started(t, first, time.Minute)
	api, _ := srv.URLs()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var requests atomic.Int64
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				res, err := http.Get(api + "/api/customers")
				if err != nil {
					t.Error(err)
					return
				}
				_, err = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if res.StatusCode != http.StatusOK || err != nil {
					t.Errorf("%d %v", res.StatusCode, err)
					return
				}
				requests.Add(1)
			}
		})
	}
	const swaps = 10
	for n := 1; n <= swaps; n++ {
		next, ds := nexus.Build(t.Context(), app(n), nexus.Options{})
		if next == nil {
			t.Fatal(diagnostics(ds))
		}
		before := requests.Load()
		if err := srv.Swap(next).Close(); err != nil {
			t.Error(err)
		}
		for requests.Load() < before+4 && !t.Failed() { // until the new one has served some
			runtime.Gosched()
		}
	}
	cancel()
	wg.Wait()
	res, err := http.Get(api + "/")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if want := fmt.Sprintf(`{"name":"%d"`, swaps); !strings.HasPrefix(string(body), want) {
		t.Errorf("served by %.40s, want %s", body, want)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestADatabaseThatCantBeOpened(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	gen, ds := nexus.Build(t.Context(), apptest.Shop("sqlite:"+filepath.Join(file, "shop.db")), nexus.Options{})
	if gen != nil || !dataflow.HasErrors(ds) || ds[0].Span.Start.Line != 2 {
		t.Errorf("got %v, %s; want an error at database_url", gen, diagnostics(ds))
	}
}

func TestMigrations(t *testing.T) {
	gen := build(t, shop(t), nexus.Options{})
	ms := gen.Migrations()
	if len(ms) != 1 || !ms[0].Created || len(ms[0].Steps) == 0 {
		t.Errorf("migrations of a new database: %+v", ms)
	}
	if app := gen.Engine().App(); app.Server.Name != "shop" {
		t.Errorf("the engine runs %q", app.Server.Name)
	}
}

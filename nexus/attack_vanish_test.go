package nexus_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// settles waits until something holds.
func settles(t *testing.T, ok func() (what string, done bool)) {
	t.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	late := time.After(time.Minute)
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

// tearing is a connection that can be torn off.
type tearing struct {
	*net.TCPConn
	from *bufio.Reader
}

// dial sends the beginning of a request to a server.
func dial(t *testing.T, url, text string) *tearing {
	t.Helper()
	addr, _, _ := strings.Cut(strings.TrimPrefix(url, "http://"), "/")
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, strings.ReplaceAll(text, "{host}", addr)); err != nil {
		t.Fatal(err)
	}
	return &tearing{c.(*net.TCPConn), bufio.NewReader(c)}
}

// tear ends a connection with a reset, as one whose machine was switched off.
func (c *tearing) tear() {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// until reads up to a line that holds some text.
func (c *tearing) until(t *testing.T, text string) {
	t.Helper()
	for {
		line, err := c.from.ReadString('\n')
		if err != nil {
			t.Fatalf("waiting for %q: %v", text, err)
		}
		if strings.Contains(line, text) {
			return
		}
	}
}

// free reports whether nobody has a transaction or a lock.
func free(t *testing.T, at string) (string, bool) {
	t.Helper()
	engine, file, _ := strings.Cut(at, ":")
	if engine == "sqlite" {
		c, err := sqlite.OpenConn(file, sqlite.OpenReadWrite)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.SetBusyTimeout(0)
		if err := sqlitex.Execute(c, "BEGIN IMMEDIATE", nil); err != nil {
			return err.Error(), false
		}
		if err := sqlitex.Execute(c, "ROLLBACK", nil); err != nil {
			t.Fatal(err)
		}
		// A reader that went on would keep the log from beginning anew.
		busy := selectSQLite(t, file, "PRAGMA wal_checkpoint(RESTART)")
		return "somebody reads on: " + busy[0], strings.HasPrefix(busy[0], "0|")
	}
	c, err := pgx.Connect(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	var n int
	err = c.QueryRow(t.Context(), `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL AND backend_type = 'client backend'`).Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d transactions are open", n), n == 0
}

// Whoever vanishes in the middle of whatever they do leaves nothing behind: no
// half of a write, no transaction, no lock, no file, no place among those of
// which there are few, and nobody who waits for them.
func TestClientsThatVanish(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, at string) {
		spool := t.TempDir()
		t.Setenv("TMPDIR", spool)
		written, ended := make(chan error), make(chan error)
		app := followed(at)
		product := app.Databases[0].Models[2]
		app.Workflows = append(app.Workflows, apptest.Handler("two_steps", []*dataflow.Field{apptest.Field("id", dataflow.String)}, func(ctx context.Context, h dataflow.Handler, in *dataflow.Object) (any, error) {
			id, _ := in.Get("id")
			add := func(step string) error {
				_, err := h.Run(ctx, dataflow.Op{Model: product, Kind: dataflow.OpCreate}, dataflow.ObjectOf("id", id.(string)+step, "name", "x", "stock", int64(1)))
				return err
			}
			written <- add("1")
			<-ctx.Done()
			err := add("2")
			ended <- err
			return nil, err
		}))
		gen := build(t, app, nexus.Options{})
		srv, _ := started(t, gen, time.Minute)
		api, agents := srv.URLs()
		ask := func(path, body string) string {
			t.Helper()
			res, err := http.Post(api+path, "application/json", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			text, _ := io.ReadAll(res.Body)
			return fmt.Sprintf("%d %s", res.StatusCode, text)
		}
		long := strings.Repeat("x", 4000)
		for from := range 5 { // together more than the buffers of a connection hold
			var rows []string
			for n := range 200 {
				rows = append(rows, fmt.Sprintf(`{"id":"p%d-%d","name":"%s","stock":1}`, from, n, long))
			}
			if got := ask("/api/products/bulk_create", `{"data":[`+strings.Join(rows, ",")+`]}`); !strings.HasPrefix(got, "200") {
				t.Fatalf("%.300s", got)
			}
		}
		counts := func() string {
			return ask("/api/products/count", "") + ask("/api/customers/count", "") + ask("/api/orders/count", "")
		}
		before := counts()
		http.DefaultClient.CloseIdleConnections()
		goroutines := runtime.NumGoroutine()

		post := func(path, media, framing, begun string) string {
			return "POST " + path + " HTTP/1.1\r\nHost: {host}\r\nContent-Type: " + media + "\r\n" + framing + "\r\n\r\n" + begun
		}
		const some, json = "Content-Length: 1000", "application/json"
		const rounds = 8
		for range rounds {
			for _, begun := range []string{
				"", "GET /api/cust", "GET /api/customers HTTP/1.1\r\nHost: {host}\r\nX-A: b", "POST /api/customers HTTP/1.1\r\nHost: {host}\r\n" + some + "\r\n\r\n",
				post("/api/customers", json, some, `{"email":"a@example.org","name":"A"}`), post("/api/customers", json, "Transfer-Encoding: chunked", "24\r\n"+`{"email":"a@example.org","name":"A"}`+"\r\n"),
				post("/api/customers", json, some+"\r\nIdempotency-Key: k", `{"email":"a@example.org"`), post("/api/customers/bulk_create", json, some, `{"data":[{"email":"a@example.org","name":"A"}`),
				post("/api/batch", json, some, `{"operations":[{"op":"create","model":"customers","args":{"email":"a@example.org","name":"A"}}`),
				post("/api/customers/import", "text/csv", some, "email,name\na@example.org,A\nb@example.org,B\n"), post("/api/customers/import", "application/x-ndjson", "Transfer-Encoding: chunked", "25\r\n"+`{"email":"a@example.org","name":"A"}`+"\n\r\n"),
				post("/api/customers/import", "text/csv", some+"\r\nContent-Encoding: gzip", "\x1f\x8b\x08\x00\x00\x00\x00\x00"), post("/workflows/place_order/execute", json, some, `{"inputs":{"email":"a@example.org","total":"1"}`),
			} {
				dial(t, api, begun).tear()
			}
			dial(t, agents, post("/mcp", json, some, `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"create_records"`)).tear()
			for _, stream := range []string{"/api/products/events", "/api/orders/events?status=paid"} {
				c := dial(t, api, "GET "+stream+" HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n")
				c.until(t, "retry:")
				c.tear()
			}
			for _, accept := range []string{"text/csv", "application/x-ndjson"} { // of which four are served at a time
				c := dial(t, api, "GET /api/products HTTP/1.1\r\nHost: {host}\r\nAccept: "+accept+"\r\n\r\n")
				if status, _ := c.from.ReadString('\n'); !strings.Contains(status, "200") && !strings.Contains(status, "503") {
					t.Fatal(status)
				}
				c.tear()
			}
		}
		// In the middle of a transaction, which is undone.
		c := dial(t, api, post("/workflows/two_steps/execute", json, "Content-Length: 21", `{"inputs":{"id":"a"}}`))
		if err := <-written; err != nil {
			t.Fatal(err)
		}
		c.tear()
		if err := <-ended; dataflow.AsError(err).Code != "cancelled" {
			t.Errorf("a run whose caller is gone goes on: %v", err)
		}
		settles(t, func() (string, bool) { return free(t, at) })
		settles(t, func() (string, bool) {
			http.DefaultClient.CloseIdleConnections()
			n := runtime.NumGoroutine()
			return fmt.Sprintf("%d goroutines, %d before", n, goroutines), n < goroutines+rounds // what is begun once may be there
		})
		if after := counts(); after != before {
			t.Errorf("%s, before %s", after, before)
		}
		for range 4 { // as many exports as may be are served again
			dial(t, api, "GET /api/products HTTP/1.1\r\nHost: {host}\r\nAccept: text/csv\r\n\r\n").until(t, "200 OK")
		}
		if left, err := os.ReadDir(spool); err != nil || len(left) > 0 {
			t.Errorf("files are left: %v, %v", left, err)
		}
	})
}

//go:build unix

package main

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/jackc/pgx/v5"
)

// answer is what a request is told.
type answer struct {
	status     int
	retryAfter string
	body       string
}

func (a answer) String() string {
	return fmt.Sprintf("%d (Retry-After %q) %s", a.status, a.retryAfter, a.body)
}

// ask sends a request; key, if not "", makes it one that can be repeated.
func ask(c *http.Client, method, url, body, key string) (answer, error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if key != "" {
		req.Header.Set("Idempotency-Key", key)
	}
	res, err := c.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header.Get("Retry-After"), string(text)}, err
}

func must(t *testing.T, c *http.Client, method, url, body string, want int) answer {
	t.Helper()
	a, err := ask(c, method, url, body, "")
	if err != nil || a.status != want {
		t.Fatalf("%s %s: %v, %v, want %d", method, url, a, err, want)
	}
	return a
}

// watched keeps what a process prints and closes seen once it has said a text.
type watched struct {
	mu   sync.Mutex
	all  bytes.Buffer
	text string
	seen chan struct{}
}

func (w *watched) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	had := strings.Contains(w.all.String(), w.text)
	w.all.Write(b)
	if !had && strings.Contains(w.all.String(), w.text) {
		close(w.seen)
	}
	return len(b), nil
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.String()
}

// pgHold runs a statement in a transaction that stays open until it is let go.
func pgHold(t *testing.T, url, statement string) (letGo func()) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"BEGIN", statement} {
		if _, err := c.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	letGo = sync.OnceFunc(func() { _ = c.Close(context.Background()) })
	t.Cleanup(letGo)
	return letGo
}

// pgValue is the one value that a statement finds, as text.
func pgValue(t *testing.T, url, statement string) (v string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if err := c.QueryRow(t.Context(), "SELECT ("+statement+")::text").Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func sqliteExec(t *testing.T, file, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", file)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(statement); err != nil {
		t.Fatal(err)
	}
}

func newClient(t *testing.T, connections int) *http.Client {
	c := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}, Timeout: 6 * patience}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// stockAndSold checks that no piece of the one product was lost or sold twice,
// and returns the ids of all orders.
func stockAndSold(t *testing.T, c *http.Client, api string, stock int) (orders []int64) {
	t.Helper()
	var product struct {
		Stock int `json:"stock"`
	}
	if code, err := get(c, api+"/api/products/1", &product); err != nil || code != 200 {
		t.Fatal(code, err)
	}
	sold, lines := 0, map[int64]int{}
	each(t, c, api+"/api/order_lines?limit=1000&sort=id", func(r map[string]any) {
		sold += int(r["qty"].(float64))
		lines[int64(r["order"].(float64))]++
	})
	each(t, c, api+"/api/orders?limit=1000&sort=id", func(r map[string]any) {
		id := int64(r["id"].(float64))
		orders = append(orders, id)
		if lines[id] != 1 {
			t.Errorf("the order %d has %d lines", id, lines[id])
		}
	})
	if len(lines) != len(orders) {
		t.Errorf("there are lines of %d orders, and %d orders", len(lines), len(orders))
	}
	if product.Stock+sold != stock {
		t.Errorf("%d in stock and %d sold are not %d", product.Stock, sold, stock)
	}
	return orders
}

const kettle = `{"sku": "KETTLE", "name": "Kettle", "price": "1.00", "stock": 100000}`

func TestTwoHundredWritersAtOnce(t *testing.T) {
	onEachEngine(t, func(t *testing.T, empty func(*testing.T) string) {
		p := serveApp(t, patientShop(t), "DATABASE_URL="+empty(t))
		c := newClient(t, 200)
		must(t, c, "POST", p.api+"/api/products", kettle, 201)
		acknowledged := make(chan int64, 1000)
		var refused atomic.Int32
		var writers sync.WaitGroup
		for w := range 200 {
			writers.Go(func() {
				for range 2 {
					var bought struct {
						Outputs struct {
							Order int64 `json:"order"`
						} `json:"outputs"`
					}
					code, err := post(c, p.api+"/workflows/buy/execute", fmt.Sprintf(`{"inputs": {"email": "c%d@x.org", "sku": "KETTLE", "qty": 1}}`, w), &bought)
					switch {
					case err == nil && code == 200:
						acknowledged <- bought.Outputs.Order
					case err == nil && code == 503:
						refused.Add(1)
					default:
						t.Errorf("told %d, %v", code, err)
					}
				}
			})
		}
		writers.Wait()
		close(acknowledged)
		var told []int64
		for id := range acknowledged {
			told = append(told, id)
		}
		slices.Sort(told)
		if there := stockAndSold(t, c, p.api, 100000); !slices.Equal(told, there) {
			t.Errorf("%d orders were acknowledged, and %d are there", len(told), len(there))
		}
		t.Logf("%d orders, %d told to try again", len(told), refused.Load())
	})
}

// TestPostgreSQLRestartsUnderLoad: whoever repeats a request by its key until
// it is done has done it once; the server goes on by itself.
func TestPostgreSQLRestartsUnderLoad(t *testing.T) {
	for _, how := range []struct {
		name string
		syscall.Signal
	}{{"fast", syscall.SIGINT}, {"immediate", syscall.SIGQUIT}} {
		t.Run(how.name, func(t *testing.T) {
			pg := pgtest.Start(t, "", nil)
			p := serveApp(t, patientShop(t), "DATABASE_URL="+pg.URL())
			c := newClient(t, 64)
			must(t, c, "POST", p.api+"/api/products", kettle, 201)
			load := newLoad(t, c, p.api)
			for range 2 {
				load.await(60)
				pg.Restart(how.Signal)
			}
			load.await(60)
			told := load.stop()
			slices.Sort(told)
			if there := stockAndSold(t, c, p.api, 100000); !slices.Equal(told, there) {
				t.Errorf("%d orders were acknowledged, and %d are there", len(told), len(there))
			}
			t.Logf("%d orders, told meanwhile: %v", len(told), load.statuses())
		})
	}
}

// load is clients that buy, each repeating its request until it is done.
type load struct {
	t       *testing.T
	ended   chan struct{}
	clients sync.WaitGroup

	mu    sync.Mutex
	more  *sync.Cond
	done  []int64
	other map[string]int
}

func newLoad(t *testing.T, c *http.Client, api string) *load {
	l := &load{t: t, ended: make(chan struct{}), other: map[string]int{}}
	l.more = sync.NewCond(&l.mu)
	for i := range 32 {
		l.clients.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-l.ended:
					return
				default:
					l.buy(c, api, fmt.Sprintf("c%d", i), fmt.Sprintf("c%d-%d", i, n))
				}
			}
		})
	}
	return l
}

// buy repeats an order until it is placed. A read in between must not fail in
// another way than by being told to come again.
func (l *load) buy(c *http.Client, api, who, key string) {
	body := fmt.Sprintf(`{"inputs": {"email": "%s@x.org", "sku": "KETTLE", "qty": 1}}`, who)
	for until := time.Now().Add(6 * patience); time.Now().Before(until); {
		if a, err := ask(c, "GET", api+"/api/products/1", "", ""); err != nil || a.status != 200 && (a.status != 503 || a.retryAfter == "") {
			l.t.Errorf("a read: %v, %v", a, err)
		}
		a, err := ask(c, "POST", api+"/workflows/buy/execute", body, key)
		var order int64
		if _, scan := fmt.Sscanf(orderOf(a.body), "%d", &order); err == nil && a.status == 200 && scan == nil {
			l.mu.Lock()
			l.done = append(l.done, order)
			l.mu.Unlock()
			l.more.Broadcast()
			return
		}
		unknown := a.status == 504 && strings.Contains(a.body, "commit_unknown")
		if err != nil || !unknown && (a.status != 503 || a.retryAfter == "") {
			l.t.Errorf("a write: %v, %v", a, err)
			return
		}
		l.mu.Lock()
		l.other[fmt.Sprint(a.status)]++
		l.mu.Unlock()
	}
	l.t.Errorf("%s was not done in time", key)
}

func orderOf(body string) string {
	_, rest, _ := strings.Cut(body, `"order":`)
	return strings.TrimSpace(rest)
}

// await waits for n further orders.
func (l *load) await(n int) {
	l.t.Helper()
	late := false
	timer := time.AfterFunc(6*patience, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		late = true
		l.more.Broadcast()
	})
	defer timer.Stop()
	l.mu.Lock()
	defer l.mu.Unlock()
	for want := len(l.done) + n; len(l.done) < want; l.more.Wait() {
		if late {
			l.t.Fatalf("%d orders have been placed: the server has not recovered", len(l.done))
		}
	}
}

// stop ends the load and returns the orders that were acknowledged.
func (l *load) stop() []int64 {
	close(l.ended)
	l.clients.Wait()
	return l.done
}

func (l *load) statuses() map[string]int { return l.other }

// itemsApp has one model; server are arguments of its Nexus.
func itemsApp(t *testing.T, options, server string) string {
	return writeApp(t, `
db = DataFlow(database_url = env("DATABASE_URL")`+options+`)
Item = db.model("Item", {"n": int, "text": field(str, optional = True)})
app = Nexus(`+server+`)
app.expose(Item)
app.start()
`)
}

func TestAStatementPastItsTime(t *testing.T) {
	c := newClient(t, 4)
	t.Run("postgres", func(t *testing.T) {
		url := pgtest.URL(t)
		working := func() bool {
			return pgValue(t, url, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'active'") != "0"
		}
		// The time is more than a busy machine takes for what waits for nobody.
		for _, test := range []struct{ at, app string }{
			{url, itemsApp(t, "", `request_timeout = "3s"`)},
			{url + "?statement_timeout=3000", itemsApp(t, "", `request_timeout = "60s"`)},
		} {
			p := serveApp(t, test.app, "DATABASE_URL="+test.at)
			must(t, c, "POST", p.api+"/api/items", `{"n": 1}`, 201)
			unlock := pgHold(t, url, "LOCK TABLE items")
			var asked sync.WaitGroup
			for _, r := range []struct{ method, path, body string }{{"GET", "/api/items/1", ""}, {"GET", "/api/items", ""}, {"POST", "/api/items", `{"n": 2}`}} {
				asked.Go(func() {
					if a, err := ask(c, r.method, p.api+r.path, r.body, ""); err != nil || a.status != 504 || !strings.Contains(a.body, `"code":"timeout"`) {
						t.Errorf("%s %s: %s, %v", r.method, r.path, a, err)
					}
				})
			}
			asked.Wait()
			await(t, "the server goes on with what nobody waits for", func() bool { return !working() })
			unlock()
			must(t, c, "PATCH", p.api+"/api/items/1", `{"n": 3}`, 200)
			if n := pgValue(t, url, "SELECT count(*) FROM items"); n != "1" {
				t.Errorf("%s rows", n)
			}
			pgtest.Exec(t, url, "TRUNCATE items RESTART IDENTITY")
			if code, err := p.stop(syscall.SIGTERM); code != 0 || err != nil {
				t.Error(code, err)
			}
		}
	})
	t.Run("sqlite", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "app.db")
		p := serveApp(t, itemsApp(t, "", ""), "DATABASE_URL=sqlite:"+file)
		must(t, c, "POST", p.api+"/api/items", `{"n": 1}`, 201)
		if code, err := p.stop(syscall.SIGTERM); code != 0 || err != nil {
			t.Error(code, err)
		}
		// More rows than can be grouped and sorted in the time there is.
		sqliteExec(t, file, `INSERT INTO items (n, text, created_at, updated_at)
			WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1000000) SELECT i, hex(i), created_at, updated_at FROM c, items WHERE items.id = 1`)
		p = serveApp(t, itemsApp(t, "", `request_timeout = "700ms"`), "DATABASE_URL=sqlite:"+file)
		slow := `{"group_by": ["text"], "aggregates": {"n": {"$count": true}}, "sort": "-n,text", "limit": 1}`
		if a := must(t, c, "POST", p.api+"/api/items/aggregate", slow, 504); !strings.Contains(a.body, `"code":"timeout"`) {
			t.Errorf("%s", a)
		}
		// Whoever writes is held up by nothing of it, on a machine however busy.
		waitUntil(t, "a row is written", func() bool {
			a, err := ask(c, "PATCH", p.api+"/api/items/1", `{"n": 3}`, "")
			if err != nil || a.status != 200 && a.status != 504 {
				t.Fatal(a, err)
			}
			return a.status == 200
		})
	})
}

// Who waits for a connection in vain is told to come again. Who has it waits for
// a lock meanwhile, and is answered once that is gone. Lists are asked for: reads
// by id that are made at once wait for each other.
func TestEveryConnectionIsInUse(t *testing.T) {
	url := pgtest.URL(t)
	p := serveApp(t, itemsApp(t, ", pool_size = 1", `request_timeout = "120s"`), "DATABASE_URL="+url)
	c := newClient(t, 4)
	must(t, c, "POST", p.api+"/api/items", `{"n": 1}`, 201)
	unlock := pgHold(t, url, "LOCK TABLE items")
	told := make(chan answer, 3)
	for range 3 {
		go func() {
			a, err := ask(c, "GET", p.api+"/api/items", "", "")
			if err != nil {
				a.body = err.Error()
			}
			told <- a
		}()
	}
	for range 2 {
		if a := <-told; a.status != 503 || a.retryAfter != "1" || !strings.Contains(a.body, "every connection to the database is in use") {
			t.Errorf("told %s", a)
		}
	}
	unlock()
	if a := <-told; a.status != 200 {
		t.Errorf("who had the connection is told %s", a)
	}
	must(t, c, "GET", p.api+"/api/items/1", "", 200)
}

func TestAStartWaitsForPostgreSQL(t *testing.T) {
	pg := pgtest.Start(t, "", nil)
	pg.Stop(syscall.SIGINT)
	cmd := flowctlRun(t, itemsApp(t, "", ""), "DATABASE_URL="+pg.URL())
	waiting := &watched{text: "waiting for the database", seen: make(chan struct{})}
	cmd.Stderr = waiting
	started := make(chan error, 1)
	var p *serverProcess
	go func() {
		var err error
		p, err = startServer(cmd)
		started <- err
	}()
	<-waiting.seen
	pg.Start()
	if err := <-started; err != nil || p.api == "" {
		t.Fatalf("%v\n%s", err, waiting)
	}
	defer func() { _ = cmd.Process.Kill(); <-p.exited }()
	must(t, newClient(t, 1), "POST", p.api+"/api/items", `{"n": 1}`, 201)
}

// TestPostgreSQLTurnsReadOnly: as a primary does that becomes a standby.
func TestPostgreSQLTurnsReadOnly(t *testing.T) {
	pg := pgtest.Start(t, "", nil)
	p := serveApp(t, itemsApp(t, "", ""), "DATABASE_URL="+pg.URL())
	c := newClient(t, 1)
	must(t, c, "POST", p.api+"/api/items", `{"n": 1}`, 201)
	set := func(to string) {
		pgtest.Exec(t, pg.URL(), "BEGIN READ WRITE; SET LOCAL transaction_read_only = off; COMMIT", "ALTER SYSTEM SET default_transaction_read_only = "+to, "SELECT pg_reload_conf()")
	}
	set("on")
	await(t, "the server has not become read-only", func() bool {
		a, err := ask(c, "POST", p.api+"/api/items", `{"n": 2}`, "")
		if err != nil || a.status != 201 && (a.status != 507 || !strings.Contains(a.body, "storage_read_only")) {
			t.Fatal(a, err)
		}
		return a.status == 507
	})
	must(t, c, "GET", p.api+"/api/items/1", "", 200)
	set("off")
	await(t, "it has not become writable again", func() bool {
		a, err := ask(c, "POST", p.api+"/api/items", `{"n": 2}`, "")
		return err == nil && a.status == 201
	})
}

package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
)

// rival is a server under comparison.
type rival struct {
	*process
	name string
}

// comparison is flowctl and the server written by hand on one engine, each
// with a database of its own and the same rows.
type comparison struct {
	engine  string
	rivals  []rival                       // flowctl first
	fixed   *rival                        // who does nothing; nil: nobody
	backend func() (time.Duration, error) // CPU time of the engine's own processes
}

// work is one kind of request.
type work struct {
	name   string
	conns  []int
	status int
	share  int // one request for so many of c.requests
	// request returns the i-th request of a measurement; run tells
	// measurements apart.
	request func(c config, run string, i int) []byte
}

func works() []work {
	return []work{
		{"get one", []int{1, 16, 64}, http.StatusOK, 1, func(c config, _ string, i int) []byte {
			return get(fmt.Sprintf("/api/products/%d", 1+i*7919%c.rows))
		}},
		{"list 50, filtered and sorted", []int{1, 16, 64}, http.StatusOK, 4, func(config, string, int) []byte {
			return get("/api/products?active=true&sort=-id&limit=50")
		}},
		{"create one", []int{1, 16, 64}, http.StatusCreated, 8, func(_ config, run string, i int) []byte {
			return post("/api/products", productJSON(fmt.Sprintf("N-%s-%d", run, i), i))
		}},
		{"bulk create 1,000", []int{1}, http.StatusOK, 400, func(_ config, run string, i int) []byte {
			return post("/api/products/bulk_create", productsJSON(fmt.Sprintf("B-%s-%d", run, i), 1000))
		}},
	}
}

func comparePostgres(ctx context.Context, c config) error { return compare(ctx, c, startPostgres) }
func compareSQLite(ctx context.Context, c config) error   { return compare(ctx, c, startSQLite) }

func compare(ctx context.Context, c config, start func(context.Context, config) (comparison, func(), error)) error {
	cmp, stop, err := start(ctx, c)
	defer stop()
	if err != nil {
		return err
	}
	var rows [][]string
	for _, w := range works() {
		if !strings.HasPrefix(w.name, c.work) {
			continue
		}
		for _, conns := range w.conns {
			if c.at != 0 && c.at != conns {
				continue
			}
			row, err := cmp.measure(ctx, c, w, conns)
			if err != nil {
				return fmt.Errorf("%s: %w", w.name, err)
			}
			rows = append(rows, row)
		}
	}
	table(c.out, fmt.Sprintf("%s, %d rows, median of %d rounds; CPU time per request in µs of the server + of the engine's processes, and requests a second",
		cmp.engine, c.rows, c.rounds),
		[]string{"work", "connections", "flowctl", "by hand", "rate, flowctl / by hand", "CPU, flowctl / by hand"}, rows)
	if cmp.fixed == nil || !strings.HasPrefix(works()[0].name, c.work) {
		return nil
	}
	return cmp.bound(ctx, c, works()[0])
}

// bound measures what no server on net/http can do better than: a server by hand
// that answers a read of a row with a fixed text.
func (cmp comparison) bound(ctx context.Context, c config, w work) error {
	cmp.rivals = []rival{*cmp.fixed, cmp.rivals[1]}
	var rows [][]string
	for _, conns := range w.conns {
		if c.at != 0 && c.at != conns {
			continue
		}
		row, err := cmp.measure(ctx, c, w, conns)
		if err != nil {
			return fmt.Errorf("a fixed text: %w", err)
		}
		rows = append(rows, row)
	}
	table(c.out, "The bound: net/http that answers with a fixed text, and does nothing else",
		[]string{"work", "connections", "a fixed text", "by hand", "rate, fixed / by hand", "CPU, fixed / by hand"}, rows)
	return nil
}

// taken is what one rival took for one kind of work, round by round.
type taken struct{ server, backend, all, wall []time.Duration }

// measure has the rivals do the same work in turns.
func (cmp comparison) measure(ctx context.Context, c config, w work, conns int) ([]string, error) {
	takens := make([]taken, len(cmp.rivals))
	n := max(c.requests/w.share, conns)
	if conns == 1 {
		n = max(n/4, 1)
	}
	for round := range c.rounds + 1 { // the first warms up
		for k := range cmp.rivals {
			i := (k + round) % len(cmp.rivals) // nobody is always first
			run := fmt.Sprintf("%d-%d", conns, round)
			l := load{addr: cmp.rivals[i].addr, conns: conns, n: n, status: w.status,
				request: func(i int) []byte { return w.request(c, run, i) }}
			before, err := cmp.backend()
			if err != nil {
				return nil, err
			}
			cost, err := l.measure(ctx, cmp.rivals[i].process)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", cmp.rivals[i].name, err)
			}
			after, err := cmp.backend()
			if err != nil {
				return nil, err
			}
			if t := &takens[i]; round > 0 {
				backend := (after - before) / time.Duration(n)
				t.server, t.backend = append(t.server, cost.cpu), append(t.backend, backend)
				t.all, t.wall = append(t.all, cost.cpu+backend), append(t.wall, cost.wall)
			}
		}
	}
	row := []string{w.name, strconv.Itoa(conns)}
	for _, t := range takens {
		row = append(row, fmt.Sprintf("%s + %s (%.0f/s)", micros(median(t.server)), micros(median(t.backend)), float64(time.Second)/float64(median(t.wall))))
	}
	return append(row, ratio(takens[1].wall, takens[0].wall), ratio(takens[0].all, takens[1].all)), nil
}

// startSQLite starts the rivals on copies of one database.
func startSQLite(ctx context.Context, c config) (cmp comparison, stop func(), err error) {
	cmp = comparison{engine: "SQLite", backend: func() (time.Duration, error) { return 0, nil }}
	stop = func() { cmp.kill() }
	seed := filepath.Join(c.dir, "compare.db")
	if err := fill(ctx, c, "sqlite:"+seed); err != nil {
		return cmp, stop, err
	}
	for _, name := range []string{"flowctl", "handwritten"} {
		path := filepath.Join(c.dir, "compare-"+name+".db")
		if err := copyFile(path, seed); err != nil {
			return cmp, stop, err
		}
		url := path
		if name == "flowctl" {
			url = "sqlite:" + path
		}
		if err := cmp.join(ctx, c, name, url); err != nil {
			return cmp, stop, err
		}
	}
	p, err := launch(c.handwritten, func(addr string) []string { return []string{"-addr", addr, "-fixed"} })
	if err != nil {
		return cmp, stop, err
	}
	cmp.fixed = &rival{p, "a fixed text"}
	_, err = p.answered(ctx, "/")
	return cmp, stop, err
}

// startPostgres starts the rivals on databases of one server, which is started
// for that and gone when this process is.
func startPostgres(ctx context.Context, c config) (cmp comparison, stop func(), err error) {
	cmp = comparison{engine: "PostgreSQL"}
	var drops []func() error
	stop = func() {
		cmp.kill()
		for _, drop := range drops {
			_ = drop() // the whole server is about to go
		}
	}
	for _, name := range []string{"flowctl", "handwritten"} {
		url, drop, err := pgtest.New()
		if err != nil {
			return cmp, stop, err
		}
		drops = append(drops, drop)
		if err := fill(ctx, c, url); err != nil {
			return cmp, stop, err
		}
		pid, err := pgtest.Settle(url)
		if err != nil {
			return cmp, stop, err
		}
		cmp.backend = func() (time.Duration, error) { return familyCPU(pid) }
		if err := cmp.join(ctx, c, name, url); err != nil {
			return cmp, stop, err
		}
	}
	return cmp, stop, nil
}

// fill has flowctl make a database and c.rows products in it.
func fill(ctx context.Context, c config, url string) error {
	p, err := flowctlOn(c, appFile(), url)
	if err != nil {
		return err
	}
	if _, err := p.answered(ctx, "/health/ready"); err != nil {
		return err
	}
	l := load{addr: p.addr, conns: 1, n: (c.rows + seeded - 1) / seeded, status: http.StatusOK, request: func(i int) []byte {
		return post("/api/products/bulk_create", productsJSON(fmt.Sprintf("S-%d", i), min(seeded, c.rows-i*seeded)))
	}}
	if _, err := l.run(ctx); err != nil {
		p.kill()
		return fmt.Errorf("%w\n%s", err, p.log)
	}
	return p.stop()
}

// join starts a rival.
func (cmp *comparison) join(ctx context.Context, c config, name, url string) (err error) {
	var p *process
	if name == "flowctl" {
		p, err = flowctlOn(c, appFile(), url)
	} else {
		p, err = launch(c.handwritten, func(addr string) []string { return []string{"-addr", addr, "-db", url} })
	}
	if err != nil {
		return err
	}
	cmp.rivals = append(cmp.rivals, rival{p, name})
	_, err = p.answered(ctx, "/api/products/1")
	return err
}

func (cmp *comparison) kill() {
	for _, r := range cmp.rivals {
		r.kill()
	}
	if cmp.fixed != nil {
		cmp.fixed.kill()
	}
}

// appFile is the app, as seen from the module's folder or, in a test, bench's.
func appFile() string {
	app := filepath.Join("bench", "app.star")
	if _, err := os.Stat(app); err != nil {
		return "app.star"
	}
	return app
}

func productsJSON(prefix string, n int) string {
	rows := make([]string, n)
	for i := range rows {
		rows[i] = productJSON(fmt.Sprintf("%s-%d", prefix, i), i)
	}
	return `{"data":[` + strings.Join(rows, ",") + `]}`
}

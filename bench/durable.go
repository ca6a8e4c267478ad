package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/flowctl/flowctl/bench/handwritten/jobs"
	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/nexus"
)

// durableRuns compares durable runs with a queue of jobs written by hand, and
// measures how many can wait, and how late they are when all are due at once.
func durableRuns(ctx context.Context, c config) error {
	for _, measure := range []func(context.Context, config) error{durableSteps, waitingRuns, dueRuns} {
		if err := measure(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// place is an empty database, beside which the measurement looks.
type place struct {
	engine  string
	url     string
	connect func(context.Context) (database, error)
	queue   func(context.Context) (jobs.Queue, error) // in a database of its own
	backend func() (time.Duration, error)             // CPU time of the engine's own processes
}

// database is one past its store.
type database interface {
	Exec(ctx context.Context, sql string) error
	Ask(ctx context.Context, sql string) (string, error)
	Close()
}

// onEachEngine runs a measurement on an empty database of each engine.
func onEachEngine(ctx context.Context, c config, measure func(place) error) error {
	dir, err := os.MkdirTemp(c.dir, "durable-")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, "flowctl.db")
	err = measure(place{engine: "SQLite", url: "sqlite:" + path,
		connect: func(context.Context) (database, error) { return jobs.ConnectSQLite(path) },
		queue:   func(context.Context) (jobs.Queue, error) { return jobs.OpenSQLite(filepath.Join(dir, "hand.db")) },
		backend: func() (time.Duration, error) { return 0, nil }})
	if err != nil {
		return fmt.Errorf("SQLite: %w", err)
	}
	var urls [2]string
	for i := range urls {
		url, drop, err := pgtest.New()
		if err != nil {
			return err
		}
		defer drop() // the whole server is about to go
		urls[i] = url
	}
	pid, err := pgtest.Settle(urls[0])
	if err != nil {
		return err
	}
	err = measure(place{engine: "PostgreSQL", url: urls[0],
		connect: func(ctx context.Context) (database, error) { return jobs.ConnectPostgres(ctx, urls[0]) },
		queue:   func(ctx context.Context) (jobs.Queue, error) { return jobs.OpenPostgres(ctx, urls[1]) },
		backend: func() (time.Duration, error) { return familyCPU(pid) }})
	if err != nil {
		return fmt.Errorf("PostgreSQL: %w", err)
	}
	return nil
}

// durableSteps has durable runs and jobs do three steps each, in turns, in one
// process and one at a time.
func durableSteps(ctx context.Context, c config) error {
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as flowctl run has it
	var rows [][]string
	turns, n := 3*c.rounds, max(c.requests/100, 1)
	err := onEachEngine(ctx, c, func(p place) error {
		gen, err := generationOf(ctx, "durable.star", c.dir, p.url)
		if err != nil {
			return err
		}
		defer gen.Close()
		q, err := p.queue(ctx)
		if err != nil {
			return err
		}
		defer q.Close()
		ways := []struct {
			name string
			do   func(int) error
			cpu  []time.Duration
		}{
			{name: "by hand", do: func(i int) error { return q.Do(ctx, int64(i)) }},
			{name: "a handler: three steps, each kept by itself", do: keptRunning(ctx, gen, "steps")},
			{name: "a graph: three nodes, kept together", do: keptRunning(ctx, gen, "graph")},
		}
		for turn := range turns + 1 { // the first warms up
			for k := range ways {
				before, err := p.backend()
				if err != nil {
					return err
				}
				d, err := cpuOf(n, ways[k].do)
				if err != nil {
					return fmt.Errorf("%s: %w", ways[k].name, err)
				}
				after, err := p.backend()
				if err != nil {
					return err
				}
				if turn > 0 {
					ways[k].cpu = append(ways[k].cpu, d+(after-before)/time.Duration(n))
				}
			}
		}
		for _, w := range ways[1:] {
			rows = append(rows, []string{p.engine, w.name, micros(median(w.cpu)), micros(median(ways[0].cpu)), ratio(w.cpu, ways[0].cpu)})
		}
		return nil
	})
	if err != nil {
		return err
	}
	table(c.out, fmt.Sprintf("A durable run of three steps, CPU of the process and of PostgreSQL, µs, one at a time, median of %d turns of %d", turns, n),
		[]string{"engine", "durable run", "CPU", "by hand", "durable / by hand"}, rows)
	return nil
}

// keptRunning returns a function that runs a durable workflow to its end.
func keptRunning(ctx context.Context, gen *nexus.Generation, workflow string) func(i int) error {
	return func(i int) error {
		r, _, err := gen.Runs().Begin(ctx, durable.Begin{Workflow: workflow, Inputs: dataflow.ObjectOf("n", int64(i))})
		if err == nil && r.Status != durable.Completed {
			err = fmt.Errorf("the run is %s", r.Status)
		}
		return err
	}
}

// copies makes n waiting runs of one that is there.
func copies(ctx context.Context, db database, engine, run string, n int) error {
	numbers := fmt.Sprintf("(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n) AS n", n)
	if engine == "PostgreSQL" {
		numbers = fmt.Sprintf("generate_series(1, %d) AS n(i)", n)
	}
	for _, t := range []struct {
		table, of string
		made      map[string]string // columns of a copy that are not as they were
	}{
		{"_flow_steps", "run", map[string]string{"id": fmt.Sprintf("'copy' || n.i || substr(id, %d)", len(run)+1), "run": "'copy' || n.i"}},
		{"_flow_runs", "id", map[string]string{"id": "'copy' || n.i"}},
	} {
		var columns, values []string
		for _, m := range durable.Models(&dataflow.Database{Name: "db"}) {
			if m.Table != t.table {
				continue
			}
			for _, f := range m.Fields {
				name := `"` + f.Name + `"`
				columns = append(columns, name)
				if v, ok := t.made[f.Name]; ok {
					name = v
				}
				values = append(values, name)
			}
		}
		sql := fmt.Sprintf(`INSERT INTO %[1]s (%[2]s) SELECT %[3]s FROM %[1]s, %[4]s WHERE %[5]s = '%[6]s'`,
			t.table, strings.Join(columns, ", "), strings.Join(values, ", "), numbers, t.of, run)
		if err := db.Exec(ctx, sql); err != nil {
			return err
		}
	}
	return db.Exec(ctx, "ANALYZE")
}

// resting begins a run that waits, and returns its id.
func resting(ctx context.Context, c config, url, workflow string, inputs *dataflow.Object) (string, error) {
	gen, err := generationOf(ctx, "durable.star", c.dir, url)
	if err != nil {
		return "", err
	}
	defer gen.Close()
	r, _, err := gen.Runs().Begin(ctx, durable.Begin{Workflow: workflow, Inputs: inputs})
	if err == nil && r.Status == durable.Completed {
		err = errPassed
	} else if err == nil && r.Status != durable.Waiting {
		err = fmt.Errorf("the run is %s", r.Status)
	}
	if err != nil {
		return "", err
	}
	return r.ID, nil
}

// waitingRuns measures a start, and a server that has nothing to do, with no
// runs and with c.waiting that wait: half of them for a signal or a time, half
// for a time alone.
func waitingRuns(ctx context.Context, c config) error {
	var rows [][]string
	err := onEachEngine(ctx, c, func(p place) error {
		db, err := p.connectAfter(ctx, c)
		if err != nil {
			return err
		}
		defer db.Close()
		none, noneIdle, err := startAndRest(ctx, c, p)
		if err != nil {
			return err
		}
		for workflow, inputs := range map[string]*dataflow.Object{
			"asks":  dataflow.ObjectOf("n", int64(1)),
			"rests": dataflow.ObjectOf("n", int64(1), "at", time.Now().UTC().AddDate(1, 0, 0)),
		} {
			run, err := resting(ctx, c, p.url, workflow, inputs)
			if err != nil {
				return err
			}
			if err := copies(ctx, db, p.engine, run, c.waiting/2); err != nil {
				return err
			}
			for table, column := range map[string]string{"_flow_runs": "id", "_flow_steps": "run"} { // free for the other half
				if err := db.Exec(ctx, fmt.Sprintf("UPDATE %[1]s SET %[2]s = '%[3]s' || %[2]s WHERE %[2]s LIKE 'copy%%'", table, column, workflow)); err != nil {
					return err
				}
			}
			if err := db.Exec(ctx, fmt.Sprintf("UPDATE _flow_steps SET id = '%s' || id WHERE id LIKE 'copy%%'", workflow)); err != nil {
				return err
			}
		}
		many, manyIdle, err := startAndRest(ctx, c, p)
		if err != nil {
			return err
		}
		rows = append(rows, []string{p.engine, millis(none), millis(many), millis(many - none), millis(noneIdle), millis(manyIdle)})
		return nil
	})
	if err != nil {
		return err
	}
	table(c.out, fmt.Sprintf("%d runs that wait: from process start to ready, ms, median of %d; CPU of a server at rest and of PostgreSQL, ms a second", c.waiting, c.starts),
		[]string{"engine", "start, none", "start, all wait", "longer by", "at rest, none", "at rest, all wait"}, rows)
	return nil
}

// connectAfter makes the tables of the app, and connects to them.
func (p place) connectAfter(ctx context.Context, c config) (database, error) {
	gen, err := generationOf(ctx, "durable.star", c.dir, p.url)
	if err != nil {
		return nil, err
	}
	if err := gen.Close(); err != nil {
		return nil, err
	}
	return p.connect(ctx)
}

// startAndRest measures how long a server takes to be ready, and what CPU it
// and its database take for a second when nothing is asked of it.
func startAndRest(ctx context.Context, c config, p place) (start, rest time.Duration, err error) {
	var took []time.Duration
	for range c.starts {
		s, err := flowctlOn(c, benchFile("durable.star"), p.url)
		if err != nil {
			return 0, 0, err
		}
		d, err := s.answered(ctx, "/health/ready")
		if err != nil {
			return 0, 0, err
		}
		took = append(took, d)
		if len(took) == c.starts {
			rest, err = atRest(c, p, s)
		}
		s.kill()
		if err != nil {
			return 0, 0, err
		}
	}
	return median(took), rest, nil
}

func atRest(c config, p place, s *process) (time.Duration, error) {
	time.Sleep(c.settle) // what a start leaves to do
	var cpu [2]time.Duration
	began := time.Now()
	for i := range cpu {
		own, err := s.cpu()
		if err != nil {
			return 0, err
		}
		theirs, err := p.backend()
		if err != nil {
			return 0, err
		}
		if cpu[i] = own + theirs; i == 0 {
			time.Sleep(5 * c.settle)
		}
	}
	return time.Duration(float64(cpu[1]-cpu[0]) / time.Since(began).Seconds()), nil
}

// dueRuns has c.due runs wait for one moment and measures how late each was
// when it had done what it waited with, and when all had ended.
func dueRuns(ctx context.Context, c config) error {
	var rows [][]string
	err := onEachEngine(ctx, c, func(p place) error {
		for ahead := c.ahead; ; ahead *= 2 {
			row, err := dueAtOnce(ctx, c, p, ahead)
			if errors.Is(err, errPassed) && ahead < time.Hour { // the machine is busy: again, with more time
				continue
			}
			if err != nil {
				return err
			}
			rows = append(rows, row)
			return nil
		}
	})
	if err != nil {
		return err
	}
	table(c.out, fmt.Sprintf("%d runs that are due at one moment: how late each had done what it waited with, s; CPU for each, of the server and PostgreSQL, µs", c.due),
		[]string{"engine", "half", "99 in 100", "the last", "CPU", "effects"}, rows)
	return nil
}

// errPassed says that the moment has come before the server was ready for it.
var errPassed = errors.New("the moment has passed before the server was ready")

// dueAtOnce measures c.due runs that wait for a moment, which is as far ahead as
// that when they begin to wait.
func dueAtOnce(ctx context.Context, c config, p place, ahead time.Duration) ([]string, error) {
	at := time.Now().UTC().Add(ahead).Truncate(time.Second)
	run, err := resting(ctx, c, p.url, "rests", dataflow.ObjectOf("n", int64(1), "at", at))
	if err != nil {
		return nil, err
	}
	db, err := p.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	// What an earlier attempt has left is of another moment.
	for _, of := range []string{"_flow_steps WHERE run <> '" + run + "'", "_flow_runs WHERE id <> '" + run + "'", "entries"} {
		if err := db.Exec(ctx, "DELETE FROM "+of); err != nil {
			return nil, err
		}
	}
	if err := copies(ctx, db, p.engine, run, c.due-1); err != nil {
		return nil, err
	}
	s, err := flowctlOn(c, benchFile("durable.star"), p.url)
	if err != nil {
		return nil, err
	}
	defer s.kill()
	if _, err := s.answered(ctx, "/health/ready"); err != nil {
		return nil, err
	}
	if time.Now().After(at) {
		return nil, errPassed
	}
	before, err := p.backend()
	if err != nil {
		return nil, err
	}
	count := func(sql string) (n int, err error) {
		text, err := db.Ask(ctx, sql)
		if err != nil {
			return 0, err
		}
		return strconv.Atoi(text)
	}
	for {
		left, err := count("SELECT CASE WHEN EXISTS (SELECT 1 FROM _flow_runs WHERE executor > '' OR wake_at IS NOT NULL) THEN '1' ELSE '0' END")
		if err != nil {
			return nil, err
		}
		if left == 0 {
			break
		}
		if time.Since(at) > 5*time.Minute || ctx.Err() != nil {
			return nil, fmt.Errorf("not all runs have ended: %w", ctx.Err())
		}
		time.Sleep(250 * time.Millisecond) // the question is dear where many rows have changed
	}
	own, err := s.cpu()
	if err != nil {
		return nil, err
	}
	after, err := p.backend()
	if err != nil {
		return nil, err
	}
	entries, err := count("SELECT cast(count(*) AS text) FROM entries WHERE what = 'two'")
	if err != nil {
		return nil, err
	}
	failed, err := count("SELECT cast(count(*) AS text) FROM _flow_runs WHERE status <> 'completed'")
	if err != nil {
		return nil, err
	}
	if entries != c.due || failed != 0 {
		return nil, fmt.Errorf("%d runs had %d effects, and %d failed", c.due, entries, failed)
	}
	row := []string{p.engine}
	for _, share := range []int{2, 100, 1} { // the median, the hundredth from the end, the last
		skip := c.due/share - 1
		if share == 100 {
			skip = c.due - c.due/share - 1
		}
		late, err := p.late(ctx, db, at, max(skip, 0))
		if err != nil {
			return nil, err
		}
		row = append(row, fmt.Sprintf("%.2f", late.Seconds()))
	}
	return append(row, micros(own/time.Duration(c.due))+" + "+micros((after-before)/time.Duration(c.due)), strconv.Itoa(entries)), nil
}

// late is how much later than a moment the n-th entry was made.
func (p place) late(ctx context.Context, db database, at time.Time, n int) (time.Duration, error) {
	made := "created_at"
	if p.engine == "PostgreSQL" {
		made = `to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
	}
	text, err := db.Ask(ctx, fmt.Sprintf("SELECT %s FROM entries WHERE what = 'two' ORDER BY created_at LIMIT 1 OFFSET %d", made, n))
	if err != nil {
		return 0, err
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	return t.Sub(at), err
}

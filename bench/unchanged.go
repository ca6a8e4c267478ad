package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/flowctl/flowctl/bench/handwritten/first"
	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/dataflow/store/sqlite"
)

// opening is one way to find that 500 tables are as they should be.
type opening struct {
	engine, name string
	opener       store.Migrator
	db           *dataflow.Database
	server       int // process id of the engine's server, 0 for none
	goal         string
}

// unchanged measures what the schema of an app costs a start where it is the
// one that the database has: by what is kept about it, and by inspecting it.
func unchanged(ctx context.Context, c config) error {
	url, drop, err := pgtest.New()
	if err != nil {
		return err
	}
	defer func() { _ = drop() }() // the whole server is about to go
	file := "sqlite:" + filepath.Join(c.dir, "unchanged.db")
	server := 0
	for engine, o := range map[string]opening{"SQLite": {opener: sqlite.Opener{}, db: wide(file, c.tables)}, "PostgreSQL": {opener: postgres.Opener{}, db: wide(url, c.tables)}} {
		if _, err := o.open(ctx); err != nil {
			return fmt.Errorf("%s: %w", engine, err)
		}
	}
	if server, err = pgtest.Settle(url); err != nil {
		return err
	}
	var rows [][]string
	for _, o := range []opening{
		{engine: "SQLite", name: "known", opener: sqlite.Opener{}, db: wide(file, c.tables), goal: "5"},
		{engine: "SQLite", name: "inspected", opener: sqlite.Opener{}, db: wide(file, c.tables), goal: "60"},
		{engine: "PostgreSQL", name: "known", opener: postgres.Opener{}, db: wide(url, c.tables), server: server, goal: "5"},
		{engine: "PostgreSQL", name: "inspected", opener: postgres.Opener{}, db: wide(url, c.tables), server: server, goal: "150"},
	} {
		o.db.Options.ModelPersistence = o.name == "known"
		row, err := o.measure(ctx, c.starts)
		if err != nil {
			return fmt.Errorf("%s, %s: %w", o.engine, o.name, err)
		}
		rows = append(rows, row)
	}
	for _, sql := range []string{"SELECT 1", `SELECT "fingerprint" FROM "_flow_meta"`} {
		row, err := opening{engine: "PostgreSQL", name: "by hand: " + sql, server: server}.byHand(ctx, url, sql, c.starts)
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	table(c.out, fmt.Sprintf("%d tables unchanged: CPU in ms of this process + of PostgreSQL's, median of %d", c.tables, c.starts),
		[]string{"engine", "", "connecting", "finding that nothing is to be done", "of it, both", "pages that PostgreSQL's process touched first", "goal"}, rows)
	return nil
}

// spent is CPU time on both sides, and how many pages the server's process
// touched first.
type spent struct {
	here, there time.Duration
	faults      int
}

// open opens the database for its schema and returns what that took: to
// connect, and from there on.
func (o opening) open(ctx context.Context) (took [2]spent, err error) {
	others, err := o.backends(ctx)
	if err != nil {
		return took, err
	}
	begin := ownCPU()
	run, diags := o.opener.Migrate(ctx, o.db, store.Options{}, false)
	if run == nil {
		return took, fmt.Errorf("%v", diags)
	}
	defer run.DB.Close()
	took[0].here = ownCPU() - begin
	backend, err := newcomer(o.server, others)
	if err != nil {
		return took, err
	}
	if took[0].there, took[0].faults, err = ranFor(backend); err != nil {
		return took, err
	}
	begin = ownCPU()
	var result *migrate.Result
	if result, diags = run.Open(ctx); result == nil {
		return took, fmt.Errorf("%v", diags)
	}
	took[1].here = ownCPU() - begin
	took[1], err = since(backend, took)
	return took, err
}

// since is what has been spent on both sides, of which the server's process has
// spent more before.
func since(backend int, took [2]spent) (spent, error) {
	all, faults, err := ranFor(backend)
	return spent{took[1].here, all - took[0].there, faults - took[0].faults}, err
}

func (o opening) measure(ctx context.Context, n int) ([]string, error) {
	return o.repeat(n, func() ([2]spent, error) { return o.open(ctx) })
}

// repeat is what n openings took, in the middle.
func (o opening) repeat(n int, open func() ([2]spent, error)) ([]string, error) {
	var here, there [2][]time.Duration
	var both []time.Duration
	var faults []int
	for i := range n + 2 { // the first two leave behind what is kept
		took, err := open()
		if err != nil {
			return nil, err
		}
		if i < 2 {
			continue
		}
		for part, t := range took {
			here[part], there[part] = append(here[part], t.here), append(there[part], t.there)
		}
		both = append(both, took[1].here+took[1].there)
		faults = append(faults, took[1].faults)
	}
	cell := func(part int) string {
		if o.server == 0 {
			return millis(median(here[part]))
		}
		return millis(median(here[part])) + " + " + millis(median(there[part]))
	}
	touched := ""
	if o.server != 0 {
		touched = strconv.Itoa(median(faults))
	}
	return []string{o.engine, o.name, cell(0), cell(1), millis(median(both)), touched, o.goal}, nil
}

// byHand measures what a connection costs a program that asks one thing on it.
func (o opening) byHand(ctx context.Context, url, sql string, n int) ([]string, error) {
	return o.repeat(n, func() (took [2]spent, err error) {
		others, err := o.backends(ctx)
		if err != nil {
			return took, err
		}
		begin := ownCPU()
		c, err := first.Connect(ctx, url)
		if err != nil {
			return took, err
		}
		defer c.Close(ctx)
		took[0].here = ownCPU() - begin
		backend, err := newcomer(o.server, others)
		if err != nil {
			return took, err
		}
		if took[0].there, took[0].faults, err = ranFor(backend); err != nil {
			return took, err
		}
		begin = ownCPU()
		if err := c.Ask(ctx, sql); err != nil {
			return took, err
		}
		took[1].here = ownCPU() - begin
		took[1], err = since(backend, took)
		return took, err
	})
}

func ownCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic("bench: getrusage of this process: " + err.Error())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// backends returns the processes of the server that are there, once none of
// them serves an earlier connection.
func (o opening) backends(ctx context.Context) (map[int]bool, error) {
	for ; ; time.Sleep(time.Millisecond) {
		all, err := children(o.server)
		if err != nil || ctx.Err() != nil {
			return nil, errors.Join(err, ctx.Err())
		}
		serving := false
		for pid := range all {
			serving = serving || serves(pid)
		}
		if !serving {
			return all, nil
		}
	}
}

// serves reports whether a process of the server is there for a connection. Its
// title is "postgres: user database address state".
func serves(pid int) bool {
	title, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid)) // none of one that has just ended
	return strings.Contains(string(title), " 127.0.0.1(") || strings.Contains(string(title), "[local]")
}

func children(parent int) (map[int]bool, error) {
	pids := map[int]bool{}
	if parent == 0 {
		return pids, nil
	}
	processes, err := filepath.Glob("/proc/[0-9]*")
	for _, path := range processes {
		pid, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			return nil, err
		}
		if s, err := readStat(pid); err == nil && s.parent == parent { // else it has just ended
			pids[pid] = true
		}
	}
	return pids, err
}

// newcomer is the child of the server that was not there before, 0 if there is
// no server.
func newcomer(server int, others map[int]bool) (int, error) {
	all, err := children(server)
	if err != nil || server == 0 {
		return 0, err
	}
	for pid := range all {
		if !others[pid] && serves(pid) {
			return pid, nil
		}
	}
	return 0, errors.New("the server has no process for the connection")
}

// ranFor returns how long a process has been running on a processor, to the
// nanosecond, and how many pages it has touched that it had not before.
func ranFor(pid int) (ran time.Duration, faults int, err error) {
	if pid == 0 {
		return 0, 0, nil
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/schedstat", pid))
	if err != nil {
		return 0, 0, err
	}
	first, _, _ := strings.Cut(string(text), " ")
	ns, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return 0, 0, err
	}
	s, err := readStat(pid)
	return time.Duration(ns), s.faults, err
}

// wide is a database of n tables, each of which refers to the one before.
func wide(url string, n int) *dataflow.Database {
	db := &dataflow.Database{Name: "db", URL: url, Options: dataflow.DatabaseOptions{AutoMigrate: true, ModelPersistence: true}}
	for i := range n {
		m := &dataflow.Model{Name: fmt.Sprintf("M%d", i), Table: fmt.Sprintf("m%d", i), Database: db, Fields: []*dataflow.Field{
			{Name: "id", Type: dataflow.Int, System: dataflow.RoleID},
			{Name: "a", Type: dataflow.String, Unique: true},
			{Name: "e", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"x", "y"}}},
			{Name: "d", Type: &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 12, Scale: 2}},
			{Name: "at", Type: dataflow.DateTime, Index: true},
			{Name: "j", Type: dataflow.JSON},
			{Name: "n", Type: dataflow.Int},
		}}
		if i > 0 {
			m.Fields = append(m.Fields, &dataflow.Field{Name: "ref", Type: &dataflow.Type{Kind: dataflow.KindRef, Model: db.Models[i-1]}})
		}
		m.Seal()
		db.Models = append(db.Models, m)
	}
	return db
}

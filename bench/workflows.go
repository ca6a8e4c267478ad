package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/flowctl/flowctl/bench/handwritten/orders"
	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/stdlib"
)

// workflows compares workflows with what they stand for: over REST a node with
// the model's own operation, and in one process three data nodes with the
// statements of a transaction written by hand.
func workflows(ctx context.Context, c config) error {
	if err := oneNode(ctx, c); err != nil {
		return err
	}
	return inProcess(ctx, c)
}

// parts is how many turns a round is cut into where servers are compared: short
// ones, so that the machine is the same for all.
const parts = 10

// oneNode asks one server for the same in two ways, in turn.
func oneNode(ctx context.Context, c config) error {
	p, err := flowctlRun(c, benchFile("workflows.star"), filepath.Join(c.dir, "workflows.db"))
	if err != nil {
		return err
	}
	defer p.kill()
	if _, err := p.answered(ctx, "/health/ready"); err != nil {
		return err
	}
	fill := load{addr: p.addr, conns: 1, n: 1, status: http.StatusOK, request: func(int) []byte {
		return post("/api/products/bulk_create", seedJSON())
	}}
	if _, err := fill.run(ctx); err != nil {
		return err
	}
	kinds := []struct {
		name           string
		n              int
		status         int // of the operation; a workflow that ran answers 200
		operation, way func(round, i int) []byte
	}{
		{"read", c.requests, http.StatusOK,
			func(_, i int) []byte { return get(fmt.Sprintf("/api/products/%d", 1+i*7%seeded)) },
			func(_, i int) []byte {
				return post("/workflows/get/execute", fmt.Sprintf(`{"inputs":{"id":%d}}`, 1+i*7%seeded))
			}},
		{"create", max(c.requests/4, 1), http.StatusCreated,
			func(round, i int) []byte {
				return post("/api/products", productJSON(fmt.Sprintf("O-%d-%d", round, i), i))
			},
			func(round, i int) []byte {
				return post("/workflows/create/execute", `{"inputs":`+productJSON(fmt.Sprintf("W-%d-%d", round, i), i)+`}`)
			}},
	}
	var rows [][]string
	for _, k := range kinds {
		var cpu [2][]time.Duration
		for round := range parts*c.rounds + 1 { // the first warms up
			for i, l := range []load{
				{status: k.status, request: func(i int) []byte { return k.operation(round, i) }},
				{status: http.StatusOK, request: func(i int) []byte { return k.way(round, i) }},
			} {
				l.addr, l.conns, l.n = p.addr, c.conns, max(k.n/parts, 1)
				cost, err := l.measure(ctx, p)
				if err != nil {
					return fmt.Errorf("%s: %w", k.name, err)
				}
				if round > 0 {
					cpu[i] = append(cpu[i], cost.cpu)
				}
			}
		}
		rows = append(rows, []string{k.name, micros(median(cpu[0])), micros(median(cpu[1])), ratio(cpu[1], cpu[0])})
	}
	table(c.out, fmt.Sprintf("A workflow of one node over REST, CPU of the server per request, µs, %d connections, median of %d turns of %d, of creates %d", c.conns, parts*c.rounds, max(c.requests/parts, 1), max(c.requests/4/parts, 1)),
		[]string{"", "operation", "workflow", "workflow / operation"}, rows)
	return nil
}

// benchFile finds a file of bench's folder, also where a test runs in it.
func benchFile(name string) string {
	if path := filepath.Join("bench", name); fileThere(path) {
		return path
	}
	return name
}

func fileThere(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// inProcess runs workflows and a transaction by hand one after the other, each
// on a database of its own.
func inProcess(ctx context.Context, c config) error {
	dir, err := os.MkdirTemp(c.dir, "run-")
	if err != nil {
		return err
	}
	gen, err := generation(ctx, dir)
	if err != nil {
		return err
	}
	defer gen.Close()
	e := gen.Engine()
	hand, err := orders.Open(filepath.Join(dir, "hand.db"))
	if err != nil {
		return err
	}
	defer hand.Close()
	if err := seedRun(ctx, e); err != nil {
		return err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // as flowctl run has it
	// Turns are short, so that the machine is the same for all.
	turns, n := 10*c.rounds, max(c.requests/100, 1)
	order := placing(ctx, e)
	chain := running(ctx, e, "chain", func(i int) *dataflow.Object { return dataflow.ObjectOf("x", int64(i)) })
	var cpu [3][]time.Duration
	for turn := range turns + 1 { // the first warms up
		for k, do := range []func(int) error{order, hand.Place, chain} {
			d, err := cpuOf(n, do)
			if err != nil {
				return err
			}
			if turn > 0 {
				cpu[k] = append(cpu[k], d)
			}
		}
	}
	table(c.out, fmt.Sprintf("In one process, CPU per run, µs, one at a time, median of %d turns of %d", turns, n),
		[]string{"", "workflow", "by hand", "workflow / by hand"}, [][]string{
			{"3 data nodes, one transaction", micros(median(cpu[0])), micros(median(cpu[1])), ratio(cpu[0], cpu[1])},
			{"10 nodes of Starlark", micros(median(cpu[2])), "", ""},
		})
	return nil
}

// running returns a function that runs a workflow for the i-th time.
func running(ctx context.Context, e *engine.Engine, name string, inputs func(i int) *dataflow.Object) func(i int) error {
	return func(i int) error {
		_, err := e.Run(ctx, engine.Request{Workflow: name, Inputs: inputs(i)})
		return err
	}
}

// placing runs the workflow "order", as orders.Database.Place does by hand.
func placing(ctx context.Context, e *engine.Engine) func(i int) error {
	return running(ctx, e, "order", func(i int) *dataflow.Object {
		return dataflow.ObjectOf("id", int64(1+i%100), "qty", int64(2), "left", int64(i%50))
	})
}

// generation loads the app of the measurement on a database in dir.
func generation(ctx context.Context, dir string) (*nexus.Generation, error) {
	return generationOf(ctx, "workflows.star", dir, "sqlite:"+filepath.Join(dir, "flowctl.db"))
}

// generationOf loads an app of bench's on a database.
func generationOf(ctx context.Context, file, dir, url string) (*nexus.Generation, error) {
	path, err := filepath.Abs(filepath.Dir(benchFile(file)))
	if err != nil {
		return nil, err
	}
	env := func(name string) (string, bool) { return url, name == "DATABASE_URL" }
	app, diags := starlark.Load(ctx, file, starlark.Options{FS: os.DirFS(path), Env: env, Modules: stdlib.Modules()})
	if dataflow.HasErrors(diags) {
		return nil, fmt.Errorf("load: %s %s", diags[0].Span, diags[0].Message)
	}
	gen, diags := nexus.Build(ctx, app, nexus.Options{Dir: dir, Env: env, Logger: slog.New(slog.DiscardHandler)})
	if gen == nil {
		return nil, fmt.Errorf("build: %s", diags[0].Message)
	}
	return gen, nil
}

func seedRun(ctx context.Context, e *engine.Engine) error {
	for i := range 100 {
		_, err := e.Run(ctx, engine.Request{Workflow: "create", Inputs: dataflow.ObjectOf(
			"sku", fmt.Sprintf("S-%d", i), "name", "Kettle", "price", "10.00", "stock", int64(5), "active", true)})
		if err != nil {
			return err
		}
	}
	return nil
}

// cpuOf runs something n times and returns the CPU time of the process for
// each.
func cpuOf(n int, do func(int) error) (time.Duration, error) {
	before, err := selfCPU()
	if err != nil {
		return 0, err
	}
	for i := range n {
		if err := do(i); err != nil {
			return 0, err
		}
	}
	after, err := selfCPU()
	return (after - before) / time.Duration(n), err
}

func selfCPU() (time.Duration, error) {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0, err
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano()), nil
}

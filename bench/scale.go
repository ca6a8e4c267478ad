package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// scale measures apps of rising size: how long they take to load and what a
// request among so many models and workflows costs.
func scale(ctx context.Context, c config) error {
	var rows [][]string
	for _, n := range c.scales {
		row, err := scaleRow(ctx, c, n)
		if err != nil {
			return fmt.Errorf("%d models: %w", n, err)
		}
		rows = append(rows, row)
	}
	table(c.out, "Apps of rising size: n models and n workflows; milliseconds, but for requests",
		[]string{"n", "check, wall", "check, CPU", "first start, wall", "later start, wall", "later start, CPU", "idle, MiB", "GET one, µs CPU", "workflow, µs CPU"}, rows)
	return nil
}

func scaleRow(ctx context.Context, c config, n int) ([]string, error) {
	dir := filepath.Join(c.dir, fmt.Sprintf("scale-%d", n))
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	app := filepath.Join(dir, "app.star")
	if err := os.WriteFile(app, []byte(scaleApp(n)), 0o644); err != nil {
		return nil, err
	}
	few := c
	few.starts = min(c.starts, 5)
	var wall, cpu []time.Duration
	for range few.starts {
		cmd := exec.CommandContext(ctx, c.flowctl, "check", app)
		begin := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("check: %w\n%s", err, out)
		}
		wall = append(wall, time.Since(begin))
		cpu = append(cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	}
	path := "/api/item" + last(n) + "?limit=1"
	first, err := manyStarts(ctx, few, app, path, freshFiles(few))
	if err != nil {
		return nil, err
	}
	if err := removeDatabases(c.dir); err != nil {
		return nil, err
	}
	later, err := manyStarts(ctx, few, app, path, oneFile(few))
	if err != nil {
		return nil, err
	}
	rss, one, flow, err := scaleRequests(ctx, c, app, n)
	if err != nil {
		return nil, err
	}
	return []string{fmt.Sprint(n), millis(median(wall)), millis(median(cpu)), millis(first.wall), millis(later.wall), millis(later.cpu),
		mib(rss), micros(one), micros(flow)}, removeDatabases(c.dir)
}

// removeDatabases makes room for the next app's under the same names.
func removeDatabases(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "start-*.db*"))
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	return err
}

// scaleRequests asks the last model and the last workflow of n.
func scaleRequests(ctx context.Context, c config, app string, n int) (rss int64, one, flow time.Duration, err error) {
	p, err := flowctlRun(c, app, filepath.Join(filepath.Dir(app), "app.db"))
	if err != nil {
		return 0, 0, 0, err
	}
	defer p.kill()
	if _, err := p.answered(ctx, "/health/ready"); err != nil {
		return 0, 0, 0, err
	}
	time.Sleep(c.settle)
	if rss, err = p.rss(); err != nil {
		return 0, 0, 0, err
	}
	path := "/api/item" + last(n)
	row := load{addr: p.addr, conns: 1, n: 1, status: http.StatusCreated, request: func(int) []byte {
		return post(path, `{"name":"a","price":"1.50","qty":1}`)
	}}
	if _, err := row.run(ctx); err != nil {
		return 0, 0, 0, err
	}
	getOne, execute := get(path+"/1"), post("/workflows/flow"+last(n)+"/execute", `{"inputs":{"id":1}}`)
	one, err = medianCPU(ctx, c, p, getOne)
	if err != nil {
		return 0, 0, 0, err
	}
	flow, err = medianCPU(ctx, c, p, execute)
	return rss, one, flow, err
}

func medianCPU(ctx context.Context, c config, p *process, request []byte) (time.Duration, error) {
	var cpu []time.Duration
	for range c.rounds {
		l := load{addr: p.addr, conns: c.conns, n: c.requests, status: http.StatusOK, request: func(int) []byte { return request }}
		cost, err := l.measure(ctx, p)
		if err != nil {
			return 0, err
		}
		cpu = append(cpu, cost.cpu)
	}
	return median(cpu), nil
}

func last(n int) string { return fmt.Sprintf("%04d", n) }

// scaleApp writes an app of n models, each exposed, and n workflows, each
// with an input, two nodes and a reference between them.
func scaleApp(n int) string {
	var b strings.Builder
	b.WriteString(`db = DataFlow(database_url = env("DATABASE_URL", default = "sqlite:app.db"))
app = Nexus()

def double(qty):
    return {"qty": qty * 2}
`)
	for i := 1; i <= n; i++ {
		fmt.Fprintf(&b, `
Item%[1]s = db.model("Item%[1]s", {
    "name": field(str, max_length = 100, index = True),
    "price": decimal(10, 2, ge = 0),
    "qty": field(int, ge = 0, default = 0),
    "status": enum("new", "done", default = "new"),
    "note": field(str, optional = True),
})
app.expose(Item%[1]s, path = "item%[1]s")
wf%[1]s = WorkflowBuilder("flow%[1]s", input = {"id": int})
wf%[1]s.add_node("Item%[1]sReadNode", "item", {"id": "${input.id}"})
wf%[1]s.add_node("StarlarkNode", "twice", {"fn": double, "qty": "${item.qty}"})
app.register("flow%[1]s", wf%[1]s.build())
`, last(i))
	}
	b.WriteString("\napp.start()\n")
	return b.String()
}

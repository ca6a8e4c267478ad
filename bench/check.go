package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// checks measures flowctl check from process start to its end: of the shop, and
// of apps of 1,000 models with as many workflows, and with as many handlers,
// which values are followed through.
func checks(ctx context.Context, c config) error {
	shop := filepath.Join("examples", "shop", "app.star")
	if _, err := os.Stat(shop); err != nil {
		shop = filepath.Join("..", shop)
	}
	const n = 1000
	apps := []struct{ name, path, text string }{
		{"examples/shop", shop, ""},
		{fmt.Sprintf("%d models, %d workflows", n, n), filepath.Join(c.dir, "workflows.star"), scaleApp(n)},
		{fmt.Sprintf("%d models, %d handlers", n, n), filepath.Join(c.dir, "handlers.star"), handlersApp(n)},
	}
	var rows [][]string
	for _, a := range apps {
		if a.text != "" {
			if err := os.WriteFile(a.path, []byte(a.text), 0o644); err != nil {
				return err
			}
		}
		wall, cpu, err := manyChecks(ctx, c, a.path)
		if err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
		rows = append(rows, []string{a.name, millis(wall), millis(cpu)})
	}
	table(c.out, fmt.Sprintf("flowctl check, from process start to its end, median of %d", c.starts), []string{"", "wall, ms", "CPU, ms"}, rows)
	return nil
}

func manyChecks(ctx context.Context, c config, app string) (wall, cpu time.Duration, err error) {
	var walls, cpus []time.Duration
	for range c.starts {
		cmd := exec.CommandContext(ctx, c.flowctl, "check", app)
		begin := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			return 0, 0, fmt.Errorf("check: %w\n%s", err, out)
		}
		walls = append(walls, time.Since(begin))
		cpus = append(cpus, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	}
	return median(walls), median(cpus), nil
}

// handlersApp is an app of n models, and of n handlers that write to them.
func handlersApp(n int) string {
	var b, served strings.Builder
	b.WriteString("db = DataFlow(database_url = \"sqlite:app.db\")\n")
	for i := range n {
		fmt.Fprintf(&b, `
Item%[1]d = db.model("Item%[1]d", {"name": str, "n": int, "total": decimal(12, 2)})

def add%[1]d(ctx, name, ns):
    item = ctx.run(Item%[1]d.create, name = name, n = 0, total = "1.00")
    sum = 0
    for n in ns:
        sum += n
    return ctx.run(Item%[1]d.update, id = item.id, fields = {"n": item.n + sum})
`, i)
		fmt.Fprintf(&served, "app.handler(\"add%[1]d\", add%[1]d, input = {\"name\": str, \"ns\": list(int, max_length = 100)})\n", i)
	}
	return b.String() + "\napp = Nexus()\n" + served.String() + "app.start()\n"
}

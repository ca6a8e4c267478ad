package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// checks measures flowctl check from process start to its end: of the shop, and
// of apps of 1,000 models with as many workflows, and with as many handlers,
// which values are followed through. Beside them stand a program that does
// nothing, and flowctl version, which are what is paid before anything is
// checked.
func checks(ctx context.Context, c config) error {
	shop := filepath.Join("examples", "shop", "app.star")
	if _, err := os.Stat(shop); err != nil {
		shop = filepath.Join("..", shop)
	}
	const n = 1000
	workflows, handlers := filepath.Join(c.dir, "workflows.star"), filepath.Join(c.dir, "handlers.star")
	for path, text := range map[string]string{workflows: scaleApp(n), handlers: handlersApp(n)} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	commands := []struct {
		name string
		args []string
	}{
		{"a program in Go that does nothing", []string{c.empty}},
		{"flowctl version", []string{c.flowctl, "version"}},
		{"flowctl check, examples/shop", []string{c.flowctl, "check", shop}},
		{fmt.Sprintf("%d models, %d workflows", n, n), []string{c.flowctl, "check", workflows}},
		{fmt.Sprintf("%d models, %d handlers", n, n), []string{c.flowctl, "check", handlers}},
	}
	used := make([]commandCost, len(commands))
	for range c.starts + 1 { // in turns, so that a drift of the machine is everybody's; the first fills the page cache
		for i, cmd := range commands {
			if err := used[i].run(ctx, cmd.args); err != nil {
				return fmt.Errorf("%s: %w", cmd.name, err)
			}
		}
	}
	var rows [][]string
	for i, cmd := range commands {
		u := &used[i]
		rows = append(rows, []string{cmd.name, millis(median(u.wall[1:])), millis(median(u.cpu[1:])), millis(slices.Min(u.cpu[1:])),
			fmt.Sprintf("%.1f", float64(slices.Min(u.cpu[1:]))/float64(slices.Min(used[0].cpu[1:]))), fmt.Sprint(u.faults)})
	}
	table(c.out, fmt.Sprintf("From process start to its end, median of %d", c.starts),
		[]string{"", "wall, ms", "CPU, ms", "least CPU, ms", "of that, times nothing", "pages touched first"}, rows)
	return nil
}

// commandCost is what runs of a command have used.
type commandCost struct {
	wall, cpu []time.Duration
	faults    int64 // of the last
}

func (u *commandCost) run(ctx context.Context, args []string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	begin := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	u.wall = append(u.wall, time.Since(begin))
	u.cpu = append(u.cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	u.faults = cmd.ProcessState.SysUsage().(*syscall.Rusage).Minflt
	return nil
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

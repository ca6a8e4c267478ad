package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// observed is a way to serve the bench's app.
type observed struct {
	name    string
	options string // of Nexus(…)
	verbose bool   // with the access log
}

var observations = []observed{
	{"nothing", "", false},
	{"a rate limit", "rate_limit = 1000000000", false},
	{"metrics", "enable_monitoring = True", false},
	{"the access log", "", true},
	{"all three", "rate_limit = 1000000000, enable_monitoring = True", true},
}

// observing measures what it costs a get that it is counted, limited and logged:
// servers that differ in that alone take turns, round by round.
func observing(ctx context.Context, c config) error {
	seed, err := seededDatabase(ctx, c)
	if err != nil {
		return err
	}
	servers := make([]*process, len(observations))
	for i, o := range observations {
		p, err := observedRun(c, o, i, seed)
		if err != nil {
			return err
		}
		defer p.kill()
		if _, err := p.answered(ctx, "/health/ready"); err != nil {
			return err
		}
		servers[i] = p
	}
	turns, n := parts*c.rounds, max(c.requests/parts, 1)
	cpu := make([][]time.Duration, len(servers))
	for round := range turns + 1 { // the first warms up
		for k := range servers {
			i := (k + round) % len(servers) // nobody always follows the same one
			l := load{addr: servers[i].addr, conns: c.conns, n: n, status: http.StatusOK,
				request: func(i int) []byte { return get(fmt.Sprintf("/api/products/%d", 1+i*7%seeded)) }}
			cost, err := l.measure(ctx, servers[i])
			if err != nil {
				return fmt.Errorf("%s: %w", observations[i].name, err)
			}
			if round > 0 {
				cpu[i] = append(cpu[i], cost.cpu)
			}
		}
	}
	var rows [][]string
	for i, o := range observations {
		rows = append(rows, []string{o.name, micros(median(cpu[i])), ratio(cpu[i], cpu[0])})
	}
	table(c.out, fmt.Sprintf("CPU time of the server for a get of one row, µs, by what is done beside it; %d connections, median of %d turns of %d requests",
		c.conns, turns, n), []string{"", "in all", "beside nothing"}, rows)
	return nil
}

// seededDatabase makes a database with the rows that are asked for.
func seededDatabase(ctx context.Context, c config) (string, error) {
	path := filepath.Join(c.dir, "observed.db")
	p, err := flowctlRun(c, appFile(), path)
	if err != nil {
		return "", err
	}
	defer p.kill()
	if _, err := p.answered(ctx, "/health/ready"); err != nil {
		return "", err
	}
	fill := load{conns: 1, n: 1, addr: p.addr, status: http.StatusOK, request: func(int) []byte { return post("/api/products/bulk_create", seedJSON()) }}
	if _, err := fill.run(ctx); err != nil {
		return "", err
	}
	return path, p.stop()
}

// observedRun serves the app in one of the ways, on a copy of a database.
func observedRun(c config, o observed, i int, seed string) (*process, error) {
	text, err := os.ReadFile(appFile())
	if err != nil {
		return nil, err
	}
	const plain = "app = Nexus()"
	changed := strings.Replace(string(text), plain, "app = Nexus("+o.options+")", 1)
	if !strings.Contains(string(text), plain) {
		return nil, fmt.Errorf("%s has no %s to change", appFile(), plain)
	}
	app, path := filepath.Join(c.dir, fmt.Sprintf("observed%d.star", i)), filepath.Join(c.dir, fmt.Sprintf("observed%d.db", i))
	if err := os.WriteFile(app, []byte(changed), 0o644); err != nil {
		return nil, err
	}
	if err := copyFile(path, seed); err != nil {
		return nil, err
	}
	if o.verbose {
		return flowctlRun(c, app, path, "--access-log")
	}
	return flowctlRun(c, app, path)
}

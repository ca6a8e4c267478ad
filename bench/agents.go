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

// agents compares tools of MCP with the same over REST, and reads a long list of
// tools.
func agents(ctx context.Context, c config) error {
	if err := toolCalls(ctx, c); err != nil {
		return err
	}
	return longList(ctx, c)
}

// twoDoors launches a server and returns the address of each of its doors: the
// process has that of REST.
func twoDoors(ctx context.Context, c config, app, path string) (p *process, mcp string, err error) {
	if mcp, err = freeAddr(); err != nil {
		return nil, "", err
	}
	p, err = launch(c.flowctl, func(addr string) []string {
		_, api, _ := strings.Cut(addr, ":")
		_, tools, _ := strings.Cut(mcp, ":")
		return []string{"run", app, "--api-port", api, "--mcp-port", tools}
	}, "DATABASE_URL=sqlite:"+path)
	if err != nil {
		return nil, "", err
	}
	if _, err = p.answered(ctx, "/health/ready"); err != nil {
		p.kill()
		return nil, "", err
	}
	return p, mcp, nil
}

// rpc writes a message of MCP in a revision; "" is one before 2026-07-28.
func rpc(set, revision, method, name, params string) []byte {
	header := ""
	if revision != "" {
		header = "MCP-Protocol-Version: " + revision + "\r\nMcp-Method: " + method + "\r\n"
		if name != "" {
			header += "Mcp-Name: " + name + "\r\n"
		}
		params = strings.TrimSuffix(params, "}")
		if params != "{" {
			params += ","
		}
		params += `"_meta":{"io.modelcontextprotocol/protocolVersion":"` + revision + `","io.modelcontextprotocol/clientCapabilities":{}}}`
	}
	body := `{"jsonrpc":"2.0","id":1,"method":"` + method + `","params":` + params + `}`
	return fmt.Appendf(nil, "POST /mcp%s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n%sContent-Length: %d\r\n\r\n%s",
		set, header, len(body), body)
}

func callOf(revision, tool, args string) []byte {
	return rpc("", revision, "tools/call", tool, `{"name":"`+tool+`","arguments":`+args+`}`)
}

func toolCalls(ctx context.Context, c config) error {
	p, mcp, err := twoDoors(ctx, c, benchFile("workflows.star"), filepath.Join(c.dir, "agents.db"))
	if err != nil {
		return err
	}
	defer p.kill()
	seed := load{addr: p.addr, conns: 1, n: 1, status: http.StatusOK, request: func(int) []byte { return post("/api/products/bulk_create", seedJSON()) }}
	if _, err := seed.run(ctx); err != nil {
		return err
	}
	kinds := []struct {
		name       string
		n          int
		status     int
		rest, call func(revision string, round, i int) []byte
	}{
		{"get one", c.requests, http.StatusOK,
			func(_ string, _, i int) []byte { return get(fmt.Sprintf("/api/products/%d", 1+i*7%seeded)) },
			func(r string, _, i int) []byte {
				return callOf(r, "products_read", fmt.Sprintf(`{"id":%d}`, 1+i*7%seeded))
			}},
		{"list 20", c.requests / 4, http.StatusOK,
			func(string, int, int) []byte { return get("/api/products?limit=20") },
			func(r string, _, _ int) []byte { return callOf(r, "products_list", `{}`) }},
		{"create", max(c.requests/4, 1), http.StatusCreated,
			func(_ string, round, i int) []byte {
				return post("/api/products", productJSON(fmt.Sprintf("R-%d-%d", round, i), i))
			},
			func(r string, round, i int) []byte {
				return callOf(r, "products_create", productJSON(fmt.Sprintf("M%s-%d-%d", r, round, i), i))
			}},
	}
	var rows [][]string
	for _, k := range kinds {
		var cpu [3][]time.Duration
		for round := range c.rounds + 1 { // the first warms up
			for i, way := range []struct {
				addr, revision string
				status         int
				request        func(string, int, int) []byte
			}{{p.addr, "", k.status, k.rest}, {mcp, "", http.StatusOK, k.call}, {mcp, "2026-07-28", http.StatusOK, k.call}} {
				l := load{addr: way.addr, conns: c.conns, n: k.n, status: way.status, request: func(i int) []byte { return way.request(way.revision, round, i) }}
				cost, err := l.measure(ctx, p)
				if err != nil {
					return fmt.Errorf("%s: %w", k.name, err)
				}
				if round > 0 {
					cpu[i] = append(cpu[i], cost.cpu)
				}
			}
		}
		rows = append(rows, []string{k.name, micros(median(cpu[0])), micros(median(cpu[1])), micros(median(cpu[2])), ratio(cpu[1], cpu[0]), ratio(cpu[2], cpu[0])})
	}
	table(c.out, fmt.Sprintf("A tool of MCP beside REST, CPU of the server per request, µs, %d connections, median of %d rounds", c.conns, c.rounds),
		[]string{"", "REST", "2025-11-25", "2026-07-28", "2025-11-25 / REST", "2026-07-28 / REST"}, rows)
	return nil
}

// longList asks for a list of 500 tools: those of 41 models and their workflows.
func longList(ctx context.Context, c config) error {
	app := filepath.Join(c.dir, "many.star")
	if err := os.WriteFile(app, []byte(scaleApp(41)), 0o644); err != nil {
		return err
	}
	p, mcp, err := twoDoors(ctx, c, app, filepath.Join(c.dir, "many.db"))
	if err != nil {
		return err
	}
	defer p.kill()
	var took [2]time.Duration
	n := max(c.requests/40, 4)
	for i, n := range []int{1, n} {
		l := load{addr: mcp, conns: 1, n: n, status: http.StatusOK, request: func(int) []byte { return rpc("/all", "2026-07-28", "tools/list", "", "{}") }}
		cost, err := l.measure(ctx, p)
		if err != nil {
			return err
		}
		took[i] = cost.wall
	}
	table(c.out, "A list of 500 tools, ms", []string{"", "wall"}, [][]string{{"the first time", millis(took[0])}, {"from then on", millis(took[1])}})
	return nil
}

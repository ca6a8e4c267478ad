package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

const seeded = 1000 // products in each database before the measurement

// requests compares the CPU time of the servers per request, in turn: round
// by round, and within a round kind by kind.
func requests(ctx context.Context, c config) error {
	servers, err := contestants(ctx, c)
	for _, s := range servers {
		defer s.kill()
	}
	if err != nil {
		return err
	}
	kinds := []struct {
		name string
		load func(round int) load
	}{
		{"get one", func(int) load {
			return load{n: c.requests, status: http.StatusOK, request: func(i int) []byte {
				return get(fmt.Sprintf("/api/products/%d", 1+i*7%seeded))
			}}
		}},
		{"list 20", func(int) load {
			page := get("/api/products?limit=20")
			return load{n: max(c.requests/2, 1), status: http.StatusOK, request: func(int) []byte { return page }}
		}},
		{"create", func(round int) load {
			return load{n: max(c.requests/4, 1), status: http.StatusCreated, request: func(i int) []byte {
				return post("/api/products", productJSON(fmt.Sprintf("N-%d-%d", round, i), i))
			}}
		}},
	}
	var rows [][]string
	for _, k := range kinds {
		cpu := make([][]time.Duration, len(servers))
		wall := make([][]time.Duration, len(servers))
		for round := range c.rounds + 1 { // the first warms up
			for i, s := range servers {
				l := k.load(round)
				l.addr, l.conns = s.addr, c.conns
				cost, err := l.measure(ctx, s.process)
				if err != nil {
					return fmt.Errorf("%s: %s: %w", s.name, k.name, err)
				}
				if round > 0 {
					cpu[i] = append(cpu[i], cost.cpu)
					wall[i] = append(wall[i], cost.wall)
				}
			}
		}
		row := []string{k.name}
		for i := range servers {
			row = append(row, fmt.Sprintf("%s (%.0f/s)", micros(median(cpu[i])), float64(time.Second)/float64(median(wall[i]))))
		}
		rows = append(rows, append(row, ratio(cpu[0], cpu[1]), ratio(cpu[0], cpu[2])))
	}
	table(c.out, fmt.Sprintf("CPU time of the server per request, µs (and rate), %d connections, median of %d rounds of %d gets, %d lists and %d creates",
		c.conns, c.rounds, c.requests, max(c.requests/2, 1), max(c.requests/4, 1)),
		[]string{"", "flowctl", "handwritten", "handwritten, careful", "flowctl / handwritten", "flowctl / careful"}, rows)
	return nil
}

type contestant struct {
	*process
	name string
}

// contestants starts the three servers on copies of one database that flowctl
// made and filled.
func contestants(ctx context.Context, c config) ([]contestant, error) {
	app := appFile()
	seed := filepath.Join(c.dir, "seed.db")
	p, err := flowctlRun(c, app, seed)
	if err != nil {
		return nil, err
	}
	if _, err := p.answered(ctx, "/health/ready"); err != nil {
		return nil, err
	}
	fill := load{addr: p.addr, conns: 1, n: 1, status: http.StatusOK, request: func(int) []byte {
		return post("/api/products/bulk_create", seedJSON())
	}}
	if _, err := fill.run(ctx); err != nil {
		p.kill()
		return nil, err
	}
	if err := p.stop(); err != nil {
		return nil, fmt.Errorf("stopping the seeding server: %w\n%s", err, p.log)
	}
	var cs []contestant
	for _, name := range []string{"flowctl", "handwritten", "careful"} {
		path := filepath.Join(c.dir, name+".db")
		if err := copyFile(path, seed); err != nil {
			return cs, err
		}
		p, err := launchNamed(c, name, app, path)
		if err != nil {
			return cs, err
		}
		cs = append(cs, contestant{p, name})
		if _, err := p.answered(ctx, "/api/products/1"); err != nil {
			return cs, err
		}
	}
	return cs, nil
}

func launchNamed(c config, name, app, path string) (*process, error) {
	if name == "flowctl" {
		return flowctlRun(c, app, path)
	}
	return launch(c.handwritten, func(addr string) []string {
		return []string{"-addr", addr, "-db", path, fmt.Sprintf("-careful=%t", name == "careful")}
	})
}

func productJSON(sku string, i int) string {
	return fmt.Sprintf(`{"sku":"%s","name":"Kettle, %d litres, brushed steel","price":"%d.%02d","stock":%d,"active":%t}`,
		sku, i%9+1, i%90+10, i%100, i%50, i%3 != 0)
}

func seedJSON() string { return productsJSON("S", seeded) }

func copyFile(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
)

// samples is how often memory is read over the requests.
const samples = 20

// memory watches the resident memory of flowctl over a million requests of 64
// connections: of twenty, sixteen read one row, three list 20 and one creates.
func memory(ctx context.Context, c config) error {
	url, drop, err := pgtest.New()
	if err != nil {
		return err
	}
	defer func() { _ = drop() }() // the whole server is about to go
	var rows [][]string
	for _, on := range []struct{ engine, url string }{{"SQLite", "sqlite:" + filepath.Join(c.dir, "memory.db")}, {"PostgreSQL", url}} {
		row, err := memoryOn(ctx, c, on.url)
		if err != nil {
			return fmt.Errorf("%s: %w", on.engine, err)
		}
		rows = append(rows, append([]string{on.engine}, row...))
	}
	table(c.out, fmt.Sprintf("Resident memory in MiB over %d requests of 64 connections, read %d times", c.million, samples),
		[]string{"", "idle", "highest, first half", "highest, second half", "at the end", "of it in no file"}, rows)
	return nil
}

func memoryOn(ctx context.Context, c config, url string) ([]string, error) {
	if err := fill(ctx, c, url); err != nil {
		return nil, err
	}
	p, err := flowctlOn(c, appFile(), url)
	if err != nil {
		return nil, err
	}
	defer p.kill()
	if _, err := p.answered(ctx, "/health/ready"); err != nil {
		return nil, err
	}
	time.Sleep(c.settle)
	idle, err := p.rss()
	if err != nil {
		return nil, err
	}
	var halves [2]int64
	var last int64
	for i := range samples {
		if err := mixed(ctx, c, p, i); err != nil {
			return nil, fmt.Errorf("%w\n%s", err, p.log)
		}
		if last, err = p.rss(); err != nil {
			return nil, err
		}
		half := i * len(halves) / samples
		halves[half] = max(halves[half], last)
	}
	own, err := p.own()
	return []string{mib(idle), mib(halves[0]), mib(halves[1]), mib(last), mib(own)}, err
}

// mixed sends one sample's share of the requests.
func mixed(ctx context.Context, c config, p *process, sample int) error {
	n := c.million / samples
	for _, part := range []load{
		{n: n * 16 / 20, status: http.StatusOK, request: func(i int) []byte { return get(fmt.Sprintf("/api/products/%d", 1+i*7919%c.rows)) }},
		{n: n * 3 / 20, status: http.StatusOK, request: func(int) []byte { return get("/api/products?limit=20") }},
		{n: n / 20, status: http.StatusCreated, request: func(i int) []byte {
			return post("/api/products", productJSON(fmt.Sprintf("M-%d-%d", sample, i), i))
		}},
	} {
		part.addr, part.conns = p.addr, 64
		if _, err := part.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
)

// starts measures from process start to the first request answered, on the
// shop: with no database yet, and with one that is there, of either engine.
func starts(ctx context.Context, c config) error {
	app := filepath.Join("examples", "shop", "app.star")
	if _, err := os.Stat(app); err != nil {
		app = filepath.Join("..", app)
	}
	fresh, err := manyStarts(ctx, c, app, "/api/products", freshFiles(c))
	if err != nil {
		return err
	}
	warm, err := manyStarts(ctx, c, app, "/api/products", oneFile(c))
	if err != nil {
		return err
	}
	served, ofServer, err := startsOnPostgres(ctx, c, app)
	if err != nil {
		return err
	}
	table(c.out, fmt.Sprintf("From process start to the first request answered, examples/shop, median of %d", c.starts),
		[]string{"", "wall, ms", "CPU, ms", "PostgreSQL's CPU, ms"},
		[][]string{
			{"no database yet: tables are made", millis(fresh.wall), millis(fresh.cpu), ""},
			{"the database is there", millis(warm.wall), millis(warm.cpu), ""},
			{"it is there, on PostgreSQL", millis(served.wall), millis(served.cpu), millis(ofServer)},
		})
	return idle(ctx, c, app)
}

// startsOnPostgres starts on a database that is known, when nobody else is
// connected to it. ofServer is the mean of what a start takes of the server, to
// the end of its connections.
func startsOnPostgres(ctx context.Context, c config, app string) (took cost, ofServer time.Duration, err error) {
	url, drop, err := pgtest.New()
	if err != nil {
		return cost{}, 0, err
	}
	defer func() { _ = drop() }() // the whole server is about to go
	server, err := pgtest.Settle(url)
	if err != nil {
		return cost{}, 0, err
	}
	var before time.Duration
	alone := func(i int) (string, error) {
		if _, err := (opening{server: server}).backends(ctx); err != nil {
			return "", err
		}
		if i == 1 { // the first has made the tables
			before, err = familyCPU(server)
		}
		return url, err
	}
	few := c
	few.starts++ // the second keeps what the others go by
	if took, err = manyStarts(ctx, few, app, "/api/products", alone); err != nil {
		return cost{}, 0, err
	}
	if _, err := alone(0); err != nil {
		return cost{}, 0, err
	}
	after, err := familyCPU(server)
	return took, (after - before) / time.Duration(few.starts), err
}

// freshFiles gives each start a database of its own, that is not there yet.
func freshFiles(c config) func(int) (string, error) {
	return func(i int) (string, error) {
		return "sqlite:" + filepath.Join(c.dir, fmt.Sprintf("start-%d.db", i)), nil
	}
}

// oneFile gives all the same.
func oneFile(c config) func(int) (string, error) {
	return func(int) (string, error) { return "sqlite:" + filepath.Join(c.dir, "start-warm.db"), nil }
}

// manyStarts starts and kills a server again and again, on the database that
// each is given, and returns medians.
func manyStarts(ctx context.Context, c config, app, path string, database func(i int) (string, error)) (cost, error) {
	var wall, cpu []time.Duration
	for i := range c.starts + 1 { // the first fills the page cache
		url, err := database(i)
		if err != nil {
			return cost{}, err
		}
		p, err := flowctlOn(c, app, url)
		if err != nil {
			return cost{}, err
		}
		took, err := p.answered(ctx, path)
		if err != nil {
			return cost{}, err
		}
		used := p.kill()
		if i > 0 {
			wall, cpu = append(wall, took), append(cpu, used)
		}
	}
	return cost{cpu: median(cpu), wall: median(wall)}, nil
}

func idle(ctx context.Context, c config, app string) error {
	p, err := flowctlRun(c, app, filepath.Join(c.dir, "idle.db"))
	if err != nil {
		return err
	}
	defer p.kill()
	if _, err := p.answered(ctx, "/api/products"); err != nil {
		return err
	}
	time.Sleep(c.settle)
	rss, err := p.rss()
	if err != nil {
		return err
	}
	table(c.out, "Memory of an idle server, examples/shop", []string{"", "MiB"}, [][]string{{"resident", mib(rss)}})
	return nil
}

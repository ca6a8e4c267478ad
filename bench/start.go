package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// starts measures from process start to the first request answered, on the
// shop: with no database yet, and with one that is there.
func starts(ctx context.Context, c config) error {
	app := filepath.Join("examples", "shop", "app.star")
	if _, err := os.Stat(app); err != nil {
		app = filepath.Join("..", app)
	}
	fresh, err := manyStarts(ctx, c, app, "/api/products", true)
	if err != nil {
		return err
	}
	warm, err := manyStarts(ctx, c, app, "/api/products", false)
	if err != nil {
		return err
	}
	table(c.out, fmt.Sprintf("From process start to the first request answered, examples/shop, median of %d", c.starts),
		[]string{"", "wall, ms", "CPU, ms"},
		[][]string{
			{"no database yet: tables are made", millis(fresh.wall), millis(fresh.cpu)},
			{"the database is there", millis(warm.wall), millis(warm.cpu)},
		})
	return idle(ctx, c, app)
}

// manyStarts starts and kills a server again and again and returns medians.
func manyStarts(ctx context.Context, c config, app, path string, fresh bool) (cost, error) {
	var wall, cpu []time.Duration
	for i := range c.starts + 1 { // the first fills the page cache
		db := filepath.Join(c.dir, "start-warm.db")
		if fresh {
			db = filepath.Join(c.dir, fmt.Sprintf("start-%d.db", i))
		}
		p, err := flowctlRun(c, app, db)
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

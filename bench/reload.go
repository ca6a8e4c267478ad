package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// saves is how many saves of each kind are measured.
const saves = 100

// reloads measures from the end of a save to the first answer that the saved
// file gives, under flowctl dev: of an app of 500 lines (35 models and as many
// workflows), and of one of 1,000 models, on SQLite.
func reloads(ctx context.Context, c config) error {
	var rows [][]string
	for _, kind := range []struct {
		name   string
		models int
		more   bool // a column with each save
		saves  int
	}{
		{"500 lines", 35, false, saves},
		{"500 lines, an optional field more each time", 35, true, saves / 4},
		{"1,000 models and workflows", 1000, false, saves / 10},
	} {
		took, err := manySaves(ctx, c, kind.models, kind.more, kind.saves)
		if err != nil {
			return fmt.Errorf("%s: %w", kind.name, err)
		}
		slices.Sort(took)
		rows = append(rows, []string{kind.name, millis(took[len(took)/2]), millis(took[len(took)*95/100]), millis(took[len(took)-1])})
	}
	table(c.out, "From save to served, flowctl dev, SQLite", []string{"", "median, ms", "p95, ms", "most, ms"}, rows)
	return nil
}

// savedApp is an app that says how often it was saved.
func savedApp(models, n int, more bool) string {
	text := strings.TrimSuffix(scaleApp(models), "\napp.start()\n")
	if more {
		field := "    \"note\": field(str, optional = True),\n"
		text = strings.Replace(text, field, field+strings.Join(moreFields(n), ""), 1)
	}
	return text + fmt.Sprintf("\ndef saved(ctx):\n    return {\"n\": %d}\n\napp.handler(\"saved\", saved, read_only = True)\napp.start()\n", n)
}

func moreFields(n int) []string {
	fields := make([]string, n)
	for i := range fields {
		fields[i] = fmt.Sprintf("    \"more%d\": field(str, optional = True),\n", i)
	}
	return fields
}

func manySaves(ctx context.Context, c config, models int, more bool, n int) ([]time.Duration, error) {
	dir, err := os.MkdirTemp(c.dir, "reload-")
	if err != nil {
		return nil, err
	}
	app := filepath.Join(dir, "app.star")
	if err := os.WriteFile(app, []byte(savedApp(models, 0, more)), 0o644); err != nil {
		return nil, err
	}
	p, err := launch(c.flowctl, func(addr string) []string {
		_, port, _ := strings.Cut(addr, ":")
		return []string{"dev", app, "--api-port", port, "--mcp-port", "0"}
	}, "DATABASE_URL=sqlite:"+filepath.Join(dir, "app.db"))
	if err != nil {
		return nil, err
	}
	defer p.kill()
	if _, err := p.answered(ctx, "/health/live"); err != nil {
		return nil, err
	}
	var took []time.Duration
	for i := range n {
		temp := filepath.Join(dir, ".app.star.tmp")
		if err := os.WriteFile(temp, []byte(savedApp(models, i+1, more)), 0o644); err != nil {
			return nil, err
		}
		begin := time.Now()
		if err := os.Rename(temp, app); err != nil {
			return nil, err
		}
		if err := p.says(ctx, fmt.Sprintf(`"n":%d}`, i+1)); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin))
	}
	return took, nil
}

// says asks the server until its answer has a text.
func (p *process) says(ctx context.Context, text string) error {
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && ctx.Err() == nil; time.Sleep(500 * time.Microsecond) {
		resp, err := http.Post("http://"+p.addr+"/workflows/saved/execute", "application/json", strings.NewReader(`{"inputs": {}}`))
		if err != nil {
			return err
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusOK {
			return fmt.Errorf("%s %w\n%s", resp.Status, err, body)
		}
		if bytes.Contains(body, []byte(text)) {
			return nil
		}
	}
	return fmt.Errorf("the app was saved, and is not served\n%s", p.log)
}

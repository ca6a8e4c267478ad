package durable_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// heard keeps the statements that a store says it runs.
type heard struct {
	mu  sync.Mutex
	sql map[string]bool
}

func (h *heard) Enabled(context.Context, slog.Level) bool { return true }
func (h *heard) WithAttrs([]slog.Attr) slog.Handler       { return h }
func (h *heard) WithGroup(string) slog.Handler            { return h }
func (h *heard) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "sql" {
			h.mu.Lock()
			h.sql[a.Value.String()] = true
			h.mu.Unlock()
		}
		return true
	})
	return nil
}

// beside is the database past the store: run runs SQL, plan says how a
// statement would be.
type beside struct {
	run  func(sql string)
	plan func(sql string) string
}

func (s *site) beside() beside {
	ctx := context.Background()
	if path, ok := strings.CutPrefix(s.url, "sqlite:"); ok {
		c, err := sqlite.OpenConn(filepath.Clean(path), sqlite.OpenReadWrite)
		if err != nil {
			s.Fatal(err)
		}
		s.Cleanup(func() { c.Close() })
		return beside{
			run: func(sql string) {
				if err := sqlitex.ExecuteTransient(c, sql, nil); err != nil {
					s.Fatal(err)
				}
			},
			plan: func(sql string) string {
				var b strings.Builder
				stmt, _, err := c.PrepareTransient("EXPLAIN QUERY PLAN " + sql)
				if err != nil {
					s.Fatalf("%s: %v", sql, err)
				}
				defer stmt.Finalize()
				for must(stmt.Step()) {
					fmt.Fprintln(&b, stmt.ColumnText(3))
				}
				return b.String()
			}}
	}
	c, err := pgx.Connect(ctx, s.url)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { c.Close(ctx) })
	exec := func(sql string) string {
		var b bytes.Buffer
		for _, r := range must(c.PgConn().Exec(ctx, sql).ReadAll()) {
			if r.Err != nil {
				s.Fatalf("%s: %v", sql, r.Err)
			}
			for _, row := range r.Rows {
				fmt.Fprintf(&b, "%s\n", row[0])
			}
		}
		return b.String()
	}
	exec("SET plan_cache_mode = force_generic_plan")
	return beside{
		run: func(sql string) { exec(sql) },
		plan: func(sql string) string {
			n := 0
			for _, p := range regexp.MustCompile(`\$(\d+)`).FindAllStringSubmatch(sql, -1) {
				var i int
				fmt.Sscan(p[1], &i)
				n = max(n, i)
			}
			exec("PREPARE looked AS " + sql)
			defer exec("DEALLOCATE looked")
			if n == 0 {
				return exec("EXPLAIN EXECUTE looked")
			}
			return exec("EXPLAIN EXECUTE looked (" + strings.TrimSuffix(strings.Repeat("NULL, ", n), ", ") + ")")
		}}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// Among however many runs, those that a process looks for as it serves are
// found by an index, and none is sorted.
func TestRunsAreFoundByIndexes(t *testing.T) {
	const fill = `INSERT INTO _flow_runs (id, workflow, version, status, input, chain, priority, wake_at, ended_at, takeovers, poke, cancel, created_at, updated_at)
SELECT '%[1]s' || i, 'limited', '', '%[1]s', '{}', 0, 0, %[2]s, %[3]s, 0, 'p', %[4]s, '2026-01-01T00:00:00.000000Z', '2026-01-01T00:00:00.000000Z' FROM `
	const later = "'2199-01-01T00:00:00.000000Z'"
	onEach(t, func(t *testing.T, s *site) {
		said := &heard{sql: map[string]bool{}}
		s.logger = slog.New(said)
		s.declare(
			ft.Workflow("w", ft.In("n", dataflow.Int), s.add("one", "one"), ft.Node("SignalNode", "go", ft.Obj("name", "go", "timeout", "1h")), s.add("two", "two")),
			ft.Workflow("limited", s.add("one", "limited")))
		s.app.Workflows[1].Limit = &dataflow.RunLimit{Concurrency: 1}
		s.app.Databases[0].Options.Echo = true
		p := s.start(nil)
		db := s.beside()
		numbers, no := "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT i FROM n)", "0"
		if strings.HasPrefix(s.url, "postgres") {
			numbers, no = "generate_series(1, 20000) AS n(i)", "false"
		}
		db.run(fmt.Sprintf(fill, "waiting", later, "NULL", no) + numbers)
		db.run(fmt.Sprintf(fill, "queued", later, "NULL", no) + numbers)
		db.run(fmt.Sprintf(fill, "completed", "NULL", later, no) + numbers)
		db.run("ANALYZE")
		other := s.start(nil)
		r := p.begin("w", ft.Obj("n", int64(1)))
		p.until(r.ID, durable.Waiting)
		if _, err := other.Signal(context.Background(), access.Caller{}, r.ID, "go", nil); err != nil {
			t.Fatal(err)
		}
		p.until(r.ID, durable.Completed)
		limited := p.begin("limited", nil)
		p.until(limited.ID, durable.Completed)
		if _, err := p.Purge(context.Background(), -time.Hour, ""); err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.List(context.Background(), access.Caller{Operator: true}, durable.Filter{Parent: r.ID}); err != nil {
			t.Fatal(err)
		}
		p.stop()
		other.stop()
		looked := 0
		for sql := range said.sql {
			if !strings.Contains(sql, "_flow_runs") || strings.HasPrefix(sql, "INSERT") || !strings.Contains(sql, "WHERE") {
				continue
			}
			looked++
			plan := db.plan(sql)
			scans := strings.Contains(plan, "SCAN _flow_runs") || strings.Contains(plan, "Seq Scan on _flow_runs")
			// The children of a run, and the priorities of other versions, are few.
			few := strings.Contains(sql, `"parent" =`) || strings.HasPrefix(sql, `SELECT "priority" FROM`)
			sorts := !few && strings.Contains(sql, "LIMIT") && (strings.Contains(plan, "TEMP B-TREE") || strings.Contains(plan, "Sort"))
			if scans || sorts {
				t.Errorf("%s\n%s", sql, plan)
			}
		}
		if looked < 8 {
			t.Errorf("only %d statements were seen", looked)
		}
	})
}

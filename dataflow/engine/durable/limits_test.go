package durable_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// What bounds are for may be a text of any length: it is no part of an index that
// can't hold it, which would keep every run from being looked at.
func TestBoundsForALongValue(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(
			ft.Workflow("w", ft.In("by", dataflow.String), s.add("one", "one")),
			ft.Workflow("other", s.add("one", "other")))
		s.app.Workflows[0].Limit = &dataflow.RunLimit{Rate: 1, Per: time.Hour, By: "by"}
		p := s.start(nil)
		var long strings.Builder // that is not made small by being packed
		for i := range 3000 {
			long.WriteString(string(rune(0x4e00 + i*7%20000)))
		}
		first := p.begin("w", ft.Obj("by", long.String()))
		p.until(first.ID, durable.Completed)
		p.until(p.begin("w", ft.Obj("by", long.String()+"!")).ID, durable.Completed)
		p.until(p.begin("other", nil).ID, durable.Completed)
		second := p.begin("w", ft.Obj("by", long.String()))
		for r := second; r.Reason != "its turn"; {
			r = p.until(second.ID, durable.Queued)
		}
	})
}

// With runs that are forgotten, what their bounds were for is, but for what a rate
// still counts.
func TestPurgeForgetsWhatBoundsWereFor(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Workflow("w", ft.In("by", dataflow.String), s.add("one", "one")))
		s.app.Workflows[0].Limit = &dataflow.RunLimit{Rate: 1, Per: time.Hour, By: "by"}
		var w watch
		p := s.start(nil, w.use)
		kept := func(of string) (n int64) {
			t.Helper()
			m := durable.Models(s.app.Databases[0])[5]
			err := s.store.Select(context.Background(), &query.Select{Model: m}, func(row store.Row) error {
				if id, _ := row.Value(0).(string); strings.Contains(id, of) {
					n++
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		p.until(p.begin("w", ft.Obj("by", "ada@example.org")).ID, durable.Completed)
		purge := func(want int) {
			t.Helper()
			if n, err := p.Purge(context.Background(), 0, ""); n != want || err != nil {
				t.Fatalf("%d runs were forgotten, %v; want %d", n, err, want)
			}
		}
		time.Sleep(time.Millisecond)
		purge(1)
		if n := kept("ada@"); n != 1 {
			t.Errorf("%d rows, though the rate counts the run", n)
		}
		r := p.begin("w", ft.Obj("by", "ada@example.org"))
		for r.Reason != "its turn" {
			r = p.until(r.ID, durable.Queued)
		}
		w.set(2 * time.Hour)
		p.until(r.ID, durable.Completed)
		w.set(4 * time.Hour)
		purge(1)
		if n := kept("ada@"); n != 0 {
			t.Errorf("%d rows hold what the runs were given", n)
		}
	})
}

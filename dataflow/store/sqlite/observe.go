package sqlite

import (
	"context"
	"math/bits"
	"strings"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow/store"
)

// explain asks SQLite how it goes about a statement. The parameters are left
// null: no value is needed to plan by.
func (s *Store) explain(ctx context.Context, sql string) (*store.Plan, error) {
	plan := &store.Plan{}
	err := s.read(ctx, func(r session) error {
		stmt, _, err := r.c.PrepareTransient("EXPLAIN QUERY PLAN " + sql)
		if err != nil {
			return err
		}
		defer stmt.Finalize()
		for {
			more, err := stmt.Step()
			if err != nil || !more {
				return err
			}
			plan.Steps = append(plan.Steps, stmt.ColumnText(3))
		}
	})
	for _, step := range plan.Steps {
		// "SCAN orders" reads a table, "SCAN orders USING INDEX …" an index in its order.
		if table, ok := strings.CutPrefix(step, "SCAN "); ok && !strings.Contains(table, " ") {
			plan.Scans = append(plan.Scans, table)
		}
		plan.Sorts = plan.Sorts || strings.HasPrefix(step, "USE TEMP B-TREE FOR ORDER BY")
	}
	return plan, err
}

// waits counts waits and how long they were, together.
type waits struct {
	n    atomic.Uint64
	took atomic.Int64
}

func (w *waits) since(began time.Time) {
	w.n.Add(1)
	w.took.Add(int64(time.Since(began)))
}

// count notes a commit that so many turns have shared.
func (w *writer) count(turns int) {
	w.commits[min(bits.Len(uint(turns-1)), len(w.commits)-1)].Add(1)
	w.turns.Add(uint64(turns))
}

// Stats implements store.Measured. The connection that writes is one of those
// that are counted.
func (s *Store) Stats() store.Stats {
	st := store.Stats{Most: 1, Commits: make([]uint64, len(s.writer.commits)), Writes: s.writer.turns.Load()}
	for i := range st.Commits {
		st.Commits[i] = s.writer.commits[i].Load()
	}
	st.Waits, st.WaitTime = s.writer.waited.n.Load(), time.Duration(s.writer.waited.took.Load())
	s.writer.mu.Lock()
	if s.writer.taken {
		st.InUse = 1
	} else {
		st.Idle = 1
	}
	s.writer.mu.Unlock()
	if p := s.readers; p != nil {
		p.mu.Lock()
		free := len(p.free)
		st.InUse, st.Idle, st.Most = st.InUse+p.count-free, st.Idle+free, st.Most+p.most
		p.mu.Unlock()
		st.Waits += p.waited.n.Load()
		st.WaitTime += time.Duration(p.waited.took.Load())
	}
	return st
}

package durable_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// between does something once, between what is read of a run and what is read of
// its steps.
type between struct {
	store.Store
	do atomic.Pointer[func()]
}

func (b *between) Select(ctx context.Context, q *query.Select, row func(store.Row) error) error {
	if q.Model.Table == "_flow_steps" {
		if do := b.do.Swap(nil); do != nil {
			(*do)()
		}
	}
	return b.Store.Select(ctx, q, row)
}

// Runs that are forgotten while somebody reads: the next page goes on behind the
// last run of the page before, though that is gone, and a run is shown whole or
// not at all.
func TestRunsAreForgottenUnderWhoReads(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(
			ft.Workflow("waits", s.add("one", "waits"), ft.Node("SignalNode", "ok", ft.Obj("name", "go"))),
			ft.Workflow("ends", s.add("one", "ends")))
		var b *between
		p := s.start(func(st store.Store) store.Store { b = &between{Store: st}; return b })
		ctx, c := context.Background(), access.Caller{}
		waits := p.begin("waits", nil)
		p.until(waits.ID, durable.Waiting)
		var last *durable.Run
		for range 3 {
			last = p.until(p.begin("ends", nil).ID, durable.Completed)
		}
		list, more, err := p.List(ctx, c, durable.Filter{Limit: 2})
		if err != nil || len(list) != 2 || !more {
			t.Fatal(list, more, err)
		}
		cursor, _ := durable.Page(list, more).Get("next_cursor")
		purge := func() {
			if n, err := p.Purge(ctx, -time.Hour, ""); n != 3 || err != nil {
				t.Errorf("%d runs are forgotten, want those that have ended: %v", n, err)
			}
		}
		b.do.Store(&purge)
		if o, err := p.Show(ctx, c, last.ID); code(err) != "not_found" {
			t.Errorf("a run that is forgotten meanwhile is shown as %v: %v", o, err)
		}
		list, more, err = p.List(ctx, c, durable.Filter{Limit: 2, Before: cursor.(string)})
		if err != nil || len(list) != 1 || list[0].ID != waits.ID || more {
			t.Errorf("the list goes on with %v, %v, %v", list, more, err)
		}
		for _, cursor := range []string{"-1." + waits.ID, "01." + waits.ID, "9223372036854775807." + waits.ID, "1.\x00", last.ID} {
			if list, _, err := p.List(ctx, c, durable.Filter{Before: cursor}); code(err) != "invalid" {
				t.Errorf("the cursor %q gives %v, %v", cursor, list, err)
			}
		}
	})
}

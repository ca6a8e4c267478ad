package durable_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
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
		w.set(time.Minute)
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

// A rate is of runs that begin: one that has rested goes on without a place of
// its own in it.
func TestARateCountsARunOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Workflow("w", ft.Node("WaitNode", "rest", ft.Obj("for", 1)), s.add("one", "one"), ft.Node("SignalNode", "go", ft.Obj("name", "go"))))
		s.app.Workflows[0].Limit = &dataflow.RunLimit{Rate: 1, Per: time.Hour}
		p := s.start(nil)
		r := p.begin("w", nil)
		for r.Reason != "signal go" {
			r = p.until(r.ID, durable.Waiting)
		}
		if _, err := p.Signal(context.Background(), access.Caller{}, r.ID, "go", nil); err != nil {
			t.Fatal(err)
		}
		p.until(r.ID, durable.Completed)
		second := p.begin("w", nil)
		for r := second; r.Reason != "its turn"; {
			r = p.until(second.ID, durable.Queued)
		}
	})
}

// slow is a store of a process that is slow: between its look at the runs that it
// may claim and what it does about them, others have all the time they need.
type slow struct {
	store.Store
	runs   *dataflow.Model
	looked chan struct{} // closed when it has
	goOn   chan struct{}
	done   chan struct{} // closed when it has done what it does about them
	once   sync.Once
}

func newSlow(runs *dataflow.Model) *slow {
	return &slow{runs: runs, looked: make(chan struct{}), goOn: make(chan struct{}), done: make(chan struct{})}
}

func (s *slow) Write(ctx context.Context, f func(store.Tx) error) error {
	looked := false
	err := s.Store.Write(ctx, func(tx store.Tx) error { return f(&slowTx{tx, s, &looked}) })
	if looked {
		close(s.done)
	}
	return err
}

type slowTx struct {
	store.Tx
	of     *slow
	looked *bool // that it is the one that others have time in
}

func (x *slowTx) Select(ctx context.Context, q *query.Select, f func(store.Row) error) error {
	err := x.Tx.Select(ctx, q, f)
	if q.Model.Table == x.of.runs.Table && len(q.Order) == 2 {
		x.of.once.Do(func() {
			*x.looked = true
			close(x.of.looked)
			<-x.of.goOn
		})
	}
	return err
}

// What a process saw of runs before it had the row of their group may be over: it
// puts off no run that another has brought to its end, or to rest, meanwhile.
func TestWhatIsOverIsNotPutOff(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		if strings.HasPrefix(s.url, "sqlite:") {
			return // one transaction that writes at a time: nothing comes between
		}
		s.declare(ft.Workflow("w", s.add("one", "one")), ft.Workflow("rests", ft.Node("SignalNode", "go", ft.Obj("name", "go"))))
		for _, wf := range s.app.Workflows {
			wf.Limit = &dataflow.RunLimit{Rate: 1, Per: time.Hour}
		}
		late := newSlow(durable.Models(s.app.Databases[0])[0])
		first := s.start(nil)
		ended, rests := first.begin("w", nil), first.begin("rests", nil)
		first.stop()
		s.start(func(st store.Store) store.Store { late.Store = st; return late })
		<-late.looked
		p := s.start(nil)
		p.until(ended.ID, durable.Completed)
		for rests.Reason != "signal go" {
			rests = p.until(rests.ID, durable.Waiting)
		}
		close(late.goOn)
		<-late.done
		for id, reason := range map[string]string{ended.ID: "", rests.ID: "signal go"} {
			r, err := p.Get(context.Background(), access.Caller{}, id)
			if err != nil || r.Reason != reason || !r.WakeAt.IsZero() {
				t.Errorf("the run is %s, waits for %q and is looked at %s, %v; want %q", r.Status, r.Reason, r.WakeAt, err, reason)
			}
		}
	})
}

package durable_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

func everyEntry(m *dataflow.Model) *query.Select {
	return &query.Select{Model: m, Fields: []int{1}}
}

// outside is a node type that calls out of the process: what it does is a
// function of the test.
type outside struct {
	spec *dataflow.NodeSpec
	do   func(ctx context.Context, key string) (any, error)
}

func newOutside(do func(ctx context.Context, key string) (any, error)) *outside {
	return &outside{&dataflow.NodeSpec{Name: "CallNode", Doc: "Calls the test.", Effect: dataflow.EffectOutside,
		Params: []*dataflow.Field{{Name: "of", Type: dataflow.Any, Optional: true}}, Output: dataflow.Any}, do}
}

func (o *outside) Spec() *dataflow.NodeSpec { return o.spec }

func (o *outside) Run(ctx context.Context, call *engine.Call) (any, error) {
	return o.do(ctx, call.Key)
}

// refusing is a store that a process uses until it dies: at its n-th write,
// before the commit or after it.
type refusing struct {
	store.Store
	left  *atomic.Int64
	after bool // the commit goes through, and nobody hears of it
	down  *atomic.Bool
}

var errDead = errors.New("the process is dead")

func (r *refusing) Write(ctx context.Context, f func(store.Tx) error) error {
	if r.down.Load() {
		return errDead
	}
	if r.left.Add(-1) > 0 {
		return r.Store.Write(ctx, f)
	}
	r.down.Store(true)
	if r.after {
		_ = r.Store.Write(ctx, f)
		return errDead
	}
	return r.Store.Write(ctx, func(tx store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		return errDead
	})
}

// Wherever a process ends, the next one goes on, and every effect on the
// database is there once.
func TestARunSurvivesTheEndOfItsProcessAtEveryCommit(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		fail := ft.Fn("fail", "n", func(a *dataflow.Object) (any, error) {
			return nil, &dataflow.Error{Code: "no_more", Status: dataflow.StatusRejected, Message: "no more"}
		})
		s.declare(
			ft.Workflow("whole", ft.In("n", dataflow.Int),
				s.add("first", "${input.n} first"), ft.Node("WaitNode", "rest", ft.Obj("for", 1)), s.add("second", "${input.n} second"),
				ft.Node("WorkflowNode", "sub", ft.Obj("workflow", "part", "inputs", ft.Obj("n", "${input.n}"))),
				s.add("third", "${input.n} third"),
				ft.Output{V: "${third.what}"}),
			ft.Workflow("part", ft.In("n", dataflow.Int), ft.Node("WaitNode", "rest", ft.Obj("for", 1)), s.add("only", "${input.n} part")),
			ft.Workflow("undone", ft.In("n", dataflow.Int),
				s.add("first", "${input.n} first", ft.Compensate("unfirst")), ft.Node("WaitNode", "rest", ft.Obj("for", 1)),
				s.add("second", "${input.n} second", ft.Compensate("unsecond")), ft.Node("WaitNode", "more", ft.Obj("for", 1)),
				ft.Node("StarlarkNode", "bad", ft.Obj("fn", fail, "n", "${input.n}")),
				s.add("unfirst", "${input.n} unfirst"), s.add("unsecond", "${input.n} unsecond")),
		)
		for _, w := range []struct {
			workflow string
			end      durable.Status
			leaves   []string
		}{
			{"whole", durable.Completed, []string{"first", "second", "part", "third"}},
			{"undone", durable.Failed, []string{"first", "second", "unsecond", "unfirst"}},
		} {
			for n := int64(1); ; n++ {
				survived := true
				for _, after := range []bool{false, true} {
					var left atomic.Int64
					var down atomic.Bool
					left.Store(1 << 40)
					dying := s.start(func(st store.Store) store.Store { return &refusing{st, &left, after, &down} })
					number := s.ids.Add(1)
					r := dying.begin(w.workflow, ft.Obj("n", number))
					left.Store(n) // races with the run, which only makes the place another
					next := s.start(nil)
					got := next.until(r.ID, w.end)
					survived = survived && !down.Load()
					for _, what := range w.leaves {
						if c := next.entries(fmt.Sprint(number, " ", what)); c != 1 {
							t.Errorf("%s, dead %v the commit %d: %d of %q (%v)", w.workflow, after, n, c, what, got.Error)
						}
					}
					dying.stop()
					next.stop()
				}
				if survived || n > 12 {
					break
				}
			}
		}
	})
}

// However signals and rests meet, each signal is taken once.
func TestSignalsAreTakenOnce(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		const each, runs = 25, 4
		op := func() dataflow.Op { return dataflow.Op{Model: s.entry, Kind: dataflow.OpCreate} }
		s.declare(ft.Handler("take", false, ft.HandlerFn(func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
			for range each {
				got, err := h.WaitSignal(ctx, "s", 0, nil, false)
				if err != nil {
					return nil, err
				}
				if _, err := h.Run(ctx, op(), ft.Obj("what", got, "amount", int64(1))); err != nil {
					return nil, err
				}
			}
			return nil, nil
		})))
		a, b := s.start(nil), s.start(nil)
		ids := make([]string, runs)
		var senders sync.WaitGroup
		for i := range ids {
			ids[i] = a.begin("take", nil).ID
			for k := range each {
				senders.Go(func() {
					p := []*process{a, b}[k%2]
					err := again(func() error {
						_, err := p.Signal(context.Background(), access.Caller{}, ids[i], "s", fmt.Sprint(i, "/", k))
						return err
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
		}
		senders.Wait()
		for i, id := range ids {
			a.until(id, durable.Completed)
			for k := range each {
				if n := a.entries(fmt.Sprint(i, "/", k)); n != 1 {
					t.Errorf("signal %d of run %d was taken %d times", k, i, n)
				}
			}
			if _, err := a.Signal(context.Background(), access.Caller{}, id, "s", nil); code(err) != "run_ended" {
				t.Errorf("a signal to a run that has ended: %v", err)
			}
		}
	})
}

// A run that failed because one that it waits for did is tried again with it,
// and one whose failure it has taken for an answer is left alone.
func TestRetryGoesOnWithTheRunThatFailed(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		var broken atomic.Bool
		broken.Store(true)
		maybe := ft.Fn("maybe", "", func(*dataflow.Object) (any, error) {
			if broken.Load() {
				return nil, &dataflow.Error{Code: "broken", Status: dataflow.StatusRejected, Message: "broken"}
			}
			return dataflow.ObjectOf("ok", true), nil
		})
		child := func(h dataflow.Handler, ctx context.Context) (any, error) { return h.Workflow(ctx, "part", nil) }
		s.declare(
			ft.Workflow("part", s.add("before", "before"), ft.Node("WaitNode", "rest", ft.Obj("for", 1)), ft.Node("StarlarkNode", "maybe", ft.Obj("fn", maybe)), s.add("after", "after")),
			ft.Workflow("graph", s.add("one", "one"), ft.Node("WorkflowNode", "sub", ft.Obj("workflow", "part")), s.add("two", "two")),
			ft.Workflow("goes_on", ft.Node("WorkflowNode", "sub", ft.Obj("workflow", "part"), ft.OnError(ft.Obj("default", ft.Obj("ok", false)))), ft.Node("StarlarkNode", "maybe", ft.Obj("fn", maybe))),
			ft.Handler("handler", false, ft.HandlerFn(func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) { return child(h, ctx) })),
		)
		p := s.start(nil)
		for i, workflow := range []string{"graph", "handler"} {
			broken.Store(true)
			r := p.begin(workflow, nil)
			if r = p.until(r.ID, durable.Failed); r.Error.Code != "broken" {
				t.Errorf("%s: %v", workflow, r.Error)
			}
			broken.Store(false)
			var both sync.WaitGroup
			var done atomic.Int64
			for range 2 { // of two who try again at once, one does
				both.Go(func() {
					if _, err := p.Retry(context.Background(), access.Caller{}, r.ID); err == nil {
						done.Add(1)
					} else if code(err) != "run_not_failed" {
						t.Error(err)
					}
				})
			}
			both.Wait()
			if done.Load() != 1 {
				t.Errorf("%d of two tried the run again", done.Load())
			}
			p.until(r.ID, durable.Completed)
			if b, a := p.entries("before"), p.entries("after"); b != int64(i)+1 || a != int64(i)+1 {
				t.Errorf("%s: %d before, %d after", workflow, b, a)
			}
		}
		broken.Store(true)
		r := p.begin("goes_on", nil)
		if r = p.until(r.ID, durable.Failed); r.Error.Node != "maybe" {
			t.Errorf("what goes on without the run that it waited for failed at %v", r.Error)
		}
		broken.Store(false)
		if _, err := p.Retry(context.Background(), access.Caller{}, r.ID); err != nil {
			t.Fatal(err)
		}
		p.until(r.ID, durable.Completed)
		if child, err := p.Get(context.Background(), access.Caller{}, r.ID+"/sub"); err != nil || child.Status != durable.Failed {
			t.Errorf("the run whose failure was taken for an answer: %v, %v", child, err)
		}
		if b, a := p.entries("before"), p.entries("after"); b != 3 || a != 2 {
			t.Errorf("goes_on: %d before, %d after; want 3 and 2", b, a)
		}
	})
}

// What a call outside did is known, and undone, even if the run is cancelled
// while it does it.
func TestACallThatACancellationMeetsIsUndone(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		begun, goOn := make(chan struct{}), make(chan struct{})
		s.types = append(s.types, newOutside(func(context.Context, string) (any, error) {
			close(begun)
			<-goOn
			return dataflow.ObjectOf("paid", true), nil
		}))
		s.declare(ft.Workflow("pay", ft.Node("CallNode", "pay", nil, ft.Compensate("refund")), s.add("refund", "refund")))
		p := s.start(nil)
		r := p.begin("pay", nil)
		<-begun
		r, err := p.Cancel(context.Background(), access.Caller{}, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		if told := r.Summary(); !r.Cancelling() || told.Has("wakes_at") {
			t.Errorf("what is told of a run that calls is %v", told)
		}
		close(goOn)
		p.until(r.ID, durable.Cancelled)
		if n := p.entries("refund"); n != 1 {
			t.Errorf("%d refunds", n)
		}
	})
}

// A call is cut off soon though others than those who make it are asked to cancel
// the run: another process, or a later version of the app in this one.
func TestACancellationReachesACallOfOthers(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		begun := make(chan struct{}, 1)
		s.types = append(s.types, newOutside(func(ctx context.Context, _ string) (any, error) {
			begun <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}))
		s.declare(ft.Workflow("call", s.add("one", "one", ft.Compensate("undo")), ft.Node("CallNode", "call", nil), s.add("undo", "undo")))
		patient := func(o *durable.Options) { o.Silence = 90 * time.Second } // nobody is to be thought dead
		for n, later := range []bool{false, true} {
			calls := s.start(nil, patient)
			r := calls.begin("call", nil)
			<-begun
			asked := s.made(nil, patient)
			if later {
				asked.Succeed(calls.Runs)
			}
			asked.serve()
			start := time.Now()
			if _, err := asked.Cancel(context.Background(), access.Caller{}, r.ID); err != nil {
				t.Fatal(err)
			}
			if r := asked.until(r.ID, durable.Cancelled); r.Takeovers > 0 {
				t.Errorf("the process that calls was thought dead %d times", r.Takeovers)
			}
			if took := time.Since(start); took > 15*time.Second { // a look takes 5 ms
				t.Errorf("a later version: %t: it took %s", later, took)
			}
			if got := calls.entries("undo"); got != int64(n+1) {
				t.Errorf("%d entries of what undoes, want %d", got, n+1)
			}
			asked.stop()
			calls.stop()
		}
	})
}

// untilStill waits until no process has shown life for as long as ten beats take.
func (p *process) untilStill() {
	p.s.Helper()
	db := p.s.app.Databases[0]
	models := durable.Models(db)
	executors := models[slices.IndexFunc(models, func(m *dataflow.Model) bool { return m.Name == "_flow_executors" })]
	for last, since, end := "", time.Now(), time.Now().Add(patience); time.Since(since) < 150*time.Millisecond; {
		beats := ""
		err := again(func() error {
			beats = ""
			return p.s.store.Select(context.Background(), &query.Select{Model: executors, Fields: []int{0, 1}}, func(row store.Row) error {
				beats += fmt.Sprint(row.Value(0), row.Value(1))
				return nil
			})
		})
		if err != nil || time.Now().After(end) {
			p.s.Fatal("still alive: ", beats, err)
		}
		if beats != last {
			last, since = beats, time.Now()
		}
	}
}

// slowly is a store whose steps take as long to read as somebody wants, once.
type slowly struct {
	store.Store
	armed       atomic.Bool
	reads, goOn chan struct{}
}

func (s *slowly) Select(ctx context.Context, q *query.Select, f func(store.Row) error) error {
	if q.Model.Name == "_flow_steps" && s.armed.CompareAndSwap(true, false) {
		close(s.reads)
		<-s.goOn
	}
	return s.Store.Select(ctx, q, f)
}

// A run that is cancelled when it has been claimed, and before it is in progress,
// ends as if it had been, also where that takes longer than a process shows life
// that has nothing to run.
func TestACancellationIsNotMissedBetweenClaimAndBeginning(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		var again atomic.Bool
		s.types = append(s.types, newOutside(func(ctx context.Context, _ string) (any, error) {
			if !again.Swap(true) {
				return nil, &dataflow.Error{Code: "no_more", Status: dataflow.StatusRejected, Message: "no more"}
			}
			<-ctx.Done()
			return nil, ctx.Err()
		}))
		s.declare(ft.Workflow("call", ft.Node("CallNode", "call", nil)))
		between := &slowly{reads: make(chan struct{}), goOn: make(chan struct{})}
		p := s.start(func(st store.Store) store.Store { between.Store = st; return between })
		r := p.begin("call", nil)
		p.until(r.ID, durable.Failed)
		between.armed.Store(true)
		if _, err := p.Retry(context.Background(), access.Caller{}, r.ID); err != nil {
			t.Fatal(err)
		}
		<-between.reads
		p.untilStill()
		if _, err := p.Cancel(context.Background(), access.Caller{}, r.ID); err != nil {
			t.Fatal(err)
		}
		close(between.goOn)
		p.until(r.ID, durable.Cancelled)
	})
}

// A database that can't serve a run just now does not fail it.
func TestABusyDatabasePutsARunOff(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Workflow("w", ft.Node("WaitNode", "rest", ft.Obj("for", 1)), s.add("one", "one")))
		var busy atomic.Int64
		why := func() error {
			if busy.Add(-1) >= 0 {
				return store.Busy("the test says so", nil)
			}
			return nil
		}
		p := s.start(func(st store.Store) store.Store { return &unwilling{st, s.entry, why} }, func(o *durable.Options) {
			began := time.Now()
			o.Now = func() time.Time { now := time.Now(); return now.Add(50 * now.Sub(began)) } // hurries
		})
		busy.Store(6)
		r := p.begin("w", nil)
		if r = p.until(r.ID, durable.Completed, durable.Failed); r.Status != durable.Completed {
			t.Errorf("%s: %v", r.Status, r.Error)
		}
		if n := p.entries("one"); n != 1 {
			t.Errorf("%d entries", n)
		}
	})
}

// unwilling is a store that takes no entry as long as there is a reason.
type unwilling struct {
	store.Store
	entry *dataflow.Model
	why   func() error // nil: it does
}

func (u *unwilling) Write(ctx context.Context, f func(store.Tx) error) error {
	return u.Store.Write(ctx, func(tx store.Tx) error { return f(&unwillingTx{tx, u}) })
}

type unwillingTx struct {
	store.Tx
	u *unwilling
}

func (x *unwillingTx) Insert(ctx context.Context, m *dataflow.Model, fields []int, rows [][]any) ([]any, error) {
	if m == x.u.entry {
		if err := x.u.why(); err != nil {
			return nil, err
		}
	}
	return x.Tx.Insert(ctx, m, fields, rows)
}

// A claim whose commit was not heard of does not stay with a process that does
// not know that it has it.
func TestAClaimThatWasNotHeardOfIsFoundAgain(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Workflow("w", s.add("one", "one"), ft.Node("WaitNode", "rest", ft.Obj("for", 1)), s.add("two", "two")))
		var lose atomic.Bool
		p := s.start(func(st store.Store) store.Store { return &deaf{st, &lose} })
		r := p.begin("w", nil)
		lose.Store(true)
		p.until(r.ID, durable.Completed)
		for _, what := range []string{"one", "two"} {
			if n := p.entries(what); n != 1 {
				t.Errorf("%d of %s", n, what)
			}
		}
	})
}

// deaf is a store that once does not hear that a commit went through.
type deaf struct {
	store.Store
	lose *atomic.Bool
}

func (d *deaf) Write(ctx context.Context, f func(store.Tx) error) error {
	err := d.Store.Write(ctx, f)
	if err == nil && d.lose.CompareAndSwap(true, false) {
		return &dataflow.Error{Code: "commit_unknown", Status: dataflow.StatusTimeout, Message: "the test says so"}
	}
	return err
}

// A run that ended is not forgotten while the one that waits for it has yet to
// see how.
func TestPurgeKeepsWhatAnotherRunWaitsFor(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(
			ft.Workflow("part", s.add("one", "one")),
			ft.Workflow("alone", s.add("one", "alone")),
			ft.Workflow("whole", ft.Node("WorkflowNode", "sub", ft.Obj("workflow", "part")), ft.Node("SignalNode", "go", ft.Obj("name", "go")), s.add("two", "two")))
		p := s.start(nil)
		alone := p.begin("alone", nil)
		p.until(alone.ID, durable.Completed)
		r := p.begin("whole", nil)
		for r.Reason != "signal go" {
			r = p.until(r.ID, durable.Waiting)
		}
		if n, err := p.Purge(context.Background(), -time.Hour, ""); n != 1 || err != nil {
			t.Errorf("%d runs were forgotten, %v; want the one alone", n, err)
		}
		if _, err := p.Signal(context.Background(), access.Caller{}, r.ID, "go", nil); err != nil {
			t.Fatal(err)
		}
		p.until(r.ID, durable.Completed)
		if n, err := p.Purge(context.Background(), -time.Hour, ""); n != 2 || err != nil {
			t.Errorf("%d runs were forgotten, %v; want both", n, err)
		}
	})
}

// Runs that wait for a run which is given up don't stay.
func TestTheTimeOfARunIsThatOfThoseItWaitsFor(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(
			ft.Workflow("part", s.add("one", "one"), ft.Node("SignalNode", "go", ft.Obj("name", "go"))),
			ft.Workflow("whole", time.Hour, ft.Node("WorkflowNode", "sub", ft.Obj("workflow", "part"))))
		var ahead atomic.Int64
		p := s.start(nil, func(o *durable.Options) {
			o.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		})
		r := p.begin("whole", nil)
		p.until(r.ID+"/sub", durable.Waiting)
		ahead.Store(int64(2 * time.Hour)) // the clock jumps
		r = p.until(r.ID, durable.Failed)
		if r.Error.Status != dataflow.StatusTimeout {
			t.Errorf("the run failed with %v", r.Error)
		}
		list, _, err := p.List(context.Background(), access.Caller{}, durable.Filter{Parent: r.ID})
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		p.until(list[0].ID, durable.Cancelled)
	})
}

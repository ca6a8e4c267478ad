package durable_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// watch is a clock that tests set.
type watch struct{ ahead atomic.Int64 }

func (w *watch) use(o *durable.Options) {
	o.Now = func() time.Time { return time.Now().Add(time.Duration(w.ahead.Load())) }
}

func (w *watch) set(ahead time.Duration) { w.ahead.Store(int64(ahead)) }

// However the clock jumps, what waits for it ends once: when it shows the time.
func TestAClockThatJumps(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(
			ft.Workflow("graph", ft.Node("WaitNode", "rest", ft.Obj("for", "1h")), s.add("one", "graph")),
			ft.Workflow("soon", ft.Node("WaitNode", "rest", ft.Obj("for", 1)), s.add("one", "soon")),
			ft.Handler("handler", false, ft.HandlerFn(func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
				if err := h.Sleep(ctx, time.Hour); err != nil {
					return nil, err
				}
				return h.Run(ctx, dataflow.Op{Model: s.entry, Kind: dataflow.OpCreate}, ft.Obj("what", "handler", "amount", int64(1)))
			})))
		var w watch
		a, b := s.start(nil, w.use), s.start(nil, w.use)
		begin := func() (ids []string) {
			for _, workflow := range []string{"graph", "handler"} {
				r := a.begin(workflow, nil)
				a.until(r.ID, durable.Waiting)
				ids = append(ids, r.ID)
			}
			return ids
		}
		// others shows that the processes go on with what is due.
		others := func() {
			for _, p := range []*process{a, b} {
				r := p.begin("soon", nil)
				p.until(r.ID, durable.Completed)
			}
		}
		ids := begin()
		w.set(-48 * time.Hour)
		others()
		ids = append(ids, begin()...)
		for _, id := range ids {
			if r, err := a.Get(context.Background(), access.Caller{}, id); err != nil || r.Status != durable.Waiting {
				t.Errorf("with the clock set back the run is %s, %v", r.Status, err)
			}
		}
		w.set(-47*time.Hour + time.Minute) // the hour of those that began after it was
		for _, id := range ids[2:] {
			a.until(id, durable.Completed)
		}
		w.set(90 * 24 * time.Hour)
		for _, id := range ids {
			a.until(id, durable.Completed)
		}
		w.set(0)
		others()
		for _, what := range []string{"graph", "handler"} {
			if n := a.entries(what); n != 2 {
				t.Errorf("%d of %s, want 2", n, what)
			}
		}
		if n := a.entries("soon"); n != 4 {
			t.Errorf("%d of soon, want 4", n)
		}
	})
}

// A run that was put off for its turn does not wait for a clock that was set
// back to show the time again.
func TestATurnComesThoughTheClockIsSetBack(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Workflow("w", s.add("one", "one")))
		s.app.Workflows[0].Limit = &dataflow.RunLimit{Rate: 1, Per: time.Hour}
		var w watch
		p := s.start(nil, w.use)
		first := p.begin("w", nil)
		p.until(first.ID, durable.Completed)
		second := p.begin("w", nil)
		for r := second; r.Reason != "its turn"; {
			r = p.until(second.ID, durable.Queued)
		}
		w.set(-24 * time.Hour)
		p.until(second.ID, durable.Completed)
	})
}

// A run that has rested and finds no place to go on is called up by who leaves
// one, as is one that has not begun.
func TestWhoHasRestedIsCalledUp(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		working, release := make(chan struct{}), make(chan struct{})
		s.declare(ft.Handler("w", false, ft.HandlerFn(func(ctx context.Context, h dataflow.Handler, in *dataflow.Object) (any, error) {
			if _, err := h.WaitSignal(ctx, "go", 0, nil, false); err != nil {
				return nil, err
			}
			if hold, _ := in.Get("hold"); hold == true {
				close(working)
				<-release
			}
			return nil, nil
		}), ft.In("hold", dataflow.Bool)))
		s.app.Workflows[0].Limit = &dataflow.RunLimit{Concurrency: 1}
		p := s.start(nil)
		send := func(r *durable.Run) {
			if _, err := p.Signal(context.Background(), access.Caller{}, r.ID, "go", nil); err != nil {
				t.Fatal(err)
			}
		}
		first, second := p.begin("w", ft.Obj("hold", true)), p.begin("w", ft.Obj("hold", false))
		p.until(first.ID, durable.Waiting)
		p.until(second.ID, durable.Waiting)
		send(first)
		<-working
		send(second)
		for r := second; r.Reason != "its turn"; {
			r = p.until(second.ID, durable.Waiting)
		}
		close(release)
		ended := p.until(first.ID, durable.Completed).Ended
		if r := p.until(second.ID, durable.Waiting, durable.Running, durable.Completed); r.Status == durable.Waiting && r.WakeAt.After(ended.Add(5*time.Second)) {
			t.Errorf("the place is free since %s, and the run waits until %s", ended, r.WakeAt)
		}
		p.until(second.ID, durable.Completed)
	})
}

// A run that began a little later than the clock shows now, as with the clock of
// a process that is behind, counts for the rate.
func TestARateHoldsWhereClocksDiffer(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Workflow("w", s.add("one", "one")))
		s.app.Workflows[0].Limit = &dataflow.RunLimit{Rate: 1, Per: time.Hour}
		var w watch
		p := s.start(nil, w.use)
		first := p.begin("w", nil)
		p.until(first.ID, durable.Completed)
		w.set(-time.Second)
		second := p.begin("w", nil)
		for r := second; r.Reason != "its turn"; {
			r = p.until(second.ID, durable.Queued)
		}
		if n := p.entries("one"); n != 1 {
			t.Errorf("%d runs, want 1", n)
		}
	})
}

// skewed is a store whose database has a clock of its own.
type skewed struct {
	store.Store
	ahead time.Duration
}

func (s *skewed) Now(context.Context) (time.Time, error) { return time.Now().Add(s.ahead), nil }

// Runs are kept by the database's clock, whatever that of the process shows.
func TestTheClockIsTheDatabases(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Workflow("w", ft.Node("WaitNode", "rest", ft.Obj("for", "1h")), s.add("one", "one")))
		const ahead = 1000 * time.Hour
		first := s.start(func(st store.Store) store.Store { return &skewed{st, ahead} })
		r := first.begin("w", nil)
		if d := r.Created.Sub(time.Now().Add(ahead)).Abs(); d > time.Minute {
			t.Errorf("the run began %s off the database's clock", d)
		}
		r = first.until(r.ID, durable.Waiting)
		if d := r.WakeAt.Sub(time.Now().Add(ahead + time.Hour)).Abs(); d > time.Minute {
			t.Errorf("the run wakes %s off the database's clock", d)
		}
		first.stop()
		next := s.start(func(st store.Store) store.Store { return &skewed{st, ahead + 2*time.Hour} })
		next.until(r.ID, durable.Completed)
	})
}

// runsOf counts the runs of a workflow.
func (p *process) runsOf(workflow string) int {
	p.s.Helper()
	list, _, err := p.List(context.Background(), access.Caller{}, durable.Filter{Workflow: workflow, Limit: 1000})
	if err != nil {
		p.s.Fatal(err)
	}
	return len(list)
}

// eventually looks until something is so.
func (s *site) eventually(what string, so func() bool) {
	s.Helper()
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for end := time.Now().Add(patience); !so(); <-look.C {
		if time.Now().After(end) {
			s.Fatalf("it never came about that %s", what)
		}
	}
}

// Of two versions with different times for one schedule, that of the process
// which came last counts, and the other's again when that has gone.
func TestOneVersionOfATimetableIsInForce(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Workflow("w", s.add("one", "one")))
		every := func(cron string) {
			s.app.Schedules = []*dataflow.Schedule{{Name: "often", Cron: cron, Workflow: s.app.Workflows[0]}}
		}
		var w watch
		known := func(spec string) func() bool {
			m := s.table("_flow_schedules")
			at := func(name string) int { i, _ := m.Shape().Index(name); return i }
			return func() (found bool) {
				err := s.store.Select(context.Background(), &query.Select{Model: m, Where: &query.Cmp{Path: query.Path{Model: m, Field: at("id")}, Op: query.Eq, Value: "often"}},
					func(row store.Row) error { found = row.Value(at("spec")) == spec; return nil })
				return found && err == nil
			}
		}
		every("@every 1h")
		// A process of a version is not taken for gone because it had no turn.
		calm := func(o *durable.Options) { o.Silence = 200 * time.Millisecond }
		old := s.start(nil, w.use, calm)
		s.eventually("the first version is in force", known("@every 1h "))
		every("@every 20m")
		next := s.start(nil, w.use, calm)
		s.eventually("the second version is in force", known("@every 20m "))
		var ahead time.Duration
		for n := 1; n <= 6; n++ {
			ahead += 20*time.Minute + time.Second
			w.set(ahead)
			s.eventually("a run has begun", func() bool { return next.runsOf("w") >= n })
			if got := next.runsOf("w"); got != n || !known("@every 20m ")() {
				t.Fatalf("after %s there are %d runs", ahead, got)
			}
		}
		next.stop()
		s.eventually("the first version is in force again", func() bool {
			ahead += 20*time.Minute + time.Second // else it has no reason to look at the entry
			w.set(ahead)
			return known("@every 1h ")()
		})
		before := old.runsOf("w")
		ahead += time.Hour + time.Second
		w.set(ahead)
		s.eventually("a run has begun", func() bool { return old.runsOf("w") > before })
	})
}

// sun is a clock that shows what it is set to, and then goes on.
type sun struct {
	shows atomic.Pointer[func() time.Time]
}

func (c *sun) use(o *durable.Options) { o.Now = func() time.Time { return (*c.shows.Load())() } }

func (c *sun) set(t *testing.T, to string) {
	t.Helper()
	at, err := time.Parse("2006-01-02 15:04", to)
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	shows := func() time.Time { return at.Add(time.Since(begun)) }
	c.shows.Store(&shows)
}

// next tells whether a schedule is to come at a time.
func (s *site) next(name, at string) func() bool {
	m := s.table("_flow_schedules")
	field := func(name string) int { i, _ := m.Shape().Index(name); return i }
	return func() (so bool) {
		err := s.store.Select(context.Background(), &query.Select{Model: m, Where: &query.Cmp{Path: query.Path{Model: m, Field: field("id")}, Op: query.Eq, Value: name}},
			func(row store.Row) error {
				next, _ := row.Value(field("next_at")).(time.Time)
				so = next.UTC().Format("2006-01-02 15:04") == at
				return nil
			})
		return so && err == nil
	}
}

// Schedules of two processes over the changes of a place's clock, over one for
// which nobody was there, and over a clock that is set: a time of the day comes
// once on each, and each hour that passes has its run.
func TestSchedulesWhereTheClockChanges(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Workflow("daily", s.add("one", "daily")), ft.Workflow("hourly", s.add("one", "hourly")))
		s.app.Schedules = []*dataflow.Schedule{
			{Name: "daily", Cron: "30 2 * * *", TZ: "Europe/Berlin", Workflow: s.app.Workflows[0]},
			{Name: "hourly", Cron: "0 * * * *", TZ: "Europe/Berlin", Workflow: s.app.Workflows[1]},
		}
		var clock sun
		var last *process
		daily, hourly := 0, 0
		// comes says what has run since the last time, once the clock shows this.
		comes := func(at string, days, hours int) {
			t.Helper()
			clock.set(t, at)
			daily, hourly = daily+days, hourly+hours
			s.eventually("the schedules have run", func() bool {
				return last.runsOf("daily") >= daily && last.runsOf("hourly") >= hourly
			})
			if d, h := last.runsOf("daily"), last.runsOf("hourly"); d != daily || h != hourly {
				t.Fatalf("at %s there are %d and %d runs, want %d and %d", at, d, h, daily, hourly)
			}
		}
		next := s.next
		clock.set(t, "2026-03-28 23:30")
		calm := func(o *durable.Options) { o.Silence = 300 * time.Millisecond }
		first := s.start(nil, clock.use, calm)
		last = s.start(nil, clock.use, calm)
		s.eventually("both are known", func() bool { return next("daily", "2026-03-29 01:00")() && next("hourly", "2026-03-29 00:00")() })
		comes("2026-03-29 00:10", 0, 1)
		comes("2026-03-29 01:10", 1, 1) // 3:10, and 2:30 was skipped
		comes("2026-03-29 02:10", 0, 1)

		comes("2026-10-24 23:30", 1, 1) // half a year in which nothing looked
		comes("2026-10-25 00:10", 0, 1) // 2:10
		comes("2026-10-25 00:40", 1, 0)
		comes("2026-10-25 01:10", 0, 1) // 2:10 again
		comes("2026-10-25 01:40", 0, 0)
		comes("2026-10-25 02:10", 0, 1)

		first.stop() // and the clock changes while nobody is there
		last.stop()
		clock.set(t, "2027-03-28 06:10")
		last = s.start(nil, clock.use, calm)
		s.eventually("the schedules have run", next("hourly", "2027-03-28 07:00"))
		comes("2027-03-28 06:10", 1, 1)

		comes("2031-01-01 12:10", 1, 1) // set forward by mistake
		clock.set(t, "2027-03-29 00:20")
		s.eventually("they count from there", func() bool { return next("daily", "2027-03-29 00:30")() && next("hourly", "2027-03-29 01:00")() })
		comes("2027-03-29 01:10", 1, 1)
		clock.set(t, "2027-03-28 23:50") // less than three hours: the day has had its time
		s.eventually("the hours count from there", next("hourly", "2027-03-29 00:00"))
		comes("2027-03-29 00:40", 0, 1)
		comes("2027-03-29 01:10", 0, 1)
	})
}

// A process that was stopped after it looked at the clock, and goes on when another
// has long seen to its schedules, does not take that for a clock that was set back.
func TestAStoppedProcessStartsNoScheduleAgain(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Workflow("hourly", s.add("one", "hourly")))
		s.app.Schedules = []*dataflow.Schedule{{Name: "hourly", Cron: "0 * * * *", Workflow: s.app.Workflows[0]}}
		var clock sun
		clock.set(t, "2026-03-28 23:30")
		stopped := s.start(nil, clock.use)
		other := s.start(nil, clock.use)
		s.eventually("it is known", s.next("hourly", "2026-03-29 00:00"))
		runs := func(n int) {
			t.Helper()
			s.eventually("the schedule has run", func() bool { return other.runsOf("hourly") >= n })
			if have := other.runsOf("hourly"); have != n {
				t.Fatalf("%d runs, want %d", have, n)
			}
		}
		clock.set(t, "2026-03-29 00:10")
		runs(1)
		stopped.stop()
		clock.set(t, "2026-03-29 01:10")
		runs(2)
		clock.set(t, "2026-03-29 02:10")
		runs(3)
		for _, shown := range []time.Time{time.Date(2026, 3, 29, 1, 10, 0, 0, time.UTC), time.Date(2026, 3, 29, 2, 10, 0, 0, time.UTC)} {
			if err := stopped.Tick(context.Background(), shown); err != nil {
				t.Fatal(err)
			}
		}
		runs(3)
	})
}

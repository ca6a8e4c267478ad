package limit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/store"
)

// table is where common allowances are kept in a test, by a clock of the test's.
type table struct {
	clock *lockedClock

	mu      sync.Mutex
	full    map[string]time.Time
	trips   int
	forgot  int
	broken  bool
	entered chan struct{} // told of each draw, which then waits
	leave   chan struct{} // for this
}

// lockedClock is a clock for several goroutines.
type lockedClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *lockedClock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *lockedClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func newTable() *table {
	return &table{clock: &lockedClock{now: start}, full: map[string]time.Time{}}
}

func (tb *table) Draw(_ context.Context, _ *dataflow.Model, draws []store.Draw) ([]store.Drawn, error) {
	if tb.entered != nil {
		tb.entered <- struct{}{}
		<-tb.leave
	}
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.trips++
	if tb.broken {
		return nil, store.Busy("the database can't be reached", errors.New("refused"))
	}
	var got []store.Drawn
	for _, d := range draws {
		now := tb.clock.read()
		since := tb.full[d.ID]
		if since.Before(now) {
			since = now
		}
		room := int(float64(d.Burst) - since.Sub(now).Seconds()/d.Each + 0.001)
		given := min(room, d.Want)
		if given < d.Least {
			given = 0
		}
		tb.full[d.ID] = since.Add(time.Duration(float64(given) * d.Each * float64(time.Second)))
		got = append(got, store.Drawn{Given: given, Owed: tb.full[d.ID].Sub(now)})
	}
	return got, nil
}

func (tb *table) Forget(context.Context, *dataflow.Model) error {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	tb.forgot++
	for id, at := range tb.full {
		if at.Before(tb.clock.read()) {
			delete(tb.full, id)
		}
	}
	return nil
}

func (tb *table) tell(f func()) {
	tb.mu.Lock()
	defer tb.mu.Unlock()
	f()
}

// process is one that has limits in common with others.
type process struct {
	*Limiter
	ps  *Policies
	log bytes.Buffer
}

func (tb *table) process(limits ...dataflow.Limit) *process {
	p := &process{}
	p.ps = &Policies{Now: tb.clock.read, Logger: slog.New(slog.NewTextHandler(&p.log, nil))}
	p.Limiter = p.ps.Limiter(limits)
	p.ps.Share(Source{Store: tb, App: "shop"})
	return p
}

// settled waits until no draw is under way.
func (p *process) settled() {
	for c := &p.ps.common; ; {
		c.mu.Lock()
		busy := c.drawing
		c.mu.Unlock()
		if !busy {
			return
		}
		runtime.Gosched()
	}
}

func TestASmallLimitIsExactBetweenProcesses(t *testing.T) {
	tb := newTable()
	a, b := tb.process(perAddress(10, time.Minute)), tb.process(perAddress(10, time.Minute))
	passed := 0
	for range 10 {
		passed += ask(a.Limiter, "10.0.0.1", 1) + ask(b.Limiter, "10.0.0.1", 1)
	}
	if passed != 10 || ask(a.Limiter, "10.0.0.2", 1) != 1 {
		t.Errorf("%d passed, want 10, and another address", passed)
	}
	var tally Tally
	err := b.Operation(t.Context(), &access.Caller{}, nil, 0, &tally)
	if err != nil {
		t.Error(err)
	}
	before := tb.trips
	if ask(a.Limiter, "10.0.0.1", 1000)+ask(b.Limiter, "10.0.0.1", 1000) != 0 {
		t.Error("more passed")
	}
	if n := tb.trips - before; n > 1 { // one of them may not have known
		t.Errorf("refusals took %d draws", n)
	}
	tb.clock.pass(6 * time.Second)
	if got := ask(a.Limiter, "10.0.0.1", 9) + ask(b.Limiter, "10.0.0.1", 9); got != 1 {
		t.Errorf("after 6 s %d passed, want 1", got)
	}
}

// Whatever is asked where and when: all together pass no more than the limit and
// what each may hold, and hardly less.
func TestALargeLimitBetweenProcesses(t *testing.T) {
	for seed := range uint64(20) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		tb := newTable()
		limit := perAddress(2000, time.Second)
		var ps []*process
		for range 3 {
			ps = append(ps, tb.process(limit))
		}
		hold := len(ps) * limit.Burst / part
		passed, asked := 0, 0
		for range 400 {
			p := ps[rnd.IntN(len(ps))]
			n := rnd.IntN(40)
			asked += n
			passed += ask(p.Limiter, "10.0.0.1", n)
			p.settled()
			tb.clock.pass(time.Duration(rnd.IntN(4)) * time.Millisecond)
		}
		allowed := limit.Burst + int(tb.clock.read().Sub(start).Seconds()*2000)
		if passed > allowed || passed < min(asked, allowed-hold) {
			t.Errorf("seed %d: %d of %d passed, allowed are %d, and %d may be held", seed, passed, asked, allowed, hold)
		}
		if tb.trips > passed/8 {
			t.Errorf("seed %d: %d draws for %d requests", seed, tb.trips, passed)
		}
		// What is held passes later, and no more.
		tb.clock.pass(time.Hour)
		passed = 0
		for _, p := range ps {
			passed += ask(p.Limiter, "10.0.0.1", 3*limit.Burst)
			p.settled()
		}
		if passed > limit.Burst+hold {
			t.Errorf("seed %d: %d passed at once, more than %d and %d", seed, passed, limit.Burst, hold)
		}
	}
}

// Requests at the same time wait for one draw, and then for another one: not each
// for its own.
func TestDrawsAreShared(t *testing.T) {
	tb := newTable()
	tb.entered, tb.leave = make(chan struct{}), make(chan struct{})
	p := tb.process(perAddress(10, time.Minute))
	var wg sync.WaitGroup
	var mu sync.Mutex
	passed := 0
	one := func() {
		n := ask(p.Limiter, "10.0.0.1", 1)
		mu.Lock()
		passed += n
		mu.Unlock()
	}
	wg.Go(one)
	<-tb.entered
	for range 30 {
		wg.Go(one)
	}
	waiting := func() int {
		p.address.mu.Lock()
		defer p.address.mu.Unlock()
		n := 0
		for _, b := range p.address.callers {
			n += b.waiting
		}
		return n
	}
	for waiting() < 31 {
		runtime.Gosched()
	}
	tb.leave <- struct{}{}
	go func() {
		for range tb.entered {
			tb.leave <- struct{}{}
		}
	}()
	wg.Wait()
	if passed != 10 || tb.trips > 3 {
		t.Errorf("%d passed by %d draws, want 10 by 3 at most", passed, tb.trips)
	}
	close(tb.entered)
}

// A client that goes away while a draw is under way is not waited for.
func TestAClientThatGoesAwayWaitsForNoDraw(t *testing.T) {
	tb := newTable()
	tb.entered, tb.leave = make(chan struct{}, 100), make(chan struct{})
	p := tb.process(perAddress(10, time.Minute))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := p.Workflow(ctx, &access.Caller{}, "none", new(Tally))
	if err != nil {
		t.Fatal(err)
	}
	err = p.Address(ctx, netip.MustParseAddr("10.0.0.1"), new(Tally))
	if e := dataflow.AsError(err); e.Code != "cancelled" {
		t.Errorf("%v", err)
	}
	<-tb.entered
	close(tb.leave)
	p.settled()
	if got := ask(p.Limiter, "10.0.0.1", 10); got != 10 { // what was drawn is there for the next
		t.Errorf("%d passed", got)
	}
}

func TestWithoutTheDatabaseEachGoesOnAlone(t *testing.T) {
	tb := newTable()
	a, b := tb.process(perAddress(10, time.Minute)), tb.process(perAddress(10, time.Minute))
	if got := ask(a.Limiter, "10.0.0.1", 4) + ask(b.Limiter, "10.0.0.1", 3); got != 7 {
		t.Fatalf("%d passed", got)
	}
	tb.tell(func() { tb.broken = true })
	if got := ask(a.Limiter, "10.0.0.1", 20); got != 6 { // of what it knew there was
		t.Errorf("%d passed without the database, want 6", got)
	}
	if got := ask(b.Limiter, "10.0.0.2", 20); got != 10 {
		t.Errorf("%d of a new caller passed without the database, want 10", got)
	}
	a.settled()
	b.settled()
	if trips := tb.trips; trips > 7+4 {
		t.Errorf("%d draws were tried: it is not tried for each request", trips)
	}
	tb.tell(func() { tb.broken = false })
	tb.clock.pass(knockEvery)
	for _, p := range []*process{a, b} {
		ask(p.Limiter, "10.0.0.9", 1)
		p.settled()
	}
	tb.clock.pass(time.Hour)
	if got := ask(a.Limiter, "10.0.0.1", 6) + ask(b.Limiter, "10.0.0.1", 6); got != 10 {
		t.Errorf("%d passed when the database was back, want 10", got)
	}
	for _, p := range []*process{a, b} {
		log := p.log.String()
		if strings.Count(log, "are not shared with other processes for now") != 1 || strings.Count(log, "shared with other processes again") != 1 ||
			!strings.Contains(log, "cause=refused") {
			t.Errorf("the log is\n%s", log)
		}
	}
}

// A reload, with a store of its own, keeps the counts; a limit that is another
// has others.
func TestCommonAllowancesOutliveAReload(t *testing.T) {
	tb, next := newTable(), newTable()
	next.clock = tb.clock
	p := tb.process(perAddress(3, time.Minute))
	ask(p.Limiter, "10.0.0.1", 2)
	next.full = tb.full
	p.Limiter = p.ps.Limiter([]dataflow.Limit{perAddress(3, time.Minute)})
	p.ps.Share(Source{Store: next, App: "shop"})
	p.ps.Part(tb) // of the generation before
	if got := ask(p.Limiter, "10.0.0.1", 3); got != 1 || next.trips == 0 {
		t.Errorf("%d passed, %d draws on the new store", got, next.trips)
	}
	p.Limiter = p.ps.Limiter([]dataflow.Limit{perAddress(5, time.Minute)})
	if got := ask(p.Limiter, "10.0.0.1", 9); got != 5 {
		t.Errorf("%d passed under another limit", got)
	}
	p.ps.Part(next)
	if got := ask(p.Limiter, "10.0.0.2", 9); got != 5 || p.log.Len() > 0 {
		t.Errorf("%d passed without a store; the log is %s", got, &p.log)
	}
}

func TestNothingOfACallerIsKept(t *testing.T) {
	tb := newTable()
	p := tb.process(perAddress(2, time.Minute), dataflow.Limit{Policy: "key", Scope: dataflow.LimitKey, Count: 5, Per: time.Minute, Burst: 5})
	ask(p.Limiter, "10.0.0.1", 1)
	_ = p.Key(t.Context(), &access.Caller{Key: "user:ada"}, new(Tally))
	for id := range tb.full {
		if len(id) != len("shop:")+32 || strings.Contains(id, "10.0") || strings.Contains(id, "ada") {
			t.Errorf("an allowance is kept as %s", id)
		}
	}
	if len(tb.full) != 2 {
		t.Errorf("%d allowances are kept", len(tb.full))
	}
	tb.clock.pass(forgetEvery + time.Minute)
	ask(p.Limiter, "10.0.0.9", 1) // has it tidied up
	p.settled()
	if len(tb.full) != 1 || tb.forgot != 1 {
		t.Errorf("%d allowances are kept, after tidying up %d times", len(tb.full), tb.forgot)
	}
}

// Operations that are done together pass together, in every process.
func TestOperationsTogether(t *testing.T) {
	order, note := &dataflow.Model{Name: "Order"}, &dataflow.Model{Name: "Note"}
	limits := []dataflow.Limit{
		{Policy: "model:Order", Scope: dataflow.LimitModel, Model: order, EveryOp: true, Count: 8, Per: 8 * time.Second, Burst: 8},
		{Policy: "model:Order.create", Scope: dataflow.LimitModel, Model: order, Op: dataflow.OpCreate, Count: 5, Per: 10 * time.Second, Burst: 5},
	}
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprint("shared ", shared), func(t *testing.T) {
			tb := newTable()
			p := tb.process(limits...)
			if !shared {
				p.ps.Part(tb)
			}
			do := func(creates, reads int) string {
				var ops []Asked
				for range creates {
					ops = append(ops, Asked{order, dataflow.OpCreate})
				}
				for range reads {
					ops = append(ops, Asked{order, dataflow.OpRead}, Asked{note, dataflow.OpRead})
				}
				err := p.Operations(t.Context(), &access.Caller{}, ops, new(Tally))
				if err == nil {
					return "passed"
				}
				e := dataflow.AsError(err)
				return fmt.Sprintf("%s %d: %s; %s", e.Code, e.RetryAfter, e.Message, e.Hint)
			}
			for _, s := range []struct {
				creates, reads int
				pass           time.Duration
				want           string
			}{
				{6, 0, 0, "too_many_at_once 0: 6 operations at once to create Order: never more than 5 are allowed together; send them in parts of at most 5"},
				{4, 5, 0, "too_many_at_once 0: 9 operations at once for Order: never more than 8 are allowed together; send them in parts of at most 8"},
				{3, 1, 0, "passed"},
				{0, 6, 0, "rate_limited 2: too many requests for Order: 8 in 8 seconds are allowed; try again in 2 seconds"},
				{0, 6, 2 * time.Second, "passed"},
				{4, 0, 4 * time.Second, "passed"},
				{4, 0, 4 * time.Second, "rate_limited 2: too many requests to create Order: 5 in 10 seconds are allowed; try again in 2 seconds"},
			} {
				tb.clock.pass(s.pass)
				if got := do(s.creates, s.reads); got != s.want {
					t.Errorf("%d creates and %d reads: %s, want %s", s.creates, s.reads, got, s.want)
				}
			}
		})
	}
}

func BenchmarkTakeInCommon(b *testing.B) {
	tb := newTable()
	p := tb.process(perAddress(1_000_000_000, time.Minute))
	addr := netip.MustParseAddr("10.0.0.1")
	b.ReportAllocs()
	for b.Loop() {
		var t Tally
		_ = p.Address(context.Background(), addr, &t)
	}
}

package limit

import (
	"context"
	"encoding/binary"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// clock is a time that moves when it is told to.
type clock struct{ now time.Time }

func (c *clock) pass(d time.Duration) { c.now = c.now.Add(d) }

// limited returns a limiter and its clock.
func limited(t *testing.T, limits ...dataflow.Limit) (*Limiter, *clock) {
	t.Helper()
	c := &clock{start}
	ps := &Policies{Now: func() time.Time { return c.now }}
	return ps.Limiter(limits), c
}

func perAddress(count int, per time.Duration) dataflow.Limit {
	return dataflow.Limit{Policy: "address", Scope: dataflow.LimitAddress, Count: count, Per: per, Burst: count}
}

// ask makes n requests of an address and returns how many were allowed.
func ask(l *Limiter, addr string, n int) int {
	allowed := 0
	for range n {
		if l.Address(context.Background(), netip.MustParseAddr(addr), new(Tally)) == nil {
			allowed++
		}
	}
	return allowed
}

func TestAllowanceIsPerAddressAndRefills(t *testing.T) {
	l, c := limited(t, perAddress(6, time.Minute))
	if got := ask(l, "10.0.0.1", 10); got != 6 {
		t.Errorf("the first address was allowed %d of 10, want 6", got)
	}
	if got := ask(l, "10.0.0.2", 10); got != 6 {
		t.Errorf("the second address was allowed %d of 10, want 6", got)
	}
	c.pass(20 * time.Second)
	if got := ask(l, "10.0.0.1", 10); got != 2 {
		t.Errorf("after 20 s the first address was allowed %d of 10, want 2", got)
	}
	c.pass(-time.Hour)
	if got := ask(l, "10.0.0.1", 10); got != 0 {
		t.Errorf("a clock that was put back gave %d more", got)
	}
}

// Whoever comes again when they are told to is let in, and not before.
func TestRetryAfterIsWhenTheNextRequestIsAllowed(t *testing.T) {
	for _, d := range []dataflow.Limit{perAddress(6, time.Minute), perAddress(7, time.Minute), perAddress(1, time.Hour), perAddress(1000, time.Second), perAddress(3, 7*time.Second)} {
		l, c := limited(t, d)
		addr := netip.MustParseAddr("10.0.0.1")
		ask(l, "10.0.0.1", d.Count)
		var tally Tally
		err := l.Address(context.Background(), addr, &tally)
		if err == nil || tally.Refused() != "address" {
			t.Fatalf("%v: refused by %q: %v", d, tally.Refused(), err)
		}
		wait := time.Duration(dataflow.AsError(err).RetryAfter) * time.Second
		if d.Count == 6 && wait != 10*time.Second {
			t.Errorf("wait is %v, want 10s", wait)
		}
		if wait > time.Second {
			c.pass(wait - time.Second)
			if ask(l, "10.0.0.1", 1) != 0 {
				t.Errorf("%v: let in a second before", d)
			}
			c.pass(time.Second)
		} else {
			c.pass(wait)
		}
		if ask(l, "10.0.0.1", 1) != 1 {
			t.Errorf("%v: refused after the %v it was given", d, wait)
		}
	}
}

func TestAnIPv6NetworkIsOneClient(t *testing.T) {
	l, _ := limited(t, perAddress(2, time.Minute))
	if got := ask(l, "2001:db8::1", 2) + ask(l, "2001:db8::2", 2); got != 2 {
		t.Errorf("two addresses of one /64 were allowed %d, want 2", got)
	}
	if got := ask(l, "::ffff:10.0.0.1", 2) + ask(l, "10.0.0.1", 2); got != 2 {
		t.Errorf("an IPv4 address in both its forms was allowed %d, want 2", got)
	}
}

func TestLessThanOneAMinute(t *testing.T) {
	l, c := limited(t, (&dataflow.Server{RateLimit: 0.5}).Bounds()...)
	if got := ask(l, "10.0.0.1", 3); got != 1 {
		t.Errorf("allowed %d, want 1", got)
	}
	// Another client's arrival sweeps; the first one's allowance must survive.
	c.pass(90 * time.Second)
	ask(l, "10.0.0.2", 1)
	if got := ask(l, "10.0.0.1", 1); got != 0 {
		t.Error("allowed again after 90 s, want 120 s")
	}
}

func TestManyAddressesDoNotFillMemory(t *testing.T) {
	l, c := limited(t, perAddress(1, time.Minute))
	for i := range uint32(maxCallers + 100) {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], i)
		_ = l.Address(context.Background(), netip.AddrFrom4(a), new(Tally))
	}
	if n := len(l.address.callers); n > maxCallers {
		t.Errorf("%d clients kept, want at most %d", n, maxCallers)
	}
	if got := ask(l, "192.168.0.1", 3) + ask(l, "192.168.0.2", 3); got != 0 {
		t.Errorf("the crowd was allowed %d more", got)
	}
	c.pass(2*time.Minute + time.Second)
	ask(l, "192.168.0.1", 1)
	if n := len(l.address.callers); n != 1 {
		t.Errorf("%d clients kept after all were idle, want 1", n)
	}
}

// Each operation has its own limit besides that of its model; a caller is known by
// its key, or else by its address.
func TestOperationsAndWorkflows(t *testing.T) {
	order, note := &dataflow.Model{Name: "Order"}, &dataflow.Model{Name: "Note"}
	l, _ := limited(t,
		dataflow.Limit{Policy: "key", Scope: dataflow.LimitKey, Count: 9, Per: time.Minute, Burst: 9},
		dataflow.Limit{Policy: "workflow:place", Scope: dataflow.LimitWorkflow, Workflow: "place", Count: 60, Per: time.Minute, Burst: 2},
		dataflow.Limit{Policy: "workflow:all", Scope: dataflow.LimitWorkflow, Workflow: "all", Count: 1, Per: time.Minute, Burst: 1, Together: true},
		dataflow.Limit{Policy: "model:Order", Scope: dataflow.LimitModel, Model: order, EveryOp: true, Count: 4, Per: time.Minute, Burst: 4},
		dataflow.Limit{Policy: "model:Order.create", Scope: dataflow.LimitModel, Model: order, Op: dataflow.OpCreate, Count: 1, Per: time.Hour, Burst: 1})
	ctx := context.Background()
	ada, bob := &access.Caller{Key: "user:ada"}, &access.Caller{Key: "user:bob"}
	here, there := &access.Caller{Address: netip.MustParseAddr("10.0.0.1")}, &access.Caller{Address: netip.MustParseAddr("10.0.0.2")}
	const no = "refused"
	steps := []struct {
		what string
		do   func(*Tally) error
		want string
	}{
		{"a read", func(t *Tally) error { return l.Operation(ctx, ada, order, dataflow.OpRead, t) }, `"model:Order";r=3;t=15`},
		{"a create", func(t *Tally) error { return l.Operation(ctx, ada, order, dataflow.OpCreate, t) }, `"model:Order";r=2;t=15, "model:Order.create";r=0;t=3600`},
		{"one more", func(t *Tally) error { return l.Operation(ctx, ada, order, dataflow.OpCreate, t) }, `"model:Order";r=1;t=15, "model:Order.create";r=0;t=3600 ` + no},
		{"somebody else's", func(t *Tally) error { return l.Operation(ctx, bob, order, dataflow.OpCreate, t) }, `"model:Order";r=3;t=15, "model:Order.create";r=0;t=3600`},
		{"another model", func(t *Tally) error { return l.Operation(ctx, ada, note, dataflow.OpCreate, t) }, ""},
		{"nobody's key", func(t *Tally) error { return l.Key(ctx, here, t) }, ""},
		{"a key", func(t *Tally) error { return l.Key(ctx, ada, t) }, `"key";r=8;t=7`},
		{"a start", func(t *Tally) error { return l.Workflow(ctx, here, "place", t) }, `"workflow:place";r=1;t=1`},
		{"a second", func(t *Tally) error { return l.Workflow(ctx, here, "place", t) }, `"workflow:place";r=0;t=1`},
		{"a third", func(t *Tally) error { return l.Workflow(ctx, here, "place", t) }, `"workflow:place";r=0;t=1 ` + no},
		{"from elsewhere", func(t *Tally) error { return l.Workflow(ctx, there, "place", t) }, `"workflow:place";r=1;t=1`},
		{"another workflow", func(t *Tally) error { return l.Workflow(ctx, here, "other", t) }, ""},
		{"all together", func(t *Tally) error { return l.Workflow(ctx, here, "all", t) }, `"workflow:all";r=0;t=60`},
		{"of another", func(t *Tally) error { return l.Workflow(ctx, ada, "all", t) }, `"workflow:all";r=0;t=60 ` + no},
	}
	for _, s := range steps {
		var tally Tally
		err := s.do(&tally)
		var parts []string
		for _, st := range tally.Standings() {
			parts = append(parts, string(st.AppendState(nil)))
		}
		got := strings.Join(parts, ", ")
		if err != nil {
			got += " " + no
		}
		if got != s.want {
			t.Errorf("%s: %s, want %s", s.what, got, s.want)
		}
	}
}

func TestWhatIsTold(t *testing.T) {
	l, _ := limited(t, dataflow.Limit{Policy: "workflow:place", Scope: dataflow.LimitWorkflow, Workflow: "place", Count: 5, Per: 10 * time.Minute, Burst: 1, Together: true})
	var tally Tally
	_ = l.Workflow(context.Background(), &access.Caller{}, "place", new(Tally))
	e := dataflow.AsError(l.Workflow(context.Background(), &access.Caller{}, "place", &tally))
	if e.Code != "rate_limited" || e.Message != "too many requests for the workflow place: 5 in 10 minutes are allowed" || e.Hint != "try again in 120 seconds" {
		t.Errorf("%s, %s; %s", e.Code, e.Message, e.Hint)
	}
	if got := tally.Standings(); len(got) != 1 || got[0].Policy.Header() != `"workflow:place";q=5;w=600` {
		t.Errorf("the standings are %v", got)
	}
}

// A reload gives nobody a new allowance, unless the limit is another.
func TestCountsOutliveAReload(t *testing.T) {
	ps := &Policies{Now: func() time.Time { return start }}
	order := dataflow.Limit{Policy: "model:Order", Scope: dataflow.LimitModel, Model: &dataflow.Model{Name: "Order"}, EveryOp: true, Count: 1, Per: time.Minute, Burst: 1}
	first := ps.Limiter([]dataflow.Limit{perAddress(2, time.Minute), order})
	ask(first, "10.0.0.1", 2)
	_ = first.Operation(context.Background(), &access.Caller{}, order.Model, dataflow.OpRead, new(Tally))
	order.Model = &dataflow.Model{Name: "Order"} // loaded again
	second := ps.Limiter([]dataflow.Limit{perAddress(2, time.Minute), order})
	if ask(second, "10.0.0.1", 1) != 0 || second.Operation(context.Background(), &access.Caller{}, order.Model, dataflow.OpRead, new(Tally)) == nil {
		t.Error("a reload gave a new allowance")
	}
	if third := ps.Limiter([]dataflow.Limit{perAddress(3, time.Minute)}); ask(third, "10.0.0.1", 9) != 3 {
		t.Error("the limit of the file is not what is applied")
	}
	if ps.Limiter(nil) != nil {
		t.Error("there is a limiter without limits")
	}
}

func TestCallersAtTheSameTime(t *testing.T) {
	l, _ := limited(t, perAddress(100, time.Minute))
	var wg sync.WaitGroup
	allowed := make([]int, 8)
	for i := range allowed {
		wg.Go(func() { allowed[i] = ask(l, "10.0.0.1", 50) })
	}
	wg.Wait()
	sum := 0
	for _, n := range allowed {
		sum += n
	}
	if sum != 100 {
		t.Errorf("%d were allowed, want 100", sum)
	}
}

func BenchmarkTake(b *testing.B) {
	ps := &Policies{}
	l := ps.Limiter([]dataflow.Limit{perAddress(1_000_000_000, time.Minute)})
	addr := netip.MustParseAddr("10.0.0.1")
	b.ReportAllocs()
	for b.Loop() {
		var t Tally
		_ = l.Address(context.Background(), addr, &t)
	}
}

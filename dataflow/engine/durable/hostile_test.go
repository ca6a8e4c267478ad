package durable_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
)

// handler is a durable handler.
func handler(name string, f func(ctx context.Context, h dataflow.Handler) (any, error)) *dataflow.Workflow {
	return ft.Handler(name, false, ft.HandlerFn(func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) { return f(ctx, h) }))
}

func (s *site) create(ctx context.Context, h dataflow.Handler, what string) error {
	_, err := h.Run(ctx, dataflow.Op{Model: s.entry, Kind: dataflow.OpCreate}, ft.Obj("what", what, "amount", int64(1)))
	return err
}

// Whatever a handler does to itself: its run fails, and says why; what it had
// kept stays, and others go on.
func TestHandlersThatMisbehave(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		var panics atomic.Bool
		panics.Store(true)
		deep := func() any {
			v := any("bottom")
			for range 5000 {
				v = []any{v}
			}
			return v
		}
		kinds := []struct {
			name, code string
			do         func(ctx context.Context, h dataflow.Handler) (any, error)
		}{
			{"panics", "internal", func(context.Context, dataflow.Handler) (any, error) { panic("on purpose") }},
			{"returns_too_much", "too_large", func(context.Context, dataflow.Handler) (any, error) { return strings.Repeat("x", 9<<20), nil }},
			{"returns_too_deep", "too_large", func(context.Context, dataflow.Handler) (any, error) { return deep(), nil }},
			{"creates_too_much", "too_large", func(ctx context.Context, h dataflow.Handler) (any, error) {
				return h.Record(ctx, "made", func(context.Context) (any, error) { return strings.Repeat("x", 9<<20), nil })
			}},
		}
		var workflows []*dataflow.Workflow
		for _, k := range kinds {
			workflows = append(workflows, handler(k.name, func(ctx context.Context, h dataflow.Handler) (any, error) {
				if err := s.create(ctx, h, k.name); err != nil {
					return nil, err
				}
				if err := h.Sleep(ctx, time.Millisecond); err != nil {
					return nil, err
				}
				return k.do(ctx, h)
			}))
		}
		s.declare(append(workflows, ft.Workflow("good", ft.Node("WaitNode", "rest", ft.Obj("for", 1)), s.add("one", "good")))...)
		p := s.start(nil)
		good := p.begin("good", nil)
		for _, k := range kinds {
			r := p.begin(k.name, nil)
			r = p.until(r.ID, durable.Failed)
			if r.Error.Code != k.code || r.Error.Message == "" || strings.Contains(r.Error.Message, "goroutine") {
				t.Errorf("%s failed with %s: %s", k.name, r.Error.Code, r.Error.Message)
			}
			if n := p.entries(k.name); n != 1 {
				t.Errorf("%s: %d entries, want the one that was kept", k.name, n)
			}
			if _, err := p.Show(context.Background(), access.Caller{}, r.ID); err != nil {
				t.Errorf("%s can't be shown: %v", k.name, err)
			}
		}
		p.until(good.ID, durable.Completed)
	})
}

// A handler that asks for something else than what it is answered from is
// found out, at the step, and nothing of the other path happens.
func TestAHandlerThatTakesAnotherPathIsFoundOut(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		var turn atomic.Int64
		other := map[string]func(ctx context.Context, h dataflow.Handler, later bool) error{
			"other_value": func(ctx context.Context, h dataflow.Handler, later bool) error {
				return s.create(ctx, h, fmt.Sprint("value ", later))
			},
			"other_order": func(ctx context.Context, h dataflow.Handler, later bool) error {
				names := []string{"a", "b"}
				if later {
					names = []string{"b", "a"}
				}
				return errors.Join(s.create(ctx, h, names[0]), s.create(ctx, h, names[1]))
			},
			"other_call": func(ctx context.Context, h dataflow.Handler, later bool) error {
				if later {
					_, err := h.Run(ctx, dataflow.Op{Model: s.entry, Kind: dataflow.OpCount}, nil)
					return err
				}
				return s.create(ctx, h, "call")
			},
		}
		var workflows []*dataflow.Workflow
		for name, path := range other {
			workflows = append(workflows, handler(name, func(ctx context.Context, h dataflow.Handler) (any, error) {
				if err := path(ctx, h, turn.Load() > 0); err != nil {
					return nil, err
				}
				if _, err := h.WaitSignal(ctx, "go", 0, nil, false); err != nil {
					return nil, err
				}
				return nil, s.create(ctx, h, name+" after")
			}))
		}
		s.declare(workflows...)
		p := s.start(nil)
		for name := range other {
			turn.Store(0)
			r := p.begin(name, nil)
			p.until(r.ID, durable.Waiting)
			turn.Store(1)
			if _, err := p.Signal(context.Background(), access.Caller{}, r.ID, "go", nil); err != nil {
				t.Fatal(err)
			}
			if r = p.until(r.ID, durable.Failed); r.Error.Code != "replay_diverged" {
				t.Errorf("%s: %v", name, r.Error)
			}
			if n := p.entries(name + " after"); n != 0 {
				t.Errorf("%s went on all the same", name)
			}
			// What made it so has been taken back: it goes on.
			turn.Store(0)
			if _, err := p.Retry(context.Background(), access.Caller{}, r.ID); err != nil {
				t.Fatal(err)
			}
			p.until(r.ID, durable.Completed)
			if n := p.entries(name + " after"); n != 1 {
				t.Errorf("%s: %d entries after it was tried again", name, n)
			}
		}
		for _, what := range []string{"value true"} {
			if n := p.entries(what); n != 0 {
				t.Errorf("%d of %q", n, what)
			}
		}
		for _, what := range []string{"value false", "a", "b", "call"} {
			if n := p.entries(what); n != 1 {
				t.Errorf("%d of %q", n, what)
			}
		}
	})
}

// A run that fails each time is tried again when somebody asks for it, and no
// oftener; it can be looked at whole.
func TestARunThatAlwaysFailsStops(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		var calls atomic.Int64
		s.types = append(s.types, newOutside(func(context.Context, string) (any, error) {
			calls.Add(1)
			return nil, &dataflow.Error{Code: "no_more", Status: dataflow.StatusUpstream, Message: "no more"}
		}))
		s.declare(ft.Workflow("w", s.add("one", "one"), ft.Node("CallNode", "call", nil, ft.Retry(3, "upstream")), s.add("two", "two")))
		p := s.start(nil)
		r := p.begin("w", nil)
		r = p.until(r.ID, durable.Failed)
		if r.Error.Node != "call" || calls.Load() < 1 {
			t.Errorf("after %d calls: %v", calls.Load(), r.Error)
		}
		before := calls.Load()
		others := p.begin("w", nil) // a full turn of everything else
		p.until(others.ID, durable.Failed)
		if got := calls.Load(); got != 2*before {
			t.Errorf("%d calls for two runs, want %d", got, 2*before)
		}
		shown, err := p.Show(context.Background(), access.Caller{}, r.ID)
		if err != nil {
			t.Fatal(err)
		}
		steps, _ := shown.Get("steps")
		var states []string
		for _, item := range steps.([]any) {
			step, state := item.(*dataflow.Object), any(nil)
			name, _ := step.Get("step")
			state, _ = step.Get("state")
			states = append(states, fmt.Sprint(name, " ", state))
		}
		if got := strings.Join(states, ", "); got != "one done, call failed" {
			t.Errorf("the steps are shown as %s", got)
		}
		if one, two := p.entries("one"), p.entries("two"); one != 2 || two != 0 {
			t.Errorf("%d one, %d two", one, two)
		}
	})
}

// A run can be cancelled wherever it is.
func TestCancelInEachState(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		held := make(chan struct{}, 10)
		s.types = append(s.types, newOutside(func(ctx context.Context, _ string) (any, error) {
			held <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		}))
		undone := func(id string) []any {
			return []any{s.add("one", id+" one", ft.Compensate("undo")), s.add("undo", id+" undo")}
		}
		s.declare(
			ft.Workflow("queued", s.add("one", "queued one")),
			ft.Workflow("in_a_node", append(undone("in_a_node"), ft.Node("CallNode", "call", nil))...),
			ft.Workflow("waiting", append(undone("waiting"), ft.Node("SignalNode", "go", ft.Obj("name", "go")))...),
			ft.Workflow("asleep", append(undone("asleep"), ft.Node("WaitNode", "rest", ft.Obj("for", "1h")))...),
			ft.Workflow("parent", append(undone("parent"), ft.Node("WorkflowNode", "sub", ft.Obj("workflow", "waiting")))...),
			ft.Workflow("undoing", append(undone("undoing"), ft.Node("CallNode", "call", nil), ft.Node("SignalNode", "go", ft.Obj("name", "go")))...),
		)
		s.app.Workflows[0].Limit = &dataflow.RunLimit{Rate: 1, Per: time.Hour}
		p := s.start(nil)
		cancel := func(id string) {
			t.Helper()
			if _, err := p.Cancel(context.Background(), access.Caller{}, id); err != nil {
				t.Fatal(err)
			}
		}
		ended := func(id string) {
			t.Helper()
			if r := p.until(id, durable.Cancelled); r.Error == nil || r.Error.Code != "run_cancelled" {
				t.Errorf("%s ended with %v", id, r.Error)
			}
			if _, err := p.Cancel(context.Background(), access.Caller{}, id); code(err) != "run_ended" {
				t.Errorf("cancelled again: %v", err)
			}
		}
		first := p.begin("queued", nil)
		p.until(first.ID, durable.Completed)
		second := p.begin("queued", nil)
		cancel(second.ID)
		ended(second.ID)
		if n := p.entries("queued one"); n != 1 {
			t.Errorf("%d entries: a run that was cancelled before its turn has run", n)
		}
		inNode := p.begin("in_a_node", nil)
		<-held
		cancel(inNode.ID)
		ended(inNode.ID)
		for _, workflow := range []string{"waiting", "asleep", "parent"} {
			r := p.begin(workflow, nil)
			p.until(r.ID, durable.Waiting)
			if workflow == "parent" {
				p.until(r.ID+"/sub", durable.Waiting)
			}
			cancel(r.ID)
			ended(r.ID)
			if workflow == "parent" {
				ended(r.ID + "/sub")
			}
		}
		for _, what := range []string{"in_a_node", "waiting", "asleep", "parent"} {
			want := int64(1)
			if what == "waiting" {
				want = 2 // by itself and below parent
			}
			if one, undo := p.entries(what+" one"), p.entries(what+" undo"); one != want || undo != want {
				t.Errorf("%s: %d done, %d undone, want %d", what, one, undo, want)
			}
		}
		// While it is being undone: it ends once, as what it was.
		r := p.begin("undoing", nil)
		<-held
		var both sync.WaitGroup
		for range 4 {
			both.Go(func() {
				if _, err := p.Cancel(context.Background(), access.Caller{}, r.ID); err != nil && code(err) != "run_ended" {
					t.Error(err)
				}
			})
		}
		both.Wait()
		ended(r.ID)
		if one, undo := p.entries("undoing one"), p.entries("undoing undo"); one != 1 || undo != 1 {
			t.Errorf("undoing: %d done, %d undone", one, undo)
		}
	})
}

// Of any number who begin with one key at once there is one run, and all are
// told of it; who comes with another request is refused.
func TestBeginsWithOneKeyAreOneRun(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Workflow("w", ft.In("n", dataflow.Int), s.add("one", "${input.n} one"), ft.Node("SignalNode", "go", ft.Obj("name", "go")), s.add("two", "${input.n} two")))
		a, b := s.start(nil), s.start(nil)
		for n := range 5 {
			var mu sync.Mutex
			ids := map[string]bool{}
			var all sync.WaitGroup
			for i := range 12 {
				all.Go(func() {
					p := []*process{a, b}[i%2]
					var r *durable.Run
					err := again(func() (err error) {
						r, _, err = p.Begin(context.Background(), durable.Begin{Workflow: "w", Inputs: ft.Obj("n", int64(n)), Key: fmt.Sprint("key", n), Request: "same", Later: i%3 == 0})
						return err
					})
					if err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					ids[r.ID] = true
					mu.Unlock()
				})
			}
			all.Wait()
			if len(ids) != 1 {
				t.Fatalf("one key began %d runs", len(ids))
			}
			if _, _, err := a.Begin(context.Background(), durable.Begin{Workflow: "w", Inputs: ft.Obj("n", int64(n)), Key: fmt.Sprint("key", n), Request: "other"}); code(err) != "idempotency_key_reused" {
				t.Errorf("another request with the key: %v", err)
			}
			for id := range maps.Keys(ids) {
				if _, err := b.Signal(context.Background(), access.Caller{}, id, "go", nil); err != nil {
					t.Fatal(err)
				}
				a.until(id, durable.Completed)
			}
			for _, what := range []string{"one", "two"} {
				if c := a.entries(fmt.Sprint(n, " ", what)); c != 1 {
					t.Errorf("%d of %d %s", c, n, what)
				}
			}
		}
	})
}

// Inputs that are too large to be kept are refused before anything has
// happened.
func TestInputsThatAreTooLargeAreRefused(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Workflow("w", ft.In("text", dataflow.String), s.add("one", "one")))
		p := s.start(nil)
		for _, later := range []bool{false, true} {
			_, _, err := p.Begin(context.Background(), durable.Begin{Workflow: "w", Inputs: ft.Obj("text", strings.Repeat("x", 9<<20)), Later: later})
			if code(err) != "too_large" {
				t.Errorf("later %v: %v", later, err)
			}
		}
		r := p.begin("w", ft.Obj("text", "short"))
		p.until(r.ID, durable.Completed)
		if n := p.entries("one"); n != 1 {
			t.Errorf("%d entries", n)
		}
		if _, err := p.Signal(context.Background(), access.Caller{}, r.ID, "s", strings.Repeat("x", 9<<20)); code(err) != "too_large" {
			t.Errorf("a signal that is too large: %v", err)
		}
	})
}

// Text that no engine can hold, or not each, is no run's and no signal's.
func TestNamesThatCannotBeKept(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Workflow("w", s.add("one", "one")))
		p := s.start(nil)
		r := p.begin("w", nil)
		p.until(r.ID, durable.Completed)
		ctx, c := context.Background(), access.Caller{}
		for _, name := range []string{"a\x00b", "\xff"} {
			if _, err := p.Get(ctx, c, name); code(err) != "not_found" {
				t.Errorf("a run %q: %v", name, err)
			}
			if _, err := p.Signal(ctx, c, r.ID, name, nil); code(err) != "invalid" {
				t.Errorf("a signal %q: %v", name, err)
			}
			if list, _, err := p.List(ctx, c, durable.Filter{Parent: name}); len(list) > 0 || err != nil {
				t.Errorf("runs of a run %q: %v, %v", name, list, err)
			}
			if _, _, err := p.List(ctx, c, durable.Filter{Workflow: name}); code(err) != "invalid" {
				t.Errorf("runs of a workflow %q: %v", name, err)
			}
			if _, _, err := p.List(ctx, c, durable.Filter{Before: name}); code(err) != "invalid" {
				t.Errorf("a cursor %q: %v", name, err)
			}
		}
	})
}

// random makes a value of those that runs keep.
func random(r *rand.Rand, depth int) any {
	kinds := 14
	if depth == 0 {
		kinds = 11
	}
	switch r.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2:
		return int64(r.Uint64())
	case 3:
		return math.Float64frombits(r.Uint64()&^(1<<62) | r.Uint64()&1)
	case 4:
		return []float64{0, 1, -1, 1e300, 5e-324, 1 << 53, math.Copysign(0, -1), math.Inf(1), math.Inf(-1)}[r.IntN(9)]
	case 5:
		d, err := dataflow.ParseDecimal(fmt.Sprintf("%d.%0*d", int64(r.Uint64()>>1), 1+r.IntN(9), r.IntN(10)))
		if err != nil {
			panic(err)
		}
		return d
	case 6:
		return time.UnixMicro(r.Int64N(4e15)).UTC()
	case 7:
		return []any{dataflow.Date("2026-02-28"), dataflow.TimeOfDay("23:59:59.5")}[r.IntN(2)]
	case 8:
		b := make([]byte, r.IntN(9))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	case 9:
		return dataflow.RawJSON([]string{`{"a": 1.0}`, `[1e2, "\u00e4"]`, `null`}[r.IntN(3)])
	case 10, 11:
		return []string{"", "a", "ä€𝄞", "\x00\n\"\\", "$decimal", "2026-01-01T00:00:00Z", strings.Repeat("x", 300)}[r.IntN(7)]
	case 12:
		list := make([]any, r.IntN(4))
		for i := range list {
			list[i] = random(r, depth-1)
		}
		return list
	}
	o := dataflow.NewObject()
	for range r.IntN(4) {
		o.Set([]string{"a", "$a", "$decimal", "$$", "$", "", "ä", "$float"}[r.IntN(8)], random(r, depth-1))
	}
	return o
}

// Whatever a run has worked out is read back as it was: type, value and order.
func TestWhatIsKeptComesBackAsItWas(t *testing.T) {
	seed := seedOf(t)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 20_000 {
		v := random(r, 4)
		got, err := durable.Kept(v)
		if err != nil {
			t.Fatalf("seed %d: %#v: %v", seed, v, err)
		}
		if want := written(v); written(got) != want {
			t.Fatalf("seed %d: %s came back as %s", seed, want, written(got))
		}
	}
	for _, v := range []any{math.NaN()} {
		if got, err := durable.Kept(v); err != nil || !math.IsNaN(got.(float64)) {
			t.Errorf("%v came back as %v, %v", v, got, err)
		}
	}
}

// written is a value with its type, so that no two are alike.
func written(v any) string {
	switch v := v.(type) {
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			parts[i] = written(item)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case *dataflow.Object:
		var parts []string
		for name, item := range v.All {
			parts = append(parts, fmt.Sprintf("%q: %s", name, written(item)))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case float64:
		return fmt.Sprintf("float %x", math.Float64bits(v))
	case time.Time:
		return "time " + v.Format(time.RFC3339Nano)
	case dataflow.Decimal:
		return "decimal " + string(dataflow.AppendDecimal(nil, v))
	}
	return fmt.Sprintf("%T %#v", v, v)
}

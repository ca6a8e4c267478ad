package durable_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/flowctl/flowctl/dataflow/store"
)

// bank is a node type that pays, and takes payments back: it knows them by the
// key of the call, and a call that is made again has the same key.
type bank struct {
	*outside
	mu    sync.Mutex
	paid  map[string]bool // by what a payment is called
	taken map[string]bool
	shut  bool // it takes nothing back
}

func newBank() *bank {
	b := &bank{outside: newOutside(nil), paid: map[string]bool{}, taken: map[string]bool{}}
	b.spec.Name = "BankNode"
	return b
}

func (b *bank) Run(_ context.Context, call *engine.Call) (any, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if of, back := call.Config.Get("of"); back && of != dataflow.Absent {
		if b.shut {
			return nil, &dataflow.Error{Code: "upstream", Status: dataflow.StatusUpstream, Message: "shut"}
		}
		b.taken[of.(string)] = true
		return nil, nil
	}
	id := "payment " + call.Key
	b.paid[id] = true
	return dataflow.ObjectOf("id", id), nil
}

// close has it take nothing back, or again.
func (b *bank) close(shut bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shut = shut
}

// of are the payments of a run, and those of them that were taken back.
func (b *bank) of(run string) (paid, taken []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	mine := func(all map[string]bool) []string {
		return slices.DeleteFunc(slices.Sorted(maps.Keys(all)), func(id string) bool { return !strings.HasPrefix(id, "payment "+run+"/") })
	}
	return mine(b.paid), mine(b.taken)
}

// runsInner is a handler that runs the workflow inner, rests, and ends as end does.
func runsInner(end func() (any, error)) *dataflow.Workflow {
	return ft.Handler("handler", false, ft.HandlerFn(func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
		if _, err := h.Workflow(ctx, "inner", ft.Obj("n", int64(1))); err != nil {
			return nil, err
		}
		if err := h.Sleep(ctx, time.Millisecond); err != nil {
			return nil, err
		}
		return end()
	}))
}

// What parts of a step did outside is undone too, in whichever way the run fails
// after it and wherever its process ends: the nodes of a workflow that a node or
// a handler runs, and calls in a transaction that is undone.
func TestWhatPartsOfAStepDidIsUndone(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		b := newBank()
		s.types = append(s.types, b)
		no := func() (any, error) {
			return nil, &dataflow.Error{Code: "no_more", Status: dataflow.StatusRejected, Message: "no more"}
		}
		bad := func() *dataflow.Node {
			return ft.Node("StarlarkNode", "bad", ft.Obj("fn", ft.Fn("bad", "", func(*dataflow.Object) (any, error) { return no() })))
		}
		pays := func() []any {
			return []any{ft.Node("BankNode", "pay", ft.Obj(), ft.Compensate("back")), ft.Node("BankNode", "back", ft.Obj("of", "${pay.id}"))}
		}
		rests := func() *dataflow.Node { return ft.Node("WaitNode", "rest", ft.Obj("for", 1)) }
		fails := func() *dataflow.Node {
			return ft.Node("StarlarkNode", "bad", ft.Obj("fn", ft.Fn("bad", "after", func(*dataflow.Object) (any, error) { return no() }), "after", "${pay.id}"))
		}
		inner := ft.Workflow("inner", append(pays(), ft.In("n", dataflow.Int))...)
		broken := ft.Workflow("broken", append(pays(), fails())...)
		whole := func(name string, parts ...any) *dataflow.Workflow {
			return ft.Workflow(name, append([]any{s.add("before", name)}, parts...)...)
		}
		s.declare(
			whole("runs", ft.Node("WorkflowNode", "sub", ft.Obj("workflow", inner, "inputs", ft.Obj("n", 1))), rests(), bad()),
			whole("each", ft.Node("MapNode", "sub", ft.Obj("workflow", inner, "items", ft.List(1, 2, 3), "as", "n")), rests(), bad()),
			whole("midway", rests(), ft.Node("WorkflowNode", "sub", ft.Obj("workflow", broken))),
			ft.Workflow("first", append(pays(), s.add("with", "first with"), fails(), ft.Node("TransactionNode", "all", ft.Obj("nodes", ft.List("pay", "with", "bad"))))...),
			whole("later", append(pays(), rests(), s.add("with", "later with"), fails(), ft.Node("TransactionNode", "all", ft.Obj("nodes", ft.List("pay", "with", "bad"))))...),
			runsInner(no),
		)
		s.app.Workflows = append(s.app.Workflows, inner)
		for _, w := range []struct {
			workflow string
			payments int
		}{{"runs", 1}, {"each", 3}, {"midway", 1}, {"first", 1}, {"later", 1}, {"handler", 1}} {
			for n := int64(1); n <= 12; n++ {
				var left atomic.Int64
				var down atomic.Bool
				left.Store(1 << 40)
				dying := s.start(func(st store.Store) store.Store { return &refusing{st, &left, n%2 == 0, &down} })
				r := dying.begin(w.workflow, nil)
				left.Store((n + 1) / 2) // races with the run, which only makes the place another
				next := s.start(nil)
				r = next.until(r.ID, durable.Failed)
				if r.Error.Code != "no_more" || strings.Contains(r.Error.Message, "undone") {
					t.Errorf("%s ended with %v", w.workflow, r.Error)
				}
				if paid, taken := b.of(r.ID); len(paid) != w.payments || !slices.Equal(paid, taken) {
					t.Errorf("%s, dead at the write %d: paid %q, taken back %q", w.workflow, n, paid, taken)
				}
				steps, err := next.Steps(context.Background(), r)
				if err != nil {
					t.Fatal(err)
				}
				undone := 0
				for _, step := range steps {
					switch step.State {
					case engine.StepUndone:
						undone++
					case engine.StepPledged:
						t.Errorf("%s shows how %s is undone", w.workflow, step.Key)
					}
				}
				if undone != w.payments {
					t.Errorf("%s shows %d steps that are undone, want %d", w.workflow, undone, w.payments)
				}
				if _, err := next.Retry(context.Background(), access.Caller{}, r.ID); code(err) != "run_undone" {
					t.Errorf("%s, tried again: %v", w.workflow, err)
				}
				alive := !down.Load()
				dying.stop()
				next.stop()
				if alive {
					break
				}
			}
		}
		for _, what := range []string{"first with", "later with"} {
			if n := s.start(nil).entries(what); n != 0 {
				t.Errorf("%d of %s, of transactions that failed", n, what)
			}
		}
	})
}

// What could not be undone when a run failed is said by the keys of its steps, and
// undone when it fails once more, after it was tried again.
func TestWhatCouldNotBeUndoneIsKept(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		b := newBank()
		s.types = append(s.types, b)
		no := func() (any, error) {
			return nil, &dataflow.Error{Code: "no_more", Status: dataflow.StatusRejected, Message: "no more"}
		}
		pays := func() []any {
			return []any{ft.Node("BankNode", "pay", ft.Obj(), ft.Compensate("back")), ft.Node("BankNode", "back", ft.Obj("of", "${pay.id}"))}
		}
		inner := ft.Workflow("inner", append(pays(), ft.In("n", dataflow.Int))...)
		whole := func(name string, parts ...any) *dataflow.Workflow {
			return ft.Workflow(name, append([]any{s.add("one", "one")}, append(parts, ft.Node("WaitNode", "rest", ft.Obj("for", 1)),
				ft.Node("StarlarkNode", "bad", ft.Obj("fn", ft.Fn("bad", "", func(*dataflow.Object) (any, error) { return no() }))))...)...)
		}
		s.declare(
			whole("itself", pays()...),
			whole("runs", ft.Node("WorkflowNode", "sub", ft.Obj("workflow", inner, "inputs", ft.Obj("n", 1)))),
			whole("each", ft.Node("MapNode", "all", ft.Obj("workflow", inner, "items", ft.List(1, 2), "as", "n"))),
			runsInner(no))
		s.app.Workflows = append(s.app.Workflows, inner)
		p := s.start(nil)
		for workflow, left := range map[string][]string{
			"itself": {"pay"}, "runs": {"sub/pay"}, "each": {"all#0/pay", "all#1/pay"}, "handler": {"inner#1/pay"},
		} {
			b.close(true)
			r := p.begin(workflow, nil)
			r = p.until(r.ID, durable.Failed)
			named, said := strings.CutPrefix(r.Error.Message, "no more; what these nodes did could not be undone: ")
			if got := strings.Split(named, ", "); !said || !slices.Equal(slices.Sorted(slices.Values(got)), left) { // items are done in any order
				t.Errorf("%s failed with %v, want %q", workflow, r.Error, left)
			}
			b.close(false)
			if _, err := p.Retry(context.Background(), access.Caller{}, r.ID); err != nil {
				t.Fatal(err)
			}
			if r = p.until(r.ID, durable.Failed); r.Error.Message != "no more" {
				t.Errorf("%s failed with %v", workflow, r.Error)
			}
			if paid, taken := b.of(r.ID); len(paid) != len(left) || !slices.Equal(paid, taken) {
				t.Errorf("%s: paid %q, taken back %q", workflow, paid, taken)
			}
		}
	})
}

// A call that can be undone is let come to its end where the run is cancelled
// while it is under way, for else nobody would know whether there is something to
// undo; another is cut off, and so are further attempts.
func TestACancellationWaitsForACallThatCanBeUndone(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		begun, goOn := make(chan string, 10), make(chan struct{})
		var refuse atomic.Bool
		s.types = append(s.types, newOutside(func(ctx context.Context, key string) (any, error) {
			begun <- key
			select {
			case <-goOn:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			if refuse.Load() {
				return nil, &dataflow.Error{Code: "upstream", Status: dataflow.StatusUpstream, Message: "not now"}
			}
			return dataflow.ObjectOf("paid", true), nil
		}))
		inner := ft.Workflow("inner", ft.Node("CallNode", "pay", nil, ft.Compensate("refund")), ft.Node("CallNode", "refund", ft.Obj("of", "${pay.paid}")))
		s.declare(
			ft.Workflow("undoable", s.add("one", "undoable one"), ft.Node("CallNode", "pay", nil, ft.Compensate("refund"), ft.Retry(5)), s.add("refund", "${ctx.run_id} refund"), s.add("two", "undoable two")),
			ft.Workflow("within", s.add("one", "within one"), ft.Node("WorkflowNode", "sub", ft.Obj("workflow", inner))),
			ft.Workflow("plain", s.add("one", "plain one"), ft.Node("CallNode", "pay", nil)),
		)
		p := s.start(nil)
		cancelled := func(workflow string) string {
			t.Helper()
			r := p.begin(workflow, nil)
			if key := <-begun; !strings.HasSuffix(key, "/pay") {
				t.Fatalf("%s called as %s", workflow, key)
			}
			for range 2 { // the second time says nothing new
				_, err := p.Cancel(context.Background(), access.Caller{}, r.ID)
				if err != nil && (workflow != "plain" || code(err) != "run_ended") { // that which is cut off may have ended by then
					t.Fatal(err)
				}
			}
			return r.ID
		}
		p.until(cancelled("plain"), durable.Cancelled) // nothing lets it go on

		id := cancelled("undoable")
		goOn <- struct{}{}
		p.until(id, durable.Cancelled)
		if n := p.entries(id + " refund"); n != 1 {
			t.Errorf("%d refunds", n)
		}
		id = cancelled("within")
		goOn <- struct{}{}
		if key := <-begun; key != id+"/sub/refund" {
			t.Errorf("called as %s, want the refund", key)
		}
		goOn <- struct{}{}
		p.until(id, durable.Cancelled)

		refuse.Store(true)
		id = cancelled("undoable")
		goOn <- struct{}{}
		p.until(id, durable.Cancelled)
		if n := p.entries(id + " refund"); n != 0 {
			t.Errorf("%d refunds of what failed", n)
		}
		if len(begun) > 0 {
			t.Errorf("%s was called again", <-begun)
		}

		// A process that is about to end does not wait for it, and what the call did
		// remains unknown.
		refuse.Store(false)
		id = cancelled("undoable")
		p.stop()
		p = s.start(nil)
		r := p.until(id, durable.Cancelled)
		if n := p.entries(id + " refund"); n != 0 {
			t.Errorf("%d refunds: %s", n, fmt.Sprint(r.Error))
		}
	})
}

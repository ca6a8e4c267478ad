package durable_test

import (
	"context"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
)

// A run that failed for what came with a signal is sent it again, and goes on with
// that once it is tried again. What it has done stays done, and signals that have
// come meanwhile are kept for the waits that they are for.
func TestASignalOfTheWrongShapeIsSentAgain(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		shape := func(v any) error {
			if o, is := v.(*dataflow.Object); !is || !o.Has("what") {
				return &dataflow.Error{Code: "function_failed", Status: dataflow.StatusInternal, Message: "it has no what"}
			}
			return nil
		}
		judge := func() *ft.Func {
			return ft.Fn("judge", "of", func(a *dataflow.Object) (any, error) {
				of, _ := a.Get("of")
				return dataflow.ObjectOf("ok", true), shape(of)
			})
		}
		waits := func(id string) *dataflow.Node { return ft.Node("SignalNode", id, ft.Obj("name", "go")) }
		start := func() *dataflow.Node { return ft.Node("SignalNode", "start", ft.Obj("name", "start")) }
		s.declare(
			ft.Workflow("part", s.add("one", "part one"), waits("go"), s.add("skipped", "never", ft.When("${go.payload.skip}")), s.add("two", "${go.payload.what}")),
			ft.Workflow("value", s.add("one", "value one"), start(), waits("go"), s.add("two", "${go.payload.what}"), waits("more"), s.add("three", "${more.payload.what}")),
			ft.Workflow("judged", s.add("one", "judged one"), start(), waits("go"), ft.Node("StarlarkNode", "judge", ft.Obj("fn", judge(), "of", "${go.payload}")),
				s.add("two", "${go.payload.what}", ft.When("${judge.ok}")), waits("more"), s.add("three", "${more.payload.what}")),
			ft.Workflow("both", s.add("one", "both one"), ft.Node("SignalNode", "left", ft.Obj("name", "left")), ft.Node("SignalNode", "right", ft.Obj("name", "right")),
				s.add("two", "${left.payload.what}"), s.add("three", "${right.payload.what}")),
			ft.Workflow("chained", s.add("one", "chained one"), ft.Node("SignalNode", "left", ft.Obj("name", "left")),
				ft.Node("SignalNode", "right", ft.Obj("name", "right"), ft.When("${left.received}")), s.add("two", "${left.payload.what}"), s.add("three", "${right.payload.what}")),
			ft.Handler("handler", false, ft.HandlerFn(func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
				if err := s.create(ctx, h, "handler one"); err != nil {
					return nil, err
				}
				if _, err := h.WaitSignal(ctx, "start", 0, nil, false); err != nil {
					return nil, err
				}
				for range 2 {
					got, err := h.WaitSignal(ctx, "go", 0, nil, false)
					if err == nil {
						err = shape(got)
					}
					if err != nil {
						return nil, err
					}
					what, _ := got.(*dataflow.Object).Get("what")
					if err := s.create(ctx, h, what.(string)); err != nil {
						return nil, err
					}
				}
				return nil, nil
			})))
		p := s.start(nil)
		send := func(r *durable.Run, name string, payload any, want string) {
			t.Helper()
			sent, err := p.Signal(context.Background(), access.Caller{}, r.ID, name, payload)
			if err != nil && code(err) != want || err == nil && want != "" {
				t.Fatalf("%s: %v, want %q", r.Workflow, err, want)
			}
			if err == nil && r.Status == durable.Failed && sent.Status != durable.Failed {
				t.Errorf("%s: by the signal alone it is %s", r.Workflow, sent.Status)
			}
		}
		retry := func(r *durable.Run) {
			t.Helper()
			if _, err := p.Retry(context.Background(), access.Caller{}, r.ID); err != nil {
				t.Fatal(err)
			}
		}
		for _, workflow := range []string{"value", "judged", "handler"} {
			r := p.begin(workflow, nil)
			r = p.until(r.ID, durable.Waiting)
			send(r, "go", "no object", "")
			send(r, "go", ft.Obj("what", workflow+" three"), "") // of the second wait
			send(r, "start", nil, "")
			r = p.until(r.ID, durable.Failed)
			signals := "start or go"
			if workflow == "handler" { // nobody knows what its waits hang on
				signals = "go"
			}
			if want := "if that is for what came with the signal " + signals + ", send it again as it should be, and try the run again"; r.Error.Hint != want {
				t.Errorf("%s failed with the hint %q", workflow, r.Error.Hint)
			}
			retry(r) // without another signal it is as before
			r = p.until(r.ID, durable.Failed)
			send(r, "other", ft.Obj("what", "other"), "run_ended")
			send(r, "go", ft.Obj("what", workflow+" forgotten"), "")
			send(r, "go", ft.Obj("what", workflow+" two"), "") // the last one counts
			retry(r)
			p.until(r.ID, durable.Completed)
			for what, want := range map[string]int64{" one": 1, " two": 1, " three": 1, " forgotten": 0} {
				if n := p.entries(workflow + what); n != want {
					t.Errorf("%d of %s%s, want %d", n, workflow, what, want)
				}
			}
			send(r, "go", nil, "run_ended")
		}

		// Of two waits that don't hang on each other each can be sent its own again;
		// of two that do the last.
		for _, workflow := range []string{"both", "chained"} {
			r := p.begin(workflow, nil)
			p.until(r.ID, durable.Waiting)
			send(r, "left", "wrong", "")
			send(r, "right", ft.Obj("what", workflow+" right"), "")
			r = p.until(r.ID, durable.Failed)
			hint, want := "if that is for what came with the signal left or right, send it again as it should be, and try the run again", ""
			if workflow == "chained" {
				hint, want = "if that is for what came with the signal right, send it again as it should be, and try the run again", "run_ended"
			}
			if r.Error.Hint != hint {
				t.Errorf("%s failed with the hint %q", workflow, r.Error.Hint)
			}
			send(r, "left", ft.Obj("what", workflow+" left"), want)
			if want != "" {
				continue
			}
			retry(r)
			p.until(r.ID, durable.Completed)
			r = p.begin(workflow, nil) // and both
			p.until(r.ID, durable.Waiting)
			send(r, "left", "wrong", "")
			send(r, "right", "wrong", "")
			r = p.until(r.ID, durable.Failed)
			send(r, "right", ft.Obj("what", workflow+" right"), "")
			send(r, "left", ft.Obj("what", workflow+" left"), "")
			retry(r)
			p.until(r.ID, durable.Completed)
			for what, want := range map[string]int64{" one": 2, " left": 2, " right": 2} {
				if n := p.entries(workflow + what); n != want {
					t.Errorf("%d of %s%s, want %d", n, workflow, what, want)
				}
			}
		}

		// What was skipped for the old one is looked at again.
		r := p.begin("part", nil)
		r = p.until(r.ID, durable.Waiting)
		send(r, "go", ft.Obj("skip", false), "")
		r = p.until(r.ID, durable.Failed)
		send(r, "go", ft.Obj("skip", true, "what", "part two"), "")
		retry(r)
		p.until(r.ID, durable.Completed)
		if never, two := p.entries("never"), p.entries("part two"); never != 1 || two != 1 {
			t.Errorf("%d never, %d two", never, two)
		}
	})
}

// What a run has done with a signal stands: it is not sent again.
func TestASignalThatARunWentOnWithIsNotSentAgain(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		bad := func() *dataflow.Node {
			return ft.Node("StarlarkNode", "bad", ft.Obj("fn", ft.Fn("bad", "after", func(*dataflow.Object) (any, error) {
				return nil, &dataflow.Error{Code: "no_more", Status: dataflow.StatusRejected, Message: "no more"}
			}), "after", "${rest.until}"))
		}
		rest := func() *dataflow.Node { return ft.Node("WaitNode", "rest", ft.Obj("for", 1)) }
		s.declare(
			ft.Workflow("done", ft.Node("SignalNode", "go", ft.Obj("name", "go")), s.add("one", "one"), rest(), bad()),
			ft.Workflow("undone", s.add("one", "one", ft.Compensate("undo")), s.add("undo", "undo"), rest(), ft.Node("SignalNode", "go", ft.Obj("name", "go")), bad()),
			ft.Workflow("never", s.add("one", "one"), rest(), bad()))
		p := s.start(nil)
		for _, workflow := range []string{"done", "undone", "never"} {
			r := p.begin(workflow, nil)
			if workflow != "never" {
				if _, err := p.Signal(context.Background(), access.Caller{}, r.ID, "go", nil); err != nil {
					t.Fatal(err)
				}
			}
			if r := p.until(r.ID, durable.Failed); r.Error.Hint != "" {
				t.Errorf("%s failed with the hint %q", workflow, r.Error.Hint)
			}
			if _, err := p.Signal(context.Background(), access.Caller{}, r.ID, "go", nil); code(err) != "run_ended" {
				t.Errorf("%s takes the signal again: %v", workflow, err)
			}
		}
	})
}

// Whoever begins a run that is bounded, and so has to wait for its turn, is answered
// once it rests, also where it waits for a signal for ever.
func TestABoundedRunThatWaitsForEverIsAnswered(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Workflow("one", s.add("one", "one"), ft.Node("SignalNode", "go", ft.Obj("name", "go"))))
		s.app.Workflows[0].Limit = &dataflow.RunLimit{Concurrency: 1}
		p := s.start(nil)
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		r, _, err := p.Begin(ctx, durable.Begin{Workflow: "one"})
		if err != nil || r.Status != durable.Waiting || ctx.Err() != nil {
			t.Errorf("%v, %v after %v", r, err, ctx.Err())
		}
	})
}

// A handler that failed because a signal did not come in time waits for it anew when
// it is tried again, or takes the one that it was sent meanwhile. What it did before
// stays done.
func TestAHandlerThatWaitedInVainIsTriedAgain(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Handler("late", false, ft.HandlerFn(func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
			if err := s.create(ctx, h, "before"); err != nil {
				return nil, err
			}
			if _, err := h.WaitSignal(ctx, "early", 0, nil, false); err != nil {
				return nil, err
			}
			return h.WaitSignal(ctx, "go", 500*time.Millisecond, nil, false)
		})))
		s.app.Workflows[0].Signals = []dataflow.Signal{{Name: "early"}, {Name: "go", Payload: &dataflow.Field{Name: "payload", Type: dataflow.Int}}}
		p := s.start(nil)
		signal := func(id, name string, payload any, want string) {
			t.Helper()
			if _, err := p.Signal(context.Background(), access.Caller{}, id, name, payload); err != nil && code(err) != want || err == nil && want != "" {
				t.Fatalf("the signal %s: %v, want %q", name, err, want)
			}
		}
		retry := func(id string) {
			t.Helper()
			if _, err := p.Retry(context.Background(), access.Caller{}, id); err != nil {
				t.Fatal(err)
			}
		}
		r := p.begin("late", nil)
		signal(r.ID, "early", nil, "")
		if r = p.until(r.ID, durable.Failed); r.Error.Code != "signal_timeout" {
			t.Fatalf("it failed with %v", r.Error)
		}
		signal(r.ID, "go", "one", "invalid")
		signal(r.ID, "early", nil, "run_ended")
		retry(r.ID)
		p.until(r.ID, durable.Waiting) // and not at once for a time that is over
		if r = p.until(r.ID, durable.Failed); r.Error.Code != "signal_timeout" {
			t.Fatalf("it failed with %v", r.Error)
		}
		signal(r.ID, "go", int64(1), "")
		signal(r.ID, "go", int64(2), "") // which takes its place
		retry(r.ID)
		if r = p.until(r.ID, durable.Completed); r.Output != int64(2) {
			t.Errorf("it gave %v", r.Output)
		}
		if n := p.entries("before"); n != 1 {
			t.Errorf("what it did before was done %d times", n)
		}

		// So does one that came with what nobody could check.
		r = p.begin("late", nil)
		signal(r.ID, "go", int64(3), "")
		s.set("_flow_signals", "run", r.ID, "payload", `"three"`)
		signal(r.ID, "early", nil, "")
		r = p.until(r.ID, durable.Failed)
		if want := "if that is for what came with the signal go, send it again as it should be, and try the run again"; r.Error.Code != "invalid" || r.Error.Hint != want {
			t.Errorf("it failed with %v, %q", r.Error, r.Error.Hint)
		}
		signal(r.ID, "go", int64(4), "")
		retry(r.ID)
		if r = p.until(r.ID, durable.Completed); r.Output != int64(4) {
			t.Errorf("it gave %v", r.Output)
		}
	})
}

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
)

// A run that another one waited for, and that was cancelled, can't go on: nor can
// the other one, which would begin it anew under the keys that its calls had.
func TestARunWhosePartWasCancelledIsNotTriedAgain(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(
			ft.Workflow("part", s.add("one", "part"), ft.Node("SignalNode", "ok", ft.Obj("name", "go"))),
			ft.Workflow("middle", ft.Node("WorkflowNode", "part", ft.Obj("workflow", "part"))),
			ft.Workflow("whole", s.add("one", "whole"), ft.Node("WorkflowNode", "middle", ft.Obj("workflow", "middle")), s.add("two", "whole two")))
		p := s.start(nil)
		r := p.begin("whole", nil)
		part := p.until(r.ID+"/middle/part", durable.Waiting)
		if _, err := p.Cancel(context.Background(), access.Caller{}, part.ID); err != nil {
			t.Fatal(err)
		}
		p.until(r.ID, durable.Failed)
		for range 2 {
			_, err := p.Retry(context.Background(), access.Caller{}, r.ID)
			if code(err) != "run_cancelled" {
				t.Errorf("to try it again gives %v", err)
			}
			if r := p.until(r.ID, durable.Failed); r.Error.Code != "run_cancelled" {
				t.Errorf("the run failed with %v", r.Error)
			}
		}
		if n := p.entries("part"); n != 1 {
			t.Errorf("the part began %d times", n)
		}
	})
}

// A run that failed and is kept may be tried again, so what it waited for is kept
// with it: begun anew, that would do again what it did.
func TestTheFailedPartOfARunIsKeptWithIt(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		broken := ft.Fn("broken", "", func(*dataflow.Object) (any, error) {
			return nil, &dataflow.Error{Code: "broken", Status: dataflow.StatusRejected, Message: "broken"}
		})
		s.declare(
			ft.Workflow("part", s.add("one", "part"), ft.Node("WaitNode", "rest", ft.Obj("for", 1)), ft.Node("StarlarkNode", "broken", ft.Obj("fn", broken))),
			ft.Workflow("whole", ft.Node("WorkflowNode", "part", ft.Obj("workflow", "part")), s.add("two", "whole two")))
		var passed atomic.Int64 // a clock on which no two things happen at once
		step := new(atomic.Int64)
		step.Store(1)
		start := time.Now().UTC().Truncate(time.Second)
		p := s.start(nil, func(o *durable.Options) {
			o.Now = func() time.Time { return start.Add(time.Duration(passed.Add(step.Load())) * time.Millisecond) }
		})
		r := p.begin("whole", nil)
		whole, part := p.until(r.ID, durable.Failed), p.until(r.ID+"/part", durable.Failed)
		step.Store(0)
		now := start.Add(time.Duration(passed.Load()) * time.Millisecond)
		purge := func(ended time.Time, status durable.Status, want int) {
			t.Helper()
			if n, err := p.Purge(context.Background(), now.Sub(ended)-time.Millisecond, status); n != want || err != nil {
				t.Errorf("of runs that had ended by %v, %d are forgotten, %v; want %d", ended, n, err, want)
			}
		}
		if !part.Ended.Before(whole.Ended) {
			t.Fatalf("the part ended at %v, the whole at %v", part.Ended, whole.Ended)
		}
		purge(part.Ended, "", 0)
		purge(part.Ended, durable.Failed, 0)
		purge(whole.Ended, durable.Completed, 0)
		purge(whole.Ended, durable.Failed, 2)
	})
}

// A run of its own has transactions of its own: that something in it waits to be
// tried again holds up none of the run that waits for it.
func TestAPartMayPauseBeforeItIsTriedAgain(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		var calls atomic.Int64
		s.types = append(s.types, newOutside(func(context.Context, string) (any, error) {
			if calls.Add(1) < 3 {
				return nil, &dataflow.Error{Code: "upstream", Status: dataflow.StatusUpstream, Message: "not now"}
			}
			return dataflow.ObjectOf("ok", true), nil
		}))
		pauses := func(n *dataflow.Node) { n.Retry = &dataflow.Retry{Max: 3, Backoff: time.Millisecond} }
		s.declare(
			ft.Workflow("part", s.add("one", "part"), ft.Node("CallNode", "call", nil, pauses)),
			ft.Workflow("whole", s.add("one", "whole"), ft.Node("WorkflowNode", "part", ft.Obj("workflow", "part")), s.add("two", "whole two")))
		p := s.start(nil)
		p.until(p.begin("whole", nil).ID, durable.Completed)
		if one, two := p.entries("part"), p.entries("whole two"); one != 1 || two != 1 || calls.Load() != 3 {
			t.Errorf("the part wrote %d times and called %d times, the whole wrote %d times", one, calls.Load(), two)
		}
	})
}

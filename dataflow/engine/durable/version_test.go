package durable_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
	"github.com/flowctl/flowctl/dataflow/store"
)

// A run whose version of the app can't be made in the process that is left says
// so, and goes on once what was in the way is over.
func TestARunWaitsForItsVersionOfTheApp(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(ft.Workflow("w", s.add("one", "one"), ft.Node("SignalNode", "go", ft.Obj("name", "go")), s.add("two", "two")))
		version := func(text string, load func(context.Context, durable.Source) (*engine.Engine, func(), error)) func(*durable.Options) {
			return func(o *durable.Options) {
				o.Source, o.Load = durable.Source{Main: "app.star", Files: map[string]string{"app.star": text}}, load
			}
		}
		var broken atomic.Bool
		old := s.start(nil, version("old", nil))
		r := old.begin("w", nil)
		old.until(r.ID, durable.Waiting)
		old.stop()
		broken.Store(true)
		next := s.start(nil, version("new", func(_ context.Context, src durable.Source) (*engine.Engine, func(), error) {
			if src.Files["app.star"] != "old" {
				t.Errorf("asked for the version %q", src)
			}
			if broken.Load() {
				return nil, nil, errors.New("a column is missing")
			}
			plan, diags := engine.NewPlan(s.app, nodes.Types())
			if dataflow.HasErrors(diags) {
				return nil, nil, errors.New(ft.Render(diags))
			}
			e, err := engine.New(plan, engine.Options{Stores: map[*dataflow.Database]store.Store{s.app.Databases[0]: s.store}})
			return e, func() {}, err
		}))
		if _, err := next.Signal(context.Background(), access.Caller{}, r.ID, "go", nil); err != nil {
			t.Fatal(err)
		}
		waitsFor := func() any {
			r, err := next.Get(context.Background(), access.Caller{}, r.ID)
			if err != nil {
				t.Fatal(err)
			}
			v, _ := r.Summary().Get("waits_for")
			return v
		}
		s.eventually("the run says what it waits for", func() bool { return waitsFor() == "a process that can run its version of the app" })
		if n := next.entries("two"); n != 0 {
			t.Errorf("%d of two", n)
		}
		broken.Store(false)
		next.until(r.ID, durable.Completed)
		if v := waitsFor(); v != nil {
			t.Errorf("a run that is completed waits for %v", v)
		}
		for _, what := range []string{"one", "two"} {
			if n := next.entries(what); n != 1 {
				t.Errorf("%d of %s, want 1", n, what)
			}
		}
	})
}

// A database that was migrated for another version fails no run of this one, and
// none that is being undone: they are left to a process that can.
func TestAMigratedDatabaseFailsNoRun(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		s.declare(
			ft.Workflow("goes", ft.Node("SignalNode", "go", ft.Obj("name", "go")), s.add("two", "two")),
			ft.Workflow("fails", s.add("one", "one", ft.Compensate("undo")), s.add("undo", "undo"), ft.Node("SignalNode", "go", ft.Obj("name", "go")),
				ft.Node("StarlarkNode", "bad", ft.Obj("fn", ft.Fn("bad", "", func(*dataflow.Object) (any, error) {
					return nil, &dataflow.Error{Code: "no_more", Status: dataflow.StatusRejected, Message: "no more"}
				})))))
		var is atomic.Bool
		why := func() error {
			if is.Load() {
				return store.Outdated("the test says so", nil)
			}
			return nil
		}
		p := s.start(func(st store.Store) store.Store { return &unwilling{st, s.entry, why} })
		var ids []string
		for _, workflow := range []string{"goes", "fails"} {
			r := p.begin(workflow, nil)
			p.until(r.ID, durable.Waiting)
			ids = append(ids, r.ID)
		}
		is.Store(true)
		for _, id := range ids {
			if _, err := p.Signal(context.Background(), access.Caller{}, id, "go", nil); err != nil {
				t.Fatal(err)
			}
			s.eventually("the run waits for its version", func() bool {
				r, err := p.Get(context.Background(), access.Caller{}, id)
				return err == nil && r.WaitsFor() == "a process that can run its version of the app"
			})
		}
		is.Store(false)
		p.until(ids[0], durable.Completed)
		if r := p.until(ids[1], durable.Failed); r.Error.Code != "no_more" || r.Error.Message != "no more" {
			t.Errorf("the run failed with %v", r.Error)
		}
		for _, what := range []string{"one", "two", "undo"} {
			if n := p.entries(what); n != 1 {
				t.Errorf("%d of %s, want 1", n, what)
			}
		}
	})
}

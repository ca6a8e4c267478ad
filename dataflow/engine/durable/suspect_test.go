package durable_test

import (
	"context"
	"fmt"
	"strings"
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

// table returns a model of the runtime's own, by its table.
func (s *site) table(name string) *dataflow.Model {
	for _, m := range durable.Models(s.app.Databases[0]) {
		if m.Table == name {
			return m
		}
	}
	s.Fatalf("there is no table %s", name)
	return nil
}

// set changes a column of rows of the runtime's own, as nobody should.
func (s *site) set(table, where, is, column string, v any) {
	s.Helper()
	m := s.table(table)
	at := func(name string) int { i, _ := m.Shape().Index(name); return i }
	err := s.store.Write(context.Background(), func(tx store.Tx) error {
		n, err := tx.Update(context.Background(), &query.Update{Model: m, Bump: -1,
			Where: &query.Cmp{Path: query.Path{Model: m, Field: at(where)}, Op: query.Eq, Value: is},
			Set:   []query.Assign{{Field: at(column), Value: v}}})
		if err == nil && n == 0 {
			err = fmt.Errorf("no row of %s has the %s %q", table, where, is)
		}
		return err
	})
	if err != nil {
		s.Fatal(err)
	}
}

// A run of which a part can't be read ends, and says so; the others that are
// due with it go on, and nothing of it is lost.
func TestARunThatCannotBeReadHarmsNoOther(t *testing.T) {
	for _, broken := range []struct{ table, column, with string }{
		{"_flow_runs", "input", `{"n":{"$later":"1"}}`},
		{"_flow_runs", "user", `{`},
		{"_flow_steps", "result", `{"$decimal":"x"}`},
		{"_flow_steps", "input", `[`},
	} {
		t.Run(broken.table+"."+broken.column, func(t *testing.T) {
			onEach(t, func(t *testing.T, s *site) {
				s.declare(ft.Workflow("w", ft.In("n", dataflow.Int), s.add("one", "${input.n} one"), ft.Node("SignalNode", "go", ft.Obj("name", "go")), s.add("two", "${input.n} two")))
				p := s.start(nil)
				var ids []string
				for n := range 5 {
					r := p.begin("w", ft.Obj("n", int64(n)))
					p.until(r.ID, durable.Waiting)
					ids = append(ids, r.ID)
				}
				p.stop()
				where := "id"
				if broken.table == "_flow_steps" {
					where = "run"
				}
				s.set(broken.table, where, ids[2], broken.column, broken.with)
				p = s.start(nil, func(o *durable.Options) { o.Pace = time.Hour })
				for _, id := range ids {
					if _, err := p.Signal(context.Background(), access.Caller{}, id, "go", nil); err != nil {
						t.Fatal(err)
					}
				}
				for n, id := range ids {
					r := p.until(id, durable.Completed, durable.Failed)
					if bad := n == 2; bad != (r.Status == durable.Failed) || bad && r.Error.Code != "run_unreadable" {
						t.Errorf("run %d is %s: %v", n, r.Status, r.Error)
					}
				}
				if list, _, err := p.List(context.Background(), access.Caller{}, durable.Filter{}); err != nil || len(list) != len(ids) {
					t.Errorf("%d runs are listed, %v", len(list), err)
				}
				if r, err := p.Get(context.Background(), access.Caller{}, ids[2]); err != nil {
					t.Error(err)
				} else if _, err := p.Steps(context.Background(), r); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A run that ends its process whenever it is gone on with is left alone after
// a while. Those that were in progress with it are not taken for the same.
func TestAPoisonedRunIsLeftAloneAndItsNeighboursAreNot(t *testing.T) {
	onEach(t, func(t *testing.T, s *site) {
		const neighbours, suspected = 8, 3
		var deadly, died atomic.Bool
		deadly.Store(true)
		gate := make(chan struct{}) // closed: what calls out is answered
		call := newOutside(func(ctx context.Context, key string) (any, error) {
			if strings.Contains(key, "poison") {
				if deadly.Load() {
					died.Store(true)
				}
				<-ctx.Done()
				return nil, ctx.Err()
			}
			select {
			case <-gate:
				return true, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		})
		s.types = []engine.NodeType{call}
		s.declare(
			ft.Workflow("poison", ft.Node("WaitNode", "rest", ft.Obj("for", 1)), ft.Node("CallNode", "poison", nil)),
			ft.Workflow("good", ft.In("n", dataflow.Int), ft.Node("WaitNode", "rest", ft.Obj("for", 1)), ft.Node("CallNode", "call", nil), s.add("done", "${input.n} done")))
		first := s.start(nil)
		bad := first.begin("poison", nil)
		var good []string
		for n := range neighbours {
			good = append(good, first.begin("good", ft.Obj("n", int64(n))).ID)
		}
		first.stop()
		// The process dies: nothing of it is kept from then on.
		var poisoned *durable.Run
		for life := 0; poisoned == nil; life++ {
			if life > 40 {
				t.Fatal("the run is gone on with for ever")
			}
			if life == suspected { // by now they have been begun again as often as it has
				close(gate)
			}
			died.Store(false)
			var left atomic.Int64
			left.Store(1 << 40)
			var down atomic.Bool
			p := s.start(func(st store.Store) store.Store { return &refusing{st, &left, false, &down} })
			deadline := time.Now().Add(patience)
			for !died.Load() {
				r, err := p.Get(context.Background(), access.Caller{}, bad.ID)
				if err != nil {
					t.Fatal(err)
				}
				if r.Status == durable.Failed {
					poisoned = r
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("life %d: the run is %s, begun again %d times", life, r.Status, r.Takeovers)
				}
			}
			down.Store(true)
			p.stop()
		}
		if poisoned.Error.Code != "run_poisoned" {
			t.Errorf("the run ended with %v", poisoned.Error)
		}
		p := s.start(nil)
		for n, id := range good {
			if r := p.until(id, durable.Completed, durable.Failed); r.Status != durable.Completed {
				t.Errorf("a run beside it ended too: %v", r.Error)
			}
			if c := p.entries(fmt.Sprint(n, " done")); c != 1 {
				t.Errorf("%d of run %d", c, n)
			}
		}
		// What made it so has been mended: it can be tried again.
		deadly.Store(false)
		if _, err := p.Retry(context.Background(), access.Caller{}, bad.ID); err != nil {
			t.Fatal(err)
		}
		p.until(bad.ID, durable.Running)
		if _, err := p.Cancel(context.Background(), access.Caller{}, bad.ID); err != nil {
			t.Fatal(err)
		}
		p.until(bad.ID, durable.Cancelled)
	})
}

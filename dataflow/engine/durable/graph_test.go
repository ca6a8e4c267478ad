package durable_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// drawn is a graph that was drawn by lot, as the parts of a workflow.
type drawn struct {
	r     *rand.Rand
	parts []any
	ids   []string // nodes that give a number as v and a yes or no as yes
}

func (d *drawn) add(parts ...any) { d.parts = append(d.parts, parts...) }

// from is a reference to a part of a node that is there, or a constant.
func (d *drawn) from(part string) any {
	if len(d.ids) == 0 || d.r.IntN(5) == 0 {
		if part == "v" {
			return int64(d.r.IntN(9))
		}
		return d.r.IntN(2) == 0
	}
	return "${" + d.ids[d.r.IntN(len(d.ids))] + "." + part + "}"
}

// reckon gives a number and a yes or no; of some numbers it makes a failure.
func reckon(fails bool) *ft.Func {
	return ft.Fn("reckon", "x", func(a *dataflow.Object) (any, error) {
		v, _ := a.Get("x")
		n, _ := v.(int64)
		if n = (n*7 + 3) % 23; fails && n%3 == 0 {
			return nil, &dataflow.Error{Code: "unlucky", Status: dataflow.StatusRejected, Message: "unlucky"}
		}
		return dataflow.ObjectOf("v", n, "yes", n%2 == 0), nil
	})
}

// draw adds the i-th node, with what belongs to it.
func (d *drawn) draw(s *site, i int) {
	id := fmt.Sprint("n", i)
	calm := ft.OnError(ft.Obj("default", ft.Obj("v", int64(-1), "yes", true)))
	entry := func(id string, more ...func(*dataflow.Node)) *dataflow.Node {
		return ft.Node("EntryCreateNode", id, ft.Obj("what", id, "amount", d.from("v")), more...)
	}
	switch kind := d.r.IntN(9); kind {
	default:
		d.add(ft.Node("StarlarkNode", id, ft.Obj("fn", reckon(false), "x", d.from("v"))))
		d.ids = append(d.ids, id)
	case 1: // may fail, and goes on with a default
		d.add(ft.Node("StarlarkNode", id, ft.Obj("fn", reckon(true), "x", d.from("v")), calm))
		d.ids = append(d.ids, id)
	case 2: // may fail for good
		if d.r.IntN(3) == 0 {
			d.add(ft.Node("StarlarkNode", id, ft.Obj("fn", reckon(true), "x", d.from("v"))))
			d.ids = append(d.ids, id)
		}
	case 3:
		d.add(entry(id))
	case 4: // if
		d.add(entry(id, ft.When(d.from("yes"))))
	case 5: // one of two ways, which come together
		d.add(ft.Node("SwitchNode", id+"sw", ft.Obj("condition", d.from("yes"))),
			entry(id+"a"), entry(id+"b"),
			ft.Edge(id+"sw", "true_output", id+"a", "when"), ft.Edge(id+"sw", "false_output", id+"b", "when"),
			ft.Node("MergeNode", id+"m", ft.Obj("inputs", ft.List("${"+id+"a.amount}", "${"+id+"b.amount}"))),
			ft.Node("StarlarkNode", id, ft.Obj("fn", reckon(false), "x", "${"+id+"m.result}")))
		d.ids = append(d.ids, id)
	case 6: // for each
		d.add(ft.Node("MapNode", id, ft.Obj("items", ft.List(d.from("v"), int64(2), d.from("v")), "as", "amount", "with", ft.Obj("what", id),
			"node", dataflow.Op{Model: s.entry, Kind: dataflow.OpCreate})))
	case 7: // again and again
		count := ft.Fn("count", "n", func(a *dataflow.Object) (any, error) {
			v, _ := a.Get("n")
			n, _ := v.(int64)
			return dataflow.ObjectOf("n", n+1, "done", n >= 3), nil
		})
		d.add(ft.Node("LoopNode", id+"l", ft.Obj("fn", count, "state", ft.Obj("n", d.from("v"), "done", false), "until", "done", "max", int64(30))),
			ft.Node("StarlarkNode", id, ft.Obj("fn", reckon(false), "x", "${"+id+"l.state.n}")))
		d.ids = append(d.ids, id)
	case 8: // all or nothing, within the run
		d.add(entry(id+"a"), entry(id+"b"), ft.Node("TransactionNode", id, ft.Obj("nodes", ft.List(id+"a", id+"b"))))
	}
}

// A durable run gives what the same graph gives in one transaction, and leaves
// the same rows, wherever it rests in between.
func TestADurableRunGivesWhatTheGraphGives(t *testing.T) {
	const graphs = 60
	onEach(t, func(t *testing.T, s *site) {
		seed := seedOf(t)
		s.declare()
		var all []*dataflow.Workflow
		for g := range graphs {
			build := func(durably bool) *dataflow.Workflow {
				d := &drawn{r: rand.New(rand.NewPCG(seed, uint64(g)))}
				rests := rand.New(rand.NewPCG(seed, uint64(g)+1000))
				for i := range 3 + d.r.IntN(7) {
					if durably && rests.IntN(3) == 0 {
						d.add(ft.Node("WaitNode", fmt.Sprint("rest", i), ft.Obj("for", 1)))
					}
					d.draw(s, i)
				}
				if g%10 == 0 { // one that fails for certain: by lot alone there may be none
					d.add(ft.Node("StarlarkNode", "unlucky", ft.Obj("fn", reckon(true), "x", int64(0))))
				}
				outputs := dataflow.NewObject()
				for _, id := range d.ids {
					outputs.Set(id, "${"+id+".v}")
				}
				name := fmt.Sprint("plain", g)
				if durably {
					name = fmt.Sprint("durable", g)
				}
				d.add(ft.Output{V: outputs})
				wf := ft.Workflow(name, d.parts...)
				wf.Durable = &durably
				return wf
			}
			all = append(all, build(false), build(true))
		}
		s.app.Workflows = all
		p := s.start(nil)
		// rows lists what there is of a kind of run, and takes it away.
		rows := func() string {
			var list []string
			q := &query.Select{Model: s.entry, Fields: []int{1, 2}}
			err := s.store.Select(context.Background(), q, func(row store.Row) error {
				list = append(list, fmt.Sprint(row.Value(0), " ", row.Value(1)))
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			err = s.store.Write(context.Background(), func(tx store.Tx) error {
				_, err := tx.Delete(context.Background(), s.entry, nil)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(list)
			return strings.Join(list, "\n")
		}
		ok, failed := 0, 0
		for g := range graphs {
			plain, plainErr := p.engine.Run(context.Background(), engine.Request{Workflow: fmt.Sprint("plain", g)})
			want := rows()
			r := p.begin(fmt.Sprint("durable", g), nil)
			r = p.until(r.ID, durable.Completed, durable.Failed)
			if (plainErr != nil) != (r.Status == durable.Failed) {
				t.Fatalf("seed %d, graph %d: %v in one transaction, %s %v as a durable run", seed, g, plainErr, r.Status, r.Error)
			}
			if plainErr != nil {
				failed++
				if got := code(plainErr); got != r.Error.Code {
					t.Errorf("seed %d, graph %d: %s in one transaction, %s as a durable run", seed, g, got, r.Error.Code)
				}
				rows() // what was kept before it failed stays
				continue
			}
			ok++
			if got, want := written(r.Output), written(plain.Outputs); got != want {
				t.Errorf("seed %d, graph %d: %s in one transaction, %s as a durable run", seed, g, want, got)
			}
			if got := rows(); got != want {
				t.Errorf("seed %d, graph %d: in one transaction it leaves\n%s\nas a durable run\n%s", seed, g, want, got)
			}
		}
		if ok < graphs/4 || failed < graphs/10 {
			t.Errorf("seed %d: %d graphs went through, %d failed: too few to tell", seed, ok, failed)
		}
	})
}

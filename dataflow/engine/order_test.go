package engine_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
)

// In random graphs, shuffled, with scopes over some of their nodes, every
// node runs once, after what it needs, and a scope's nodes run together.
func TestRandomGraphsRunInOrder(t *testing.T) {
	for seed := range uint64(300) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var mu sync.Mutex
		var ran []string
		note := func(_ context.Context, c *engine.Call) (any, error) {
			mu.Lock()
			defer mu.Unlock()
			ran = append(ran, c.Node.ID)
			return ft.Obj("id", c.Node.ID), nil
		}
		n := 2 + rnd.IntN(12)
		needs := make([][]string, n)
		var parts []any
		for i := range n {
			id := fmt.Sprintf("n%d", i)
			config := dataflow.NewObject()
			for j := range i {
				if rnd.IntN(3) == 0 {
					needs[i] = append(needs[i], fmt.Sprintf("n%d", j))
					config.Set(fmt.Sprintf("in%d", j), fmt.Sprintf("${n%d.id}", j))
				}
			}
			typ := []string{"PureNode", "OutsideNode"}[rnd.IntN(2)]
			parts = append(parts, ft.Node(typ, id, config))
		}
		// A scope over neighbours in the order can't form a cycle with others.
		var members []any
		from := rnd.IntN(n)
		for i := from; i < min(n, from+3); i++ {
			members = append(members, fmt.Sprintf("n%d", i))
		}
		parts = append(parts, ft.Node("TransactionNode", "scope", ft.Obj("nodes", members)))
		rnd.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		e := engineOf(t, engine.Options{}, []*dataflow.Workflow{ft.Workflow("w", parts...)},
			newNode("PureNode", dataflow.EffectPure, note), newNode("OutsideNode", dataflow.EffectOutside, note))
		if _, err := run(t, e, "w", nil); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if len(ran) != n {
			t.Fatalf("seed %d: %v ran, want %d nodes once", seed, ran, n)
		}
		for i, deps := range needs {
			at := slices.Index(ran, fmt.Sprintf("n%d", i))
			for _, d := range deps {
				if slices.Index(ran, d) > at {
					t.Errorf("seed %d: n%d ran before %s: %v", seed, i, d, ran)
				}
			}
		}
		if d := e.Describe("w"); len(strings.Fields(stages(d))) != n+1+len(d.Stages)-1 {
			t.Errorf("seed %d: stages are %s", seed, stages(d))
		}
	}
}

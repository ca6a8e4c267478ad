package engine_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
)

// BenchmarkChain runs ten functions, each on the result of the one before.
func BenchmarkChain(b *testing.B) {
	parts := []any{ft.In("n", dataflow.Int)}
	from := "${input.n}"
	for i := range 10 {
		id := fmt.Sprintf("n%d", i)
		parts = append(parts, ft.Node("StarlarkNode", id, ft.Obj("fn", double, "x", from)))
		from = "${" + id + ".result}"
	}
	parts = append(parts, ft.Output{V: from})
	e := engineOf(b, engine.Options{}, []*dataflow.Workflow{ft.Workflow("w", parts...)})
	in := ft.Obj("n", int64(1))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Run(context.Background(), engine.Request{Workflow: "w", Inputs: in}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkRead compares a workflow of one read with the read itself.
func BenchmarkRead(b *testing.B) {
	s := openShop(b, addProduct(), ft.Workflow("read", ft.In("id", dataflow.Int), ft.Node("ProductReadNode", "p", ft.Obj("id", "${input.id}"))))
	s.must("add_product", ft.Obj("sku", "tea", "stock", int64(1)))
	in := ft.Obj("id", int64(1))
	ctx := context.Background()
	b.Run("workflow", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Run(ctx, engine.Request{Workflow: "read", Inputs: in}); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("operation", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.Model(s.Product).Do(ctx, s.Store(s.DB), access.Caller{}, dataflow.OpRead, in); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkPlan plans a thousand workflows of three nodes.
func BenchmarkPlan(b *testing.B) {
	var wfs []*dataflow.Workflow
	for i := range 1000 {
		wf := placeOrder()
		wf.Name = fmt.Sprintf("w%d", i)
		wf.Nodes = wf.Nodes[:3]
		wf.Output = nil
		wfs = append(wfs, wf)
	}
	s := ft.NewShop(wfs...)
	for b.Loop() {
		if p, ds := engine.NewPlan(s.App, nodes.Types()); p == nil {
			b.Fatal(ft.Render(ds))
		}
	}
}

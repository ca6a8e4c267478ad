package engine_test

import (
	"context"
	"slices"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
)

// hasText reports whether text of rows is part of a value.
func hasText(v any) bool {
	switch v := v.(type) {
	case dataflow.RawJSON:
		return true
	case []any:
		return slices.ContainsFunc(v, hasText)
	case *dataflow.Object:
		return slices.ContainsFunc(v.Vals(), hasText)
	}
	return false
}

// Rows that nothing looks at on their way out are text from the start, and what
// is written is what it would have been.
func TestOutputsThatAreWantedAsText(t *testing.T) {
	one, page := ft.Node("ProductReadNode", "one", ft.Obj("id", "${input.id}")), ft.Node("ProductListNode", "page", ft.Obj("sort", "id"))
	id := ft.In("id", dataflow.Int)
	tests := []struct {
		wf   *dataflow.Workflow
		text bool
	}{
		{ft.Workflow("row", id, one, ft.Output{V: "${one}"}), true},
		{ft.Workflow("byid", id, one), true},
		{ft.Workflow("mixed", id, one, ft.Output{V: ft.Obj("asked", "${input.id}", "rows", ft.List("${one}"), "run", "x", "again", "${one}")}), true},
		{ft.Workflow("part", id, one, ft.Output{V: ft.Obj("row", "${one}", "price", "${one.price}")}), false},
		{ft.Workflow("words", id, one, ft.Output{V: "it is ${one}"}), false},
		{ft.Workflow("pick", id, ft.Node("ProductReadNode", "one", ft.Obj("id", "${input.id}", "fields", ft.List("price"))), ft.Output{V: "${one}"}), false},
		{ft.Workflow("sku", id, ft.Node("ProductReadNode", "one", ft.Obj("filter", ft.Obj("sku", "P1"))), ft.Output{V: "${one}"}), false},
		{ft.Workflow("list", page, ft.Output{V: "${page}"}), true},
		{ft.Workflow("records", page, ft.Output{V: ft.Obj("n", "${page.count}", "rows", "${page.records}")}), true},
		{ft.Workflow("first", page, ft.Output{V: "${page.records[0]}"}), false},
		{ft.Workflow("two", id, one, page, ft.Output{V: ft.Obj("one", "${one}", "page", "${page}")}), false},
	}
	fill := ft.Workflow("fill", ft.In("sku", dataflow.String), ft.Node("ProductCreateNode", "p", ft.Obj("sku", "${input.sku}", "price", "1.50", "stock", 7)))
	workflows := []*dataflow.Workflow{fill}
	for _, tt := range tests {
		workflows = append(workflows, tt.wf)
	}
	s := openShop(t, workflows...)
	for _, sku := range []string{"P1", "a \"b\"\n\u2028é"} {
		s.must("fill", ft.Obj("sku", sku))
	}
	for _, tt := range tests {
		for _, id := range []int64{1, 2, 3} { // the last is no row's
			in := ft.Obj()
			if len(tt.wf.Input) > 0 {
				in = ft.Obj("id", id)
			}
			want, failure := s.run(tt.wf.Name, in)
			res, err := s.Run(context.Background(), engine.Request{Workflow: tt.wf.Name, Inputs: in, Text: true})
			if failure != nil || err != nil {
				here, there := dataflow.AsError(err), dataflow.AsError(failure)
				if err == nil || failure == nil || here.Code != there.Code || here.Error() != there.Error() || here.Span != there.Span {
					t.Errorf("%s(%d): as text %v, else %v", tt.wf.Name, id, err, failure)
				}
				continue
			}
			got := asJSON(res.Outputs)
			if got != want {
				t.Errorf("%s(%d) (as text, else)\n%s\n%s", tt.wf.Name, id, got, want)
			}
			if hasText(res.Outputs) != tt.text {
				t.Errorf("%s(%d) is made of text: %v, want %v", tt.wf.Name, id, !tt.text, tt.text)
			}
		}
	}
}

package engine_test

import (
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
)

// A json input may hold an object, which must not become operators.
func TestAValueInAFilterCanNotBringOperators(t *testing.T) {
	s := openShop(t, addProduct(),
		ft.Workflow("sold_out", ft.In("sku", dataflow.JSON),
			ft.Node("ProductBulkDeleteNode", "gone", ft.Obj("filter", ft.Obj("sku", "${input.sku}")))),
		ft.Workflow("any_of", ft.In("skus", dataflow.JSON),
			ft.Node("ProductCountNode", "n", ft.Obj("filter", ft.Obj("$or", ft.List(ft.Obj("sku", ft.Obj("$in", "${input.skus}"))))))),
		ft.Workflow("find", ft.In("filter", dataflow.JSON),
			ft.Node("ProductCountNode", "n", ft.Obj("filter", "${input.filter}"))))
	s.must("add_product", ft.Obj("sku", "tea", "stock", int64(3)))

	e := s.refused("sold_out", ft.Obj("sku", ft.Obj("$ne", nil)))
	if e.Code != "invalid" || len(e.Problems) != 1 || e.Problems[0].Code != "wrong_type" || e.Problems[0].Pointer != "/sku" {
		t.Errorf("the error is %+v", e)
	}
	if n := s.count(s.Product); n != 1 {
		t.Fatalf("%d products are left, want 1", n)
	}
	if got, want := s.must("any_of", ft.Obj("skus", ft.List("tea", "milk"))), `{"n":{"count":1}}`; got != want {
		t.Errorf("a list is %s, want %s", got, want)
	}
	if got, want := s.must("find", ft.Obj("filter", ft.Obj("sku", ft.Obj("$ne", "tea")))), `{"n":{"count":0}}`; got != want {
		t.Errorf("a filter that is asked for whole is %s, want %s", got, want)
	}
	if got, want := s.must("sold_out", ft.Obj("sku", "tea")), `{"gone":{"processed":1,"deleted":1}}`; got != want {
		t.Errorf("a plain value gives %s, want %s", got, want)
	}
}

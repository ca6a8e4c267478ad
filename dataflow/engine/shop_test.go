package engine_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/sqlite"
)

// shop is an engine over a fresh database.
type shop struct {
	*ft.Shop
	*engine.Engine
	t testing.TB
}

func openShop(t testing.TB, workflows ...*dataflow.Workflow) *shop {
	t.Helper()
	s := ft.NewShop(workflows...)
	return &shop{s, mustEngine(t, s.App, engine.Options{
		Stores: map[*dataflow.Database]store.Store{s.DB: ft.Open(t, sqlite.Opener{}, s.DB)},
		Env:    func(name string) (string, bool) { return "of " + name, name == "SET" },
	}), t}
}

// run runs a workflow and returns its outputs as JSON.
func (s *shop) run(workflow string, inputs *dataflow.Object) (string, error) {
	res, err := s.Run(context.Background(), engine.Request{Workflow: workflow, Inputs: inputs})
	if err != nil {
		return "", err
	}
	return asJSON(res.Outputs), nil
}

func (s *shop) must(workflow string, inputs *dataflow.Object) string {
	s.t.Helper()
	out, err := s.run(workflow, inputs)
	if err != nil {
		s.t.Fatalf("%s: %v", workflow, err)
	}
	return out
}

// refused runs a workflow that must fail.
func (s *shop) refused(workflow string, inputs *dataflow.Object) *dataflow.Error {
	s.t.Helper()
	out, err := s.run(workflow, inputs)
	if err == nil {
		s.t.Fatalf("%s succeeded with %s", workflow, out)
	}
	e, ok := errors.AsType[*dataflow.Error](err)
	if !ok {
		s.t.Fatalf("%s: the error is a %T", workflow, err)
	}
	return e
}

// count counts the rows of a model.
func (s *shop) count(m *dataflow.Model) int64 {
	s.t.Helper()
	n, err := s.Store(s.DB).Count(context.Background(), m, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// placeOrder takes the stock of a product and adds an order, creating the
// customer if need be.
func placeOrder() *dataflow.Workflow {
	take := ft.Fn("take", "stock qty", func(a *dataflow.Object) (any, error) {
		stock, _ := a.Get("stock")
		qty, _ := a.Get("qty")
		if stock.(int64) < qty.(int64) {
			return nil, &dataflow.Error{Code: "rejected", Status: dataflow.StatusRejected, Message: "not enough stock"}
		}
		return ft.Obj("left", stock.(int64)-qty.(int64)), nil
	})
	return ft.Workflow("place_order",
		ft.In("email", dataflow.String), ft.In("sku", dataflow.String), ft.In("qty", dataflow.Int), ft.In("total", ft.Decimal(12, 2)),
		ft.Node("CustomerUpsertNode", "who", ft.Obj("where", ft.Obj("email", "${input.email}"), "create", ft.Obj("name", "new"))),
		ft.Node("ProductReadNode", "product", ft.Obj("filter", ft.Obj("sku", "${input.sku}"))),
		ft.Node("StarlarkNode", "take", ft.Obj("fn", take, "stock", "${product.stock}", "qty", "${input.qty}")),
		ft.Node("ProductUpdateNode", "lower", ft.Obj("id", "${product.id}", "fields", ft.Obj("stock", "${take.left}"))),
		ft.Node("OrderCreateNode", "order", ft.Obj("customer", "${who.record.id}", "total", "${input.total}", "note", "${input.qty} of ${input.sku}")),
		ft.Output{V: ft.Obj("order", "${order.id}", "note", "${order.note}", "left", "${lower.stock}", "by", "${who.record.email}")},
	)
}

func addProduct() *dataflow.Workflow {
	return ft.Workflow("add_product", ft.In("sku", dataflow.String), ft.In("stock", dataflow.Int),
		ft.Node("ProductCreateNode", "p", ft.Obj("sku", "${input.sku}", "price", "9.90", "stock", "${input.stock}")))
}

func TestAnOrderIsPlaced(t *testing.T) {
	s := openShop(t, placeOrder(), addProduct())
	s.must("add_product", ft.Obj("sku", "tea", "stock", int64(3)))
	got := s.must("place_order", ft.Obj("email", "a@b.c", "sku", "tea", "qty", int64(2), "total", "19.8"))
	if want := `{"order":1,"note":"2 of tea","left":1,"by":"a@b.c"}`; got != want {
		t.Errorf("outputs are %s, want %s", got, want)
	}
}

func TestAFailureInTheLastNodeLeavesNothing(t *testing.T) {
	wf := placeOrder()
	wf.Name = "broken"
	wf.Nodes = append(wf.Nodes, ft.Node("StarlarkNode", "last", ft.Obj("id", "${order.id}", "fn", ft.Fn("boom", "id",
		func(*dataflow.Object) (any, error) {
			return nil, &dataflow.Error{Code: "rejected", Status: dataflow.StatusRejected, Message: "no"}
		}))))
	s := openShop(t, wf, addProduct())
	s.must("add_product", ft.Obj("sku", "tea", "stock", int64(3)))
	e := s.refused("broken", ft.Obj("email", "a@b.c", "sku", "tea", "qty", int64(2), "total", "19.8"))
	if e.Code != "rejected" || e.Workflow != "broken" || e.Node != "last" || e.Span.File != "last" {
		t.Errorf("the error is %+v", e)
	}
	if n, o := s.count(s.Customer), s.count(s.Order); n != 0 || o != 0 {
		t.Errorf("%d customers and %d orders are left behind", n, o)
	}
}

func TestStockIsNeverOversold(t *testing.T) {
	s := openShop(t, placeOrder(), addProduct())
	s.must("add_product", ft.Obj("sku", "tea", "stock", int64(20)))
	var wg sync.WaitGroup
	var mu sync.Mutex
	placed, refused := 0, 0
	for range 50 {
		wg.Go(func() {
			_, err := s.run("place_order", ft.Obj("email", "a@b.c", "sku", "tea", "qty", int64(1), "total", "9.90"))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				placed++
			} else if dataflow.AsError(err).Code == "rejected" {
				refused++
			}
		})
	}
	wg.Wait()
	if placed != 20 || refused != 30 || s.count(s.Order) != 20 {
		t.Errorf("%d placed, %d refused, %d orders; want 20, 30, 20", placed, refused, s.count(s.Order))
	}
}

func TestProblemsPointToTheCallersInput(t *testing.T) {
	half := ft.Fn("half", "n", func(*dataflow.Object) (any, error) { return "-1", nil })
	wf := ft.Workflow("w", ft.In("who", dataflow.Int), ft.In("amount", ft.Decimal(12, 2)), ft.In("mail", dataflow.String),
		ft.Node("StarlarkNode", "made", ft.Obj("n", "${input.amount}", "fn", half)),
		ft.Node("CustomerCreateNode", "customer", ft.Obj("email", "${input.mail}", "name", "x")),
		ft.Node("OrderCreateNode", "order", ft.Obj("customer", "${input.who}", "total", "${made.result}")))
	s := openShop(t, wf)
	for _, test := range []struct{ mail, node, code, pointer, detail, span string }{
		{"not an address", "customer", "format", "/mail", "", "customer/config/email"},
		{"a@b.c", "order", "too_small", "", "order.total: ", "order/config/total"},
	} {
		e := s.refused("w", ft.Obj("mail", test.mail, "who", int64(1), "amount", "1"))
		if len(e.Problems) != 1 {
			t.Fatalf("problems are %+v", e.Problems)
		}
		p := e.Problems[0]
		if e.Node != test.node || p.Code != test.code || p.Pointer != test.pointer || !strings.HasPrefix(p.Detail, test.detail) || e.Span.File != test.span {
			t.Errorf("node %s, span %s, problem %+v; want %+v", e.Node, e.Span.File, p, test)
		}
	}
}

func TestInputsAreCheckedAllAtOnce(t *testing.T) {
	s := openShop(t, placeOrder())
	e := s.refused("place_order", ft.Obj("emial", "x", "qty", "two", "total", "1.234", "order", int64(7)))
	want := []dataflow.Problem{
		{Code: "unknown_field", Pointer: "/emial", Hint: `did you mean "email"?`},
		{Code: "wrong_type", Pointer: "/qty"},
		{Code: "precision", Pointer: "/total"},
		{Code: "unknown_field", Pointer: "/order"},
		{Code: "required", Pointer: "/email"},
		{Code: "required", Pointer: "/sku"},
	}
	for i := range e.Problems {
		e.Problems[i].Detail = ""
	}
	if len(e.Problems) != len(want) {
		t.Fatalf("problems are %+v", e.Problems)
	}
	for i, p := range e.Problems {
		if p.Code != want[i].Code || p.Pointer != want[i].Pointer || want[i].Hint != "" && p.Hint != want[i].Hint {
			t.Errorf("problem %d is %+v, want %+v", i, p, want[i])
		}
	}
}

func TestManyWorkflowsArePlannedInLinearTime(t *testing.T) {
	var wfs []*dataflow.Workflow
	for range 10_000 {
		wf := placeOrder()
		wf.Name = "w" + time.Duration(len(wfs)).String()
		wf.Nodes = wf.Nodes[:3]
		wf.Output = nil
		wfs = append(wfs, wf)
	}
	s := ft.NewShop(wfs...)
	start := time.Now()
	if p, ds := engine.NewPlan(s.App, nodes.Types()); p == nil {
		t.Fatal(ft.Render(ds))
	}
	// A fifth of a second on an idle machine; quadratic work would take minutes.
	if d := time.Since(start); d > time.Minute {
		t.Errorf("planning took %s", d)
	}
}

package engine_test

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
)

// double doubles x.
var double = ft.Fn("double", "x", func(args *dataflow.Object) (any, error) {
	x, _ := args.Get("x")
	return x.(int64) * 2, nil
})

func mustEngine(t testing.TB, app *dataflow.App, o engine.Options) *engine.Engine {
	t.Helper()
	p, ds := engine.NewPlan(app, nodes.Types())
	if p == nil {
		t.Fatalf("the app is refused:\n%s", ft.Render(ds))
	}
	e, err := engine.New(p, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func asJSON(v any) string {
	b := codec.AppendValue(nil, v)
	if !json.Valid(b) {
		return "not JSON: " + string(b)
	}
	return string(b)
}

func TestAChainRunsInOrder(t *testing.T) {
	app := &dataflow.App{Workflows: []*dataflow.Workflow{ft.Workflow("w", ft.In("n", dataflow.Int),
		ft.Node("StarlarkNode", "b", ft.Obj("fn", double, "x", "${a.result}")),
		ft.Node("StarlarkNode", "a", ft.Obj("fn", double, "x", "${input.n}")),
	)}}
	res, err := mustEngine(t, app, engine.Options{}).Run(context.Background(),
		engine.Request{Workflow: "w", Inputs: ft.Obj("n", int64(5))})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := asJSON(res.Outputs), `{"b":{"result":20},"a":{"result":10}}`; got != want {
		t.Errorf("outputs are %s, want %s", got, want)
	}
}

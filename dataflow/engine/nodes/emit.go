package nodes

import (
	"context"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// emit tells of an event.
type emit struct{ spec *dataflow.NodeSpec }

func newEmit() *emit {
	return &emit{&dataflow.NodeSpec{
		Name: "EmitNode",
		Doc: "Tells of an `event`: each workflow that listens to it, by `app.on(\"name\", workflow)`, is started in the transaction of this run, " +
			"so that it runs if and only if the run is committed. Its inputs are filled with what `data` has by their names, and `event` with the event's.",
		Params: []*dataflow.Field{
			{Name: "event", Type: dataflow.String, MinLength: ptr(1), MaxLength: ptr(60), Doc: "its name, written out"},
			{Name: "data", Type: &dataflow.Type{Kind: dataflow.KindObject}, Optional: true, Doc: "the inputs of who listens, by name"},
		},
		Effect: dataflow.EffectWrite,
		Output: dataflow.ObjectType(
			&dataflow.Field{Name: "event", Type: dataflow.String},
			&dataflow.Field{Name: "runs", Type: dataflow.Int, Doc: "how many runs were started"},
		),
	}}
}

// Spec implements engine.NodeType.
func (t *emit) Spec() *dataflow.NodeSpec { return t.spec }

// Check implements engine.Checker.
func (t *emit) Check(app *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	v, given := node.Config.Get("event")
	if !given {
		return nil // the engine says so
	}
	name, ok := v.(string)
	if !ok {
		return []dataflow.Diagnostic{problem("FC381", node, "/event", "the name of an event is written out", `{"event": "order_shipped", "data": {…}}`)}
	}
	var known []string
	for _, s := range app.Subscriptions {
		if s.Event == name {
			return nil
		}
		known = append(known, s.Event)
	}
	d := problem("FC384", node, "/event", "nothing listens to "+name, dataflow.DidYouMean(name, known))
	if d.Hint == "" {
		d.Hint = `app.on("` + name + `", workflow) does`
	}
	d.Severity = dataflow.SeverityWarning
	return []dataflow.Diagnostic{d}
}

// Run implements engine.NodeType.
func (t *emit) Run(ctx context.Context, call *engine.Call) (any, error) {
	name, _ := stringOf(call.Config, "event")
	v, _ := call.Config.Get("data")
	data, _ := v.(*dataflow.Object)
	if data == nil {
		data = dataflow.NewObject()
	}
	n, err := call.Runtime.Emit(ctx, name, data)
	if err != nil {
		return nil, err
	}
	return dataflow.ObjectOf("event", name, "runs", int64(n)), nil
}

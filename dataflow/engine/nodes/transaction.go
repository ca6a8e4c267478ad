package nodes

import (
	"context"
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// transaction runs other nodes, all or nothing.
type transaction struct{ spec *dataflow.NodeSpec }

func newTransaction() *transaction {
	return &transaction{&dataflow.NodeSpec{
		Name: "TransactionNode",
		Doc: "Runs other nodes of the workflow one after the other, all or nothing. A workflow is all or nothing by " +
			"itself; this node marks a part that may fail alone. With `on_error = \"rollback\"` a failure in the part " +
			"fails the run, as anywhere. With `\"continue\"` what the part did to the database is undone and the run " +
			"goes on: `ok` is false, `error` says why, and nodes that refer to the part's nodes are skipped. " +
			"What its nodes did outside the database is undone as far as they say how, by `compensate`.",
		Params: []*dataflow.Field{
			{Name: "nodes", Type: dataflow.ListOf(dataflow.Any), MinLength: ptr(1), Doc: "the ids of the nodes"},
			{Name: "on_error", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"rollback", "continue"}},
				Default: "rollback", HasDefault: true, Doc: "what a failure means"},
		},
		Effect: dataflow.EffectPure, // its nodes have effects of their own
		Output: dataflow.ObjectType(
			&dataflow.Field{Name: "ok", Type: dataflow.Bool},
			&dataflow.Field{Name: "error", Optional: true, Type: dataflow.ObjectType(
				&dataflow.Field{Name: "code", Type: dataflow.String},
				&dataflow.Field{Name: "message", Type: dataflow.String},
				&dataflow.Field{Name: "node", Type: dataflow.String},
			)},
		),
	}}
}

// Spec implements engine.NodeType.
func (t *transaction) Spec() *dataflow.NodeSpec { return t.spec }

// Members implements engine.Scoper.
func (t *transaction) Members() string { return "nodes" }

// Check implements engine.Checker.
func (t *transaction) Check(_ *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	v, given := node.Config.Get("nodes")
	list, ok := v.([]any)
	if !given {
		return nil // the engine says so
	}
	if !ok {
		return []dataflow.Diagnostic{problem("FC343", node, "/nodes", "nodes is a list of node ids, written out", `"nodes": ["a", "b"]`)}
	}
	for i, item := range list {
		if _, ok := item.(string); !ok {
			return []dataflow.Diagnostic{problem("FC343", node, fmt.Sprintf("/nodes/%d", i), "nodes lists ids of nodes, not references or values",
				`write the ids without "${…}": "nodes": ["a", "b"]`)}
		}
	}
	return nil
}

// Run implements engine.NodeType.
func (t *transaction) Run(ctx context.Context, call *engine.Call) (any, error) {
	err := call.Scope(ctx)
	if err == nil {
		return dataflow.ObjectOf("ok", true, "error", nil), nil
	}
	e := dataflow.AsError(err)
	policy, _ := call.Config.Get("on_error")
	if policy != "continue" || ctx.Err() != nil || e.Status == dataflow.StatusInternal {
		return nil, e // a fault of the app or the runtime is not something to go on from
	}
	return dataflow.ObjectOf("ok", false,
		"error", dataflow.ObjectOf("code", e.Code, "message", e.Text(), "node", e.Node)), nil
}

package nodes

import (
	"context"
	"errors"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// workflow runs another workflow.
type workflow struct{ spec *dataflow.NodeSpec }

func newWorkflow() *workflow {
	return &workflow{&dataflow.NodeSpec{
		Name: "WorkflowNode",
		Doc: "Runs another workflow as a part of this one, in the same transaction and for the same caller. " +
			"Its outputs are the node's.",
		Params: []*dataflow.Field{
			{Name: "workflow", Type: dataflow.Any, Doc: "the workflow, or the name it is registered under"},
			{Name: "wait", Type: dataflow.Bool, Default: true, HasDefault: true, Doc: "wait for its end; with `False` it is let go: a run of its own, which begins when this run's transaction is committed, and whose `run_id` is the node's output"},
			{Name: "inputs", Type: &dataflow.Type{Kind: dataflow.KindObject}, Optional: true, Doc: "its inputs, by name"},
		},
		Effect: dataflow.EffectPure, // the plan takes the workflow's own
		Output: dataflow.Any,
	}}
}

// Spec implements engine.NodeType.
func (t *workflow) Spec() *dataflow.NodeSpec { return t.spec }

// Callee implements engine.WorkflowCaller.
func (t *workflow) Callee(config *dataflow.Object) (workflow any, inputs string) {
	workflow, _ = config.Get("workflow")
	return workflow, "inputs"
}

// LetGo implements engine.LetGoer.
func (t *workflow) LetGo(config *dataflow.Object) bool {
	v, given := config.Get("wait")
	return given && v == false
}

// Check implements engine.Checker.
func (t *workflow) Check(_ *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	if v, given := node.Config.Get("wait"); given && !fixed(v) {
		return []dataflow.Diagnostic{problem("FC347", node, "/wait", "wait must be known when the file is loaded", "write it out")}
	}
	switch v, given := node.Config.Get("workflow"); v.(type) {
	case nil:
		if !given {
			return nil // the engine says so
		}
	case string, *dataflow.Workflow:
		return nil
	}
	return []dataflow.Diagnostic{problem("FC330", node, "/workflow", "workflow is a workflow, or the name of one, written out",
		`it must be known when the file is loaded: {"workflow": "place_order", "inputs": {…}}`)}
}

// Run implements engine.NodeType. The engine runs the workflow itself.
func (t *workflow) Run(context.Context, *engine.Call) (any, error) {
	return nil, dataflow.Internal(errors.New("WorkflowNode is run by the engine"))
}

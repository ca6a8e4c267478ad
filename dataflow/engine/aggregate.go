package engine

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
)

// aggregateNode is the type of nodes that name the model in their config.
// Each is the model's own aggregate operation with the rest of the config.
const aggregateNode = "AggregateNode"

// aggregateType finds the operation that an AggregateNode stands for.
func (p *planner) aggregateType(node *dataflow.Node) NodeType {
	const hint = `add "model": Order, the model whose rows it is about`
	var v any
	if node.Config != nil {
		v, _ = node.Config.Get("model")
	}
	switch v := v.(type) {
	case nil:
		if node.Spans.Refused("/config") {
			return nil
		}
		p.errorf("FC304", partSpan(node, "/config"), `%s needs "model"`, aggregateNode).Hint = hint
		return nil
	case *dataflow.Model:
		if _, ok := p.plan.modelIndex[v]; ok {
			return p.opType(dataflow.Op{Model: v, Kind: dataflow.OpAggregate})
		}
	case string:
		if ms := p.plan.byName[v]; len(ms) == 1 {
			return p.opType(dataflow.Op{Model: ms[0], Kind: dataflow.OpAggregate})
		}
	}
	p.errorf("FC305", node.Spans.At("/config/model"), "model is a model of the app, written out").Hint = hint
	return nil
}

// aggregateArgs are the arguments of the operation.
func aggregateArgs(config *dataflow.Object) *dataflow.Object {
	args := dataflow.NewObject()
	for name, v := range config.All {
		if name != "model" {
			args.Set(name, v)
		}
	}
	return args
}

// checkAggregate checks the names in an aggregate's config.
func (w *wfPlanner) checkAggregate(n *nodePlan) {
	for _, p := range query.ParseAggregateStatic(n.op.op.Model, n.raw) {
		w.errorf("FC306", n.keySpanOf(p.Pointer), "%s", p.Detail).Hint = p.Hint
	}
}

// aggregateOp finds the operation that a function means by an AggregateNode.
func (e *Engine) aggregateOp(args *dataflow.Object) (dataflow.Op, error) {
	v, _ := args.Get("model")
	m, _ := v.(*dataflow.Model)
	if name, ok := v.(string); ok {
		if ms := e.plan.byName[name]; len(ms) == 1 {
			m = ms[0]
		}
	}
	if m == nil {
		return dataflow.Op{}, &dataflow.Error{Code: "invalid", Status: dataflow.StatusInvalid,
			Message: fmt.Sprintf("%s needs a model of the app", aggregateNode), Hint: `give it one: {"model": Order, …}`}
	}
	return dataflow.Op{Model: m, Kind: dataflow.OpAggregate}, nil
}

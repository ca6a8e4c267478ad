package engine

import "github.com/flowctl/flowctl/dataflow"

// NodeOutline is what is known of a node.
type NodeOutline struct {
	Spec   *dataflow.NodeSpec // nil: its type is not known
	Output *dataflow.Type
	Ports  []string // outputs of which only some are active in a run
}

// Outline is what is known of the nodes of workflows, whatever else is wrong
// with those: for an editor, whose user is not done yet.
type Outline struct {
	Types []*dataflow.NodeSpec // besides those of models, by name
	Nodes map[*dataflow.Node]NodeOutline
}

// NewOutline looks at workflows of an app, registered ones or others. types
// are as for NewPlan.
func NewOutline(app *dataflow.App, types []NodeType, workflows []*dataflow.Workflow) *Outline {
	p := newPlanner(app)
	p.addTypes(types)
	out := &Outline{Types: p.plan.NodeTypes(), Nodes: map[*dataflow.Node]NodeOutline{}}
	for _, wf := range workflows {
		for _, n := range p.workflow(wf, nil).nodes {
			out.Nodes[n.node] = NodeOutline{n.spec, n.output, n.ports()}
		}
	}
	return out
}

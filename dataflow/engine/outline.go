package engine

import "github.com/flowctl/flowctl/dataflow"

// NewOutline looks at workflows of an app, registered ones or others. types
// are as for NewPlan.
func NewOutline(app *dataflow.App, types []NodeType, workflows []*dataflow.Workflow) *dataflow.Outline {
	p := newPlanner(app)
	p.addTypes(types)
	out := &dataflow.Outline{Types: p.plan.NodeTypes(), Nodes: map[*dataflow.Node]dataflow.NodeOutline{}}
	for _, wf := range workflows {
		for _, n := range p.workflow(wf, nil).nodes {
			out.Nodes[n.node] = dataflow.NodeOutline{Spec: n.spec, Output: n.output, Ports: n.ports()}
		}
	}
	return out
}

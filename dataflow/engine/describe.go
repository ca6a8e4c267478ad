package engine

import (
	"slices"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

// Description is what a plan knows of a workflow, for people and programs
// that look at it.
type Description struct {
	Name     string
	Doc      string
	Handler  bool
	Input    []*dataflow.Field
	Output   *dataflow.Type
	Effect   dataflow.Effect
	ReadOnly bool
	Timeout  time.Duration
	Nodes    []NodeDescription // in the order they run
	Stages   [][]string        // ids; those of one stage don't depend on each other
	// Transaction lists the nodes that run in the transaction, in order, and
	// Databases what it is on. Both are empty if the workflow needs none, and
	// Databases also where only the run can tell.
	Transaction []string
	Databases   []string
	Writes      bool              // a database
	Before      [][]string        // nodes that run before the transaction, group by group
	Undo        []UndoDescription // nodes that run only to undo others
	// Durable says that runs are kept, Why for what reason and Home in which
	// database. A graph is then run unit by unit; Before and Transaction mean
	// nothing.
	Durable bool
	Why     string
	Home    string
	Units   []UnitDescription
}

// UnitDescription is a part of a durable workflow that is kept at once.
type UnitDescription struct {
	Kind  UnitKind
	Nodes []string // in order, members of scopes among them
}

// UnitKind is what a unit does.
type UnitKind string

// The kinds of units.
const (
	UnitTransaction UnitKind = "transaction" // nodes on data and values, kept with their effects
	UnitCalls       UnitKind = "calls"       // to the outside, side by side, each kept when it has ended
	UnitWait        UnitKind = "wait"        // the run rests
	UnitRun         UnitKind = "run"         // of another workflow, for whose end this one rests
)

var unitKinds = [...]UnitKind{unitLocal: UnitTransaction, unitOutside: UnitCalls, unitWait: UnitWait, unitChild: UnitRun}

// UndoDescription is a node that runs where the run fails after another.
type UndoDescription struct{ ID, Type, Undoes string }

// NodeDescription is what a plan knows of a node.
type NodeDescription struct {
	ID     string
	Type   string
	Effect dataflow.Effect
	After  []string // the nodes it depends on
	Output *dataflow.Type
	Scope  string // the TransactionNode it is part of; "" if none
}

// Describe returns what the plan knows of a workflow, or nil if there is no
// such workflow.
func (p *Plan) Describe(workflow string) *Description {
	wp, ok := p.workflows[workflow]
	if !ok {
		return nil
	}
	d := &Description{Name: wp.wf.Name, Doc: wp.wf.Doc, Handler: wp.wf.Handler != nil, Input: wp.wf.Input,
		Output: wp.outputType, Effect: wp.effect(), ReadOnly: p.ReadOnly(workflow), Timeout: wp.wf.Timeout}
	d.Writes = wp.writes
	for _, n := range wp.order {
		nd := NodeDescription{ID: n.node.ID, Type: n.spec.Name, Effect: n.effect(), After: wp.idsOf(n.deps), Output: n.output}
		if n.scope != nil {
			nd.Scope = n.scope.node.ID
		}
		d.Nodes = append(d.Nodes, nd)
	}
	for _, n := range wp.nodes {
		if n.undo != nil {
			d.Undo = append(d.Undo, UndoDescription{n.undo.node.ID, n.undo.spec.Name, n.node.ID})
		}
	}
	for _, stage := range wp.before {
		var ids []string
		for _, n := range stage {
			ids = n.appendIDs(ids)
		}
		d.Before = append(d.Before, ids)
	}
	for _, stage := range wp.stages {
		var ids []string
		for _, pos := range stage {
			ids = append(ids, wp.nodes[pos].node.ID)
		}
		d.Stages = append(d.Stages, ids)
	}
	for _, n := range wp.inside {
		d.Transaction = n.appendIDs(d.Transaction)
	}
	p.describeUnits(wp, d)
	for _, db := range p.databases {
		if slices.Contains(wp.readDBs, db) || slices.Contains(wp.writeDBs, db) {
			d.Databases = append(d.Databases, db.Name)
		}
	}
	return d
}

func (p *Plan) describeUnits(wp *workflowPlan, d *Description) {
	if !wp.durable {
		return
	}
	d.Durable, d.Why = true, wp.why
	if home := p.home(wp); home != nil {
		d.Home = home.Name
	}
	for _, u := range wp.units {
		var ids []string
		for _, n := range u.nodes {
			ids = n.appendIDs(ids)
		}
		d.Units = append(d.Units, UnitDescription{unitKinds[u.kind], ids})
	}
}

// appendIDs adds the ids of the node and of those that are part of it.
func (n *nodePlan) appendIDs(ids []string) []string {
	ids = append(ids, n.node.ID)
	for _, m := range n.members {
		ids = append(ids, m.node.ID)
	}
	return ids
}

func (wp *workflowPlan) idsOf(deps []dep) []string {
	var ids []string
	for _, d := range deps {
		ids = addOnce(ids, wp.nodes[d.pos].node.ID)
	}
	return ids
}

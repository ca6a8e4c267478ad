package engine

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

// A durable workflow is run unit by unit, and what a unit did is kept before
// the next one begins.

type unitKind uint8

const (
	unitLocal   unitKind = iota // nodes on data and values, in one transaction with what is kept of them
	unitOutside                 // calls to the outside, side by side; each is kept when it has ended
	unitWait                    // one node that waits
	unitChild                   // one node that waits for a run of another workflow
)

type unit struct {
	kind  unitKind
	nodes []*nodePlan // in order, none of them a member of a scope
}

// durability decides whether a workflow is durable: if it says so, if it
// waits, or if it calls out between what it does to its database.
func (w *wfPlanner) durability() {
	wf, waiter := w.wp.wf, w.waiter()
	asked := w.asked()
	w.wp.waits = waiter != nil
	w.wp.why = w.whyDurable(waiter, asked)
	w.wp.durable = w.wp.why != ""
	if !w.wp.durable {
		return
	}
	at := wf.Span
	if waiter != nil {
		at = waiter.node.Span
	}
	switch {
	case waiter != nil && asked != nil && !*asked:
		d := w.errorf("FC355", at, "%s waits, and a run that isn't durable can't", waiter.node.ID)
		d.Hint = "leave out durable = False"
		if wf.Durable == nil {
			d.Hint = "leave out enable_durability = False"
		}
	case len(w.planner.plan.databases) == 0:
		w.errorf("FC356", at, "the workflow %s is durable, and the app has no database to keep its runs in", wf.Name).
			Hint = `declare one: db = DataFlow(database_url = "sqlite:app.db")`
	}
	for _, n := range w.wp.nodes {
		w.checkWaiting(n)
	}
	w.checkSignals()
}

// checkLimit refuses bounds of runs that are not kept, and of no input.
func (p *planner) checkLimit(wp *workflowPlan) {
	wf := wp.wf
	if wf.Limit == nil && wf.Priority == 0 {
		return
	}
	if !wp.durable {
		p.errorf("FC385", wf.Span, "%s is bounded, or has a priority, and its runs are not kept", wf.Name).Hint = "write durable = True: a run that has to wait for its turn waits in the database"
	}
	if wf.Limit == nil || wf.Limit.By == "" {
		return
	}
	var names []string
	for _, f := range wf.Input {
		names = append(names, f.Name)
		if f.Name == wf.Limit.By {
			return
		}
	}
	p.errorf("FC385", wf.Spans.At("/limit_by"), "%s has no input %q", wf.Name, wf.Limit.By).Hint = dataflow.NearOrAll(wf.Limit.By, names)
}

// Workflow returns a registered workflow, or nil.
func (p *Plan) Workflow(name string) *dataflow.Workflow {
	if wp, ok := p.workflows[name]; ok {
		return wp.wf
	}
	return nil
}

// whyDurable says in words why a workflow is durable; "" that it is not.
func (w *wfPlanner) whyDurable(waiter *nodePlan, asked *bool) string {
	switch {
	case waiter != nil:
		return "it waits at " + waiter.node.ID
	case asked != nil && *asked:
		return "it says so"
	case asked != nil:
		return ""
	}
	if n := w.callsBetween(); n != nil {
		return "it calls out at " + n.node.ID + ", after it has used the database that it writes to"
	}
	if i := slices.IndexFunc(w.wp.nodes, (*nodePlan).isChild); i >= 0 {
		return "it waits at " + w.wp.nodes[i].node.ID + " for a run of its own"
	}
	return ""
}

// asked is what the file says of a workflow: that it is durable, that it is
// not, or nothing.
func (w *wfPlanner) asked() *bool {
	if w.wp.wf.Durable != nil {
		return w.wp.wf.Durable
	}
	app := w.planner.plan.app
	if len(app.Databases) == 0 || app.Server != nil && app.Server.NotDurable {
		return new(bool)
	}
	return nil
}

// waiter returns a node that makes the workflow wait, or nil.
func (w *wfPlanner) waiter() *nodePlan {
	i := slices.IndexFunc(w.wp.nodes, func(n *nodePlan) bool {
		_, waits := n.typ.(Waiter)
		return waits || n.callee != nil && n.callee.waits && !n.letGo && n.undoes == nil
	})
	if i < 0 {
		return nil
	}
	return w.wp.nodes[i]
}

// callsBetween returns a node that calls out after the workflow has used its
// database, where the workflow writes to it: without a checkpoint the
// transaction would stay open for the call. Nil: there is none.
func (w *wfPlanner) callsBetween() *nodePlan {
	if !w.wp.writes {
		return nil
	}
	held := w.held()
	for _, n := range w.wp.order {
		if held[n.pos] && n.scope == nil && n.outside && !n.data() {
			return n
		}
	}
	return nil
}

// checkWaiting refuses waits where none can be kept, and what means nothing of
// a wait.
func (w *wfPlanner) checkWaiting(n *nodePlan) {
	if n.target != nil && n.target.callee != nil && n.target.callee.waits {
		w.errorf("FC357", n.node.Span, "%s runs %s, which waits", n.node.ID, n.target.callee.wf.Name).
			Hint = `a WorkflowNode can run it; with "wait": False it runs by itself`
	}
	if n.callee != nil && n.callee.waits && !n.registered && !n.letGo {
		w.errorf("FC357", n.node.Span, "%s waits for a workflow that is not registered", n.node.ID).
			Hint = `a workflow that waits is a run of its own: app.register("name", workflow)`
		return
	}
	if !n.rests() {
		return
	}
	if n.isChild() && w.planner.plan.home(n.callee) != w.planner.plan.home(w.wp) {
		w.errorf("FC351", n.node.Span, "%s and %s keep their runs in different databases", w.wp.wf.Name, n.callee.wf.Name).
			Hint = "a durable workflow and those that it runs write to one database"
	}
	title := n.node.ID + " waits"
	switch {
	case n.scope != nil:
		w.errorf("FC357", n.node.Span, "%s, and no transaction stays open so long", title).Hint = "take it out of " + n.scope.node.ID
	case n.undoes != nil:
		w.errorf("FC357", n.node.Span, "%s, so it can't undo %s", title, n.undoes.node.ID)
	case n.node.Retry != nil:
		w.errorf("FC357", partSpan(n.node, "/retry"), "%s: there is nothing to try again", title).Hint = "leave out retry"
	case n.node.Timeout > 0:
		w.errorf("FC357", partSpan(n.node, "/timeout"), "%s, and says in its config for how long", title).
			Hint = `write {"timeout": "2d"} in the config of a SignalNode`
	}
}

// rests reports whether the run rests at the node.
func (n *nodePlan) rests() bool {
	_, waits := n.typ.(Waiter)
	return waits || n.isChild()
}

// isChild reports whether the node runs its workflow as a run of its own, for
// whose end this one waits.
func (n *nodePlan) isChild() bool {
	return n.callee != nil && !n.letGo && n.registered && (n.callee.durable || n.callee.outside && n.callee.data())
}

// units groups the nodes of a durable workflow, in their order: what can be
// one transaction is, and calls that don't depend on each other are made side
// by side.
func (w *wfPlanner) units() {
	var last *unit
	in := map[*nodePlan]bool{}
	for _, n := range w.wp.order {
		if n.scope != nil {
			continue
		}
		kind := unitLocal
		switch {
		case n.isChild():
			kind = unitChild
		case n.rests():
			kind = unitWait
		case n.outside && !n.data():
			kind = unitOutside
		}
		joins := last != nil && last.kind == kind && (kind == unitLocal || kind == unitOutside && !slices.ContainsFunc(w.needs(n), func(on *nodePlan) bool { return in[on] }))
		if !joins {
			w.wp.units = append(w.wp.units, &unit{kind: kind})
			last = w.wp.units[len(w.wp.units)-1]
			clear(in)
		}
		last.nodes = append(last.nodes, n)
		in[n] = true
	}
}

// Durable reports whether the runs of a workflow are kept.
func (p *Plan) Durable(workflow string) bool {
	wp, ok := p.workflows[workflow]
	return ok && wp.durable
}

// Keeps reports whether a run of a workflow can be kept, be it durable or not:
// there is a database for it, and nothing says that it is not to be.
func (p *Plan) Keeps(workflow string) bool {
	wp, ok := p.workflows[workflow]
	if !ok || wp.wf.Durable != nil && !*wp.wf.Durable || p.app.Server != nil && p.app.Server.NotDurable {
		return false
	}
	home := p.home(wp)
	return home != nil && !home.Options.ExistingSchemaMode
}

// Home returns the database that the runs of a workflow are kept in: the one
// that it writes to.
func (p *Plan) Home(workflow string) *dataflow.Database {
	wp, ok := p.workflows[workflow]
	if !ok {
		return nil
	}
	return p.home(wp)
}

func (p *Plan) home(wp *workflowPlan) *dataflow.Database {
	if len(wp.writeDBs) > 0 {
		return wp.writeDBs[0]
	}
	if len(p.databases) == 0 {
		return nil
	}
	return p.databases[0]
}

// CheckInputs makes a workflow's inputs of what a caller gave, all problems at
// once.
func (e *Engine) CheckInputs(workflow string, in *dataflow.Object) (*dataflow.Object, error) {
	wp, ok := e.plan.workflows[workflow]
	if !ok {
		return nil, e.unknownWorkflow(workflow)
	}
	vals, err := checkInputs(wp.wf, in)
	if err != nil {
		return nil, named(err, wp.wf)
	}
	return dataflow.NewRecord(wp.wf.InputShape, vals), nil
}

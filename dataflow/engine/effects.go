package engine

import (
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

// effects say what a node or a workflow may do.
type effects struct {
	reads, writes, outside bool
	readDBs, writeDBs      []*dataflow.Database // known ones
	// anyDB: it may use a database that only the run can tell, as a handler.
	anyDB bool
	// pauses: a retry in it waits between two attempts.
	pauses bool
	// owes: it may call out by something that can be undone.
	owes bool
}

func (e *effects) data() bool { return e.reads || e.writes }

func (e *effects) add(o *effects) {
	e.reads = e.reads || o.reads
	e.writes = e.writes || o.writes
	e.outside = e.outside || o.outside
	e.anyDB = e.anyDB || o.anyDB
	e.pauses = e.pauses || o.pauses
	e.owes = e.owes || o.owes
	for _, db := range o.readDBs {
		e.readDBs = addOnce(e.readDBs, db)
	}
	for _, db := range o.writeDBs {
		e.writeDBs = addOnce(e.writeDBs, db)
	}
}

// effect is the furthest of the effects.
func (e *effects) effect() dataflow.Effect {
	switch {
	case e.outside:
		return dataflow.EffectOutside
	case e.writes:
		return dataflow.EffectWrite
	case e.reads:
		return dataflow.EffectRead
	}
	return dataflow.EffectPure
}

func addOnce[T comparable](s []T, v T) []T {
	if slices.Contains(s, v) {
		return s
	}
	return append(s, v)
}

// setDatabase fills in which databases something uses that does not say.
func (e *effects) setDatabase(all []*dataflow.Database) {
	if len(all) != 1 {
		e.anyDB = true
		return
	}
	e.readDBs = all
	if e.writes {
		e.writeDBs = all
	}
}

// effectsOf works out what a node may do.
func (w *wfPlanner) effectsOf(n *nodePlan) {
	switch {
	case n.letGo:
		n.effects = effects{reads: true, writes: true, writeDBs: []*dataflow.Database{w.planner.plan.home(n.callee)}}
	case n.callee != nil:
		n.effects.add(&n.callee.effects)
	case n.op != nil:
		n.effects = n.op.effects()
	case n.target != nil:
		n.effects.add(&n.target.effects)
	case n.spec != nil:
		n.effects = w.specEffects(n.spec, n.raw)
		if asker, ok := n.typ.(Asker); ok {
			_, name := asker.Statement(n.raw)
			if db, err := w.planner.plan.databaseNamed(name); err == nil {
				n.anyDB = false
				n.setDatabase([]*dataflow.Database{db})
			}
		}
	}
	if r := n.node.Retry; r != nil && r.Max > 0 && r.Backoff > 0 {
		n.pauses = true
	}
	n.owes = n.owes || n.outside && n.undo != nil
	if n.undoes == nil { // what undoes others runs in no transaction of the run
		w.wp.effects.add(&n.effects)
	}
}

// effects is what a model's operation does.
func (n *opNode) effects() effects {
	db := []*dataflow.Database{n.op.Model.Database}
	e := effects{reads: true, readDBs: db}
	if n.op.Kind.Writes() {
		e.writes, e.writeDBs = true, db
	}
	return e
}

// specEffects is what a node of a type does with a config.
func (w *wfPlanner) specEffects(spec *dataflow.NodeSpec, config *dataflow.Object) effects {
	return w.planner.plan.effectsOf(spec, config)
}

func (p *Plan) effectsOf(spec *dataflow.NodeSpec, config *dataflow.Object) effects {
	effect := spec.Effect
	if spec.EffectOf != nil {
		effect = spec.EffectOf(config)
	}
	e := effects{
		reads:   effect == dataflow.EffectRead || effect == dataflow.EffectWrite,
		writes:  effect == dataflow.EffectWrite,
		outside: effect == dataflow.EffectOutside,
	}
	if e.reads {
		e.setDatabase(p.databases)
	}
	return e
}

// held says of each node whether it needs the transaction, or what happens in
// it.
func (w *wfPlanner) held() []bool {
	held := make([]bool, len(w.wp.nodes))
	for _, n := range w.wp.order {
		held[n.pos] = held[n.pos] || n.data()
		for _, d := range n.deps {
			held[n.pos] = held[n.pos] || held[d.pos] || held[w.wp.nodes[d.pos].unit().pos]
		}
		for _, m := range n.members { // a scope and its members stay together
			held[n.pos] = held[n.pos] || m.data() || slices.ContainsFunc(m.deps, func(d dep) bool { return held[d.pos] })
		}
		for _, m := range n.members {
			held[m.pos] = held[n.pos]
		}
	}
	return held
}

// divide separates what runs before the transaction from what runs in it.
func (w *wfPlanner) divide() {
	held := w.held()
	for _, stage := range w.wp.stages {
		var early []*nodePlan
		for _, pos := range stage {
			if n := w.wp.nodes[pos]; !held[pos] && n.scope == nil {
				early = append(early, n)
			}
		}
		if len(early) > 0 {
			w.wp.before = append(w.wp.before, early)
		}
	}
	for _, n := range w.wp.order {
		if !held[n.pos] {
			continue
		}
		if n.scope == nil {
			w.wp.inside = append(w.wp.inside, n)
		}
		if w.wp.durable && n.scope == nil && n.outside && !n.data() {
			w.warnStays(n) // it has a unit of its own, and no transaction is open
			continue
		}
		if w.wp.durable && n.isChild() {
			continue // a run of its own, with transactions of its own
		}
		if n.outside && w.wp.writes {
			w.warnOutside(n)
		}
		if n.pauses && w.wp.writes {
			w.pauseInside(n)
		}
	}
	w.wp.oneRead = w.readsOnce()
	w.oneDatabase()
}

// readsOnce reports whether the only data node reads or counts, which is one
// statement.
func (w *wfPlanner) readsOnce() bool {
	var only *nodePlan
	for _, n := range w.wp.order {
		if !n.data() {
			continue
		}
		if only != nil || n.op == nil || access.Expands(n.raw) || n.op.op.Kind != dataflow.OpRead && n.op.op.Kind != dataflow.OpCount {
			return false
		}
		only = n
	}
	return only != nil
}

// skippable works out which nodes a run may skip.
func (w *wfPlanner) skippable() {
	for _, n := range w.wp.order {
		closes := func(g gate) bool { return g.port != "" || g.failed || w.wp.nodes[g.pos].skippable }
		n.skippable = n.condition() != nil || len(n.guards) > 0 || n.scope != nil || n.onError != nil && n.onError.result == nil
		if n.spec != nil && n.spec.Partial {
			n.skippable = n.skippable || len(n.gates) > 0 && !n.always && !slices.ContainsFunc(n.gates, func(g gate) bool { return !closes(g) })
		} else {
			n.skippable = n.skippable || slices.ContainsFunc(n.gates, closes)
		}
	}
}

// warnStays tells of what stays if a later node fails, where the file does not
// say that it wants the workflow durable.
func (w *wfPlanner) warnStays(n *nodePlan) {
	if w.wp.wf.Durable != nil {
		return
	}
	for _, before := range w.wp.order {
		if before == n {
			return
		}
		if before.writes && before.undo == nil {
			w.diags = append(w.diags, dataflow.Diagnostic{Code: "FC380", Severity: dataflow.SeverityWarning, Span: n.node.Span,
				Message: "what " + before.node.ID + " wrote is committed before " + n.node.ID + " calls out, and stays if a later node fails",
				Related: []dataflow.Related{{Span: before.node.Span, Message: before.node.ID + " writes here"}},
				Hint:    "write WorkflowBuilder(…, durable = True) if that is as it should be, or a compensate for " + before.node.ID})
			return
		}
	}
}

func (w *wfPlanner) warnOutside(n *nodePlan) {
	w.diags = append(w.diags, dataflow.Diagnostic{Code: "FC350", Severity: dataflow.SeverityWarning, Span: n.node.Span,
		Message: "the node " + n.node.ID + " calls out while the transaction is open, because it depends on data of it",
		Hint: "other writers wait for the answer: give the node a short timeout, or take what it needs " +
			"from the input so that it can run before the transaction"})
}

// pauseInside refuses a retry that waits while other writers do.
func (w *wfPlanner) pauseInside(n *nodePlan) {
	d := w.errorf("FC354", partSpan(n.node, "/retry"), "%s would hold the transaction while it waits to be tried again", n.node.ID)
	if n.node.Retry == nil || n.node.Retry.Backoff == 0 {
		d.Message = "a retry within " + n.node.ID + " would hold the transaction while it waits"
	}
	d.Hint = "write retry(…, backoff = 0), which tries again at once, or take what the node needs from the input, " +
		"so that it can run before the transaction"
}

// oneDatabase refuses a workflow that writes more than one database.
func (w *wfPlanner) oneDatabase() {
	if len(w.wp.writeDBs) < 2 {
		return
	}
	var names []string
	var related []dataflow.Related
	for _, db := range w.wp.writeDBs {
		names = append(names, db.Name)
		i := slices.IndexFunc(w.wp.nodes, func(n *nodePlan) bool { return slices.Contains(n.writeDBs, db) })
		n := w.wp.nodes[i].node
		related = append(related, dataflow.Related{Span: n.Span, Message: n.ID + " writes " + db.Name})
	}
	d := w.errorf("FC351", w.wp.wf.Span, "workflow %s writes to several databases: %s", w.wp.wf.Name, strings.Join(names, ", "))
	d.Related = related
	d.Hint = "a run is all or nothing on one database: make a workflow for each"
}

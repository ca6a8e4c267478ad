package engine

import (
	"container/heap"
	"regexp"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// wfPlanner is the state of planning one workflow.
type wfPlanner struct {
	*planner
	wp    *workflowPlan
	index map[string]int // of nodes by id
	ids   []string
}

func (w *wfPlanner) build() {
	for i, node := range w.wp.wf.Nodes {
		w.id(node, i)
		w.ids = append(w.ids, node.ID)
		n := &nodePlan{node: node, pos: i, output: dataflow.Any}
		if n.typ = w.resolveType(node); n.typ != nil {
			n.spec = n.typ.Spec()
			n.op, _ = n.typ.(*opNode)
		}
		n.raw = dataflow.NewObject()
		if node.Config != nil {
			n.raw = node.Config.Clone()
		}
		w.wp.nodes = append(w.wp.nodes, n)
	}
	for _, n := range w.wp.nodes {
		w.callee(n)
		w.outputOf(n)
	}
	w.connect()
	for _, n := range w.wp.nodes {
		w.scope(n)
	}
	for _, n := range w.wp.nodes {
		w.dependencies(n)
	}
	w.sort()
	for _, n := range w.wp.nodes {
		w.effectsOf(n)
	}
	w.divide()
	w.skippable()
	for _, n := range w.wp.nodes {
		w.compileNode(n)
	}
	w.outputs()
}

// id checks and keeps a node's id. The loader has checked those of a file.
func (w *wfPlanner) id(node *dataflow.Node, pos int) {
	first, taken := w.index[node.ID]
	switch {
	case taken:
		w.errorf("FC408", partSpan(node, "/id"), "the workflow has two nodes with the id %q", node.ID).Related =
			[]dataflow.Related{{Message: "first used here", Span: partSpan(w.wp.wf.Nodes[first], "/id")}}
		return
	case node.ID == "input" || node.ID == "env" || node.ID == "ctx" || !nodeID.MatchString(node.ID):
		w.errorf("FC409", partSpan(node, "/id"), "%q is no id for a node", node.ID).
			Hint = "an id has letters, digits, _ and -, begins with a letter, and is not input, env or ctx"
	}
	w.index[node.ID] = pos
}

var nodeID = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,59}$`)

func (w *wfPlanner) outputOf(n *nodePlan) {
	switch {
	case n.callee != nil:
		n.output = n.callee.outputType
	case n.spec == nil:
	case n.spec.OutputOf != nil:
		n.output = n.spec.OutputOf(n.raw)
	default:
		n.output = n.spec.Output
	}
	if n.output == nil {
		n.output = dataflow.Any
	}
}

// callee plans the workflow that a node runs.
func (w *wfPlanner) callee(n *nodePlan) {
	caller, ok := n.typ.(WorkflowCaller)
	if !ok {
		return
	}
	target, _ := caller.Callee(n.raw)
	switch target := target.(type) {
	case *dataflow.Workflow:
		if !w.recursion(target, n.node) {
			n.callee = w.workflow(target, n.node)
		}
	case string:
		wf, ok := w.workflows[target]
		switch {
		case !ok:
			names := make([]string, 0, len(w.workflows))
			for _, wf := range w.planner.plan.app.Workflows {
				names = append(names, wf.Name)
			}
			w.errorf("FC330", partSpan(n.node, "/config/workflow"), "unknown workflow %q", target).
				Hint = dataflow.DidYouMean(target, names)
		case !w.recursion(wf, n.node):
			n.callee = w.workflow(wf, n.node)
		}
	}
}

// scope makes the nodes that a Scoper lists its members.
func (w *wfPlanner) scope(n *nodePlan) {
	scoper, ok := n.typ.(Scoper)
	if !ok {
		return
	}
	param := scoper.Members()
	v, _ := n.raw.Get(param)
	list, _ := v.([]any)
	for i, item := range list {
		id, ok := item.(string)
		if !ok {
			continue // its type is checked with the rest of the config
		}
		span := partSpan(n.node, "/config/"+param+"/"+itoa(i))
		pos, ok := w.index[id]
		if !ok {
			w.errorf("FC343", span, "unknown node %q", id).Hint = dataflow.DidYouMean(id, w.ids)
			continue
		}
		m := w.wp.nodes[pos]
		switch {
		case m == n:
			w.errorf("FC343", span, "%s can't be a node of its own scope", id)
		case m.isScoper():
			w.errorf("FC343", span, "%s is a %s itself, and scopes don't nest", id, m.spec.Name).
				Hint = "list its nodes here instead"
		case m.scope == n:
			w.errorf("FC343", span, "%s is listed twice", id)
		case m.scope != nil:
			w.errorf("FC343", span, "%s is a node of the scope %s already", id, m.scope.node.ID).
				Related = []dataflow.Related{{Message: "the other scope", Span: m.scope.node.Span}}
		default:
			m.scope = n
			n.members = append(n.members, m)
		}
	}
}

func (n *nodePlan) isScoper() bool {
	_, ok := n.typ.(Scoper)
	return ok
}

// unit is what is ordered: a node outside scopes, or a whole scope.
func (n *nodePlan) unit() *nodePlan {
	if n.scope != nil {
		return n.scope
	}
	return n
}

// dependencies collects the nodes that n's config and condition refer to.
func (w *wfPlanner) dependencies(n *nodePlan) {
	eachRef(n.raw, func(ref dataflow.Ref) {
		if g, ok := w.gateOf(ref); ok {
			n.deps = append(n.deps, dep{g.pos, ref.Span})
			n.gates = addOnce(n.gates, g)
		}
	})
	eachRef(n.condition(), func(ref dataflow.Ref) {
		if g, ok := w.gateOf(ref); ok {
			n.deps = append(n.deps, dep{g.pos, ref.Span})
			n.guards = addOnce(n.guards, g)
		}
	})
}

// condition returns the expression that n runs under, or nil.
func (n *nodePlan) condition() any {
	if n.whenRef != nil {
		return n.whenRef
	}
	return n.node.When
}

// gateOf returns the node and port that a reference hangs on.
func (w *wfPlanner) gateOf(ref dataflow.Ref) (gate, bool) {
	if ref.Root != dataflow.RootNode {
		return gate{}, false
	}
	pos, ok := w.index[ref.Node]
	if !ok {
		return gate{}, false // reported where it is compiled
	}
	g := gate{pos: pos}
	if len(ref.Path) > 0 && slices.Contains(w.wp.nodes[pos].ports(), ref.Path[0].Name) {
		g.port = ref.Path[0].Name
	}
	return g, true
}

// ports lists the outputs of which only some are active in a run.
func (n *nodePlan) ports() []string {
	switch {
	case n.spec == nil:
		return nil
	case n.spec.PortsOf != nil:
		return n.spec.PortsOf(n.raw)
	}
	return n.spec.Ports
}

// eachRef calls f for every reference in a tree.
func eachRef(v any, f func(dataflow.Ref)) {
	switch v := v.(type) {
	case dataflow.Ref:
		f(v)
	case *dataflow.Template:
		for _, part := range v.Parts {
			eachRef(part, f)
		}
	case []any:
		for _, item := range v {
			eachRef(item, f)
		}
	case *dataflow.Object:
		if v == nil {
			return
		}
		for _, item := range v.All {
			eachRef(item, f)
		}
	}
}

// sort orders the nodes: dependencies first, otherwise as declared. A scope
// is ordered as one, with its members within.
func (w *wfPlanner) sort() {
	var units []*nodePlan
	for _, n := range w.wp.nodes {
		if n.scope == nil {
			units = append(units, n)
		}
	}
	sorted := w.topological(units, (*nodePlan).unit)
	for _, n := range sorted {
		if len(n.members) > 0 {
			slices.SortFunc(n.members, func(a, b *nodePlan) int { return a.pos - b.pos })
			n.members = w.topological(n.members, func(m *nodePlan) *nodePlan { return m })
		}
		w.wp.order = append(append(w.wp.order, n), n.members...)
	}
	w.stages()
}

// topological orders units by the dependencies of their nodes (Kahn, 1962),
// the first declared of those that are ready coming first. Cycles are
// reported, and then broken.
func (w *wfPlanner) topological(units []*nodePlan, unitOf func(*nodePlan) *nodePlan) []*nodePlan {
	waits := make(map[*nodePlan][]dep, len(units)) // what a unit still needs
	users := make(map[*nodePlan][]*nodePlan, len(units))
	missing := make(map[*nodePlan]int, len(units))
	in := make(map[*nodePlan]bool, len(units))
	for _, u := range units {
		in[u] = true
	}
	for _, u := range units {
		own := []*nodePlan{u}
		if unitOf(u) == u && len(u.members) > 0 {
			own = append(own, u.members...)
		}
		for _, n := range own {
			for _, d := range n.deps {
				target := w.wp.nodes[d.pos]
				on := unitOf(target)
				inner := n != u && target.scope == u // between members: their own order
				if !in[on] || inner {
					continue
				}
				waits[u] = append(waits[u], dep{on.pos, d.span})
				users[on] = append(users[on], u)
				missing[u]++
			}
		}
	}
	ready := &posHeap{}
	for _, u := range units {
		if missing[u] == 0 {
			heap.Push(ready, u)
		}
	}
	sorted := make([]*nodePlan, 0, len(units))
	emitted := make(map[*nodePlan]bool, len(units))
	for len(sorted) < len(units) {
		if ready.Len() == 0 {
			for _, u := range w.cycle(units, waits, emitted) {
				missing[u] = 0
				heap.Push(ready, u)
			}
		}
		u := heap.Pop(ready).(*nodePlan)
		if emitted[u] {
			continue
		}
		emitted[u] = true
		sorted = append(sorted, u)
		for _, user := range users[u] {
			if missing[user]--; missing[user] == 0 && !emitted[user] {
				heap.Push(ready, user)
			}
		}
	}
	return sorted
}

// cycle reports one cycle among the units not yet emitted and returns it.
func (w *wfPlanner) cycle(units []*nodePlan, waits map[*nodePlan][]dep, emitted map[*nodePlan]bool) []*nodePlan {
	start := units[slices.IndexFunc(units, func(u *nodePlan) bool { return !emitted[u] })]
	var path []*nodePlan
	var spans []dataflow.Span // spans[i]: where path[i] refers to path[i+1]
	seen := map[*nodePlan]int{}
	at := start
	for {
		if from, ok := seen[at]; ok {
			path, spans = path[from:], spans[from:]
			break
		}
		seen[at] = len(path)
		path = append(path, at)
		i := slices.IndexFunc(waits[at], func(d dep) bool { return !emitted[w.wp.nodes[d.pos]] })
		spans = append(spans, waits[at][i].span)
		at = w.wp.nodes[waits[at][i].pos]
	}
	// Begin with the node declared first, whichever way the cycle was found.
	first := 0
	for i, n := range path {
		if n.pos < path[first].pos {
			first = i
		}
	}
	path = append(slices.Clone(path[first:]), path[:first]...)
	spans = append(slices.Clone(spans[first:]), spans[:first]...)
	var names []string
	for _, n := range path {
		names = append(names, n.node.ID)
	}
	names = append(names, names[0])
	d := w.errorf("FC320", spans[0], "the nodes wait for each other: %s", strings.Join(names, " needs "))
	for i, span := range spans[1:] {
		d.Related = append(d.Related, dataflow.Related{Span: span, Message: names[i+1] + " needs " + names[i+2]})
	}
	d.Hint = "remove one of these references"
	if len(path) == 1 {
		d.Message = "the node " + names[0] + " needs its own output"
		d.Hint = "a node can refer to nodes that run before it"
	}
	return path
}

// posHeap holds units, the first declared on top.
type posHeap []*nodePlan

func (h posHeap) Len() int           { return len(h) }
func (h posHeap) Less(i, j int) bool { return h[i].pos < h[j].pos }
func (h posHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *posHeap) Push(x any)        { *h = append(*h, x.(*nodePlan)) }
func (h *posHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// stages works out how far each node is from the start.
func (w *wfPlanner) stages() {
	level := make([]int, len(w.wp.nodes))
	for _, n := range w.wp.order {
		own := 0
		if n.scope != nil {
			own = level[n.scope.pos] + 1
		}
		wait := n.deps
		for _, m := range n.members {
			wait = append(wait[:len(wait):len(wait)], m.deps...)
		}
		for _, d := range wait {
			on := w.wp.nodes[d.pos]
			if on == n || on.scope == n {
				continue
			}
			own = max(own, level[d.pos]+1)
			for _, m := range on.members { // after a scope is after its nodes
				if m.unit() != n.unit() {
					own = max(own, level[m.pos]+1)
				}
			}
		}
		level[n.pos] = own
		for len(w.wp.stages) <= own {
			w.wp.stages = append(w.wp.stages, nil)
		}
		w.wp.stages[own] = append(w.wp.stages[own], n.pos)
	}
	w.wp.stages = slices.DeleteFunc(w.wp.stages, func(s []int) bool { return len(s) == 0 })
}

// effectsOf works out what a node may do.
func (w *wfPlanner) effectsOf(n *nodePlan) {
	switch {
	case n.callee != nil:
		n.effects.add(&n.callee.effects)
	case n.op != nil:
		db := []*dataflow.Database{n.op.op.Model.Database}
		n.reads, n.readDBs = true, db
		if n.op.op.Kind.Writes() {
			n.writes, n.writeDBs = true, db
		}
	case n.spec != nil:
		n.reads = n.spec.Effect == dataflow.EffectRead || n.spec.Effect == dataflow.EffectWrite
		n.writes = n.spec.Effect == dataflow.EffectWrite
		n.outside = n.spec.Effect == dataflow.EffectOutside
		if n.reads {
			n.setDatabase(w.planner.plan.databases)
		}
	}
	w.wp.effects.add(&n.effects)
}

// divide separates what runs before the transaction from what runs in it.
func (w *wfPlanner) divide() {
	held := make([]bool, len(w.wp.nodes)) // needs the transaction, or what happens in it
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
		if n.outside && w.wp.writes {
			w.warnOutside(n)
		}
	}
	w.oneDatabase()
}

// skippable works out which nodes a run may skip.
func (w *wfPlanner) skippable() {
	for _, n := range w.wp.order {
		closes := func(g gate) bool { return g.port != "" || w.wp.nodes[g.pos].skippable }
		n.skippable = n.condition() != nil || len(n.guards) > 0 || n.scope != nil
		if n.spec != nil && n.spec.Partial {
			n.skippable = n.skippable || len(n.gates) > 0 && !slices.ContainsFunc(n.gates, func(g gate) bool { return !closes(g) })
		} else {
			n.skippable = n.skippable || slices.ContainsFunc(n.gates, closes)
		}
	}
}

func (w *wfPlanner) warnOutside(n *nodePlan) {
	w.diags = append(w.diags, dataflow.Diagnostic{Code: "FC350", Severity: dataflow.SeverityWarning, Span: n.node.Span,
		Message: "the node " + n.node.ID + " calls out while the transaction is open, because it depends on data of it",
		Hint: "other writers wait for the answer: give the node a short timeout, or take what it needs " +
			"from the input so that it can run before the transaction"})
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

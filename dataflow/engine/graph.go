package engine

import (
	"slices"

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
		if node.Type == aggregateNode {
			n.raw = aggregateArgs(n.raw)
		}
		w.wp.nodes = append(w.wp.nodes, n)
	}
	for _, n := range w.wp.nodes {
		w.callee(n)
		w.targetOf(n)
		w.outputOf(n)
	}
	for _, n := range w.wp.nodes {
		w.onError(n)
		w.compensation(n)
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
	w.durability()
	w.checkCompensations()
	w.divide()
	w.units()
	w.skippable()
	w.exclusive()
	for _, n := range w.wp.nodes {
		w.compileNode(n)
	}
	w.outputs()
	w.wholeRows()
}

// id checks and keeps a node's id. The loader has checked those of a file.
func (w *wfPlanner) id(node *dataflow.Node, pos int) {
	first, taken := w.index[node.ID]
	switch {
	case taken:
		w.errorf("FC408", partSpan(node, "/id"), "the workflow has two nodes with the id %q", node.ID).Related =
			[]dataflow.Related{{Message: "first used here", Span: partSpan(w.wp.wf.Nodes[first], "/id")}}
		return
	case node.ID == "input" || node.ID == "env" || node.ID == "ctx" || !nodeID.Fits(node.ID):
		w.errorf("FC409", partSpan(node, "/id"), "%q is no id for a node", node.ID).
			Hint = "an id has letters, digits, _ and -, begins with a letter, and is not input, env or ctx"
	}
	w.index[node.ID] = pos
}

var nodeID = dataflow.NameShape{First: dataflow.Letters | dataflow.Underscore, Rest: dataflow.Word | dataflow.Dash, Most: 60}

func (w *wfPlanner) outputOf(n *nodePlan) {
	switch {
	case n.letGo:
		n.output = startedType
	case n.callee != nil:
		n.output = n.callee.outputType
	case n.spec == nil:
	case n.spec.OutputOf != nil:
		n.output = n.spec.OutputOf(n.raw)
	default:
		n.output = n.spec.Output
	}
	if t := n.narrowed(); t != nil {
		n.output = t
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
	if n.callee = w.called(n, target); n.callee != nil {
		n.registered = w.workflows[n.callee.wf.Name] == n.callee.wf
		if g, ok := n.typ.(LetGoer); ok && g.LetGo(n.raw) {
			w.letGo(n)
		}
	}
}

// startedType is what a workflow gives that was let go.
var startedType = dataflow.ObjectType(&dataflow.Field{Name: "run_id", Type: dataflow.String, Doc: "of the run that was started"})

// letGo checks a node whose workflow runs by itself.
func (w *wfPlanner) letGo(n *nodePlan) {
	n.letGo = true
	switch {
	case !n.registered:
		w.errorf("FC357", n.node.Span, "%s starts a workflow that is not registered", n.node.ID).
			Hint = `a run of its own is known by its workflow's name: app.register("name", workflow)`
	case len(w.planner.plan.databases) == 0:
		w.errorf("FC356", n.node.Span, "%s starts a run of its own, and the app has no database to keep it in", n.node.ID).
			Hint = `declare one: db = DataFlow(database_url = "sqlite:app.db")`
	}
}

// called plans a workflow that a node runs, given as it is or by its name. It
// is nil if there is none, which has been reported.
func (w *wfPlanner) called(n *nodePlan, target any) *workflowPlan {
	switch target := target.(type) {
	case *dataflow.Workflow:
		if !w.recursion(target, n.node) {
			return w.workflow(target, n.node)
		}
	case string:
		wf, ok := w.workflows[target]
		switch {
		case !ok:
			names := make([]string, 0, len(w.workflows))
			for _, wf := range w.planner.plan.app.Workflows {
				if wf != w.wp.wf { // no workflow can call itself
					names = append(names, wf.Name)
				}
			}
			w.errorf("FC330", partSpan(n.node, "/config/workflow"), "unknown workflow %q", target).
				Hint = dataflow.NearOrAll(target, names)
		case !w.recursion(wf, n.node):
			return w.workflow(wf, n.node)
		}
	}
	return nil
}

// others are the ids of the nodes beside n.
func (w *wfPlanner) others(n *nodePlan) []string {
	return slices.DeleteFunc(slices.Clone(w.ids), func(id string) bool { return id == n.node.ID })
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
			w.errorf("FC343", span, "unknown node %q", id).Hint = dataflow.NearOrAll(id, w.others(n))
			continue
		}
		m := w.wp.nodes[pos]
		switch {
		case m == n:
			w.errorf("FC343", span, "%s can't be a node of its own scope", id)
		case m.undoes != nil:
			w.errorf("FC343", span, "%s runs only to undo %s, so it is no part of a scope", id, m.undoes.node.ID)
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
	n.always = n.spec != nil && n.spec.Partial && w.hasOwn(n)
	eachRef(n.condition(), func(ref dataflow.Ref) {
		if g, ok := w.gateOf(ref); ok {
			n.deps = append(n.deps, dep{g.pos, ref.Span})
			n.guards = addOnce(n.guards, g)
		}
	})
}

// hasOwn reports whether one of the values that n brings together hangs on no
// node: it is there whatever is skipped.
func (w *wfPlanner) hasOwn(n *nodePlan) bool {
	own := func(v any) bool {
		hangs := false
		eachRef(v, func(ref dataflow.Ref) {
			_, ok := w.gateOf(ref)
			hangs = hangs || ok
		})
		return !hangs
	}
	for name, v := range n.raw.All {
		param := n.spec.Param(name)
		if param == nil {
			if own(v) {
				return true
			}
			continue
		}
		switch list := v.(type) {
		case []any:
			if slices.ContainsFunc(list, own) {
				return true
			}
		case *dataflow.Object:
			if slices.ContainsFunc(list.Vals(), own) {
				return true
			}
		}
	}
	return false
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
	if w.wp.nodes[pos].tellsOf(ref) {
		g.failed = true
		return g, true
	}
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

package starlark

import (
	"cmp"
	"fmt"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/spec"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// builder is what WorkflowBuilder(…) returns.
type builder struct {
	l     *loader
	w     *dataflow.Workflow
	nodes map[string]dataflow.Span // of the ids
	built bool
	used  bool // built, and registered or part of another workflow
}

var _ sl.HasAttrs = (*builder)(nil)

func (b *builder) String() string        { return "WorkflowBuilder(" + b.w.Name + ")" }
func (b *builder) Type() string          { return "WorkflowBuilder" }
func (b *builder) Freeze()               {}
func (b *builder) Truth() sl.Bool        { return true }
func (b *builder) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: WorkflowBuilder") }
func (b *builder) AttrNames() []string   { return append([]string{"input"}, spec.Methods("wf")...) }

// Attr returns the methods, and input.
func (b *builder) Attr(name string) (sl.Value, error) {
	switch name {
	case "input":
		return &reference{l: b.l, ref: dataflow.Ref{Root: dataflow.RootInput}}, nil
	case "add_node":
		return b.l.builtin("wf.add_node", b.addNode), nil
	case "add_connection":
		return b.l.builtin("wf.add_connection", b.addConnection), nil
	case "build":
		return b.l.builtin("wf.build", b.build), nil
	}
	return b.l.noAttr("a workflow", name, b.AttrNames())
}

// title names the workflow in a message.
func (b *builder) title() string {
	if b.w.Name == "" {
		return "the workflow"
	}
	return "the workflow " + b.w.Name
}

// workflowBuilder implements WorkflowBuilder(…).
func (l *loader) workflowBuilder(a *args) sl.Value {
	b := &builder{l: l, nodes: map[string]dataflow.Span{}, w: &dataflow.Workflow{
		Name: a.str("name", ""), Doc: a.str("doc", ""), Timeout: a.duration("timeout", 0), Span: a.site.at, Spans: a.spans(),
	}}
	if a.has("name") {
		l.checkServedName("workflow", b.w.Name, a.at("name"))
	}
	b.w.Durable = a.choice("durable")
	if g, ok := a.given["input"]; ok {
		b.w.Input = l.inputFields(a.site.src, g)
		l.inputSpans(b.w, a.site.src, g)
	}
	b.w.SealInput()
	l.builders = append(l.builders, b)
	return b
}

// inputSpans records the places of the inputs.
func (l *loader) inputSpans(w *dataflow.Workflow, src *source, g arg) {
	for name, e := range src.entries(g.expr) {
		p := "/input/" + value.Escape(name)
		w.Spans[p] = src.span(e.value)
		w.Spans[p+dataflow.KeySuffix] = src.span(e.key)
	}
}

var nodeID = dataflow.NameShape{First: dataflow.Letters | dataflow.Underscore, Rest: dataflow.Word | dataflow.Dash}

// addNode implements wf.add_node(…).
func (b *builder) addNode(l *loader, a *args) sl.Value {
	n := &dataflow.Node{ID: a.str("id", ""), Timeout: a.duration("timeout", 0), Config: dataflow.NewObject(), Span: a.site.at, Spans: a.spans()}
	switch t := a.value("type").(type) {
	case sl.String:
		n.Type = string(t)
	case value.Op:
		op := t.O
		n.Op, n.Type = &op, op.NodeType()
	}
	c := &converter{l: l, src: a.site.src, spans: n.Spans}
	if n.Type == "SignalNode" {
		c.declares = "/config/payload"
	}
	if g, ok := a.given["config"]; ok {
		if obj, ok := c.convert(g.val, g.expr, g.at, "/config").(*dataflow.Object); ok {
			n.Config = obj
		}
	}
	if r, ok := a.value("retry").(*retryValue); ok {
		n.Retry = &r.r
	}
	if g, ok := a.given["when"]; ok {
		n.When = c.convert(g.val, g.expr, g.at, "/when")
	}
	if g, ok := a.given["on_error"]; ok {
		n.OnError = c.convert(g.val, g.expr, g.at, "/on_error")
	}
	if g, ok := a.given["compensate"]; ok {
		n.Compensate = c.convert(g.val, g.expr, g.at, "/compensate")
	}
	if b.built {
		a.fail("FC413", a.site.at, "a node is added after the workflow was built", "move it above .build()")
	}
	if !a.has("id") || !b.checkID(n.ID, a) {
		// What is said of the node is looked at all the same.
		n.ID = standIn(cmp.Or(cleanName(n.ID), "node"), func(id string) bool {
			return id == "input" || id == "env" || id == "ctx" || b.nodes[id] != dataflow.Span{}
		})
	}
	b.nodes[n.ID] = a.at("id")
	b.w.Nodes = append(b.w.Nodes, n)
	return &node{l: l, id: n.ID}
}

// standIn is a name for what can't have its own: one that is like it, and free.
func standIn(like string, taken func(string) bool) string {
	name := like
	for n := 2; taken(name); n++ {
		name = fmt.Sprintf("%s_%d", like, n)
	}
	return name
}

func (b *builder) checkID(id string, a *args) bool {
	at := a.at("id")
	switch {
	case id == "input" || id == "env" || id == "ctx":
		a.fail("FC409", at, fmt.Sprintf("a node can't be called %q: ${%s.…} means something else", id, id), "")
		return false
	case !nodeID.Fits(id) || len(id) > 60:
		a.fail("FC409", at, fmt.Sprintf("%q is no id for a node", id), "an id has letters, digits, _ and -, and begins with a letter")
		return false
	}
	if first, ok := b.nodes[id]; ok {
		a.fail("FC408", at, fmt.Sprintf("the workflow has two nodes with the id %q", id), "give one of them another id")
		a.l.related("first used here", first)
		return false
	}
	return true
}

// addConnection implements wf.add_connection(…).
func (b *builder) addConnection(l *loader, a *args) sl.Value {
	e := &dataflow.Edge{From: a.nodeID("source"), Output: a.str("output", ""), To: a.nodeID("target"), Input: a.str("input", ""),
		Span: a.site.at, Spans: dataflow.Spans{
			"": a.site.at, "/from": a.at("source"), "/output": a.at("output"), "/to": a.at("target"), "/input": a.at("input"),
		}}
	if b.built {
		a.fail("FC413", a.site.at, "a connection is added after the workflow was built", "move it above .build()")
	}
	if a.has("source") && a.has("output") && a.has("target") && a.has("input") {
		b.w.Edges = append(b.w.Edges, e)
	}
	return sl.None
}

// nodeID returns the id of a node, or of an id.
func (a *args) nodeID(name string) string {
	if n, ok := a.value(name).(*node); ok {
		return n.id
	}
	return a.str(name, "")
}

// build implements wf.build(…).
func (b *builder) build(l *loader, a *args) sl.Value {
	if b.built {
		a.fail("FC413", a.site.at, "the workflow is built twice", "keep what the first .build() returns")
		return value.Workflow{W: b.w}
	}
	b.built = true
	if g, ok := a.given["output"]; ok {
		c := &converter{l: l, src: a.site.src, spans: b.w.Spans}
		b.w.Output = c.convert(g.val, g.expr, g.at, "/output")
	}
	if len(b.w.Nodes) == 0 && len(b.nodes) == 0 && a.ok && !dataflow.HasErrors(l.diags) {
		a.fail("FC413", a.site.at, "the workflow has no nodes", `add one: wf.add_node("OrderListNode", "orders", {})`)
	}
	b.unswap()
	return value.Workflow{W: b.w}
}

// finished builds the workflow for those who forgot to, after that has been
// reported, so that the rest of it can be checked.
func (b *builder) finished() value.Workflow {
	if !b.built {
		b.built = true
		b.unswap()
	}
	return value.Workflow{W: b.w}
}

// unswap finds connections whose second and third argument are the wrong way
// round, as add_connection(from, to, output, input).
func (b *builder) unswap() {
	for _, e := range b.w.Edges {
		_, toKnown := b.nodes[e.To]
		_, outKnown := b.nodes[e.Output]
		if toKnown || !outKnown {
			continue
		}
		b.l.error("FC410", e.Span, fmt.Sprintf("the arguments of this connection are swapped: %q is a node and %q is none", e.Output, e.To),
			fmt.Sprintf("the order is source, output, target, input: wf.add_connection(%q, %q, %q, %q)", e.From, e.To, e.Output, e.Input))
		e.Output, e.To = e.To, e.Output
		e.Spans["/output"], e.Spans["/to"] = e.Spans["/to"], e.Spans["/output"]
	}
}

// node is what wf.add_node returns: its attributes are references to what the
// node gives.
type node struct {
	l  *loader
	id string
}

var (
	_ sl.HasAttrs = (*node)(nil)
	_ sl.Mapping  = (*node)(nil)
)

func (n *node) ref() *reference {
	return &reference{l: n.l, ref: dataflow.Ref{Root: dataflow.RootNode, Node: n.id}}
}
func (n *node) String() string                         { return n.ref().String() }
func (n *node) Type() string                           { return "node" }
func (n *node) Freeze()                                {}
func (n *node) Truth() sl.Bool                         { return true }
func (n *node) Hash() (uint32, error)                  { return sl.String(n.id).Hash() }
func (n *node) AttrNames() []string                    { return nil }
func (n *node) Attr(name string) (sl.Value, error)     { return n.ref().Attr(name) }
func (n *node) Get(k sl.Value) (sl.Value, bool, error) { return n.ref().Get(k) }
func (n *node) Binary(op syntax.Token, y sl.Value, side sl.Side) (sl.Value, error) {
	return n.ref().Binary(op, y, side)
}

// reference is a reference to a value that a run will have.
type reference struct {
	l   *loader
	ref dataflow.Ref
}

var (
	_ sl.HasAttrs  = (*reference)(nil)
	_ sl.Mapping   = (*reference)(nil)
	_ sl.HasBinary = (*reference)(nil)
)

// String returns the reference as a template, so that "a" + str(ref) and
// "%s" % ref work as they look.
func (r *reference) String() string        { return r.ref.String() }
func (r *reference) Type() string          { return "reference" }
func (r *reference) Freeze()               {}
func (r *reference) Hash() (uint32, error) { return sl.String(r.String()).Hash() }
func (r *reference) AttrNames() []string   { return nil }

// Truth reports a decision that the file can't take yet.
func (r *reference) Truth() sl.Bool {
	if !r.l.done {
		r.l.noValueYet(r)
	}
	return false
}

// Attr returns a reference to a part of the value.
func (r *reference) Attr(name string) (sl.Value, error) {
	return r.step(dataflow.Step{Name: name}), nil
}

// Get returns a reference to a part of the value, by name or index.
func (r *reference) Get(k sl.Value) (sl.Value, bool, error) {
	switch k := k.(type) {
	case sl.String:
		return r.step(dataflow.Step{Name: string(k)}), true, nil
	case sl.Int:
		if n, err := sl.AsInt32(k); err == nil && n >= 0 {
			return r.step(dataflow.Step{Index: n}), true, nil
		}
	}
	return nil, false, fmt.Errorf("a reference is indexed by a name or a number from 0, not by %s", k)
}

func (r *reference) step(s dataflow.Step) *reference {
	out := &reference{l: r.l, ref: r.ref}
	out.ref.Path = append(r.ref.Path[:len(r.ref.Path):len(r.ref.Path)], s)
	return out
}

// Binary joins text and references into a template.
func (r *reference) Binary(op syntax.Token, y sl.Value, side sl.Side) (sl.Value, error) {
	var other string
	switch y := y.(type) {
	case sl.String:
		other = string(y)
	case *reference:
		other = y.String()
	default:
		return nil, fmt.Errorf("%s has no value while the file is loaded; compute in a function that a StarlarkNode runs", r)
	}
	if op != syntax.PLUS {
		return nil, fmt.Errorf("%s has no value while the file is loaded; compute in a function that a StarlarkNode runs", r)
	}
	if side == sl.Left {
		return sl.String(r.String() + other), nil
	}
	return sl.String(other + r.String()), nil
}

// retryValue is what retry(…) returns.
type retryValue struct{ r dataflow.Retry }

func (r *retryValue) String() string        { return fmt.Sprintf("retry(max = %d)", r.r.Max) }
func (r *retryValue) Type() string          { return "retry" }
func (r *retryValue) Freeze()               {}
func (r *retryValue) Truth() sl.Bool        { return true }
func (r *retryValue) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: retry") }

// retry implements retry(…).
func (l *loader) retry(a *args) sl.Value {
	r := &retryValue{r: dataflow.Retry{Max: a.int("max", 3), Backoff: a.duration("backoff", 100*time.Millisecond), On: a.strings("on")}}
	known := map[string]bool{}
	var names []string
	for _, c := range dataflow.ErrorCodes() {
		known[c.Code] = true
		names = append(names, c.Code)
	}
	for _, item := range listOf(a.given["on"]) {
		if s, ok := item.val.(sl.String); ok && !known[string(s)] {
			a.fail("FC105", a.site.src.element(item, a.given["on"]), fmt.Sprintf("there is no error code %q", string(s)), orElse(dataflow.DidYouMean(string(s), names), "docs/errors/answers.md lists them"))
		}
	}
	return r
}

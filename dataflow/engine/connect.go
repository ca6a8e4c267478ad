package engine

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// connect turns edges into references in the configs of the nodes they lead
// to, so that from here on there is one way for data to reach a node:
//
//	add_connection("a", "record.id", "b", "where.id")  config of b: {"where": {"id": "${a.record.id}"}}
//	add_connection("sw", "true_output", "b", "when")   b runs only if the port is active
//	add_connection("sw", "true_output", "b", "input")  the same, as Kailash writes it
//	add_connection("input", "id", "b", "id")           config of b: {"id": "${input.id}"}
//	add_connection("a", "", "b", "")                   b runs after a
func (w *wfPlanner) connect() {
	for _, e := range w.wp.wf.Edges {
		from, to, ok := w.ends(e)
		if !ok {
			w.refused(to)
			continue
		}
		ref, ok := w.edgeRef(e, from, to)
		if !ok {
			w.refused(to)
			continue
		}
		if e.Output == "" && e.Input == "" {
			if from != nil {
				to.deps = append(to.deps, dep{from.pos, e.Span})
			}
			continue
		}
		if w.isCondition(e, to, ref) {
			w.connectWhen(e, from, to, ref)
			continue
		}
		w.connectInput(e, from, to, ref)
	}
}

// refused notes that an edge to a node is wrong: what the node lacks may be
// what the edge was to bring.
func (w *wfPlanner) refused(to *nodePlan) {
	if to != nil {
		to.cutOff = true
	}
}

// isCondition reports whether an edge decides whether a node runs: it leads to
// when, or from a port to an input that the node does not have.
func (w *wfPlanner) isCondition(e *dataflow.Edge, to *nodePlan, ref dataflow.Ref) bool {
	if e.Input != "when" && e.Input != "input" || to.spec == nil {
		return e.Input == "when"
	}
	if to.spec.Param(e.Input) != nil {
		return false
	}
	g, _ := w.gateOf(ref)
	return e.Input == "when" || g.port != "" && to.spec.Rest == nil
}

// ends finds the nodes of an edge. from is nil if it comes from the input of
// the workflow.
func (w *wfPlanner) ends(e *dataflow.Edge) (from, to *nodePlan, ok bool) {
	fi, fromOK := w.index[e.From]
	ti, toOK := w.index[e.To]
	if toOK {
		to = w.wp.nodes[ti]
	}
	switch {
	case fromOK && toOK:
		return w.wp.nodes[fi], to, true
	case e.From == "input" && toOK:
		return nil, to, true
	}
	fromOK = fromOK || e.From == "input"
	if _, swapped := w.index[e.Output]; swapped && fromOK && !toOK {
		d := w.errorf("FC317", e.Span, "the arguments of add_connection are in the wrong order: %q is no node", e.To)
		d.Hint = fmt.Sprintf("they are from, output, to, input: add_connection(%q, %q, %q, %q)", e.From, e.To, e.Output, e.Input)
		return nil, nil, false
	}
	if !fromOK {
		w.errorf("FC314", e.Spans.At("/from"), "unknown node %q", e.From).Hint = dataflow.NearOrAll(e.From, w.ids)
	}
	if !toOK {
		w.errorf("FC314", e.Spans.At("/to"), "unknown node %q", e.To).Hint = dataflow.NearOrAll(e.To, w.ids)
	}
	return nil, to, false
}

// edgeRef returns the reference that an edge stands for.
func (w *wfPlanner) edgeRef(e *dataflow.Edge, from, to *nodePlan) (dataflow.Ref, bool) {
	ref := dataflow.Ref{Root: dataflow.RootNode, Node: e.From, Span: edgeSpan(e, "/output")}
	if from == nil {
		ref.Root, ref.Node = dataflow.RootInput, ""
	}
	if e.Output == "" {
		return ref, true
	}
	parsed, diag := dataflow.ParseRef("x."+e.Output, ref.Span)
	if diag != nil {
		w.errorf("FC315", ref.Span, "the output %q can't be read", e.Output).
			Hint = `write "record", "record.id" or "records[0].id"`
		return ref, false
	}
	ref.Path = parsed.Path
	if from == nil {
		return ref, true // checked as any reference to an input
	}
	if _, _, problem := w.pathType(from, ref); problem != "" {
		d := w.errorf("FC315", ref.Span, "%s", problem)
		d.Hint = w.outputHint(from, ref.Path[0].Name)
		w.hintReversed(d, e, from, to)
		return ref, false
	}
	return ref, true
}

// hintReversed says so if an edge makes sense the other way round.
func (w *wfPlanner) hintReversed(d *dataflow.Diagnostic, e *dataflow.Edge, from, to *nodePlan) {
	if from == nil {
		return
	}
	output, input := e.Output, e.Input // from and to alone are swapped
	if !w.hasOutput(to, output) || !w.hasInput(from, input) {
		output, input = e.Input, e.Output // all four are
	}
	if w.hasOutput(to, output) && w.hasInput(from, input) {
		d.Code = "FC317"
		d.Message += ": the connection is the wrong way round"
		d.Hint = fmt.Sprintf("write add_connection(%q, %q, %q, %q)", e.To, output, e.From, input)
	}
}

func (w *wfPlanner) hasOutput(n *nodePlan, path string) bool {
	parsed, diag := dataflow.ParseRef("x."+path, dataflow.Span{})
	if diag != nil || n.output.Kind == dataflow.KindAny {
		return false
	}
	_, _, problem := w.pathType(n, parsed)
	return problem == ""
}

func (w *wfPlanner) hasInput(n *nodePlan, path string) bool {
	name, _, _ := strings.Cut(path, ".")
	return n.spec != nil && n.spec.Param(name) != nil
}

// connectWhen makes an edge the condition of a node: that the port it comes
// from is active, or else that its value is true.
func (w *wfPlanner) connectWhen(e *dataflow.Edge, from, to *nodePlan, ref dataflow.Ref) {
	if g, _ := w.gateOf(ref); g.port != "" {
		to.guards = addOnce(to.guards, g)
		to.deps = append(to.deps, dep{from.pos, e.Span})
		return
	}
	if to.node.When != nil || to.whenRef != nil {
		w.errorf("FC313", edgeSpan(e, "/input"), "the node %s has a condition already", to.node.ID).
			Hint = "keep one of when and the connection"
		return
	}
	to.whenRef = ref
}

// connectInput puts an edge's reference into the config of the node it leads
// to.
func (w *wfPlanner) connectInput(e *dataflow.Edge, from, to *nodePlan, ref dataflow.Ref) {
	span := edgeSpan(e, "/input")
	if e.Input == "" {
		w.errorf("FC316", span, "the connection names no input of %s", to.node.ID).
			Hint = "name one, or leave out the output as well if only the order matters"
		return
	}
	names := strings.Split(e.Input, ".")
	if slices.Contains(names, "") {
		w.errorf("FC316", span, "the input %q can't be read", e.Input).Hint = `write "name" or "where.email"`
		return
	}
	if to.spec != nil && to.spec.Param(names[0]) == nil && to.spec.Rest == nil {
		d := w.errorf("FC316", span, "%s has no input %q", to.node.Type, names[0])
		d.Hint = dataflow.DidYouMean(names[0], paramNames(to.spec))
		if inner := to.inside(names[0]); inner != "" {
			d.Hint = fmt.Sprintf("write %q", inner)
		} else if g, _ := w.gateOf(ref); g.port != "" {
			d.Hint = fmt.Sprintf("write \"when\": then %s runs if %s takes this way", to.node.ID, e.From)
		} else if d.Hint == "" {
			after := fmt.Sprintf("if %s is only to run after %s, write add_connection(%q, \"\", %q, \"\")", to.node.ID, e.From, e.From, e.To)
			if d.Hint = after; len(paramNames(to.spec)) > 0 {
				d.Hint = strings.TrimPrefix(dataflow.NearOrAll(names[0], paramNames(to.spec))+"; "+after, "; ")
			}
		}
		w.refused(to)
		w.hintReversed(d, e, from, to)
		return
	}
	if to.setInput(to.raw, names, ref) {
		to.edgeSpans = append(to.edgeSpans, edgeInput{pointer(names), span})
		return
	}
	d := w.errorf("FC313", span, "%s of %s is given twice", e.Input, to.node.ID)
	d.Hint = "keep one of the config's value and the connection"
	d.Related = []dataflow.Related{{Message: "the other one", Span: to.spanOf(pointer(names))}}
}

// inside returns the path of an input that is a part of one of n's parameters:
// "fields.status" of an update, "inputs.email" of a workflow.
func (n *nodePlan) inside(name string) string {
	if n.callee != nil {
		if _, ok := n.callee.wf.InputShape.Index(name); ok {
			_, param := n.typ.(WorkflowCaller).Callee(n.raw)
			return param + "." + name
		}
	}
	for _, p := range n.spec.Params {
		if t, known, ok := p.Type.Attr(name); ok && known && t != nil {
			return p.Name + "." + name
		}
	}
	return ""
}

// setInput sets a name, or a name within nested objects, which it copies. It
// is false if there is a value already.
func (n *nodePlan) setInput(o *dataflow.Object, names []string, ref dataflow.Ref) bool {
	old, there := o.Get(names[0])
	if len(names) == 1 {
		if !there {
			o.Set(names[0], ref)
		}
		return !there
	}
	inner := dataflow.NewObject()
	if there {
		was, ok := old.(*dataflow.Object)
		if !ok {
			return false
		}
		inner = was.Clone()
	}
	ok := n.setInput(inner, names[1:], ref)
	o.Set(names[0], inner)
	return ok
}

// edgeInput is a part of a node's config that an edge gives.
type edgeInput struct {
	pointer string // below the config
	span    dataflow.Span
}

// spanOf returns the place of a part of n's config.
func (n *nodePlan) spanOf(ptr string) dataflow.Span {
	for _, e := range n.edgeSpans {
		if ptr == e.pointer || strings.HasPrefix(ptr, e.pointer+"/") {
			return e.span
		}
	}
	return partSpan(n.node, "/config"+ptr)
}

// partSpan returns the place of a part of a node, or of the node.
func partSpan(node *dataflow.Node, ptr string) dataflow.Span {
	if s := node.Spans.At(ptr); !s.IsZero() {
		return s
	}
	return node.Span
}

// keySpanOf returns the place of a key of n's config.
func (n *nodePlan) keySpanOf(ptr string) dataflow.Span {
	for _, e := range n.edgeSpans {
		if ptr == e.pointer {
			return e.span
		}
	}
	if s := n.node.Spans.Key("/config" + ptr); !s.IsZero() {
		return s
	}
	return n.node.Span
}

func edgeSpan(e *dataflow.Edge, part string) dataflow.Span {
	if s := e.Spans.At(part); !s.IsZero() {
		return s
	}
	return e.Span
}

func pointer(names []string) string {
	var b strings.Builder
	for _, n := range names {
		b.WriteByte('/')
		b.WriteString(escape(n))
	}
	return b.String()
}

// escape writes a name as a part of a JSON pointer (RFC 6901).
func escape(name string) string { return codec.EscapePointer(name) }

func unescape(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~1", "/"), "~0", "~")
}

func itoa(i int) string { return strconv.Itoa(i) }

func paramNames(s *dataflow.NodeSpec) []string {
	names := make([]string, len(s.Params))
	for i, p := range s.Params {
		names[i] = p.Name
	}
	return names
}

package engine

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

// outputs compiles what the workflow gives back.
func (w *wfPlanner) outputs() {
	wf := w.wp.wf
	if wf.Output == nil {
		var names []string
		var fields []*dataflow.Field
		for _, n := range w.wp.nodes {
			names = append(names, n.node.ID)
			if n.undoes != nil {
				continue
			}
			fields = append(fields, &dataflow.Field{Name: n.node.ID, Type: n.output, Optional: n.skippable})
		}
		w.wp.shape = dataflow.NewShape(names...)
		w.wp.outputType = dataflow.ObjectType(fields...)
		return
	}
	w.wp.output, w.wp.outputType = w.compileOutput(wf.Output, "/output")
}

// wholeRows marks the one node of a workflow that reads rows for its outputs
// alone. In tables that others write to, values may stand in other words than
// ours, so that their text is made of what they are.
func (w *wfPlanner) wholeRows() {
	if len(w.wp.nodes) != 1 || w.wp.nodes[0].op == nil {
		return
	}
	n := w.wp.nodes[0]
	if db := n.op.op.Model.Database; db == nil || db.Options.ExistingSchemaMode {
		return
	}
	switch n.op.op.Kind {
	case dataflow.OpRead:
		n.whole = asItIs(w.wp.output, 0)
	case dataflow.OpList: // its records, how many there are, and so on
		n.whole = asItIs(w.wp.output, 1)
	}
}

// asItIs reports whether an output has of the results of nodes only what is at
// most so many steps into them, and all of that. nil has all of them.
func asItIs(e expr, steps int) bool {
	all := func(es []expr) bool {
		return !slices.ContainsFunc(es, func(e expr) bool { return !asItIs(e, steps) })
	}
	switch e := e.(type) {
	case nil, constant, *inputRef, envRef, *ctxRef:
		return true
	case *nodeRef:
		return len(e.path) <= steps
	case orNull:
		return asItIs(e.expr, steps)
	case *listExpr:
		return all(e.items)
	case *objectExpr:
		return all(e.vals)
	}
	return false
}

// compileOutput compiles a part of a workflow's output and works out its type.
func (w *wfPlanner) compileOutput(v any, ptr string) (expr, *dataflow.Type) {
	switch v := v.(type) {
	case dataflow.Ref:
		e, t := w.compileRef(v)
		return orNull{e}, t
	case *dataflow.Template:
		return orNull{w.compileText(v)}, dataflow.String
	case []any:
		out := &listExpr{}
		elem := (*dataflow.Type)(nil)
		for i, item := range v {
			e, t := w.compileOutput(item, ptr+"/"+itoa(i))
			out.items = append(out.items, e)
			if elem == nil {
				elem = t
			} else if elem != t {
				elem = dataflow.Any
			}
		}
		if elem == nil {
			elem = dataflow.Any
		}
		return out, dataflow.ListOf(elem)
	case *dataflow.Object:
		out := &objectExpr{}
		var names []string
		fields := []*dataflow.Field{}
		for name, item := range v.All {
			e, t := w.compileOutput(item, ptr+"/"+escape(name))
			names, out.vals = append(names, name), append(out.vals, e)
			fields = append(fields, &dataflow.Field{Name: name, Type: t, Optional: w.maySkip(item)})
		}
		out.shape = dataflow.NewShape(names...)
		return out, dataflow.ObjectType(fields...)
	case dataflow.Func, *dataflow.Model, dataflow.Op, *dataflow.Op, *dataflow.Workflow:
		w.errorf("FC305", w.wp.wf.Spans.At(ptr), "%s can't be part of an output", thing(v))
		return constant{}, dataflow.Any
	}
	return constant{v}, constantType(v)
}

// maySkip reports whether a reference is to what a run may skip.
func (w *wfPlanner) maySkip(v any) bool {
	ref, ok := v.(dataflow.Ref)
	if !ok || ref.Root != dataflow.RootNode {
		return false
	}
	g, ok := w.gateOf(ref)
	return ok && (g.port != "" || g.failed || w.wp.nodes[g.pos].skippable)
}

func constantType(v any) *dataflow.Type {
	switch v.(type) {
	case string:
		return dataflow.String
	case int64:
		return dataflow.Int
	case bool:
		return dataflow.Bool
	case float64:
		return dataflow.Float
	}
	return dataflow.Any
}

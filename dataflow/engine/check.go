package engine

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

// checkInputs checks what a node gives to the workflow it runs.
func (w *wfPlanner) checkInputs(n *nodePlan) {
	_, param := n.typ.(WorkflowCaller).Callee(n.raw)
	v, _ := n.raw.Get(param)
	in, ok := v.(*dataflow.Object)
	if !ok && v != nil {
		return // a reference to an object: the run checks it
	}
	if in == nil {
		in = dataflow.NewObject()
	}
	callee := n.callee.wf
	names := inputNames(callee)
	slip := misspelt(in, names)
	for _, f := range callee.Input {
		ptr := "/" + param + "/" + escape(f.Name)
		given, ok := in.Get(f.Name)
		switch {
		case ok:
			w.checkPart(n, f, given, ptr)
		case f.Required() && !slip[f.Name]:
			w.errorf("FC331", n.spanOf("/"+param), "the workflow %s needs the input %q", callee.Name, f.Name).
				Hint = fmt.Sprintf("add %q: %s to %s", f.Name, sample(f.Type), param)
		}
	}
	for name := range in.All {
		if _, ok := callee.InputShape.Index(name); !ok {
			w.errorf("FC331", n.keySpanOf("/"+param+"/"+escape(name)), "the workflow %s takes no input %q", callee.Name, name).
				Hint = dataflow.NearOrAll(name, names)
		}
	}
}

func inputNames(wf *dataflow.Workflow) []string {
	names := make([]string, len(wf.Input))
	for i, f := range wf.Input {
		names[i] = f.Name
	}
	return names
}

// checkPart checks a part of a config that is compiled as a part of something
// less precise: what it refers to has been reported then.
func (w *wfPlanner) checkPart(n *nodePlan, f *dataflow.Field, v any, ptr string) {
	before := len(w.diags)
	ref, isRef := v.(dataflow.Ref)
	if isRef {
		if e, from := w.compileRef(ref); e != nil {
			w.checkAssign(n, f, ref, from)
			return
		}
		w.diags = w.diags[:before] // known already
		return
	}
	if isConstant(v) {
		w.compileConstant(n, f, v, ptr)
	}
}

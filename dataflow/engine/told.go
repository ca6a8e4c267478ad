package engine

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

const emitNode = "EmitNode"

// told checks what an EmitNode tells against the inputs of those who listen to
// it: at run time it would be refused by the transaction that tells of it.
func (w *wfPlanner) told(n *nodePlan) {
	event, _ := n.raw.Get("event")
	given, there := n.raw.Get("data")
	data, written := given.(*dataflow.Object)
	if n.node.Type != emitNode || there && !written {
		return // a reference: only a run knows what is in it
	}
	for _, s := range w.planner.plan.app.Subscriptions {
		if s.Event != event {
			continue
		}
		if wf := w.planner.listener(s); wf != nil {
			for _, in := range wf.Input {
				w.toldInput(n, data, wf, in)
			}
		}
	}
}

// listener is the workflow that listens; nil if there is none, which is said of
// the subscription.
func (p *planner) listener(s *dataflow.Subscription) *dataflow.Workflow {
	if s.Workflow != nil {
		return s.Workflow
	}
	for _, wf := range p.plan.app.Workflows {
		if wf.Name == s.Name {
			return wf
		}
	}
	return nil
}

func (w *wfPlanner) toldInput(n *nodePlan, data *dataflow.Object, wf *dataflow.Workflow, in *dataflow.Field) {
	if in.Name == "event" { // filled with its name
		return
	}
	var v any
	given := false
	if data != nil {
		v, given = data.Get(in.Name)
	}
	related := []dataflow.Related{{Message: "the input", Span: in.Span}}
	if !given {
		if in.Required() {
			d := w.errorf("FC386", partSpan(n.node, "/config/data"), "nothing of data fills the input %q of %s, which listens", in.Name, wf.Name)
			d.Hint, d.Related = fmt.Sprintf("add %q: %s to data", in.Name, sample(in.Type)), related
		}
		return
	}
	// What is wrong with a value by itself has been said of the config.
	part := *in
	p := w.planner
	before := len(p.diags)
	w.compileValue(n, &part, v, "/data/"+escape(in.Name))
	found := append([]dataflow.Diagnostic(nil), p.diags[before:]...)
	p.diags = p.diags[:before]
	for _, d := range found {
		if d.Code == "FC305" || d.Code == "FC312" {
			d.Code, d.Message, d.Related = "FC386", fmt.Sprintf("%s listens: its input %s", wf.Name, d.Message), related
			p.diags = append(p.diags, d)
			return
		}
	}
}

package engine

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// Signals lists the signals that runs of a workflow may wait for, each once. ok
// is false where there may be others, which only a run knows.
func (p *Plan) Signals(workflow string) (list []dataflow.Signal, ok bool) {
	wp, found := p.workflows[workflow]
	if !found {
		return nil, false
	}
	if wp.wf.Handler != nil {
		return wp.wf.Signals, wp.wf.Signals != nil
	}
	ok = true
	for _, n := range wp.nodes {
		s, known := n.listens()
		if ok = ok && known; !known || s.Name == "" {
			continue
		}
		if first := signalNamed(list, s.Name); first == nil {
			list = append(list, s)
		} else if first.Payload == nil {
			first.Payload = s.Payload
		}
	}
	return list, ok
}

func signalNamed(list []dataflow.Signal, name string) *dataflow.Signal {
	for i := range list {
		if list[i].Name == name {
			return &list[i]
		}
	}
	return nil
}

// listens is the signal that the node waits for; one without a name: none. known
// is false if only the run knows.
func (n *nodePlan) listens() (s dataflow.Signal, known bool) {
	if _, waits := n.typ.(Waiter); !waits {
		return dataflow.Signal{}, true
	}
	listener, tells := n.typ.(Listener)
	if !tells {
		return dataflow.Signal{}, false
	}
	return listener.Listens(n.raw)
}

// SignalAt is the name of the signal that a node waits for; "" if for none, or
// only a run knows.
func (p *Plan) SignalAt(workflow, node string) string {
	if wp, ok := p.workflows[workflow]; ok {
		for _, n := range wp.nodes {
			if s, known := n.listens(); known && n.node.ID == node {
				return s.Name
			}
		}
	}
	return ""
}

// Hangs reports whether a node of a workflow refers to another, or to one that does.
// It does as well if one of them is not there.
func (p *Plan) Hangs(workflow, node, on string) bool {
	wp, ok := p.workflows[workflow]
	if !ok {
		return true
	}
	byID := func(id string) int {
		return slices.IndexFunc(wp.nodes, func(n *nodePlan) bool { return n.node.ID == id })
	}
	from, to := byID(node), byID(on)
	if from < 0 || to < 0 {
		return true
	}
	seen := map[int]bool{}
	var reaches func(pos int) bool
	reaches = func(pos int) bool {
		return slices.ContainsFunc(wp.nodes[pos].deps, func(d dep) bool {
			if d.pos == to || seen[d.pos] {
				return d.pos == to
			}
			seen[d.pos] = true
			return reaches(d.pos)
		})
	}
	return reaches(from)
}

// TakePayload makes of what came with a signal what the run gets, all problems at
// once. as is what has to come with it, nil for anything, and at the pointer to what
// came.
func TakePayload(as *dataflow.Field, payload any, at string) (any, error) {
	if as == nil {
		return payload, nil
	}
	out, problems := codec.Coerce(as, payload, at)
	if len(problems) > 0 {
		return nil, dataflow.Invalid(problems...)
	}
	return out, nil
}

// awaited is the signal of that name that a handler may wait for; one that says which
// it does waits for no other.
func (wp *workflowPlan) awaited(name string) (dataflow.Signal, error) {
	declared := wp.wf.Signals
	if declared == nil {
		return dataflow.Signal{Name: name}, nil
	}
	if s := signalNamed(declared, name); s != nil {
		return *s, nil
	}
	names := make([]string, len(declared))
	for i, s := range declared {
		names[i] = s.Name
	}
	return dataflow.Signal{}, &dataflow.Error{Code: "unknown_signal", Status: dataflow.StatusInternal,
		Message: fmt.Sprintf("%s waits for the signal %q, which it does not declare, so that nobody could send it", wp.wf.Name, name),
		Hint:    cmp.Or(dataflow.DidYouMean(name, names), fmt.Sprintf("declare it: signals = {%q: …}", name))}
}

// checkDeclared refuses signals of runs that are not kept, which can't be sent any.
func (p *planner) checkDeclared(wp *workflowPlan) {
	if wf := wp.wf; wf.Handler != nil && wf.Signals != nil && !wp.durable {
		p.errorf("FC388", wf.Spans.At("/signals"), "the handler %s declares signals, and its runs are not kept", wf.Name).
			Hint = "write durable = True: a run that waits for a signal rests in the database"
	}
}

// checkSignals refuses a signal of which a workflow says two things: nobody could
// tell which of its waits one is for that is sent before the run gets there.
func (w *wfPlanner) checkSignals() {
	first := map[string]*nodePlan{}
	for _, n := range w.wp.nodes {
		s, known := n.listens()
		if !known || s.Name == "" || s.Payload == nil {
			continue
		}
		before := first[s.Name]
		if before == nil {
			first[s.Name] = n
			continue
		}
		if other, _ := before.listens(); !reflect.DeepEqual(bare(other.Payload), bare(s.Payload)) {
			d := w.errorf("FC347", partSpan(n.node, "/config/payload"), "%s and %s wait for the signal %s with different payloads", before.node.ID, n.node.ID, s.Name)
			d.Hint = "give one of them another name, or declare one payload for both"
			d.Related = []dataflow.Related{{Message: "the other one", Span: partSpan(before.node, "/config/payload")}}
		}
	}
}

// bare is a field without the places where it is written.
func bare(f *dataflow.Field) dataflow.Field {
	out := *f
	out.Span, out.Spans, out.Type = dataflow.Span{}, nil, bareType(f.Type)
	return out
}

func bareType(t *dataflow.Type) *dataflow.Type {
	out := *t
	if t.Elem != nil {
		out.Elem = bareType(t.Elem)
	}
	if t.Fields != nil {
		out.Fields = make([]*dataflow.Field, len(t.Fields))
		for i, f := range t.Fields {
			part := bare(f)
			out.Fields[i] = &part
		}
	}
	return &out
}

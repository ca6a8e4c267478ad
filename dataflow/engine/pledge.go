package engine

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// What a durable run has to undo if it fails is known from its journal: from the
// steps that are done, and what their results are. A step may have parts that
// can be undone and are no steps themselves: the nodes of a workflow that a node
// or a handler runs, and calls in a transaction that has failed. For each of
// these the journal has a pledge, which says how.

// stepKey is a node's key within the run.
func (r *run) stepKey(f *frame, n *nodePlan) string { return f.keyOf(n)[len(r.id)+1:] }

// undone is the node that an undo is of, within the run.
func (r *run) undone(u undo) string { return r.stepKey(u.frame, u.node.undoes) }

// pledges says how to undo the parts of a step.
func (r *run) pledges(step string) []*Step {
	r.undoing.Lock()
	defer r.undoing.Unlock()
	var steps []*Step
	for _, u := range r.undos {
		if u.key != step && below(u.key, step) && u.frame.key != r.id {
			steps = append(steps, r.pledge(u))
		}
	}
	return steps
}

// owed says how to undo what no step that is kept tells of.
func (r *run) owed() []*Step {
	kept := map[string]bool{}
	for _, s := range r.durable.Journal.Recorded() {
		kept[s.Key] = s.State == StepDone
	}
	r.undoing.Lock()
	defer r.undoing.Unlock()
	var steps []*Step
	for _, u := range r.undos {
		if u.frame.key != r.id || !kept[u.node.undoes.node.ID] {
			steps = append(steps, r.pledge(u))
		}
	}
	return steps
}

// pledge is what is kept of an undo: of its config that which neither the file
// nor the environment says, for that is known, and may be a function or a secret.
func (r *run) pledge(u undo) *Step {
	given := dataflow.NewObject()
	for i, x := range u.node.config.vals {
		if v := ofTheRun(x, u.config.Vals()[i]); v != dataflow.Absent {
			given.Set(u.node.config.shape.Name(i), v)
		}
	}
	now := r.now()
	return &Step{Key: r.stepKey(u.frame, u.node), State: StepPledged, Result: given, Started: now, Ended: now}
}

// ofTheRun is what is in a value that only the run knows; Absent if that is
// nothing.
func ofTheRun(x expr, v any) any {
	if known(x) {
		return dataflow.Absent
	}
	of, ok := x.(*objectExpr)
	whole, is := v.(*dataflow.Object)
	if !ok || !is {
		return v
	}
	part := dataflow.NewObject()
	for i, x := range of.vals {
		name := of.shape.Name(i)
		if v, there := whole.Get(name); there {
			if v = ofTheRun(x, v); v != dataflow.Absent {
				part.Set(name, v)
			}
		}
	}
	return part
}

// again is a value of which the run kept what only it knew.
func again(f *frame, x expr, kept any) any {
	if known(x) {
		v, _ := x.eval(f) // nothing in it can fail
		return v
	}
	of, ok := x.(*objectExpr)
	part, is := kept.(*dataflow.Object)
	if !ok || !is {
		return kept
	}
	whole := dataflow.NewBlank(of.shape)
	for i, x := range of.vals {
		v, there := part.Get(of.shape.Name(i))
		if !there {
			v = dataflow.Absent
		}
		whole.Vals()[i] = again(f, x, v)
	}
	return whole
}

// known reports whether the file and the environment say all of a part.
func known(x expr) bool {
	switch x := x.(type) {
	case constant, envRef:
		return true
	case orNull:
		return known(x.expr)
	case *text:
		return !slices.ContainsFunc(x.parts, func(p textPart) bool { return p.expr != nil && !known(p.expr) })
	case *listExpr:
		return !slices.ContainsFunc(x.items, func(x expr) bool { return !known(x) })
	case *objectExpr:
		return !slices.ContainsFunc(x.vals, func(x expr) bool { return !known(x) })
	}
	return false
}

// pledged is the undo of which a step says how to do it, or that it could not be
// done.
func (f *frame) pledged(s *Step) (u undo, ok bool) {
	if s.State != StepPledged && s.State != StepFailed {
		return undo{}, false
	}
	at, n := f.find(s.Key)
	if n == nil || n.undoes == nil {
		return undo{}, false
	}
	given, _ := s.Result.(*dataflow.Object)
	vals := make([]any, len(n.config.vals))
	for i, x := range n.config.vals {
		kept := dataflow.Absent
		if given != nil {
			if v, there := given.Get(n.config.shape.Name(i)); there {
				kept = v
			}
		}
		vals[i] = again(at, x, kept)
	}
	return undo{at, n, dataflow.NewRecord(n.config.shape, vals), at.keyOf(n.undoes)}, true
}

// find returns the node that has a key, and a frame of the workflow that it is
// in: the key leads through the nodes, and the calls of handlers, that run it.
func (f *frame) find(key string) (*frame, *nodePlan) {
	parts := strings.Split(key, "/")
	for _, part := range parts[:len(parts)-1] {
		name, _, _ := strings.Cut(part, "#")
		var wp *workflowPlan
		if f.plan.wf.Handler != nil {
			wp = f.run.engine.plan.workflows[name]
		} else if n := f.plan.node(name); n != nil {
			wp = n.runs()
		}
		if wp == nil {
			return nil, nil
		}
		in := newFrame(f.run, wp, f.key+"/"+part, make([]any, wp.wf.InputShape.Len()))
		in.depth = f.depth + 1
		f = in
	}
	return f, f.plan.node(parts[len(parts)-1])
}

func (wp *workflowPlan) node(id string) *nodePlan {
	i := slices.IndexFunc(wp.nodes, func(n *nodePlan) bool { return n.node.ID == id })
	if i < 0 {
		return nil
	}
	return wp.nodes[i]
}

// runs is the workflow that a node runs as a part of its own, or nil.
func (n *nodePlan) runs() *workflowPlan {
	switch {
	case n.callee != nil:
		return n.callee
	case n.target != nil:
		return n.target.callee
	}
	return nil
}

// mayOwe reports whether a node, or a member of it, may leave something outside
// that is to be undone if the run fails.
func (n *nodePlan) mayOwe() bool {
	return n.owes || slices.ContainsFunc(n.members, (*nodePlan).mayOwe)
}

// toEnd is for a call that can be undone: though the run is cancelled meanwhile,
// it is let come to its end, by which is known whether there is something to
// undo.
func (r *run) toEnd(ctx context.Context) (context.Context, context.CancelFunc) {
	on, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		if cause := context.Cause(ctx); !errors.Is(cause, ErrCancelled) {
			cancel(cause)
		}
	})
	leave := func() bool { return true }
	if process := r.durable.Process; process != nil {
		leave = context.AfterFunc(process, func() { cancel(context.Cause(process)) })
	}
	return on, func() {
		stop()
		leave()
		cancel(nil)
	}
}

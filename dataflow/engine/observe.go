package engine

import (
	"context"

	"github.com/flowctl/flowctl/dataflow"
)

// Observer hears of what an engine runs, from any goroutine. Its methods must
// be quick; each returns the context that what begins runs in, and what is to
// be called once, with its error, when it has ended.
type Observer interface {
	// Workflow hears of a run, of a workflow that another one runs, and of each
	// turn of a durable run: from where its journal left it to its end or to
	// where it rests.
	Workflow(ctx context.Context, wf *dataflow.Workflow, run string) (context.Context, func(error))
	// Node hears of a node, all its attempts together, and, with an id of "", of
	// what a handler runs. Skipped nodes are not told of.
	Node(ctx context.Context, wf *dataflow.Workflow, id, typ string) (context.Context, func(error))
}

// ErrAgain is what something has ended with that is run once more: now that it
// is known which database the run writes to. It says nothing about anybody.
var ErrAgain = errRestart

func unobserved(error) {}

// watchWorkflow tells the observer, if there is one, that a workflow begins.
func (r *run) watchWorkflow(ctx context.Context, wf *dataflow.Workflow) (context.Context, func(error)) {
	if o := r.engine.opts.Observer; o != nil {
		return o.Workflow(ctx, wf, r.id)
	}
	return ctx, unobserved
}

func (r *run) watchNode(ctx context.Context, wf *dataflow.Workflow, id, typ string) (context.Context, func(error)) {
	if o := r.engine.opts.Observer; o != nil {
		return o.Node(ctx, wf, id, typ)
	}
	return ctx, unobserved
}

// watch tells the observer of what a handler or a node runs by itself.
func (rt *runtime) watch(typ string, do func(context.Context) (any, error)) func(context.Context) (any, error) {
	if rt.run.engine.opts.Observer == nil || rt.plan == nil {
		return do
	}
	return func(ctx context.Context) (any, error) {
		ctx, ended := rt.run.watchNode(ctx, rt.plan.wf, "", typ)
		out, err := do(ctx)
		ended(err)
		return out, err
	}
}

package engine

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store"
)

// node runs one node, unless it is to be skipped.
func (f *frame) node(ctx context.Context, n *nodePlan) error {
	if f.closed(n) {
		f.skip(n)
		return nil
	}
	if n.when != nil {
		yes, err := f.when(n)
		if err != nil {
			return f.failure(ctx, n, err)
		}
		if !yes {
			f.skip(n)
			return nil
		}
	}
	watched, ended := f.run.watchNode(ctx, f.plan.wf, n.node.ID, n.node.Type)
	out, err := f.attempts(watched, n, nil)
	ended(err)
	if err != nil {
		return f.failed(ctx, n, f.failure(ctx, n, err))
	}
	if out == dataflow.Absent {
		f.skip(n)
		return nil
	}
	f.results[n.pos], f.state[n.pos] = out, stateDone
	return f.done(ctx, n)
}

// closed reports whether a node hangs on what was skipped.
func (f *frame) closed(n *nodePlan) bool {
	for _, g := range n.guards {
		if !f.open(g) {
			return true
		}
	}
	if len(n.gates) == 0 || n.always {
		return false
	}
	if n.spec.Partial {
		return !slices.ContainsFunc(n.gates, f.open)
	}
	for _, g := range n.gates {
		if !f.open(g) {
			return true
		}
	}
	return false
}

func (f *frame) open(g gate) bool {
	if g.failed {
		return f.state[g.pos] == stateFailed
	}
	return f.state[g.pos] == stateDone && (g.port == "" || portActive(f.results[g.pos], g.port))
}

// skip marks a node, and with it the nodes of its scope.
func (f *frame) skip(n *nodePlan) {
	f.state[n.pos] = stateSkipped
	for _, m := range n.members {
		f.state[m.pos] = stateSkipped
	}
}

func (f *frame) when(n *nodePlan) (bool, error) {
	v, err := n.when.eval(f)
	if err != nil {
		return false, err
	}
	switch v := decoded(v).(type) {
	case bool:
		return v, nil
	case nil:
		return false, nil
	}
	return false, &dataflow.Error{Code: "wrong_type", Status: dataflow.StatusRejected, Span: partSpan(n.node, "/when"),
		Message: fmt.Sprintf("when wants a bool, and got a %s", kindOf(v))}
}

// attempts runs a node, again if it fails and its retry allows. In a
// transaction each attempt has a savepoint, so that a failed one leaves
// nothing. given is its config, where it has been worked out before.
func (f *frame) attempts(ctx context.Context, n *nodePlan, given *dataflow.Object) (any, error) {
	retry := n.node.Retry
	if retry == nil {
		retry = &dataflow.Retry{}
	}
	if retry.Max == 0 && n.onError == nil {
		return f.attempt(ctx, n, given)
	}
	for try := 0; ; try++ {
		var out any
		attempt := func() (err error) {
			out, err = f.attempt(ctx, n, given)
			return err
		}
		err := f.run.savepoint(ctx, attempt)
		if err == nil || try >= retry.Max || ctx.Err() != nil || f.run.restarts() || !worthRetry(retry, err) {
			return out, err
		}
		if err := f.run.pause(ctx, retry.Backoff, try); err != nil {
			return nil, err
		}
		for _, m := range n.members {
			f.forget(m)
		}
	}
}

// savepoint runs body so that its failure leaves nothing in the transaction.
func (r *run) savepoint(ctx context.Context, body func() error) error {
	if r.tx == nil {
		return body()
	}
	before := r.failed
	err := r.tx.Savepoint(ctx, body)
	if err != nil {
		r.failed = before
	}
	return err
}

// worthRetry reports whether trying again may help: by default if the
// database was busy, something took too long, or a service failed.
func worthRetry(r *dataflow.Retry, err error) bool {
	e := dataflow.AsError(err)
	if len(r.On) > 0 {
		return slices.Contains(r.On, e.Code)
	}
	return e.Status == dataflow.StatusBusy || e.Status == dataflow.StatusTimeout || e.Status == dataflow.StatusUpstream
}

// maxPause bounds the pause between two attempts.
const maxPause = time.Minute

// delay is the longest pause after so many attempts: the backoff, doubled each
// time.
func delay(backoff time.Duration, try int) time.Duration {
	return min(min(backoff, maxPause)<<min(try, 16), maxPause)
}

// pause waits before the next attempt. While the run holds a transaction that
// writes, others wait too: then it does not. The plan refuses such a retry
// where it can see it; a handler may run a workflow that has one.
func (r *run) pause(ctx context.Context, backoff time.Duration, try int) error {
	d := delay(backoff, try)
	if r.tx != nil {
		d = 0
	}
	if d <= 1 {
		return ctx.Err()
	}
	t := time.NewTimer(d/2 + rand.N(d/2)) // so that runs which failed together don't come back together
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// attempt runs a node once.
func (f *frame) attempt(ctx context.Context, n *nodePlan, config *dataflow.Object) (out any, err error) {
	if f.depth > 0 || !f.plan.alone() { // what was asked for, and is a single read, has only just begun
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	if n.node.Timeout > 0 {
		limit := &dataflow.Error{Code: "timeout", Status: dataflow.StatusTimeout,
			Message: fmt.Sprintf("the node %s took longer than its %s", n.node.ID, n.node.Timeout)}
		timed, cancel := context.WithTimeoutCause(ctx, n.node.Timeout, limit)
		defer cancel()
		defer func() {
			if err != nil {
				err = asRunError(timed, err)
			}
		}()
		ctx = timed
	}
	defer func() {
		if p := recover(); p != nil {
			err = f.run.panicked(p, f.plan.wf, n.node.ID)
		}
	}()
	if n.undo != nil && n.outside && f.run.durable != nil {
		var cancel context.CancelFunc
		ctx, cancel = f.run.toEnd(ctx)
		defer cancel()
	}
	if config == nil {
		if config, err = f.config(n); err != nil {
			return nil, err
		}
	}
	if n.op != nil {
		if n.whole && f.run.text && f.depth == 0 {
			return f.run.written(ctx, n.op, config)
		}
		return f.run.operation(ctx, n.op, config)
	}
	key := f.keyOf(n)
	call := &Call{Node: n.node, Config: config, Key: key, Runtime: &runtime{run: f.run, key: key, depth: f.depth}}
	if n.callee != nil {
		return f.callee(ctx, n, config, key)
	}
	if _, ok := n.typ.(Scoper); ok {
		call.Scope = func(ctx context.Context) error { return f.scope(ctx, n) }
	}
	if n.target != nil {
		f.giveTarget(call, n)
	}
	return n.typ.Run(ctx, call)
}

// keyOf names a node of the run, the same way each time.
func (f *frame) keyOf(n *nodePlan) string { return f.key + "/" + n.node.ID }

// config works out a node's config.
func (f *frame) config(n *nodePlan) (*dataflow.Object, error) {
	config, err := n.config.object(f)
	if err != nil || n.op != nil { // an operation coerces its arguments itself
		return config, err
	}
	return config, coerceConfig(n, config)
}

// coerceConfig brings what only the run knows into the types of the spec.
func coerceConfig(n *nodePlan, config *dataflow.Object) error {
	var problems []dataflow.Problem
	vals := config.Vals()
	for _, p := range n.coerce {
		if vals[p.pos] == dataflow.Absent {
			continue
		}
		v, ps := codec.Coerce(p.field, vals[p.pos], "/"+escape(p.field.Name))
		vals[p.pos], problems = v, append(problems, ps...)
	}
	if len(problems) > 0 {
		return dataflow.Invalid(problems...)
	}
	return nil
}

// callee runs the workflow of a WorkflowCaller.
func (f *frame) callee(ctx context.Context, n *nodePlan, config *dataflow.Object, key string) (any, error) {
	_, param := n.typ.(WorkflowCaller).Callee(n.raw)
	v, _ := config.Get(param)
	in, _ := v.(*dataflow.Object)
	if n.letGo {
		out, err := (&runtime{run: f.run, key: key}).letGo(ctx, n.callee.wf, in)
		if err != nil {
			return nil, reroot(err, "/"+escape(param))
		}
		return out, nil
	}
	out, err := f.run.nested(ctx, n.callee, key, f.depth+1, in)
	if err != nil {
		return nil, reroot(err, "/"+escape(param))
	}
	return out, nil
}

// reroot moves the problems of an error below a part of a config.
func reroot(err error, prefix string) error {
	e := dataflow.AsError(err)
	if len(e.Problems) == 0 {
		return e
	}
	out := *e
	out.Problems = slices.Clone(e.Problems)
	for i := range out.Problems {
		out.Problems[i].Pointer = prefix + out.Problems[i].Pointer
	}
	return &out
}

// scope runs the members of a scope, all or nothing.
func (f *frame) scope(ctx context.Context, n *nodePlan) error {
	err := f.run.savepoint(ctx, func() error {
		for _, m := range n.members {
			if err := f.node(ctx, m); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		for _, m := range n.members {
			f.state[m.pos], f.results[m.pos] = stateSkipped, nil
		}
	}
	return err
}

// panicked turns a panic into an error that tells its caller nothing, and the
// log everything.
func (r *run) panicked(p any, wf *dataflow.Workflow, node string) error {
	r.log().Error("a node panicked", "workflow", wf.Name, "node", node, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	return dataflow.Internal(fmt.Errorf("panic in workflow %s, node %q", wf.Name, node))
}

// failure is the error of a node for the caller of the run.
func (f *frame) failure(ctx context.Context, n *nodePlan, err error) error {
	e := dataflow.AsError(asRunError(ctx, err))
	out := *e
	if len(e.Problems) > 0 {
		out.Problems = make([]dataflow.Problem, len(e.Problems))
		for i, p := range e.Problems {
			var span dataflow.Span
			out.Problems[i], span = f.place(n, p)
			if i == 0 && out.Span.IsZero() {
				out.Span = span
			}
		}
	}
	if out.Workflow == "" {
		out.Workflow = f.plan.wf.Name
		out.Node = n.node.ID
	}
	if out.Span.IsZero() {
		out.Span = n.node.Span
	}
	return &out
}

// operation runs an operation of a model in the run's transaction.
func (r *run) operation(ctx context.Context, op *opNode, args *dataflow.Object) (any, error) {
	rd, err := r.reader(op.op)
	if err != nil {
		return nil, err
	}
	if r.failed != nil {
		return nil, r.failed
	}
	out, err := r.engine.models[op.model].Do(ctx, rd, r.caller, op.op.Kind, args)
	if err != nil && op.op.Kind.Writes() {
		r.failed = err
	}
	return out, err
}

// written runs an operation of which the text is all that is wanted.
func (r *run) written(ctx context.Context, op *opNode, args *dataflow.Object) (any, error) {
	rd, err := r.reader(op.op)
	if err != nil {
		return nil, err
	}
	m := r.engine.models[op.model]
	if op.op.Kind == dataflow.OpRead {
		return m.ReadText(ctx, rd, r.caller, args)
	}
	return m.ListText(ctx, rd, r.caller, args)
}

// reader returns what an operation runs on: the run's transaction or snapshot.
func (r *run) reader(op dataflow.Op) (store.Reader, error) {
	db, writes := op.Model.Database, op.Kind.Writes()
	if rd := r.opened(db, writes); rd != nil {
		return rd, nil
	}
	return r.readerOn(db, writes, op.Model.Name+"."+op.Kind.String())
}

// opened returns what there is to run on a database; nil if there is nothing to
// write with.
func (r *run) opened(db *dataflow.Database, writes bool) store.Reader {
	switch {
	case writes && r.readOnly != "":
		return nil
	case r.tx != nil && db == r.txDB:
		return r.tx
	case writes:
		return nil
	case r.snapshots[db] != nil:
		return r.snapshots[db]
	}
	return r.engine.Store(db)
}

// readerOn returns what runs on a database; what names it in an error.
func (r *run) readerOn(db *dataflow.Database, writes bool, what string) (store.Reader, error) {
	if rd := r.opened(db, writes); rd != nil {
		return rd, nil
	}
	switch {
	case r.readOnly != "":
		return nil, &dataflow.Error{Code: "read_only_workflow", Status: dataflow.StatusInternal,
			Message: fmt.Sprintf("%s is declared read_only, so %s can't run in it", r.readOnly, what),
			Hint:    "leave out read_only where it is registered"}
	case r.tx != nil && r.durable != nil:
		return nil, &dataflow.Error{Code: "second_database", Status: dataflow.StatusInternal,
			Message: fmt.Sprintf("%s writes to the database %s, and the run is kept in %s", what, db.Name, r.txDB.Name),
			Hint:    "a run that is kept writes to the database that it is kept in: a handler's is the first that the file declares, a workflow's of nodes the one that those write to"}
	case r.tx != nil:
		return nil, &dataflow.Error{Code: "second_database", Status: dataflow.StatusInternal,
			Message: what + " writes to another database than the run began with",
			Hint:    "a run is all or nothing on one database: make a workflow for each"}
	case r.probing:
		r.wanted = db
		return nil, errRestart
	}
	return nil, &dataflow.Error{Code: "undeclared_write", Status: dataflow.StatusInternal,
		Message: what + " writes, but the node type that runs it does not say so",
		Hint:    "set Effect to EffectWrite in the NodeSpec of the type"}
}

// restarts reports whether the run is about to start again in a transaction.
func (r *run) restarts() bool { return r.probing && r.wanted != nil }

// errRestart ends a run that has found out which database it writes.
var errRestart error = &dataflow.Error{Code: "internal", Status: dataflow.StatusInternal, Message: "the run starts again in a transaction"}

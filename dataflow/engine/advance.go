package engine

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Advance takes a durable run from where its journal left it to its end, or to
// where it rests; the journal is told which. What a unit of the run did is
// kept before the next one begins, so that a run which is cut off goes on
// there: effects on the home database happen once, calls to the outside at
// least once, each time with the same Call.Key.
//
// The error is the run's own failure, ErrLost, ErrCancelled, the end of ctx,
// or that of a store which may answer later.
func (e *Engine) Advance(ctx context.Context, d DurableRun) error {
	wp, ok := e.plan.workflows[d.Workflow]
	if !ok {
		return e.unknownWorkflow(d.Workflow)
	}
	f := e.resume(wp, d)
	if wp.wf.Timeout > 0 {
		var cancel context.CancelFunc
		left := d.Started.Add(wp.wf.Timeout).Sub(f.run.now())
		ctx, cancel = context.WithTimeoutCause(ctx, left, workflowTimeout(wp.wf))
		defer cancel()
	}
	var err error
	switch {
	case wp.wf.Handler != nil && !wp.durable:
		err = f.whole(ctx)
	case wp.wf.Handler != nil:
		err = f.replay(ctx)
	default:
		err = f.advance(ctx)
	}
	over := f.run.durable.over
	if err != nil || over != nil {
		owed := f.run.owed()
		if vain := f.run.durable.vain; vain != nil && over == nil {
			owed = append(owed, vain)
		}
		d.Journal.Pledge(owed)
	}
	if over != nil {
		return over
	}
	if err != nil {
		return named(asRunError(ctx, err), wp.wf)
	}
	return nil
}

// durable is what a durable run has beside its frame. mu is held by who uses
// the journal: calls to the outside end side by side.
type durable struct {
	DurableRun
	mu     sync.Mutex
	steps  map[string]*Step
	calls  map[int]*Step // of a handler, by number
	carry  []*Step       // to be kept with the next commit
	ended  bool          // the journal has the run's output
	rested bool          // the handler is left because it waits
	vain   *Step         // the wait at which the handler failed, for what came or because nothing did
	over   error         // ErrLost or ErrCancelled: what else fails then says nothing
}

// resume makes a run of what its journal holds.
func (e *Engine) resume(wp *workflowPlan, d DurableRun) *frame {
	r := &run{engine: e, id: d.ID, caller: d.Caller, durable: &durable{DurableRun: d, steps: map[string]*Step{}, calls: map[int]*Step{}}}
	f := newFrame(r, wp, d.ID, inputsOver(wp.wf.InputShape, d.Inputs))
	for _, s := range d.Journal.Recorded() {
		r.durable.steps[s.Key] = s
		if s.State == StepPledged {
			continue
		}
		if at := strings.LastIndexByte(s.Key, '#'); at >= 0 {
			r.durable.calls[number(s.Key[at+1:])] = s
		}
	}
	for _, n := range wp.nodes {
		s := r.durable.steps[n.node.ID]
		if s == nil || n.undoes != nil {
			continue
		}
		switch s.State {
		case StepDone:
			f.results[n.pos], f.state[n.pos] = s.Result, stateDone
		case StepSkipped, StepUndone:
			f.state[n.pos] = stateSkipped
		case StepFailed:
			f.results[n.pos], f.state[n.pos] = s.Result, stateFailed
		}
	}
	return f
}

// inputsOver lays inputs out over a workflow's shape, which may have changed
// since they were kept.
func inputsOver(shape *dataflow.Shape, in *dataflow.Object) []any {
	vals := make([]any, shape.Len())
	for i := range vals {
		if in != nil {
			vals[i], _ = in.Get(shape.Name(i))
		}
	}
	return vals
}

func number(s string) int {
	n := 0
	for _, c := range s {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int(c-'0')
	}
	return n
}

// advance runs the units of a graph that have not been run.
func (f *frame) advance(ctx context.Context) error {
	f.rememberUndos(ctx)
	for i, u := range f.plan.units {
		left := f.pending(u.nodes)
		if len(left) == 0 {
			continue
		}
		last := i == len(f.plan.units)-1
		var err error
		rests := false
		switch u.kind {
		case unitLocal:
			err = f.local(ctx, left, last)
		case unitOutside:
			err = f.outside(ctx, left, last)
		case unitWait:
			rests, err = f.waitFor(ctx, left[0], last)
		case unitChild:
			rests, err = f.child(ctx, left[0], last)
		}
		if err != nil || rests {
			return err
		}
	}
	if f.run.durable.ended {
		return nil
	}
	return f.commit(ctx, func(store.Tx) (*Checkpoint, error) {
		cp := &Checkpoint{}
		return cp, f.finish(cp, true)
	})
}

// whole runs a handler that is one transaction, and was started by an event or
// a clock.
func (f *frame) whole(ctx context.Context) error {
	r := f.run
	return f.commitSlow(ctx, func(tx store.Tx) (*Checkpoint, error) {
		r.tx, r.txDB, r.failed = tx, r.durable.Home, nil
		defer func() { r.tx, r.txDB = nil, nil }()
		out, err := f.handler(ctx)
		if err == nil {
			err = r.failed
		}
		return &Checkpoint{Done: true, Output: out}, err
	})
}

// pending returns those of nodes that have not run.
func (f *frame) pending(nodes []*nodePlan) []*nodePlan {
	left := make([]*nodePlan, 0, len(nodes))
	for _, n := range nodes {
		if f.state[n.pos] == statePending {
			left = append(left, n)
		}
	}
	return left
}

// commit keeps a checkpoint in the journal, with what is carried. body waits
// for nothing but the database.
func (f *frame) commit(ctx context.Context, body func(tx store.Tx) (*Checkpoint, error)) error {
	return f.commitSlow(store.Steady(ctx), body)
}

// commitSlow is commit with a body that may wait for others.
func (f *frame) commitSlow(ctx context.Context, body func(tx store.Tx) (*Checkpoint, error)) error {
	d, ended := f.run.durable, false
	err := d.Journal.Commit(ctx, func(tx store.Tx) (*Checkpoint, error) {
		cp, err := body(tx)
		if err != nil {
			return nil, err
		}
		if len(d.carry) > 0 {
			cp.Steps = append(slices.Clone(d.carry), cp.Steps...)
		}
		ended = cp.Done
		return cp, nil
	})
	switch {
	case err == nil:
		d.carry, d.ended = nil, ended
	case errors.Is(err, ErrLost) || errors.Is(err, ErrCancelled):
		d.over = err
	}
	return err
}

// local runs nodes and keeps what they gave, in one transaction.
func (f *frame) local(ctx context.Context, nodes []*nodePlan, last bool) error {
	r := f.run
	inside := func(u undo) bool {
		return u.node.undoes.scope != nil && slices.Contains(nodes, u.node.undoes.scope) ||
			slices.ContainsFunc(nodes, func(n *nodePlan) bool { return below(u.key, f.keyOf(n)) })
	}
	commit := f.commit
	if slices.ContainsFunc(nodes, func(n *nodePlan) bool { return n.outside }) {
		commit = f.commitSlow
		if slices.ContainsFunc(nodes, (*nodePlan).mayOwe) {
			if err := r.durable.Journal.Open(ctx); err != nil {
				return err
			}
		}
	}
	err := commit(ctx, func(tx store.Tx) (*Checkpoint, error) {
		for _, n := range nodes {
			f.forget(n)
		}
		started := r.now()
		r.tx, r.txDB, r.failed = tx, r.durable.Home, nil
		defer func() { r.tx, r.txDB = nil, nil }()
		for _, n := range nodes {
			if err := f.node(ctx, n); err != nil {
				return nil, err
			}
		}
		if r.failed != nil {
			return nil, r.failed
		}
		cp := &Checkpoint{Steps: f.stepsOf(nodes, started)}
		for _, n := range nodes {
			cp.Steps = append(cp.Steps, r.pledges(f.keyOf(n))...)
		}
		return cp, f.finish(cp, last)
	})
	if err != nil { // nothing of it remains, so there is nothing to undo but what was done outside
		r.undoing.Lock()
		r.undos = slices.DeleteFunc(r.undos, func(u undo) bool { return inside(u) && !u.node.undoes.outside })
		r.undoing.Unlock()
		for _, n := range nodes {
			f.forget(n)
		}
	}
	return err
}

// finish adds the run's output to the checkpoint of its last unit.
func (f *frame) finish(cp *Checkpoint, last bool) error {
	if !last {
		return nil
	}
	out, err := f.outcome()
	if err != nil {
		return err
	}
	cp.Done, cp.Output = true, out
	return nil
}

// stepsOf is what is kept of nodes that have run, and of the members of scopes
// among them.
func (f *frame) stepsOf(nodes []*nodePlan, started time.Time) []*Step {
	now := f.run.now()
	steps := make([]*Step, 0, len(nodes))
	for _, n := range nodes {
		for _, one := range append([]*nodePlan{n}, n.members...) {
			s := &Step{Key: one.node.ID, State: StepDone, Result: f.results[one.pos], Attempts: 1, Started: started, Ended: now}
			switch f.state[one.pos] {
			case stateSkipped:
				s.State, s.Attempts = StepSkipped, 0
			case stateFailed:
				s.State = StepFailed
			}
			steps = append(steps, s)
		}
	}
	return steps
}

// outside runs nodes that call out, side by side, and keeps what each gave when
// it has ended. One that fails does not cut the others off: what they did is
// then known, and can be undone.
func (f *frame) outside(ctx context.Context, nodes []*nodePlan, last bool) error {
	d := f.run.durable
	var (
		wg    sync.WaitGroup
		slots = make(chan struct{}, maxParallel)
		errs  = make([]error, len(nodes))
		ended int
	)
	if err := d.Journal.Open(ctx); err != nil {
		return err
	}
	one := func(i int, n *nodePlan) {
		started := f.run.now()
		err := f.node(ctx, n)
		d.mu.Lock()
		defer d.mu.Unlock()
		if errs[i] = err; err != nil {
			return
		}
		ended++
		steps := append(f.stepsOf(nodes[i:i+1], started), f.run.pledges(f.keyOf(n))...)
		err = f.keepDone(ctx, steps, func(cp *Checkpoint) error { return f.finish(cp, last && ended == len(nodes)) })
		if errs[i] = err; err != nil {
			f.forget(n)
		}
	}
	if len(nodes) == 1 {
		one(0, nodes[0])
		return errs[0]
	}
	for i, n := range nodes {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			one(i, n)
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// keepTime bounds how long it may take to keep what a call outside gave when
// the run is already being cut off.
const keepTime = 5 * time.Second

// keepDone keeps steps that have had an effect outside, which nothing takes
// back: also where the run has been cancelled, or its time is over, while they
// had it. Else nobody would know that there is something to undo. finish may
// add the run's output.
func (f *frame) keepDone(ctx context.Context, steps []*Step, finish func(*Checkpoint) error) error {
	if f.run.durable.over != nil {
		finish = nil
	}
	if ctx.Err() != nil {
		finish = nil
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), keepTime)
		defer cancel()
	}
	keep := func(finish func(*Checkpoint) error) error {
		return f.commit(ctx, func(store.Tx) (*Checkpoint, error) {
			cp := &Checkpoint{Steps: steps}
			if finish == nil {
				return cp, nil
			}
			return cp, finish(cp)
		})
	}
	err := keep(finish)
	if err == nil || errors.Is(err, ErrLost) {
		return err
	}
	over := f.run.durable.over
	_ = keep(nil) // the run does not go on, and err says why; the journal says once that it was cancelled
	if over != nil {
		f.run.durable.over = over
	}
	return err
}

// skips ends a node that is not to run.
func (f *frame) skips(ctx context.Context, n *nodePlan) (bool, error) {
	if f.closed(n) {
		f.skip(n)
		return true, nil
	}
	if n.when == nil {
		return false, nil
	}
	yes, err := f.when(n)
	if err != nil {
		return false, f.failure(ctx, n, err)
	}
	if !yes {
		f.skip(n)
	}
	return !yes, nil
}

// settle keeps how a node that rested has ended: with a result, or with an
// error that its on_error may turn into another way.
func (f *frame) settle(ctx context.Context, n *nodePlan, out any, failed error, started time.Time) (*Checkpoint, error) {
	if failed != nil {
		if err := f.failed(ctx, n, f.failure(ctx, n, failed)); err != nil {
			return nil, err
		}
	} else {
		f.results[n.pos], f.state[n.pos] = out, stateDone
		if err := f.done(ctx, n); err != nil {
			return nil, err
		}
	}
	return &Checkpoint{Steps: f.stepsOf([]*nodePlan{n}, started)}, nil
}

// waitFor runs a node that waits, as far as it can be. rests: it waits on.
func (f *frame) waitFor(ctx context.Context, n *nodePlan, last bool) (rests bool, err error) {
	d := f.run.durable
	if !last && f.passed(n) {
		return false, nil
	}
	err = f.commit(ctx, func(tx store.Tx) (*Checkpoint, error) {
		f.forget(n)
		rests = false
		now := f.run.now()
		skipped, err := f.skips(ctx, n)
		if err != nil {
			return nil, err
		}
		if skipped {
			cp := &Checkpoint{Steps: f.stepsOf([]*nodePlan{n}, now)}
			return cp, f.finish(cp, last)
		}
		key := f.keyOf(n)
		config, err := f.config(n)
		if err != nil {
			return nil, f.failure(ctx, n, err)
		}
		call := &Call{Node: n.node, Config: config, Key: key, Runtime: &runtime{run: f.run, key: key, depth: f.depth}}
		waiter := n.typ.(Waiter)
		step := d.steps[n.node.ID]
		if step == nil {
			w, err := waiter.Wait(call)
			if err != nil {
				return nil, f.failure(ctx, n, err)
			}
			step = waitingStep(n.node.ID, w, now)
		}
		w := waitingOf(step)
		step.Takes(w.Signal)
		out, err, came := f.arrived(ctx, tx, w, now, func(payload any, ok bool) (any, error) { return waiter.Came(call, w, payload, ok) })
		if !came && err == nil {
			rests = true
			return &Checkpoint{Steps: []*Step{step}, Wait: f.restFor(w)}, nil
		}
		cp, err := f.settle(ctx, n, out, err, step.Started)
		if err != nil {
			return nil, err
		}
		cp.Steps[0].Digest = step.Digest
		return cp, f.finish(cp, last)
	})
	return rests, err
}

// passed ends a wait for a time that has come. That has no effect, so that it
// is kept with what comes next: half the transactions of a run that a timer
// wakes.
func (f *frame) passed(n *nodePlan) bool {
	d := f.run.durable
	step := d.steps[n.node.ID]
	if step == nil || step.State != StepWaiting || n.undo != nil {
		return false
	}
	w, now := waitingOf(step), f.run.now()
	if w.Signal != "" || w.Until.IsZero() || now.Before(w.Until) {
		return false
	}
	config, err := f.config(n)
	if err != nil {
		return false // and the failure is said where it is kept
	}
	key := f.keyOf(n)
	out, err := n.typ.(Waiter).Came(&Call{Node: n.node, Config: config, Key: key, Runtime: &runtime{run: f.run, key: key, depth: f.depth}}, w, nil, true)
	if err != nil {
		return false
	}
	f.results[n.pos], f.state[n.pos] = out, stateDone
	d.carry = append(d.carry, f.stepsOf([]*nodePlan{n}, step.Started)...)
	return true
}

// arrived looks whether what is waited for has come: a signal, or the time.
func (f *frame) arrived(ctx context.Context, tx store.Tx, w *Waiting, now time.Time, came func(payload any, ok bool) (any, error)) (out any, err error, yes bool) {
	if w.Signal != "" {
		payload, ok, err := f.run.durable.Journal.Receive(ctx, tx, w.Signal)
		if err != nil {
			return nil, err, false
		}
		if ok {
			out, err = came(payload, true)
			return out, err, true
		}
	}
	if w.Until.IsZero() || now.Before(w.Until) {
		return nil, nil, false
	}
	out, err = came(nil, w.Signal == "")
	return out, err, true
}

// restFor is what the journal is told of a wait. It is no longer than the
// workflow's time.
func (f *frame) restFor(w *Waiting) *Wait {
	out := &Wait{Until: w.Until, For: "signal " + w.Signal}
	if w.Signal == "" {
		out.For = "the time"
	}
	return f.within(out)
}

func (f *frame) within(w *Wait) *Wait {
	if limit := f.plan.wf.Timeout; limit > 0 {
		if end := f.run.durable.Started.Add(limit); w.Until.IsZero() || end.Before(w.Until) {
			w.Until = end
		}
	}
	return w
}

func waitingStep(key string, w *Waiting, now time.Time) *Step {
	var until any
	if !w.Until.IsZero() {
		until = w.Until
	}
	return &Step{Key: key, State: StepWaiting, Attempts: 1, Started: now, Result: dataflow.ObjectOf("until", until, "signal", w.Signal)}
}

func waitingOf(s *Step) *Waiting {
	w := &Waiting{}
	if o, ok := s.Result.(*dataflow.Object); ok {
		until, _ := o.Get("until")
		w.Until, _ = until.(time.Time)
		signal, _ := o.Get("signal")
		w.Signal, _ = signal.(string)
	}
	return w
}

// child runs a node whose workflow is a run of its own, as far as it can be.
func (f *frame) child(ctx context.Context, n *nodePlan, last bool) (rests bool, err error) {
	d := f.run.durable
	err = f.commit(ctx, func(tx store.Tx) (*Checkpoint, error) {
		f.forget(n)
		rests = false
		now := f.run.now()
		step := d.steps[n.node.ID]
		if step == nil {
			skipped, err := f.skips(ctx, n)
			if err != nil {
				return nil, err
			}
			if skipped {
				cp := &Checkpoint{Steps: f.stepsOf([]*nodePlan{n}, now)}
				return cp, f.finish(cp, last)
			}
			id := f.keyOf(n)
			if err := f.spawn(ctx, tx, n, id, true); err != nil {
				return nil, f.failure(ctx, n, err)
			}
			rests = true
			step = &Step{Key: n.node.ID, State: StepWaiting, Attempts: 1, Started: now, Result: dataflow.ObjectOf("run", id)}
			return &Checkpoint{Steps: []*Step{step}, Wait: f.within(&Wait{For: "run " + id})}, nil
		}
		id := f.keyOf(n)
		end, err := d.Journal.Child(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		if !end.Done {
			rests = true
			return &Checkpoint{Wait: f.within(&Wait{For: "run " + id})}, nil
		}
		var failed error
		if end.Err != nil {
			failed = end.Err
		}
		cp, err := f.settle(ctx, n, end.Output, failed, step.Started)
		if err != nil {
			return nil, err
		}
		return cp, f.finish(cp, last)
	})
	return rests, err
}

// spawn starts the run of a node's workflow in the transaction.
func (f *frame) spawn(ctx context.Context, tx store.Tx, n *nodePlan, id string, parent bool) error {
	config, err := f.config(n)
	if err != nil {
		return err
	}
	_, param := n.typ.(WorkflowCaller).Callee(n.raw)
	v, _ := config.Get(param)
	in, _ := v.(*dataflow.Object)
	inputs, err := checkInputs(n.callee.wf, in)
	if err != nil {
		return reroot(err, "/"+escape(param))
	}
	return f.run.durable.Journal.Spawn(ctx, tx, &Spawned{ID: id, Workflow: n.callee.wf.Name,
		Inputs: dataflow.NewRecord(n.callee.wf.InputShape, inputs)}, parent)
}

// rememberUndos notes how to undo what was done in turns before this one.
func (f *frame) rememberUndos(ctx context.Context) {
	for _, s := range f.run.durable.Journal.Recorded() {
		if u, ok := f.pledged(s); ok {
			f.run.remember(u)
			continue
		}
		i := slices.IndexFunc(f.plan.nodes, func(n *nodePlan) bool { return n.node.ID == s.Key })
		if i >= 0 && s.State == StepDone && f.plan.nodes[i].undo != nil {
			// A config that can't be worked out has failed the run at the time.
			_ = f.done(ctx, f.plan.nodes[i])
		}
	}
}

// Compensate undoes what a durable run did that has failed or been cancelled:
// the last first, each kept when it is done. It returns the nodes that could
// not be undone, for whom trying again is no use, by the keys of their steps.
func (e *Engine) Compensate(ctx context.Context, d DurableRun) (left []string, err error) {
	wp, ok := e.plan.workflows[d.Workflow]
	if !ok {
		return nil, nil
	}
	f := e.resume(wp, d)
	f.rememberUndos(ctx)
	r := f.run
	for _, u := range r.forgotten("") {
		if s := r.durable.steps[r.stepKey(u.frame, u.node)]; s != nil && s.State != StepPledged {
			if s.State == StepFailed {
				left = append(left, r.undone(u))
			}
			continue
		}
		step, err := f.undoStep(ctx, u)
		if err != nil {
			return left, err
		}
		if step.State == StepFailed {
			left = append(left, r.undone(u))
		}
	}
	return left, nil
}

// undoStep undoes one node and keeps that it did, or that it could not.
func (f *frame) undoStep(ctx context.Context, u undo) (*Step, error) {
	r, started := f.run, f.run.now()
	step := &Step{Key: r.stepKey(u.frame, u.node), State: StepDone, Attempts: 1, Started: started}
	undone := func() []*Step {
		step.Ended = r.now()
		if step.State == StepFailed {
			return []*Step{step}
		}
		was := Step{Key: r.undone(u), Attempts: 1, Started: started, Ended: step.Ended}
		if s := r.durable.steps[was.Key]; s != nil { // else it was a part of a step, or of a transaction that failed
			was = *s
		}
		was.State = StepUndone
		return []*Step{step, &was}
	}
	var failed error
	run := func() (err error) {
		step.Result, err = u.frame.attempts(ctx, u.node, u.config)
		failed = err
		return err
	}
	keep := func(tx store.Tx) (*Checkpoint, error) { return &Checkpoint{Steps: undone()}, nil }
	var err error
	if u.node.data() {
		commit := f.commit
		if u.node.outside {
			commit = f.commitSlow
		}
		err = commit(ctx, func(tx store.Tx) (*Checkpoint, error) {
			failed = nil
			r.tx, r.txDB, r.failed = tx, r.durable.Home, nil
			defer func() { r.tx, r.txDB = nil, nil }()
			if err := run(); err != nil {
				return nil, err
			}
			return keep(tx)
		})
	} else if err = run(); err == nil {
		return step, f.commit(ctx, keep)
	}
	if err == nil || failed == nil || ctx.Err() != nil {
		return step, err
	}
	if u.node.data() && dataflow.AsError(failed).Status == dataflow.StatusBusy {
		return step, err // it says nothing of what is undone
	}
	e := dataflow.AsError(u.frame.failure(ctx, u.node, failed))
	step.State, step.Error, step.Result = StepFailed, e, nil
	if s := r.durable.steps[step.Key]; s != nil && s.State == StepPledged {
		step.Result = s.Result // it stands, should the run be tried again
	}
	return step, f.commit(ctx, keep)
}

// now is the run's clock.
func (r *run) now() time.Time {
	clock := r.engine.opts.Now
	if r.durable != nil && r.durable.Now != nil {
		clock = r.durable.Now
	}
	return clock().UTC().Truncate(time.Microsecond)
}

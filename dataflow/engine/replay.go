package engine

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store"
)

// A durable handler is called again from its beginning in each turn of its
// run. What it ran before is not run again but answered from the journal, so
// that it comes to where it was left. That works because Starlark is
// deterministic and all else goes through ctx; where the handler asks for
// something else than it did before, the run fails and says so.

// replay calls a durable handler's function.
func (f *frame) replay(ctx context.Context) error {
	d := f.run.durable
	out, err := f.handler(ctx)
	if d.rested {
		return nil
	}
	if err != nil {
		return err
	}
	return f.commit(ctx, func(store.Tx) (*Checkpoint, error) {
		return &Checkpoint{Done: true, Output: out}, nil
	})
}

// errRested leaves a handler that waits. A function of the file can't hold it up.
var errRested error = &dataflow.Error{Code: "internal", Status: dataflow.StatusInternal, Message: "the run rests here"}

// past returns what the journal holds of the next thing that a handler runs,
// which gets the key returned. Another thing than before is an error.
func (rt *runtime) past(what string, asked *dataflow.Object) (s *Step, key, digest string, err error) {
	d := rt.run.durable
	if d.rested {
		return nil, "", "", errRested
	}
	full := rt.nextKey(what)
	key, digest = full[len(rt.key)+1:], digestOf(asked)
	s = d.calls[rt.calls]
	if s == nil || s.Key == key && s.Digest == digest {
		return s, key, digest, nil
	}
	e := &dataflow.Error{Code: "replay_diverged", Status: dataflow.StatusInternal,
		Message: fmt.Sprintf("the handler went another way than before: step %d was %s, and is now %s", rt.calls, s.Key, key),
		Hint:    "a durable handler decides by its inputs and by what ctx gave it, never by anything else"}
	if s.Key == key {
		e.Message = fmt.Sprintf("the handler went another way than before: %s was asked for with other arguments", key)
	}
	return nil, "", "", e
}

// digestOf tells apart what a handler asks for. What has no form as text, as a
// function, is left to its name.
func digestOf(asked *dataflow.Object) string {
	sum := sha256.Sum256(codec.AppendValue(nil, asked))
	return hex.EncodeToString(sum[:12])
}

// withoutSecrets is what a handler gives a node, as it is kept and compared: where
// secrets may be, their names alone. They are neither in the database nor shown,
// and a run goes on where they have been changed since.
func withoutSecrets(spec *dataflow.NodeSpec, args *dataflow.Object) *dataflow.Object {
	given, _ := args.Get(spec.Unkept)
	secrets, ok := given.(*dataflow.Object)
	if !ok {
		return args
	}
	names := dataflow.NewObject()
	for _, name := range secrets.Names() {
		names.Set(name, "(not kept)")
	}
	kept := args.Clone()
	kept.Set(spec.Unkept, names)
	return kept
}

// step runs something of a handler, once. In a transaction it is kept with
// what it did; a call to the outside when it has ended.
func (rt *runtime) step(ctx context.Context, what string, asked *dataflow.Object, e *effects, do func(context.Context) (any, error)) (any, error) {
	s, key, digest, err := rt.past(what, asked)
	if err != nil {
		return nil, err
	}
	if s != nil {
		return s.Result, nil
	}
	r := rt.run
	s = &Step{Key: key, State: StepDone, Digest: digest, Input: asked, Attempts: 1, Started: r.now()}
	f := &frame{run: r}
	switch {
	case e.writes:
		commit := f.commit
		if e.outside {
			commit = f.commitSlow
		}
		err = commit(ctx, func(tx store.Tx) (_ *Checkpoint, err error) {
			r.tx, r.txDB, r.failed = tx, r.durable.Home, nil
			defer func() { r.tx, r.txDB = nil, nil }()
			if s.Result, err = do(ctx); err != nil {
				return nil, err
			}
			if r.failed != nil {
				return nil, r.failed
			}
			s.Ended = r.now()
			return &Checkpoint{Steps: append([]*Step{s}, r.pledges(rt.key+"/"+key)...)}, nil
		})
	case e.outside:
		if err = rt.keepCarried(ctx); err != nil {
			break
		}
		if s.Result, err = do(ctx); err == nil {
			s.Ended = r.now()
			err = f.keepDone(ctx, append([]*Step{s}, r.pledges(rt.key+"/"+key)...), nil)
		}
	default:
		if s.Result, err = do(ctx); err == nil {
			s.Ended = r.now()
			r.durable.carry = append(r.durable.carry, s)
		}
	}
	if err != nil {
		return nil, err
	}
	return s.Result, nil
}

// keepCarried keeps what has been read so far, before it has an effect that no
// transaction can take back.
func (rt *runtime) keepCarried(ctx context.Context) error {
	if len(rt.run.durable.carry) == 0 {
		return rt.run.durable.Journal.Open(ctx)
	}
	return (&frame{run: rt.run}).commit(ctx, func(store.Tx) (*Checkpoint, error) { return &Checkpoint{}, nil })
}

// Sleep implements dataflow.Handler.
func (rt *runtime) Sleep(ctx context.Context, d time.Duration) error {
	if !rt.kept {
		return notDurable("ctx.sleep")
	}
	_, err := rt.wait(ctx, "sleep", dataflow.ObjectOf("for", d.String()), &Waiting{Until: rt.run.now().Add(d)},
		func(any, bool) (any, error) { return nil, nil })
	return err
}

// WaitSignal implements dataflow.Handler.
func (rt *runtime) WaitSignal(ctx context.Context, name string, timeout time.Duration, other any, hasOther bool) (any, error) {
	if !rt.kept {
		return nil, notDurable("ctx.wait_signal")
	}
	declared, err := rt.plan.awaited(name)
	if err != nil {
		return nil, err
	}
	if other != nil { // None says that nothing came, whatever would have
		if other, err = TakePayload(declared.Payload, other, ""); err != nil {
			return nil, noPayload(err, name)
		}
	}
	w := &Waiting{Signal: name}
	if timeout > 0 {
		w.Until = rt.run.now().Add(timeout)
	}
	return rt.wait(ctx, waitSignal, dataflow.ObjectOf("name", name, "timeout", timeout.String()), w, func(payload any, ok bool) (any, error) {
		switch {
		case ok:
			return TakePayload(declared.Payload, payload, "/payload")
		case hasOther:
			return other, nil
		}
		return nil, SignalTimeout(name)
	})
}

// noPayload is the failure of a wait whose default does not fit the signal. It is
// the app that made it, so that it points to nothing of what a caller gave.
func noPayload(err error, signal string) error {
	e := *dataflow.AsError(err)
	e.Problems = slices.Clone(e.Problems)
	for i, q := range e.Problems {
		at := ""
		if q.Pointer != "" {
			at = q.Pointer + ": "
		}
		e.Problems[i] = dataflow.Problem{Code: q.Code, Detail: fmt.Sprintf("the default is no payload of the signal %s: %s%s", signal, at, q.Detail), Hint: q.Hint}
	}
	return &e
}

// SignalTimeout is the failure of a wait for a signal that did not come.
func SignalTimeout(name string) error {
	return &dataflow.Error{Code: "signal_timeout", Status: dataflow.StatusTimeout,
		Message: fmt.Sprintf("the signal %q did not come in time", name), Hint: "give the wait a default, if the run can go on without"}
}

func notDurable(what string) error {
	return &dataflow.Error{Code: "not_durable", Status: dataflow.StatusInternal,
		Message: what + " waits, and a run that isn't durable can't",
		Hint:    `register the handler with durable = True: app.handler("name", fn, durable = True)`}
}

// wait is a step that waits. When that has not come the handler is left.
func (rt *runtime) wait(ctx context.Context, what string, asked *dataflow.Object, w *Waiting, came func(any, bool) (any, error)) (any, error) {
	s, key, digest, err := rt.past(what, asked)
	if err != nil {
		return nil, err
	}
	if s != nil && s.State == StepDone {
		return s.Result, nil
	}
	r := rt.run
	f := &frame{run: r, plan: rt.plan}
	now := r.now()
	if s == nil {
		s = waitingStep(key, w, now)
		s.Digest, s.Input = digest, asked
	}
	waiting := waitingOf(s)
	rests := false
	var out any
	err = f.commit(ctx, func(tx store.Tx) (*Checkpoint, error) {
		rests, r.durable.vain = false, nil
		step := *s
		var arrived bool
		var err error
		if out, err, arrived = f.arrived(ctx, tx, waiting, now, came); err != nil {
			if arrived {
				step.State, step.Result, step.Error, step.Ended = StepFailed, nil, dataflow.AsError(err), now
				r.durable.vain = &step
			}
			return nil, err
		}
		if !arrived {
			rests = true
			return &Checkpoint{Steps: []*Step{&step}, Wait: f.restFor(waiting)}, nil
		}
		step.State, step.Result, step.Ended = StepDone, out, now
		return &Checkpoint{Steps: []*Step{&step}}, nil
	})
	if err != nil {
		return nil, err
	}
	if rests {
		r.durable.rested = true
		return nil, errRested
	}
	return out, nil
}

// workflow is Workflow for a handler that is durable: a workflow on data alone
// is a step, any other a run of its own.
func (rt *runtime) workflow(ctx context.Context, wp *workflowPlan, inputs *dataflow.Object) (any, error) {
	if !wp.durable && !(wp.outside && wp.data()) {
		return rt.step(ctx, wp.wf.Name, inputs, &wp.effects, func(ctx context.Context) (any, error) {
			return rt.run.nested(ctx, wp, rt.key+"/"+wp.wf.Name+"#"+itoa(rt.calls), rt.depth+1, inputs)
		})
	}
	s, key, digest, err := rt.past(wp.wf.Name, inputs)
	if err != nil {
		return nil, err
	}
	if s != nil && s.State == StepDone {
		return s.Result, nil
	}
	if rt.run.engine.plan.home(wp) != rt.run.durable.Home {
		return nil, &dataflow.Error{Code: "second_database", Status: dataflow.StatusInternal,
			Message: wp.wf.Name + " keeps its runs in another database than this run"}
	}
	return rt.child(ctx, wp, s, key, digest, inputs)
}

// child starts a run of another workflow, or looks how it stands. Until it has
// ended the handler is left.
func (rt *runtime) child(ctx context.Context, wp *workflowPlan, s *Step, key, digest string, in *dataflow.Object) (any, error) {
	r := rt.run
	f := &frame{run: r, plan: rt.plan}
	id := rt.key + "/" + key
	now := r.now()
	var end *Ended
	err := f.commit(ctx, func(tx store.Tx) (*Checkpoint, error) {
		end = &Ended{}
		var err error
		if s == nil {
			inputs, err := checkInputs(wp.wf, in)
			if err != nil {
				return nil, named(err, wp.wf)
			}
			spawned := &Spawned{ID: id, Workflow: wp.wf.Name, Inputs: dataflow.NewRecord(wp.wf.InputShape, inputs)}
			if err := r.durable.Journal.Spawn(ctx, tx, spawned, true); err != nil {
				return nil, err
			}
			step := &Step{Key: key, State: StepWaiting, Digest: digest, Input: in, Attempts: 1, Started: now, Result: dataflow.ObjectOf("run", id)}
			return &Checkpoint{Steps: []*Step{step}, Wait: f.within(&Wait{For: "run " + id})}, nil
		}
		if end, err = r.durable.Journal.Child(ctx, tx, id); err != nil {
			return nil, err
		}
		switch {
		case !end.Done:
			return &Checkpoint{Wait: f.within(&Wait{For: "run " + id})}, nil
		case end.Err != nil:
			return nil, end.Err
		}
		step := *s
		step.State, step.Result, step.Ended = StepDone, end.Output, now
		return &Checkpoint{Steps: []*Step{&step}}, nil
	})
	if err != nil {
		return nil, err
	}
	if !end.Done {
		r.durable.rested = true
		return nil, errRested
	}
	return end.Output, nil
}

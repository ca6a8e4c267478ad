package durable

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// journal is the engine.Journal of a run that this process owns. Each commit is
// made on condition that it still does.
type journal struct {
	home  *home
	run   *Run
	saved atomic.Bool // the run is in the database
	steps []*engine.Step
	kept  map[string]int64 // the steps that have a row, by key: their number
	seq   int64
	// ending: the run is being undone, so that it has been cancelled is no news.
	ending bool
	spoke  []string // runs that a commit gave something to do
	// pledged is kept with the failure of the run, if it fails in this turn.
	pledged []*engine.Step
	// progress, if set, hears of the steps that are done.
	progress func(done int, step string)
}

var _ engine.Journal = (*journal)(nil)

// Recorded implements engine.Journal.
func (j *journal) Recorded() []*engine.Step { return j.steps }

// Pledge implements engine.Journal.
func (j *journal) Pledge(steps []*engine.Step) { j.pledged = steps }

// Open implements engine.Journal.
func (j *journal) Open(ctx context.Context) error {
	if j.saved.Load() {
		return nil
	}
	return j.Commit(ctx, func(store.Tx) (*engine.Checkpoint, error) { return &engine.Checkpoint{}, nil })
}

// Commit implements engine.Journal. Where the run has been given a signal
// meanwhile, body is run again: it may find what it waits for.
func (j *journal) Commit(ctx context.Context, body func(store.Tx) (*engine.Checkpoint, error)) error {
	for {
		var next Run
		var steps []*engine.Step
		err := j.home.store.Write(ctx, func(tx store.Tx) error {
			j.spoke = nil
			cp, err := body(tx)
			if err != nil {
				return err
			}
			next, steps = *j.run, cp.Steps
			j.apply(&next, cp)
			return j.keep(ctx, tx, &next, steps)
		})
		if errors.Is(err, store.ErrUntouched) {
			if err = j.reload(ctx); err == nil {
				continue
			}
		}
		if err != nil {
			return err
		}
		if j.run.Takeovers >= suspicious {
			j.home.top().trust(next.ID)
		}
		j.home.count(j.run, &next)
		*j.run = next
		j.saved.Store(true)
		for _, s := range steps {
			j.remember(s)
		}
		if j.progress != nil && len(steps) > 0 {
			tellSteps(j.steps, j.progress)
		}
		j.home.told(j.run)
		j.home.wake(len(j.spoke) > 0)
		return nil
	}
}

// apply works out how the run stands after a checkpoint.
func (j *journal) apply(r *Run, cp *engine.Checkpoint) {
	now := j.home.now()
	r.Updated, r.Takeovers = now, 0
	switch {
	case cp.Done:
		r.Status, r.Output, r.Ended, r.Reason = Completed, cp.Output, now, ""
		r.token, r.Executor, r.WakeAt = "", "", time.Time{}
	case cp.Wait != nil:
		r.Status, r.Reason, r.WakeAt = Waiting, cp.Wait.For, cp.Wait.Until
		r.token, r.Executor = "", ""
	}
}

// keep writes a run and its steps.
func (j *journal) keep(ctx context.Context, tx store.Tx, next *Run, steps []*engine.Step) error {
	t := j.home.tables
	if next.Status == Completed {
		if _, err := encode(next.Output); err != nil {
			return err
		}
	}
	own, err := j.put(next)
	if err != nil {
		return err
	}
	var changes []store.Change
	var rows [][]any
	for _, s := range steps {
		seq, there := j.kept[s.Key]
		if !there {
			seq = j.seq + int64(len(rows)) + 1
		}
		row, err := stepRow(next.ID, seq, s, next.Updated)
		if err != nil {
			return err
		}
		if !there {
			rows = append(rows, row)
			continue
		}
		u := &query.Update{Model: t.steps, Where: equal(t.steps, stepID, row[stepID]), Bump: -1}
		for _, i := range []int{stepState, stepInput, stepResult, stepError, stepAttempts, stepEndedAt, stepUpdatedAt} {
			u.Set = append(u.Set, set(i, row[i]))
		}
		changes = append(changes, store.Change{Update: u})
	}
	if len(rows) > 0 {
		changes = append(changes, store.Change{Into: t.steps, Fields: stepColumns, Rows: rows})
	}
	leaves := next.Status != Running && j.run.Status == Running && j.home.takesTurns(next)
	awaited := next.Parent != "" && next.Status.Ended()
	if own.Update != nil && !leaves && !awaited {
		return tx.Last(ctx, own.Update, changes)
	}
	touched, err := tx.Batch(ctx, append([]store.Change{own}, changes...))
	if own.Update != nil && len(touched) > 0 && touched[0] == 0 {
		return store.ErrUntouched
	}
	if err != nil {
		return err
	}
	if leaves {
		called, err := j.home.nextTurn(ctx, tx, next)
		if err != nil {
			return err
		}
		j.spoke = append(j.spoke, called...)
	}
	if awaited {
		return j.poke(ctx, tx, next.Parent)
	}
	return nil
}

var (
	runColumns  = fields(runFields)
	stepColumns = fields(stepFields)
)

// put is the change of the run's row, on condition that this process owns it and
// nobody has spoken to it.
func (j *journal) put(next *Run) (store.Change, error) {
	t := j.home.tables.runs
	row, err := next.row()
	if err != nil {
		return store.Change{}, err
	}
	if !j.saved.Load() {
		return store.Change{Into: t, Fields: runColumns, Rows: [][]any{row}}, nil
	}
	where := query.And{equal(t, runID, next.ID), equal(t, runToken, j.run.token), equal(t, runPoke, j.run.poke)}
	u := &query.Update{Model: t, Where: where, Bump: -1}
	changed := []int{runTakeovers, runUpdatedAt}
	if next.Status != j.run.Status || next.Error != j.run.Error {
		changed = append(changed, runStatus, runOutput, runError, runReason, runWakeAt, runToken, runExecutor, runEndedAt)
	}
	for _, i := range changed {
		u.Set = append(u.Set, set(i, row[i]))
	}
	return store.Change{Update: u}, nil
}

// reload looks what has become of the run.
func (j *journal) reload(ctx context.Context) error {
	now, err := j.home.get(ctx, j.home.store, j.run.ID)
	switch {
	case err != nil:
		return err
	case now == nil || now.token != j.run.token:
		return engine.ErrLost
	case now.cancel && !j.ending:
		j.run.cancel, j.run.poke = true, now.poke
		return engine.ErrCancelled
	case now.poke == j.run.poke:
		return dataflow.Internal(errors.New("a run's row can't be changed"))
	}
	j.run.poke = now.poke
	return nil
}

// remember notes a step that has been kept.
func (j *journal) remember(s *engine.Step) {
	if _, there := j.kept[s.Key]; !there {
		j.seq++
		j.kept[s.Key] = j.seq
		j.steps = append(j.steps, s)
		return
	}
	i := slices.IndexFunc(j.steps, func(old *engine.Step) bool { return old.Key == s.Key })
	j.steps[i] = s
}

// tellSteps says how many of the steps are done, and which is the last of them.
func tellSteps(steps []*engine.Step, progress func(done int, step string)) {
	done, last := 0, ""
	for _, s := range steps {
		if s.State == engine.StepDone {
			done, last = done+1, s.Key
		}
	}
	if done > 0 {
		progress(done, last)
	}
}

// poke has another run looked at.
func (j *journal) poke(ctx context.Context, tx store.Tx, id string) error {
	j.spoke = append(j.spoke, id)
	_, err := j.home.poke(ctx, tx, id)
	return err
}

// Receive implements engine.Journal.
func (j *journal) Receive(ctx context.Context, tx store.Tx, name string) (payload any, ok bool, err error) {
	t := j.home.tables.signals
	var id, text string
	err = tx.Select(ctx, &query.Select{Model: t, Where: query.And{equal(t, signalRun, j.run.ID), equal(t, signalName, name)},
		Order: []query.Order{{Field: signalCreatedAt}}, Limit: 1}, func(row store.Row) error {
		id, _ = row.Value(signalID).(string)
		text, _ = row.Value(signalPayload).(string)
		return nil
	})
	if err != nil || id == "" {
		return nil, false, err
	}
	if _, err := tx.Delete(ctx, t, equal(t, signalID, id)); err != nil {
		return nil, false, err
	}
	payload, err = decode(text)
	return payload, err == nil, err
}

// Spawn implements engine.Journal.
func (j *journal) Spawn(ctx context.Context, tx store.Tx, s *engine.Spawned, parent bool) error {
	r := j.home.newRun(s.ID, s.Workflow, s.Inputs, j.run.Caller)
	r.Origin = "run " + j.run.ID
	if parent {
		r.Parent = j.run.ID
	}
	j.spoke = append(j.spoke, s.ID)
	return j.home.enqueue(ctx, tx, r)
}

// Child implements engine.Journal.
func (j *journal) Child(ctx context.Context, from store.Reader, id string) (*engine.Ended, error) {
	r, err := j.home.get(ctx, from, id)
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, &dataflow.Error{Code: "not_found", Status: dataflow.StatusInternal, Message: "the run " + id + " is gone"}
	}
	if r.unread != nil && r.Error == nil {
		r.Error = unreadable(r.Workflow, r.unread)
	}
	e := &engine.Ended{Done: r.Status.Ended(), Output: r.Output, Err: r.Error}
	if r.Status == Cancelled && e.Err == nil {
		e.Err = dataflow.AsError(engine.ErrCancelled)
	}
	return e, nil
}

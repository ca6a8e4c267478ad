package durable

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

const (
	// maxAgain is how often a run may be begun again without getting further,
	// because its process died or the database could not serve it, before it is
	// left alone.
	maxAgain = 10
	// suspicious is how often makes a run a suspect: of those one is in progress
	// at a time, so that one which ends its process does not get others that
	// were in progress with it taken for the same.
	suspicious = 3
	// leaveTime bounds how long a run that is left takes to say so.
	leaveTime = 5 * time.Second
)

// present puts the process among the executors, and keeps the app's text, on
// the first call. From then on it shows life while it has something to run.
func (h *home) present(ctx context.Context) error {
	h.arriving.Lock()
	defer h.arriving.Unlock()
	if err := h.clock.ready(ctx); err != nil {
		return err
	}
	if !h.here.Load() {
		err := h.write(ctx, func(tx store.Tx) error {
			if err := h.keepSource(ctx, tx); err != nil {
				return err
			}
			t := h.tables.executors
			if _, err := tx.Delete(ctx, t, equal(t, executorID, h.name)); err != nil {
				return err
			}
			now := h.now()
			_, err := tx.Insert(ctx, t, fields(executorFields), [][]any{{h.name, h.runs.opts.NewID(), now, now}})
			return err
		})
		if err != nil {
			return err
		}
		h.here.Store(true)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.showLife()
	return nil
}

// showLife has the process beat from now on, where it does not. Its caller has
// h.mu.
func (h *home) showLife() {
	h.lull = 0
	if !h.beating && h.runs.ctx.Err() == nil {
		h.beating = true
		h.runs.wg.Go(h.beat)
	}
}

// beat shows life, and heeds what others want of the runs in progress, until
// there has been nothing to run for a while. Both have to go on where no more
// work is looked for.
func (h *home) beat() {
	rs := h.runs
	beats, looks := time.NewTicker(rs.opts.Silence/4), time.NewTicker(rs.opts.Pace)
	defer beats.Stop()
	defer looks.Stop()
	for {
		select {
		case <-beats.C:
		case <-looks.C:
			h.heed()
			continue
		case <-rs.ctx.Done():
			return
		}
		h.mu.Lock()
		h.lull++
		if len(h.active) > 0 {
			h.lull = 0
		}
		if h.lull > 4 {
			h.beating = false
			h.mu.Unlock()
			return
		}
		h.mu.Unlock()
		ctx, cancel := context.WithTimeout(rs.ctx, rs.opts.Silence)
		err := h.write(ctx, func(tx store.Tx) error {
			t := h.tables.executors
			n, err := tx.Update(ctx, &query.Update{Model: t, Bump: -1, Where: equal(t, executorID, h.name),
				Set: []query.Assign{set(executorBeat, rs.opts.NewID()), set(executorUpdatedAt, h.now())}})
			if err == nil && n == 0 { // somebody thought this process dead
				now := h.now()
				_, err = tx.Insert(ctx, t, fields(executorFields), [][]any{{h.name, rs.opts.NewID(), now, now}})
			}
			return err
		})
		cancel()
		if err != nil && rs.ctx.Err() == nil {
			rs.opts.Logger.Warn("a sign of life could not be given", "database", h.db.Name, "error", err)
		}
	}
}

// heed cuts off the runs in progress here that are to end: another process was
// asked for it, or this one was before the run was in progress.
func (h *home) heed() {
	h.mu.Lock()
	none := len(h.active) == 0
	h.mu.Unlock()
	if none {
		return
	}
	ctx, cancel := context.WithTimeout(h.runs.ctx, h.runs.opts.Silence/4)
	defer cancel()
	t := h.tables.runs
	q := &query.Select{Model: t, Fields: []int{runID},
		Where: query.And{equal(t, runStatus, string(Running)), equal(t, runExecutor, h.name), equal(t, runCancel, true)}}
	err := h.store.Select(ctx, q, func(row store.Row) error {
		id, _ := row.Value(0).(string)
		h.interrupt(id)
		return nil
	})
	if err != nil && h.runs.ctx.Err() == nil { // it is looked again soon
		h.runs.opts.Logger.Debug("runs that are to end could not be looked for", "database", h.db.Name, "error", err)
	}
}

// resign takes the process from the executors. It owns no run any more.
func (h *home) resign() {
	for _, v := range h.versions {
		if v.close != nil {
			v.close()
		}
	}
	if !h.here.Load() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	err := h.write(ctx, func(tx store.Tx) error {
		_, err := tx.Delete(ctx, h.tables.executors, equal(h.tables.executors, executorID, h.name))
		return err
	})
	if err != nil { // others will see that it shows no life
		h.runs.opts.Logger.Debug("the process could not be taken from the executors", "error", err)
	}
}

// interrupt cuts off a run that is in progress here.
func (h *home) interrupt(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if cancel := h.active[id]; cancel != nil {
		cancel(engine.ErrCancelled)
	}
}

// busyWorkers is how many runs are in progress here that were claimed.
func (h *home) busyWorkers() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.claimed
}

// await goes on with a run, beside the caller, until it rests or has ended:
// then over is true. The error is that of a run of which nothing is kept.
func (h *home) await(ctx context.Context, j *journal) (over bool, err error) {
	done := make(chan error, 1)
	cancel := h.run(j, 0, func(err error) { done <- err })
	select {
	case err := <-done:
		return true, err
	case <-ctx.Done():
	}
	if j.saved.Load() {
		return false, nil // it goes on
	}
	// Nothing is kept yet, so that its caller could not find it again.
	cancel(ctx.Err())
	err = <-done
	return j.saved.Load(), err
}

// run goes on with a run in a goroutine of its own. claimed is 1 if it takes
// the room of a claim.
func (h *home) run(j *journal, claimed int, done func(error)) context.CancelCauseFunc {
	front := h.top()
	ctx, cancel := context.WithCancelCause(front.runs.ctx)
	front.mu.Lock()
	front.active[j.run.ID] = cancel
	front.showLife() // what a claim reads may take longer than a process is patient that has nothing to run
	front.claimed += claimed
	if claimed > 0 && j.run.Takeovers >= suspicious {
		front.suspect = j.run.ID
	}
	front.mu.Unlock()
	front.runs.wg.Go(func() {
		err := j.turn(ctx)
		front.mu.Lock()
		delete(front.active, j.run.ID)
		front.ended()
		front.claimed -= claimed
		// Many at a time: a look and a claim cost the same for one.
		room := front.more && front.claimed <= front.runs.opts.Workers/2
		front.mu.Unlock()
		cancel(nil)
		front.trust(j.run.ID)
		front.told(j.run)
		front.wake(room)
		done(err)
	})
	return cancel
}

// turn goes on with a run until it rests or ends, and keeps how. The error is
// that of a run of which nothing is kept.
func (j *journal) turn(ctx context.Context) error {
	h, r := j.home, j.run
	log := h.runs.opts.Logger.With("run", r.ID, "workflow", r.Workflow)
	d := engine.DurableRun{ID: r.ID, Workflow: r.Workflow, Inputs: r.Input, Caller: r.Caller, Started: r.Created, Home: h.db, Journal: j, Process: h.top().runs.ctx, Now: h.now}
	var err error
	switch {
	case r.Takeovers > maxAgain:
		err = &dataflow.Error{Code: "run_poisoned", Status: dataflow.StatusInternal, Workflow: r.Workflow,
			Message: fmt.Sprintf("its process died, or its database could not serve it, %d times in a row, and the run got no further", r.Takeovers),
			Hint:    "see what the step does that the run is at; then try the run again"}
	case r.unread != nil:
		err = unreadable(r.Workflow, r.unread)
	case r.Error != nil: // it was being undone
		err = r.Error
	case r.cancel:
		err = engine.ErrCancelled
	default:
		err = h.runs.engine.Advance(ctx, d)
	}
	if err == nil || errors.Is(err, engine.ErrLost) {
		return nil
	}
	if errors.Is(context.Cause(ctx), engine.ErrCancelled) && !errors.Is(err, engine.ErrCancelled) {
		if err = j.reload(context.WithoutCancel(ctx)); err == nil || errors.Is(err, engine.ErrLost) {
			return nil
		}
	}
	if !j.saved.Load() {
		return err
	}
	if ctx.Err() != nil && !errors.Is(context.Cause(ctx), engine.ErrCancelled) {
		j.leave(log, time.Time{}, "")
		return nil
	}
	e := dataflow.AsError(err)
	if r.Error == nil && e.Code == "schema_changed" {
		j.rest(log, e)
		return nil
	}
	if r.Error == nil && passing(e) && r.Takeovers < maxAgain {
		log.Warn("the run is put off", "error", err)
		j.leave(log, h.now().Add(100*time.Millisecond<<r.Takeovers), "")
		return nil
	}
	ctx = context.WithoutCancel(ctx)
	j.ending = true
	switch err := j.fail(ctx, d, e); {
	case err == nil || errors.Is(err, engine.ErrLost):
	case dataflow.AsError(err).Code == "schema_changed":
		j.rest(log, dataflow.AsError(err))
	default:
		log.Error("how the run ended could not be kept", "error", err, "end", e)
		j.leave(log, h.now().Add(max(time.Second, 100*time.Millisecond<<r.Takeovers)), "")
	}
	return nil
}

// rest leaves a run to a process that can go on with it, for the database has
// been migrated for another version of the app.
func (j *journal) rest(log interface{ Warn(string, ...any) }, e *dataflow.Error) {
	log.Warn("the run waits for a process that can run its version of the app", "error", e)
	j.home.avoid(j.run.Version)
	j.leave(log, time.Time{}, itsVersion)
}

// passing reports whether an error says nothing of the run: the database or
// the network could not serve it just now. A commit of which nobody knows
// whether it happened is one too, for the journal tells.
func passing(e *dataflow.Error) bool {
	return e.Status == dataflow.StatusBusy || e.Code == "commit_unknown"
}

// undoTime bounds how long it takes to undo a run in one turn.
const undoTime = 5 * time.Minute

// fail ends a run that has failed or been cancelled: that it has is kept, what
// it did is undone, and that is kept.
func (j *journal) fail(ctx context.Context, d engine.DurableRun, e *dataflow.Error) error {
	h, r := j.home, j.run
	ctx, cancel := context.WithTimeout(ctx, undoTime)
	defer cancel()
	poisoned := r.Takeovers > maxAgain
	if poisoned && r.Error != nil {
		said := *r.Error
		said.Message += "; it could not be undone: that was begun again too often without getting further"
		r.Error = &said
	}
	if r.Error == nil {
		next := *r
		next.Error, next.Updated = e, h.now()
		var steps []*engine.Step
		if e.Node != "" && e.Workflow == r.Workflow {
			failed := &engine.Step{Key: e.Node, State: engine.StepFailed, Error: e, Attempts: 1, Started: next.Updated, Ended: next.Updated}
			failed.Takes(h.runs.engine.Plan().SignalAt(r.Workflow, e.Node))
			steps = []*engine.Step{failed}
		}
		if err := j.write(ctx, &next, append(steps, j.pledged...)); err != nil {
			return err
		}
	}
	if err := j.abandon(ctx); err != nil {
		return err
	}
	var left []string
	if !poisoned && r.unread == nil {
		var err error
		if left, err = h.runs.engine.Compensate(ctx, d); err != nil {
			return err
		}
	}
	next := *j.run
	next.Status, next.Ended, next.Updated, next.Reason = Failed, h.now(), h.now(), ""
	if next.Error.Code == "run_cancelled" && next.cancel {
		next.Status = Cancelled
	}
	if len(left) > 0 {
		said := *next.Error
		said.Message += "; what these nodes did could not be undone: " + joined(left)
		next.Error = &said
	}
	if list := lastTaken(j.steps, h.hangs(r.Workflow)); len(list) > 0 && next.Status == Failed && next.Error.Hint == "" && ofData[next.Error.Code] {
		said := *next.Error
		var names []string
		for _, t := range list {
			if name := t.wait.Signal(); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		said.Hint = fmt.Sprintf("if that is for what came with the signal %s, send it again as it should be, and try the run again", strings.Join(names, " or "))
		next.Error = &said
	}
	next.token, next.Executor, next.WakeAt = "", "", time.Time{}
	return j.write(ctx, &next, nil)
}

// ofData are the codes of failures that other data may spare a run.
var ofData = map[string]bool{"reference_failed": true, "wrong_type": true, "invalid": true, "function_failed": true, "rejected": true}

// abandon has the runs end that this one waits for no longer.
func (j *journal) abandon(ctx context.Context) error {
	var asked []string
	err := j.home.write(ctx, func(tx store.Tx) (err error) {
		asked, err = j.home.cancelBelow(ctx, tx, j.run.ID)
		return err
	})
	if err != nil {
		return err
	}
	for _, id := range asked {
		j.home.top().interrupt(id)
	}
	j.home.wake(len(asked) > 0)
	return nil
}

func joined(names []string) string {
	out := ""
	for i, n := range names {
		if i > 0 {
			out += ", "
		}
		out += n
	}
	return out
}

// write keeps a run and steps as they are given.
func (j *journal) write(ctx context.Context, next *Run, steps []*engine.Step) error {
	for {
		err := j.home.write(ctx, func(tx store.Tx) error {
			j.spoke = nil
			return j.keep(ctx, tx, next, steps)
		})
		if errors.Is(err, store.ErrUntouched) {
			if err = j.reload(ctx); err == nil || errors.Is(err, engine.ErrCancelled) {
				next.poke = j.run.poke
				continue
			}
		}
		if err != nil {
			return err
		}
		j.home.count(j.run, next)
		*j.run = *next
		for _, s := range steps {
			j.remember(s)
		}
		j.home.told(j.run)
		j.home.wake(len(j.spoke) > 0)
		return nil
	}
}

// leave gives a run back, to be gone on with at a time, or when what it waits for
// is there.
func (j *journal) leave(log interface{ Warn(string, ...any) }, at time.Time, waitsFor string) {
	h := j.home
	ctx, cancel := context.WithTimeout(context.Background(), leaveTime)
	defer cancel()
	next := *j.run
	next.Status, next.Updated, next.WakeAt, next.Reason, next.token, next.Executor = Queued, h.now(), at, waitsFor, "", ""
	if at.IsZero() {
		next.WakeAt = next.Updated
	} else {
		next.Takeovers++
	}
	j.ending = true
	if err := j.write(ctx, &next, nil); err != nil && !errors.Is(err, engine.ErrLost) {
		log.Warn("the run could not be given back: it is taken over once this process is gone", "error", err)
	}
}

// Serve goes on with runs that are due, and takes over those of processes that
// have died, until ctx is done.
func (rs *Runs) Serve(ctx context.Context) {
	for _, h := range rs.homes {
		rs.looking.Add(1)
		rs.wg.Go(func() {
			defer rs.looking.Done()
			rs.look(ctx, h)
		})
	}
}

func (h *home) serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(h.runs.ctx, cancel)
	defer stop()
	pace := time.NewTimer(0)
	defer pace.Stop()
	looked := time.Time{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.runs.retired.Done():
			return
		case <-pace.C:
		case <-h.bell:
		}
		var err error
		if time.Since(looked) > h.runs.opts.Silence/3 {
			if err = h.lookAround(ctx); err == nil {
				looked = time.Now()
			}
		}
		var next, ticks time.Duration
		if err == nil {
			ticks, err = h.tick(ctx, h.now())
		}
		if err == nil {
			next, err = h.claimDue(ctx)
			next = min(next, ticks)
		}
		h.forget(ctx)
		if err != nil && ctx.Err() == nil {
			h.runs.opts.Logger.Warn("runs that are due could not be looked for", "database", h.db.Name, "error", err)
			next = h.runs.opts.Pace
		}
		pace.Reset(next)
	}
}

// lookAround does what need not be done each time: it asks what time it is, and
// looks what there is beside the runs of this process and app.
func (h *home) lookAround(ctx context.Context) error {
	for _, look := range []func(context.Context) error{h.clock.ask, h.mindClock, h.learnLevels, h.takeOver, h.collect} {
		if err := look(ctx); err != nil {
			return err
		}
	}
	return nil
}

// setBack is by how much less the clock has moved than time has passed, for it
// to have been set back.
const setBack = 2 * time.Second

// mindClock has runs looked at that were put off, if the clock has been set
// back: till it shows that time again may be long. Those that wait for a time
// or for its passing wait for the clock.
func (h *home) mindClock(ctx context.Context) error {
	now, here := h.now(), time.Now()
	before := h.read
	h.read = reading{now, here}
	if before.here.IsZero() || now.Sub(before.clock) > here.Sub(before.here)-setBack {
		return nil
	}
	h.runs.opts.Logger.Warn("the clock has been set back", "database", h.db.Name, "by", (here.Sub(before.here) - now.Sub(before.clock)).Round(time.Second))
	t := h.tables.runs
	return h.write(ctx, func(tx store.Tx) error {
		_, err := tx.Update(ctx, &query.Update{Model: t, Bump: -1, Set: []query.Assign{set(runWakeAt, now)},
			Where: query.And{compare(t, runWakeAt, query.Gt, now), query.Or{equal(t, runStatus, string(Queued)), equal(t, runReason, itsTurn)}}})
		return err
	})
}

// reading is what the clock showed, and when that was by a watch that nobody
// sets.
type reading struct{ clock, here time.Time }

// claimDue claims runs that are due, as many as there is room for, and goes on
// with them. It returns when to look again.
func (h *home) claimDue(ctx context.Context) (time.Duration, error) {
	pace := h.runs.opts.Pace
	room := h.runs.opts.Workers - h.busyWorkers() // those begun here take no room from them
	if room <= 0 {
		h.leftMore(true)
		return pace, nil // the end of a run rings
	}
	now := h.now()
	due, err := h.dueRuns(ctx, now, room)
	if err != nil {
		return 0, err
	}
	h.leftMore(due.full)
	if len(due.ids) == 0 {
		return due.next, nil
	}
	if err := h.present(ctx); err != nil {
		return 0, err
	}
	claimed, err := h.claim(ctx, due.ids)
	if err != nil {
		return 0, err
	}
	ids := make([]any, len(claimed))
	for i, r := range claimed {
		ids[i] = r.ID
	}
	steps, err := h.loadSteps(ctx, h.store, ids)
	if err != nil {
		for _, r := range claimed {
			h.journalOf(r, &stepList{}).leave(h.runs.opts.Logger, now.Add(time.Second), "")
		}
		return 0, err
	}
	for _, r := range claimed {
		own, err := h.of(ctx, r.Version)
		if err == nil && own != nil {
			own.run(own.journalOf(r, steps[r.ID]), 1, func(error) {})
			continue
		}
		if err != nil {
			h.runs.opts.Logger.Warn("the version of the app that a run began with could not be read", "run", r.ID, "error", err)
		}
		h.journalOf(r, steps[r.ID]).leave(h.runs.opts.Logger, time.Time{}, itsVersion)
	}
	return due.next, nil
}

// suspected reports whether a run is in progress that has been begun again too
// often.
func (h *home) suspected() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.suspect != ""
}

// trust notes that a run is none of those any more: it has got further, or has
// been left.
func (h *home) trust(id string) {
	h.mu.Lock()
	was := h.suspect == id
	if was {
		h.suspect = ""
	}
	h.mu.Unlock()
	h.wake(was)
}

// leftMore notes whether there may be more to claim when there is room.
func (h *home) leftMore(yes bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.more = yes
}

// claim makes this process the owner of those of runs that are still due.
func (h *home) claim(ctx context.Context, due []any) ([]*Run, error) {
	t := h.tables.runs
	token := h.runs.opts.NewID()
	var claimed []*Run
	err := h.write(ctx, func(tx store.Tx) (err error) {
		now := h.now()
		due, err := h.admit(ctx, tx, due, now)
		if err != nil || len(due) == 0 {
			claimed = nil
			return err
		}
		_, err = tx.Update(ctx, &query.Update{Model: t, Bump: -1,
			Where: query.And{oneOf(t, runID, due...), oneOf(t, runStatus, string(Queued), string(Waiting)), compare(t, runWakeAt, query.Lte, now)},
			Set:   []query.Assign{set(runStatus, string(Running)), set(runToken, token), set(runExecutor, h.name), set(runWakeAt, nil), set(runUpdatedAt, now)}})
		if err == nil {
			claimed, err = h.selectRuns(ctx, tx, &query.Select{Where: query.And{oneOf(t, runID, due...), equal(t, runToken, token)}})
		}
		return err
	})
	return claimed, err
}

// sighting is what this process saw of another, and since when, by its own
// clock.
type sighting struct {
	beat  string
	since time.Time
}

// owners lists the processes that own runs: from each to the next, so that it
// does not matter how many they are.
func (h *home) owners(ctx context.Context) (map[string]bool, error) {
	t := h.tables.runs
	owners := map[string]bool{}
	for last, more := "", true; more; {
		more = false
		q := &query.Select{Model: t, Fields: []int{runExecutor}, Where: compare(t, runExecutor, query.Gt, last), Order: []query.Order{{Field: runExecutor}}, Limit: 1}
		err := h.store.Select(ctx, q, func(row store.Row) error {
			last, _ = row.Value(0).(string)
			owners[last], more = true, true
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return owners, nil
}

// takeOver queues the runs again of processes that have shown no life for a
// while.
func (h *home) takeOver(ctx context.Context) error {
	owners, err := h.owners(ctx)
	if err != nil {
		return err
	}
	delete(owners, h.name)
	// What was seen before a time in which this process did not look says
	// nothing: it was stopped, or the database was away and nobody could show
	// life.
	if time.Since(h.looked) > h.runs.opts.Silence {
		clear(h.seen)
	}
	h.looked = time.Now()
	if len(owners) == 0 {
		clear(h.seen)
		return nil
	}
	beats := map[string]string{}
	err = h.store.Select(ctx, &query.Select{Model: h.tables.executors, Fields: []int{executorID, executorBeat}}, func(row store.Row) error {
		name, _ := row.Value(0).(string)
		beats[name], _ = row.Value(1).(string)
		return nil
	})
	if err != nil {
		return err
	}
	for name := range h.seen {
		if !owners[name] {
			delete(h.seen, name)
		}
	}
	for name := range owners {
		_, process, _ := strings.Cut(name, " ")
		if gone(process) { // no need to wait
			if err := h.inherit(ctx, name, beats[name]); err != nil {
				return err
			}
			delete(h.seen, name)
			continue
		}
		s, known := h.seen[name]
		if !known || s.beat != beats[name] {
			h.seen[name] = sighting{beats[name], time.Now()}
			continue
		}
		if time.Since(s.since) < h.runs.opts.Silence {
			continue
		}
		if err := h.inherit(ctx, name, s.beat); err != nil {
			return err
		}
		delete(h.seen, name)
	}
	return nil
}

// collect looks at the runs that this process owns. Those that it does not run
// are queued again: a claim whose commit was not heard of, or a run that could not
// be given back. One is only taken for such if it is at two looks, with one token:
// between its claim and its beginning it is not in progress yet.
func (h *home) collect(ctx context.Context) error {
	t := h.tables.runs
	found := map[string]string{}
	err := h.store.Select(ctx, &query.Select{Model: t, Fields: []int{runID, runToken}, Limit: 10_000,
		Where: query.And{equal(t, runStatus, string(Running)), equal(t, runExecutor, h.name)}}, func(row store.Row) error {
		id, _ := row.Value(0).(string)
		token, _ := row.Value(1).(string)
		found[id] = token
		return nil
	})
	if err != nil {
		return err
	}
	h.mu.Lock()
	for id := range h.active {
		delete(found, id)
	}
	h.mu.Unlock()
	before := h.orphans
	h.orphans = found
	for id, token := range found {
		if before[id] != token {
			continue
		}
		now := h.now()
		err := h.write(ctx, func(tx store.Tx) error {
			_, err := tx.Update(ctx, &query.Update{Model: t, Bump: runTakeovers,
				Where: query.And{equal(t, runID, id), equal(t, runStatus, string(Running)), equal(t, runToken, token)},
				Set:   []query.Assign{set(runStatus, string(Queued)), set(runToken, nil), set(runExecutor, nil), set(runWakeAt, now), set(runUpdatedAt, now)}})
			return err
		})
		if err != nil {
			return err
		}
		h.wake(true)
	}
	return nil
}

// inherit queues the runs of a process that shows no life.
func (h *home) inherit(ctx context.Context, name, beat string) error {
	t, ex := h.tables.runs, h.tables.executors
	var n int64
	err := h.write(ctx, func(tx store.Tx) (err error) {
		// Where it has shown life after all, its row is another.
		if _, err := tx.Delete(ctx, ex, query.And{equal(ex, executorID, name), equal(ex, executorBeat, beat)}); err != nil {
			return err
		}
		still, err := tx.Count(ctx, ex, equal(ex, executorID, name))
		if err != nil || still > 0 {
			return err
		}
		now := h.now()
		n, err = tx.Update(ctx, &query.Update{Model: t, Bump: runTakeovers,
			Where: query.And{equal(t, runStatus, string(Running)), equal(t, runExecutor, name)},
			Set:   []query.Assign{set(runStatus, string(Queued)), set(runToken, nil), set(runExecutor, nil), set(runWakeAt, now), set(runUpdatedAt, now)}})
		return err
	})
	if err == nil && n > 0 {
		h.runs.opts.Logger.Warn("runs of a process that shows no life are taken over", "process", name, "runs", n)
		h.wake(true)
	}
	return err
}

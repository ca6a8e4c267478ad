package durable

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// home is a database and the runs that are kept in it.
type home struct {
	runs   *Runs
	db     *dataflow.Database
	store  store.Store
	tables tables
	name   string // of this process, among the executors

	clock     *clock
	levels    []int64 // priorities, the highest first; used by serve alone
	read      reading // the last; used by serve alone
	schedules []*engine.Timed
	edition   string               // of the timetable
	force     force                // used by serve alone
	limited   bool                 // a workflow of the app has bounds
	due       map[string]time.Time // of each, as this process knows; used by serve alone
	ticked    time.Time            // when they were last looked at
	purged    time.Time            // when runs were last looked for that are kept no longer

	bell    chan struct{}     // rung when there may be something to do
	orphans map[string]string // runs that seem to be nobody's, and the tokens they had; used by serve alone
	looked  time.Time         // when the last look at other processes was; used by serve alone

	front     *home                // of the app's current version, if this one is of another
	successor atomic.Pointer[home] // of the app that has taken the place of this one

	arriving sync.Mutex
	here     atomic.Bool // the process is among the executors

	mu       sync.Mutex
	beating  bool
	lull     int                                // beats with nothing to run
	active   map[string]context.CancelCauseFunc // runs in progress here, by id
	more     bool                               // there may be more runs that are due than were claimed
	idle     chan struct{}                      // closed when none is; nil: nobody waits for that
	claimed  int                                // how many of them were claimed, not begun, here
	suspect  string                             // the one of them that has been begun again too often; "": none has
	watchers map[string][]chan struct{}         // who wants to hear of a run
	seen     map[string]sighting                // other processes
	versions map[string]*version                // other versions of the app
}

func newHome(rs *Runs, db *dataflow.Database) *home {
	h := &home{runs: rs, due: map[string]time.Time{}, db: db, store: rs.engine.Store(db), tables: tablesOf(db), name: rand.Text() + " " + processName(),
		bell: make(chan struct{}, 1), active: map[string]context.CancelCauseFunc{}, watchers: map[string][]chan struct{}{},
		seen: map[string]sighting{}, versions: map[string]*version{}}
	h.clock = newClock(rs.opts.Now, h.store)
	h.limited, h.levels = h.bounded(), h.ownLevels()
	for _, s := range rs.engine.Plan().Timetable() {
		if s.Home == db {
			h.schedules = append(h.schedules, s)
		}
	}
	h.edition = h.editionOf()
	return h
}

// top is the home of the app's current version.
func (h *home) top() *home {
	if h.front != nil {
		return h.front
	}
	return h
}

// now is the clock, in the precision that the database keeps.
func (h *home) now() time.Time { return h.top().clock.now().UTC().Truncate(time.Microsecond) }

// nowIn is what the clock shows within a transaction, asked there: this process,
// or its machine, may have been stopped since it was asked last, or have waited
// for a lock.
func (h *home) nowIn(ctx context.Context, tx store.Tx) (time.Time, error) {
	by, _ := tx.(store.Clock)
	err := h.top().clock.askBy(ctx, by)
	return h.now(), err
}

// write is a transaction whose function waits for nothing but the database.
func (h *home) write(ctx context.Context, f func(store.Tx) error) error {
	return h.store.Write(store.Steady(ctx), f)
}

// wake has the database looked at without delay.
func (h *home) wake(something bool) {
	if !something {
		return
	}
	select {
	case h.newest().bell <- struct{}{}:
	default: // it is ringing
	}
}

// newRun is a run that is due at once.
func (h *home) newRun(id, workflow string, inputs *dataflow.Object, c access.Caller) *Run {
	now := h.now()
	priority, group := h.placeOf(workflow, inputs)
	return &Run{ID: id, Workflow: workflow, Priority: priority, Group: group, Version: h.runs.opts.Source.Hash(), Status: Queued, Input: inputs, Caller: c,
		WakeAt: now, Created: now, Updated: now, poke: id}
}

// enqueue adds runs, and the app that they begin with.
func (h *home) enqueue(ctx context.Context, tx store.Tx, runs ...*Run) error {
	rows := make([][]any, len(runs))
	for i, r := range runs {
		row, err := r.row()
		if err != nil {
			return err
		}
		rows[i] = row
	}
	if !h.here.Load() && h.front == nil {
		if err := h.keepSource(ctx, tx); err != nil {
			return err
		}
	}
	_, err := tx.Insert(ctx, h.tables.runs, runColumns, rows)
	return err
}

// get returns a run, or nil.
func (h *home) get(ctx context.Context, from store.Reader, id string) (*Run, error) {
	return h.one(ctx, from, equal(h.tables.runs, runID, id))
}

func (h *home) byKey(ctx context.Context, key string) (*Run, error) {
	return h.one(ctx, h.store, equal(h.tables.runs, runKey, key))
}

func (h *home) one(ctx context.Context, from store.Reader, where query.Expr) (*Run, error) {
	list, err := h.selectRuns(ctx, from, &query.Select{Where: where, Limit: 1})
	if len(list) == 0 {
		return nil, err
	}
	return list[0], nil
}

func (h *home) selectRuns(ctx context.Context, from store.Reader, q *query.Select) ([]*Run, error) {
	q.Model = h.tables.runs
	var list []*Run
	err := from.Select(ctx, q, func(row store.Row) error {
		list = append(list, runOf(row))
		return nil
	})
	return list, err
}

// list returns one run more than asked for, if there are so many. last, if not
// nil, is the last one seen, of whatever database.
func (h *home) list(ctx context.Context, c access.Caller, f Filter, last *Run) ([]*Run, error) {
	t := h.tables.runs
	where := query.And{}
	for i, v := range map[int]string{runWorkflow: f.Workflow, runStatus: string(f.Status), runParent: f.Parent} {
		if v != "" {
			where = append(where, equal(t, i, v))
		}
	}
	if names, all := h.runs.seen(c); !all {
		where = append(where, oneOf(t, runWorkflow, names...))
	}
	switch {
	case c.Operator:
	case c.Tenant == "":
		where = append(where, compare(t, runTenant, query.Null, true))
	default:
		where = append(where, equal(t, runTenant, c.Tenant))
	}
	q := &query.Select{Order: []query.Order{{Field: runCreatedAt, Desc: true}, {Field: runID, Desc: true}}, Limit: f.Limit + 1}
	if last != nil {
		q.After = []any{last.Created, last.ID}
	}
	if f.Parent != "" {
		where = append(where, below(t, f.Parent)) // which is in the index
	}
	if len(where) > 0 {
		q.Where = where
	}
	return h.selectRuns(ctx, h.store, q)
}

func sortLatest(list []*Run) {
	slices.SortStableFunc(list, func(a, b *Run) int {
		if c := b.Created.Compare(a.Created); c != 0 {
			return c
		}
		return strings.Compare(b.ID, a.ID)
	})
}

// stepList is what is kept of a run.
type stepList struct {
	steps  []*engine.Step
	seqs   []int64
	unread error // why one can't be read
}

// loadSteps reads the steps of runs, by run.
func (h *home) loadSteps(ctx context.Context, from store.Reader, ids []any) (map[string]*stepList, error) {
	t := h.tables.steps
	by := map[string]*stepList{}
	err := from.Select(ctx, &query.Select{Model: t, Where: oneOf(t, stepRun, ids...), Order: []query.Order{{Field: stepRun}, {Field: stepSeq}}}, func(row store.Row) error {
		run, seq, s, unread := stepOf(row)
		l := by[run]
		if l == nil {
			l = &stepList{}
			by[run] = l
		}
		l.unread = errors.Join(l.unread, unread)
		l.steps, l.seqs = append(l.steps, s), append(l.seqs, seq)
		return nil
	})
	for _, id := range ids {
		if by[id.(string)] == nil {
			by[id.(string)] = &stepList{}
		}
	}
	return by, err
}

// journalOf is the journal of a run that this process has claimed.
func (h *home) journalOf(r *Run, l *stepList) *journal {
	j := &journal{home: h, run: r, steps: l.steps, kept: map[string]int64{}}
	j.saved.Store(true)
	if j.run.unread == nil {
		j.run.unread = l.unread
	}
	for i, s := range l.steps {
		j.kept[s.Key] = l.seqs[i]
		j.seq = max(j.seq, l.seqs[i])
	}
	return j
}

// over says why nothing can be done to a run that poke did not find alive.
func (h *home) over(ctx context.Context, tx store.Tx, id, what string) error {
	r, err := h.get(ctx, tx, id)
	switch {
	case err != nil:
		return err
	case r == nil:
		return &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound, Message: "the run " + id + " is gone"}
	}
	return &dataflow.Error{Code: "run_ended", Status: dataflow.StatusConflict,
		Message: "the run is " + string(r.Status) + ", so it can't be " + what}
}

// poke has a run looked at, whoever does that. The run's row is locked from
// then on: alive says for certain whether it had not ended.
func (h *home) poke(ctx context.Context, tx store.Tx, id string, more ...query.Assign) (alive bool, err error) {
	t := h.tables.runs
	now := h.now()
	n, err := tx.Update(ctx, &query.Update{Model: t, Bump: -1,
		Where: query.And{equal(t, runID, id), oneOf(t, runStatus, string(Queued), string(Running), string(Waiting))},
		Set:   append([]query.Assign{set(runPoke, h.runs.opts.NewID()), set(runWakeAt, now)}, more...)})
	return n > 0, err
}

// cancel asks for a run and those that it waits for to end, and returns those
// that it asked.
func (h *home) cancel(ctx context.Context, tx store.Tx, id string) (asked []string, err error) {
	alive, err := h.poke(ctx, tx, id, set(runCancel, true))
	if err != nil || !alive {
		return nil, err
	}
	below, err := h.cancelBelow(ctx, tx, id)
	return append(below, id), err
}

// cancelBelow asks for the runs to end that a run waits for.
func (h *home) cancelBelow(ctx context.Context, tx store.Tx, id string) (asked []string, err error) {
	t := h.tables.runs
	children, err := h.selectRuns(ctx, tx, &query.Select{Where: query.And{below(t, id), equal(t, runParent, id)}})
	for _, c := range children {
		if err == nil && !c.Status.Ended() {
			var more []string
			more, err = h.cancel(ctx, tx, c.ID)
			asked = append(asked, more...)
		}
	}
	return asked, err
}

// retry queues a run again that has failed, without the steps that did. Where
// it failed for a run that it waited for, that one is tried again.
func (h *home) retry(ctx context.Context, tx store.Tx, id string) error {
	t, st := h.tables.runs, h.tables.steps
	now := h.now()
	// First of all, so that the row is locked: of two who try again one does.
	n, err := tx.Update(ctx, &query.Update{Model: t, Bump: -1, Where: query.And{equal(t, runID, id), equal(t, runStatus, string(Failed))},
		Set: []query.Assign{set(runStatus, string(Queued)), set(runWakeAt, now), set(runPoke, h.runs.opts.NewID()), set(runError, nil), set(runCancel, false),
			set(runTakeovers, int64(0)), set(runEndedAt, nil), set(runUpdatedAt, now)}})
	if err != nil {
		return err
	}
	if n == 0 {
		return h.notFailed(ctx, tx, id)
	}
	undone, err := tx.Count(ctx, st, query.And{equal(st, stepRun, id), equal(st, stepState, string(engine.StepUndone))})
	if err != nil {
		return err
	}
	if undone > 0 {
		return &dataflow.Error{Code: "run_undone", Status: dataflow.StatusConflict,
			Message: "what the run did has been undone, so it can't go on from there", Hint: "start a new run with the same inputs"}
	}
	if err := h.waitAgain(ctx, tx, id); err != nil {
		return err
	}
	// The runs that it still waits for, or that failed it: those whose end it
	// has taken for what it is are left alone.
	open := query.And{equal(st, stepRun, id), query.Or{equal(st, stepState, string(engine.StepWaiting)), query.Not{Expr: compare(st, stepError, query.Null, true)}}}
	var children []any
	if err := tx.Select(ctx, &query.Select{Model: st, Fields: []int{stepID}, Where: open}, func(row store.Row) error {
		children = append(children, row.Value(0)) // a run that a step started has the step's id
		return nil
	}); err != nil {
		return err
	}
	if len(children) > 0 {
		list, err := h.selectRuns(ctx, tx, &query.Select{Where: query.And{oneOf(t, runID, children...), equal(t, runParent, id)}})
		if err != nil {
			return err
		}
		for _, c := range list {
			switch {
			case c.Status == Failed:
				err = h.retry(ctx, tx, c.ID)
			case c.Status == Cancelled || c.Cancelling():
				err = partCancelled(c)
			}
			if err != nil {
				return err
			}
		}
	}
	failed := query.And{equal(st, stepRun, id), query.Not{Expr: compare(st, stepError, query.Null, true)}}
	_, err = tx.Update(ctx, &query.Update{Model: st, Bump: -1, Where: append(failed, query.Not{Expr: compare(st, stepResult, query.Null, true)}),
		Set: []query.Assign{set(stepState, string(engine.StepPledged)), set(stepError, nil), set(stepUpdatedAt, now)}})
	if err != nil {
		return err
	}
	_, err = tx.Delete(ctx, st, failed)
	return err
}

// partCancelled refuses to try a run again that waits for another which was
// cancelled. That one can't be begun anew: its calls would carry the keys of those
// that were undone, and a service would take them for these.
func partCancelled(c *Run) error {
	return &dataflow.Error{Code: "run_cancelled", Status: dataflow.StatusConflict,
		Message: "the run " + c.ID + ", which it waits for, was cancelled, so it can't go on from there", Hint: "start a new run with the same inputs"}
}

// taken is a wait for a signal that a run may be sent again.
type taken struct {
	wait    *engine.Step
	skipped []*engine.Step // since then
}

// lastTaken are the waits for signals, of a run's steps, at which it failed or after
// which it has done nothing but take others that don't hang on them; and of each the
// steps that were skipped after it. There is none if what the run did was undone.
// What began before a wait does not hang on it, whenever it ended. hangs tells of two
// nodes whether the first does on the second; of a handler nobody knows.
func lastTaken(steps []*engine.Step, hangs func(node, on string) bool) (list []taken) {
	for _, s := range steps {
		waits := s.Signal() != ""
		switch {
		case s.State == engine.StepUndone:
			return nil
		case s.State == engine.StepSkipped:
			for i := range list {
				list[i].skipped = append(list[i].skipped, s)
			}
		case s.State == engine.StepDone && !waits:
			list = nil
		case waits && (s.State == engine.StepDone || s.State == engine.StepFailed):
			list = slices.DeleteFunc(list, func(t taken) bool { return !s.OfNode() || hangs(s.Key, t.wait.Key) })
			list = append(list, taken{wait: s})
		}
	}
	return list
}

// ofName is the last of the waits that is for a signal.
func ofName(list []taken, signal string) *taken {
	for i := len(list) - 1; i >= 0; i-- {
		if list[i].wait.Signal() == signal {
			return &list[i]
		}
	}
	return nil
}

// hangs tells of the nodes of a workflow whether one hangs on another, as far as
// the app that is run here tells.
func (h *home) hangs(workflow string) func(node, on string) bool {
	return func(node, on string) bool { return h.runs.engine.Plan().Hangs(workflow, node, on) }
}

// sendAgain says since when a signal counts that is sent to a run that has ended:
// one that failed takes it when it is tried again, if it has done nothing that may
// hang on it since it took one of that name, or failed as it waited for one. It takes the place of that
// one, and so goes before those that have come meanwhile.
func (h *home) sendAgain(ctx context.Context, tx store.Tx, id, name string, hangs func(node, on string) bool) (since time.Time, err error) {
	list, err := h.selectRuns(ctx, tx, &query.Select{Where: equal(h.tables.runs, runID, id), Limit: 1, Lock: true})
	if err != nil {
		return time.Time{}, err
	}
	if len(list) == 0 || list[0].Status != Failed {
		return time.Time{}, h.over(ctx, tx, id, "signalled")
	}
	by, err := h.loadSteps(ctx, tx, []any{id})
	if err != nil {
		return time.Time{}, err
	}
	if ofName(lastTaken(by[id].steps, hangs), name) == nil {
		e := dataflow.AsError(h.over(ctx, tx, id, "signalled"))
		e.Hint = "a run that failed is sent a signal again only if the last thing it did was to take that one"
		return time.Time{}, e
	}
	_, err = tx.Delete(ctx, h.tables.signals, h.sentAgain(list[0], name))
	return list[0].Created, err
}

// sentAgain is the filter for the signal that takes the place of one that a run
// has taken.
func (h *home) sentAgain(r *Run, name string) query.Expr {
	t := h.tables.signals
	return query.And{equal(t, signalRun, r.ID), equal(t, signalName, name), equal(t, signalCreatedAt, r.Created)}
}

// waitAgain has a run that is tried again take the signals that it was sent instead
// of those that it has taken. Whether one hangs on another was looked at then.
func (h *home) waitAgain(ctx context.Context, tx store.Tx, id string) error {
	r, err := h.get(ctx, tx, id)
	if err != nil || r == nil {
		return err
	}
	by, err := h.loadSteps(ctx, tx, []any{id})
	if err != nil {
		return err
	}
	var keys []any
	list := lastTaken(by[id].steps, func(string, string) bool { return false })
	for i, t := range list {
		if ofName(list, t.wait.Signal()) != &list[i] {
			continue
		}
		n, err := tx.Count(ctx, h.tables.signals, h.sentAgain(r, t.wait.Signal()))
		if err != nil {
			return err
		}
		if n > 0 {
			keys = append(keys, t.wait.Key)
			for _, s := range t.skipped {
				keys = append(keys, s.Key)
			}
		}
	}
	if len(keys) == 0 {
		return nil
	}
	t := h.tables.steps
	_, err = tx.Delete(ctx, t, query.And{equal(t, stepRun, id), oneOf(t, stepKey, keys...)})
	return err
}

func (h *home) notFailed(ctx context.Context, tx store.Tx, id string) error {
	e := &dataflow.Error{Code: "run_not_failed", Status: dataflow.StatusConflict, Message: "only a run that failed can be tried again"}
	r, err := h.get(ctx, tx, id)
	if err != nil {
		return err
	}
	if r != nil {
		e.Message = "the run is " + string(r.Status) + ": " + e.Message
	}
	return e
}

// purgeBatch is how many runs are looked at in one transaction.
const purgeBatch = 500

// purge passes over all runs that ended before a time, a batch at a time.
func (h *home) purge(ctx context.Context, before time.Time, status Status) (n int, err error) {
	var last *Run
	for {
		forgotten, next := 0, (*Run)(nil)
		err := h.write(ctx, func(tx store.Tx) (err error) {
			forgotten, next, err = h.purgeSome(ctx, tx, before, status, last)
			return err
		})
		if err != nil {
			return n, err
		}
		if n += forgotten; next == nil {
			return n, h.forgetGroups(ctx, before)
		}
		last = next
	}
}

// purgeSome forgets runs that ended after last, and returns how many, and where
// to go on; nil if there are no more.
func (h *home) purgeSome(ctx context.Context, tx store.Tx, before time.Time, status Status, last *Run) (n int, next *Run, err error) {
	t := h.tables.runs
	ended := []any{string(Completed), string(Failed), string(Cancelled)}
	if status != "" {
		ended = []any{string(status)}
	}
	where := query.And{oneOf(t, runStatus, ended...), compare(t, runEndedAt, query.Lt, before.UTC())}
	q := &query.Select{Where: where, Order: []query.Order{{Field: runEndedAt}}, Limit: purgeBatch, Lock: true}
	if last != nil {
		q.After = []any{last.Ended, last.ID}
	}
	list, err := h.selectRuns(ctx, tx, q)
	if err != nil || len(list) == 0 {
		return 0, nil, err
	}
	if len(list) == purgeBatch {
		next = list[len(list)-1]
	}
	needed, err := h.awaited(ctx, tx, list, where)
	if err != nil {
		return 0, nil, err
	}
	var ids []any
	for _, r := range list {
		if !slices.ContainsFunc(r.above(), func(id string) bool { return needed[id] }) {
			ids = append(ids, r.ID)
		}
	}
	if len(ids) == 0 {
		return 0, next, nil
	}
	for m, field := range map[*dataflow.Model]int{h.tables.steps: stepRun, h.tables.signals: signalRun, t: runID} {
		if _, err := tx.Delete(ctx, m, oneOf(m, field, ids...)); err != nil {
			return 0, nil, err
		}
	}
	return len(ids), next, nil
}

// awaited returns those of the runs above some that ask, or may ask, how these
// ended: that have yet to end, or failed and are kept, so that they may be tried
// again. goes is the filter for runs that are forgotten.
func (h *home) awaited(ctx context.Context, tx store.Tx, list []*Run, goes query.Expr) (map[string]bool, error) {
	t := h.tables.runs
	var above []any
	for _, r := range list {
		for _, id := range r.above() {
			above = append(above, id)
		}
	}
	if len(above) == 0 {
		return nil, nil
	}
	kept := query.And{equal(t, runStatus, string(Failed)), query.Not{Expr: goes}}
	asks := query.Or{oneOf(t, runStatus, string(Queued), string(Running), string(Waiting)), kept}
	asking, err := h.selectRuns(ctx, tx, &query.Select{Where: query.And{oneOf(t, runID, above...), asks}})
	needed := map[string]bool{}
	for _, r := range asking {
		needed[r.ID] = true
	}
	return needed, err
}

// Watch returns a channel that is told when a run changes in this process, and
// what ends that.
func (rs *Runs) Watch(id string) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	for _, h := range rs.homes {
		h.mu.Lock()
		h.watchers[id] = append(h.watchers[id], ch)
		h.mu.Unlock()
	}
	return ch, func() {
		for _, h := range rs.homes {
			h.mu.Lock()
			if h.watchers[id] = slices.DeleteFunc(h.watchers[id], func(c chan struct{}) bool { return c == ch }); len(h.watchers[id]) == 0 {
				delete(h.watchers, id)
			}
			h.mu.Unlock()
		}
	}
}

// count tells who counts that a run has ended.
func (h *home) count(before, now *Run) {
	if f := h.runs.opts.Ended; f != nil && now.Status.Ended() && !before.Status.Ended() {
		f(now.Workflow, now.Status)
	}
}

// told tells those who watch a run that it has changed.
func (h *home) told(r *Run) {
	for h = h.top(); h != nil; h = h.successor.Load() {
		h.mu.Lock()
		for _, ch := range h.watchers[r.ID] {
			select {
			case ch <- struct{}{}:
			default: // it has yet to hear of the change before
			}
		}
		h.mu.Unlock()
	}
}

// Package durable keeps runs of workflows in the database, so that they
// survive the process that began them: it implements engine.Journal, claims
// runs that are due, takes over those of processes that have died, and answers
// questions about runs.
//
// # Who owns a run
//
// A run in progress belongs to whoever claimed it last: the claim put a token
// into its row, and every checkpoint is made on condition that the token is
// still there, in the transaction of the effects that it tells of. A process
// that was stopped, or thought dead, and goes on has its next checkpoint
// refused, and with it the effects.
//
// A process that runs something changes its row of _flow_executors every few
// seconds. Others see that it has not changed for a while by their own clocks,
// and queue its runs again.
//
// # Who wakes a run
//
// wake_at says when a queued or waiting run is to be looked at. Whoever has
// something for a run (a signal, the end of a run it waits for, the wish to
// cancel it) writes that, changes poke and sets wake_at, in one transaction. A
// run comes to rest on condition that poke is still what it was, so that
// nothing is missed in between. A waiting run is a row, and nothing else.
package durable

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Options are what Runs need besides an engine.
type Options struct {
	Logger *slog.Logger
	Now    func() time.Time // nil: the database's clock, or else the machine's
	NewID  func() string    // of processes, claims and signals
	// Source is the app's own text: it is kept with the runs that begin with it.
	// Zero: the runs of every version are run by this engine.
	Source Source
	// Load makes an engine of a version that runs began with. Nil: runs of
	// other versions are left to processes that can.
	Load func(ctx context.Context, s Source) (*engine.Engine, func(), error)
	// Earlier: the engine is of a version before, for runs that began with it.
	Earlier bool
	// Workers bounds how many runs are in progress at a time, for each
	// database; 0 is 256.
	Workers int
	// Pace is how often the database is looked at for work of others; 0 is a
	// second. Takeovers take a few times as long as Silence.
	Pace time.Duration
	// Keep is how long runs that have ended are kept; 0: for ever.
	Keep time.Duration
	// Ended, if set, hears of each run that ends in this process.
	Ended func(workflow string, s Status)
	// Silence is how long a process may show no life before its runs are
	// taken over; 0 is 9 seconds.
	Silence time.Duration
}

// Runs are the durable runs of an app. They are safe for concurrent use.
type Runs struct {
	engine *engine.Engine
	opts   Options
	homes  []*home
	byDB   map[*dataflow.Database]*home

	ctx    context.Context // of every run in progress
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	after   <-chan struct{} // closed when those whose place these have taken look no more; nil: nobody's
	next    atomic.Pointer[Runs]
	looking sync.WaitGroup  // for work
	retired context.Context // done when no more work is looked for
	retire  context.CancelFunc
}

// errStopping is why runs in progress are left.
var errStopping = errors.New("the process is about to end")

// New returns the durable runs of an engine's app. Nothing runs until Start
// or Serve is called.
func New(e *engine.Engine, o Options) *Runs {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Workers == 0 {
		o.Workers = 256
	}
	if o.Pace == 0 {
		o.Pace = time.Second
	}
	if o.Silence == 0 {
		o.Silence = 9 * time.Second
	}
	rs := &Runs{engine: e, opts: o, byDB: map[*dataflow.Database]*home{}}
	rs.ctx, rs.cancel = context.WithCancelCause(context.Background())
	rs.retired, rs.retire = context.WithCancel(context.Background())
	for _, db := range e.App().Databases {
		if db.Options.ExistingSchemaMode && !o.Earlier {
			continue // it has no tables of ours
		}
		h := newHome(rs, db)
		rs.homes = append(rs.homes, h)
		rs.byDB[db] = h
	}
	e.KeepRuns(rs)
	return rs
}

// Close leaves the runs in progress, for this or another process to go on
// with, and returns when they have been left.
func (rs *Runs) Close() {
	rs.cancel(errStopping)
	rs.retire()
	rs.wg.Wait()
	for _, h := range rs.homes {
		h.resign()
	}
}

// Begin asks for a run.
type Begin struct {
	Workflow string
	Inputs   *dataflow.Object // as the caller gave them
	Caller   access.Caller
	// Key, if set, makes begins with the same one one run; Request tells
	// whether another begin with the key is the same one.
	Key, Request string
	// Later: the run is only queued.
	Later bool
	// Queued, if set, is called in the transaction that queues a run.
	Queued func(context.Context, store.Tx, *Run) error
	// Progress, if set, hears how many steps have been kept as done, and of the
	// last of them: of those that this process does before Begin returns, and
	// perhaps of some after that.
	Progress func(done int, step string)
}

// keyOf is a begin's key among all.
func (b *Begin) key() string {
	if b.Key == "" {
		return ""
	}
	return b.Workflow + "\n" + b.Caller.Once(b.Key)
}

// Begin starts a run and goes on with it until it has ended, rests, or ctx is
// done, which does not end the run. old says that there was one with the key.
// A run whose first unit fails on data has left nothing, and is not kept: the
// error is then its own.
func (rs *Runs) Begin(ctx context.Context, b Begin) (r *Run, old bool, err error) {
	inputs, err := rs.engine.CheckInputs(b.Workflow, b.Inputs)
	if err != nil {
		return nil, false, err
	}
	h := rs.byDB[rs.engine.Plan().Home(b.Workflow)]
	if h == nil {
		return nil, false, unkept(b.Workflow)
	}
	if err := h.clock.ready(ctx); err != nil {
		return nil, false, err
	}
	if key := b.key(); key != "" {
		if r, err := h.byKey(ctx, key); r != nil || err != nil {
			return r, true, rs.sameBegin(r, b, err)
		}
	}
	if err := h.present(ctx); err != nil {
		return nil, false, err
	}
	r = h.newRun(rs.opts.NewID(), b.Workflow, inputs, b.Caller)
	r.key, r.request = b.key(), b.Request
	over := false
	limited := h.limitOf(b.Workflow) != nil
	if b.Later || limited {
		err = h.write(ctx, func(tx store.Tx) error {
			if err := h.enqueue(ctx, tx, r); err != nil || b.Queued == nil {
				return err
			}
			return b.Queued(ctx, tx, r)
		})
		h.wake(err == nil)
	} else {
		r.Status, r.token, r.Executor, r.Started, r.WakeAt = Running, rs.opts.NewID(), h.name, r.Created, time.Time{}
		over, err = h.await(ctx, &journal{home: h, run: r, kept: map[string]int64{}, progress: b.Progress})
	}
	if e, ok := errors.AsType[*dataflow.Error](err); ok && e.Code == "unique_violation" && b.Key != "" && e.Node == "" {
		if r, err := h.byKey(ctx, b.key()); r != nil || err != nil { // somebody was faster
			return r, true, rs.sameBegin(r, b, err)
		}
	}
	if err != nil || over || b.Later {
		return r, false, err
	}
	if limited {
		r, err = rs.follow(ctx, h, r, b.Progress)
		return r, false, err
	}
	now, err := h.get(context.WithoutCancel(ctx), h.store, r.ID) // another goroutine has r
	if now == nil && err == nil {
		err = &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound,
			Message: fmt.Sprintf("the run %s has ended, and is not kept any more", r.ID), Hint: "run_retention says how long runs are kept"}
	}
	return now, false, err
}

// Begun returns the run that was begun with a begin's key, or nil. It is an error
// if that was another begin.
func (rs *Runs) Begun(ctx context.Context, b Begin) (*Run, error) {
	h := rs.byDB[rs.engine.Plan().Home(b.Workflow)]
	if h == nil || b.Key == "" {
		return nil, nil
	}
	r, err := h.byKey(ctx, b.key())
	if r == nil || err != nil {
		return nil, err
	}
	return r, rs.sameBegin(r, b, nil)
}

// follow waits until a run that had to wait for its turn has ended or rests, or
// ctx is done.
func (rs *Runs) follow(ctx context.Context, h *home, r *Run, progress func(int, string)) (*Run, error) {
	changed, stop := rs.Watch(r.ID)
	defer stop()
	look := time.NewTicker(rs.opts.Pace)
	defer look.Stop()
	for {
		now, err := h.get(context.WithoutCancel(ctx), h.store, r.ID)
		if err != nil || now == nil {
			return r, err
		}
		if progress != nil {
			if steps, err := rs.Steps(context.WithoutCancel(ctx), r); err == nil { // or the next time
				tellSteps(steps, progress)
			}
		}
		rests := now.Status == Waiting && (now.WakeAt.IsZero() || !now.WakeAt.Before(h.now()))
		if now.Status.Ended() || rests || ctx.Err() != nil {
			return now, nil
		}
		select {
		case <-changed:
		case <-look.C:
		case <-ctx.Done():
		case <-rs.ctx.Done():
			return now, nil
		}
	}
}

func (rs *Runs) sameBegin(r *Run, b Begin, err error) error {
	if err != nil {
		return err
	}
	if r.request != b.Request {
		return &dataflow.Error{Code: "idempotency_key_reused", Status: dataflow.StatusInvalid,
			Message: "the Idempotency-Key was used for another request", Hint: "take a new key for a new request; to repeat a request, repeat it whole"}
	}
	return nil
}

// Get returns a run, or a not_found error. A caller sees the runs of its own
// tenant; those that no tenant began are seen by callers without one. One whom
// access rules are for sees those of workflows that it may start.
func (rs *Runs) Get(ctx context.Context, c access.Caller, id string) (*Run, error) {
	_, r, err := rs.find(ctx, c, id)
	return r, err
}

func (rs *Runs) find(ctx context.Context, c access.Caller, id string) (*home, *Run, error) {
	homes := rs.homes
	if !storable(id) {
		homes = nil
	}
	for _, h := range homes {
		r, err := h.get(ctx, h.store, id)
		if err != nil {
			return nil, nil, err
		}
		if r == nil {
			continue
		}
		if c.Operator || r.Caller.Tenant == c.Tenant && rs.seenBy(c, r.Workflow) {
			return h, r, h.clock.ready(ctx)
		}
	}
	return nil, nil, &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound, Message: fmt.Sprintf("there is no run %q", id),
		Hint: "only durable runs are kept; GET /runs and flowctl runs list show them"}
}

// seenBy reports whether a caller sees the runs of a workflow. Those of one that
// is not registered, as a part of another or of an earlier version of the app, are
// nobody's to see where callers are asked who they are.
func (rs *Runs) seenBy(c access.Caller, workflow string) bool {
	if !c.Ruled || c.Operator {
		return true
	}
	app := rs.engine.App()
	for _, w := range app.Workflows {
		if w.Name == workflow {
			return access.MayStart(c, w) == nil
		}
	}
	return app.Server == nil || !app.Server.EnableAuth
}

// seen lists the workflows whose runs a caller sees; all is set if that is every
// one.
func (rs *Runs) seen(c access.Caller) (names []any, all bool) {
	app := rs.engine.App()
	if !c.Ruled || c.Operator || app.Server == nil || !app.Server.EnableAuth {
		return nil, true
	}
	for _, w := range app.Workflows {
		if access.MayStart(c, w) == nil {
			names = append(names, w.Name)
		}
	}
	return names, false
}

// Steps returns what is kept of a run, in order.
func (rs *Runs) Steps(ctx context.Context, r *Run) ([]*engine.Step, error) {
	for _, h := range rs.homes {
		byRun, err := h.loadSteps(ctx, h.store, []any{r.ID})
		if err != nil {
			return nil, err
		}
		if steps := byRun[r.ID].steps; len(steps) > 0 {
			return slices.DeleteFunc(steps, func(s *engine.Step) bool { return s.State == engine.StepPledged }), nil
		}
	}
	return nil, nil
}

// Filter picks runs.
type Filter struct {
	Workflow string
	Status   Status
	Parent   string
	Before   string // the id of the last run seen, or next_cursor of its page
	Limit    int    // 0 is 20
}

// List returns runs, the latest first.
func (rs *Runs) List(ctx context.Context, c access.Caller, f Filter) (list []*Run, more bool, err error) {
	if f.Limit <= 0 {
		f.Limit = 20
	}
	var last *Run
	if place, ok := placed(f.Before); ok {
		last = place
	} else if f.Before != "" {
		if last, err = rs.Get(ctx, c, f.Before); err != nil {
			if dataflow.AsError(err).Code != "not_found" {
				return nil, false, err
			}
			return nil, false, dataflow.Invalid(dataflow.Problem{Code: "cursor", Pointer: "/cursor", Detail: "there is no such place in the list",
				Hint: "take next_cursor of the page before"})
		}
	}
	if !storable(f.Parent) {
		return nil, false, nil
	}
	if !storable(f.Workflow) {
		return nil, false, dataflow.Invalid(dataflow.Problem{Code: "not_in_enum", Pointer: "/workflow",
			Detail: "there is no workflow of a name with the character NUL, or that is no UTF-8"})
	}
	for _, h := range rs.homes {
		part, err := h.list(ctx, c, f, last)
		if err != nil {
			return nil, false, err
		}
		list = append(list, part...)
	}
	sortLatest(list)
	if len(list) > f.Limit {
		return list[:f.Limit], true, nil
	}
	if len(list) == 0 && f.Workflow != "" {
		return nil, false, rs.hasRuns(ctx, c, f.Workflow)
	}
	return list, false, nil
}

// hasRuns refuses a workflow that a caller knows nothing of: neither is it one of
// the app that the caller sees the runs of, nor has it runs that the caller sees,
// as one has that an earlier version of the app had, or that is a part of another.
func (rs *Runs) hasRuns(ctx context.Context, c access.Caller, workflow string) error {
	if rs.engine.Plan().Workflow(workflow) != nil && rs.seenBy(c, workflow) {
		return nil
	}
	for _, h := range rs.homes {
		if list, err := h.list(ctx, c, Filter{Workflow: workflow, Limit: 1}, nil); len(list) > 0 || err != nil {
			return err
		}
	}
	var names []string
	for _, w := range rs.engine.App().Workflows {
		if rs.seenBy(c, w.Name) {
			names = append(names, w.Name)
		}
	}
	return dataflow.Invalid(dataflow.Problem{Code: "not_in_enum", Pointer: "/workflow",
		Detail: fmt.Sprintf("there is no workflow %q, and no run of one", workflow), Hint: dataflow.DidYouMean(workflow, names)})
}

// storable reports whether every engine can hold a text that a caller sent, and
// be asked for it.
func storable(text string) bool { return utf8.ValidString(text) && !strings.ContainsRune(text, 0) }

// Signal sends a run a signal, which it takes when it waits for one of that
// name, be it before or after. One that failed right after it had taken a signal
// of the name takes this one instead, once it is tried again.
func (rs *Runs) Signal(ctx context.Context, c access.Caller, id, name string, payload any) (*Run, error) {
	h, r, err := rs.find(ctx, c, id)
	if err != nil {
		return nil, err
	}
	if !dataflow.NamesSignal(name) {
		return nil, dataflow.Invalid(dataflow.Problem{Code: "format", Pointer: "/name", Detail: "the name of a signal has 1 to 100 bytes, of UTF-8 and without the character NUL"})
	}
	of, err := h.made(ctx, r.Version)
	if err != nil {
		return nil, err
	}
	hangs := func(string, string) bool { return true }
	if of != nil {
		if err := of.listens(r, name, payload); err != nil {
			return nil, err
		}
		hangs = of.hangs(r.Workflow)
	}
	text, err := encode(payload)
	if err != nil {
		return nil, err
	}
	err = h.write(ctx, func(tx store.Tx) error {
		alive, err := h.poke(ctx, tx, id)
		if err != nil {
			return err
		}
		now := h.now()
		since := now
		if !alive {
			if since, err = h.sendAgain(ctx, tx, id, name, hangs); err != nil {
				return err
			}
		}
		row := []any{rs.opts.NewID(), id, name, text, since, now}
		_, err = tx.Insert(ctx, h.tables.signals, fields(signalFields), [][]any{row})
		return err
	})
	if err != nil {
		return nil, err
	}
	h.wake(true)
	return rs.Get(ctx, c, id)
}

// made is this database as a version of the app knows it; nil where that version
// can't be made here.
func (h *home) made(ctx context.Context, version string) (*home, error) {
	of, err := h.of(ctx, version)
	if err != nil || of == nil || of.runs.opts.Source.Hash() != version {
		return nil, err
	}
	return of, nil
}

// listens refuses a signal that a run will never wait for, and one with what the
// run makes nothing of, as far as its workflow tells: a handler that does not say for
// which it waits may wait for any. h is of the version of the app that the run began with.
func (h *home) listens(r *Run, name string, payload any) error {
	signals, known := h.runs.engine.Plan().Signals(r.Workflow)
	names := make([]string, len(signals))
	for i, s := range signals {
		if names[i] = s.Name; s.Name == name {
			_, err := engine.TakePayload(s.Payload, payload, "/payload")
			return err
		}
	}
	if !known || r.Status.Ended() {
		return nil
	}
	hint := dataflow.DidYouMean(name, names)
	switch {
	case hint != "":
	case len(names) == 0:
		hint = "it waits for no signal"
	default:
		hint = "it waits for " + strings.Join(names, ", ")
	}
	return dataflow.Invalid(dataflow.Problem{Code: "not_in_enum", Pointer: "/name", Detail: fmt.Sprintf("%s never waits for the signal %q", r.Workflow, name), Hint: hint})
}

// Cancel has a run end: what it did is undone as far as its nodes say how,
// those that it waits for are cancelled too.
func (rs *Runs) Cancel(ctx context.Context, c access.Caller, id string) (*Run, error) {
	h, _, err := rs.find(ctx, c, id)
	if err != nil {
		return nil, err
	}
	var asked []string
	err = h.write(ctx, func(tx store.Tx) (err error) {
		if asked, err = h.cancel(ctx, tx, id); err == nil && len(asked) == 0 {
			err = h.over(ctx, tx, id, "cancelled")
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, id := range asked {
		h.interrupt(id)
	}
	h.wake(true)
	return rs.Get(ctx, c, id)
}

// Retry has a run that failed go on from where it did. One that has been
// undone can't.
func (rs *Runs) Retry(ctx context.Context, c access.Caller, id string) (*Run, error) {
	h, _, err := rs.find(ctx, c, id)
	if err != nil {
		return nil, err
	}
	if err := h.present(ctx); err != nil {
		return nil, err
	}
	err = h.write(ctx, func(tx store.Tx) error { return h.retry(ctx, tx, id) })
	if err != nil {
		return nil, err
	}
	h.wake(true)
	return rs.Get(ctx, c, id)
}

// Purge forgets runs that ended longer ago than age, by the database's clock, of
// one status or of all, and returns how many. Those that another waits for stay, and
// those of one that failed and stays.
func (rs *Runs) Purge(ctx context.Context, age time.Duration, status Status) (n int, err error) {
	for _, h := range rs.homes {
		if err := h.clock.ready(ctx); err != nil {
			return n, err
		}
		m, err := h.purge(ctx, h.now().Add(-age), status)
		if n += m; err != nil {
			return n, err
		}
	}
	return n, nil
}

// Start implements engine.Starter.
func (rs *Runs) Start(ctx context.Context, tx store.Tx, db *dataflow.Database, runs []*engine.Spawned, c access.Caller, origin string) error {
	h := rs.byDB[db]
	if h == nil {
		return unkept("")
	}
	if err := h.clock.readyIn(ctx, tx); err != nil {
		return err
	}
	list := make([]*Run, len(runs))
	for i, s := range runs {
		id := s.ID
		if id == "" {
			id = rs.opts.NewID()
		}
		list[i] = h.newRun(id, s.Workflow, s.Inputs, c)
		list[i].Origin = origin
	}
	if err := h.enqueue(ctx, tx, list...); err != nil {
		return err
	}
	h.wake(true) // if that is before the commit, the next look is not far
	return nil
}

// unkept is the error for a database that has no tables of the runtime.
func unkept(workflow string) error {
	return &dataflow.Error{Code: "not_available", Status: dataflow.StatusRejected, Workflow: workflow,
		Message: "durable runs need tables of the runtime, and existing_schema_mode = True makes none"}
}

// below is the filter for the runs that a run started: their ids begin with
// its own and a slash, which "0" follows.
func below(m *dataflow.Model, id string) query.Expr {
	return query.And{compare(m, runID, query.Gt, id+"/"), compare(m, runID, query.Lt, id+"0")}
}

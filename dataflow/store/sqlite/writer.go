package sqlite

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

// How long callers wait to write, and how far one commit is shared.
const (
	writeWait    = 10 * time.Second
	maxGroup     = 64
	maxGroupHold = 4 * time.Millisecond
)

// writer is the one connection that writes. Callers take turns on it, in the
// order they came. A commit costs a wait for the disk, so callers that are
// waiting when a turn ends share one: the transaction is handed on open, each
// in a savepoint of its own, and the last commits for all. Nobody learns how
// its turn went before that commit is known: its success may yet be undone,
// and its failure may be due to what is undone with it.
type writer struct {
	c     *conn
	file  *file         // nil for a database in memory
	guard *guard        // likewise
	hold  time.Duration // how long a transaction is handed on
	cur   *group        // the open transaction; whoever has the turn owns it

	mu     sync.Mutex
	taken  bool
	queue  []*turn
	closed bool

	waited  waits
	commits [7]atomic.Uint64 // by how many turns shared them, as store.GroupBounds has it
	turns   atomic.Uint64    // that were committed
}

// turn is a place in the queue.
type turn struct {
	ready  chan struct{} // closed when the turn has come
	joins  bool          // may go on in an open transaction
	closed bool          // it will not come: the writer is closing
}

// group is one transaction shared by turns.
type group struct {
	began time.Time
	turns int
	lone  bool          // whose first turn shares it with nobody
	done  chan struct{} // closed when the outcome is known
	err   error         // why nothing of it has happened, or nil
}

// loose waits for the end, and reports whether a reference that is looked at no sooner than by the
// commit leads nowhere: that of one turn keeps what all have done from being
// committed.
func (g *group) loose() bool {
	if g == nil {
		return false
	}
	<-g.done
	return sqlite.ErrCode(g.err) == sqlite.ResultConstraintForeignKey
}

// undone waits for the end, and reports whether another turn has failed in a way
// that took all that the others have done with it.
func (g *group) undone() bool {
	if g == nil {
		return false
	}
	<-g.done
	return g.err == errUndone
}

func (g *group) finish(err error) {
	g.err = err
	close(g.done)
}

// acquire waits for a turn. joins says that it may be one in a group.
func (w *writer) acquire(ctx context.Context, joins bool) error {
	if err := ctx.Err(); err != nil {
		return store.Interrupted(err)
	}
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return store.Closed()
	}
	if !w.taken {
		w.taken = true
		w.mu.Unlock()
		return nil
	}
	t := &turn{ready: make(chan struct{}), joins: joins}
	w.queue = append(w.queue, t)
	w.mu.Unlock()
	return w.wait(ctx, t)
}

func (w *writer) wait(ctx context.Context, t *turn) error {
	defer w.waited.since(time.Now())
	timer := time.NewTimer(writeWait)
	defer timer.Stop()
	var failed error
	select {
	case <-t.ready:
		if t.closed {
			return store.Closed()
		}
		return nil
	case <-ctx.Done():
		failed = store.Interrupted(ctx.Err())
	case <-timer.C:
		failed = store.Busy("too many callers are waiting to write to the database", nil)
	}
	w.mu.Lock()
	for i, q := range w.queue {
		if q == t {
			w.queue = append(w.queue[:i], w.queue[i+1:]...)
			w.mu.Unlock()
			return failed
		}
	}
	w.mu.Unlock()
	if !t.closed { // the turn came at the same moment: pass it on
		w.release(ctx)
	}
	return failed
}

// release ends a turn: the next caller goes on in the open transaction if it
// may, else the transaction is committed first.
func (w *writer) release(ctx context.Context) {
	if g := w.cur; g != nil {
		if w.handOn(func(t *turn) bool {
			return t.joins && !g.lone && g.turns < maxGroup && time.Since(g.began) < w.hold
		}) {
			return
		}
		w.cur = nil
		err := w.commit(ctx)
		if err == nil {
			w.count(g.turns)
		}
		g.finish(err)
	}
	w.handOn(func(*turn) bool { return true })
}

// handOn gives the turn to the first in the queue, if it is to have it.
func (w *writer) handOn(may func(*turn) bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.queue) == 0 {
		if w.cur == nil {
			w.taken = false
		}
		return false
	}
	t := w.queue[0]
	if !may(t) {
		return false
	}
	w.queue = w.queue[1:]
	close(t.ready)
	return true
}

// errUndone is what is left of a transaction that SQLite has undone by itself.
var errUndone error = dataflow.Internal(errors.New("SQLite has undone the transaction"))

func (w *writer) begin() error {
	if err := w.c.run("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := w.guard.check(w.c); err != nil {
		w.rollback()
		return err
	}
	return nil
}

func (w *writer) commit(ctx context.Context) error {
	err := w.file.lost()
	if err == nil {
		err = w.c.run("COMMIT")
	}
	if err == nil {
		return nil
	}
	w.rollback()
	if e, ok := errors.AsType[*dataflow.Error](err); ok {
		return e
	}
	if sqlite.ErrCode(err) == sqlite.ResultConstraintForeignKey { // DEFERRABLE INITIALLY DEFERRED, as Django has it
		return &dataflow.Error{Code: "reference_violation", Status: dataflow.StatusConflict, Err: err,
			Message: "a row would refer to one that does not exist, or others still refer to one that would be deleted"}
	}
	return toError(context.WithoutCancel(ctx), fmt.Errorf("commit: %w", err))
}

// rollback undoes the transaction, unless SQLite already has.
func (w *writer) rollback() {
	if !w.c.AutocommitEnabled() {
		_ = w.c.run("ROLLBACK") // it can fail only where there is nothing to undo
	}
}

// manner is how a turn is taken.
type manner struct {
	joins bool // may share a transaction with others
	// strict looks after each statement whether a reference leads nowhere, which
	// the database does no sooner than by the commit.
	strict bool
}

// write runs f in a turn of its own: in a group, and again outside one if that
// is what it takes, as where another of the group has taken it down with itself.
// Where a reference leads nowhere at the commit it runs by itself, for another of
// the group may have broken it, and where that is so then once more, to find the
// statement.
func (w *writer) write(ctx context.Context, s *Store, f func(store.Tx) error) error {
	g, alone, err := w.turn(ctx, manner{joins: true}, s, f)
	if alone || g.undone() || g.loose() && g.turns > 1 {
		g, _, err = w.turn(ctx, manner{}, s, f)
	}
	if g.loose() {
		g, _, err = w.turn(ctx, manner{strict: true}, s, f)
	}
	if g == nil {
		return err
	}
	<-g.done
	if g.err != nil {
		e := *dataflow.AsError(g.err) // each caller's own, to add to
		return &e
	}
	return err
}

// turn waits for a turn and serves f. alone says that f asks to be run again in
// a transaction of its own, and that nothing is left of what it did.
func (w *writer) turn(ctx context.Context, how manner, s *Store, f func(store.Tx) error) (g *group, alone bool, err error) {
	if err := w.acquire(ctx, how.joins); err != nil {
		return nil, false, err
	}
	return w.serve(ctx, how, s, f)
}

// serve runs f and ends the turn, whatever f does. g is nil if f ran in a
// transaction that ended with it.
func (w *writer) serve(ctx context.Context, how manner, s *Store, f func(store.Tx) error) (g *group, alone bool, err error) {
	defer w.release(ctx)
	first := w.cur == nil
	if first {
		if err := w.begin(); err != nil {
			return nil, false, toError(ctx, err)
		}
		w.cur = &group{began: time.Now(), lone: !how.joins, done: make(chan struct{})}
	} else if err := w.c.run("SAVEPOINT turn"); err != nil {
		g = w.cur // before abort takes it away
		return g, false, w.abort(ctx, err)
	}
	g = w.cur
	g.turns++

	t := &tx{session: session{s, w.c}, first: first, strict: how.strict, ends: ctx.Done()}
	ended := false
	defer func() {
		if !ended { // f has left by runtime.Goexit
			_, _ = w.settle(ctx, t, first, fmt.Errorf("the transaction's goroutine has ended"))
		}
	}()
	err = w.call(ctx, t, first, f)
	ended = true
	g, err = w.settle(ctx, t, first, err)
	return g, t.alone && w.cur == g, err
}

// call runs f. Only the first of a group may be interrupted: an interrupted
// statement takes the whole transaction with it.
func (w *writer) call(ctx context.Context, t *tx, first bool, f func(store.Tx) error) (err error) {
	if first {
		stop := w.c.watch(ctx)
		defer func() { w.c.unwatch(stop) }()
	}
	defer func() {
		t.over = true
		if p := recover(); p != nil {
			err = dataflow.Internal(fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack()))
		}
	}()
	if err := f(t); err != nil {
		return err
	}
	if t.alone {
		return errAlone
	}
	return t.failed
}

// settle keeps or undoes what f did.
func (w *writer) settle(ctx context.Context, t *tx, first bool, err error) (*group, error) {
	g := w.cur
	switch {
	case w.c.AutocommitEnabled(): // SQLite has undone the whole transaction by itself
		w.cur = nil
		g.finish(errUndone)
		return nil, cmp.Or(err, errUndone)
	case err != nil && first: // nobody else is in it yet
		w.cur = nil
		w.rollback()
		return nil, err
	case err != nil:
		if failed := w.undo("turn"); failed != nil {
			return g, w.abort(ctx, failed)
		}
	case !first:
		if failed := w.c.run("RELEASE turn"); failed != nil {
			return g, w.abort(ctx, failed)
		}
	}
	return g, err
}

// undo goes back to a savepoint and drops it.
func (w *writer) undo(savepoint string) error {
	if err := w.c.run("ROLLBACK TO " + savepoint); err != nil {
		return err
	}
	return w.c.run("RELEASE " + savepoint)
}

// abort undoes the whole group.
func (w *writer) abort(ctx context.Context, cause error) error {
	g := w.cur
	w.cur = nil
	w.rollback()
	err := toError(ctx, cause)
	g.finish(err)
	return err
}

// exclusive runs f in a turn of its own, with no transaction open.
func (w *writer) exclusive(ctx context.Context, f func(*conn) error) error {
	if err := w.acquire(ctx, false); err != nil {
		return err
	}
	defer w.release(ctx)
	return f(w.c)
}

// close waits for the turns before it, refuses those behind it and closes the
// connection.
func (w *writer) close() error {
	if err := w.acquire(context.Background(), false); err != nil {
		return err
	}
	w.mu.Lock()
	w.closed = true
	for _, t := range w.queue {
		t.closed = true
		close(t.ready)
	}
	w.queue = nil
	w.mu.Unlock()
	return w.c.close()
}

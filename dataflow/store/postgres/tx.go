package postgres

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strconv"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/jackc/pgx/v5/pgconn"
)

// How often a transaction is run, and how long is waited before it is run
// again: a random part of firstPause, doubled each time.
const (
	maxAttempts = 8
	firstPause  = 5 * time.Millisecond
)

// maxRaces is how often a transaction is run again because of a value that was
// not there when it looked and was when it wrote. What is still taken then is
// taken for good.
const maxRaces = 2

// Write implements store.Store. f is called again where the server asks for
// it, where the connection is lost before anything can have been committed,
// and where another was faster in adding what f had looked for in vain.
func (s *Store) Write(ctx context.Context, f func(store.Tx) error) error {
	return s.persist(ctx, func(attempt int) (error, bool) {
		opening := []string{beginWrite}
		if s.dialect.foreign {
			opening = append(opening, atOnce)
		}
		if attempt == 1 && store.IsSteady(ctx) {
			opening = append(opening, endStalled)
		}
		return s.once(ctx, attempt, opening, f)
	})
}

// How a transaction that writes begins.
const (
	beginWrite = "BEGIN ISOLATION LEVEL READ COMMITTED"
	atOnce     = "SET CONSTRAINTS ALL IMMEDIATE" // not at the commit, where nobody knows what broke them
	endStalled = "SET LOCAL idle_in_transaction_session_timeout = " + stallTimeout
)

// persist calls f until there is no sense in calling it again.
func (s *Store) persist(ctx context.Context, f func(attempt int) (err error, again bool)) error {
	for attempt := 1; ; attempt++ {
		err, again := f(attempt)
		if !again || attempt == maxAttempts {
			return err
		}
		pause := time.NewTimer(rand.N(firstPause << attempt))
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return store.Interrupted(ctx.Err())
		}
	}
}

// once runs f in a transaction of READ COMMITTED, which begins in the round trip
// of its first statement. again says that it may be run another time.
func (s *Store) once(ctx context.Context, attempt int, opening []string, f func(store.Tx) error) (err error, again bool) {
	c, err := s.take(ctx, attempt > 1)
	if err != nil {
		return err, false
	}
	defer c.put()
	defer c.rollback()
	c.opening = opening
	t := &tx{session: session{s, c}, races: attempt <= maxRaces}
	err = t.call(f)
	if t.again != nil {
		return t.again, ctx.Err() == nil
	}
	if err != nil {
		return err, c.lost() && ctx.Err() == nil && dataflow.AsError(err).Code == "busy"
	}
	if t.last != nil {
		return t.finish(ctx)
	}
	return c.commit(ctx)
}

// commit ends a transaction. Where nobody can know how that went, it says so.
func (c *conn) commit(ctx context.Context) (err error, again bool) {
	if err := ctx.Err(); err != nil {
		return store.Interrupted(err), false
	}
	if len(c.opening) > 0 {
		return nil, false // nothing was asked for
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWait)
	defer cancel()
	results, err := c.Exec(ctx, "COMMIT").ReadAll()
	if len(results) == 1 && results[0].Err == nil {
		return committed(results[0].CommandTag), false // even if the connection broke right after
	}
	if err == nil {
		err = fmt.Errorf("no answer to COMMIT")
	}
	if sqlState(err) == idledAway { // it was over before we asked
		return c.toError(ctx, err), true
	}
	if c.lost() {
		return unknownCommit(err), false
	}
	return c.toError(ctx, fmt.Errorf("commit: %w", err)), retryable(err)
}

// committed reports, by what COMMIT is answered, whether it was done.
func committed(tag pgconn.CommandTag) error {
	if tag.String() != "COMMIT" {
		return dataflow.Internal(fmt.Errorf("PostgreSQL has answered COMMIT with %q", tag))
	}
	return nil
}

// tx is a transaction. A statement that fails spoils it: what follows fails
// too, up to the end of the innermost Savepoint.
type tx struct {
	session
	failed error // of the statement that spoilt it
	again  error // why the whole of it is to be run again; no Savepoint saves it
	depth  int   // of savepoints
	last   *ending
	over   bool // the function it was handed to has returned
	races  bool // may be run again for having lost one
	added  []*dataflow.Model
	asked  []*dataflow.Model // models that were read
}

// call runs f.
func (t *tx) call(f func(store.Tx) error) (err error) {
	defer func() {
		t.over = true
		if p := recover(); p != nil {
			err = dataflow.Internal(fmt.Errorf("panic in a transaction: %v\n%s", p, debug.Stack()))
		}
	}()
	if err := f(t); err != nil {
		return err
	}
	return t.failed
}

// ready reports why a statement can't be run.
func (t *tx) ready(ctx context.Context) error {
	switch {
	case t.over:
		return dataflow.Internal(fmt.Errorf("a transaction is used after its end"))
	case t.last != nil:
		return dataflow.Internal(fmt.Errorf("a transaction is used after its Last"))
	case t.again != nil:
		return t.again
	case t.failed != nil:
		return t.failed
	case ctx.Err() != nil:
		return store.Interrupted(ctx.Err())
	}
	return nil
}

// spoil notes the error of a statement.
func (t *tx) spoil(err error) error {
	t.failed = err
	if err != nil && (retryable(err) || t.c.stale) {
		t.again = err
	}
	return err
}

// raced notes the error of a statement that would have put a value where
// another has it. Where the transaction has looked before it wrote, what it saw
// may be out of date: run again it sees the other's row, as it would have if
// transactions came one after another.
func (t *tx) raced(m *dataflow.Model, err error) error {
	if t.races && slices.Contains(t.asked, m) && sqlState(err) == uniqueViolation {
		t.again = err
	}
	return t.spoil(err)
}

// ask notes that a model is read.
func (t *tx) ask(m *dataflow.Model) {
	if !slices.Contains(t.asked, m) {
		t.asked = append(t.asked, m)
	}
}

// broken notes the error of a question, if the server refused it: that too
// spoils the transaction.
func (t *tx) broken(err error) error {
	if err != nil && (t.c.lost() || t.c.TxStatus() == 'E') {
		return t.spoil(err)
	}
	return err
}

// Get implements store.Reader. The row is kept from changing until the
// transaction ends: what is worked out from it may be written.
func (t *tx) Get(ctx context.Context, m *dataflow.Model, id any, fields []int, f func(store.Row) error) (bool, error) {
	if err := t.ready(ctx); err != nil {
		return false, err
	}
	t.ask(m)
	found, err := t.session.get(ctx, m, id, fields, lockRows, f)
	return found, t.broken(err)
}

// Select implements store.Reader.
func (t *tx) Select(ctx context.Context, q *query.Select, f func(store.Row) error) error {
	if err := t.ready(ctx); err != nil {
		return err
	}
	t.ask(q.Model)
	lock := ""
	if q.Lock {
		lock = lockRows
	}
	return t.broken(t.session.selectRows(ctx, q, lock, f))
}

// Count implements store.Reader.
func (t *tx) Count(ctx context.Context, m *dataflow.Model, where query.Expr) (int64, error) {
	if err := t.ready(ctx); err != nil {
		return 0, err
	}
	t.ask(m)
	n, err := t.session.Count(ctx, m, where)
	return n, t.broken(err)
}

// Update implements store.Tx.
func (t *tx) Update(ctx context.Context, u *query.Update) (int64, error) {
	if err := t.ready(ctx); err != nil {
		return 0, err
	}
	tab, err := t.s.table(u.Model)
	if err != nil {
		return 0, err
	}
	if len(u.Set) == 0 && u.Bump < 0 {
		return t.Count(ctx, u.Model, u.Where)
	}
	b := t.builder()
	b.Update(u)
	n, err := t.change(ctx, b, store.Statement{Kind: store.KindUpdate, Model: u.Model, Where: u.Where})
	if err != nil {
		return 0, t.raced(u.Model, t.explain(ctx, tab, changed(u), err))
	}
	return n, nil
}

// changed is what an update was to do.
func changed(u *query.Update) change {
	c := change{where: u.Where}
	for _, a := range u.Set {
		c.fields = append(c.fields, a.Field)
		c.vals = append(c.vals, a.Value)
	}
	return c
}

// Delete implements store.Tx.
func (t *tx) Delete(ctx context.Context, m *dataflow.Model, where query.Expr) (int64, error) {
	if err := t.ready(ctx); err != nil {
		return 0, err
	}
	tab, err := t.s.table(m)
	if err != nil {
		return 0, err
	}
	b := t.builder()
	b.Raw("DELETE FROM ").Ident(m.Table).Where(where)
	n, err := t.change(ctx, b, store.Statement{Kind: store.KindDelete, Model: m, Where: where})
	if err != nil {
		return 0, t.spoil(t.explain(ctx, tab, change{where: where, deletes: true}, err))
	}
	return n, nil
}

// change runs the statement that b has written.
func (t *tx) change(ctx context.Context, b *query.Builder, s store.Statement) (int64, error) {
	began := t.s.started(ctx, b.SQL)
	n, err := t.c.change(ctx, b)
	t.s.ended(ctx, b.SQL, s, began)
	return n, err
}

// Savepoint implements store.Tx.
func (t *tx) Savepoint(ctx context.Context, f func() error) (err error) {
	if err := t.ready(ctx); err != nil {
		return err
	}
	t.depth++
	added := len(t.added)
	defer func() { t.depth-- }()
	name := "s" + strconv.Itoa(t.depth)
	if err := t.c.exec(ctx, "SAVEPOINT "+name); err != nil {
		return t.spoil(t.c.toError(ctx, err))
	}
	if err = f(); err == nil {
		err = t.failed
	}
	if t.again != nil {
		return t.again
	}
	end := "RELEASE " + name
	if err != nil {
		end = "ROLLBACK TO " + name + "; " + end
		t.added = t.added[:added]
	}
	if failed := t.c.exec(ctx, end); failed != nil {
		return t.spoil(t.c.toError(ctx, failed))
	}
	if err != nil {
		t.failed = nil
	}
	return err
}

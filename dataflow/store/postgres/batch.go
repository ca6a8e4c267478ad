package postgres

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/jackc/pgx/v5/pgconn"
)

// Statements that are sent together cost one round trip: a message each way, and
// a switch to another process and back. A transaction's beginning goes with its
// first statement, and a Batch is sent as one.

// runFirst starts a transaction's first statement, in the round trip that
// begins the transaction.
func (c *conn) runFirst(ctx context.Context, sql []byte, args []any) (answer, error) {
	var all batch
	before, err := c.begins(ctx, &all)
	if err == nil {
		err = c.enqueue(ctx, &all, sql, args)
	}
	if err != nil {
		return answer{}, err
	}
	a := answer{trip: c.send(ctx, &all)}
	for range before + 1 {
		if !a.trip.NextResult() {
			return a, nil // its Close says why
		}
	}
	a.ResultReader = a.trip.ResultReader()
	return a, nil
}

// batch are statements that are sent together. The first that fails is the last
// that is run.
type batch struct{ pgconn.Batch }

// begins adds what begins the transaction, if it has not begun, and returns how
// many statements that is.
func (c *conn) begins(ctx context.Context, all *batch) (n int, err error) {
	for _, sql := range c.opening {
		if err := c.enqueue(ctx, all, []byte(sql), nil); err != nil {
			return 0, err
		}
	}
	return len(c.opening), nil
}

// enqueue adds a statement to a batch.
func (c *conn) enqueue(ctx context.Context, all *batch, sql []byte, args []any) error {
	values, formats := c.params.encode(args)
	if !c.keeps(sql) {
		all.ExecParams(string(sql), values, nil, formats, inBinary)
		return nil
	}
	stmt, err := c.stmts.get(ctx, sql)
	if err == nil {
		all.ExecStatement(stmt, values, formats, inBinary)
	}
	return err
}

// send starts a batch.
func (c *conn) send(ctx context.Context, all *batch) *pgconn.MultiResultReader {
	c.opening, c.sent = nil, true
	return c.ExecBatch(ctx, &all.Batch)
}

// Batch implements store.Tx.
func (t *tx) Batch(ctx context.Context, changes []store.Change) ([]int64, error) {
	if slices.ContainsFunc(changes, lone) {
		return store.OneByOne(ctx, t, changes)
	}
	if err := t.ready(ctx); err != nil {
		return nil, err
	}
	var all batch
	before, err := t.c.begins(ctx, &all)
	if err != nil {
		return nil, t.spoil(t.c.toError(ctx, err))
	}
	parts, err := t.enqueueAll(ctx, &all, changes, nil)
	if err != nil {
		return nil, err
	}
	tags, err := t.perform(ctx, &all, before, parts)
	touched := make([]int64, len(tags))
	for i, tag := range tags {
		touched[i] = tag.RowsAffected()
	}
	if err != nil {
		err = t.failedOf(ctx, parts, len(tags), err)
	}
	return touched, err
}

// Last implements store.Tx. What is sent with a commit may have happened though
// the connection was lost: so it is kept for that only where the transaction has
// begun, on a connection that has answered, and can otherwise be run again.
func (t *tx) Last(ctx context.Context, first *query.Update, rest []store.Change) error {
	if len(t.c.opening) > 0 || t.depth > 0 || slices.ContainsFunc(rest, lone) || lone(store.Change{Update: first}) {
		return store.LastNow(ctx, t, first, rest)
	}
	if err := t.ready(ctx); err != nil {
		return err
	}
	t.last = &ending{first, rest}
	return nil
}

// ending are the changes of a transaction's Last.
type ending struct {
	first *query.Update
	rest  []store.Change
}

// Around a statement that must touch a row: a division by zero where it has not
// keeps the commit behind it, which is on its way, from being run.
var mustTouch = [2]string{`WITH "touched" AS (`, ` RETURNING 1) SELECT 1 / count(*) FROM "touched"`}

// finish makes the last changes of a transaction and commits it.
func (t *tx) finish(ctx context.Context) (err error, again bool) {
	if err := ctx.Err(); err != nil {
		return store.Interrupted(err), false
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endWait)
	defer cancel()
	var all batch
	parts, err := t.enqueueAll(ctx, &all, append([]store.Change{{Update: t.last.first}}, t.last.rest...), &mustTouch)
	if err == nil {
		if err = t.c.enqueue(ctx, &all, []byte("COMMIT"), nil); err != nil {
			err = t.spoil(t.c.toError(ctx, err))
		}
	}
	if err != nil {
		return err, t.again != nil
	}
	n := len(parts)
	tags, err := t.perform(ctx, &all, 0, append(parts, sent{}))
	switch {
	case len(tags) > n: // even if the connection broke right after
		return committed(tags[n]), false
	case sqlState(err) == idledAway: // it was over before we asked
		return t.c.toError(ctx, err), true
	case t.c.lost():
		return unknownCommit(err), false
	case len(tags) == n:
		return t.c.toError(ctx, fmt.Errorf("commit: %w", err)), retryable(err)
	case len(tags) == 0 && sqlState(err) == divisionByZero:
		return store.ErrUntouched, false
	}
	return t.failedOf(ctx, parts, len(tags), err), t.again != nil
}

// enqueueAll adds changes to a batch. around, if there is one, is what stands
// before and after the first.
func (t *tx) enqueueAll(ctx context.Context, all *batch, changes []store.Change, around *[2]string) ([]sent, error) {
	parts := make([]sent, len(changes), len(changes)+1)
	for i, c := range changes {
		var err error
		if parts[i], err = t.enqueue(ctx, all, c, around); err != nil {
			return nil, t.spoil(t.c.toError(ctx, err))
		}
		around = nil
	}
	return parts, nil
}

// perform sends a batch and returns what its statements, from the one numbered
// before on, tell of what they did: all, or those before the one that failed.
func (t *tx) perform(ctx context.Context, all *batch, before int, parts []sent) (tags []pgconn.CommandTag, err error) {
	trip := t.c.send(ctx, all)
	tags = make([]pgconn.CommandTag, 0, len(parts))
	for i := -before; i < len(parts) && trip.NextResult(); i++ {
		tag, err := trip.ResultReader().Close()
		if err != nil {
			break // it is the trip's too
		}
		if i >= 0 {
			t.s.ended(ctx, parts[i].sql, parts[i].statement, parts[i].began)
			tags = append(tags, tag)
		}
	}
	return tags, trip.Close()
}

// failedOf explains why a batch has failed after so many of its changes.
func (t *tx) failedOf(ctx context.Context, parts []sent, made int, err error) error {
	failed := parts[min(made, len(parts)-1)]
	t.s.ended(ctx, failed.sql, failed.statement, failed.began)
	return t.raced(failed.tab.model, t.explain(ctx, failed.tab, failed.change, err))
}

// lone reports whether a change takes more than one statement, or another one
// to explain why it failed.
func lone(c store.Change) bool {
	if c.Update != nil {
		return len(c.Update.Set) == 0
	}
	return len(c.Rows) == 0 || c.Into.ID().Type.Kind == dataflow.KindInt ||
		len(c.Rows) > 1 && slices.ContainsFunc(c.Into.Fields, func(f *dataflow.Field) bool { return f.Type.Kind == dataflow.KindRef })
}

// sent is a statement of a batch.
type sent struct {
	tab       *table
	change    change
	statement store.Statement
	sql       []byte // if somebody watches
	began     time.Time
}

// enqueue adds a change to a batch.
func (t *tx) enqueue(ctx context.Context, all *batch, c store.Change, around *[2]string) (s sent, err error) {
	var b *query.Builder
	switch u := c.Update; {
	case u != nil:
		if s.tab, err = t.s.table(u.Model); err != nil {
			return s, err
		}
		b = t.builder()
		if around != nil {
			b.Raw(around[0])
		}
		b.Update(u)
		if around != nil {
			b.Raw(around[1])
		}
		s.change, s.statement = changed(u), store.Statement{Kind: store.KindUpdate, Model: u.Model, Where: u.Where}
	default:
		if s.tab, err = t.s.table(c.Into); err != nil {
			return s, err
		}
		b = (&inserting{tx: t, tab: s.tab, fields: c.Fields}).whole(c.Rows)
		s.statement = store.Statement{Kind: store.KindInsert, Model: c.Into}
		if len(c.Rows) == 1 {
			s.change = change{fields: c.Fields, vals: c.Rows[0]}
		}
		if !slices.Contains(t.added, c.Into) {
			t.added = append(t.added, c.Into)
		}
	}
	if s.began = t.s.started(ctx, b.SQL); !s.began.IsZero() {
		s.sql = slices.Clone(b.SQL)
	}
	return s, t.c.enqueue(ctx, all, b.SQL, b.Args)
}

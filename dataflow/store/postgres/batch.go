package postgres

import (
	"context"
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
	sent := make([]sent, len(changes))
	for i := 0; i < len(changes) && err == nil; i++ {
		sent[i], err = t.enqueue(ctx, &all, changes[i])
	}
	if err != nil {
		return nil, t.spoil(t.c.toError(ctx, err))
	}
	trip := t.c.send(ctx, &all)
	touched := make([]int64, 0, len(changes))
	for i := -before; i < len(changes) && trip.NextResult(); i++ {
		tag, err := trip.ResultReader().Close()
		if err != nil {
			break // it is the trip's too
		}
		if i >= 0 {
			t.s.ended(ctx, sent[i].sql, sent[i].statement, sent[i].began)
			touched = append(touched, tag.RowsAffected())
		}
	}
	if err = trip.Close(); err == nil {
		return touched, nil
	}
	failed := sent[min(len(touched), len(sent)-1)]
	t.s.ended(ctx, failed.sql, failed.statement, failed.began)
	return touched, t.raced(failed.tab.model, t.explain(ctx, failed.tab, failed.change, err))
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
func (t *tx) enqueue(ctx context.Context, all *batch, c store.Change) (s sent, err error) {
	var b *query.Builder
	switch u := c.Update; {
	case u != nil:
		if s.tab, err = t.s.table(u.Model); err != nil {
			return s, err
		}
		b = t.builder()
		b.Update(u)
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

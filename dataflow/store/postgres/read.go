package postgres

import (
	"context"
	"encoding/binary"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// session answers questions on one connection.
type session struct {
	s *Store
	c *conn
}

// Get implements store.Reader.
func (r session) Get(ctx context.Context, m *dataflow.Model, id any, fields []int, f func(store.Row) error) (bool, error) {
	return r.get(ctx, m, id, fields, "", f)
}

// get is Get with what is to follow the statement.
func (r session) get(ctx context.Context, m *dataflow.Model, id any, fields []int, lock string, f func(store.Row) error) (found bool, err error) {
	t, err := r.s.table(m)
	if err != nil {
		return false, err
	}
	b := r.builder()
	if fields == nil {
		fields = t.all
		b.Raw(t.getAll)
	} else {
		b.Raw("SELECT ").Columns(m, fields).Raw(t.getTail)
	}
	b.Raw(lock)
	b.Args = append(b.Args, b.Dialect.Encode(t.columns[t.id].typ, id))
	err = r.rows(ctx, b, store.Statement{Kind: store.KindGet, Model: m}, t, fields, func(row store.Row) error {
		found = true
		return f(row)
	})
	return found && err == nil, err
}

// lockRows keeps rows from changing until the transaction ends. Others may
// still refer to them.
const lockRows = " FOR NO KEY UPDATE"

// Select implements store.Reader.
func (r session) Select(ctx context.Context, q *query.Select, f func(store.Row) error) error {
	return r.selectRows(ctx, q, "", f)
}

func (r session) selectRows(ctx context.Context, q *query.Select, lock string, f func(store.Row) error) error {
	t, err := r.s.table(q.Model)
	if err != nil {
		return err
	}
	b := r.builder()
	fields := q.Fields
	if fields == nil {
		fields = t.all
		b.Raw(t.selectAll)
	} else {
		b.Raw("SELECT ").Columns(q.Model, fields).Raw(" FROM ").Ident(q.Model.Table)
	}
	b.Tail(q)
	b.Raw(lock)
	return r.rows(ctx, b, store.Statement{Kind: store.KindSelect, Model: q.Model, Where: q.Where, Order: q.Order}, t, fields, f)
}

// builder returns the connection's own, emptied.
func (r session) builder() *query.Builder {
	if cap(r.c.b.SQL) > maxKept {
		r.c.b = query.Builder{Dialect: r.c.b.Dialect}
	}
	r.c.b.Reset()
	return &r.c.b
}

// rows runs what b has written and hands f each row.
func (r session) rows(ctx context.Context, b *query.Builder, s store.Statement, t *table, fields []int, f func(store.Row) error) error {
	began := r.s.started(ctx, b.SQL)
	reader, err := r.c.run(ctx, b.SQL, b.Args)
	if err != nil {
		return r.c.toError(ctx, err)
	}
	ended := false
	defer func() {
		if !ended { // f panicked, or left by runtime.Goexit
			_, _ = reader.Close()
		}
	}()
	current := &row{table: t, fields: fields}
	var failed error
	for failed == nil && reader.NextRow() {
		r.c.shown = true
		current.vals, current.descriptions = reader.Values(), reader.FieldDescriptions()
		if r.s.dialect.foreign {
			current.unpadded()
		}
		if failed = current.legible(); failed == nil {
			failed = f(current)
		}
	}
	ended = true
	_, err = reader.Close()
	r.s.ended(ctx, b.SQL, s, began)
	if failed != nil {
		return failed
	}
	return r.c.toError(ctx, err)
}

// Count implements store.Reader.
func (r session) Count(ctx context.Context, m *dataflow.Model, where query.Expr) (n int64, err error) {
	if _, err := r.s.table(m); err != nil {
		return 0, err
	}
	b := r.builder()
	b.Raw("SELECT count(*) FROM ").Ident(m.Table).Where(where)
	began := r.s.started(ctx, b.SQL)
	reader, err := r.c.run(ctx, b.SQL, b.Args)
	if err != nil {
		return 0, r.c.toError(ctx, err)
	}
	for reader.NextRow() {
		n = int64(binary.BigEndian.Uint64(reader.Values()[0]))
	}
	_, err = reader.Close()
	r.s.ended(ctx, b.SQL, store.Statement{Kind: store.KindCount, Model: m, Where: where}, began)
	return n, r.c.toError(ctx, err)
}

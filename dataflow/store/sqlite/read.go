package sqlite

import (
	"context"
	"time"

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
	t, err := r.s.table(m)
	if err != nil {
		return false, err
	}
	sql := t.getAll
	if fields == nil {
		fields = t.all
	} else {
		b := &r.c.b
		b.Reset()
		b.Raw("SELECT ").Columns(m, fields).Raw(t.getTail)
		sql = string(b.SQL)
	}
	stmt, err := r.c.stmts.get(sql)
	if err != nil {
		return false, toError(ctx, err)
	}
	began := r.s.watch.Begin(ctx, sql)
	defer r.done(ctx, stmt, store.Statement{Kind: store.KindGet, Model: m}, began)
	bind(stmt, 1, dialect{}.Encode(t.columns[t.id].typ, id))
	found, err := stmt.Step()
	if err != nil || !found {
		return false, toError(ctx, err)
	}
	current := &row{stmt: stmt, table: t, fields: fields}
	if err := current.legible(); err != nil {
		return false, err
	}
	return true, f(current)
}

// Select implements store.Reader.
func (r session) Select(ctx context.Context, q *query.Select, f func(store.Row) error) error {
	t, err := r.s.table(q.Model)
	if err != nil {
		return err
	}
	b := &r.c.b
	b.Reset()
	fields := q.Fields
	if fields == nil {
		fields = t.all
		b.Raw(t.selectAll)
	} else {
		b.Raw("SELECT ").Columns(q.Model, fields).Raw(" FROM ").Ident(q.Model.Table)
	}
	b.Tail(q)
	stmt, err := r.prepared(b)
	if err != nil {
		return toError(ctx, err)
	}
	began := r.s.watch.Begin(ctx, stmt.sql)
	defer r.done(ctx, stmt, store.Statement{Kind: store.KindSelect, Model: q.Model, Where: q.Where, Order: q.Order}, began)
	current := &row{stmt: stmt, table: t, fields: fields}
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return toError(ctx, err)
		}
		if err := current.legible(); err != nil {
			return err
		}
		if err := f(current); err != nil {
			return err
		}
	}
}

// Count implements store.Reader.
func (r session) Count(ctx context.Context, m *dataflow.Model, where query.Expr) (int64, error) {
	if _, err := r.s.table(m); err != nil {
		return 0, err
	}
	b := &r.c.b
	b.Reset()
	b.Raw("SELECT count(*) FROM ").Ident(m.Table).Where(where)
	stmt, err := r.prepared(b)
	if err != nil {
		return 0, toError(ctx, err)
	}
	began := r.s.watch.Begin(ctx, stmt.sql)
	defer r.done(ctx, stmt, store.Statement{Kind: store.KindCount, Model: m, Where: where}, began)
	if _, err := stmt.Step(); err != nil {
		return 0, toError(ctx, err)
	}
	return stmt.ColumnInt64(0), nil
}

// done ends the use of a statement.
func (r session) done(ctx context.Context, stmt *statement, s store.Statement, began time.Time) {
	s.SQL = stmt.sql
	r.s.watch.End(ctx, s, began)
	r.c.stmts.put(stmt)
}

// prepared returns the statement that b has written, with its parameters.
func (r session) prepared(b *query.Builder) (*statement, error) {
	stmt, err := r.c.stmts.getBytes(b.SQL)
	if err != nil {
		return nil, err
	}
	for i, v := range b.Args {
		bind(stmt, i+1, v)
	}
	return stmt, nil
}

// bind sets a parameter to a stored value.
func bind(stmt *statement, i int, v any) {
	switch v := v.(type) {
	case nil:
		stmt.BindNull(i)
	case int64:
		stmt.BindInt64(i, v)
	case float64:
		stmt.BindFloat(i, v)
	case string:
		stmt.BindText(i, v)
	case []byte:
		stmt.BindBytes(i, v)
	default:
		panic("sqlite: a value that dialect.Encode does not give")
	}
}

package access

import (
	"context"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

func (m *Model) doCreate(ctx context.Context, tx store.Tx, c Caller, args *dataflow.Object) (any, error) {
	row, err := m.newRow(ctx, c, m.sight(c).coerce(args, ""))
	if err != nil {
		return nil, err
	}
	if err := m.insert(ctx, tx, c, row, ""); err != nil {
		return nil, err
	}
	return m.result(ctx, tx, c, row)
}

// result returns a row that was written as a node's result.
func (m *Model) result(ctx context.Context, tx store.Tx, c Caller, row *dataflow.Object) (any, error) {
	w, err := m.written(ctx, tx, c, row)
	if err != nil {
		return nil, err
	}
	o, err := w.object(ctx)
	if err != nil { // a nil pointer must not become a result that is not nil
		return nil, err
	}
	return o, nil
}

func (m *Model) doRead(ctx context.Context, r store.Reader, c Caller, args *dataflow.Object) (any, error) {
	if id := m.idAlone(args); id != nil {
		row, err := m.readOne(ctx, r, c, id, m.sight(c).whole, false)
		if err != nil { // a nil pointer must not become a result that is not nil
			return nil, err
		}
		return row, nil
	}
	a := m.arguments(c, dataflow.OpRead, args)
	t := a.target()
	fields, e := a.selection(c)
	if err := a.err(); err != nil {
		return nil, err
	}
	row, err := m.read(ctx, r, c, t, m.reading(m.sight(c), e.fields(fields)), a.bool("include_deleted"))
	if err == nil && e != nil {
		x := &expander{r: r, c: c, deleted: a.bool("include_deleted")}
		row, err = x.expandOne(ctx, e, row)
	}
	if err != nil {
		return nil, err
	}
	return row, nil
}

// idAlone returns the id of a read that is told nothing else, as most are: what
// there may be besides need not be looked for. Nil: it is not such a read, or its
// id is none.
func (m *Model) idAlone(args *dataflow.Object) any {
	if s := args.Shape(); s.Len() != 1 || s.Name(0) != "id" {
		return nil
	}
	v, t := args.Vals()[0], m.m.ID().Type
	if v == nil || v == dataflow.Absent {
		return nil
	}
	if _, ok := v.(int64); ok && t.Kind == dataflow.KindInt {
		return v
	}
	id, problems := codec.CoerceType(t, v, "")
	if len(problems) > 0 {
		return nil
	}
	return id
}

// ReadText does a read as Do does, for who wants its result as text: a row is
// then a dataflow.RawJSON where that is the quicker way.
func (m *Model) ReadText(ctx context.Context, r store.Reader, c Caller, args *dataflow.Object) (any, error) {
	id := m.idAlone(args)
	if id == nil {
		return m.Do(ctx, r, c, dataflow.OpRead, args)
	}
	room, _ := m.rooms.Get().(*[]byte)
	if room == nil {
		room = new([]byte)
	}
	text, _, err := m.GetJSON(ctx, r, c, id, nil, (*room)[:0])
	row := dataflow.RawJSON(text)
	if cap(text) <= maxRoom {
		*room = text
		m.rooms.Put(room)
	}
	if err != nil {
		return nil, err
	}
	return row, nil
}

// maxRoom is the largest room for the text of a row that is kept for the next.
const maxRoom = 16 << 10

// read returns the row that a target names.
func (m *Model) read(ctx context.Context, r store.Reader, c Caller, t target, rd *reading, deleted bool) (*dataflow.Object, error) {
	if t.id != nil && !deleted { // the store's quickest way
		return m.readOne(ctx, r, c, t.id, rd, false)
	}
	where, err := m.scope(c, deleted, t.where)
	if err != nil {
		return nil, err
	}
	row, err := m.one(ctx, r, where, rd, true, "name one row, or use the list operation")
	if row == nil && err == nil {
		return nil, m.none(t)
	}
	return row, err
}

func (m *Model) doUpdate(ctx context.Context, tx store.Tx, c Caller, args *dataflow.Object) (any, error) {
	a := m.arguments(c, dataflow.OpUpdate, args)
	t := a.target()
	in := a.input("fields")
	if len(a.problems) > 0 {
		m.refuseSystem(in, false)
		m.refuseFixed(m.sight(c), in)
		a.also(in.problems)
		return nil, a.err()
	}
	row, err := m.current(ctx, tx, c, t, a.version(), toUpdate)
	if err != nil {
		return nil, err
	}
	if row, err = m.change(ctx, tx, c, row, in); err != nil {
		return nil, err
	}
	return m.result(ctx, tx, c, row)
}

func (m *Model) doDelete(ctx context.Context, tx store.Tx, c Caller, args *dataflow.Object) (any, error) {
	a := m.arguments(c, dataflow.OpDelete, args)
	t := a.target()
	if err := a.err(); err != nil {
		return nil, err
	}
	id, err := m.delete(ctx, tx, c, t, a.version())
	if err != nil {
		return nil, err
	}
	return dataflow.ObjectOf("id", id, "deleted", true), nil
}

func (m *Model) doList(ctx context.Context, r store.Reader, c Caller, args *dataflow.Object) (any, error) {
	q, err := m.listQuery(c, args)
	if err != nil {
		return nil, err
	}
	rows, page, err := m.listObjects(ctx, r, c, q)
	if err != nil {
		return nil, err
	}
	records := make([]any, len(rows))
	for i, row := range rows {
		records[i] = row
	}
	return page.object(records, q), nil
}

// ListText does a list as Do does, for who wants its result as text: its records
// are a dataflow.RawJSON.
func (m *Model) ListText(ctx context.Context, r store.Reader, c Caller, args *dataflow.Object) (*dataflow.Object, error) {
	q, err := m.listQuery(c, args)
	if err != nil {
		return nil, err
	}
	text, page, err := m.ListJSON(ctx, r, c, q, nil)
	if err != nil {
		return nil, err
	}
	return page.object(dataflow.RawJSON(text), q), nil
}

// listQuery reads the arguments of a list.
func (m *Model) listQuery(c Caller, args *dataflow.Object) (ListQuery, error) {
	a := m.arguments(c, dataflow.OpList, args)
	q := ListQuery{
		Filter: query.AllOf(a.filter(), a.search()), Limit: a.int("limit"), Offset: a.int("offset"),
		Cursor: a.str("cursor"), Count: a.bool("count"), Deleted: a.bool("include_deleted"),
	}
	q.Fields, q.Expand = a.selection(c)
	if v := a.value("sort"); v != nil {
		order, problems := a.sight.Sort(m.m, v, "/sort")
		q.Sort = order
		a.also(problems)
	}
	return q, a.err()
}

// object is a page as the result of a list.
func (p Page) object(records any, q ListQuery) *dataflow.Object {
	limit := q.Limit
	if limit == 0 {
		limit = DefaultLimit
	}
	var total, next any
	if p.Total >= 0 {
		total = p.Total
	}
	if p.NextCursor != "" {
		next = p.NextCursor
	}
	return dataflow.NewRecord(pageShape, []any{records, int64(p.Count), total, int64(limit), int64(q.Offset), next, p.HasMore})
}

var pageShape = dataflow.NewShape("records", "count", "total", "limit", "offset", "next_cursor", "has_more")

func (m *Model) doCount(ctx context.Context, r store.Reader, c Caller, args *dataflow.Object) (any, error) {
	a := m.arguments(c, dataflow.OpCount, args)
	filter := query.AllOf(a.filter(), a.search())
	if err := a.err(); err != nil {
		return nil, err
	}
	n, err := m.Count(ctx, r, c, filter, a.bool("include_deleted"))
	if err != nil {
		return nil, err
	}
	return dataflow.ObjectOf("count", n), nil
}

// Count counts the rows that match a filter; nil is every row.
func (m *Model) Count(ctx context.Context, r store.Reader, c Caller, filter query.Expr, deleted bool) (int64, error) {
	if err := m.admit(c, dataflow.OpCount); err != nil {
		return 0, err
	}
	where, err := m.scope(c, deleted, filter)
	if err != nil {
		return 0, err
	}
	return r.Count(ctx, m.m, where)
}

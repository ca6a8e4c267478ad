package access

import (
	"context"
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// ListQuery asks for a page of rows.
type ListQuery struct {
	Filter  query.Expr
	Sort    []query.Order
	Fields  []int // positions in the model's shape; nil is all
	Limit   int   // 1 to MaxLimit; 0 is DefaultLimit
	Offset  int
	Cursor  string // opaque; excludes Offset
	Count   bool   // also count every match
	Deleted bool   // soft-deleted rows too
	Expand  *Expansion
}

// Limits of a page.
const (
	DefaultLimit = 100
	MaxLimit     = 1000
)

// Page is what a list says beside its rows.
type Page struct {
	Count      int    // rows in this page
	Total      int64  // -1 unless asked for
	NextCursor string // "" also where the sort keys of the last row are too long for one
	HasMore    bool
}

// ListJSON appends a JSON array of rows.
func (m *Model) ListJSON(ctx context.Context, r store.Reader, c Caller, q ListQuery, dst []byte) ([]byte, Page, error) {
	if q.Expand != nil {
		return m.listExpanded(ctx, r, c, q, dst)
	}
	dst = append(dst, '[')
	page, err := m.list(ctx, r, c, q, func(rd *reading, n int, row store.Row) (err error) {
		if n > 0 {
			dst = append(dst, ',')
		}
		dst, err = m.appendJSON(ctx, rd, row, dst)
		return err
	})
	return append(dst, ']'), page, err
}

// listExpanded is ListJSON for rows with others in them.
func (m *Model) listExpanded(ctx context.Context, r store.Reader, c Caller, q ListQuery, dst []byte) ([]byte, Page, error) {
	rows, page, err := m.listObjects(ctx, r, c, q)
	if err != nil {
		return dst, page, err
	}
	dst = append(dst, '[')
	for i, row := range rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = codec.AppendValue(dst, row)
	}
	return append(dst, ']'), page, nil
}

// listObjects returns the rows of a page, expanded.
func (m *Model) listObjects(ctx context.Context, r store.Reader, c Caller, q ListQuery) ([]*dataflow.Object, Page, error) {
	var rows []*dataflow.Object
	page, err := m.list(ctx, r, c, q, func(rd *reading, _ int, row store.Row) error {
		o, err := m.object(ctx, rd, row)
		rows = append(rows, o)
		return err
	})
	if err == nil && q.Expand != nil {
		x := &expander{r: r, c: c, deleted: q.Deleted}
		rows, err = x.expand(ctx, q.Expand, rows)
	}
	return rows, page, err
}

// Shown lists the positions in the shape that a list with these fields shows a
// caller, in order.
func (m *Model) Shown(c Caller, fields []int) []int {
	show := m.reading(m.sight(c), fields).show
	if show == nil {
		for i := range m.m.Shape().Len() {
			show = append(show, i)
		}
	}
	return show
}

// Each hands f every row that a list without a limit would have, in its order,
// as JSON, or with objects set as an object. What it is handed is f's until it
// returns.
func (m *Model) Each(ctx context.Context, r store.Reader, c Caller, q ListQuery, objects bool, f func(text []byte, row *dataflow.Object) error) error {
	where, err := m.scope(c, q.Deleted, q.Filter)
	if err != nil {
		return err
	}
	rd := m.reading(m.sight(c), q.Fields)
	sel := &query.Select{Model: m.m, Fields: rd.ask, Where: where, Order: query.Total(m.m, q.Sort)}
	var text []byte
	return r.Select(ctx, sel, func(row store.Row) (err error) {
		if objects {
			o, err := m.object(ctx, rd, row)
			if err != nil {
				return err
			}
			return f(nil, o)
		}
		if text, err = m.appendJSON(ctx, rd, row, text[:0]); err != nil {
			return err
		}
		return f(text, nil)
	})
}

// list hands each row of a page to f.
func (m *Model) list(ctx context.Context, r store.Reader, c Caller, q ListQuery, f func(rd *reading, n int, row store.Row) error) (Page, error) {
	page := Page{Total: -1}
	if err := m.admit(c, dataflow.OpList); err != nil {
		return page, err
	}
	order := query.Total(m.m, q.Sort)
	sel, err := m.page(c, &q, order)
	if err != nil {
		return page, err
	}
	keys := make([]int, len(order))
	for i, o := range order {
		keys[i] = o.Field
	}
	rd := m.reading(m.sight(c), q.Expand.fields(q.Fields), keys...)
	sel.Fields = rd.ask
	last := make([]any, len(order))
	err = r.Select(ctx, sel, func(row store.Row) error {
		if page.Count == q.Limit {
			page.HasMore = true
			return nil
		}
		if page.Count++; page.Count == q.Limit {
			for i, k := range keys {
				last[i] = row.Value(rd.position(k))
			}
		}
		return f(rd, page.Count-1, row)
	})
	if err != nil {
		return page, err
	}
	if page.HasMore {
		page.NextCursor = m.encodeCursor(order, last)
	}
	if q.Count {
		page.Total, err = m.total(ctx, r, c, &q, page)
	}
	return page, err
}

// total counts every match, unless the page shows them all.
func (m *Model) total(ctx context.Context, r store.Reader, c Caller, q *ListQuery, page Page) (int64, error) {
	if q.Cursor == "" && !page.HasMore && (page.Count > 0 || q.Offset == 0) {
		return int64(q.Offset + page.Count), nil
	}
	where, err := m.scope(c, q.Deleted, q.Filter)
	if err != nil {
		return -1, err
	}
	return r.Count(ctx, m.m, where)
}

// page turns a ListQuery into what the store is asked: one row more than the
// page holds, to know whether there are more.
func (m *Model) page(c Caller, q *ListQuery, order []query.Order) (*query.Select, error) {
	var problems []dataflow.Problem
	if q.Limit == 0 {
		q.Limit = DefaultLimit
	}
	if q.Limit < 1 || q.Limit > MaxLimit {
		problems = append(problems, problem(boundCode(q.Limit < 1), "/limit", fmt.Sprintf("must be from 1 to %d", MaxLimit), ""))
	}
	if q.Offset < 0 {
		problems = append(problems, problem("too_small", "/offset", "must be at least 0", ""))
	}
	sel := &query.Select{Model: m.m, Order: order, Limit: q.Limit + 1, Offset: q.Offset}
	if q.Cursor != "" {
		after, why := m.decodeCursor(order, q.Cursor)
		switch {
		case why != "":
			problems = append(problems, problem("cursor", "/cursor", why, "start again from the first page"))
		case q.Offset != 0:
			problems = append(problems, problem("cursor", "/cursor", "can't go with an offset", "leave the offset out"))
		}
		sel.After = after
	}
	if err := m.invalid(problems); err != nil {
		return nil, err
	}
	var err error
	sel.Where, err = m.scope(c, q.Deleted, q.Filter)
	return sel, err
}

func boundCode(low bool) string {
	if low {
		return "too_small"
	}
	return "too_large"
}

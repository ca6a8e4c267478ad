package access

import (
	"context"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// reading says what is asked of the store for an answer and what of it is
// shown. Fields that only the runtime needs (the tenant, the version, the
// keys of a cursor) are asked for behind those that are shown.
type reading struct {
	ask      []int // positions in the model; nil is all
	show     []int // positions in the shape; nil is all
	computed bool  // some of show is computed
	// Positions in ask; -1 where the model has no such field.
	tenant, version int
}

// newReading prepares to show some positions of the shape (nil is all of
// them). The id is always shown.
func (m *Model) newReading(show []int, also ...int) *reading {
	rd := &reading{tenant: m.tenant, version: m.version}
	if show == nil {
		rd.computed = len(m.m.Computed) > 0
		return rd
	}
	if !slices.Contains(show, m.id) {
		show = append([]int{m.id}, show...)
	}
	rd.show = show
	rd.computed = slices.ContainsFunc(show, func(i int) bool { return i >= len(m.m.Fields) })
	if rd.computed { // a function sees the whole row
		return rd
	}
	rd.ask = slices.Clone(show)
	for _, i := range also {
		rd.position(i)
	}
	for _, p := range []*int{&rd.tenant, &rd.version} {
		if *p >= 0 {
			*p = rd.position(*p)
		}
	}
	return rd
}

// position returns where in an answer a field is, asking for it if need be.
func (rd *reading) position(field int) int {
	if rd.ask == nil {
		return field
	}
	i := slices.Index(rd.ask, field)
	if i < 0 {
		i = len(rd.ask)
		rd.ask = append(rd.ask, field)
	}
	return i
}

// visible reports whether the caller may see a live row that was asked for by
// its id alone, as far as the tenant goes.
func (rd *reading) visible(tenant string, row store.Row) bool {
	return rd.tenant < 0 || row.Value(rd.tenant) == tenant
}

// appendJSON appends what is shown of a row.
func (m *Model) appendJSON(ctx context.Context, rd *reading, row store.Row, dst []byte) ([]byte, error) {
	switch {
	case rd.computed:
		o, err := m.object(ctx, rd, row)
		if err != nil {
			return dst, err
		}
		return codec.AppendValue(dst, o), nil
	case rd.ask == nil || len(rd.ask) == len(rd.show):
		return row.AppendJSON(dst), nil
	}
	dst = append(dst, '{')
	for i, f := range rd.show {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(codec.AppendString(dst, m.m.Fields[f].Name), ':')
		dst = codec.AppendValue(dst, row.Value(i))
	}
	return append(dst, '}'), nil
}

// object returns what is shown of a row as an object.
func (m *Model) object(ctx context.Context, rd *reading, row store.Row) (*dataflow.Object, error) {
	o := row.Object()
	if rd.computed {
		var err error
		if o, err = m.withComputed(ctx, o); err != nil {
			return nil, err
		}
	}
	if rd.show == nil {
		return o, nil
	}
	vals := make([]any, len(o.Vals()))
	for i := range vals {
		vals[i] = dataflow.Absent
	}
	for _, i := range rd.show {
		vals[i] = o.Vals()[i]
	}
	return dataflow.NewRecord(o.Shape(), vals), nil
}

// get hands f the row with this id, if the caller may see it. lock keeps it from
// changing until the transaction ends.
func (m *Model) get(ctx context.Context, r store.Reader, c Caller, id any, rd *reading, lock bool, f func(store.Row) error) error {
	if m.tenant >= 0 && c.Tenant == "" {
		return m.tenantRequired(c)
	}
	seen, tenant := false, c.Tenant
	show := func(row store.Row) error {
		if !rd.visible(tenant, row) {
			return nil
		}
		seen = true
		return f(row)
	}
	var err error
	if readable(c, m.m) == nil {
		_, err = r.Get(ctx, m.m, id, rd.ask, show)
	} else {
		var where query.Expr
		if where, err = m.scope(c, false, m.byID(id)); err == nil {
			err = r.Select(ctx, &query.Select{Model: m.m, Fields: rd.ask, Where: where, Limit: 1, Lock: lock}, show)
		}
	}
	if err == nil && !seen {
		return m.notFound(id)
	}
	return err
}

// GetJSON appends the JSON of a row and returns its version (0 unless the
// model is versioned). fields are positions in the model's shape; nil is all.
func (m *Model) GetJSON(ctx context.Context, r store.Reader, c Caller, id any, fields []int, dst []byte) (out []byte, version int64, err error) {
	if err := m.admit(c, dataflow.OpRead); err != nil {
		return dst, 0, err
	}
	rd := m.reading(m.sight(c), fields)
	out = dst
	err = m.get(ctx, r, c, id, rd, false, func(row store.Row) error {
		if rd.version >= 0 {
			version, _ = row.Value(rd.version).(int64)
		}
		var err error
		out, err = m.appendJSON(ctx, rd, row, out)
		return err
	})
	return out, version, err
}

// readOne returns the row with this id, if the caller may see it.
func (m *Model) readOne(ctx context.Context, r store.Reader, c Caller, id any, rd *reading, lock bool) (row *dataflow.Object, err error) {
	err = m.get(ctx, r, c, id, rd, lock, func(found store.Row) (err error) {
		row, err = m.object(ctx, rd, found)
		return err
	})
	return row, err
}

// one returns the only row that matches, nil if there is none. hint says what
// to do if there are more.
func (m *Model) one(ctx context.Context, r store.Reader, where query.Expr, rd *reading, lock bool, hint string) (*dataflow.Object, error) {
	var found *dataflow.Object
	n := 0
	err := r.Select(ctx, &query.Select{Model: m.m, Fields: rd.ask, Where: where, Limit: 2, Lock: lock}, func(row store.Row) (err error) {
		if n++; n == 1 {
			found, err = m.object(ctx, rd, row)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case n > 1:
		return nil, m.ambiguous(hint)
	}
	return found, nil
}

package access

import (
	"context"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

func (m *Model) doBulkUpdate(ctx context.Context, tx store.Tx, c Caller, args *dataflow.Object) (any, error) {
	a := m.arguments(c, dataflow.OpBulkUpdate, args)
	if a.value("data") != nil {
		return m.bulkUpdateRows(ctx, tx, c, a)
	}
	if a.value("fields") == nil {
		a.add("required", "/fields", `"fields" (or "data") is required`, "")
	}
	in := a.input("fields")
	m.refuseSystem(in, false)
	m.refuseFixed(m.sight(c), in)
	m.refuseImmutable(in, nil)
	a.also(in.problems)
	if o := a.object("fields"); o != nil && o.Len() == 0 {
		a.add("required", "/fields", "there is nothing to change", "name at least one field")
	}
	s, err := a.several("update")
	if err != nil {
		return nil, err
	}
	filters, err := m.filters(c, s, toUpdate)
	if err != nil {
		return nil, err
	}
	if m.m.BeforeUpdate == nil && m.m.Validate == nil && !m.noted() && m.may(c, toUpdate) == nil {
		return m.updateTogether(ctx, tx, c, in, s, filters)
	}
	rows, err := m.load(ctx, tx, filters, nil)
	if err != nil {
		return nil, err
	}
	if err := m.allow(ctx, tx, c, toUpdate, rows...); err != nil {
		return nil, err
	}
	for _, row := range rows {
		one := &input{row: in.row.Clone(), pointer: in.pointer}
		if _, err := m.change(ctx, tx, c, row, one); err != nil {
			return nil, err
		}
	}
	out := dataflow.ObjectOf("processed", int64(len(rows)), "updated", int64(len(rows)))
	m.missing(out, s, rows)
	return out, nil
}

// updateTogether gives every row the same values, in one statement for each
// filter.
func (m *Model) updateTogether(ctx context.Context, tx store.Tx, c Caller, in *input, s several, filters []query.Expr) (any, error) {
	if err := m.checkRefs(ctx, tx, c, in.row, m.guarded, in.pointer); err != nil {
		return nil, err
	}
	var set []query.Assign
	for i, v := range in.row.Vals() {
		if v != dataflow.Absent {
			set = append(set, query.Assign{Field: i, Value: v})
		}
	}
	if m.updatedAt >= 0 {
		set = append(set, query.Assign{Field: m.updatedAt, Value: m.clock.tick()})
	}
	rows, n, err := m.together(ctx, tx, s, filters, func(where query.Expr) (int64, error) {
		return tx.Update(ctx, &query.Update{Model: m.m, Where: where, Set: set, Bump: m.version})
	})
	if err != nil {
		return nil, m.placed(c, err, in.pointer)
	}
	out := dataflow.ObjectOf("processed", n, "updated", n)
	m.missing(out, s, rows)
	return out, nil
}

// bulkUpdateRows changes rows each to its own values.
func (m *Model) bulkUpdateRows(ctx context.Context, tx store.Tx, c Caller, a *arguments) (any, error) {
	for _, other := range []string{"filter", "ids", "fields"} {
		if a.value(other) != nil {
			a.add("unknown_parameter", "/"+other, "can't go with data", "give one of them")
		}
	}
	s := several{}
	idName := m.m.ID().Name
	var ids []any
	inputs := a.rows(false, func(in *input) {
		id := in.row.Vals()[m.id]
		if id == dataflow.Absent {
			in.add("required", idName, "each row must give its id", "")
		}
		ids = append(ids, id)
		in.row.Vals()[m.id] = dataflow.Absent
		m.refuseSystem(in, false)
		m.refuseFixed(m.sight(c), in)
	})
	if err := a.err(); err != nil {
		return nil, err
	}
	s.ids = distinct(ids)
	filters, err := m.filters(c, s, toUpdate)
	if err != nil {
		return nil, err
	}
	rows, err := m.load(ctx, tx, filters, nil)
	if err == nil {
		err = m.allow(ctx, tx, c, toUpdate, rows...)
	}
	if err != nil {
		return nil, err
	}
	byID := make(map[any]*dataflow.Object, len(rows))
	for _, row := range rows {
		byID[row.Vals()[m.id]] = row
	}
	var updated int64
	for i, in := range inputs {
		row := byID[ids[i]]
		if row == nil {
			continue
		}
		if byID[ids[i]], err = m.change(ctx, tx, c, row, in); err != nil {
			return nil, err
		}
		updated++
	}
	out := dataflow.ObjectOf("processed", updated, "updated", updated)
	m.missing(out, s, rows)
	return out, nil
}

func (m *Model) doBulkDelete(ctx context.Context, tx store.Tx, c Caller, args *dataflow.Object) (any, error) {
	a := m.arguments(c, dataflow.OpBulkDelete, args)
	s, err := a.several("delete")
	if err != nil {
		return nil, err
	}
	filters, err := m.filters(c, s, toDelete)
	if err != nil {
		return nil, err
	}
	var rows []*dataflow.Object
	var n int64
	if m.plainDelete() && m.may(c, toDelete) == nil {
		rows, n, err = m.together(ctx, tx, s, filters, func(where query.Expr) (int64, error) { return tx.Delete(ctx, m.m, where) })
		if err != nil {
			err = m.placed(c, err, "")
		} else if rows != nil { // one may have gone along with another of a statement before
			n = int64(len(rows))
		}
	} else {
		rows, err = m.load(ctx, tx, filters, nil)
		if err == nil {
			err = m.allow(ctx, tx, c, toDelete, rows...)
		}
		for i := 0; err == nil && i < len(rows); i++ {
			err = m.remove(ctx, tx, c, rows[i])
		}
		n = int64(len(rows))
	}
	if err != nil {
		return nil, err
	}
	out := dataflow.ObjectOf("processed", n, "deleted", n)
	m.missing(out, s, rows)
	return out, nil
}

package access

import (
	"context"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
)

func (m *Model) doBulkCreate(ctx context.Context, tx store.Tx, c Caller, args *dataflow.Object) (any, error) {
	a := m.arguments(c, dataflow.OpBulkCreate, args)
	rep, s := &report{skip: a.skips()}, m.sight(c)
	inputs := a.rows(rep.skip, func(in *input) {
		if !rep.skip { // so that the problems of all rows come together
			m.refuseSystem(in, m.m.ClientID)
			m.refuseFixed(s, in)
			m.fillIn(s, in)
		}
	})
	if err := a.err(); err != nil {
		return nil, err
	}
	rows, places, err := m.newRows(ctx, c, inputs, rep)
	if err != nil {
		return nil, err
	}
	done, err := m.insertAll(ctx, tx, c, rows, places, rep)
	if err != nil {
		return nil, err
	}
	out := dataflow.ObjectOf("processed", int64(len(inputs)), "inserted", int64(len(done)))
	if a.bool("return_ids") {
		ids := make([]any, len(done))
		for i, row := range done {
			ids[i] = row.Vals()[m.id]
		}
		out.Set("ids", ids)
	}
	slices.SortStableFunc(rep.errors, byIndex)
	rep.add(out)
	return out, nil
}

func byIndex(a, b any) int {
	i, _ := a.(*dataflow.Object).Get("index")
	j, _ := b.(*dataflow.Object).Get("index")
	return int(i.(int64) - j.(int64))
}

// newRows makes the rows of a bulk create. places are their positions in the
// input.
func (m *Model) newRows(ctx context.Context, c Caller, inputs []*input, rep *report) (rows []*dataflow.Object, places []int, err error) {
	told := &arguments{m: m}
	for i, in := range inputs {
		inputs[i] = nil // with its problems, of which there may be many in all
		row, err := m.newRow(ctx, c, in)
		switch {
		case err == nil:
			rows = append(rows, row)
			places = append(places, i)
			continue
		case !rowsFault(dataflow.AsError(err)):
			return nil, nil, err
		case rep.skip:
			rep.skipped(i, dataflow.AsError(err))
			continue
		}
		e := dataflow.AsError(err)
		if e.Status != dataflow.StatusInvalid || len(e.Problems) == 0 {
			return nil, nil, err
		}
		if told.also(e.Problems); told.more {
			break
		}
	}
	return rows, places, told.err()
}

// insertAll adds rows and returns those that could be added. If the database
// refuses one, it finds out which.
func (m *Model) insertAll(ctx context.Context, tx store.Tx, c Caller, rows []*dataflow.Object, places []int, rep *report) ([]*dataflow.Object, error) {
	if len(rows) == 0 {
		return nil, nil
	}
	err := tx.Savepoint(ctx, func() error { return m.insertTogether(ctx, tx, c, rows, places) })
	if err == nil {
		return rows, nil
	}
	if e := dataflow.AsError(err); !rowsFault(e) {
		return nil, err
	}
	added := make([]bool, len(rows))
	for _, i := range m.referredFirst(rows) {
		row := rows[i]
		given := row.Vals()[m.id]
		err := tx.Savepoint(ctx, func() error {
			return m.insert(ctx, tx, c, row, pointerTo("/data", places[i]))
		})
		switch {
		case err == nil:
			added[i] = true
		case rep.skip && rowsFault(dataflow.AsError(err)):
			row.Vals()[m.id] = given
			rep.skipped(places[i], dataflow.AsError(err))
		default:
			return nil, err
		}
	}
	var done []*dataflow.Object
	for i, row := range rows {
		if added[i] {
			done = append(done, row)
		}
	}
	return done, nil
}

// referredFirst are the positions of rows in an order in which each comes after
// those of them that it refers to, but for circles: one by one none is refused, or
// skipped, for want of another that would have come.
func (m *Model) referredFirst(rows []*dataflow.Object) []int {
	at := make(map[any]int, len(rows))
	for i, row := range rows {
		if id := row.Vals()[m.id]; id != dataflow.Absent {
			at[id] = i
		}
	}
	order, seen, placed := make([]int, 0, len(rows)), make([]bool, len(rows)), make([]bool, len(rows))
	var under []int // a row, above those that wait for it
	for first := range rows {
		for under = append(under, first); len(under) > 0; {
			i := under[len(under)-1]
			if seen[i] {
				if under = under[:len(under)-1]; !placed[i] {
					placed[i] = true
					order = append(order, i)
				}
				continue
			}
			seen[i] = true
			for f, field := range m.m.Fields {
				if field.Type.Kind != dataflow.KindRef || field.Type.Model != m.m {
					continue
				}
				if j, among := at[rows[i].Vals()[f]]; among && !seen[j] {
					under = append(under, j)
				}
			}
		}
	}
	return order
}

// insertTogether adds rows in as few statements as there are kinds of rows:
// those with an id and those that the database gives one.
func (m *Model) insertTogether(ctx context.Context, tx store.Tx, c Caller, rows []*dataflow.Object, places []int) error {
	place := func(i int) string { return pointerTo("/data", places[i]) }
	if err := m.checkAllRefs(ctx, tx, c, rows, place); err != nil {
		return err
	}
	for _, row := range rows {
		if err := m.allow(ctx, tx, c, toCreate, row); err != nil {
			return err
		}
	}
	var with, without []*dataflow.Object
	for _, row := range rows {
		if row.Vals()[m.id] == dataflow.Absent {
			without = append(without, row)
		} else {
			with = append(with, row)
		}
	}
	if err := m.insertGroup(ctx, tx, c, m.allFields, with, func(v []any) []any { return v }); err != nil {
		return err
	}
	if err := m.insertGroup(ctx, tx, c, m.insertable, without, m.withoutID); err != nil {
		for _, row := range without { // to be tried again one by one
			row.Vals()[m.id] = dataflow.Absent
		}
		return err
	}
	changes := make([]change, len(rows))
	for i, row := range rows {
		changes[i] = change{after: row}
	}
	return m.log(ctx, tx, c, changes...)
}

func (m *Model) insertGroup(ctx context.Context, tx store.Tx, c Caller, fields []int, rows []*dataflow.Object, vals func([]any) []any) error {
	if len(rows) == 0 {
		return nil
	}
	all := make([][]any, len(rows))
	for i, row := range rows {
		all[i] = vals(row.Vals()[:len(m.m.Fields)])
	}
	ids, err := tx.Insert(ctx, m.m, fields, all)
	if err != nil {
		return m.placed(c, err, "")
	}
	for i, row := range rows {
		row.Vals()[m.id] = ids[i]
	}
	return nil
}

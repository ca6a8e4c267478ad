package access

import (
	"context"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// A database that empties references by itself (ON DELETE SET NULL) tells
// nobody: the rows would keep their version, so that a caller's ETag would
// hold for what it has not seen, and have no entry in the audit log. So the
// runtime empties them first, in the same transaction. Rows that the database
// removes along (ON DELETE CASCADE) may be referred to in turn.

// referrer is a field that refers to a model.
type referrer struct {
	from  *Model // with its positions alone
	field int
}

// referrers are what deleting rows of a model brings about elsewhere.
type referrers struct {
	emptied  map[*dataflow.Model][]referrer // by what they refer to: set_null
	removed  map[*dataflow.Model][]referrer // cascade
	affected bool                           // deleting a row may empty a reference, or remove rows that somebody follows
}

// newReferrers follows the references to m from models of its database.
func newReferrers(m *dataflow.Model, clock *clock, o Options) referrers {
	r := referrers{emptied: map[*dataflow.Model][]referrer{}, removed: map[*dataflow.Model][]referrer{}}
	if m.Database == nil {
		return r
	}
	seen := []*dataflow.Model{m}
	for i := 0; i < len(seen); i++ {
		for _, other := range m.Database.Models {
			for j, f := range other.Fields {
				if f.Type.Kind != dataflow.KindRef || f.Type.Model != seen[i] {
					continue
				}
				ref := referrer{positions(other, clock), j}
				if o.Watch != nil {
					ref.from.changed = o.Watch(other)
				}
				ref.from.feed = o.feed(other)
				switch f.OnDelete {
				case "set_null":
					r.emptied[seen[i]] = append(r.emptied[seen[i]], ref)
					r.affected = true
				case "cascade":
					r.affected = r.affected || ref.from.feed != nil
					r.removed[seen[i]] = append(r.removed[seen[i]], ref)
					if !slices.Contains(seen, other) {
						seen = append(seen, other)
					}
				}
			}
		}
	}
	return r
}

// letGo empties the references to rows that are about to be removed, whoever's
// they are, and to those that go along with them.
func (m *Model) letGo(ctx context.Context, tx store.Tx, c Caller, ids []any) error {
	if !m.referrers.affected {
		return nil
	}
	type removal struct {
		model *dataflow.Model
		ids   []any
	}
	gone := map[*dataflow.Model]map[any]bool{}
	for all := []removal{{m.m, ids}}; len(all) > 0; all = all[1:] {
		model, ids := all[0].model, all[0].ids
		for chunk := range slices.Chunk(ids, idsAtOnce) {
			for _, ref := range m.referrers.emptied[model] {
				if err := ref.empty(ctx, tx, c, chunk); err != nil {
					return err
				}
			}
			for _, ref := range m.referrers.removed[model] {
				if gone[ref.from.m] == nil {
					gone[ref.from.m] = map[any]bool{}
				}
				along, err := ref.along(ctx, tx, chunk, gone[ref.from.m])
				if err != nil {
					return err
				}
				all = append(all, removal{ref.from.m, along})
			}
		}
	}
	return nil
}

// along finds the rows that refer to some and will go along with them, but for
// those that are gone already. Whoever follows them is told.
func (r referrer) along(ctx context.Context, tx store.Tx, to []any, gone map[any]bool) (ids []any, err error) {
	var changes []change
	fields, at := []int{r.from.id}, 0
	if r.from.feed != nil {
		fields, at = nil, r.from.id
	}
	where := compare(r.from.m, r.field, query.In, to)
	err = tx.Select(ctx, &query.Select{Model: r.from.m, Fields: fields, Where: where, Lock: true}, func(row store.Row) error {
		id := row.Value(at)
		if gone[id] {
			return nil
		}
		gone[id], ids = true, append(ids, id)
		if r.from.feed != nil {
			changes = append(changes, change{before: row.Object()})
		}
		return nil
	})
	if err != nil || len(changes) == 0 {
		return ids, err
	}
	return ids, r.from.feed.record(ctx, tx, r.from, changes)
}

// empty sets the field to null in the rows that refer to some.
func (r referrer) empty(ctx context.Context, tx store.Tx, c Caller, to []any) error {
	m := r.from
	where := compare(m.m, r.field, query.In, to)
	if !m.noted() {
		_, err := tx.Update(ctx, r.update(where))
		return err
	}
	rows, err := m.load(ctx, tx, []query.Expr{where}, nil)
	if err != nil {
		return err
	}
	changes := make([]change, len(rows))
	for i, row := range rows {
		u := r.update(m.byID(row.Vals()[m.id]))
		if _, err := tx.Update(ctx, u); err != nil {
			return err
		}
		next := row.Clone()
		for _, a := range u.Set {
			next.Vals()[a.Field] = a.Value
		}
		if m.version >= 0 {
			next.Vals()[m.version] = row.Vals()[m.version].(int64) + 1
		}
		changes[i] = change{row, next}
	}
	return m.log(ctx, tx, c, changes...)
}

func (r referrer) update(where query.Expr) *query.Update {
	set := []query.Assign{{Field: r.field, Value: nil}}
	if r.from.updatedAt >= 0 {
		set = append(set, query.Assign{Field: r.from.updatedAt, Value: r.from.clock.tick()})
	}
	return &query.Update{Model: r.from.m, Where: where, Bump: r.from.version, Set: set}
}

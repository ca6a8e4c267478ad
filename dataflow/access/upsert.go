package access

import (
	"context"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

func (m *Model) doUpsert(ctx context.Context, tx store.Tx, c Caller, args *dataflow.Object) (any, error) {
	a := m.arguments(c, dataflow.OpUpsert, args)
	where, equal := a.where()
	create, update := a.input("create"), a.input("update")
	s := m.sight(c)
	m.refuseSystem(create, m.m.ClientID)
	m.refuseSystem(update, false)
	m.refuseFixed(s, create)
	m.refuseFixed(s, update)
	a.also(create.problems)
	a.also(update.problems)
	if err := a.err(); err != nil {
		return nil, err
	}
	row, err := m.find(ctx, tx, c, where)
	if err != nil {
		return nil, err
	}
	if row != nil {
		if err := m.allow(ctx, tx, c, toUpdate, row); err != nil {
			return nil, err
		}
		next, err := m.change(ctx, tx, c, row, update)
		if err != nil {
			return nil, err
		}
		action := "updated"
		if next == row {
			action = "unchanged"
		}
		return m.upserted(ctx, tx, c, next, action)
	}
	if err := m.adopt(s, create, equal); err != nil {
		return nil, err
	}
	if row, err = m.newRow(ctx, c, create); err != nil {
		return nil, err
	}
	if err := m.insert(ctx, tx, c, row, create.pointer); err != nil {
		return nil, err
	}
	return m.upserted(ctx, tx, c, row, "created")
}

func (m *Model) upserted(ctx context.Context, tx store.Tx, c Caller, row *dataflow.Object, action string) (any, error) {
	shown, err := m.result(ctx, tx, c, row)
	if err != nil {
		return nil, err
	}
	return dataflow.NewRecord(upsertShape, []any{shown, action == "created", action}), nil
}

var upsertShape = dataflow.NewShape("record", "created", "action")

// find returns the row that an upsert is about, or nil.
func (m *Model) find(ctx context.Context, tx store.Tx, c Caller, where query.Expr) (*dataflow.Object, error) {
	where, err := m.scope(c, false, where)
	if err != nil {
		return nil, err
	}
	return m.one(ctx, tx, where, m.raw, true, "an upsert is about one row: name fields that are unique")
}

// adopt gives the row to be created the values that where looked for, but
// those that create itself says.
func (m *Model) adopt(s *sight, create *input, equal []*query.Cmp) error {
	for _, e := range equal {
		i, v := e.Path.Field, e.Value
		if e.Op == query.Null {
			v = nil
		}
		switch f := m.m.Fields[i]; {
		case i == m.id && !m.m.ClientID:
			return m.notFound(v) // the database picks ids: none can be asked for
		case create.row.Vals()[i] == dataflow.Absent && CanWrite(m.m, f) && !s.fixes(i):
			create.row.Vals()[i] = v
		}
	}
	return nil
}

// where parses the where argument of an upsert, which takes equalities only.
func (a *arguments) where() (query.Expr, []*query.Cmp) {
	o := a.object("where")
	if o == nil {
		return nil, nil // its absence is a problem already
	}
	if o.Len() == 0 {
		a.add("required", "/where", "an upsert needs values to find the row by", "")
		return nil, nil
	}
	e, problems := a.sight.Filter(a.m.m, o, "/where")
	a.also(problems)
	if len(problems) > 0 {
		return nil, nil
	}
	equal, ok := equalities(e, nil)
	if !ok {
		a.add("unknown_operator", "/where", "an upsert finds its row by plain values, not by operators or paths", `write {"field": value}`)
	}
	return e, equal
}

// equalities returns the comparisons of a filter that is nothing but
// equalities of the model's own fields.
func equalities(e query.Expr, found []*query.Cmp) ([]*query.Cmp, bool) {
	switch x := e.(type) {
	case query.And:
		for _, part := range x {
			var ok bool
			if found, ok = equalities(part, found); !ok {
				return nil, false
			}
		}
		return found, true
	case *query.Cmp:
		if len(x.Path.Via) == 0 && (x.Op == query.Eq || x.Op == query.Null && x.Value == true) {
			return append(found, x), true
		}
	}
	return nil, false
}

func (m *Model) doBulkUpsert(ctx context.Context, tx store.Tx, c Caller, args *dataflow.Object) (any, error) {
	a := m.arguments(c, dataflow.OpBulkUpsert, args)
	keys := a.conflictOn()
	s := m.sight(c)
	rows := a.rows(a.skips(), func(in *input) {
		m.refuseSystem(in, m.m.ClientID)
		m.refuseFixed(s, in)
		for _, k := range keys {
			if v := in.row.Vals()[k]; v == nil || v == dataflow.Absent {
				name := m.m.Fields[k].Name
				in.problems = without(in.problems, at(in.pointer, name))
				in.add("required", name, "a row is found by this field, so each must give it", "")
			}
		}
	})
	if err := a.err(); err != nil {
		return nil, err
	}
	if err := m.holdKeyed(ctx, tx, c, rows, keys); err != nil {
		return nil, err
	}
	var inserted, updated int64
	rep, err := a.each(ctx, tx, rows, func(in *input) error {
		created, err := m.upsertRow(ctx, tx, c, in, keys)
		switch {
		case err != nil:
			return err
		case created:
			inserted++
		default:
			updated++
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	out := dataflow.ObjectOf("processed", int64(len(rows)), "upserted", inserted+updated, "inserted", inserted, "updated", updated)
	rep.add(out)
	return out, nil
}

// holdKeyed takes the rows that are there already before the first is changed,
// by their ids as load does: of two callers with the same rows in another order
// neither can hold what the other wants.
func (m *Model) holdKeyed(ctx context.Context, tx store.Tx, c Caller, rows []*input, keys []int) error {
	var fine []*input
	for _, in := range rows {
		if len(in.problems) == 0 {
			fine = append(fine, in)
		}
	}
	if len(fine) < 2 {
		return nil
	}
	var filters []query.Expr
	for chunk := range slices.Chunk(fine, idsAtOnce/len(keys)) {
		where, err := m.scope(c, false, m.keyedAs(chunk, keys))
		if err != nil {
			return err
		}
		filters = append(filters, where)
	}
	_, err := m.load(ctx, tx, filters, []int{m.id})
	return err
}

// keyedAs is the filter of the rows that have the keys of one of some others.
func (m *Model) keyedAs(rows []*input, keys []int) query.Expr {
	if len(keys) == 1 {
		values := make([]any, len(rows))
		for i, in := range rows {
			values[i] = in.row.Vals()[keys[0]]
		}
		return compare(m.m, keys[0], query.In, values)
	}
	same := make(query.Or, len(rows))
	for i, in := range rows {
		same[i] = m.keyed(in, keys)
	}
	return same
}

// keyed is the filter of the row that has the same keys.
func (m *Model) keyed(in *input, keys []int) query.Expr {
	var where query.And
	for _, k := range keys {
		where = append(where, compare(m.m, k, query.Eq, in.row.Vals()[k]))
	}
	return where
}

// upsertRow changes the row that has the same keys, or adds one.
func (m *Model) upsertRow(ctx context.Context, tx store.Tx, c Caller, in *input, keys []int) (created bool, err error) {
	row, err := m.find(ctx, tx, c, m.keyed(in, keys))
	if err != nil {
		return false, err
	}
	if row != nil {
		if err := m.allow(ctx, tx, c, toUpdate, row); err != nil {
			return false, err
		}
		for _, k := range keys {
			in.row.Vals()[k] = dataflow.Absent
		}
		_, err = m.change(ctx, tx, c, row, in)
		return false, err
	}
	if row, err = m.newRow(ctx, c, in); err != nil {
		return false, err
	}
	return true, m.insert(ctx, tx, c, row, in.pointer)
}

// conflictOn reads the fields that a bulk upsert finds rows by: a set that
// the database keeps unique. An id that the database picks is none of them:
// rows don't give it.
func (a *arguments) conflictOn() []int {
	var keys []int
	var names []string
	for i, v := range a.list("conflict_on") {
		name := v.(string)
		at, ok := a.m.m.FieldIndex(name)
		if !ok || a.sight.FieldOf(a.m.m, name) == nil {
			a.add("unknown_field", pointerTo("/conflict_on", i), "there is no field \""+name+"\"", dataflow.DidYouMean(name, a.sight.Names(a.m.m)))
			continue
		}
		keys = append(keys, at)
		names = append(names, name)
	}
	if len(keys) == len(a.list("conflict_on")) && a.o.Has("conflict_on") && !a.m.unique(names) {
		if len(keys) == 1 && keys[0] == a.m.id {
			a.add("unique", "/conflict_on", "the database picks the ids, so no row can be added under one", "use bulk_update with data to change rows by id")
			return nil
		}
		detail := "these fields together are not unique"
		if a.m.uniqueAmongSome(names) {
			detail = "these fields are unique among some rows only, those of the index's where: another row may have the same values"
		}
		a.add("unique", "/conflict_on", detail, "name "+a.m.uniqueHint()+"a unique field, or the fields of a unique index")
	}
	return keys
}

func (m *Model) uniqueHint() string {
	if m.m.ClientID {
		return "the id, "
	}
	return ""
}

// unique reports whether the database keeps a set of fields unique. In a
// multi-tenant model that is within the tenant.
func (m *Model) unique(names []string) bool {
	if len(names) == 1 {
		if f := m.m.Field(names[0]); f.Unique || f.System == dataflow.RoleID && m.m.ClientID {
			return true
		}
	}
	for _, ix := range m.m.Indexes {
		if ix.Unique && ix.Where == nil && sameSet(m.besidesTenant(ix.Fields), names) {
			return true
		}
	}
	return false
}

// uniqueAmongSome reports whether a set of fields is unique among the rows of
// an index that is not over all.
func (m *Model) uniqueAmongSome(names []string) bool {
	return slices.ContainsFunc(m.m.Indexes, func(ix dataflow.Index) bool {
		return ix.Unique && ix.Where != nil && sameSet(m.besidesTenant(ix.Fields), names)
	})
}

func (m *Model) besidesTenant(names []string) []string {
	if m.tenant < 0 {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return n == m.m.Fields[m.tenant].Name })
}

func sameSet(a, b []string) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(n string) bool { return !slices.Contains(b, n) })
}

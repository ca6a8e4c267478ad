package access

import (
	"context"
	"fmt"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Written is a row as a write has left it, for the caller who wrote it.
type Written struct {
	m    *Model
	s    *sight
	row  *dataflow.Object
	seen bool // the caller may read what it has written
}

// written asks whether a caller may read what it has written.
func (m *Model) written(ctx context.Context, r store.Reader, c Caller, row *dataflow.Object) (*Written, error) {
	seen, err := m.lets(ctx, r, readable(c, m.m), row)
	return &Written{m: m, s: m.sight(c), row: row, seen: seen}, err
}

// ID is the row's id.
func (w *Written) ID() any { return w.row.Vals()[w.m.id] }

// Version is the row's version; 0 unless the model is versioned, and for who may
// not read the row.
func (w *Written) Version() int64 {
	if w.m.version < 0 || !w.seen {
		return 0
	}
	v, _ := w.row.Vals()[w.m.version].(int64)
	return v
}

// object returns what is shown of the row, computed values included: its id
// alone to who may not read it.
func (w *Written) object(ctx context.Context) (*dataflow.Object, error) {
	if !w.seen {
		return dataflow.ObjectOf(w.m.m.ID().Name, w.ID()), nil
	}
	full, err := w.m.withComputed(ctx, w.row)
	if err != nil {
		return nil, err
	}
	return w.s.shown(full), nil
}

// AppendJSON appends the JSON of what is shown of the row.
func (w *Written) AppendJSON(ctx context.Context, dst []byte) ([]byte, error) {
	o, err := w.object(ctx)
	if err != nil {
		return dst, err
	}
	return codec.AppendValue(dst, o), nil
}

// Insert adds a row that NewRow made, and gives it its id.
func (m *Model) Insert(ctx context.Context, tx store.Tx, c Caller, row *dataflow.Object) (*Written, error) {
	if err := m.insert(ctx, tx, c, row, ""); err != nil {
		return nil, err
	}
	return m.written(ctx, tx, c, row)
}

// Add is Insert in a transaction of its own.
func (m *Model) Add(ctx context.Context, s store.Store, c Caller, row *dataflow.Object) (w *Written, err error) {
	adder, ok := s.(store.Adder)
	if !ok || len(m.guarded) > 0 || m.noted() || m.may(c, toCreate) != nil || readable(c, m.m) != nil {
		err = s.Write(ctx, func(tx store.Tx) (err error) {
			w, err = m.Insert(ctx, tx, c, row)
			return err
		})
		return w, err
	}
	fields, vals := m.inserted(row)
	id, err := adder.Add(ctx, m.m, fields, vals)
	if err != nil {
		return nil, m.placed(c, err, "")
	}
	row.Vals()[m.id] = id
	return m.written(ctx, nil, c, row)
}

// allow refuses to do something with rows that the caller sees and the rule does
// not let it do that with.
func (m *Model) allow(ctx context.Context, r store.Reader, c Caller, to right, list ...*dataflow.Object) error {
	where := m.may(c, to)
	if where == nil {
		return nil
	}
	for _, row := range list {
		ok, err := m.lets(ctx, r, where, row)
		if err != nil {
			return err
		}
		if !ok {
			return m.forbidden(to.String() + " this " + m.m.Name)
		}
	}
	return nil
}

// inserted returns which fields of a new row are written, and their values.
func (m *Model) inserted(row *dataflow.Object) (fields []int, vals []any) {
	vals = row.Vals()[:len(m.m.Fields)]
	if vals[m.id] == dataflow.Absent || m.databasePicksID() {
		return m.insertable, m.withoutID(vals)
	}
	return m.allFields, vals
}

func (m *Model) insert(ctx context.Context, tx store.Tx, c Caller, row *dataflow.Object, pointer string) error {
	if err := m.checkRefs(ctx, tx, c, row, m.guarded, pointer); err != nil {
		return err
	}
	if err := m.allow(ctx, tx, c, toCreate, row); err != nil {
		return err
	}
	fields, vals := m.inserted(row)
	ids, err := tx.Insert(ctx, m.m, fields, [][]any{vals})
	if err != nil {
		return m.placed(c, err, pointer)
	}
	row.Vals()[m.id] = ids[0]
	return m.log(ctx, tx, c, change{after: row})
}

// databasePicksID reports whether an id that a row has already is that of an
// attempt which was rolled back: a store may run a transaction again.
func (m *Model) databasePicksID() bool {
	return !m.m.ClientID && m.m.ID().Type.Kind == dataflow.KindInt
}

// withoutID returns the values of a row but for its id.
func (m *Model) withoutID(vals []any) []any {
	if m.id == 0 {
		return vals[1:]
	}
	return slices.Delete(slices.Clone(vals), m.id, m.id+1)
}

// placed moves the problems of a store's error to where the row is in the
// input, and takes out what it tells of what the caller does not see.
func (m *Model) placed(c Caller, err error, pointer string) error {
	err = m.veiled(c, err)
	if pointer == "" {
		return err
	}
	e := *dataflow.AsError(err)
	e.Problems = below(pointer, e.Problems)
	return &e
}

// current reads the row that is about to be changed or deleted.
func (m *Model) current(ctx context.Context, tx store.Tx, c Caller, t target, version *int64, to right) (*dataflow.Object, error) {
	row, err := m.named(ctx, tx, c, t)
	if err == nil {
		err = m.allow(ctx, tx, c, to, row)
	}
	if err != nil {
		return nil, err
	}
	if version != nil && m.version >= 0 {
		if at := row.Vals()[m.version].(int64); at != *version {
			return nil, m.versionMismatch(*version, at)
		}
	}
	return row, nil
}

// named reads the one row that a target names.
func (m *Model) named(ctx context.Context, tx store.Tx, c Caller, t target) (*dataflow.Object, error) {
	if t.id != nil { // the store's quickest way
		return m.readOne(ctx, tx, c, t.id, m.raw, true)
	}
	where, err := m.scope(c, false, t.where)
	if err != nil {
		return nil, err
	}
	row, err := m.one(ctx, tx, where, m.raw, true, "name one row, or use the bulk operation")
	if row == nil && err == nil {
		return nil, m.none(t)
	}
	return row, err
}

// change changes a row that is there to what the caller gave and returns it.
// The row itself is left as it was.
func (m *Model) change(ctx context.Context, tx store.Tx, c Caller, row *dataflow.Object, in *input) (*dataflow.Object, error) {
	m.refuseSystem(in, false)
	m.refuseFixed(m.sight(c), in)
	m.refuseImmutable(in, row)
	if err := m.invalid(in.problems); err != nil {
		return nil, err
	}
	next := row.Clone()
	var set []int
	for i, v := range in.row.Vals() {
		if v != dataflow.Absent {
			next.Vals()[i] = v
			set = append(set, i)
		}
	}
	if len(set) == 0 {
		return row, nil
	}
	more, err := m.before(ctx, m.m.BeforeUpdate, "before_update", next, in.pointer)
	if err != nil {
		return nil, err
	}
	set = union(set, more)
	if err := m.validate(ctx, next, in.pointer); err != nil {
		return nil, err
	}
	if err := m.checkRefs(ctx, tx, c, next, m.guardedAmong(set, row, next), in.pointer); err != nil {
		return nil, err
	}
	if where := m.may(c, toUpdate); where != nil { // the rule holds for what the row becomes as well
		switch ok, err := m.lets(ctx, tx, where, next); {
		case err != nil:
			return nil, err
		case !ok:
			return nil, m.forbidden("make of this " + m.m.Name + " one that you could not change")
		}
	}
	return m.store(ctx, tx, c, row, next, set, in.pointer)
}

// store writes the fields of next, in set, over row.
func (m *Model) store(ctx context.Context, tx store.Tx, c Caller, row, next *dataflow.Object, set []int, pointer string) (*dataflow.Object, error) {
	id := row.Vals()[m.id]
	if m.updatedAt >= 0 {
		next.Vals()[m.updatedAt] = m.clock.after(row.Vals()[m.updatedAt])
		set = union(set, []int{m.updatedAt})
	}
	u := &query.Update{Model: m.m, Where: m.byID(id), Bump: m.version}
	for _, i := range set {
		u.Set = append(u.Set, query.Assign{Field: i, Value: next.Vals()[i]})
	}
	n, err := tx.Update(ctx, u)
	if n == 0 && err == nil {
		err = m.leftAsIs(ctx, tx, u.Where, m.notFound(id))
	}
	if err != nil {
		return nil, m.placed(c, err, pointer)
	}
	if m.version >= 0 {
		next.Vals()[m.version] = row.Vals()[m.version].(int64) + 1
	}
	return next, m.log(ctx, tx, c, change{before: row, after: next})
}

// union returns a with those of b that it does not have.
func union(a, b []int) []int {
	for _, i := range b {
		if !slices.Contains(a, i) {
			a = append(a, i)
		}
	}
	return a
}

// guardedAmong returns the references in set that lead elsewhere than before.
// One that stays may lead to a row that was deleted softly meanwhile: a row
// that is written back as it was read is no new reference.
func (m *Model) guardedAmong(set []int, row, next *dataflow.Object) []int {
	var both []int
	for _, i := range m.guarded {
		if slices.Contains(set, i) && !same(row.Vals()[i], next.Vals()[i]) {
			both = append(both, i)
		}
	}
	return both
}

// refuseImmutable records a problem for each immutable field that would
// change. row is nil if any value would be a change.
func (m *Model) refuseImmutable(in *input, row *dataflow.Object) {
	for i, f := range m.m.Fields {
		v := in.row.Vals()[i]
		if !f.Immutable || f.System != dataflow.RoleNone || v == dataflow.Absent {
			continue
		}
		if row != nil && same(row.Vals()[i], v) {
			in.row.Vals()[i] = dataflow.Absent
			continue
		}
		in.problems = without(in.problems, at(in.pointer, f.Name))
		in.add("immutable", f.Name, fmt.Sprintf("%q is fixed once the row is created", f.Name), "leave it out")
	}
}

// forgiveSame takes out of a replacement what the runtime writes itself, and
// what is computed, where it is what the row has: a caller sends back a row it
// has read. Another value would be lost without a word, and is refused.
func (m *Model) forgiveSame(ctx context.Context, s *sight, in *input, row *dataflow.Object) error {
	for i, f := range m.m.Fields {
		if v := in.row.Vals()[i]; (f.System != dataflow.RoleNone || s.fixes(i)) && v != dataflow.Absent && same(row.Vals()[i], v) {
			in.row.Vals()[i] = dataflow.Absent
		}
	}
	given := in.row.Vals()[len(m.m.Fields):]
	if !slices.ContainsFunc(given, func(v any) bool { return v != dataflow.Absent }) {
		return nil
	}
	full, err := m.withComputed(ctx, row)
	if err != nil {
		return err
	}
	for i, c := range m.m.Computed {
		switch {
		case given[i] == dataflow.Absent:
		case sameJSON(full.Vals()[len(m.m.Fields)+i], given[i]):
			in.problems = without(in.problems, at(in.pointer, c.Name))
		default:
			in.problems = without(in.problems, at(in.pointer, c.Name))
			in.add("read_only", c.Name, fmt.Sprintf("%q is worked out by the app, and is not this", c.Name), "leave it out, or send what was read")
		}
		given[i] = dataflow.Absent
	}
	return nil
}

// sameJSON reports whether a value is the one that was shown: as its JSON says
// it, in whatever order the members of objects are.
func sameJSON(shown, given any) bool {
	if raw, ok := shown.(dataflow.RawJSON); ok {
		shown, _ = codec.ParseJSON([]byte(raw), codec.MaxDepth)
	}
	switch a := shown.(type) {
	case *dataflow.Object:
		b, ok := given.(*dataflow.Object)
		if !ok || a.Len() != b.Len() {
			return false
		}
		for name, v := range a.All {
			if w, ok := b.Get(name); !ok || !sameJSON(v, w) {
				return false
			}
		}
		return true
	case []any:
		b, ok := given.([]any)
		return ok && slices.EqualFunc(a, b, sameJSON)
	}
	return same(shown, given)
}

// resetRest gives every field that a replacement leaves out its default, or
// null. What the caller may not set, or does not see, stays as it is.
func (m *Model) resetRest(s *sight, in *input) {
	vals := in.row.Vals()
	for i, f := range m.m.Fields {
		if f.System != dataflow.RoleNone || f.Immutable || vals[i] != dataflow.Absent || s.fixes(i) || s.hidden != nil && s.hidden[i] {
			continue
		}
		switch {
		case f.HasDefault:
			vals[i] = f.Default
		case f.Optional:
			vals[i] = nil
		default:
			in.add("required", f.Name, fmt.Sprintf("%q is required", f.Name), "")
		}
	}
}

// UpdateJSON changes the fields that a JSON body names. version, if not nil,
// must be the row's. replace (PUT) sets fields left out to default or null,
// immutable ones excepted; the body may be a row as it was read, and then what the
// app sets itself must be what it read.
func (m *Model) UpdateJSON(ctx context.Context, tx store.Tx, c Caller, id any, body []byte, version *int64, replace bool) (*Written, error) {
	if err := m.admit(c, dataflow.OpUpdate); err != nil {
		return nil, err
	}
	s := m.sight(c)
	values, problems := s.decoder.Decode(body)
	if values == nil {
		return nil, m.invalid(problems)
	}
	in := &input{row: values, problems: problems}
	row, err := m.current(ctx, tx, c, target{id: id, where: m.byID(id)}, version, toUpdate)
	if err != nil {
		return nil, err
	}
	if replace {
		if err := m.forgiveSame(ctx, s, in, row); err != nil {
			return nil, err
		}
		m.resetRest(s, in)
	}
	if row, err = m.change(ctx, tx, c, row, in); err != nil {
		return nil, err
	}
	return m.written(ctx, tx, c, row)
}

// Delete removes (or, with soft delete, hides) a row.
func (m *Model) Delete(ctx context.Context, tx store.Tx, c Caller, id any, version *int64) error {
	if err := m.admit(c, dataflow.OpDelete); err != nil {
		return err
	}
	_, err := m.delete(ctx, tx, c, target{id: id, where: m.byID(id)}, version)
	return err
}

// plainDelete reports whether deleting takes no look at the row.
func (m *Model) plainDelete() bool {
	return m.m.BeforeDelete == nil && !m.noted() && !m.m.SoftDelete && !m.referrers.affected
}

// delete removes one row and returns its id.
func (m *Model) delete(ctx context.Context, tx store.Tx, c Caller, t target, version *int64) (id any, err error) {
	if t.id != nil && version == nil && m.plainDelete() && m.may(c, toDelete) == nil {
		where, err := m.scope(c, false, t.where)
		if err != nil {
			return nil, err
		}
		n, err := m.someOf(ctx, tx, where, func(where query.Expr) (int64, error) { return tx.Delete(ctx, m.m, where) })
		if n == 0 && err == nil {
			err = m.none(t)
		}
		if err != nil {
			return nil, m.placed(c, err, "")
		}
		return t.id, nil
	}
	row, err := m.current(ctx, tx, c, t, version, toDelete)
	if err != nil {
		return nil, err
	}
	return row.Vals()[m.id], m.remove(ctx, tx, c, row)
}

// remove removes a row that has been read.
func (m *Model) remove(ctx context.Context, tx store.Tx, c Caller, row *dataflow.Object) error {
	if fn := m.m.BeforeDelete; fn != nil {
		v, err := fn.Call(ctx, []any{row}, nil)
		if err != nil {
			return err
		}
		if v != nil {
			return m.misbehaved(fn, "before_delete", "must return None: there is nothing to change in a row that goes")
		}
	}
	if m.m.SoftDelete {
		next := row.Clone()
		var last any
		if m.updatedAt >= 0 {
			last = row.Vals()[m.updatedAt]
		}
		next.Vals()[m.deletedAt] = m.clock.after(last)
		_, err := m.store(ctx, tx, c, row, next, []int{m.deletedAt}, "")
		return err
	}
	if err := m.letGo(ctx, tx, c, []any{row.Vals()[m.id]}); err != nil {
		return err
	}
	where := m.byID(row.Vals()[m.id])
	n, err := tx.Delete(ctx, m.m, where)
	if n == 0 && err == nil { // it may have gone along with another
		err = m.leftAsIs(ctx, tx, where, nil)
	}
	if err != nil {
		return m.placed(c, err, "")
	}
	return m.log(ctx, tx, c, change{before: row})
}

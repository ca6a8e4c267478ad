package access

import (
	"context"
	"slices"
	"strconv"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// idsAtOnce bounds the ids in one statement.
const idsAtOnce = 500

func pointerTo(pointer string, i int) string { return pointer + "/" + strconv.Itoa(i) }

// rows reads the data argument.
func (a *arguments) rows() []*input {
	list := a.list("data")
	rows := make([]*input, len(list))
	for i, v := range list {
		o, ok := v.(*dataflow.Object)
		if !ok { // which is a problem already
			o = dataflow.NewObject()
		}
		rows[i] = a.m.coerce(o, pointerTo("/data", i))
	}
	return rows
}

// report tells what became of the rows of a bulk write.
type report struct {
	skip   bool
	errors []any
}

func (r *report) skipped(index int, e *dataflow.Error) {
	problems := make([]any, len(e.Problems))
	for i, p := range e.Problems {
		var hint any
		if p.Hint != "" {
			hint = p.Hint
		}
		problems[i] = dataflow.ObjectOf("code", p.Code, "pointer", p.Pointer, "detail", p.Detail, "hint", hint)
	}
	r.errors = append(r.errors, dataflow.ObjectOf("index", int64(index), "code", e.Code, "message", e.Message, "problems", problems))
}

// add adds the errors to a result, if rows could be skipped.
func (r *report) add(out *dataflow.Object) {
	if r.skip {
		if r.errors == nil {
			r.errors = []any{}
		}
		out.Set("errors", r.errors)
	}
}

// rowsFault reports whether an error is the fault of a row, so that other
// rows may do better.
func rowsFault(e *dataflow.Error) bool {
	switch e.Status {
	case dataflow.StatusInvalid, dataflow.StatusConflict, dataflow.StatusRejected, dataflow.StatusNotFound:
		return true
	}
	return false
}

// each does f for each row. Unless rows can be skipped, the problems of all
// rows are reported before f has been called for any.
func (a *arguments) each(ctx context.Context, tx store.Tx, rows []*input, f func(*input) error) (*report, error) {
	rep := &report{skip: a.str("on_error") == "skip"}
	if !rep.skip {
		for _, in := range rows {
			a.also(in.problems)
		}
		if err := a.err(); err != nil {
			return nil, err
		}
		for _, in := range rows {
			if err := f(in); err != nil {
				return nil, err
			}
		}
		return rep, nil
	}
	for i, in := range rows {
		err := a.m.invalid(in.problems)
		if err == nil {
			err = tx.Savepoint(ctx, func() error { return f(in) })
		}
		if err == nil {
			continue
		}
		e := dataflow.AsError(err)
		if !rowsFault(e) {
			return nil, err
		}
		rep.skipped(i, e)
	}
	return rep, nil
}

func (m *Model) doBulkCreate(ctx context.Context, tx store.Tx, c Caller, args *dataflow.Object) (any, error) {
	a := m.arguments(dataflow.OpBulkCreate, args)
	inputs := a.rows()
	rep := &report{skip: a.str("on_error") == "skip"}
	if !rep.skip {
		for _, in := range inputs { // so that the problems of all rows come together
			m.refuseSystem(in, m.m.ClientID)
			m.fillIn(in)
			a.also(in.problems)
		}
	}
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
	var all []dataflow.Problem
	for i, in := range inputs {
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
		all = append(all, e.Problems...)
	}
	return rows, places, m.invalid(all)
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
	var done []*dataflow.Object
	for i, row := range rows {
		given := row.Vals()[m.id]
		err := tx.Savepoint(ctx, func() error {
			return m.insert(ctx, tx, c, row, pointerTo("/data", places[i]))
		})
		switch {
		case err == nil:
			done = append(done, row)
		case rep.skip && rowsFault(dataflow.AsError(err)):
			row.Vals()[m.id] = given
			rep.skipped(places[i], dataflow.AsError(err))
		default:
			return nil, err
		}
	}
	return done, nil
}

// insertTogether adds rows in as few statements as there are kinds of rows:
// those with an id and those that the database gives one.
func (m *Model) insertTogether(ctx context.Context, tx store.Tx, c Caller, rows []*dataflow.Object, places []int) error {
	place := func(i int) string { return pointerTo("/data", places[i]) }
	if err := m.checkAllRefs(ctx, tx, c, rows, place); err != nil {
		return err
	}
	var with, without []*dataflow.Object
	for _, row := range rows {
		if row.Vals()[m.id] == dataflow.Absent {
			without = append(without, row)
		} else {
			with = append(with, row)
		}
	}
	if err := m.insertGroup(ctx, tx, m.allFields, with, func(v []any) []any { return v }); err != nil {
		return err
	}
	if err := m.insertGroup(ctx, tx, m.insertable, without, m.withoutID); err != nil {
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

func (m *Model) insertGroup(ctx context.Context, tx store.Tx, fields []int, rows []*dataflow.Object, vals func([]any) []any) error {
	if len(rows) == 0 {
		return nil
	}
	all := make([][]any, len(rows))
	for i, row := range rows {
		all[i] = vals(row.Vals()[:len(m.m.Fields)])
	}
	ids, err := tx.Insert(ctx, m.m, fields, all)
	if err != nil {
		return err
	}
	for i, row := range rows {
		row.Vals()[m.id] = ids[i]
	}
	return nil
}

// several is what a bulk update or delete is about.
type several struct {
	filter query.Expr // nil is every row
	ids    []any      // nil unless ids were given; without repetitions
}

// several reads filter or ids. Neither means every row, which must be
// confirmed.
func (a *arguments) several(verb string) (several, error) {
	s := several{filter: a.filter()}
	if v := a.value("ids"); v != nil {
		if a.object("filter") != nil {
			a.add("unknown_parameter", "/filter", "can't go with ids", "give one of them")
		}
		s.ids = distinct(a.list("ids"))
	}
	if err := a.err(); err != nil {
		return s, err
	}
	if s.filter == nil && s.ids == nil && !a.bool("confirm_all") {
		return s, a.m.confirmRequired(verb)
	}
	return s, nil
}

func distinct(ids []any) []any {
	seen := make(map[any]bool, len(ids))
	out := []any{}
	for _, id := range ids {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out
}

// filters returns the filters that together cover what s is about, each small
// enough for one statement.
func (m *Model) filters(c Caller, s several) ([]query.Expr, error) {
	if s.ids == nil {
		where, err := m.scope(c, false, s.filter)
		return []query.Expr{where}, err
	}
	var all []query.Expr
	for chunk := range slices.Chunk(s.ids, idsAtOnce) {
		where, err := m.scope(c, false, m.byIDs(chunk))
		if err != nil {
			return nil, err
		}
		all = append(all, where)
	}
	if len(all) == 0 && m.tenant >= 0 && c.Tenant == "" {
		return nil, m.tenantRequired()
	}
	return all, nil
}

// load reads the rows that filters cover, with some of their fields.
func (m *Model) load(ctx context.Context, tx store.Tx, filters []query.Expr, fields []int) ([]*dataflow.Object, error) {
	var rows []*dataflow.Object
	for _, where := range filters {
		err := tx.Select(ctx, &query.Select{Model: m.m, Fields: fields, Where: where, Lock: true}, func(row store.Row) error {
			rows = append(rows, row.Object())
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return rows, nil
}

// missing adds to a result those of the ids asked for that are no row's.
func (m *Model) missing(out *dataflow.Object, s several, rows []*dataflow.Object) {
	if s.ids == nil {
		return
	}
	there := make(map[any]bool, len(rows))
	for _, row := range rows {
		there[row.Vals()[m.id]] = true
	}
	missing := []any{}
	for _, id := range s.ids {
		if !there[id] {
			missing = append(missing, id)
		}
	}
	out.Set("missing", missing)
}

func (m *Model) doBulkUpdate(ctx context.Context, tx store.Tx, c Caller, args *dataflow.Object) (any, error) {
	a := m.arguments(dataflow.OpBulkUpdate, args)
	if a.value("data") != nil {
		return m.bulkUpdateRows(ctx, tx, c, a)
	}
	if a.value("fields") == nil {
		a.add("required", "/fields", `"fields" (or "data") is required`, "")
	}
	in := a.input("fields")
	m.refuseSystem(in, false)
	m.refuseImmutable(in, nil)
	a.also(in.problems)
	if o := a.object("fields"); o != nil && o.Len() == 0 {
		a.add("required", "/fields", "there is nothing to change", "name at least one field")
	}
	s, err := a.several("update")
	if err != nil {
		return nil, err
	}
	filters, err := m.filters(c, s)
	if err != nil {
		return nil, err
	}
	if m.m.BeforeUpdate == nil && m.m.Validate == nil && m.audit == nil {
		return m.updateTogether(ctx, tx, c, in, s, filters)
	}
	rows, err := m.load(ctx, tx, filters, nil)
	if err != nil {
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
	var rows []*dataflow.Object
	if s.ids != nil {
		var err error
		if rows, err = m.load(ctx, tx, filters, []int{m.id}); err != nil {
			return nil, err
		}
	}
	var set []query.Assign
	for i, v := range in.row.Vals() {
		if v != dataflow.Absent {
			set = append(set, query.Assign{Field: i, Value: v})
		}
	}
	set = append(set, query.Assign{Field: m.updatedAt, Value: m.clock.tick()})
	var n int64
	for _, where := range filters {
		k, err := tx.Update(ctx, &query.Update{Model: m.m, Where: where, Set: set, Bump: m.version})
		if err != nil {
			return nil, placed(err, in.pointer)
		}
		n += k
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
	inputs := a.rows()
	s := several{}
	idName := m.m.ID().Name
	ids := make([]any, len(inputs))
	for i, in := range inputs {
		if ids[i] = in.row.Vals()[m.id]; ids[i] == dataflow.Absent {
			in.add("required", idName, "each row must give its id", "")
		}
		in.row.Vals()[m.id] = dataflow.Absent
		m.refuseSystem(in, false)
		a.also(in.problems)
	}
	if err := a.err(); err != nil {
		return nil, err
	}
	s.ids = distinct(ids)
	filters, err := m.filters(c, s)
	if err != nil {
		return nil, err
	}
	rows, err := m.load(ctx, tx, filters, nil)
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
	out := dataflow.ObjectOf("processed", int64(len(inputs)), "updated", updated)
	m.missing(out, s, rows)
	return out, nil
}

func (m *Model) doBulkDelete(ctx context.Context, tx store.Tx, c Caller, args *dataflow.Object) (any, error) {
	a := m.arguments(dataflow.OpBulkDelete, args)
	s, err := a.several("delete")
	if err != nil {
		return nil, err
	}
	filters, err := m.filters(c, s)
	if err != nil {
		return nil, err
	}
	var rows []*dataflow.Object
	var n int64
	if m.plainDelete() {
		rows, n, err = m.deleteTogether(ctx, tx, s, filters)
	} else {
		rows, err = m.load(ctx, tx, filters, nil)
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

// deleteTogether removes rows in one statement for each filter. The rows it
// returns hold ids alone, and only if ids were asked for.
func (m *Model) deleteTogether(ctx context.Context, tx store.Tx, s several, filters []query.Expr) (rows []*dataflow.Object, n int64, err error) {
	if s.ids != nil {
		if rows, err = m.load(ctx, tx, filters, []int{m.id}); err != nil {
			return nil, 0, err
		}
	}
	for _, where := range filters {
		k, err := tx.Delete(ctx, m.m, where)
		if err != nil {
			return nil, 0, err
		}
		n += k
	}
	return rows, n, nil
}

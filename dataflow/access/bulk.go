package access

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// idsAtOnce bounds the ids in one statement.
const idsAtOnce = 500

func pointerTo(pointer string, i int) string { return pointer + "/" + strconv.Itoa(i) }

// MaxRows is how many rows somebody from outside may give a bulk write at once: a
// row that is three bytes of a body takes hundreds while it is written. What a
// workflow gives is bounded by what made it.
const MaxRows = 100_000

// rows reads the data argument, and has check look at each row. Unless rows can
// be skipped, what is wrong with them is what is wrong with the arguments, and
// after the last problem that is told of no more rows are looked at; else it is
// kept with each.
func (a *arguments) rows(skip bool, check func(*input)) []*input {
	list := a.list("data")
	if a.c.Ruled && len(list) > MaxRows {
		a.add("too_long", "/data", fmt.Sprintf("must have at most %d rows, not %d", MaxRows, len(list)), "send them in parts, or as a file: an import takes any number")
		return nil
	}
	rows := make([]*input, len(list))
	for i, v := range list {
		o, ok := v.(*dataflow.Object)
		if !ok { // which is a problem already
			o = dataflow.NewObject()
		}
		in := a.m.sight(a.c).coerce(o, pointerTo("/data", i))
		check(in)
		if !skip {
			if a.also(in.problems); a.more {
				return nil
			}
			in.problems = nil
		}
		rows[i] = in
	}
	return rows
}

// report tells what became of the rows of a bulk write.
type report struct {
	skip   bool
	errors []any
	told   int // problems of those
}

// maxSkippedProblems is how many problems of rows that were skipped are told of.
// Of further rows it is said that they were.
const maxSkippedProblems = 1000

func (r *report) skipped(index int, e *dataflow.Error) {
	told := e.Problems[:min(len(e.Problems), maxSkippedProblems-r.told)]
	r.told += len(told)
	problems := make([]any, len(told))
	for i, p := range told {
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

// skips reports whether rows that can't be written are left out.
func (a *arguments) skips() bool { return a.str("on_error") == "skip" }

// rowsFault reports whether an error is the fault of a row, so that other
// rows may do better.
func rowsFault(e *dataflow.Error) bool {
	switch e.Status {
	case dataflow.StatusInvalid, dataflow.StatusConflict, dataflow.StatusRejected, dataflow.StatusNotFound:
		return true
	}
	return e.Code == "forbidden"
}

// each does f for each row.
func (a *arguments) each(ctx context.Context, tx store.Tx, rows []*input, f func(*input) error) (*report, error) {
	rep := &report{skip: a.skips()}
	if !rep.skip {
		for _, in := range rows {
			if err := f(in); err != nil {
				return nil, err
			}
		}
		return rep, nil
	}
	for i, in := range rows {
		rows[i] = nil // with its problems, of which there may be many in all
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
// enough for one statement. A filter finds the rows that the caller may change or
// delete; of ids it is told if there is one that it may not.
func (m *Model) filters(c Caller, s several, to right) ([]query.Expr, error) {
	if s.ids == nil {
		where, err := m.scope(c, false, s.filter)
		return []query.Expr{query.AllOf(where, m.may(c, to))}, err
	}
	var all []query.Expr
	ids := slices.SortedFunc(slices.Values(s.ids), query.Compare) // from one statement to the next too, rows are taken by their ids
	for chunk := range slices.Chunk(ids, idsAtOnce) {
		where, err := m.scope(c, false, m.byIDs(chunk))
		if err != nil {
			return nil, err
		}
		all = append(all, where)
	}
	if len(all) == 0 && m.tenant >= 0 && c.Tenant == "" {
		return nil, m.tenantRequired(c)
	}
	return all, nil
}

// load reads the rows that filters cover, with some of their fields, by their
// ids: every engine takes them in the same order, and two callers can't each
// hold what the other wants.
func (m *Model) load(ctx context.Context, tx store.Tx, filters []query.Expr, fields []int) ([]*dataflow.Object, error) {
	var rows []*dataflow.Object
	for _, where := range filters {
		err := tx.Select(ctx, &query.Select{Model: m.m, Fields: fields, Where: where, Order: []query.Order{{Field: m.id}}, Lock: true}, func(row store.Row) error {
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

package access

import (
	"context"
	"slices"
	"strconv"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// A rule's conditions become part of the query, with what they say of the caller
// filled in. They have three values, as in SQL: where something is null, or of a
// caller who is not signed in, a comparison is neither true nor false, and its
// opposite is not true either. Negations are pushed down to the comparisons, so
// that what is left is true or is not, which is all that a filter knows.

// rows returns the filter of the rows with which a rule lets a caller do
// something: nil is all of them, an empty Or none.
func rows(c Caller, m *dataflow.Model, r *dataflow.Rule) query.Expr {
	if r == nil {
		return query.Or{}
	}
	some := query.Or{}
	for i := range r.Grants {
		g := &r.Grants[i]
		if !g.Lets(c.User != nil, c.Roles) {
			continue
		}
		if g.Where == nil {
			return nil
		}
		e := condition(c, m, g.Where, false)
		if always(e) {
			return nil
		}
		if !never(e) {
			some = append(some, e)
		}
	}
	if len(some) == 1 {
		return some[0]
	}
	return some
}

func always(e query.Expr) bool { all, ok := e.(query.And); return ok && len(all) == 0 }
func never(e query.Expr) bool  { some, ok := e.(query.Or); return ok && len(some) == 0 }

func constant(holds bool) query.Expr {
	if holds {
		return query.And{}
	}
	return query.Or{}
}

// condition returns the filter of the rows for which a condition is true, or
// with opposite set false.
func condition(c Caller, m *dataflow.Model, cond dataflow.Cond, opposite bool) query.Expr {
	switch x := cond.(type) {
	case dataflow.CondNot:
		return condition(c, m, x.Cond, !opposite)
	case dataflow.CondAnd:
		return joined(c, m, x, opposite, !opposite)
	case dataflow.CondOr:
		return joined(c, m, x, opposite, opposite)
	case *dataflow.CondCompare:
		op := x.Op
		if opposite {
			op = op.Opposite()
		}
		return comparison(c, m, op, x)
	}
	return constant(false)
}

// joined joins parts of which all must hold, or one.
func joined(c Caller, m *dataflow.Model, parts []dataflow.Cond, opposite, all bool) query.Expr {
	var kept []query.Expr
	for _, part := range parts {
		e := condition(c, m, part, opposite)
		switch {
		case always(e):
			if !all {
				return e
			}
		case never(e):
			if all {
				return e
			}
		default:
			kept = append(kept, e)
		}
	}
	switch {
	case len(kept) == 1:
		return kept[0]
	case all:
		return query.And(kept)
	}
	return query.Or(kept)
}

// comparison returns the filter of the rows for which a comparison is true.
func comparison(c Caller, m *dataflow.Model, op dataflow.CompareOp, x *dataflow.CondCompare) query.Expr {
	if f, ok := x.Left.(dataflow.FieldTerm); ok {
		v, known := valueOf(c, x.Right)
		if !known {
			return constant(false)
		}
		if lit, ok := x.Right.(dataflow.Literal); ok {
			return ofField(m, f, op, lit.Value, asIs)
		}
		if v == nil {
			return constant(false)
		}
		return ofField(m, f, op, v, fitted)
	}
	v, known := valueOf(c, x.Left)
	if !known {
		return constant(false)
	}
	if f, ok := x.Right.(dataflow.FieldTerm); ok {
		return inField(m, f, op == dataflow.CompareIn, v, x.Left)
	}
	other, known := valueOf(c, x.Right)
	return constant(known && holds(op, v, other, x.Right))
}

// valueOf returns what a term of no row is for a caller. It is not known of
// nobody, whatever it is.
func valueOf(c Caller, t dataflow.Term) (v any, known bool) {
	switch t := t.(type) {
	case dataflow.Literal:
		return t.Value, true
	case dataflow.TenantTerm:
		if c.Tenant == "" {
			return nil, true
		}
		return c.Tenant, true
	case dataflow.UserTerm:
		if c.User == nil {
			return nil, false
		}
		return within(c.User, t), true
	}
	return nil, false
}

func within(o *dataflow.Object, names []string) any {
	v, _ := o.Get(names[0])
	if len(names) == 1 {
		return v
	}
	if raw, ok := v.(dataflow.RawJSON); ok {
		v, _ = codec.ParseJSON([]byte(raw), codec.MaxDepth)
	}
	if inner, ok := v.(*dataflow.Object); ok {
		return within(inner, names[1:])
	}
	return nil
}

// asIs is for values that the file gives, which fit.
func asIs(_ *dataflow.Type, v any) (any, bool) { return v, true }

// fitted turns a value that a caller came with into one of a field's type. Text
// stands for a number only in the one way that the number is written.
func fitted(t *dataflow.Type, v any) (any, bool) {
	t = t.Scalar()
	if text, ok := v.(string); ok && t.Kind == dataflow.KindInt {
		n, err := strconv.ParseInt(text, 10, 64)
		return n, err == nil && strconv.FormatInt(n, 10) == text
	}
	out, problems := codec.CoerceType(t, v, "")
	return out, len(problems) == 0 && out != nil
}

// ofField compares a field of the row with a value.
func ofField(m *dataflow.Model, f dataflow.FieldTerm, op dataflow.CompareOp, v any, fit func(*dataflow.Type, any) (any, bool)) query.Expr {
	path := pathOf(m, f)
	_, field := path.Last()
	switch {
	case v == nil:
		return &query.Cmp{Path: path, Op: query.Null, Value: op == dataflow.CompareEqual}
	case op == dataflow.CompareIn || op == dataflow.CompareNotIn:
		return amongValues(path, field.Type, op == dataflow.CompareIn, v, fit)
	}
	out, ok := fit(field.Type, v)
	if !ok {
		return constant(false)
	}
	return &query.Cmp{Path: path, Op: fieldOps[op], Value: out}
}

var fieldOps = [...]query.Op{
	dataflow.CompareEqual: query.Eq, dataflow.CompareNotEqual: query.Ne,
	dataflow.CompareLess: query.Lt, dataflow.CompareLessEqual: query.Lte,
	dataflow.CompareGreater: query.Gt, dataflow.CompareGreaterEqual: query.Gte,
	dataflow.CompareIn: query.In, dataflow.CompareNotIn: query.Nin,
}

func pathOf(m *dataflow.Model, f dataflow.FieldTerm) query.Path {
	return query.Path{Model: m, Via: f[:len(f)-1], Field: f[len(f)-1]}
}

// amongValues looks for a field's value in a list. Items that are none of its
// type are not equal to it.
func amongValues(path query.Path, t *dataflow.Type, in bool, v any, fit func(*dataflow.Type, any) (any, bool)) query.Expr {
	list, ok := v.([]any)
	if !ok {
		return constant(false)
	}
	var values []any
	for _, item := range list {
		if item, ok := fit(t, item); ok {
			values = append(values, item)
		}
	}
	switch {
	case len(values) > query.MaxValues:
		return constant(false)
	case len(values) > 0:
		op := query.In
		if !in {
			op = query.Nin
		}
		return &query.Cmp{Path: path, Op: op, Value: values}
	case in:
		return constant(false)
	}
	return &query.Cmp{Path: path, Op: query.Exists, Value: true}
}

// inField looks for a value in a field that is a list.
func inField(m *dataflow.Model, f dataflow.FieldTerm, in bool, v any, of dataflow.Term) query.Expr {
	path := pathOf(m, f)
	_, field := path.Last()
	if _, isLiteral := of.(dataflow.Literal); !isLiteral {
		var ok bool
		if v, ok = fitted(field.Type.Elem, v); !ok {
			return constant(false)
		}
	}
	has := &query.Cmp{Path: path, Op: query.Contains, Value: v}
	if in {
		return has
	}
	return query.And{&query.Cmp{Path: path, Op: query.Exists, Value: true}, query.Not{Expr: has}}
}

// holds compares two values of no row. right is the term of the second.
func holds(op dataflow.CompareOp, a, b any, right dataflow.Term) bool {
	if lit, ok := right.(dataflow.Literal); ok && lit.Value == nil {
		return (a == nil) == (op == dataflow.CompareEqual)
	}
	if a == nil || b == nil {
		return false
	}
	if op == dataflow.CompareIn || op == dataflow.CompareNotIn {
		list, ok := b.([]any)
		return ok && slices.ContainsFunc(list, func(item any) bool { return alike(a, item) }) == (op == dataflow.CompareIn)
	}
	order, ok := codec.Compare(a, b)
	if !ok {
		x, isBool := a.(bool)
		y, bothBool := b.(bool)
		if !isBool || !bothBool {
			return false // of what can't be compared neither this nor its opposite is true
		}
		return (x == y) == (op == dataflow.CompareEqual) && (op == dataflow.CompareEqual || op == dataflow.CompareNotEqual)
	}
	return [...]bool{order == 0, order != 0, order < 0, order <= 0, order > 0, order >= 0}[op]
}

// alike reports whether two values are equal, and can be.
func alike(a, b any) bool {
	if x, ok := a.(bool); ok {
		return x == b
	}
	if a == nil || b == nil {
		return false
	}
	order, ok := codec.Compare(a, b)
	return ok && order == 0
}

// lets reports whether a rule lets a caller do something with a row as it is in
// memory, before it is written: what its references lead to is looked up.
func (m *Model) lets(ctx context.Context, r store.Reader, where query.Expr, row *dataflow.Object) (bool, error) {
	if where == nil {
		return true, nil
	}
	l := lookup{ctx: ctx, r: r, m: m.m, row: row}
	ok := query.Match(where, l.value)
	return ok && l.err == nil, l.err
}

// lookup finds values of a row and of those that it refers to.
type lookup struct {
	ctx   context.Context
	r     store.Reader
	m     *dataflow.Model
	row   *dataflow.Object
	found map[reference]*dataflow.Object // nil: no such row
	err   error
}

type reference struct {
	to *dataflow.Model
	id any
}

func (l *lookup) value(p query.Path) any {
	m, row := l.m, l.row
	for _, at := range p.Via {
		id := given(row.Vals()[at])
		m = m.Fields[at].Type.Model
		if id == nil {
			return nil
		}
		if row = l.find(m, id); row == nil {
			return nil
		}
	}
	return given(row.Vals()[p.Field])
}

// given is a value of a row that may not be complete yet: its id comes from the
// database.
func given(v any) any {
	if v == dataflow.Absent {
		return nil
	}
	return v
}

func (l *lookup) find(m *dataflow.Model, id any) *dataflow.Object {
	ref := reference{m, id}
	if row, ok := l.found[ref]; ok || l.err != nil {
		return row
	}
	var row *dataflow.Object
	l.err = l.r.Select(l.ctx, &query.Select{Model: m, Where: compare(m, m.RoleIndex(dataflow.RoleID), query.Eq, id), Limit: 1}, func(r store.Row) error {
		row = r.Object()
		return nil
	})
	if l.found == nil {
		l.found = map[reference]*dataflow.Object{}
	}
	l.found[ref] = row
	return row
}

package query

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

// Dialect is what one engine writes in its own way.
type Dialect interface {
	// Placeholder appends the n-th parameter of a statement, from 1.
	Placeholder(dst []byte, n int) []byte
	// Encode turns a canonical value, not null, of type t into what is bound.
	Encode(t *dataflow.Type, v any) any
	// Text appends the condition of Like, Ilike, Contains, StartsWith,
	// EndsWith or Regex over a column.
	Text(b *Builder, column string, op Op, arg string)
	// Element appends the condition that a column's list contains a value.
	Element(b *Builder, column string, elem *dataflow.Type, v any)
	// Search appends the condition of a search.
	Search(b *Builder, s *Search)
	// Figure appends Sum, Avg, Min or Max of a column of type t, in the form
	// that Encode gives values of FigureType. An exact average adds shift
	// digits to the scale of its values.
	Figure(b *Builder, f Func, column string, t *dataflow.Type, shift int)
}

// Builder writes statements. SQL and Args are what it has written so far; it
// may be used again after Reset.
type Builder struct {
	Dialect Dialect
	SQL     []byte
	Args    []any // in the form Dialect.Encode gives
	// Reads, if set, is told of each model whose rows a statement looks at, beside
	// the one that Tail is of.
	Reads func(*dataflow.Model)
}

// Reset forgets what was written.
func (b *Builder) Reset() {
	b.SQL = b.SQL[:0]
	clear(b.Args)
	b.Args = b.Args[:0]
}

// Raw appends text as it is.
func (b *Builder) Raw(s string) *Builder {
	b.SQL = append(b.SQL, s...)
	return b
}

// Ident appends a quoted name.
func (b *Builder) Ident(name string) *Builder {
	b.SQL = AppendIdent(b.SQL, name)
	return b
}

// Arg appends a parameter with its value.
func (b *Builder) Arg(v any) *Builder {
	b.Args = append(b.Args, v)
	b.SQL = b.Dialect.Placeholder(b.SQL, len(b.Args))
	return b
}

// value appends a parameter with a canonical value of type t.
func (b *Builder) value(t *dataflow.Type, v any) *Builder {
	if v == nil {
		return b.Arg(nil)
	}
	return b.Arg(b.Dialect.Encode(t, v))
}

// AppendIdent appends a name in double quotes, as standard SQL has it.
func AppendIdent(dst []byte, name string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(name); i++ {
		if name[i] == '"' {
			dst = append(dst, '"')
		}
		dst = append(dst, name[i])
	}
	return append(dst, '"')
}

// from appends where rows come from.
func (b *Builder) from(m *dataflow.Model) *Builder {
	if b.Reads != nil {
		b.Reads(m)
	}
	return b.Raw(" FROM ").Ident(m.Table)
}

// Columns appends the columns of fields (nil is all of m's), with commas.
func (b *Builder) Columns(m *dataflow.Model, fields []int) *Builder {
	if fields == nil {
		for i, f := range m.Fields {
			b.comma(i).Ident(f.ColumnName())
		}
		return b
	}
	for i, f := range fields {
		b.comma(i).Ident(m.Fields[f].ColumnName())
	}
	return b
}

func (b *Builder) comma(i int) *Builder {
	if i > 0 {
		b.SQL = append(b.SQL, ", "...)
	}
	return b
}

// Tail appends what follows "SELECT columns FROM table" in a Select.
func (b *Builder) Tail(q *Select) {
	keyword := " WHERE "
	if !isTrue(q.Where) {
		b.Raw(keyword).expr(q.Where)
		keyword = " AND "
	}
	order := q.Order
	if len(order) > 0 || q.Limit > 0 || q.Offset > 0 || q.After != nil {
		order = Total(q.Model, q.Order)
	}
	if q.After != nil {
		b.Raw(keyword)
		b.after(q.Model, order, q.After)
	}
	b.order(q.Model, order)
	if q.Limit > 0 {
		b.Raw(" LIMIT ").Arg(int64(q.Limit))
	}
	if q.Offset > 0 {
		if q.Limit <= 0 {
			b.Raw(" LIMIT ").Arg(int64(1<<63 - 1))
		}
		b.Raw(" OFFSET ").Arg(int64(q.Offset))
	}
}

// order appends ORDER BY: nulls last when ascending, first when descending.
// It says so only where there can be nulls, because saying so keeps an index
// from being used.
func (b *Builder) order(m *dataflow.Model, order []Order) {
	for i, o := range order {
		if i == 0 {
			b.Raw(" ORDER BY ")
		}
		f := m.Fields[o.Field]
		b.comma(i).Ident(f.ColumnName())
		switch {
		case o.Desc && f.Optional:
			b.Raw(" DESC NULLS FIRST")
		case o.Desc:
			b.Raw(" DESC")
		case f.Optional:
			b.Raw(" NULLS LAST")
		}
	}
}

// after appends the condition that a row comes after the one whose keys are
// given: (k1 >= v1 AND (k1 > v1 OR (k2 …))). The outer comparison repeats
// what the inner says, for the sake of an index.
func (b *Builder) after(m *dataflow.Model, order []Order, keys []any) {
	f, o, v := m.Fields[order[0].Field], order[0], keys[0]
	if len(order) == 1 {
		b.beyond(f, o, v)
		return
	}
	b.Raw("(")
	if v != nil && (o.Desc || !f.Optional) {
		b.Ident(f.ColumnName()).Raw(atLeast(o.Desc)).value(f.Type, v)
		b.Raw(" AND ")
	}
	b.Raw("(")
	b.beyond(f, o, v)
	b.Raw(" OR (").Ident(f.ColumnName())
	if v == nil {
		b.Raw(" IS NULL")
	} else {
		b.Raw(" = ").value(f.Type, v)
	}
	b.Raw(" AND ")
	b.after(m, order[1:], keys[1:])
	b.Raw(")))")
}

// beyond appends the condition that one key alone puts a row after v.
func (b *Builder) beyond(f *dataflow.Field, o Order, v any) {
	switch {
	case v == nil && o.Desc: // nulls come first: everything else is after them
		b.Ident(f.ColumnName()).Raw(" IS NOT NULL")
	case v == nil:
		b.Raw("1 = 0")
	case o.Desc:
		b.Ident(f.ColumnName()).Raw(" < ").value(f.Type, v)
	case f.Optional:
		b.Raw("(").Ident(f.ColumnName()).Raw(" > ").value(f.Type, v)
		b.Raw(" OR ").Ident(f.ColumnName()).Raw(" IS NULL)")
	default:
		b.Ident(f.ColumnName()).Raw(" > ").value(f.Type, v)
	}
}

// Where appends " WHERE …", or nothing if the filter takes every row.
func (b *Builder) Where(e Expr) {
	if !isTrue(e) {
		b.Raw(" WHERE ").expr(e)
	}
}

func isTrue(e Expr) bool {
	and, ok := e.(And)
	return e == nil || ok && len(and) == 0
}

// Update appends the whole statement.
func (b *Builder) Update(u *Update) { b.Raw("UPDATE ").Changes(u) }

// Changes appends what follows the verb of an update.
func (b *Builder) Changes(u *Update) {
	b.Ident(u.Model.Table).Raw(" SET ")
	for i, a := range u.Set {
		f := u.Model.Fields[a.Field]
		b.comma(i).Ident(f.ColumnName()).Raw(" = ").value(f.Type, a.Value)
	}
	if u.Bump >= 0 {
		name := u.Model.Fields[u.Bump].ColumnName()
		b.comma(len(u.Set)).Ident(name).Raw(" = ").Ident(name).Raw(" + 1")
	}
	b.Where(u.Where)
}

// expr appends a condition. In SQL a comparison with null is neither true
// nor false; that is as good as false until a NOT turns it round, which is
// why Not asks for IS NOT TRUE.
func (b *Builder) expr(e Expr) {
	switch e := e.(type) {
	case And:
		b.join(e, " AND ", "1 = 1")
	case Or:
		b.join(e, " OR ", "1 = 0")
	case Not:
		b.Raw("(")
		b.expr(e.Expr)
		b.Raw(") IS NOT TRUE")
	case *Cmp:
		b.cmp(e)
	case *Through:
		b.through(e)
	case *Search:
		b.Dialect.Search(b, e)
	default:
		panic(fmt.Sprintf("query: unknown expression %T", e))
	}
}

func (b *Builder) join(parts []Expr, with, empty string) {
	if len(parts) == 0 {
		b.Raw(empty)
		return
	}
	b.Raw("(")
	for i, part := range parts {
		if i > 0 {
			b.Raw(with)
		}
		b.expr(part)
	}
	b.Raw(")")
}

// cmp appends a comparison. A path through references becomes one IN per hop
// over a subquery that does not depend on the outer row, so that the engine
// may start from either side. null at the end of a path, or on the way, is
// what is not found in "… IS NOT NULL".
func (b *Builder) cmp(c *Cmp) {
	isNull := c.Op == Null && c.Value == true || c.Op == Exists && c.Value == false
	if len(c.Path.Via) == 0 || !isNull {
		b.hop(c.Path.Model, c.Path.Via, c)
		return
	}
	b.Raw("(")
	b.hop(c.Path.Model, c.Path.Via, &Cmp{Path: c.Path, Op: Exists, Value: true})
	b.Raw(") IS NOT TRUE")
}

func (b *Builder) hop(m *dataflow.Model, via []int, c *Cmp) {
	if len(via) == 0 {
		b.leaf(m.Fields[c.Path.Field], c)
		return
	}
	to := b.into(m.Fields[via[0]])
	b.hop(to, via[1:], c)
	b.Raw(")")
}

// into begins a subquery of the rows that a reference leads to.
func (b *Builder) into(f *dataflow.Field) *dataflow.Model {
	to := f.Type.Model
	b.Ident(f.ColumnName()).Raw(" IN (SELECT ").Ident(to.ID().ColumnName()).from(to).Raw(" WHERE ")
	return to
}

func (b *Builder) through(t *Through) {
	b.into(t.Model.Fields[t.Field])
	b.expr(t.Expr)
	b.Raw(")")
}

var symbols = [...]string{Eq: " = ", Ne: " <> ", Gt: " > ", Gte: " >= ", Lt: " < ", Lte: " <= ", In: " IN (", Nin: " NOT IN ("}

func (b *Builder) leaf(f *dataflow.Field, c *Cmp) {
	switch c.Op {
	case Exists, Null:
		b.Ident(f.ColumnName())
		if (c.Op == Null) == c.Value.(bool) {
			b.Raw(" IS NULL")
		} else {
			b.Raw(" IS NOT NULL")
		}
	case In, Nin:
		b.oneOf(f, c.Op, c.Value.([]any))
	case Between:
		bounds := c.Value.([]any)
		b.Ident(f.ColumnName()).Raw(" BETWEEN ").value(f.Type, bounds[0]).Raw(" AND ").value(f.Type, bounds[1])
	case Contains:
		if f.Type.Kind == dataflow.KindList {
			b.Dialect.Element(b, f.ColumnName(), f.Type.Elem, c.Value)
			return
		}
		fallthrough
	case Like, Ilike, StartsWith, EndsWith, Regex:
		b.Dialect.Text(b, f.ColumnName(), c.Op, c.Value.(string))
	default:
		b.Ident(f.ColumnName()).Raw(symbols[c.Op]).value(f.Type, c.Value)
	}
}

// oneOf appends IN or NOT IN. The list is filled up to a power of two with
// its last value, so that lists of many lengths make few different
// statements to prepare.
func (b *Builder) oneOf(f *dataflow.Field, op Op, values []any) {
	if len(values) == 0 {
		if op == In {
			b.Raw("1 = 0")
		} else {
			b.Ident(f.ColumnName()).Raw(" IS NOT NULL")
		}
		return
	}
	b.Ident(f.ColumnName()).Raw(symbols[op])
	n := 1
	for n < len(values) {
		n *= 2
	}
	for i := range n {
		b.comma(i).value(f.Type, values[min(i, len(values)-1)])
	}
	b.Raw(")")
}

// atLeast is the comparison for "this key or beyond".
func atLeast(desc bool) string {
	if desc {
		return " <= "
	}
	return " >= "
}

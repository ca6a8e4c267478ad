package query

import (
	"github.com/flowctl/flowctl/dataflow"
)

// Func is what an aggregate works out of the values of a group.
type Func uint8

// The functions. All but Count leave null out, and are null where nothing but
// null is left; Sum of decimals and of ints is exact.
const (
	Count Func = iota // rows, or values that are not null
	CountDistinct
	Sum
	Avg
	Min
	Max
)

// funcs is the table of functions, by Func.
var funcs = [...]struct {
	name  string
	kinds kinds
}{
	Count:         {"$count", everything},
	CountDistinct: {"$count_distinct", comparable},
	Sum:           {"$sum", numeric},
	Avg:           {"$avg", numeric},
	Min:           {"$min", ordered},
	Max:           {"$max", ordered},
}

const numeric = 1<<dataflow.KindInt | 1<<dataflow.KindFloat | 1<<dataflow.KindDecimal

// String returns the function as it is written: "$sum".
func (f Func) String() string { return funcs[f].name }

// Figure is one figure of each group. Field is a position in the model, or -1
// to count rows.
type Figure struct {
	Func  Func
	Field int
}

// Aggregate asks for figures over groups of rows. The groups are the rows of
// Out, a model that has no table: its fields are the keys, then the figures.
type Aggregate struct {
	Model   *dataflow.Model
	Where   Expr
	By      []Path // the keys; none makes one group of all rows, even of none
	Figures []Figure
	// Live leaves soft-deleted rows out on the way through references: a key
	// behind one is null.
	Live bool
	// Seen, if set, is the filter of the rows behind references that count, nil
	// for all of a model: a key behind another row is null.
	Seen func(*dataflow.Model) Expr

	Out    *dataflow.Model
	Having Expr    // on Out
	Order  []Order // of Out; keys follow, so that the order is total
	Limit  int     // 0 is no limit
}

// AvgDigits is how many digits behind those of its values an average has, as
// long as it stays within the digits of a decimal. It is rounded half away
// from zero.
const AvgDigits = 6

// avgShift returns how many digits an average adds to the scale of its values.
func avgShift(t *dataflow.Type) int {
	if t.Kind == dataflow.KindInt {
		return AvgDigits
	}
	return min(AvgDigits, dataflow.MaxDecimalDigits-t.Precision)
}

// FigureType returns the type of a function of values of type t: a sum has the
// type of its values, a decimal one all the digits there are; an average of
// ints is a decimal.
func FigureType(f Func, t *dataflow.Type) *dataflow.Type {
	t = t.Scalar()
	switch {
	case f == Count || f == CountDistinct:
		return dataflow.Int
	case f == Sum && t.Kind == dataflow.KindDecimal:
		return &dataflow.Type{Kind: dataflow.KindDecimal, Precision: dataflow.MaxDecimalDigits, Scale: t.Scale}
	case f == Avg && t.Kind != dataflow.KindFloat:
		return &dataflow.Type{Kind: dataflow.KindDecimal, Precision: dataflow.MaxDecimalDigits, Scale: t.Scale + avgShift(t)}
	}
	return t
}

// Aggregate appends the whole statement. Its columns are those of Out.
func (b *Builder) Aggregate(q *Aggregate) {
	b.Raw("SELECT ").Columns(q.Out, nil).Raw(" FROM (SELECT ")
	for i, path := range q.By {
		b.comma(i)
		b.key(path, q)
		b.Raw(" AS ").Ident(q.Out.Fields[i].Name)
	}
	for i, f := range q.Figures {
		b.comma(i + len(q.By))
		b.figure(q.Model, f)
		b.Raw(" AS ").Ident(q.Out.Fields[i+len(q.By)].Name)
	}
	b.from(q.Model).Raw(" AS " + rootAlias)
	b.Where(q.Where)
	for i := range q.By {
		if i == 0 {
			b.Raw(" GROUP BY ")
		}
		b.comma(i).Raw(ordinal(i))
	}
	b.Raw(`) AS "_g"`)
	b.Where(q.Having)
	b.order(q.Out, totalGroups(q))
	if q.Limit > 0 {
		b.Raw(" LIMIT ").Arg(int64(q.Limit))
	}
}

// The tables of a statement have aliases, since a model may refer to itself.
const rootAlias = `"_t"`

func ordinal(i int) string { return string(rune('1' + i)) } // MaxGroupKeys is below ten

func hopAlias(i int) string { return `"_h` + ordinal(i) + `"` }

// key appends the value at the end of a path: a column, or what a subquery
// finds behind each reference.
func (b *Builder) key(path Path, q *Aggregate) {
	models := []*dataflow.Model{path.Model}
	for _, i := range path.Via {
		m := models[len(models)-1]
		models = append(models, m.Fields[i].Type.Model)
	}
	b.behind(path, models, len(path.Via), path.Field, q)
}

// behind appends a field of the model that n references of a path lead to.
func (b *Builder) behind(path Path, models []*dataflow.Model, n, field int, q *Aggregate) {
	m := models[n]
	if n == 0 {
		b.Raw(rootAlias + ".").Ident(m.Fields[field].ColumnName())
		return
	}
	alias := hopAlias(n - 1)
	b.Raw("(SELECT " + alias + ".").Ident(m.Fields[field].ColumnName()).
		from(m).Raw(" AS " + alias + " WHERE " + alias + ".").Ident(m.ID().ColumnName()).Raw(" = ")
	b.behind(path, models, n-1, path.Via[n-1], q)
	if i := m.RoleIndex(dataflow.RoleDeletedAt); i >= 0 && q.Live {
		b.Raw(" AND " + alias + ".").Ident(m.Fields[i].ColumnName()).Raw(" IS NULL")
	}
	if q.Seen != nil {
		if where := q.Seen(m); !isTrue(where) { // its columns are those of the innermost table
			b.Raw(" AND ").expr(where)
		}
	}
	b.Raw(")")
}

func (b *Builder) figure(m *dataflow.Model, f Figure) {
	switch {
	case f.Field < 0:
		b.Raw("count(*)")
	case f.Func == Count:
		b.Raw("count(").Ident(m.Fields[f.Field].ColumnName()).Raw(")")
	case f.Func == CountDistinct:
		b.Raw("count(DISTINCT ").Ident(m.Fields[f.Field].ColumnName()).Raw(")")
	default:
		t := m.Fields[f.Field].Type.Scalar()
		shift := 0
		if f.Func == Avg && t.Kind != dataflow.KindFloat {
			shift = avgShift(t)
		}
		b.Dialect.Figure(b, f.Func, m.Fields[f.Field].ColumnName(), t, shift)
	}
}

// totalGroups returns the order with the keys that it leaves out behind.
func totalGroups(q *Aggregate) []Order {
	order := q.Order[:len(q.Order):len(q.Order)]
	named := make([]bool, len(q.Out.Fields))
	for _, o := range order {
		named[o.Field] = true
	}
	for i := range q.By {
		if !named[i] {
			order = append(order, Order{Field: i})
		}
	}
	return order
}

package sqlite

import (
	"context"
	"math"
	"math/big"
	"slices"
	"strconv"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

// Aggregate implements store.Reader.
func (r session) Aggregate(ctx context.Context, q *query.Aggregate, f func(store.Row) error) error {
	t, err := r.s.table(q.Model)
	if err != nil {
		return err
	}
	if err := r.summable(ctx, t, q); err != nil {
		return err
	}
	out := &table{model: q.Out, foreign: t.foreign}
	for _, f := range q.Out.Fields {
		out.addColumn(f, t.foreign)
	}
	b := &r.c.b
	b.Reset()
	b.Aggregate(q)
	stmt, err := r.prepared(b)
	if err != nil {
		return toError(ctx, err)
	}
	began := r.s.watch.Begin(ctx, stmt.sql)
	defer r.done(ctx, stmt, store.Statement{Kind: store.KindAggregate, Model: q.Model, Where: q.Where}, began)
	current := &row{stmt: stmt, table: out, fields: out.all}
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return toError(ctx, err)
		}
		if err := current.inRange(q); err != nil {
			return err
		}
		if err := current.legible(); err != nil {
			return err
		}
		if err := f(current); err != nil {
			return err
		}
	}
}

// summable refuses sums over values of a table of another's making that are no
// numbers: SQLite takes them for 0.
func (r session) summable(ctx context.Context, t *table, q *query.Aggregate) error {
	var fields []int
	for _, f := range q.Figures {
		if (f.Func == query.Sum || f.Func == query.Avg) && !slices.Contains(fields, f.Field) {
			fields = append(fields, f.Field)
		}
	}
	if !t.foreign || len(fields) == 0 {
		return nil
	}
	b := &r.c.b
	b.Reset()
	b.Raw("SELECT ").Columns(q.Model, fields).Raw(" FROM (SELECT * FROM ").Ident(q.Model.Table).Where(q.Where)
	b.Raw(") WHERE ")
	for i, f := range fields {
		if i > 0 {
			b.Raw(" OR ")
		}
		b.Raw("typeof(").Ident(t.columns[f].field.ColumnName()).Raw(") NOT IN ('null', 'integer'")
		if t.columns[f].form == formFloat {
			b.Raw(", 'real'")
		}
		b.Raw(")")
		if t.columns[f].form == formFloat {
			b.Raw(" OR abs(").Ident(t.columns[f].field.ColumnName()).Raw(") = 9e999")
		}
	}
	b.Raw(" LIMIT 1")
	stmt, err := r.prepared(b)
	if err != nil {
		return toError(ctx, err)
	}
	began := r.s.watch.Begin(ctx, stmt.sql)
	defer r.done(ctx, stmt, store.Statement{Kind: store.KindAggregate, Model: q.Model, Where: q.Where}, began)
	found, err := stmt.Step()
	if err != nil || !found {
		return toError(ctx, err)
	}
	return (&row{stmt: stmt, table: t, fields: fields}).legible()
}

// A sum beyond its type takes a value that no other has and that sorts where
// the sum would, so that having and sort are right about it: for an INTEGER a
// float, for a key one of these, for a float infinity.
const beyondKeys, belowKeys = "~", "!"

// inRange refuses a row that has one.
func (r *row) inRange(q *query.Aggregate) error {
	for i, c := range r.table.columns {
		if i < len(q.By) || q.Figures[i-len(q.By)].Func == query.Min || q.Figures[i-len(q.By)].Func == query.Max {
			continue // it is in a row as it is
		}
		beyond := false
		switch c.form {
		case formInt:
			beyond = r.stmt.ColumnType(i) == sqlite.TypeFloat
		case formDecimal:
			beyond = r.stmt.ColumnLen(i) == 1
		case formFloat:
			beyond = math.IsInf(r.stmt.ColumnFloat(i), 0)
		}
		if beyond {
			return &dataflow.Error{Code: "overflow", Status: dataflow.StatusRejected,
				Message: c.field.Name + " is beyond what its type can hold", Hint: "narrow the filter, or make smaller groups"}
		}
	}
	return nil
}

// Sums of whole numbers, and so of scaled decimals, are made by SQLite of
// their upper and lower 32 bits apart: neither can overflow, whatever the
// values and their order, and a function of ours is called only once for a
// group. Decimals that are keys are summed here, row by row.
const (
	sumFunction    = "flow_sum"     // (high, low): an INTEGER
	sumKeyFunction = "flow_sum_key" // (high, low): a key of MaxDecimalDigits
	avgFunction    = "flow_avg"     // (high, low, count, shift): such a key
	sumKeys        = "flow_sum_keys"
	avgKeys        = "flow_avg_keys" // (key, shift)
)

// Figure implements query.Dialect.
func (dialect) Figure(b *query.Builder, f query.Func, column string, t *dataflow.Type, shift int) {
	halves := func(function string) {
		b.Raw(function + "(sum(").Ident(column).Raw(" >> 32), sum(").Ident(column).Raw(" & 4294967295)")
	}
	form := formOf(t)
	switch {
	case f == query.Min:
		b.Raw("min(").Ident(column).Raw(")")
	case f == query.Max:
		b.Raw("max(").Ident(column).Raw(")")
	case form == formFloat:
		b.Raw(query.FloatSum(ident(column), f == query.Avg, func(part string) string { return part + " * 9e999" }))
	case f == query.Sum && form == formDecimal:
		b.Raw(sumKeys + "(").Ident(column).Raw(")")
	case f == query.Sum && form == formScaled:
		halves(sumKeyFunction)
		b.Raw(")")
	case f == query.Sum:
		halves(sumFunction)
		b.Raw(")")
	case form == formDecimal:
		b.Raw(avgKeys + "(").Ident(column).Raw(", " + strconv.Itoa(shift) + ")")
	default:
		halves(avgFunction)
		b.Raw(", count(").Ident(column).Raw("), " + strconv.Itoa(shift) + ")")
	}
}

func registerSums(c *sqlite.Conn) error {
	scalars := []struct {
		name string
		args int
		f    func(sum *big.Int, more []sqlite.Value) sqlite.Value
	}{
		{sumFunction, 2, func(sum *big.Int, _ []sqlite.Value) sqlite.Value {
			if !sum.IsInt64() {
				beyond, _ := new(big.Float).SetInt(sum).Float64()
				return sqlite.FloatValue(beyond)
			}
			return sqlite.IntegerValue(sum.Int64())
		}},
		{sumKeyFunction, 2, func(sum *big.Int, _ []sqlite.Value) sqlite.Value { return sumKey(sum) }},
		{avgFunction, 4, func(sum *big.Int, more []sqlite.Value) sqlite.Value {
			return sumKey(quotient(sum, more[0].Int64(), more[1].Int64()))
		}},
	}
	for _, s := range scalars {
		if err := c.CreateFunction(s.name, &sqlite.FunctionImpl{NArgs: s.args, Deterministic: true,
			Scalar: func(_ sqlite.Context, args []sqlite.Value) (sqlite.Value, error) {
				if args[0].Type() == sqlite.TypeNull {
					return sqlite.Value{}, nil
				}
				sum := new(big.Int).Lsh(big.NewInt(args[0].Int64()), 32)
				return s.f(sum.Add(sum, big.NewInt(args[1].Int64())), args[2:]), nil
			}}); err != nil {
			return err
		}
	}
	for name, args := range map[string]int{sumKeys: 1, avgKeys: 2} {
		if err := c.CreateFunction(name, &sqlite.FunctionImpl{NArgs: args, Deterministic: true,
			MakeAggregate: func(sqlite.Context) (sqlite.AggregateFunction, error) { return &keySum{}, nil }}); err != nil {
			return err
		}
	}
	return nil
}

// sumKey is a sum as the key of a decimal with all the digits there are.
func sumKey(sum *big.Int) sqlite.Value {
	switch {
	case len(new(big.Int).Abs(sum).String()) <= dataflow.MaxDecimalDigits:
		return sqlite.TextValue(decimalKey(sum, dataflow.MaxDecimalDigits))
	case sum.Sign() < 0:
		return sqlite.TextValue(belowKeys)
	}
	return sqlite.TextValue(beyondKeys)
}

// quotient divides a sum with shift more digits, half away from zero.
func quotient(sum *big.Int, count, shift int64) *big.Int {
	n := new(big.Int).Exp(big.NewInt(10), big.NewInt(shift), nil)
	n.Mul(n, sum).Lsh(n, 1)
	n.Add(n, big.NewInt(int64(sum.Sign())*count))
	return n.Quo(n, big.NewInt(2*count))
}

// keySum sums the keys of decimals; with a shift for a second argument it
// ends in their average.
type keySum struct {
	sum, term big.Int
	count     int64
	shift     int64
	average   bool
}

// Step implements sqlite.AggregateFunction.
func (s *keySum) Step(_ sqlite.Context, args []sqlite.Value) error { return s.add(args, 1) }

// WindowInverse implements sqlite.AggregateFunction.
func (s *keySum) WindowInverse(_ sqlite.Context, args []sqlite.Value) error { return s.add(args, -1) }

func (s *keySum) add(args []sqlite.Value, times int64) error {
	if args[0].Type() == sqlite.TypeNull {
		return nil
	}
	if len(args) > 1 {
		s.average, s.shift = true, args[1].Int64()
	}
	if _, ok := s.term.SetString(string(appendDecimalKey(nil, []byte(args[0].Text()), 0)), 10); !ok {
		return nil // not a key: another program has written here
	}
	s.count += times
	if times > 0 {
		s.sum.Add(&s.sum, &s.term)
	} else {
		s.sum.Sub(&s.sum, &s.term)
	}
	return nil
}

// WindowValue implements sqlite.AggregateFunction.
func (s *keySum) WindowValue(sqlite.Context) (sqlite.Value, error) {
	switch {
	case s.count == 0:
		return sqlite.Value{}, nil
	case s.average:
		return sumKey(quotient(&s.sum, s.count, s.shift)), nil
	}
	return sumKey(&s.sum), nil
}

// Finalize implements sqlite.AggregateFunction.
func (s *keySum) Finalize(sqlite.Context) {}

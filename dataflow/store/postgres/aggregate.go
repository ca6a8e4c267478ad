package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/jackc/pgx/v5/pgconn"
)

// Aggregate implements store.Reader.
func (s *Store) Aggregate(ctx context.Context, q *query.Aggregate, f func(store.Row) error) error {
	return s.read(ctx, func(r session) error { return r.Aggregate(ctx, q, f) })
}

// Aggregate implements store.Reader.
func (t *tx) Aggregate(ctx context.Context, q *query.Aggregate, f func(store.Row) error) error {
	if err := t.ready(ctx); err != nil {
		return err
	}
	return t.broken(t.session.Aggregate(ctx, q, f))
}

// Aggregate implements store.Reader.
func (r session) Aggregate(ctx context.Context, q *query.Aggregate, f func(store.Row) error) error {
	if _, err := r.s.table(q.Model); err != nil {
		return err
	}
	out := &table{model: q.Out}
	for i, f := range q.Out.Fields {
		out.addColumn(f)
		if n := i - len(q.By); n >= 0 {
			out.columns[i].summed = q.Figures[n].Func == query.Sum || q.Figures[n].Func == query.Avg
		}
	}
	b := r.builder()
	b.Aggregate(q)
	err := r.rows(ctx, b, store.Statement{Kind: store.KindAggregate, Model: q.Model, Where: q.Where}, out, out.all, func(line store.Row) error {
		current := line.(*row)
		if err := current.inRange(len(q.By)); err != nil {
			return err
		}
		return f(current)
	})
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Code == outOfRange {
		for i, fig := range q.Figures { // only a float's sum is refused by the server itself, of another program's table
			if c := &out.columns[len(q.By)+i]; fig.Field >= 0 && c.form == formFloat {
				return overflow(c)
			}
		}
	}
	return err
}

// inRange makes the figures of a row what their types are: a sum of ints comes
// as a numeric. One that is beyond its type is refused.
func (r *row) inRange(figures int) error {
	for i := figures; i < len(r.vals); i++ {
		c, raw := &r.table.columns[i], r.vals[i]
		if raw == nil {
			continue
		}
		switch c.form {
		case formInt:
			if r.descriptions[i].DataTypeOID != oidNumeric {
				continue
			}
			n, ok := wholeNumeric(raw)
			if !ok {
				return overflow(c)
			}
			r.vals[i] = binary.BigEndian.AppendUint64(nil, uint64(n))
		case formNumeric:
			if text, ok := appendNumeric(nil, raw, 0); !ok || digits(text) > dataflow.MaxDecimalDigits {
				return overflow(c)
			}
		case formFloat:
			if math.IsInf(decodeFloat(raw), 0) {
				return overflow(c)
			}
		}
	}
	return nil
}

const oidNumeric = 1700

// wholeNumeric reads a numeric without decimals as an int.
func wholeNumeric(raw []byte) (int64, bool) {
	text, ok := appendNumeric(nil, raw, 0)
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, ok && err == nil
}

// digits counts the digits of a number but for zeros before it.
func digits(text []byte) int {
	return len(strings.TrimLeft(strings.ReplaceAll(strings.TrimPrefix(string(text), "-"), ".", ""), "0"))
}

func overflow(c *column) error {
	return &dataflow.Error{Code: "overflow", Status: dataflow.StatusRejected,
		Message: c.field.Name + " is beyond what its type can hold", Hint: "narrow the filter, or make smaller groups"}
}

// Figure implements query.Dialect. The server's own average and division round
// at a place of their own; whole numbers are divided exactly.
func (d dialect) Figure(b *query.Builder, f query.Func, column string, t *dataflow.Type, shift int) {
	name := string(query.AppendIdent(nil, column))
	switch {
	case t.Kind == dataflow.KindUUID: // which has no least before PostgreSQL 18
		name = least[f] + "(" + name + `::text COLLATE "C")::uuid`
	case t.Kind == dataflow.KindFloat && !d.foreign && (f == query.Sum || f == query.Avg):
		name = query.FloatSum(name, f == query.Avg, func(part string) string { // what is stored as infinite is none of a sum's
			return "CASE WHEN abs(" + part + ") < 'Infinity' THEN " + part + " * 'Infinity' ELSE 'NaN' END"
		})
	case f == query.Avg && t.Kind == dataflow.KindFloat: // of a real maybe; avg adds up squares too, which overflow long before
		name = "sum(" + name + ") / count(" + name + ")"
	case f != query.Avg:
		name = least[f] + "(" + name + ")"
	default:
		scale := t.Scale + shift
		unit := "1"
		if scale > 0 {
			unit = "0." + strings.Repeat("0", scale-1) + "1"
		}
		name = "sign(sum(" + name + ")) * div(abs(sum(" + name + ")) * 2" + strings.Repeat("0", scale) +
			" + count(" + name + "), 2 * count(" + name + ")) * " + unit
	}
	b.Raw(name)
}

var least = [...]string{query.Sum: "sum", query.Avg: "avg", query.Min: "min", query.Max: "max"}

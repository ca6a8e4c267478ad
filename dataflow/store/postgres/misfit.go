package postgres

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/flowctl/flowctl/dataflow/store"
)

// What PostgreSQL's types can be and ours can't: infinite moments, years before
// 1 and after 9999, 24:00:00, and numbers that are none. Another program may have
// written it, into tables of the runtime's own too, so every row is looked at
// before it is read. That takes a comparison for each such column.

var (
	firstMoment = microseconds(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC))
	endOfTime   = microseconds(time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC))
	firstDay    = int32(firstMoment / day)
	endOfDays   = int32(endOfTime / day)
)

// microseconds is a moment as the protocol has it.
func microseconds(t time.Time) int64 { return (t.Unix() - epochSeconds) * 1_000_000 }

// legible refuses a row with a value that its field can't be.
func (r *row) legible() error {
	for i, f := range r.fields {
		c := &r.table.columns[f]
		if c.form < formFloat || c.form > formTime {
			continue
		}
		raw := r.vals[i]
		if raw == nil || c.fits(raw) {
			continue
		}
		m, hint := r.table.model, ""
		if m.Table != "" {
			column := ident(c.field.ColumnName())
			hint = fmt.Sprintf("the field is %s; SELECT * FROM %s WHERE %s shows such rows: change them", c.typ, ident(m.Table), fmt.Sprintf(c.unfit(), column))
		}
		return store.Misfit(m, c.field, c.found(raw), hint)
	}
	return nil
}

// fits reports whether a value on the wire is one of the column's field.
func (c *column) fits(raw []byte) bool {
	switch c.form {
	case formMoment:
		at := int64(binary.BigEndian.Uint64(raw))
		return firstMoment <= at && at < endOfTime
	case formDate:
		at := int32(binary.BigEndian.Uint32(raw))
		return firstDay <= at && at < endOfDays
	case formTime:
		return int64(binary.BigEndian.Uint64(raw)) < day
	case formFloat:
		x := decodeFloatAsIs(raw)
		return x-x == 0 || c.summed && math.IsInf(x, 0) // inRange tells of that
	case formNumeric:
		return binary.BigEndian.Uint16(raw[4:])&numericSpecial != numericSpecial
	}
	return true
}

const yearBeyond = "a year that is not 1 to 9999"

// found names what a value is that does not fit.
func (c *column) found(raw []byte) string {
	infinite, other := false, "NaN"
	switch c.form {
	case formTime:
		return "24:00:00"
	case formMoment:
		at := int64(binary.BigEndian.Uint64(raw))
		infinite, other = at == math.MaxInt64 || at == math.MinInt64, yearBeyond
	case formDate:
		at := int32(binary.BigEndian.Uint32(raw))
		infinite, other = at == math.MaxInt32 || at == math.MinInt32, yearBeyond
	case formFloat:
		if infinite = math.IsInf(decodeFloatAsIs(raw), 0); c.summed {
			other = "infinity or NaN"
		}
	case formNumeric:
		infinite = binary.BigEndian.Uint16(raw[4:]) != numericNaN
	}
	if infinite {
		return "infinity"
	}
	return other
}

// unfit is a condition of SQL for values that do not fit, over %[1]s.
func (c *column) unfit() string {
	switch c.form {
	case formTime:
		return "%[1]s = '24:00'"
	case formMoment, formDate:
		return "%[1]s < '0001-01-01' OR %[1]s >= '10000-01-01'"
	case formNumeric:
		return "%[1]s = 'NaN'"
	}
	return "%[1]s IN ('NaN', 'Infinity', '-Infinity')"
}

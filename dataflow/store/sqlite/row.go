package sqlite

import (
	"encoding/base64"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/shopspring/decimal"
	"zombiezen.com/go/sqlite"
)

// row is the current row of a statement.
type row struct {
	stmt   *statement
	table  *table
	fields []int // positions, in the order of the columns
	room   []byte
}

// AppendJSON implements store.Row. Values go from SQLite's memory into dst,
// with nothing made on the way.
func (r *row) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, f := range r.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := &r.table.columns[f]
		dst = append(dst, c.key...)
		dst = c.appendJSON(dst, r.stmt.Stmt, i)
	}
	return append(dst, '}')
}

func (c *column) appendJSON(dst []byte, stmt *sqlite.Stmt, i int) []byte {
	if c.field.Optional && stmt.ColumnIsNull(i) {
		return append(dst, "null"...)
	}
	switch c.form {
	case formInt:
		return dataflow.AppendScaled(dst, stmt.ColumnInt64(i), 0)
	case formScaled:
		return append(dataflow.AppendScaled(append(dst, '"'), stmt.ColumnInt64(i), c.typ.Scale), '"')
	case formBool:
		if stmt.ColumnInt64(i) != 0 {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case formFloat:
		return codec.AppendFloat(dst, stmt.ColumnFloat(i))
	case formJSON:
		return appendDocument(dst, stmt, i)
	case formList:
		return appendColumn(dst, stmt, i) // legible has looked at it
	case formDecimal:
		var buf [dataflow.MaxDecimalDigits + 1]byte
		n := stmt.ColumnBytes(i, buf[:])
		return append(appendDecimalKey(append(dst, '"'), buf[:n], c.typ.Scale), '"')
	case formBytes:
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), columnBytes(stmt, i)), '"')
	}
	return appendText(dst, stmt, i)
}

// appendColumn appends a column's bytes.
func appendColumn(dst []byte, stmt *sqlite.Stmt, i int) []byte {
	n := stmt.ColumnLen(i)
	if n == 0 {
		return dst
	}
	dst = slices.Grow(dst, n)
	stmt.ColumnBytes(i, dst[len(dst):len(dst)+n])
	return dst[:len(dst)+n]
}

// appendText appends a column's text as a JSON string. Text that needs no
// escape, which is nearly all, is copied once and looked over in place.
func appendText(dst []byte, stmt *sqlite.Stmt, i int) []byte {
	start := len(dst)
	dst = appendColumn(append(dst, '"'), stmt, i)
	all := byte(0)
	for _, b := range dst[start+1:] {
		if b < 0x20 || b == '"' || b == '\\' {
			return codec.AppendString(dst[:start], string(dst[start+1:]))
		}
		all |= b
	}
	if all >= utf8.RuneSelf && !utf8.Valid(dst[start+1:]) {
		return codec.AppendString(dst[:start], string(dst[start+1:]))
	}
	return append(dst, '"')
}

// appendDocument appends what is kept in the place of JSON: as it is if it is
// JSON, else as a string. Another program can have written it, into a table of the
// runtime's own too, and an answer that has no JSON in it is none.
func appendDocument(dst []byte, stmt *sqlite.Stmt, i int) []byte {
	start := len(dst)
	if dst = appendColumn(dst, stmt, i); codec.Valid(dst[start:]) {
		return dst
	}
	return codec.AppendString(dst[:start], string(dst[start:]))
}

func columnBytes(stmt *sqlite.Stmt, i int) []byte {
	b := make([]byte, stmt.ColumnLen(i))
	stmt.ColumnBytes(i, b)
	return b
}

// Value implements store.Row.
func (r *row) Value(i int) any {
	return r.table.columns[r.fields[i]].value(r.stmt.Stmt, i)
}

// Object implements store.Row.
func (r *row) Object() *dataflow.Object {
	shape := r.table.model.Shape()
	vals := make([]any, shape.Len())
	if len(r.fields) < len(vals) {
		for i := range vals {
			vals[i] = dataflow.Absent
		}
	}
	for i, f := range r.fields {
		vals[f] = r.table.columns[f].value(r.stmt.Stmt, i)
	}
	return dataflow.NewRecord(shape, vals)
}

func (c *column) value(stmt *sqlite.Stmt, i int) any {
	if c.field.Optional && stmt.ColumnIsNull(i) {
		return nil
	}
	switch c.form {
	case formInt:
		return stmt.ColumnInt64(i)
	case formScaled:
		return decimal.New(stmt.ColumnInt64(i), -int32(c.typ.Scale))
	case formBool:
		return stmt.ColumnInt64(i) != 0
	case formFloat:
		return stmt.ColumnFloat(i)
	case formMoment:
		return parseMoment(stmt.ColumnText(i))
	case formDecimal:
		return parseDecimalKey(columnBytes(stmt, i), c.typ.Scale)
	case formBytes:
		return columnBytes(stmt, i)
	case formJSON:
		text := columnBytes(stmt, i)
		if !codec.Valid(text) {
			return strings.ToValidUTF8(string(text), "\uFFFD")
		}
		return dataflow.RawJSON(text)
	case formList:
		return c.list(columnBytes(stmt, i))
	}
	switch text := stmt.ColumnText(i); c.typ.Kind {
	case dataflow.KindDate:
		return dataflow.Date(text)
	case dataflow.KindTime:
		return dataflow.TimeOfDay(text)
	default:
		return text
	}
}

// list reads the text of a list. Items that are not of its type, which only
// another program can have written, are returned as they are.
func (c *column) list(text []byte) any {
	v, problems := codec.ParseJSON(text, codec.MaxDepth)
	if list, problems := codec.CoerceType(c.typ, v, ""); len(problems) == 0 {
		return list
	}
	if items, ok := v.([]any); ok && len(problems) == 0 {
		return items
	}
	return []any{}
}

// parseMoment reads the fixed form of a datetime, 2006-01-02T15:04:05.000000Z.
func parseMoment(s string) time.Time {
	if len(s) != len("2006-01-02T15:04:05.000000Z") {
		t, _ := time.Parse(time.RFC3339Nano, s)
		return t.UTC()
	}
	n := func(from, to int) int {
		v := 0
		for _, c := range []byte(s[from:to]) {
			v = v*10 + int(c-'0')
		}
		return v
	}
	return time.Date(n(0, 4), time.Month(n(5, 7)), n(8, 10), n(11, 13), n(14, 16), n(17, 19), n(20, 26)*1000, time.UTC)
}

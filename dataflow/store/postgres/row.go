package postgres

import (
	"bytes"
	"encoding/base64"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/jackc/pgx/v5/pgconn"
)

// row is a row as it came over the wire.
type row struct {
	table  *table
	fields []int    // positions, in the order of the columns
	vals   [][]byte // nil is null

	descriptions []pgconn.FieldDescription // of the columns
}

// AppendJSON implements store.Row.
func (r *row) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	for i, f := range r.fields {
		if i > 0 {
			dst = append(dst, ',')
		}
		c := &r.table.columns[f]
		dst = append(dst, c.key...)
		dst = c.appendJSON(dst, r.vals[i])
	}
	return append(dst, '}')
}

const null = "null"

// appendJSON appends a value. What no canonical value can be, such as NaN or
// an infinite date, does not come here: legible keeps it out.
func (c *column) appendJSON(dst, raw []byte) []byte {
	if raw == nil {
		return append(dst, null...)
	}
	start := len(dst)
	switch c.form {
	case formInt:
		return dataflow.AppendScaled(dst, decodeInt(raw), 0)
	case formBool:
		if raw[0] != 0 {
			return append(dst, "true"...)
		}
		return append(dst, "false"...)
	case formFloat:
		return codec.AppendFloat(dst, decodeFloat(raw))
	case formNumeric:
		if out, ok := appendNumeric(append(dst, '"'), raw, c.typ.Scale); ok {
			return append(out, '"')
		}
		return append(dst[:start], null...)
	case formMoment:
		if at, ok := decodeMoment(raw); ok {
			return append(codec.AppendDateTime(append(dst, '"'), at), '"')
		}
		return append(dst, null...)
	case formDate:
		if date, ok := decodeDate(raw); ok {
			return append(append(append(dst, '"'), date...), '"')
		}
		return append(dst, null...)
	case formTime:
		return append(appendTime(append(dst, '"'), raw), '"')
	case formUUID:
		return append(appendUUID(append(dst, '"'), raw), '"')
	case formJSON, formList:
		return append(dst, jsonText(raw)...)
	case formBytes:
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), raw), '"')
	}
	return appendText(dst, raw)
}

// jsonText is the text of a json value, or of a jsonb, which is the same behind
// the number of its format.
func jsonText(raw []byte) []byte {
	if len(raw) > 0 && raw[0] == 1 {
		return raw[1:]
	}
	return raw
}

// appendText appends text as a JSON string. Text that needs no escape, which
// is nearly all, is copied once. What comes from the server is UTF-8.
func appendText(dst, raw []byte) []byte {
	all := byte(0)
	for _, b := range raw {
		if b < 0x20 || b == '"' || b == '\\' {
			return codec.AppendString(dst, string(raw))
		}
		all |= b
	}
	if all >= utf8.RuneSelf && !utf8.Valid(raw) {
		return codec.AppendString(dst, string(raw))
	}
	return append(append(append(dst, '"'), raw...), '"')
}

// Value implements store.Row.
func (r *row) Value(i int) any { return r.table.columns[r.fields[i]].value(r.vals[i]) }

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
		vals[f] = r.table.columns[f].value(r.vals[i])
	}
	return dataflow.NewRecord(shape, vals)
}

func (c *column) value(raw []byte) any {
	if raw == nil {
		return nil
	}
	switch c.form {
	case formInt:
		return decodeInt(raw)
	case formBool:
		return raw[0] != 0
	case formFloat:
		return decodeFloat(raw)
	case formNumeric:
		return decodeNumeric(raw, c.typ.Scale)
	case formMoment:
		if at, ok := decodeMoment(raw); ok {
			return at
		}
		return nil
	case formDate:
		if date, ok := decodeDate(raw); ok {
			return date
		}
		return nil
	case formTime:
		return dataflow.TimeOfDay(appendTime(nil, raw))
	case formUUID:
		return string(appendUUID(make([]byte, 0, 36), raw))
	case formJSON:
		return dataflow.RawJSON(jsonText(raw))
	case formList:
		return c.list(raw)
	case formBytes:
		if len(raw) == 0 {
			return []byte{}
		}
		return bytes.Clone(raw)
	}
	return string(raw)
}

// list reads the text of a list. Items that are not of its type, which only
// another program can have written, are returned as they are.
func (c *column) list(raw []byte) any {
	v, problems := codec.ParseJSON(jsonText(raw), codec.MaxDepth)
	if list, problems := codec.CoerceType(c.typ, v, ""); len(problems) == 0 {
		return list
	}
	if items, ok := v.([]any); ok && len(problems) == 0 {
		return items
	}
	return []any{}
}

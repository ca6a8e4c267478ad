package sqlite

import (
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
)

// storage returns the column type of a STRICT table for values of type t.
func storage(t *dataflow.Type) string {
	switch t = t.Scalar(); t.Kind {
	case dataflow.KindInt, dataflow.KindBool:
		return "INTEGER"
	case dataflow.KindDecimal:
		if t.Precision <= maxScaledDigits {
			return "INTEGER"
		}
	case dataflow.KindFloat:
		return "REAL"
	case dataflow.KindBytes:
		return "BLOB"
	}
	return "TEXT"
}

// maxScaledDigits is how many digits a decimal may have to be kept as a
// whole number; one with more is kept as a key (see decimalKey).
const maxScaledDigits = 18

// dialect is SQLite's way of writing the filter language.
type dialect struct{}

func (dialect) Placeholder(dst []byte, _ int) []byte { return append(dst, '?') }

// Encode returns what is bound for a value: an int64, float64, string or
// []byte.
func (dialect) Encode(t *dataflow.Type, v any) any {
	switch x := v.(type) {
	case string, int64, float64, []byte:
		if k := t.Kind; k == dataflow.KindJSON || k == dataflow.KindList {
			break
		}
		return v
	case bool:
		if t.Kind == dataflow.KindJSON {
			break
		}
		if x {
			return int64(1)
		}
		return int64(0)
	case dataflow.Decimal:
		if t = t.Scalar(); t.Kind == dataflow.KindDecimal {
			return encodeDecimal(t, x)
		}
	case time.Time:
		return string(codec.AppendDateTime(make([]byte, 0, 27), x))
	case dataflow.Date:
		return string(x)
	case dataflow.TimeOfDay:
		return string(x)
	case dataflow.RawJSON:
		return string(x)
	}
	if t.Kind == dataflow.KindJSON {
		return string(codec.AppendJSON(nil, v))
	}
	return string(codec.AppendValue(nil, v)) // a list
}

// Text writes the conditions on text. Where a pattern begins with literal
// text, a range over it lets an index narrow the search; the unary plus keeps
// SQLite from looking for such a range again, which would prepare the
// statement anew for each pattern.
func (dialect) Text(b *query.Builder, column string, op query.Op, arg string) {
	switch op {
	case query.StartsWith:
		prefixRange(b, column, arg)
	case query.EndsWith:
		if arg == "" {
			b.Ident(column).Raw(" IS NOT NULL")
			return
		}
		b.Raw("substr(").Ident(column).Raw(", -length(").Arg(arg).Raw(")) = ").Arg(arg)
	case query.Contains:
		b.Raw("instr(").Ident(column).Raw(", ").Arg(arg).Raw(") > 0")
	case query.Like:
		if prefix := query.LikePrefix(arg); prefix != "" {
			prefixRange(b, column, prefix)
			b.Raw(" AND ")
		}
		b.Raw("+").Ident(column).Raw(" GLOB ").Arg(globPattern(arg))
	case query.Ilike:
		b.Raw(ilikeFunction + "(").Arg(query.FoldCase(arg)).Raw(", ").Ident(column).Raw(")")
	case query.Regex:
		b.Raw(regexFunction + "(").Arg(arg).Raw(", ").Ident(column).Raw(")")
	}
}

func prefixRange(b *query.Builder, column, prefix string) {
	b.Ident(column).Raw(" >= ").Arg(prefix)
	if end, ok := query.PrefixEnd(prefix); ok {
		b.Raw(" AND ").Ident(column).Raw(" < ").Arg(end)
	}
}

// globPattern writes a $like pattern for GLOB, which unlike LIKE heeds case.
func globPattern(like string) string {
	var b strings.Builder
	for i := 0; i < len(like); i++ {
		c := like[i]
		switch c {
		case '%':
			b.WriteByte('*')
			continue
		case '_':
			b.WriteByte('?')
			continue
		case '\\':
			if i+1 < len(like) {
				i++
				c = like[i]
			}
		}
		if c == '*' || c == '?' || c == '[' {
			b.WriteByte('[')
			b.WriteByte(c)
			b.WriteByte(']')
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// Element looks into the list's JSON text. What json_each gives for an
// element compares equal to what is bound: text for text and all that is
// written as text, numbers for numbers, 0 and 1 for bools.
func (d dialect) Element(b *query.Builder, column string, elem *dataflow.Type, v any) {
	b.Raw("EXISTS (SELECT 1 FROM json_each(").Ident(column).Raw(") WHERE value = ").Arg(d.element(elem, v)).Raw(")")
}

func (d dialect) element(elem *dataflow.Type, v any) any {
	switch x := v.(type) {
	case dataflow.Decimal:
		return string(dataflow.AppendDecimal(nil, x))
	case []byte:
		text := codec.AppendValue(nil, x)
		return string(text[1 : len(text)-1])
	}
	return d.Encode(elem, v)
}

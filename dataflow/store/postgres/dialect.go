package postgres

import (
	"fmt"
	"strconv"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
)

// storage returns the column type for values of type t, without what can
// change in place: a decimal's digits.
func storage(t *dataflow.Type) string {
	switch t.Scalar().Kind {
	case dataflow.KindInt:
		return "bigint"
	case dataflow.KindBool:
		return "boolean"
	case dataflow.KindFloat:
		return "double precision"
	case dataflow.KindDecimal:
		return "numeric"
	case dataflow.KindDateTime:
		return "timestamp with time zone"
	case dataflow.KindDate:
		return "date"
	case dataflow.KindTime:
		return "time without time zone"
	case dataflow.KindUUID:
		return "uuid"
	case dataflow.KindJSON, dataflow.KindList:
		return "json"
	case dataflow.KindBytes:
		return "bytea"
	}
	return "text"
}

// dialect is PostgreSQL's way of writing the filter language.
type dialect struct {
	// foreign says that the tables are not of our making, so that text may be
	// of another collation than "C".
	foreign bool
	words   *wordFunctions // nil where no model is searchable
}

func (dialect) Placeholder(dst []byte, n int) []byte {
	return strconv.AppendInt(append(dst, '$'), int64(n), 10)
}

// Encode returns what is bound for a value: an int64, float64, bool, string or
// []byte.
func (dialect) Encode(t *dataflow.Type, v any) any {
	switch t = t.Scalar(); t.Kind {
	case dataflow.KindJSON:
		if raw, ok := v.(dataflow.RawJSON); ok {
			return string(raw)
		}
		return string(codec.AppendJSON(nil, v))
	case dataflow.KindList:
		return string(codec.AppendValue(nil, v))
	}
	switch x := v.(type) {
	case string, int64, float64, bool, []byte:
		return v
	case dataflow.Decimal:
		return string(dataflow.AppendDecimal(nil, x))
	case time.Time:
		return string(codec.AppendDateTime(make([]byte, 0, 27), x))
	case dataflow.Date:
		return string(x)
	case dataflow.TimeOfDay:
		return string(x)
	}
	panic(fmt.Sprintf("postgres: a %s is no canonical value of %s", fmt.Sprintf("%T", v), t))
}

// Text writes the conditions on text. Where a pattern begins with literal
// text, a range over it lets an index narrow the search.
func (d dialect) Text(b *query.Builder, column string, op query.Op, arg string) {
	as := ""
	if d.foreign {
		as = "::text" // it may be citext or char(n), which have comparisons of their own
	}
	switch op {
	case query.StartsWith:
		if d.foreign {
			b.Raw("starts_with(").Ident(column).Raw("::text, ").Arg(arg).Raw(")")
			return
		}
		prefixRange(b, column, arg)
	case query.EndsWith:
		b.Raw("right(").Ident(column).Raw(as + ", length(").Arg(arg).Raw("::text)) = ").Arg(arg)
	case query.Contains:
		b.Raw("strpos(").Ident(column).Raw(as + ", ").Arg(arg).Raw(") > 0")
	case query.Like:
		if prefix := query.LikePrefix(arg); prefix != "" && !d.foreign {
			prefixRange(b, column, prefix)
			b.Raw(" AND ")
		}
		b.Ident(column).Raw(as + " LIKE ").Arg(arg)
	case query.Ilike:
		b.Ident(column).Raw(as + " ~ ").Arg(ilikePattern(query.FoldCase(arg)))
	case query.Regex:
		b.Ident(column).Raw(as + " ~ ").Arg(regexPattern(arg))
	}
}

func prefixRange(b *query.Builder, column, prefix string) {
	b.Ident(column).Raw(" >= ").Arg(prefix)
	if end, ok := query.PrefixEnd(prefix); ok {
		b.Raw(" AND ").Ident(column).Raw(" < ").Arg(end)
	}
}

// Element looks into the list's JSON text. Items are compared as they are
// written, which is one way for each value, but for floats: -0 is 0.
func (d dialect) Element(b *query.Builder, column string, elem *dataflow.Type, v any) {
	as := ""
	if d.foreign {
		as = "::json" // it may be jsonb
	}
	b.Raw("EXISTS (SELECT 1 FROM json_array_elements_text(CASE WHEN json_typeof(").Ident(column).
		Raw(as + ") = 'array' THEN ").Ident(column).Raw(as + " END) AS item WHERE item")
	if elem.Scalar().Kind == dataflow.KindFloat {
		b.Raw("::double precision = ").Arg(v).Raw(")")
		return
	}
	b.Raw(" = ").Arg(itemText(v)).Raw(")")
}

// itemText is how json_array_elements_text gives an item: as in the list's
// text, a string without its quotes.
func itemText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	text := codec.AppendValue(nil, v)
	if len(text) > 1 && text[0] == '"' { // of what is written as a string, nothing needs an escape
		text = text[1 : len(text)-1]
	}
	return string(text)
}

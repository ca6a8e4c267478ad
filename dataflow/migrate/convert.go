package migrate

import (
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/shopspring/decimal"
)

// conversions are the kinds that values of a kind can become. Which of them
// can, and which of those are altered by it, Convert says.
var conversions = map[string][]string{
	"str":      {"enum", "int", "decimal", "bool", "datetime", "date", "uuid"},
	"enum":     {"str"},
	"int":      {"str", "decimal", "float", "bool"},
	"float":    {"int", "decimal"},
	"decimal":  {"str", "int", "float", "decimal"},
	"bool":     {"str", "int"},
	"datetime": {"str", "date"},
	"date":     {"str", "datetime"},
	"uuid":     {"str"},
}

// Converts reports whether there are values of have that can become values of
// want.
func Converts(have, want *Column) bool { return slices.Contains(conversions[have.Kind], want.Kind) }

// Convert returns what a value of the kind have becomes as one of want: nil if
// it can't be one. same is false if it is not the same value any more. It is
// what the statements of an engine must come to.
func Convert(v any, have, want *Column) (out any, same bool) {
	switch want.Kind {
	case "str":
		return textOf(v), true
	case "enum":
		if s, ok := v.(string); ok && slices.Contains(want.Values, s) {
			return s, true
		}
		return nil, false
	case "uuid", "datetime", "date":
		if t, ok := v.(time.Time); ok { // to a date
			day := dataflow.Date(t.UTC().Format(time.DateOnly))
			return day, t.Truncate(24 * time.Hour).Equal(t)
		}
		return parsed(v, want.Kind)
	case "bool":
		return toBool(v)
	case "float":
		return toFloat(v)
	}
	if s, ok := v.(string); ok && want.Kind == "int" {
		return whole(s)
	}
	return toNumber(v, want)
}

// whole takes text that is written as ints are, and so comes back as it was:
// "007" is a code more often than a number.
func whole(s string) (any, bool) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != s {
		return nil, false
	}
	return n, true
}

// textOf is how JSON has a value, without quotes.
func textOf(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	text := codec.AppendValue(nil, v)
	if len(text) > 1 && text[0] == '"' {
		text = text[1 : len(text)-1]
	}
	return string(text)
}

var parsedTypes = map[string]*dataflow.Type{
	"uuid": {Kind: dataflow.KindUUID}, "datetime": {Kind: dataflow.KindDateTime}, "date": {Kind: dataflow.KindDate},
}

// parsed takes text that is written as values of the kind are: what is written
// otherwise would come back otherwise.
func parsed(v any, kind string) (out any, same bool) {
	if d, ok := v.(dataflow.Date); ok { // to a datetime
		t, err := time.Parse(time.DateOnly, string(d))
		return t, err == nil
	}
	s, ok := v.(string)
	if !ok {
		return nil, false
	}
	out, problems := codec.CoerceType(parsedTypes[kind], s, "")
	if len(problems) > 0 {
		return nil, false
	}
	return out, textOf(out) == s
}

func toBool(v any) (any, bool) {
	switch v := v.(type) {
	case string:
		if v == "true" || v == "false" {
			return v == "true", true
		}
	case int64:
		return v != 0, v == 0 || v == 1
	}
	return nil, false
}

func toFloat(v any) (any, bool) {
	switch v := v.(type) {
	case int64:
		f := float64(v)
		return f, f < math.MaxInt64 && int64(f) == v
	case dataflow.Decimal:
		f, _ := v.Float64()
		back, err := decimal.NewFromString(strconv.FormatFloat(f, 'g', -1, 64))
		return f, err == nil && back.Equal(v)
	}
	return nil, false
}

// toNumber makes an int or a decimal of want's digits, rounded half away from
// zero.
func toNumber(v any, want *Column) (any, bool) {
	d, same, ok := exact(v)
	if !ok {
		return nil, false
	}
	scale := int32(want.Scale)
	if want.Kind == "int" {
		scale = 0
	}
	rounded := d.Round(scale)
	same = same && rounded.Equal(d)
	if want.Kind == "int" {
		n := rounded.BigInt()
		if !n.IsInt64() {
			return nil, false
		}
		return n.Int64(), same
	}
	fit, ok := dataflow.FitDecimal(rounded, want.Precision, want.Scale)
	if !ok {
		return nil, false
	}
	return fit, same
}

// exact reads a number. Text is the same number only if it is written as one
// is: with digits, and a point between them.
func exact(v any) (d dataflow.Decimal, same, ok bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return decimal.NewFromInt(1), true, true
		}
		return decimal.Zero, true, true
	case int64:
		return decimal.NewFromInt(v), true, true
	case dataflow.Decimal:
		return v, true, true
	case float64:
		d, err := decimal.NewFromString(strconv.FormatFloat(v, 'g', -1, 64))
		return d, true, err == nil
	case string:
		if !plainNumber(v) {
			return d, false, false
		}
		d, err := decimal.NewFromString(v)
		return d, true, err == nil
	}
	return d, false, false
}

// plainNumber reports whether text is a number that every engine reads alike:
// "-12.50".
func plainNumber(s string) bool {
	digits, point := 0, false
	for i, c := range []byte(s) {
		switch {
		case c == '-' && i == 0:
		case c == '.' && !point && digits > 0 && i < len(s)-1:
			point = true
		case c >= '0' && c <= '9':
			digits++
		default:
			return false
		}
	}
	return digits > 0 && digits <= 60
}

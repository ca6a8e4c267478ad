package codec

import (
	"cmp"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
)

// check holds a coerced value, which is not null, to its field's constraints.
func (c *collector) check(f *dataflow.Field, v any) bool {
	found := c.found
	if f.MinLength != nil || f.MaxLength != nil {
		c.length(f, v)
	}
	if f.Ge != nil || f.Gt != nil || f.Le != nil || f.Lt != nil {
		c.bounds(f, v)
	}
	if s, ok := v.(string); ok {
		if f.Pattern != nil && !f.Pattern.MatchString(s) {
			c.add("pattern", "must match the pattern "+f.Pattern.String(), "")
		}
		if f.Format != "" && !dataflow.MatchFormat(f.Format, s) {
			c.add("format", "must be "+dataflow.FormatDoc(f.Format), "")
		}
	}
	return c.found == found
}

func (c *collector) length(f *dataflow.Field, v any) {
	var n int
	var unit string
	switch x := v.(type) {
	case string:
		n, unit = utf8.RuneCountInString(x), "character"
	case []any:
		n, unit = len(x), "item"
	case []byte:
		n, unit = len(x), "byte"
	default:
		return
	}
	if f.MinLength != nil && n < *f.MinLength {
		c.add("too_short", fmt.Sprintf("must have at least %s, not %d", count(*f.MinLength, unit), n), "")
	}
	if f.MaxLength != nil && n > *f.MaxLength {
		c.add("too_long", fmt.Sprintf("must have at most %s, not %d", count(*f.MaxLength, unit), n), "")
	}
}

func count(n int, unit string) string {
	if n == 1 {
		return "1 " + unit
	}
	return fmt.Sprintf("%d %ss", n, unit)
}

func (c *collector) bounds(f *dataflow.Field, v any) {
	for _, b := range [...]struct {
		bound any
		ok    func(int) bool
		code  string
		words string
	}{
		{f.Ge, func(c int) bool { return c >= 0 }, "too_small", "must be at least "},
		{f.Gt, func(c int) bool { return c > 0 }, "too_small", "must be more than "},
		{f.Le, func(c int) bool { return c <= 0 }, "too_large", "must be at most "},
		{f.Lt, func(c int) bool { return c < 0 }, "too_large", "must be less than "},
	} {
		if b.bound == nil {
			continue
		}
		if d, ok := Compare(v, b.bound); ok && !b.ok(d) {
			c.add(b.code, b.words+strings.Trim(string(AppendValue(nil, b.bound)), `"`), "")
		}
	}
}

// Compare orders two canonical values of one ordered type: numbers (of any
// kinds), strings, dates, times, datetimes. ok is false for others.
func Compare(a, b any) (order int, ok bool) {
	switch x := a.(type) {
	case int64:
		if y, same := b.(int64); same {
			return cmp.Compare(x, y), true
		}
	case float64:
		if y, same := b.(float64); same {
			return cmp.Compare(x, y), true
		}
	case string:
		y, same := b.(string)
		return strings.Compare(x, y), same
	case dataflow.Date:
		y, same := b.(dataflow.Date)
		return strings.Compare(string(x), string(y)), same
	case dataflow.TimeOfDay:
		y, same := b.(dataflow.TimeOfDay)
		return strings.Compare(string(x), string(y)), same
	case time.Time:
		y, same := b.(time.Time)
		return x.Compare(y), same
	}
	x, xok := asDecimal(a)
	y, yok := asDecimal(b)
	if !xok || !yok {
		return 0, false
	}
	return x.Cmp(y), true
}

func asDecimal(v any) (dataflow.Decimal, bool) {
	switch x := v.(type) {
	case dataflow.Decimal:
		return x, true
	case int64:
		return decimalOfInt(x), true
	case float64:
		return decimalOfFloat(x)
	}
	return dataflow.Decimal{}, false
}

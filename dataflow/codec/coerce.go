package codec

import (
	"math"
	"time"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
)

// field coerces a field's value and checks it. ok is false, and the value
// nil, if it has a problem.
func (c *collector) field(f *dataflow.Field, v any) (out any, ok bool) {
	if v == nil {
		return nil, c.null(f)
	}
	if out, ok = c.value(f.Type, v); !ok || !c.check(f, out) {
		return nil, false
	}
	return out, true
}

// null reports whether a field takes null.
func (c *collector) null(f *dataflow.Field) bool {
	if f.Optional || f.Type.Kind == dataflow.KindAny {
		return true
	}
	return c.add("null", "must be "+expected(f.Type)+", not null", "")
}

// value coerces v, which is not null, to t.
func (c *collector) value(t *dataflow.Type, v any) (any, bool) {
	t = t.Scalar()
	if raw, ok := v.(dataflow.RawJSON); ok && t.Kind != dataflow.KindJSON && t.Kind != dataflow.KindAny {
		inner, problems := ParseJSON([]byte(raw), MaxDepth)
		if len(problems) > 0 || inner == nil {
			return nil, c.wrong(t, v)
		}
		v = inner
	}
	switch t.Kind {
	case dataflow.KindAny:
		return c.canonical(v, MaxDepth)
	case dataflow.KindJSON:
		return c.json(v)
	case dataflow.KindBool:
		if b, ok := v.(bool); ok {
			return b, true
		}
	case dataflow.KindList:
		if list, ok := v.([]any); ok {
			return c.list(t.Elem, list)
		}
	case dataflow.KindObject, dataflow.KindRecord:
		if o, ok := v.(*dataflow.Object); ok {
			return c.objectOf(t, o)
		}
	default:
		return c.scalar(t, v)
	}
	return nil, c.wrong(t, v)
}

func (c *collector) wrong(t *dataflow.Type, v any) bool {
	return c.add("wrong_type", "must be "+expected(t)+", not "+kindOf(v), "")
}

// scalar coerces to the types whose values are numbers, text or moments.
func (c *collector) scalar(t *dataflow.Type, v any) (any, bool) {
	switch x := v.(type) {
	case string:
		if isText(t.Kind) {
			return c.text(t, x)
		}
	case int64:
		switch t.Kind {
		case dataflow.KindInt:
			return v, true
		case dataflow.KindFloat:
			return float64(x), true
		case dataflow.KindDecimal:
			return c.fit(t, decimalOfInt(x))
		}
	case float64:
		if isNumber(t.Kind) {
			return c.float(t, x)
		}
	case dataflow.Decimal:
		if isNumber(t.Kind) {
			return c.decimal(t, x)
		}
	case time.Time:
		if t.Kind == dataflow.KindDateTime {
			return c.moment(x)
		}
	case dataflow.Date:
		if t.Kind == dataflow.KindDate {
			return c.text(t, string(x))
		}
	case dataflow.TimeOfDay:
		if t.Kind == dataflow.KindTime {
			return c.text(t, string(x))
		}
	case []byte:
		if t.Kind == dataflow.KindBytes {
			return v, true
		}
	}
	return nil, c.wrong(t, v)
}

// text reads the text form of a type for which isText holds.
func (c *collector) text(t *dataflow.Type, s string) (any, bool) {
	switch t.Kind {
	case dataflow.KindString:
		return s, c.noNUL(s) && c.utf8(s)
	case dataflow.KindEnum:
		return s, c.oneOf(t.Values, s)
	case dataflow.KindDecimal:
		return c.decimalText(t, s)
	case dataflow.KindDateTime:
		if at, ok := parseDateTime(s); ok {
			return at, true
		}
	case dataflow.KindDate:
		if validDate(s) {
			return dataflow.Date(s), true
		}
	case dataflow.KindTime:
		if at, ok := parseTimeOfDay(s); ok {
			return at, true
		}
	case dataflow.KindUUID:
		if id, ok := parseUUID(s); ok {
			return id, true
		}
	case dataflow.KindBytes:
		if b, ok := parseBytes(s); ok {
			return b, true
		}
	}
	return nil, c.add("format", "must be "+expected(t), formatHint(t, s))
}

// utf8 refuses text that no JSON can say, and not every database can store. A
// query string may hold it, or what a function cut out of a string.
func (c *collector) utf8(s string) bool {
	return utf8.ValidString(s) || c.add("format", "must be valid UTF-8", "")
}

// noNUL refuses the one character that not every database can store.
func (c *collector) noNUL(s string) bool {
	for i := range len(s) {
		if s[i] == 0 {
			return c.add("format", "must not hold the character U+0000", "")
		}
	}
	return true
}

func (c *collector) oneOf(values []string, s string) bool {
	for _, v := range values {
		if v == s {
			return true
		}
	}
	return c.add("not_in_enum", quote(s)+" is not one of "+quoteAll(values), dataflow.DidYouMean(s, values))
}

// moment brings a time.Time into the canonical form.
func (c *collector) moment(at time.Time) (any, bool) {
	at = at.UTC().Truncate(time.Microsecond)
	if y := at.Year(); y < 1 || y > 9999 {
		return nil, c.add("format", "must be within the years 1 to 9999", "")
	}
	return at, true
}

func (c *collector) list(elem *dataflow.Type, list []any) (any, bool) {
	out := make([]any, len(list))
	found := c.found
	c.pushIndex(0)
	for i, v := range list {
		c.setIndex(i)
		if v != nil {
			out[i], _ = c.value(elem, v)
		} else if elem.Kind != dataflow.KindAny && elem.Kind != dataflow.KindJSON {
			c.add("null", "must be "+expected(elem)+", not null", "")
		}
	}
	c.pop()
	return out, c.found == found
}

// objectOf coerces to an object type, a model's rows among them.
func (c *collector) objectOf(t *dataflow.Type, in *dataflow.Object) (any, bool) {
	found := c.found
	if t.Kind == dataflow.KindRecord {
		if in.Shape() == t.Model.Shape() {
			return in, true // made by the runtime
		}
		out := c.object(&Decoder{shape: t.Model.Shape(), fields: t.Model.Fields}, in)
		return out, c.found == found
	}
	switch {
	case t == Unread:
		return in, true
	case t.Fields == nil:
		return c.canonical(in, MaxDepth)
	}
	out := dataflow.NewObject()
	for _, f := range t.Fields {
		if v, given := in.Get(f.Name); given {
			c.push(f.Name)
			v, _ = c.field(f, v)
			c.pop()
			out.Set(f.Name, v)
		} else {
			out.Set(f.Name, dataflow.Absent)
		}
	}
	for name := range in.All {
		if _, known := out.Shape().Index(name); !known {
			c.unknown(name, t.Fields, nil)
		}
	}
	c.complete(t.Fields, out)
	return out, c.found == found
}

// object coerces the named values of in to the fields of a decoder's shape.
func (c *collector) object(d *Decoder, in *dataflow.Object) *dataflow.Object {
	o := dataflow.NewBlank(d.shape)
	vals := o.Vals()
	for name, v := range in.All {
		i, known := d.shape.Index(name)
		switch {
		case !known || d.hidden != nil && d.hidden[i]:
			c.unknown(name, d.fields, d.hidden)
		case i >= len(d.fields):
			c.computed(name)
		default:
			c.push(name)
			vals[i], _ = c.field(d.fields[i], v)
			c.pop()
		}
	}
	return o
}

// complete fills in the defaults of fields that o leaves out and asks for
// those that are required.
func (c *collector) complete(fields []*dataflow.Field, o *dataflow.Object) {
	for _, f := range fields {
		switch {
		case o.Has(f.Name):
		case f.HasDefault:
			o.Set(f.Name, f.Default)
		case f.Required():
			c.addAt(f.Name, "required", quote(f.Name)+" is required", "")
		}
	}
}

// json turns a canonical value into the text of a json field.
func (c *collector) json(v any) (any, bool) {
	if raw, ok := v.(dataflow.RawJSON); ok {
		return raw, true
	}
	v, ok := c.canonical(v, MaxDepth)
	if !ok {
		return nil, false
	}
	return dataflow.RawJSON(AppendJSON(nil, v)), true
}

// canonical checks that a value of no particular type is one that JSON can
// say and a database can keep, and is not nested more than depth deep.
func (c *collector) canonical(v any, depth int) (any, bool) {
	switch x := v.(type) {
	case nil, bool, int64, dataflow.Decimal, dataflow.Date, dataflow.TimeOfDay, dataflow.RawJSON, []byte:
		return v, true
	case string:
		return v, c.utf8(x) && c.noNUL(x)
	case float64:
		return v, c.finite(x)
	case time.Time:
		return c.moment(x)
	}
	if depth == 0 {
		return nil, c.add("too_deep", "nests too deeply", "")
	}
	switch x := v.(type) {
	case []any:
		found := c.found
		c.pushIndex(0)
		for i, e := range x {
			c.setIndex(i)
			c.canonical(e, depth-1)
		}
		c.pop()
		return v, c.found == found
	case *dataflow.Object:
		found := c.found
		c.push("")
		for name, e := range x.All {
			c.setName(name)
			_ = c.utf8(name) && c.noNUL(name)
			c.canonical(e, depth-1)
		}
		c.pop()
		return v, c.found == found
	}
	return nil, c.add("wrong_type", "must be a value that JSON can say, not "+kindOf(v), "")
}

func (c *collector) finite(x float64) bool {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return c.add("wrong_type", "must be a finite number", "")
	}
	return true
}

// Package codec owns the JSON form of values: decoding text against known
// fields, with every problem found in one pass, and encoding. It also owns
// what makes a value fit its field: coercion and constraints. It knows
// nothing of where the text comes from or goes to.
package codec

import (
	"github.com/flowctl/flowctl/dataflow"
)

// MaxDepth is how deep JSON may nest unless a caller says otherwise.
const MaxDepth = 64

// Malformed is the code of the one problem that text which is not JSON has.
const Malformed = "malformed_json"

// ParseJSON reads any JSON text into canonical values, losing nothing: whole
// numbers become int64, others float64, and those that either would alter a
// Decimal. Numbers beyond 38 digits are a problem; so are duplicate keys and
// nesting beyond maxDepth. Text that is not JSON has a single problem, with
// the code Malformed.
func ParseJSON(data []byte, maxDepth int) (any, []dataflow.Problem) {
	p := parser{s: string(data), left: maxDepth}
	v, ok := p.document(func() (any, bool) { return p.any() })
	if !ok {
		return nil, p.problems
	}
	return v, p.problems
}

// Decoder reads JSON objects against known fields straight into canonical
// values. It is immutable.
type Decoder struct {
	shape  *dataflow.Shape
	fields []*dataflow.Field
	nested []*Decoder // by field: of the object type in it, if it has one
	hidden []bool     // by position in shape; nil: none
}

// Without returns a decoder to which some positions of the shape are unknown.
func (d *Decoder) Without(hidden []bool) *Decoder {
	other := *d
	other.hidden = hidden
	return &other
}

// Coerce is Decode for an object of canonical values.
func (d *Decoder) Coerce(in *dataflow.Object, pointer string) (*dataflow.Object, []dataflow.Problem) {
	c := collector{base: pointer}
	return c.object(d, in), c.problems
}

// Unread is the type of objects that a decoder of their own reads later. What is
// in them is not looked at before, so that nothing is told of twice, or in the
// place of what the decoder would say.
var Unread = &dataflow.Type{Kind: dataflow.KindObject}

// NewDecoder returns a decoder for objects over shape, whose first
// len(fields) names are those of fields.
func NewDecoder(shape *dataflow.Shape, fields []*dataflow.Field) *Decoder {
	d := &Decoder{shape: shape, fields: fields, nested: make([]*Decoder, len(fields))}
	for i, f := range fields {
		d.nested[i] = nestedDecoder(f.Type)
	}
	return d
}

// nestedDecoder returns the decoder of the object type at the bottom of t's
// lists, if there is one with known fields.
func nestedDecoder(t *dataflow.Type) *Decoder {
	for t.Kind == dataflow.KindList {
		t = t.Elem
	}
	if t.Kind != dataflow.KindObject || t.Fields == nil {
		return nil
	}
	names := make([]string, len(t.Fields))
	for i, f := range t.Fields {
		names[i] = f.Name
	}
	return NewDecoder(dataflow.NewShape(names...), t.Fields)
}

// Decode reads one object. Names that are left out are Absent in the result.
// Every unknown name (with a suggestion), wrong type and broken constraint is a
// problem, with its pointer. It does not ask for required fields, nor refuse
// system ones: that depends on the operation. (Objects nested in it are held to
// their own types whole: required fields are asked for, defaults filled in.)
//
// If there are problems, the object is nil only where the text is no JSON
// object; otherwise it shows which names were given, and values that had
// problems are nil in it.
func (d *Decoder) Decode(data []byte) (*dataflow.Object, []dataflow.Problem) {
	return d.DecodeAt(data, MaxDepth)
}

// DecodeAt is Decode with another limit of depth.
func (d *Decoder) DecodeAt(data []byte, maxDepth int) (*dataflow.Object, []dataflow.Problem) {
	p := parser{s: string(data), left: maxDepth}
	v, ok := p.document(func() (any, bool) { return p.root(d) })
	if !ok {
		return nil, p.problems
	}
	o, _ := v.(*dataflow.Object)
	return o, p.problems
}

// DecodeMember reads an object with no member but one of this name, an object
// for d, as {"inputs": {…}}. It is false, and says nothing of why, where the text
// is another or has a problem: what is to be told of that is for who reads it
// again, knowing more.
func (d *Decoder) DecodeMember(data []byte, name string) (*dataflow.Object, bool) {
	p := parser{s: string(data), left: MaxDepth}
	var o *dataflow.Object
	_, ok := p.document(func() (any, bool) {
		return nil, p.peek() == '{' && p.members(func(member string) bool {
			if member != name || o != nil {
				return false
			}
			v, ok := p.root(d)
			o, _ = v.(*dataflow.Object)
			return ok && o != nil
		})
	})
	return o, ok && o != nil && p.found == 0
}

var anyObject = &dataflow.Type{Kind: dataflow.KindObject}

// Coerce turns a value into the canonical form for f's type and checks f's
// constraints. It is exact: "1" is no int, 1 is a decimal, "1.10" is a decimal,
// 0.1 is decimal(12, 2) 0.10 but 0.1+0.2 is not. null fits optional fields only.
// Text is read as the type's text form: dates, datetimes (an offset is
// required; the result is UTC, cut to microseconds), uuids (made lower case),
// base64. A json field's value becomes RawJSON whatever it was.
func Coerce(f *dataflow.Field, v any, pointer string) (any, []dataflow.Problem) {
	c := collector{base: pointer}
	out, _ := c.field(f, v)
	return out, c.problems
}

// CoerceType is Coerce for a type without constraints. null fits any and json
// only.
func CoerceType(t *dataflow.Type, v any, pointer string) (any, []dataflow.Problem) {
	c := collector{base: pointer}
	if v == nil {
		if t.Kind != dataflow.KindAny && t.Kind != dataflow.KindJSON {
			c.add("null", "must be "+expected(t)+", not null", "")
		}
		return nil, c.problems
	}
	out, _ := c.value(t, v)
	return out, c.problems
}

// CoerceObject coerces each named value of in to the field of that name, over
// shape, as Decode does for text.
func CoerceObject(shape *dataflow.Shape, fields []*dataflow.Field, in *dataflow.Object, pointer string) (*dataflow.Object, []dataflow.Problem) {
	c := collector{base: pointer}
	return c.object(&Decoder{shape: shape, fields: fields}, in), c.problems
}

// ParseText reads the text form of a value, from a query string or a command
// line: 12, 1.50, true, 2026-01-31, a bare string, or JSON for json, list and
// object types. Where the type is any, text that is JSON is read as JSON, and
// other text is a string.
func ParseText(t *dataflow.Type, s, pointer string) (any, []dataflow.Problem) {
	c := collector{base: pointer}
	out, _ := c.parseText(t.Scalar(), s)
	return out, c.problems
}

// Error returns the error for an input with these problems: "malformed_json"
// if it could not be read at all, else "invalid".
func Error(problems []dataflow.Problem) *dataflow.Error {
	if len(problems) == 1 && problems[0].Code == Malformed {
		return &dataflow.Error{Code: Malformed, Status: dataflow.StatusInvalid,
			Message: "the input is not JSON: " + problems[0].Detail, Problems: problems}
	}
	return dataflow.Invalid(problems...)
}

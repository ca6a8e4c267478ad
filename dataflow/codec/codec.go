// Package codec owns the JSON form of values: decoding text against known
// fields, with every problem found in one pass, and encoding. It also owns
// what makes a value fit its field: coercion and constraints. It knows
// nothing of where the text comes from or goes to.
package codec

import "github.com/flowctl/flowctl/dataflow"

// MaxDepth is how deep JSON may nest unless a caller says otherwise.
const MaxDepth = 64

// ParseJSON reads any JSON text into canonical values, losing nothing: whole
// numbers become int64, others float64, and those that either would alter a
// Decimal. Duplicate keys are a problem, as is nesting beyond maxDepth.
func ParseJSON(data []byte, maxDepth int) (any, []dataflow.Problem) { panic("unwritten") }

// Decoder reads JSON objects against known fields straight into canonical
// values. It is immutable.
type Decoder struct{}

// NewDecoder returns a decoder for objects over shape, whose first
// len(fields) names are those of fields.
func NewDecoder(shape *dataflow.Shape, fields []*dataflow.Field) *Decoder { panic("unwritten") }

// Decode reads one object. Names that are left out are Absent in the result.
// Every unknown name (with a suggestion), wrong type and broken constraint is a
// problem, with its pointer. It does not ask for required fields, nor refuse
// system ones: that depends on the operation.
func (d *Decoder) Decode(data []byte) (*dataflow.Object, []dataflow.Problem) { panic("unwritten") }

// Coerce turns a value into the canonical form for f's type and checks f's
// constraints. It is exact: "1" is no int, 1 is a decimal, "1.10" is a decimal,
// 0.1 is decimal(12, 2) 0.10 but 0.1+0.2 is not. null fits optional fields only.
func Coerce(f *dataflow.Field, v any, pointer string) (any, []dataflow.Problem) { panic("unwritten") }

// CoerceType is Coerce for a type without constraints.
func CoerceType(t *dataflow.Type, v any, pointer string) (any, []dataflow.Problem) {
	panic("unwritten")
}

// CoerceObject coerces each named value of in to the field of that name, over
// shape, as Decode does for text.
func CoerceObject(shape *dataflow.Shape, fields []*dataflow.Field, in *dataflow.Object, pointer string) (*dataflow.Object, []dataflow.Problem) {
	panic("unwritten")
}

// ParseText reads the text form of a value, from a query string or a command
// line: 12, 1.50, true, 2026-01-31, a bare string, or JSON for json, list and
// object types.
func ParseText(t *dataflow.Type, s, pointer string) (any, []dataflow.Problem) { panic("unwritten") }

// AppendValue appends the JSON form of a canonical value. Decimals are strings,
// but numbers inside json; bytes are base64; Absent names are left out.
func AppendValue(dst []byte, v any) []byte { panic("unwritten") }

// AppendString appends s as a JSON string.
func AppendString(dst []byte, s string) []byte { panic("unwritten") }

package postgres

import (
	"encoding/binary"
	"math"

	"github.com/flowctl/flowctl/dataflow"
)

// array is a parameter in the binary form of an array.
type array []byte

// The types of arrays' elements, by PostgreSQL's numbers for them, which never
// change. What is none of the others is sent as text and cast.
const (
	oidBool  = 16
	oidBytea = 17
	oidInt8  = 20
	oidText  = 25
	oidFloat = 701
)

// elements says as what the values of a column of type t are sent in an array,
// and what they are cast to.
func elements(t *dataflow.Type) (oid uint32, name, cast string) {
	switch storage(t) {
	case "bigint":
		return oidInt8, "bigint", ""
	case "boolean":
		return oidBool, "boolean", ""
	case "double precision":
		return oidFloat, "double precision", ""
	case "bytea":
		return oidBytea, "bytea", ""
	case "text":
		return oidText, "text", ""
	}
	return oidText, "text", "::" + storage(t)
}

// newArray starts an array of n elements.
func newArray(oid uint32, n int) array {
	a := make(array, 0, 20+12*n)
	a = binary.BigEndian.AppendUint32(a, 1) // dimension
	a = binary.BigEndian.AppendUint32(a, 1) // there may be nulls
	a = binary.BigEndian.AppendUint32(a, oid)
	a = binary.BigEndian.AppendUint32(a, uint32(n))
	return binary.BigEndian.AppendUint32(a, 1) // the first element's number
}

// add appends an element as dialect.Encode gives it, nil for null.
func (a array) add(v any) array {
	switch v := v.(type) {
	case nil:
		return binary.BigEndian.AppendUint32(a, math.MaxUint32)
	case int64:
		return binary.BigEndian.AppendUint64(append(a, 0, 0, 0, 8), uint64(v))
	case float64:
		return binary.BigEndian.AppendUint64(append(a, 0, 0, 0, 8), math.Float64bits(v))
	case bool:
		if v {
			return append(a, 0, 0, 0, 1, 1)
		}
		return append(a, 0, 0, 0, 1, 0)
	case []byte:
		return append(binary.BigEndian.AppendUint32(a, uint32(len(v))), v...)
	case string:
		return append(binary.BigEndian.AppendUint32(a, uint32(len(v))), v...)
	}
	panic("postgres: a value that dialect.Encode does not give")
}

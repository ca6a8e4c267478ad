package access

import (
	"encoding/base64"
	"hash/fnv"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
)

// A cursor is, in base64url: a byte for this format's version, four bytes of
// a hash of the model and sort, and the JSON list of the sort keys of the last
// row seen. It gives away no more than that row did, and one that was
// tampered with leads to another place in the same list, never out of it: the
// caller's filter and tenant still hold.
const (
	cursorVersion = 1
	cursorHead    = 5
	cursorMax     = 8 << 10
)

// encodeCursor returns the cursor of a row's sort keys; "" if they are too long
// to be sent back in an address. The list then goes on by offset.
func (m *Model) encodeCursor(order []query.Order, keys []any) string {
	b := append([]byte{cursorVersion}, m.sortHash(order)...)
	cursor := base64.RawURLEncoding.EncodeToString(codec.AppendValue(b, keys))
	if len(cursor) > cursorMax {
		return ""
	}
	return cursor
}

// decodeCursor returns the sort keys in a cursor, or why it has none.
func (m *Model) decodeCursor(order []query.Order, cursor string) (keys []any, why string) {
	const broken = "is not a cursor that a list returned"
	if len(cursor) > cursorMax {
		return nil, broken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || len(b) < cursorHead || b[0] != cursorVersion {
		return nil, broken
	}
	if string(b[1:cursorHead]) != string(m.sortHash(order)) {
		return nil, "belongs to another model or sort"
	}
	v, problems := codec.ParseJSON(b[cursorHead:], 2)
	keys, ok := v.([]any)
	if !ok || len(problems) > 0 || len(keys) != len(order) {
		return nil, broken
	}
	for i, o := range order {
		if keys[i] == nil {
			if !m.m.Fields[o.Field].Optional && m.m.Fields[o.Field].System != dataflow.RoleDeletedAt {
				return nil, broken
			}
			continue
		}
		if keys[i], problems = codec.CoerceType(m.m.Fields[o.Field].Type, keys[i], ""); len(problems) > 0 {
			return nil, broken
		}
	}
	return keys, ""
}

func (m *Model) sortHash(order []query.Order) []byte {
	h := fnv.New32a()
	h.Write([]byte(m.m.Table))
	for _, o := range order {
		dir := byte('+')
		if o.Desc {
			dir = '-'
		}
		h.Write([]byte{0, dir})
		h.Write([]byte(m.m.Fields[o.Field].Name))
	}
	return h.Sum(nil)
}

package postgres

import (
	"fmt"
	"strconv"
)

// params turns what dialect.Encode gives into what is sent: text, in which the
// server reads any type, but for bytes, which go as they are.
type params struct {
	values  [][]byte
	formats []int16
	buf     []byte // of the short ones
}

// maxKept bounds what is kept of the scratch.
const maxKept = 1 << 16

// encode returns the parameters, valid until the next call.
func (p *params) encode(args []any) (values [][]byte, formats []int16) {
	if cap(p.buf) > maxKept || cap(p.values) > maxKept/16 {
		*p = params{}
	}
	need := 1 // of no buffer an empty text would be nil, which is null
	for _, v := range args {
		if s, ok := v.(string); ok {
			need += len(s)
		} else {
			need += 24 // the longest number
		}
	}
	if cap(p.buf) < need {
		p.buf = make([]byte, 0, need) // once, so that no value moves
	}
	p.buf, p.values, p.formats = p.buf[:0], p.values[:0], p.formats[:0]
	for _, v := range args {
		value, format := p.one(v)
		p.values, p.formats = append(p.values, value), append(p.formats, format)
	}
	return p.values, p.formats
}

func (p *params) one(v any) (value []byte, format int16) {
	start := len(p.buf)
	switch v := v.(type) {
	case nil:
		return nil, 0
	case []byte:
		if v == nil {
			v = []byte{}
		}
		return v, 1
	case array:
		return v, 1
	case string:
		p.buf = append(p.buf, v...)
	case int64:
		p.buf = strconv.AppendInt(p.buf, v, 10)
	case float64:
		p.buf = strconv.AppendFloat(p.buf, v, 'g', -1, 64)
	case bool:
		p.buf = strconv.AppendBool(p.buf, v)
	default:
		panic(fmt.Sprintf("postgres: a value that dialect.Encode does not give: %T", v))
	}
	return p.buf[start:len(p.buf):len(p.buf)], 0
}

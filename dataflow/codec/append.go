package codec

import (
	"encoding/base64"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
)

// AppendValue appends the JSON form of a canonical value. Decimals are strings,
// but numbers inside json; bytes are base64; Absent names are left out. Floats
// are written as the shortest text that reads back the same; NaN and the
// infinities, which Coerce lets nobody store, as null.
func AppendValue(dst []byte, v any) []byte { return appendValue(dst, v, false) }

// AppendJSON appends the text of a json field's value: as AppendValue does,
// but with decimals as numbers, as they were read.
func AppendJSON(dst []byte, v any) []byte { return appendValue(dst, v, true) }

func appendValue(dst []byte, v any, inJSON bool) []byte {
	switch x := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, x)
	case int64:
		return strconv.AppendInt(dst, x, 10)
	case float64:
		return AppendFloat(dst, x)
	case dataflow.Decimal:
		if inJSON {
			return dataflow.AppendDecimal(dst, x)
		}
		return append(dataflow.AppendDecimal(append(dst, '"'), x), '"')
	case string:
		return AppendString(dst, x)
	case time.Time:
		return append(AppendDateTime(append(dst, '"'), x), '"')
	case dataflow.Date:
		return AppendString(dst, string(x))
	case dataflow.TimeOfDay:
		return AppendString(dst, string(x))
	case dataflow.RawJSON:
		return append(dst, x...)
	case []byte:
		return append(base64.StdEncoding.AppendEncode(append(dst, '"'), x), '"')
	case []any:
		dst = append(dst, '[')
		for i, e := range x {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendValue(dst, e, inJSON)
		}
		return append(dst, ']')
	case *dataflow.Object:
		return appendObject(dst, x, inJSON)
	}
	return append(dst, "null"...) // Absent; nothing else is canonical
}

func appendObject(dst []byte, o *dataflow.Object, inJSON bool) []byte {
	if o == nil {
		return append(dst, "null"...)
	}
	dst = append(dst, '{')
	shape := o.Shape()
	first := true
	for i, v := range o.Vals() {
		if v == dataflow.Absent {
			continue
		}
		if !first {
			dst = append(dst, ',')
		}
		first = false
		dst = AppendString(dst, shape.Name(i))
		dst = append(dst, ':')
		dst = appendValue(dst, v, inJSON)
	}
	return append(dst, '}')
}

// AppendFloat appends the shortest JSON number that reads back as x.
func AppendFloat(dst []byte, x float64) []byte {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return append(dst, "null"...)
	}
	// Exponents where ECMAScript writes them, without its padding.
	if a := math.Abs(x); a == 0 || a >= 1e-6 && a < 1e21 {
		return strconv.AppendFloat(dst, x, 'f', -1, 64)
	}
	dst = strconv.AppendFloat(dst, x, 'e', -1, 64)
	if n := len(dst); dst[n-4] == 'e' && dst[n-3] == '-' && dst[n-2] == '0' { // e-09 is e-9
		dst[n-2] = dst[n-1]
		dst = dst[:n-1]
	}
	return dst
}

const hexDigits = "0123456789abcdef"

// AppendString appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= 0x20 && b != '"' && b != '\\' && b < utf8.RuneSelf {
			i++
			continue
		}
		if b >= utf8.RuneSelf {
			if r, n := utf8.DecodeRuneInString(s[i:]); r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
			dst = append(append(dst, s[start:i]...), "\uFFFD"...)
		} else {
			dst = appendEscape(append(dst, s[start:i]...), b)
		}
		i++
		start = i
	}
	return append(append(dst, s[start:]...), '"')
}

func appendEscape(dst []byte, b byte) []byte {
	switch b {
	case '"', '\\':
		return append(dst, '\\', b)
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[b>>4], hexDigits[b&15])
}

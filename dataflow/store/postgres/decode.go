package postgres

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/shopspring/decimal"
)

// What PostgreSQL's types look like in the binary form of its protocol. All
// numbers are big-endian; moments are counted from the year 2000.
const (
	epochSeconds = 946684800 // 2000-01-01 since 1970-01-01
	day          = 24 * 60 * 60 * 1_000_000

	numericNegative = 0x4000
	numericSpecial  = 0xC000 // NaN and the infinities have both of its bits
	numericNaN      = 0xC000
	numericBase     = 10_000
)

// decodeInt reads a smallint, integer or bigint.
func decodeInt(raw []byte) int64 {
	switch len(raw) {
	case 8:
		return int64(binary.BigEndian.Uint64(raw))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(raw)))
	case 2:
		return int64(int16(binary.BigEndian.Uint16(raw)))
	}
	return 0
}

// decodeFloatAsIs reads a real or double precision as the number next to what was
// written.
func decodeFloatAsIs(raw []byte) float64 {
	if len(raw) == 4 {
		return float64(math.Float32frombits(binary.BigEndian.Uint32(raw)))
	}
	return math.Float64frombits(binary.BigEndian.Uint64(raw))
}

// decodeFloat reads a real or double precision.
func decodeFloat(raw []byte) float64 {
	if len(raw) == 4 {
		f := math.Float32frombits(binary.BigEndian.Uint32(raw))
		short, _ := strconv.ParseFloat(strconv.FormatFloat(float64(f), 'g', -1, 32), 64) // 0.1 stays 0.1, as the server writes it
		return short
	}
	return math.Float64frombits(binary.BigEndian.Uint64(raw))
}

// appendNumeric appends a numeric in plain notation, with as many digits after
// the point as it was stored with, and at least scale. ok is false for NaN and
// the infinities.
func appendNumeric(dst, raw []byte, scale int) (out []byte, ok bool) {
	sign := binary.BigEndian.Uint16(raw[4:])
	if sign&numericSpecial == numericSpecial {
		return dst, false
	}
	weight := int(int16(binary.BigEndian.Uint16(raw[2:]))) // of the first group, in powers of the base
	scale = max(scale, int(binary.BigEndian.Uint16(raw[6:])))
	groups := raw[8:]
	group := func(i int) int { // the group of weight -i relative to the first
		if i < 0 || 2*i >= len(groups) {
			return 0
		}
		return int(binary.BigEndian.Uint16(groups[2*i:]))
	}
	if sign == numericNegative {
		dst = append(dst, '-')
	}
	if weight < 0 {
		dst = append(dst, '0')
	} else {
		dst = strconv.AppendInt(dst, int64(group(0)), 10)
		for i := 1; i <= weight; i++ {
			dst = appendGroup(dst, group(i), 4)
		}
	}
	if scale == 0 {
		return dst, true
	}
	dst = append(dst, '.')
	for i := weight + 1; scale > 0; i++ {
		dst = appendGroup(dst, group(i), min(scale, 4))
		scale -= 4
	}
	return dst, true
}

// appendGroup appends the first n of a group's four digits.
func appendGroup(dst []byte, group, n int) []byte {
	for unit := numericBase / 10; n > 0; unit, n = unit/10, n-1 {
		dst = append(dst, byte('0'+group/unit%10))
	}
	return dst
}

// decodeNumeric reads a numeric, null for what is no number.
func decodeNumeric(raw []byte, scale int) any {
	var buf [64]byte
	text, ok := appendNumeric(buf[:0], raw, scale)
	if !ok {
		return nil
	}
	scale = max(scale, int(binary.BigEndian.Uint16(raw[6:])))
	if len(text) <= 18 {
		coef, sign := int64(0), int64(1)
		for _, c := range text {
			switch c {
			case '-':
				sign = -1
			case '.':
			default:
				coef = coef*10 + int64(c-'0')
			}
		}
		return decimal.New(sign*coef, -int32(scale))
	}
	d, err := decimal.NewFromString(string(text))
	if err != nil {
		return nil
	}
	return d
}

// decodeMoment reads a timestamptz. ok is false for what no datetime can be:
// an infinity, a year before 1 or after 9999.
func decodeMoment(raw []byte) (at time.Time, ok bool) {
	micro := int64(binary.BigEndian.Uint64(raw))
	if micro == math.MaxInt64 || micro == math.MinInt64 {
		return at, false
	}
	sec, frac := micro/1_000_000, micro%1_000_000
	if frac < 0 {
		sec, frac = sec-1, frac+1_000_000
	}
	at = time.Unix(epochSeconds+sec, frac*1000).UTC()
	return at, at.Year() >= 1 && at.Year() <= 9999
}

// decodeDate reads a date.
func decodeDate(raw []byte) (date dataflow.Date, ok bool) {
	days := int32(binary.BigEndian.Uint32(raw))
	if days == math.MaxInt32 || days == math.MinInt32 {
		return "", false
	}
	at := time.Unix(epochSeconds+int64(days)*86400, 0).UTC()
	if at.Year() < 1 || at.Year() > 9999 {
		return "", false
	}
	var buf [27]byte
	return dataflow.Date(codec.AppendDateTime(buf[:0], at)[:10]), true
}

// appendTime appends a time of day, without trailing zeros.
func appendTime(dst, raw []byte) []byte {
	micro := int64(binary.BigEndian.Uint64(raw))
	if micro >= day { // 24:00:00, which PostgreSQL has
		return append(dst, "24:00:00"...)
	}
	sec := micro / 1_000_000
	dst = appendTwo(append(appendTwo(append(appendTwo(dst, sec/3600), ':'), sec/60%60), ':'), sec%60)
	micro %= 1_000_000
	if micro > 0 {
		dst = append(dst, '.')
		for unit := int64(100_000); micro > 0; unit /= 10 {
			dst = append(dst, byte('0'+micro/unit))
			micro %= unit
		}
	}
	return dst
}

func appendTwo(dst []byte, n int64) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// appendUUID appends a uuid in lower case with hyphens.
func appendUUID(dst, raw []byte) []byte {
	if len(raw) != 16 {
		return dst
	}
	for i, part := range [...][]byte{raw[:4], raw[4:6], raw[6:8], raw[8:10], raw[10:]} {
		if i > 0 {
			dst = append(dst, '-')
		}
		dst = hex.AppendEncode(dst, part)
	}
	return dst
}

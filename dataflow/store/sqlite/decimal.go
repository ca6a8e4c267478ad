package sqlite

import (
	"math/big"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/shopspring/decimal"
)

// encodeDecimal returns the stored form of a decimal of type t: a whole number
// of its smallest unit, or a key. One that does not fit, which codec lets
// nobody send, becomes a BLOB: equal to nothing, and refused by a STRICT
// column.
func encodeDecimal(t *dataflow.Type, d dataflow.Decimal) any {
	fit, ok := dataflow.FitDecimal(d, t.Precision, t.Scale)
	if !ok {
		return []byte{}
	}
	if t.Precision <= maxScaledDigits {
		return fit.Coefficient().Int64()
	}
	return decimalKey(fit.Coefficient(), t.Precision)
}

// decimalKey writes a coefficient of at most precision digits so that keys
// sort as numbers: "1" and the digits, or "0" and what they lack to nines if it
// is negative.
func decimalKey(coef *big.Int, precision int) string {
	digits := new(big.Int).Abs(coef).String()
	var b strings.Builder
	if coef.Sign() >= 0 {
		b.WriteByte('1')
		b.WriteString(strings.Repeat("0", precision-len(digits)))
		b.WriteString(digits)
		return b.String()
	}
	b.WriteByte('0')
	b.WriteString(strings.Repeat("9", precision-len(digits)))
	for i := range len(digits) {
		b.WriteByte('9' - (digits[i] - '0'))
	}
	return b.String()
}

// isDecimalKey reports whether text is a key.
func isDecimalKey(text []byte) bool {
	if len(text) < 2 || len(text) > dataflow.MaxDecimalDigits+1 || text[0] > '1' {
		return false
	}
	for _, b := range text {
		if b-'0' > 9 {
			return false
		}
	}
	return true
}

// appendDecimalKey appends the number a key stands for, scale digits after
// the point.
func appendDecimalKey(dst, key []byte, scale int) []byte {
	if len(key) < 2 {
		return append(dst, '0')
	}
	if key[0] == '0' {
		dst = append(dst, '-')
	}
	whole := len(key) - scale
	started := false
	for i := 1; i < len(key); i++ {
		digit := key[i]
		if key[0] == '0' {
			digit = '9' - (digit - '0')
		}
		if i == whole {
			if !started {
				dst = append(dst, '0')
				started = true
			}
			dst = append(dst, '.')
		}
		if started = started || digit != '0' || i == len(key)-1; started {
			dst = append(dst, digit)
		}
	}
	return dst
}

// parseDecimalKey reads a key.
func parseDecimalKey(key []byte, scale int) dataflow.Decimal {
	d, err := decimal.NewFromString(string(appendDecimalKey(nil, key, scale)))
	if err != nil {
		return dataflow.Decimal{} // not a key: another program has written here
	}
	return d
}

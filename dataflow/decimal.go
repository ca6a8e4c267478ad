package dataflow

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"
)

// Decimal is an exact decimal number: a whole coefficient times a power of ten.
type Decimal = decimal.Decimal

// MaxDecimalDigits bounds a decimal's digits before and after its point
// together, as PostgreSQL's and the engines' common range does. It also keeps
// a hostile exponent from filling memory.
const MaxDecimalDigits = 38

// ErrNotDecimal is ParseDecimal's error for text that is no number at all.
var ErrNotDecimal = errors.New("not a decimal number")

// ParseDecimal reads a plain or scientific decimal of at most 38 significant
// digits and exponents within ±38.
func ParseDecimal(s string) (Decimal, error) {
	if len(s) > 2*MaxDecimalDigits+8 {
		return Decimal{}, fmt.Errorf("a decimal has at most %d digits", MaxDecimalDigits)
	}
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		e, err := strconv.Atoi(s[i+1:])
		if errors.Is(err, strconv.ErrRange) || err == nil && (e > MaxDecimalDigits || e < -MaxDecimalDigits) {
			if _, err := decimal.NewFromString(s[:i]); err != nil { // the e is a letter of a word
				return Decimal{}, ErrNotDecimal
			}
			return Decimal{}, fmt.Errorf("a decimal's exponent is within ±%d", MaxDecimalDigits)
		}
	}
	if s == "" || strings.ContainsAny(s, "_ ") {
		return Decimal{}, ErrNotDecimal
	}
	d, err := decimal.NewFromString(s)
	if err != nil {
		return Decimal{}, ErrNotDecimal
	}
	if d.NumDigits() > MaxDecimalDigits {
		return Decimal{}, fmt.Errorf("a decimal has at most %d digits", MaxDecimalDigits)
	}
	return d, nil
}

// AppendDecimal appends d in plain notation with exactly the digits it was
// made with: 1.10 stays 1.10.
func AppendDecimal(dst []byte, d Decimal) []byte {
	exp := int(d.Exponent())
	if c := d.Coefficient(); c.IsInt64() {
		return AppendScaled(dst, c.Int64(), -exp)
	}
	return appendScaledText(dst, d.Coefficient().String(), -exp)
}

// AppendScaled appends coef × 10^-scale in plain notation with scale digits
// after the point. A negative scale appends zeros.
func AppendScaled(dst []byte, coef int64, scale int) []byte {
	var buf [24]byte
	if scale == 0 {
		return strconv.AppendInt(dst, coef, 10)
	}
	return appendScaledText(dst, string(strconv.AppendInt(buf[:0], coef, 10)), scale)
}

func appendScaledText(dst []byte, digits string, scale int) []byte {
	if digits[0] == '-' {
		dst = append(dst, '-')
		digits = digits[1:]
	}
	if scale <= 0 {
		dst = append(dst, digits...)
		for ; scale < 0 && digits != "0"; scale++ {
			dst = append(dst, '0')
		}
		return dst
	}
	if whole := len(digits) - scale; whole > 0 {
		dst = append(dst, digits[:whole]...)
		digits = digits[whole:]
	} else {
		dst = append(dst, '0')
	}
	dst = append(dst, '.')
	for pad := scale - len(digits); pad > 0; pad-- {
		dst = append(dst, '0')
	}
	return append(dst, digits...)
}

// FitDecimal returns d written with exactly scale digits after the point, and
// whether that is d's exact value and leaves at most precision digits.
// Nothing is rounded.
func FitDecimal(d Decimal, precision, scale int) (Decimal, bool) {
	fit := d.Truncate(int32(scale))
	if !fit.Equal(d) {
		return Decimal{}, false
	}
	if shift := int32(scale) + fit.Exponent(); shift > 0 {
		fit = decimal.NewFromBigInt(new(big.Int).Mul(fit.Coefficient(), pow10(shift)), -int32(scale))
	}
	return fit, fit.NumDigits() <= precision
}

func pow10(n int32) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

package codec

import (
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/shopspring/decimal"
)

// number reads a JSON number of no particular type, losing nothing. why says
// why it can't be kept.
func number(raw string, whole bool) (v any, why string) {
	if whole && raw != "-0" {
		if n, ok := smallInt(raw); ok {
			return n, ""
		}
		if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
			return n, ""
		}
	}
	f, err := strconv.ParseFloat(raw, 64)
	if err == nil && (plainEnough(raw) || sameNumber(raw, strconv.FormatFloat(f, 'e', -1, 64))) {
		return f, ""
	}
	d, err := dataflow.ParseDecimal(raw)
	if err != nil {
		return nil, "is a number too large or too fine to keep: " + err.Error()
	}
	return d, ""
}

// smallInt reads a whole number of up to 18 digits, which can't overflow.
func smallInt(raw string) (int64, bool) {
	digits, neg := strings.CutPrefix(raw, "-")
	if len(digits) > 18 {
		return 0, false
	}
	var n int64
	for i := range len(digits) {
		n = n*10 + int64(digits[i]-'0')
	}
	if neg {
		n = -n
	}
	return n, true
}

// plainEnough reports whether a number without exponent is so short that the
// nearest float64 says the same number: 15 digits always survive.
func plainEnough(raw string) bool {
	return len(raw) <= 16 && !strings.ContainsAny(raw, "eE")
}

// sameNumber reports whether two JSON numbers are equal.
func sameNumber(a, b string) bool {
	aNeg, aDigits, aExp := normal(a)
	bNeg, bDigits, bExp := normal(b)
	return aDigits == bDigits && (aDigits == "" && aNeg == bNeg || aNeg == bNeg && aExp == bExp)
}

// normal takes a JSON number apart into sign, digits without zeros at either
// end, and the power of ten of the last digit.
func normal(raw string) (neg bool, digits string, exp int) {
	raw, neg = strings.CutPrefix(raw, "-")
	if i := strings.IndexAny(raw, "eE"); i >= 0 {
		e, err := strconv.Atoi(raw[i+1:])
		if err != nil { // out of range of an int: no float64 is near it
			e = math.MaxInt32
		}
		raw, exp = raw[:i], e
	}
	if i := strings.IndexByte(raw, '.'); i >= 0 {
		exp -= len(raw) - i - 1
		raw = raw[:i] + raw[i+1:]
	}
	raw = strings.TrimLeft(raw, "0")
	digits = strings.TrimRight(raw, "0")
	return neg, digits, exp + len(raw) - len(digits)
}

// numeral reads a JSON number for a type for which isNumber holds.
func (c *collector) numeral(t *dataflow.Type, raw string, whole bool) (any, bool) {
	switch t.Kind {
	case dataflow.KindDecimal:
		return c.decimalText(t, raw)
	case dataflow.KindFloat:
		f, err := strconv.ParseFloat(raw, 64)
		if err != nil {
			return nil, c.add("too_large", "must be a number that a double can hold", "")
		}
		return c.float(t, f)
	}
	if whole {
		if n, ok := smallInt(raw); ok {
			return n, true
		}
		if n, err := strconv.ParseInt(raw, 10, 64); err == nil {
			return n, true
		}
		return nil, c.intRange(raw[0] == '-')
	}
	d, err := dataflow.ParseDecimal(raw)
	if err != nil {
		return nil, c.add("wrong_type", "must be a whole number", "")
	}
	return c.decimal(t, d)
}

func (c *collector) intRange(low bool) bool {
	code := "too_large"
	if low {
		code = "too_small"
	}
	return c.add(code, "must be within the range of 64-bit whole numbers", "")
}

// float fits a float64 to a numeric type.
func (c *collector) float(t *dataflow.Type, x float64) (any, bool) {
	if !c.finite(x) {
		return nil, false
	}
	switch t.Kind {
	case dataflow.KindFloat:
		if x == 0 {
			return 0.0, true // SQLite has no -0
		}
		return x, true
	case dataflow.KindInt:
		if x != math.Trunc(x) {
			return nil, c.add("wrong_type", "must be a whole number", "")
		}
		if x < -1<<63 || x >= 1<<63 {
			return nil, c.intRange(x < 0)
		}
		return int64(x), true
	}
	return c.decimalText(t, strconv.FormatFloat(x, 'g', -1, 64))
}

// decimal fits a Decimal to a numeric type.
func (c *collector) decimal(t *dataflow.Type, d dataflow.Decimal) (any, bool) {
	switch t.Kind {
	case dataflow.KindDecimal:
		return c.fit(t, d)
	case dataflow.KindFloat:
		f, _ := d.Float64()
		return f, c.finite(f)
	}
	if !d.IsInteger() {
		return nil, c.add("wrong_type", "must be a whole number", "")
	}
	if n := d.BigInt(); n.IsInt64() {
		return n.Int64(), true
	}
	return nil, c.intRange(d.Sign() < 0)
}

// decimalText reads a decimal from text and fits it to t.
func (c *collector) decimalText(t *dataflow.Type, s string) (any, bool) {
	if coef, ok := plainDecimal(s, t.Scale); ok {
		if t.Precision >= 18 || coef < pow10[t.Precision] && coef > -pow10[t.Precision] {
			return decimal.New(coef, -int32(t.Scale)), true
		}
	}
	d, err := dataflow.ParseDecimal(s)
	if errors.Is(err, dataflow.ErrNotDecimal) {
		return nil, c.add("format", "must be "+expected(t), "")
	}
	if err != nil {
		return nil, c.add("format", "must be "+expected(t)+": "+err.Error(), "")
	}
	return c.fit(t, d)
}

// plainDecimal reads digits with or without a point as a coefficient of
// 10^-scale, if that is exact and at most 18 digits long. It is the path that
// money takes.
func plainDecimal(s string, scale int) (coef int64, ok bool) {
	digits, neg := strings.CutPrefix(s, "-")
	if len(digits) == 0 || len(digits) > 18 {
		return 0, false
	}
	after := -1 // digits seen after the point
	for i := range len(digits) {
		b := digits[i]
		switch {
		case b-'0' <= 9:
			coef = coef*10 + int64(b-'0')
			if after >= 0 {
				after++
			}
		case b == '.' && after < 0 && i > 0 && i < len(digits)-1:
			after = 0
		default:
			return 0, false
		}
	}
	after = max(after, 0)
	if after > scale || len(digits)+scale-after > 18 {
		return 0, false
	}
	coef *= pow10[scale-after]
	if neg {
		coef = -coef
	}
	return coef, true
}

var pow10 = func() (p [19]int64) {
	p[0] = 1
	for i := 1; i < len(p); i++ {
		p[i] = p[i-1] * 10
	}
	return p
}()

func decimalOfInt(n int64) dataflow.Decimal { return decimal.New(n, 0) }

// fit brings a decimal to exactly the scale of its type.
func (c *collector) fit(t *dataflow.Type, d dataflow.Decimal) (any, bool) {
	fit, ok := dataflow.FitDecimal(d, t.Precision, t.Scale)
	if ok {
		return fit, true
	}
	if !d.Truncate(int32(t.Scale)).Equal(d) {
		return nil, c.add("precision", "must have at most "+digits(t.Scale)+" after the point",
			"round it first: nothing is rounded silently")
	}
	return nil, c.add("precision", "must have at most "+digits(t.Precision-t.Scale)+" before the point", "")
}

func digits(n int) string {
	if n == 1 {
		return "1 digit"
	}
	return strconv.Itoa(n) + " digits"
}

package value

import (
	"fmt"
	"math/big"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/shopspring/decimal"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Decimal is an exact decimal number in Starlark. It computes with decimals
// and ints, never with floats.
type Decimal struct{ D dataflow.Decimal }

// maxDigits bounds what repeated multiplication can build, before the point
// too: 1e9999999 has one digit until something is added to it. Nothing beyond
// dataflow.MaxDecimalDigits can be stored anyway.
const maxDigits = 400

// quotientDigits is the number of significant digits of a quotient that has
// no exact decimal form.
const quotientDigits = 38

var (
	_ sl.HasBinary  = Decimal{}
	_ sl.HasUnary   = Decimal{}
	_ sl.Comparable = Decimal{}
)

// ParseDecimal makes a Decimal of a string.
func ParseDecimal(s string) (Decimal, error) {
	d, err := dataflow.ParseDecimal(s)
	if err != nil {
		return Decimal{}, fmt.Errorf("decimal(%q): %w", s, err)
	}
	return Decimal{d}, nil
}

// String returns the plain notation: "1.10".
func (d Decimal) String() string { return string(dataflow.AppendDecimal(nil, d.D)) }

// Type returns "decimal".
func (d Decimal) Type() string { return "decimal" }

// Freeze does nothing: a decimal is immutable.
func (d Decimal) Freeze() {}

// Truth reports whether d is not zero.
func (d Decimal) Truth() sl.Bool { return sl.Bool(!d.D.IsZero()) }

// Hash agrees with equality: 1.1 and 1.10 are equal, as are 5.0 and the int 5.
func (d Decimal) Hash() (uint32, error) {
	if d.D.IsInteger() {
		return sl.MakeBigInt(d.D.BigInt()).Hash()
	}
	return sl.String(d.D.String()).Hash() // shopspring's String drops trailing zeros
}

// CompareSameType compares two decimals.
func (d Decimal) CompareSameType(op syntax.Token, y sl.Value, _ int) (bool, error) {
	return threeway(op, d.D.Cmp(y.(Decimal).D)), nil
}

// Unary implements + and -.
func (d Decimal) Unary(op syntax.Token) (sl.Value, error) {
	switch op {
	case syntax.PLUS:
		return d, nil
	case syntax.MINUS:
		return Decimal{d.D.Neg()}, nil
	}
	return nil, nil
}

// Binary implements + - * / // % with decimals and ints.
func (d Decimal) Binary(op syntax.Token, y sl.Value, side sl.Side) (sl.Value, error) {
	if _, ok := y.(sl.Float); ok {
		return nil, fmt.Errorf(`decimal %s float: a float is not exact; write decimal("0.2") instead of 0.2`, op)
	}
	other, ok := asDecimal(y)
	if !ok {
		if s, isText := y.(sl.String); isText && op != syntax.PERCENT && op != syntax.IN {
			return nil, fmt.Errorf("decimal %s string: write decimal(%s)", op, s.String())
		}
		return nil, nil
	}
	a, b := d.D, other
	if side == sl.Right {
		a, b = b, a
	}
	r, err := arithmetic(op, a, b)
	if err != nil || r == nil {
		return nil, err
	}
	if max(r.NumDigits(), int(r.Exponent()), -int(r.Exponent())) > maxDigits {
		return nil, fmt.Errorf("decimal %s decimal: the result has more than %d digits", op, maxDigits)
	}
	return Decimal{*r}, nil
}

// arithmetic returns nil for an operator that decimals don't have.
func arithmetic(op syntax.Token, a, b dataflow.Decimal) (*dataflow.Decimal, error) {
	var r dataflow.Decimal
	switch op {
	case syntax.PLUS:
		r = a.Add(b)
	case syntax.MINUS:
		r = a.Sub(b)
	case syntax.STAR:
		r = a.Mul(b)
	case syntax.SLASH, syntax.SLASHSLASH, syntax.PERCENT:
		if b.IsZero() {
			return nil, fmt.Errorf("decimal %s by zero", map[syntax.Token]string{
				syntax.SLASH: "division", syntax.SLASHSLASH: "floored division", syntax.PERCENT: "modulo"}[op])
		}
		switch op {
		case syntax.SLASH:
			r = quotient(a, b)
		case syntax.SLASHSLASH:
			r = floorDiv(a, b)
		default: // the sign of the divisor, as for ints
			r = a.Sub(floorDiv(a, b).Mul(b))
		}
	default:
		return nil, nil
	}
	return &r, nil
}

// quotient divides to quotientDigits significant digits, half to even. An
// exact quotient keeps no needless zeros.
func quotient(a, b dataflow.Decimal) dataflow.Decimal {
	whole := a.Coefficient().BitLen() - b.Coefficient().BitLen()
	magnitude := int32(float64(whole)*0.30103) + a.Exponent() - b.Exponent()
	places := max(quotientDigits-magnitude, 0)
	q := a.DivRound(b, places+2).RoundBank(places)
	c, exp := q.Coefficient(), q.Exponent()
	ten, rem := big.NewInt(10), new(big.Int)
	for exp < 0 && c.Sign() != 0 {
		next, r := new(big.Int).QuoRem(c, ten, rem)
		if r.Sign() != 0 {
			break
		}
		c, exp = next, exp+1
	}
	if c.Sign() == 0 {
		exp = 0
	}
	return decimal.NewFromBigInt(c, exp)
}

func floorDiv(a, b dataflow.Decimal) dataflow.Decimal {
	q, r := a.QuoRem(b, 0)
	if !r.IsZero() && r.IsNegative() != b.IsNegative() {
		q = q.Sub(decimal.NewFromInt(1))
	}
	return q
}

// asDecimal reads a decimal or an int.
func asDecimal(v sl.Value) (dataflow.Decimal, bool) {
	switch v := v.(type) {
	case Decimal:
		return v.D, true
	case sl.Int:
		if i, ok := v.Int64(); ok {
			return decimal.NewFromInt(i), true
		}
		return decimal.NewFromBigInt(v.BigInt(), 0), true
	}
	return dataflow.Decimal{}, false
}

func threeway(op syntax.Token, cmp int) bool {
	switch op {
	case syntax.EQL:
		return cmp == 0
	case syntax.NEQ:
		return cmp != 0
	case syntax.LE:
		return cmp <= 0
	case syntax.LT:
		return cmp < 0
	case syntax.GE:
		return cmp >= 0
	}
	return cmp > 0
}

// Compare is starlark.Compare that also compares decimals with ints, which
// Starlark gives a type of ours no way to say: of two types it calls every
// pair unequal and unordered. The loader compiles comparisons to it.
func Compare(op syntax.Token, x, y sl.Value) (bool, error) {
	switch x := x.(type) {
	case Decimal:
		switch y := y.(type) {
		case sl.Int:
			d, _ := asDecimal(y)
			return threeway(op, x.D.Cmp(d)), nil
		case sl.Float:
			return false, errFloat(op)
		}
	case sl.Int:
		if y, ok := y.(Decimal); ok {
			d, _ := asDecimal(x)
			return threeway(op, d.Cmp(y.D)), nil
		}
	case sl.Float:
		if _, ok := y.(Decimal); ok {
			return false, errFloat(op)
		}
	}
	return sl.Compare(op, x, y)
}

func errFloat(op syntax.Token) error {
	return fmt.Errorf(`decimal %s float: a float is not exact; write decimal("0.2") instead of 0.2`, op)
}

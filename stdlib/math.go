package stdlib

import (
	"errors"
	"fmt"
	"math"
	"math/big"

	"github.com/flowctl/flowctl/starlark/value"
	"github.com/shopspring/decimal"
	sl "go.starlark.net/starlark"
)

func mathModule() Module {
	return Module{Name: "math", Capability: pure, Doc: "Numbers. Ints and decimals stay exact; floats are floats.", Functions: []Function{
		{Name: "sum", Params: "xs, start = 0", Doc: "The sum of numbers.", Examples: []Example{{`sum([1, decimal("0.5")])`, "1.5"}, {`sum([])`, "0"}}},
		{Name: "mean", Params: "xs", Doc: "The arithmetic mean.", Examples: []Example{{`mean([decimal("1.00"), 2])`, "1.5"}}},
		{Name: "clamp", Params: "x, low, high", Doc: "The number, or the bound it lies beyond.", Examples: []Example{{`clamp(12, 0, 10)`, "10"}}},
		{Name: "sign", Params: "x", Doc: "-1, 0 or 1.", Examples: []Example{{`sign(decimal("-0.1"))`, "-1"}}},
		{Name: "round", Params: "x, places = 0", Doc: "Rounds, a half to the even neighbour. A decimal stays a decimal; without places a float becomes an int.", call: round, Examples: []Example{{`round(2.5)`, "2"}, {`round(decimal("1.005"), 2)`, "1.00"}, {`round(1.25, 1)`, "1.2"}}},
		{Name: "floor", Params: "x", Doc: "The largest int that is not larger.", call: toInt(math.Floor, decimal.Decimal.Floor), Examples: []Example{{`floor(decimal("-1.5"))`, "-2"}, {`floor(1.5)`, "1"}}},
		{Name: "ceil", Params: "x", Doc: "The smallest int that is not smaller.", call: toInt(math.Ceil, decimal.Decimal.Ceil), Examples: []Example{{`ceil(decimal("1.2"))`, "2"}}},
		{Name: "pow", Params: "x, n", Doc: "x to the power n: exact for an int or a decimal and a whole n that is not negative.", call: pow, Examples: []Example{{`pow(2, 62)`, "4611686018427387904"}, {`pow(decimal("1.1"), 2)`, "1.21"}, {`pow(2, -1)`, "0.5"}}},
		{Name: "sqrt", Params: "x", Doc: "The square root, as a float.", call: floatFunc(math.Sqrt), Examples: []Example{{`sqrt(2)`, "1.4142135623730951"}}},
		{Name: "exp", Params: "x", Doc: "e to the power x, as a float.", call: floatFunc(math.Exp), Examples: []Example{{`exp(0)`, "1.0"}}},
		{Name: "log", Params: "x", Doc: "The natural logarithm, as a float.", call: floatFunc(math.Log), Examples: []Example{{`log(1)`, "0.0"}}},
		{Name: "log10", Params: "x", Doc: "The logarithm to base 10, as a float.", call: floatFunc(math.Log10), Examples: []Example{{`log10(1000)`, "3.0"}}},
		{Name: "gcd", Params: "a, b", Doc: "The greatest common divisor of two ints.", call: gcd, Examples: []Example{{`gcd(12, 18)`, "6"}}},
		{Name: "pi", Doc: "π, as a float.", constant: sl.Float(math.Pi), Examples: []Example{{`pi`, "3.141592653589793"}}},
	}}
}

func asFloat(fn string, v sl.Value) (float64, error) {
	switch v := v.(type) {
	case sl.Float:
		return float64(v), nil
	case sl.Int:
		return float64(v.Float()), nil
	case value.Decimal:
		f, _ := v.D.Float64()
		return f, nil
	}
	return 0, fmt.Errorf("%s: want a number, not %s", fn, v.Type())
}

func finite(fn string, f float64) (sl.Value, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, fmt.Errorf("%s: there is no such number", fn)
	}
	return sl.Float(f), nil
}

func floatFunc(f func(float64) float64) goFunc {
	return func(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		var x sl.Value
		if err := sl.UnpackArgs(b.Name(), args, kwargs, "x", &x); err != nil {
			return nil, err
		}
		v, err := asFloat(b.Name(), x)
		if err != nil {
			return nil, err
		}
		return finite(b.Name(), f(v))
	}
}

func toInt(ofFloat func(float64) float64, ofDecimal func(decimal.Decimal) decimal.Decimal) goFunc {
	return func(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		var x sl.Value
		if err := sl.UnpackArgs(b.Name(), args, kwargs, "x", &x); err != nil {
			return nil, err
		}
		if d, ok := x.(value.Decimal); ok {
			return sl.MakeBigInt(ofDecimal(d.D).BigInt()), nil
		}
		f, err := asFloat(b.Name(), x)
		if err != nil {
			return nil, err
		}
		return sl.NumberToInt(sl.Float(ofFloat(f)))
	}
}

func round(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var x sl.Value
	var places sl.Value = sl.None
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "x", &x, "places?", &places); err != nil {
		return nil, err
	}
	n := 0
	if places != sl.None {
		var err error
		if n, err = sl.AsInt32(places); err != nil || n < 0 || n > 30 {
			return nil, fmt.Errorf("%s: places is from 0 to 30", b.Name())
		}
	}
	switch x := x.(type) {
	case sl.Int:
		return x, nil
	case value.Decimal:
		return value.Decimal{D: withPlaces(x.D.RoundBank(int32(n)), n)}, nil
	case sl.Float:
		if places == sl.None {
			return sl.NumberToInt(sl.Float(math.RoundToEven(float64(x))))
		}
		if math.IsNaN(float64(x)) || math.IsInf(float64(x), 0) {
			return x, nil
		}
		f, _ := decimal.NewFromFloat(float64(x)).RoundBank(int32(n)).Float64()
		return sl.Float(f), nil
	}
	return nil, fmt.Errorf("%s: want a number, not %s", b.Name(), x.Type())
}

// maxPowBits and maxPowDigits bound an exact power, which could fill the
// memory. They bound the exponent too: a product with it must not overflow.
const (
	maxPowBits   = 1 << 12
	maxPowDigits = 380
)

func pow(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var x, n sl.Value
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "x", &x, "n", &n); err != nil {
		return nil, err
	}
	exp, whole := n.(sl.Int)
	if times, ok := exp.Int64(); whole && ok && times >= 0 {
		switch x := x.(type) {
		case sl.Int:
			base := x.BigInt()
			if base.BitLen() > 1 && (times > maxPowBits || int64(base.BitLen())*times > maxPowBits) {
				return nil, errTooLarge(b)
			}
			return sl.MakeBigInt(base.Exp(base, big.NewInt(times), nil)), nil
		case value.Decimal:
			size := int64(max(x.D.NumDigits(), int(x.D.Exponent()), -int(x.D.Exponent())))
			if times > maxPowDigits || size*times > maxPowDigits {
				return nil, errTooLarge(b)
			}
			out := decimal.NewFromInt(1)
			for range times {
				out = out.Mul(x.D)
			}
			return value.Decimal{D: out}, nil
		}
	}
	fx, err := asFloat(b.Name(), x)
	if err != nil {
		return nil, err
	}
	fn, err := asFloat(b.Name(), n)
	if err != nil {
		return nil, err
	}
	return finite(b.Name(), math.Pow(fx, fn))
}

func errTooLarge(b *sl.Builtin) error {
	return fmt.Errorf("%s: %w", b.Name(), errors.New("the result is too large"))
}

func gcd(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var x, y sl.Int
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "a", &x, "b", &y); err != nil {
		return nil, err
	}
	return sl.MakeBigInt(new(big.Int).GCD(nil, nil, new(big.Int).Abs(x.BigInt()), new(big.Int).Abs(y.BigInt()))), nil
}

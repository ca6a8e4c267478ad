package stdlib

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/value"
	"github.com/shopspring/decimal"
	sl "go.starlark.net/starlark"
)

// maxPlaces bounds the decimals a rounding keeps.
const maxPlaces = dataflow.MaxDecimalDigits

func moneyMembers() sl.StringDict {
	return dict(
		builtin("to_decimal", func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
			var v sl.Value
			if err := sl.UnpackArgs(b.Name(), args, kwargs, "amount", &v); err != nil {
				return nil, err
			}
			return toDecimal(v)
		}),
		builtin("to_int", func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
			var d value.Decimal
			if err := sl.UnpackArgs(b.Name(), args, kwargs, "amount", &d); err != nil {
				return nil, err
			}
			return sl.MakeBigInt(d.D.BigInt()), nil
		}),
		builtin("round_decimal", roundDecimal),
	)
}

func toDecimal(v sl.Value) (sl.Value, error) {
	switch v := v.(type) {
	case value.Decimal:
		return v, nil
	case sl.Int:
		return value.Decimal{D: decimal.NewFromBigInt(v.BigInt(), 0)}, nil
	case sl.String:
		return value.ParseDecimal(string(v))
	case sl.Float:
		return nil, fmt.Errorf("an amount of money can't be the float %s: it is not exact; write decimal(%q)", v, v.String())
	}
	return nil, fmt.Errorf("an amount of money is a decimal, an int or a string of digits, not a %s", v.Type())
}

func roundDecimal(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var d value.Decimal
	var places int
	var mode string
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "amount", &d, "places", &places, "mode", &mode); err != nil {
		return nil, err
	}
	if places < 0 || places > maxPlaces {
		return nil, fmt.Errorf("places is from 0 to %d, not %d", maxPlaces, places)
	}
	p := int32(places)
	var r dataflow.Decimal
	switch mode {
	case "half_even":
		r = d.D.RoundBank(p)
	case "half_up":
		r = d.D.Round(p)
	default:
		r = d.D.Truncate(p)
	}
	// Written out to all its places, as amounts are: 5 is 5.00.
	padded, ok := dataflow.FitDecimal(r, 10*dataflow.MaxDecimalDigits, places)
	if !ok {
		return nil, fmt.Errorf("%s has too many digits", d)
	}
	return value.Decimal{D: padded}, nil
}

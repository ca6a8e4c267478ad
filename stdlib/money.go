package stdlib

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/value"
	"github.com/shopspring/decimal"
	sl "go.starlark.net/starlark"
)

func moneyModule() Module {
	return Module{Name: "money", Capability: pure, Doc: "Amounts of money, as decimals: rounding that is said, shares that add up.", Functions: []Function{
		{Name: "cents", Params: "amount", Doc: "The amount in cents, as an int. More than two decimals are an error.", Examples: []Example{
			{`cents(decimal("12.50"))`, "1250"}, {`cents("0.07")`, "7"}}},
		{Name: "from_cents", Params: "n", Doc: "The amount of so many cents.", Examples: []Example{
			{`from_cents(1250)`, "12.50"}, {`from_cents(-7)`, "-0.07"}}},
		{Name: "percent", Params: "amount, rate", Doc: "So many percent of the amount, exactly: round it to store it.", Examples: []Example{
			{`percent(decimal("80.00"), 19)`, "15.2"}}},
		{Name: "round_half_even", Params: "amount, places = 2", Doc: "Rounds to so many places; a half goes to the even neighbour (bankers' rounding).", call: rounding(decimal.Decimal.RoundBank), Examples: []Example{
			{`round_half_even(decimal("2.345"))`, "2.34"}, {`round_half_even(decimal("2.355"))`, "2.36"}, {`round_half_even(decimal("2.5"), 0)`, "2"}, {`round_half_even(decimal("7"))`, "7.00"}}},
		{Name: "round_half_up", Params: "amount, places = 2", Doc: "Rounds to so many places; a half goes away from zero.", call: rounding(decimal.Decimal.Round), Examples: []Example{
			{`round_half_up(decimal("2.345"))`, "2.35"}, {`round_half_up(decimal("-2.5"), 0)`, "-3"}}},
		{Name: "round_down", Params: "amount, places = 2", Doc: "Cuts off what is behind so many places.", call: rounding(decimal.Decimal.RoundDown), Examples: []Example{
			{`round_down(decimal("2.349"))`, "2.34"}, {`round_down(decimal("-2.349"))`, "-2.34"}}},
		{Name: "round_up", Params: "amount, places = 2", Doc: "Rounds away from zero to so many places.", call: rounding(decimal.Decimal.RoundUp), Examples: []Example{
			{`round_up(decimal("2.341"))`, "2.35"}}},
		{Name: "allocate", Params: "amount, weights, places = 2", Doc: "Splits an amount by weights into shares that add up to it: no cent is lost or made.", Examples: []Example{
			{`allocate(decimal("10.00"), [1, 1, 1])`, "[3.34, 3.33, 3.33]"}, {`allocate(decimal("0.05"), [3, 7])`, "[0.02, 0.03]"}, {`allocate(decimal("-1.00"), [1, 2])`, "[-0.33, -0.67]"}}},
	}}
}

// rounding makes a builtin of one of decimal's ways to round. The result has
// exactly the places asked for.
func rounding(round func(decimal.Decimal, int32) decimal.Decimal) goFunc {
	return func(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		var amount sl.Value
		places := 2
		if err := sl.UnpackArgs(b.Name(), args, kwargs, "amount", &amount, "places?", &places); err != nil {
			return nil, err
		}
		d, err := number(b.Name(), amount)
		if err != nil {
			return nil, err
		}
		if places < 0 || places > dataflow.MaxDecimalDigits {
			return nil, fmt.Errorf("%s: places is from 0 to %d", b.Name(), dataflow.MaxDecimalDigits)
		}
		return value.Decimal{D: withPlaces(round(d, int32(places)), places)}, nil
	}
}

// withPlaces writes d, which has at most so many places, with all of them.
func withPlaces(d decimal.Decimal, places int) decimal.Decimal {
	if missing := int32(places) + d.Exponent(); missing > 0 {
		return decimal.NewFromBigInt(d.Shift(int32(places)).BigInt(), -int32(places))
	}
	return d
}

// number reads a decimal or an int; a float is refused.
func number(fn string, v sl.Value) (decimal.Decimal, error) {
	switch v := v.(type) {
	case value.Decimal:
		return v.D, nil
	case sl.Int:
		return decimal.NewFromBigInt(v.BigInt(), 0), nil
	case sl.Float:
		return decimal.Decimal{}, fmt.Errorf(`%s: a float is not exact; write decimal("%s")`, fn, v)
	}
	return decimal.Decimal{}, fmt.Errorf("%s: want a decimal or an int, not %s", fn, v.Type())
}

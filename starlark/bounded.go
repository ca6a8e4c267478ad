package starlark

import (
	"fmt"

	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// What one step of Starlark can make is bounded by these, so that the limits
// on steps bound the memory and the time of a call too. (The interpreter's own
// bound is a gigabyte.)
const (
	maxRangeLen   = DefaultCallMaxSteps // of what a loop could go through
	maxRepeatText = 10_000_000          // bytes
	maxRepeatList = 1_000_000           // items
	maxIntBits    = 1 << 16
)

// rangeOf is Starlark's range, of no more numbers than a loop can go through:
// builtins such as list and sorted go through them in one step.
func rangeOf(thread *sl.Thread, _ *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	r, err := sl.Universe["range"].(*sl.Builtin).CallInternal(thread, args, kwargs)
	if err != nil {
		return nil, err
	}
	if n := sl.Len(r); n < 0 || n > maxRangeLen { // negative where the length overflowed
		return nil, fmt.Errorf("range: more than %d numbers, which no loop gets through", int64(maxRangeLen))
	}
	return r, nil
}

// times is what x * y is compiled to.
func times(_ *sl.Thread, _ *sl.Builtin, a sl.Tuple, _ []sl.Tuple) (sl.Value, error) {
	x, y := a[0], a[1]
	n, ok := y.(sl.Int)
	other := x
	if !ok {
		if n, ok = x.(sl.Int); ok {
			other = y
		}
	}
	if ok {
		if err := checkProduct(other, n); err != nil {
			return nil, err
		}
	}
	return sl.Binary(syntax.STAR, x, y)
}

// checkProduct refuses v * n where that is too large.
func checkProduct(v sl.Value, n sl.Int) error {
	most, what := 0, ""
	switch v := v.(type) {
	case sl.Int:
		if _, small := v.Int64(); small {
			return nil
		}
		if bits := v.BigInt().BitLen() + n.BigInt().BitLen(); bits > maxIntBits {
			return fmt.Errorf("int * int: the result has more than %d bits", maxIntBits)
		}
		return nil
	case sl.String, sl.Bytes:
		most, what = maxRepeatText, "bytes"
	case *sl.List, sl.Tuple:
		most, what = maxRepeatList, "items"
	default:
		return nil
	}
	length := sl.Len(v)
	times, fits := n.Int64()
	if length > 0 && (!fits && n.Sign() > 0 || times > int64(most/length)) {
		return fmt.Errorf("%s * int: the result has more than %d %s", v.Type(), most, what)
	}
	return nil
}

package starlark

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/flowctl/flowctl/starlark/value"
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

// listItem is what an item takes in a list, in bytes.
const listItem = 16

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

// plus is what x + y is compiled to.
func plus(thread *sl.Thread, _ *sl.Builtin, a sl.Tuple, _ []sl.Tuple) (sl.Value, error) {
	x, y := a[0], a[1]
	switch x := x.(type) {
	case sl.String:
		if y, ok := y.(sl.String); ok {
			if len(x)+len(y) > maxRepeatText {
				return nil, value.TooLarge("string + string", maxRepeatText)
			}
			value.Charge(thread, len(x)+len(y))
		}
	case sl.Bytes:
		if y, ok := y.(sl.Bytes); ok {
			if len(x)+len(y) > maxRepeatText {
				return nil, value.TooLarge("bytes + bytes", maxRepeatText)
			}
			value.Charge(thread, len(x)+len(y))
		}
	case *sl.List, sl.Tuple:
		if n := sl.Len(x) + max(0, sl.Len(y)); n > maxRepeatList {
			return nil, fmt.Errorf("%s + %s: the result has more than %d items", x.Type(), y.Type(), maxRepeatList)
		} else {
			value.Charge(thread, n*listItem)
		}
	}
	return sl.Binary(syntax.PLUS, x, y)
}

// extended is what y in x += y is compiled to. It counts what is added.
func extended(thread *sl.Thread, _ *sl.Builtin, a sl.Tuple, _ []sl.Tuple) (sl.Value, error) {
	switch y := a[0].(type) {
	case sl.String, sl.Bytes:
		if sl.Len(y) > maxRepeatText {
			return nil, value.TooLarge(y.Type()+" + "+y.Type(), maxRepeatText)
		}
		value.Charge(thread, sl.Len(y))
	case *sl.List, sl.Tuple:
		if sl.Len(y) > maxRepeatList {
			return nil, fmt.Errorf("%s + %s: the result has more than %d items", y.Type(), y.Type(), maxRepeatList)
		}
		value.Charge(thread, sl.Len(y)*listItem)
	}
	return a[0], nil
}

// formatted is what x % y is compiled to.
func formatted(thread *sl.Thread, _ *sl.Builtin, a sl.Tuple, _ []sl.Tuple) (sl.Value, error) {
	if x, ok := a[0].(sl.String); ok {
		n := len(x) + value.Weigh(a[1], maxRepeatText)
		if n > maxRepeatText {
			return nil, value.TooLarge("string % value", maxRepeatText)
		}
		value.Charge(thread, n)
	}
	return sl.Binary(syntax.PERCENT, a[0], a[1])
}

// method is what x.join(…) and the like are compiled to: x, the name, and the
// arguments.
func method(thread *sl.Thread, _ *sl.Builtin, a sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	x, name, args := a[0], string(a[1].(sl.String)), a[2:]
	n := 0
	switch x := x.(type) {
	case sl.String:
		n = made(string(x), name, args, kwargs)
	case *sl.List:
		if name == "extend" && len(args) == 1 {
			n = (x.Len() + max(0, sl.Len(args[0]))) * listItem
			if n > maxRepeatList*listItem {
				return nil, fmt.Errorf("list.extend: the list has more than %d items", maxRepeatList)
			}
			n -= x.Len() * listItem
		}
	}
	if n > maxRepeatText && name != "extend" {
		return nil, value.TooLarge("string."+name, maxRepeatText)
	}
	value.Charge(thread, n)
	holder, ok := x.(sl.HasAttrs)
	if !ok {
		return nil, fmt.Errorf("%s has no .%s field or method", x.Type(), name)
	}
	fn, err := holder.Attr(name)
	if err != nil {
		return nil, err
	}
	if fn == nil {
		return nil, fmt.Errorf("%s has no .%s field or method", x.Type(), name)
	}
	return sl.Call(thread, fn, args, kwargs)
}

// made is how long the text is that a method of s makes, or longer.
func made(s, name string, args sl.Tuple, kwargs []sl.Tuple) int {
	switch name {
	case "join":
		if len(args) == 1 {
			return value.Weigh(args[0], maxRepeatText) + len(s)*max(0, sl.Len(args[0]))
		}
	case "replace":
		if len(args) >= 2 {
			before, ok1 := sl.AsString(args[0])
			after, ok2 := sl.AsString(args[1])
			if !ok1 || !ok2 || len(after) <= len(before) {
				return len(s)
			}
			times := utf8.RuneCountInString(s) + 1
			if before != "" {
				times = strings.Count(s, before)
			}
			return len(s) + times*(len(after)-len(before))
		}
	case "format":
		all, longest := 0, 0
		for _, v := range args {
			n := value.Weigh(v, maxRepeatText)
			all, longest = all+n, max(longest, n)
		}
		for _, kv := range kwargs {
			n := value.Weigh(kv[1], maxRepeatText)
			all, longest = all+n, max(longest, n)
		}
		return len(s) + max(all, longest*strings.Count(s, "{")) // a field may be used again
	}
	return 0
}

// writtenOut is str or repr, of what is not too long when it is written.
func writtenOut(name string) func(*sl.Thread, *sl.Builtin, sl.Tuple, []sl.Tuple) (sl.Value, error) {
	return func(thread *sl.Thread, _ *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		if err := writable(thread, name, args); err != nil {
			return nil, err
		}
		return sl.Universe[name].(*sl.Builtin).CallInternal(thread, args, kwargs)
	}
}

func writable(thread *sl.Thread, name string, args sl.Tuple) error {
	n := value.Weigh(args, maxRepeatText)
	if n > maxRepeatText {
		return value.TooLarge(name, maxRepeatText)
	}
	if n > 1024 { // a number or a name is a step as it is
		value.Charge(thread, n)
	}
	return nil
}

// printed is Starlark's print, of what is not too long.
func printed(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	if err := writable(thread, b.Name(), args); err != nil {
		return nil, err
	}
	return sl.Universe["print"].(*sl.Builtin).CallInternal(thread, args, kwargs)
}

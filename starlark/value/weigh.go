package value

import (
	"fmt"

	sl "go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// Values may share parts: a list of a million references to one long text takes
// little memory, until it is written out. What writes one out asks first how
// much it would write.

// MaxWritten bounds what one value may be when it is written out, in bytes.
const MaxWritten = 64 << 20

// Weigh estimates how many bytes a value is when it is written out, no further
// than a little beyond most.
func Weigh(v sl.Value, most int) int {
	w := scale{left: most}
	w.add(v)
	return most - w.left
}

// scale stops when nothing is left: what it looks at is bounded by that, however
// often values share parts.
type scale struct{ left, depth int }

// maxWeighed is how deep it looks: a list may hold itself. What shares parts is
// heavy long before.
const maxWeighed = 200

// perValue is what a value takes beside its text.
const perValue = 8

func (w *scale) add(v sl.Value) {
	if w.left < 0 || w.depth > maxWeighed {
		return
	}
	w.left -= perValue
	w.depth++
	defer func() { w.depth-- }()
	switch v := v.(type) {
	case sl.String:
		w.left -= len(v)
	case sl.Bytes:
		w.left -= len(v)
	case sl.Int:
		if _, small := v.Int64(); !small {
			w.left -= v.BigInt().BitLen() / 3
		}
	case *sl.List:
		for i := 0; i < v.Len() && w.left >= 0; i++ {
			w.add(v.Index(i))
		}
	case sl.Tuple:
		for i := 0; i < len(v) && w.left >= 0; i++ {
			w.add(v[i])
		}
	case *sl.Dict:
		for k, e := range sl.Entries(v) {
			if w.left < 0 {
				return
			}
			w.add(k)
			w.add(e)
		}
	case *sl.Set:
		for e := range sl.Elements(v) {
			if w.left < 0 {
				return
			}
			w.add(e)
		}
	case *starlarkstruct.Struct:
		for _, name := range v.AttrNames() {
			if e, err := v.Attr(name); err == nil {
				w.add(sl.String(name))
				w.add(e)
			}
		}
	}
}

// bytesPerStep is how many bytes that are made count as a step.
const bytesPerStep = 32

// Charge counts bytes that a function is about to make as steps of it, so that
// the bound of those bounds its memory.
func Charge(thread *sl.Thread, bytes int) {
	thread.Steps += uint64(bytes) / bytesPerStep
}

// TooLarge is the error for what would be larger than that.
func TooLarge(what string, most int) error {
	return fmt.Errorf("%s: the result has more than %d bytes", what, most)
}

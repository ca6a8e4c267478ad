package stdlib

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"math/big"
	"math/bits"
	mathrand "math/rand/v2"
	"slices"

	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
)

// Bounds of what one call gives.
const (
	maxDigits     = 64
	maxTokenBytes = 1024
	maxShuffled   = 100_000
)

func randomModule() Module {
	return Module{Name: "random", Capability: chance, Doc: "Chance, in handlers: the first argument is the handler's `ctx`, for functions elsewhere give the same each time. " +
		"It can't be foretold, so it is good for secrets.", Functions: []Function{
		{Name: "uuid", Params: "ctx", Doc: "A random UUID (version 4).", call: randomUUID},
		{Name: "token", Params: "ctx, bytes = 32", Doc: "A secret of so many random bytes (16 to 1024), as text that may stand in an address: 43 characters for 32 bytes.", call: randomToken},
		{Name: "digits", Params: "ctx, n = 6", Doc: "A text of n random digits (at most 64), for codes that people type.", call: randomDigits},
		{Name: "int", Params: "ctx, low, high", Doc: "A whole number from low to high, both among them, each as likely.", call: randomInt},
		{Name: "float", Params: "ctx", Doc: "A float from 0 up to, but not, 1.", call: randomFloat},
		{Name: "choice", Params: "ctx, items", Doc: "One of the items of a list.", call: randomChoice},
		{Name: "shuffle", Params: "ctx, items", Doc: "A new list of the items (at most 100,000) in any order.", call: randomShuffle},
	}}
}

// recorded is a function whose first argument is the ctx of a handler: what it
// gives is recorded in a run that is kept. prepare checks the other arguments
// and returns what draws.
func recorded(b *sl.Builtin, thread *sl.Thread, args sl.Tuple, prepare func(rest sl.Tuple) (func() (sl.Value, error), error)) (sl.Value, error) {
	var first sl.Value = sl.None
	if len(args) > 0 {
		first, args = args[0], args[1:]
	}
	ctx, ok := first.(*value.Ctx)
	if !ok {
		return nil, fmt.Errorf("%s: the first argument is the ctx of a handler, not a %s: there is no chance elsewhere", b.Name(), first.Type())
	}
	draw, err := prepare(args)
	if err != nil {
		return nil, err
	}
	return ctx.Record(thread, b.Name(), func(context.Context) (sl.Value, error) { return draw() })
}

func randomUUID(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	return recorded(b, thread, args, func(rest sl.Tuple) (func() (sl.Value, error), error) {
		return newUUID, sl.UnpackArgs(b.Name(), rest, kwargs)
	})
}

func newUUID() (sl.Value, error) {
	u := randomBytes(16)
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80 // RFC 9562, 5.4
	return sl.String(fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])), nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

func randomToken(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	return recorded(b, thread, args, func(rest sl.Tuple) (func() (sl.Value, error), error) {
		n := 32
		if err := sl.UnpackArgs(b.Name(), rest, kwargs, "bytes?", &n); err != nil {
			return nil, err
		}
		if n < 16 || n > maxTokenBytes {
			return nil, fmt.Errorf("%s: bytes is from 16, below which secrets can be guessed, to %d", b.Name(), maxTokenBytes)
		}
		return func() (sl.Value, error) {
			return sl.String(base64.RawURLEncoding.EncodeToString(randomBytes(n))), nil
		}, nil
	})
}

func randomDigits(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	return recorded(b, thread, args, func(rest sl.Tuple) (func() (sl.Value, error), error) {
		n := 6
		if err := sl.UnpackArgs(b.Name(), rest, kwargs, "n?", &n); err != nil {
			return nil, err
		}
		if n < 1 || n > maxDigits {
			return nil, fmt.Errorf("%s: n is from 1 to %d", b.Name(), maxDigits)
		}
		return func() (sl.Value, error) {
			d := draw(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil))
			return sl.String(fmt.Sprintf("%0*s", n, d)), nil
		}, nil
	})
}

// draw returns a whole number from 0 up to, but not, n, which is positive.
func draw(n *big.Int) *big.Int {
	d, _ := rand.Int(rand.Reader, n) // never fails, as rand.Read
	return d
}

func randomInt(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	return recorded(b, thread, args, func(rest sl.Tuple) (func() (sl.Value, error), error) {
		var low, high int64
		if err := sl.UnpackArgs(b.Name(), rest, kwargs, "low", &low, "high", &high); err != nil {
			return nil, err
		}
		if low > high {
			return nil, fmt.Errorf("%s: there is no number from %d to %d", b.Name(), low, high)
		}
		from := big.NewInt(low)
		n := new(big.Int).Sub(big.NewInt(high), from)
		n.Add(n, big.NewInt(1))
		return func() (sl.Value, error) { return sl.MakeBigInt(new(big.Int).Add(from, draw(n))), nil }, nil
	})
}

func randomFloat(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	return recorded(b, thread, args, func(rest sl.Tuple) (func() (sl.Value, error), error) {
		return func() (sl.Value, error) {
			const digits = 1 << 53 // as many as a float can tell apart
			return sl.Float(float64(draw(big.NewInt(digits)).Int64()) / digits), nil
		}, sl.UnpackArgs(b.Name(), rest, kwargs)
	})
}

func randomChoice(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var items []sl.Value
	at, err := recorded(b, thread, args, func(rest sl.Tuple) (func() (sl.Value, error), error) {
		var err error
		if items, err = itemsOf(b, rest, kwargs); err == nil && len(items) == 0 {
			err = fmt.Errorf("%s: there are no items", b.Name())
		}
		return func() (sl.Value, error) { return sl.MakeBigInt(draw(big.NewInt(int64(len(items))))), nil }, err
	})
	if err != nil {
		return nil, err
	}
	// The place is what is recorded: the item may be large.
	i, err := sl.AsInt32(at)
	if err != nil || i >= len(items) {
		return nil, fmt.Errorf("%s: the list is another than when it was drawn from", b.Name())
	}
	return items[i], nil
}

func randomShuffle(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var items []sl.Value
	seed, err := recorded(b, thread, args, func(rest sl.Tuple) (func() (sl.Value, error), error) {
		var err error
		items, err = itemsOf(b, rest, kwargs)
		if len(items) > maxShuffled {
			return nil, fmt.Errorf("%s: more than %d items", b.Name(), maxShuffled)
		}
		return func() (sl.Value, error) { return sl.Bytes(randomBytes(32)), nil }, err
	})
	if err != nil {
		return nil, err
	}
	// The seed is what is recorded, for it is smaller than the list. What comes of
	// it never changes: a run may go on with a later version of the program.
	var key [32]byte
	raw, _ := seed.(sl.Bytes)
	copy(key[:], raw)
	source := mathrand.NewChaCha8(key)
	for i := len(items) - 1; i > 0; i-- {
		j, _ := bits.Mul64(source.Uint64(), uint64(i+1)) // of 0 to i
		items[i], items[j] = items[j], items[i]
	}
	return sl.NewList(items), nil
}

// itemsOf is a copy of the list that is the only argument left.
func itemsOf(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) ([]sl.Value, error) {
	var v sl.Value
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "items", &v); err != nil {
		return nil, err
	}
	list, ok := v.(sl.Sequence)
	if _, indexed := v.(sl.Indexable); !ok || !indexed {
		return nil, fmt.Errorf("%s: items is a list, not a %s", b.Name(), v.Type())
	}
	return slices.Collect(sl.Elements(list)), nil
}

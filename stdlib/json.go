package stdlib

import (
	"errors"

	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
)

func jsonMembers() sl.StringDict {
	return dict(
		// decode(s) reads JSON text. Numbers a float would alter come as decimals.
		builtin("decode", func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
			var s string
			if err := sl.UnpackArgs(b.Name(), args, kwargs, "s", &s); err != nil {
				return nil, err
			}
			v, problems := codec.ParseJSON([]byte(s), codec.MaxDepth)
			if len(problems) > 0 {
				return nil, errors.New(problems[0].Detail)
			}
			return value.FromGo(v), nil
		}),
		// encode(v) writes JSON text, names in the order they were set.
		builtin("encode", func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
			var v sl.Value
			if err := sl.UnpackArgs(b.Name(), args, kwargs, "v", &v); err != nil {
				return nil, err
			}
			g, err := value.ToGo(v)
			if err != nil {
				return nil, err
			}
			return sl.String(codec.AppendValue(nil, g)), nil
		}),
	)
}

package stdlib

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
)

func jsonModule() Module {
	return Module{Name: "json", Capability: pure, Doc: "JSON text. Numbers keep every digit.", Functions: []Function{
		{Name: "encode", Params: "x", Doc: "The value as compact JSON. Decimals, dates and datetimes become strings, in the order in which a dict holds its keys.", call: encodeJSON, Examples: []Example{
			{`encode({"a": [1, None, True], "b": decimal("1.50")})`, `{"a":[1,null,true],"b":"1.50"}`}}},
		{Name: "decode", Params: "text, default = None", Doc: "The value of JSON text. With a default, text that is no JSON gives that; without, it is an error.", call: decodeJSON, Examples: []Example{
			{`decode('{"a": [1, 2]}')["a"]`, "[1, 2]"}, {`decode("{", default = {})`, "{}"}}},
		{Name: "indent", Params: "text", Doc: "JSON text, laid out for reading.", call: indentJSON, Examples: []Example{
			{`indent('{"a":1}')`, "{\n  \"a\": 1\n}"}}},
	}}
}

func encodeJSON(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var x sl.Value
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "x", &x); err != nil {
		return nil, err
	}
	v, err := value.ToGo(x)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.Name(), err)
	}
	return sl.String(codec.AppendValue(nil, v)), nil
}

func decodeJSON(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var text string
	var dflt sl.Value
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "text", &text, "default?", &dflt); err != nil {
		return nil, err
	}
	v, problems := codec.ParseJSON([]byte(text), codec.MaxDepth)
	switch {
	case len(problems) == 0:
		return value.FromGo(v), nil
	case dflt != nil:
		return dflt, nil
	}
	return nil, fmt.Errorf("%s: %s", b.Name(), problems[0].Detail)
}

func indentJSON(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var text string
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "text", &text); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := json.Indent(&out, []byte(text), "", "  "); err != nil {
		return nil, fmt.Errorf("%s: the text is no JSON", b.Name())
	}
	return sl.String(out.String()), nil
}

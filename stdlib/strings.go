package stdlib

import (
	"strings"
	"unicode"

	"github.com/flowctl/flowctl/dataflow"
	sl "go.starlark.net/starlark"
)

func stringsModule() Module {
	return Module{Name: "strings", Capability: pure, Doc: "Text, beside the methods that strings have: `s.upper()`, `s.split(\",\")`, `s.replace(a, b)`, …", Functions: []Function{
		{Name: "pad_left", Params: `s, width, fill = " "`, Doc: "Fills up on the left to so many characters.", Examples: []Example{{`pad_left("7", 3, "0")`, "007"}}},
		{Name: "pad_right", Params: `s, width, fill = " "`, Doc: "Fills up on the right to so many characters.", Examples: []Example{{`pad_right("né", 4, ".")`, "né.."}}},
		{Name: "truncate", Params: `s, width, end = "…"`, Doc: "Cuts to so many characters, the end among them.", Examples: []Example{{`truncate("a long title", 7)`, "a long…"}, {`truncate("short", 7)`, "short"}}},
		{Name: "is_blank", Params: "s", Doc: "Whether there is nothing but space, or None.", Examples: []Example{{`is_blank(" ")`, "True"}, {`is_blank("a")`, "False"}}},
		{Name: "words", Params: "s", Doc: "The words between spaces.", Examples: []Example{{`words(" a  b ")`, `["a", "b"]`}}},
		{Name: "slug", Params: "s", Doc: "Lower-case letters and digits of ASCII, with hyphens between words, for addresses.", call: oneString(slug), Examples: []Example{{`slug("Blue Shirt, size 2!")`, "blue-shirt-size-2"}}},
		{Name: "snake", Params: "s", Doc: "snake_case of a CamelCase name.", call: oneString(dataflow.SnakeCase), Examples: []Example{{`snake("OrderLine")`, "order_line"}}},
	}}
}

// oneString makes a builtin of a function of one string.
func oneString(f func(string) string) goFunc {
	return func(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		var s string
		if err := sl.UnpackArgs(b.Name(), args, kwargs, "s", &s); err != nil {
			return nil, err
		}
		return sl.String(f(s)), nil
	}
}

func slug(s string) string {
	var b strings.Builder
	gap := false
	for _, r := range strings.ToLower(s) {
		if r >= unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			gap = true
			continue
		}
		if gap && b.Len() > 0 {
			b.WriteByte('-')
		}
		gap = false
		b.WriteRune(r)
	}
	return b.String()
}

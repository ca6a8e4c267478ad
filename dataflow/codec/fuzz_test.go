package codec_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

var seeds = []string{
	orderBody, `{}`, `[]`, `null`, `"\ud83d\ude00"`, `"\ud83d"`, `-0`, `1e5`, `-1.5E-3`, `[1,]`, `{"a":1,"a":2}`,
	`{"a":{"b":[1,2,{"c":"\u0041"}]}}`, "\"\xff\"", `01`, `1.`, `"` + "\x01" + `"`, ` [ 1 , 2 ] `, `123456789012345678901234567890`,
}

// FuzzParseJSON holds ParseJSON to encoding/json: what one takes, the other
// takes, but for what we refuse on purpose; and what was read is what was
// written.
func FuzzParseJSON(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, problems := codec.ParseJSON(data, 1000)
		malformed := len(problems) == 1 && problems[0].Code == codec.Malformed
		if malformed == json.Valid(data) && !(malformed && stricter(data, problems[0])) {
			t.Fatalf("encoding/json takes it: %v; we say %s", json.Valid(data), lines(problems))
		}
		if len(problems) > 0 {
			return
		}
		once := codec.AppendJSON(nil, v)
		again, problems := codec.ParseJSON(once, 1000)
		if len(problems) > 0 {
			t.Fatalf("%s was written as %s: %s", data, once, lines(problems))
		}
		if twice := codec.AppendJSON(nil, again); !bytes.Equal(once, twice) {
			t.Fatalf("%s, then %s", once, twice)
		}
		if !sameAsStandard(data, once) {
			t.Fatalf("%s was written as %s", data, once)
		}
	})
}

// stricter reports whether we refuse text that encoding/json repairs: bytes
// that are no UTF-8, and halves of surrogate pairs.
func stricter(data []byte, p dataflow.Problem) bool {
	return !utf8.Valid(data) || strings.Contains(p.Detail, "escape") && bytes.Contains(bytes.ToLower(data), []byte(`\ud`))
}

// sameAsStandard compares two texts as encoding/json reads them.
func sameAsStandard(a, b []byte) bool {
	var x, y any
	if json.Unmarshal(a, &x) != nil {
		return true // a number beyond a double, which we keep as a decimal
	}
	if json.Unmarshal(b, &y) != nil {
		return false
	}
	p, _ := json.Marshal(x)
	q, _ := json.Marshal(y)
	return bytes.Equal(p, q)
}

// FuzzDecode holds the schema-directed decoder to the general one.
func FuzzDecode(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Add([]byte(`{"total": 1.10, "note": "x", "placed": "2026-01-31T00:00:00+05:30"}`))
	d := decoder(orderFields()...)
	f.Fuzz(func(t *testing.T, data []byte) {
		o, problems := d.Decode(data)
		_, general := codec.ParseJSON(data, codec.MaxDepth)
		malformed := func(ps []dataflow.Problem) bool { return len(ps) == 1 && ps[0].Code == codec.Malformed }
		if malformed(problems) != malformed(general) {
			t.Fatalf("decoded: %s\nparsed: %s", lines(problems), lines(general))
		}
		if len(problems) > 0 {
			return
		}
		text := codec.AppendValue(nil, o)
		again, problems := d.Decode(text)
		if len(problems) > 0 || !bytes.Equal(text, codec.AppendValue(nil, again)) {
			t.Fatalf("%s did not come back: %s", text, lines(problems))
		}
	})
}

// FuzzDecodeMember holds the reading of inputs in one go to the reading of them as
// anything, which is brought into their types afterwards: neither takes what the
// other refuses, and both make the same of it.
func FuzzDecodeMember(f *testing.F) {
	inputs := []dataflow.Type{*dataflow.Int, *dataflow.Float, *money(), *dataflow.Bool, *dataflow.String, *dataflow.Any, *dataflow.JSON,
		*typ(dataflow.KindDate), *typ(dataflow.KindTime), *typ(dataflow.KindDateTime), *typ(dataflow.KindUUID), *typ(dataflow.KindBytes), *typ(dataflow.KindObject),
		*dataflow.ListOf(dataflow.Int), *dataflow.ListOf(typ(dataflow.KindObject)), *dataflow.ListOf(dataflow.Any), *dataflow.ListOf(dataflow.JSON), *enum("x", "y")}
	known := dataflow.Type{Kind: dataflow.KindObject, Fields: []*dataflow.Field{{Name: "a", Type: dataflow.Int}, {Name: "b", Type: dataflow.Any, Optional: true}, {Name: "c", Type: money(), HasDefault: true}}}
	inputs = append(inputs, known, *dataflow.ListOf(&known))
	fields, names := orderFields(), []string(nil)
	for i := range inputs {
		fields = append(fields, &dataflow.Field{Name: fmt.Sprintf("f%d", i), Type: &inputs[i], Optional: i%2 == 0})
	}
	for _, fd := range fields {
		names = append(names, fd.Name)
	}
	shape := dataflow.NewShape(names...)
	d := codec.NewDecoder(shape, fields)
	for _, s := range append(slices.Clone(seeds), orderBody, `{}`, `null`, `[]`) {
		f.Add([]byte(`{"inputs": ` + s + `}`))
		f.Add([]byte(s))
		for i := range inputs {
			f.Add(fmt.Appendf(nil, `{"inputs": {"f%d": %s}}`, i, s))
		}
	}
	for _, v := range []string{"1", "1.0", "-0", "1e2", "1.10", "12345678901234567890", `"1"`, `"1.50"`, `"x"`, "true", `"2026-01-31"`, `"10:00"`, `"2026-01-31T00:00:00+05:30"`,
		`"AAEC"`, `"0190163d-8694-739b-aea5-966c26f8ad91"`, `[1, 2.0]`, `[{"a": 1.0, "b": [null]}]`, `{"b": 1.50, "a": {"c": "\u00e9"}}`, `"a\u0000b"`, `{"a": 1, "a": 2}`, `{"a": 1}`, `[{"a": 1, "c": 1.5, "d": 2}]`, `[null]`} {
		for i := range inputs {
			f.Add(fmt.Appendf(nil, `{"inputs": {"f%d": %s}}`, i, v))
		}
	}
	f.Add([]byte(`{"inputs": {}, "inputs": {}}`))
	f.Add([]byte(`{"inputs": {}, "other": 1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := d.DecodeMember(data, "inputs")
		v, problems := codec.ParseJSON(data, codec.MaxDepth)
		body, _ := v.(*dataflow.Object)
		var want *dataflow.Object
		if len(problems) == 0 && body != nil && body.Len() == 1 {
			in, _ := body.Get("inputs")
			if in, is := in.(*dataflow.Object); is {
				if want, problems = codec.CoerceObject(shape, fields, in, ""); len(problems) > 0 {
					want = nil
				}
			}
		}
		same := func(a, b any) bool { return reflect.TypeOf(a) == reflect.TypeOf(b) && show(a) == show(b) }
		switch {
		case ok != (want != nil):
			t.Fatalf("in one go: %v, in two: %v: %s", ok, want != nil, lines(problems))
		case ok && !slices.EqualFunc(got.Vals(), want.Vals(), same):
			t.Fatalf("in one go %s, in two %s", show(got), show(want))
		}
	})
}

// FuzzFloat holds that a float is written as JSON that reads back the same.
func FuzzFloat(f *testing.F) {
	for _, x := range []float64{0, 1, -1.5, 1e21, 1e-7, math.MaxFloat64, 5e-324, 123456.789e3, math.NaN(), math.Inf(1), math.Inf(-1)} {
		f.Add(x)
	}
	f.Fuzz(func(t *testing.T, x float64) {
		text := codec.AppendFloat(nil, x)
		if math.IsNaN(x) || math.IsInf(x, 0) { // JSON has no such number
			if string(text) != "null" {
				t.Fatalf("%v was written as %s", x, text)
			}
			return
		}
		v, problems := codec.CoerceType(dataflow.Float, must(codec.ParseJSON(text, 1)), "")
		if len(problems) > 0 || v != x || !json.Valid(text) {
			t.Fatalf("%v was written as %s and read as %v", x, text, v)
		}
	})
}

func must(v any, problems []dataflow.Problem) any {
	if len(problems) > 0 {
		panic(lines(problems))
	}
	return v
}

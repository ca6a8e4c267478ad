package codec_test

import (
	"bytes"
	"encoding/json"
	"math"
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

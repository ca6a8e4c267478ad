package access_test

import (
	"encoding/base64"
	"math"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

func decimalOf(precision, scale int) *dataflow.Type {
	return &dataflow.Type{Kind: dataflow.KindDecimal, Precision: precision, Scale: scale}
}

// everything has a field of every type.
func everything() *dataflow.Model {
	kind := func(k dataflow.Kind) *dataflow.Type { return &dataflow.Type{Kind: k} }
	return model("Thing", "things", field("s", dataflow.String, opt), field("i", dataflow.Int, opt), field("f", dataflow.Float, opt), field("b", dataflow.Bool, opt),
		field("whole", decimalOf(38, 0), opt), field("fraction", decimalOf(38, 38), opt), field("money", decimalOf(12, 2), opt), field("digit", decimalOf(1, 1), opt),
		field("at", dataflow.DateTime, opt), field("day", kind(dataflow.KindDate), opt), field("time", kind(dataflow.KindTime), opt), field("u", kind(dataflow.KindUUID), opt),
		field("j", dataflow.JSON, opt), field("raw", kind(dataflow.KindBytes), opt), field("words", dataflow.ListOf(dataflow.String), opt),
		field("table", dataflow.ListOf(dataflow.ListOf(dataflow.Int)), opt), field("prices", dataflow.ListOf(decimalOf(6, 2)), opt), field("moments", dataflow.ListOf(dataflow.DateTime), opt))
}

// TestValuesAtTheEdge: what is taken is found again as it is returned, and
// what is not is refused with the same words, on every engine.
func TestValuesAtTheEdge(t *testing.T) {
	nines := strings.Repeat("9", 38)
	a := open(t, everything())
	for _, tt := range []struct{ field, in, want string }{ // want is what is read; of what is refused, how its problem begins
		{"f", `-0.0`, `0`},
		{"f", `0`, `0`},
		{"f", `1e308`, `1e+308`},
		{"f", `5e-324`, `5e-324`},
		{"f", `1e-400`, `too_large: is a number too large or too fine to keep: a decimal's exponent is within ±38`},
		{"f", `1e400`, `too_large: is a number too large or too fine to keep: a decimal's exponent is within ±38`},
		{"f", `-1e400`, `too_large: is a number too large or too fine to keep: a decimal's exponent is within ±38`},
		{"f", `"NaN"`, `wrong_type: must be a number, not a string`},
		{"f", `"Infinity"`, `wrong_type: must be a number, not a string`},
		{"f", `12345678901234567890`, `12345678901234567000`},
		{"f", `0.1`, `0.1`},
		{"i", `9223372036854775807`, `9223372036854775807`},
		{"i", `-9223372036854775808`, `-9223372036854775808`},
		{"i", `9223372036854775808`, `too_large: must be within the range of 64-bit whole numbers`},
		{"i", `1.0`, `1`},
		{"i", `1e2`, `100`},
		{"i", `1.5`, `wrong_type: must be a whole number`},
		{"i", `-0`, `0`},
		{"whole", `"` + nines + `"`, `"` + nines + `"`},
		{"whole", nines, `"` + nines + `"`},
		{"whole", `"-` + nines + `"`, `"-` + nines + `"`},
		{"whole", `"1` + nines + `"`, `format: must be a decimal number: a decimal has at most 38 digits`},
		{"whole", `"0.5"`, `precision: must have at most 0 digits after the point`},
		{"whole", `"-0"`, `"0"`},
		{"fraction", `"0.` + nines + `"`, `"0.` + nines + `"`},
		{"fraction", `"-0.` + nines + `"`, `"-0.` + nines + `"`},
		{"fraction", `"1"`, `precision: must have at most 0 digits before the point`},
		{"fraction", `"0"`, `"0.` + strings.Repeat("0", 38) + `"`},
		{"fraction", `"1e-38"`, `"0.00000000000000000000000000000000000001"`},
		{"fraction", `1e-38`, `"0.00000000000000000000000000000000000001"`},
		{"digit", `"0.9"`, `"0.9"`},
		{"digit", `"-0.0"`, `"0.0"`},
		{"digit", `"1.0"`, `precision: must have at most 0 digits before the point`},
		{"money", `"0.005"`, `precision: must have at most 2 digits after the point`},
		{"money", `"10.500"`, `"10.50"`},
		{"money", `"NaN"`, `format: must be a decimal number`},
		{"money", `"1e3"`, `"1000.00"`},
		{"money", `" 1"`, `format: must be a decimal number`},
		{"money", `"+1"`, `"1.00"`},
		{"money", `".5"`, `"0.50"`},
		{"at", `"0001-01-01T00:00:00Z"`, `"0001-01-01T00:00:00.000000Z"`},
		{"at", `"9999-12-31T23:59:59.999999Z"`, `"9999-12-31T23:59:59.999999Z"`},
		{"at", `"9999-12-31T23:59:59.9999999Z"`, `"9999-12-31T23:59:59.999999Z"`},
		{"at", `"0000-12-31T00:00:00Z"`, `format: must be a datetime with an offset, as "2026-01-31T12:00:00Z"`},
		{"at", `"10000-01-01T00:00:00Z"`, `format: must be a datetime with an offset, as "2026-01-31T12:00:00Z"`},
		{"at", `"0001-01-01T00:00:00+01:00"`, `format: must be a datetime with an offset, as "2026-01-31T12:00:00Z"`},
		{"at", `"9999-12-31T23:59:59-00:01"`, `format: must be a datetime with an offset, as "2026-01-31T12:00:00Z"`},
		{"at", `"2026-01-31T24:00:00Z"`, `format: must be a datetime with an offset, as "2026-01-31T12:00:00Z"`},
		{"at", `"2026-01-31T23:59:60Z"`, `format: must be a datetime with an offset, as "2026-01-31T12:00:00Z"`},
		{"at", `"2026-02-29T00:00:00Z"`, `format: must be a datetime with an offset, as "2026-01-31T12:00:00Z"`},
		{"at", `"2026-01-31T12:00:00.123456789Z"`, `"2026-01-31T12:00:00.123456Z"`},
		{"at", `"2026-01-31T12:00:00.1234567Z"`, `"2026-01-31T12:00:00.123456Z"`},
		{"at", `"2026-01-31T12:00:00.123456000Z"`, `"2026-01-31T12:00:00.123456Z"`},
		{"at", `"2026-01-31T12:00:00+05:45"`, `"2026-01-31T06:15:00.000000Z"`},
		{"at", `"2026-01-31T12:00:00-12:00"`, `"2026-02-01T00:00:00.000000Z"`},
		{"at", `"2026-01-31T12:00:00+14:00"`, `"2026-01-30T22:00:00.000000Z"`},
		{"at", `"2026-01-31T12:00:00+23:59"`, `"2026-01-30T12:01:00.000000Z"`},
		{"at", `"2026-01-31T12:00:00+24:00"`, `format: must be a datetime with an offset, as "2026-01-31T12:00:00Z"`},
		{"at", `"2026-01-31T12:00:00-00:00"`, `"2026-01-31T12:00:00.000000Z"`},
		{"at", `"2026-01-31T12:00:00"`, `format: must be a datetime with an offset, as "2026-01-31T12:00:00Z"`},
		{"at", `"2026-01-31 12:00:00Z"`, `"2026-01-31T12:00:00.000000Z"`},
		{"at", `"2026-01-31t12:00:00z"`, `"2026-01-31T12:00:00.000000Z"`},
		{"at", `"2026-01-31"`, `format: must be a datetime with an offset, as "2026-01-31T12:00:00Z"`},
		{"at", `1769860800`, `wrong_type: must be a datetime with an offset, as "2026-01-31T12:00:00Z", not a number`},
		{"day", `"0001-01-01"`, `"0001-01-01"`},
		{"day", `"9999-12-31"`, `"9999-12-31"`},
		{"day", `"0000-01-01"`, `format: must be a date, as "2026-01-31"`},
		{"day", `"10000-01-01"`, `format: must be a date, as "2026-01-31"`},
		{"day", `"2026-02-30"`, `format: must be a date, as "2026-01-31"`},
		{"day", `"2026-1-31"`, `format: must be a date, as "2026-01-31"`},
		{"day", `"infinity"`, `format: must be a date, as "2026-01-31"`},
		{"day", `"2026-01-31T00:00:00Z"`, `format: must be a date, as "2026-01-31"`},
		{"time", `"24:00"`, `format: must be a time, as "15:04:05"`},
		{"time", `"24:00:00"`, `format: must be a time, as "15:04:05"`},
		{"time", `"23:59:60"`, `format: must be a time, as "15:04:05"`},
		{"time", `"23:59:59.999999"`, `"23:59:59.999999"`},
		{"time", `"23:59:59.9999999"`, `"23:59:59.999999"`},
		{"time", `"12:30"`, `"12:30:00"`},
		{"time", `"12:30:00.500"`, `"12:30:00.5"`},
		{"time", `"12:30:00Z"`, `format: must be a time, as "15:04:05"`},
		{"u", `"0190A8B0-0000-7000-8000-00000000000F"`, `"0190a8b0-0000-7000-8000-00000000000f"`},
		{"u", `"{0190a8b0-0000-7000-8000-00000000000f}"`, `format: must be a uuid, as "01890a5d-ac96-774b-bcce-b302099a8057"`},
		{"u", `"0190a8b0000070008000000000000000"`, `"0190a8b0-0000-7000-8000-000000000000"`},
		{"u", `"urn:uuid:0190a8b0-0000-7000-8000-00000000000f"`, `format: must be a uuid, as "01890a5d-ac96-774b-bcce-b302099a8057"`},
		{"u", `"0190a8b0-0000-7000-8000-00000000000g"`, `format: must be a uuid, as "01890a5d-ac96-774b-bcce-b302099a8057"`},
		{"s", `"` + "\xff" + `"`, `malformed_json: a byte here is not valid UTF-8 (line 1, column 8)`},
		{"s", `"\ud800"`, `malformed_json: a string holds an escape that does not exist (line 1, column 8)`},
		{"s", `"\u0000"`, `format: must not hold the character U+0000`},
		{"s", `"a\ufeff"`, "\"a\ufeff\""},
		{"s", `"` + strings.Repeat("x", 1<<20) + `"`, `"` + strings.Repeat("x", 1<<20) + `"`},
		{"s", `"` + strings.Repeat("日", 1<<18) + `"`, `"` + strings.Repeat("日", 1<<18) + `"`},
		{"raw", `"` + base64.StdEncoding.EncodeToString(make([]byte, 1<<20)) + `"`, `"` + base64.StdEncoding.EncodeToString(make([]byte, 1<<20)) + `"`},
		{"raw", `""`, `""`},
		{"raw", `"AA"`, `format: must be bytes, written in base64`},
		{"raw", `"_-8="`, `format: must be bytes, written in base64`},
		{"raw", `"A A="`, `format: must be bytes, written in base64`},
		{"j", `123456789012345678901234567890`, `123456789012345678901234567890`},
		{"j", `[1e2, 1.50, -0, 9223372036854775808]`, `[100,1.5,-0,9223372036854775808]`},
		{"j", `123456789012345678901234567890.123456789`, `too_large: is a number too large or too fine to keep: a decimal has at most 38 digits`},
		{"j", `{"n": 12345678901234567890123, "e": 1e400, "z": -0.0}`, `too_large: is a number too large or too fine to keep: a decimal's exponent is within ±38`},
		{"j", `{"a": 1, "a": 2}`, `duplicate_key: the name "a" is given twice`},
		{"j", `{"b": 1, "a": {"z": [], "y": {}}}`, `{"b":1,"a":{"z":[],"y":{}}}`},
		{"j", `"` + strings.Repeat("j", 1<<20) + `"`, `"` + strings.Repeat("j", 1<<20) + `"`},
		{"j", `"\u0000"`, `format: must not hold the character U+0000`},
		{"j", `null`, `null`},
		{"j", strings.Repeat("[", 20) + strings.Repeat("]", 20), strings.Repeat("[", 20) + strings.Repeat("]", 20)},
		{"j", strings.Repeat("[", codec.MaxDepth) + strings.Repeat("]", codec.MaxDepth), `too_deep: nests too deeply`},
		{"j", strings.Repeat("[", codec.MaxDepth-1) + strings.Repeat("]", codec.MaxDepth-1), strings.Repeat("[", codec.MaxDepth-1) + strings.Repeat("]", codec.MaxDepth-1)},
		{"words", `[]`, `[]`},
		{"words", `["a", null]`, `null: must be a string, not null`},
		{"words", `["", "\"", "\u0000"]`, `format: must not hold the character U+0000`},
		{"table", `[[], [9223372036854775807, -1], []]`, `[[],[9223372036854775807,-1],[]]`},
		{"table", `[1]`, `wrong_type: must be a list, not a number`},
		{"table", `[[1], [1.5]]`, `wrong_type: must be a whole number`},
		{"prices", `["1.5", 2, "-0.00"]`, `["1.50","2.00","0.00"]`},
		{"prices", `["1.555"]`, `precision: must have at most 2 digits after the point`},
		{"moments", `["2026-01-31T12:00:00+01:00"]`, `["2026-01-31T11:00:00.000000Z"]`},
	} {
		a.edge(tt.field, tt.in, tt.want)
	}
}

// edge stores a value that is given as JSON, and reads it in each way.
func (a *app) edge(name, in, want string) {
	a.t.Helper()
	short := name + " " + in[:min(len(in), 60)]
	v, problems := codec.ParseJSON([]byte(`{"`+name+`": `+in+`}`), codec.MaxDepth)
	if len(problems) > 0 {
		if got := problems[0].Code + ": " + problems[0].Detail; got != want {
			a.t.Errorf("{%q, `%s`, `%s`},", name, in, got)
		}
		return
	}
	out, err := a.with("Thing.create", v.(*dataflow.Object))
	if err != nil {
		e := dataflow.AsError(err)
		got := e.Code
		if len(e.Problems) > 0 {
			got = e.Problems[0].Code + ": " + e.Problems[0].Detail
		}
		if got != want {
			a.t.Errorf("{%q, `%.80s`, `%s`},", name, in, got)
		}
		return
	}
	id := get(out, "id")
	row, err := a.with("Thing.read", dataflow.ObjectOf("id", id))
	if err != nil {
		a.t.Fatalf("%s: %v", short, err)
	}
	if got := string(codec.AppendValue(nil, get(row, name))); got != want {
		a.t.Errorf("{%q, `%.80s`, `%.100s`},", name, in, got)
	}
	f := a.models["Thing"].Declared().Field(name)
	if f.Type.Kind == dataflow.KindJSON || f.Type.Kind == dataflow.KindList || f.Type.Kind == dataflow.KindBytes || want == "null" {
		return
	}
	n, err := a.with("Thing.count", dataflow.ObjectOf("filter", dataflow.ObjectOf("id", id, name, get(row, name))))
	if err != nil || get(n, "count") != int64(1) {
		a.t.Errorf("%s: a filter for it finds %v, %v", short, n, err)
	}
}

// TestValuesThatJSONHasNot: a workflow gives values of its own.
func TestValuesThatJSONHasNot(t *testing.T) {
	a := open(t, everything())
	for _, tt := range []struct {
		field string
		v     any
		want  string
	}{
		{"f", math.NaN(), `wrong_type: must be a finite number`},
		{"f", math.Inf(1), `wrong_type: must be a finite number`},
		{"f", math.Inf(-1), `wrong_type: must be a finite number`},
		{"f", math.Copysign(0, -1), `0`},
		{"i", math.NaN(), `wrong_type: must be a finite number`},
		{"money", math.NaN(), `wrong_type: must be a finite number`},
		{"money", math.Inf(1), `wrong_type: must be a finite number`},
		{"j", math.NaN(), `wrong_type: must be a finite number`},
		{"j", []any{math.Inf(1)}, `wrong_type: must be a finite number`},
		{"j", math.Copysign(0, -1), `-0`},
		{"s", "\xff", `format: must be valid UTF-8`},
		{"s", "a\x00b", `format: must not hold the character U+0000`},
		{"j", "\xff", `format: must be valid UTF-8`},
		{"words", []any{"\xff"}, `format: must be valid UTF-8`},
		{"raw", []byte{0xff}, `"/w=="`},
	} {
		out, err := a.with("Thing.create", dataflow.ObjectOf(tt.field, tt.v))
		got := ""
		if err == nil {
			got = string(codec.AppendValue(nil, get(out, tt.field)))
		} else if e := dataflow.AsError(err); len(e.Problems) > 0 {
			got = e.Problems[0].Code + ": " + e.Problems[0].Detail
		} else {
			got = e.Code
		}
		if got != tt.want {
			t.Errorf("{%q, %#v, `%s`},", tt.field, tt.v, got)
		}
	}
}

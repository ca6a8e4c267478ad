package codec_test

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/shopspring/decimal"
)

func ptr(n int) *int { return &n }

func typ(k dataflow.Kind) *dataflow.Type { return &dataflow.Type{Kind: k} }

func money() *dataflow.Type {
	return &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 12, Scale: 2}
}

func enum(values ...string) *dataflow.Type {
	return &dataflow.Type{Kind: dataflow.KindEnum, Values: values}
}

func orderFields() []*dataflow.Field {
	return []*dataflow.Field{
		{Name: "customer", Type: dataflow.Int},
		{Name: "status", Type: enum("new", "paid", "shipped")},
		{Name: "total", Type: money(), Ge: decimal.New(0, 0)},
		{Name: "note", Type: dataflow.String, Optional: true},
		{Name: "placed", Type: dataflow.DateTime},
		{Name: "rush", Type: dataflow.Bool},
	}
}

func decoder(fields ...*dataflow.Field) *codec.Decoder {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return codec.NewDecoder(dataflow.NewShape(names...), fields)
}

// lines renders problems one to a line.
func lines(problems []dataflow.Problem) string {
	var b strings.Builder
	for _, p := range problems {
		fmt.Fprintf(&b, "%s %s: %s", p.Pointer, p.Code, p.Detail)
		if p.Hint != "" {
			fmt.Fprintf(&b, " [%s]", p.Hint)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func show(v any) string { return string(codec.AppendValue(nil, v)) }

const orderBody = `{"customer": 1234567, "status": "shipped", "total": "1234.50", "note": "please leave it with the neighbours in the house to the left, they know me well", "placed": "2026-01-31T12:34:56.789Z", "rush": true}`

func BenchmarkDecode(b *testing.B) {
	d := decoder(orderFields()...)
	body := []byte(orderBody)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, ps := d.Decode(body); ps != nil {
			b.Fatal(ps)
		}
	}
}

func BenchmarkAppendValue(b *testing.B) {
	o, _ := decoder(orderFields()...).Decode([]byte(orderBody))
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = codec.AppendValue(buf[:0], o)
	}
}

func TestDecodeReadsEveryField(t *testing.T) {
	o, problems := decoder(orderFields()...).Decode([]byte(orderBody))
	if len(problems) > 0 {
		t.Fatal(lines(problems))
	}
	want := `{"customer":1234567,"status":"shipped","total":"1234.50","note":"please leave it with the neighbours in the house to the left, they know me well","placed":"2026-01-31T12:34:56.789000Z","rush":true}`
	if got := show(o); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDecodeLeavesOutWhatIsLeftOut(t *testing.T) {
	o, problems := decoder(orderFields()...).Decode([]byte(`{"note": null, "rush": false}`))
	if len(problems) > 0 {
		t.Fatal(lines(problems))
	}
	if got := show(o); got != `{"note":null,"rush":false}` {
		t.Error(got)
	}
	if o.Has("customer") || !o.Has("note") {
		t.Error("null is not the same as left out")
	}
}

func TestDecodeFindsEveryProblemAtOnce(t *testing.T) {
	body := `{"custmer": 1, "status": "shiped", "total": "-1.005", "note": 5,
		"placed": "2026-01-31", "rush": "yes", "rush": true, "customer": 9223372036854775808, "zz": {"deep": [1, {"a": 1, "a": 2}]}}`
	_, problems := decoder(orderFields()...).Decode([]byte(body))
	want := `/custmer unknown_field: there is no field "custmer" [did you mean "customer"?]
/status not_in_enum: "shiped" is not one of "new", "paid", "shipped" [did you mean "shipped"?]
/total precision: must have at most 2 digits after the point [round it first: nothing is rounded silently]
/note wrong_type: must be a string, not a number
/placed format: must be a datetime with an offset, as "2026-01-31T12:00:00Z" [add a time and an offset, as "2026-01-31T00:00:00Z"]
/rush wrong_type: must be true or false, not a string
/rush duplicate_key: the name "rush" is given twice [give it once]
/customer too_large: must be within the range of 64-bit whole numbers
/zz unknown_field: there is no field "zz" [there are customer, status, total, note, placed, rush]
`
	if got := lines(problems); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestANumberTooLargeToKeepIsStillANumber(t *testing.T) {
	_, problems := decoder(orderFields()...).Decode([]byte(`{"note": 1e400, "status": -1e400, "rush": 1e400}`))
	want := `/note wrong_type: must be a string, not a number
/status wrong_type: must be one of "new", "paid", "shipped", not a number
/rush wrong_type: must be true or false, not a number
`
	if got := lines(problems); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestDecodeStopsCountingProblems(t *testing.T) {
	body := "{" + strings.Repeat(`"x":1,`, 5000) + `"x":1}`
	_, problems := decoder(orderFields()...).Decode([]byte(body))
	if len(problems) != 100 {
		t.Errorf("%d problems", len(problems))
	}
}

func TestDecodeRefusesWhatIsNotJSON(t *testing.T) {
	d := decoder(orderFields()...)
	for body, want := range map[string]string{
		``:                            `there is nothing in it (line 1, column 1)`,
		` `:                           `there is nothing in it (line 1, column 2)`,
		`{`:                           `it ends where a name in quotes should be (line 1, column 2)`,
		`{"note"}`:                    `'}' stands where ":" should be (line 1, column 8)`,
		`{"note": "x",}`:              `'}' stands where a name in quotes should be (line 1, column 14)`,
		"{\n \"note\": x}":            `'x' stands where a value should be (line 2, column 10)`,
		`{"note": 'x'}`:               `'\'' stands where a value should be (line 1, column 10)`,
		`{note: 1}`:                   `'n' stands where a name in quotes should be (line 1, column 2)`,
		`{"customer": 01}`:            `'1' stands where "," or "}" should be (line 1, column 15)`,
		`{"customer": +1}`:            `'+' stands where a value should be (line 1, column 14)`,
		`{"customer": .5}`:            `'.' stands where a value should be (line 1, column 14)`,
		`{"customer": 1.}`:            `'}' stands where a digit should be (line 1, column 16)`,
		`{"customer": NaN}`:           `'N' stands where a value should be (line 1, column 14)`,
		`{"customer": -Infinity}`:     `'I' stands where a digit should be (line 1, column 15)`,
		`{} {}`:                       `something follows the value (line 1, column 4)`,
		`{"note": "a` + "\n" + `b"}`:  `a string holds a control character: write it as an escape (line 1, column 12)`,
		`{"note": "\x"}`:              `a string holds an escape that does not exist (line 1, column 11)`,
		`{"note": "\ud800"}`:          `a string holds an escape that does not exist (line 1, column 11)`,
		`{"note": "é` + "\xff" + `"}`: `a byte here is not valid UTF-8 (line 1, column 12)`,
		`{"note": "x`:                 `a string has no closing quote (line 1, column 12)`,
		`{"note": tru}`:               `'t' stands where a value should be (line 1, column 10)`,
		"\ufeff{}":                    `'` + "\\ufeff" + `' stands where a value should be (line 1, column 1)`,
	} {
		o, problems := d.Decode([]byte(body))
		if o != nil || len(problems) != 1 || problems[0].Code != codec.Malformed || problems[0].Detail != want {
			t.Errorf("%q: got\n%swant %s", body, lines(problems), want)
		}
		if e := codec.Error(problems); e.Code != "malformed_json" {
			t.Errorf("%q: the error's code is %s", body, e.Code)
		}
	}
}

func TestDecodeRefusesWhatIsNoObject(t *testing.T) {
	for body, want := range map[string]string{
		`[]`:   " wrong_type: must be an object, not a list\n",
		`"x"`:  " wrong_type: must be an object, not a string\n",
		`null`: " wrong_type: must be an object, not null\n",
	} {
		if o, problems := decoder(orderFields()...).Decode([]byte(body)); o != nil || lines(problems) != want {
			t.Errorf("%s: %s", body, lines(problems))
		}
	}
}

func TestDecodeBoundsDepth(t *testing.T) {
	d := decoder(&dataflow.Field{Name: "j", Type: dataflow.JSON})
	nested := func(n int) []byte {
		return []byte(`{"j":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}")
	}
	if _, problems := d.Decode(nested(codec.MaxDepth - 1)); len(problems) > 0 {
		t.Error(lines(problems))
	}
	for _, n := range []int{codec.MaxDepth, 100000} {
		_, problems := d.Decode(nested(n))
		if len(problems) != 1 || problems[0].Code != "too_deep" {
			t.Errorf("%d deep: %d problems", n, len(problems))
		}
	}
}

func TestDecodeNestedTypes(t *testing.T) {
	line := dataflow.ObjectType(
		&dataflow.Field{Name: "sku", Type: dataflow.String, MaxLength: ptr(3)},
		&dataflow.Field{Name: "qty", Type: dataflow.Int, HasDefault: true, Default: int64(1), Ge: int64(1)},
		&dataflow.Field{Name: "note", Type: dataflow.String, HasDefault: true, Default: dataflow.Absent},
	)
	d := decoder(
		&dataflow.Field{Name: "lines", Type: dataflow.ListOf(line), MinLength: ptr(1)},
		&dataflow.Field{Name: "tags", Type: dataflow.ListOf(dataflow.String), Optional: true},
	)
	o, problems := d.Decode([]byte(`{"lines": [{"sku": "a"}, {"sku": "b", "qty": 2, "note": "n"}], "tags": []}`))
	if got := show(o); got != `{"lines":[{"sku":"a","qty":1},{"sku":"b","qty":2,"note":"n"}],"tags":[]}` {
		t.Error(got, lines(problems))
	}
	_, problems = d.Decode([]byte(`{"lines": [{"sku": "abcd"}, 5, {"qty": 0, "skuu": 1, "note": null}], "tags": ["a", 1, null]}`))
	want := `/lines/0/sku too_long: must have at most 3 characters, not 4
/lines/1 wrong_type: must be an object, not a number
/lines/2/qty too_small: must be at least 1
/lines/2/skuu unknown_field: there is no field "skuu" [did you mean "sku"?]
/lines/2/note null: must be a string, not null
/lines/2/sku required: "sku" is required
/tags/1 wrong_type: must be a string, not a number
/tags/2 null: must be a string, not null
`
	if got := lines(problems); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestPointersAreEscaped(t *testing.T) {
	_, problems := decoder().Decode([]byte(`{"a/b~c": 1}`))
	if len(problems) != 1 || problems[0].Pointer != "/a~1b~0c" {
		t.Error(lines(problems))
	}
}

func TestComputedValuesCantBeGiven(t *testing.T) {
	fields := []*dataflow.Field{{Name: "a", Type: dataflow.Int}}
	_, problems := codec.NewDecoder(dataflow.NewShape("a", "twice"), fields).Decode([]byte(`{"a": 1, "twice": 2}`))
	if got := lines(problems); got != "/twice read_only: \"twice\" is worked out by the app and can't be set [leave it out]\n" {
		t.Error(got)
	}
}

func TestParseJSONLosesNothing(t *testing.T) {
	for text, want := range map[string]any{
		"0":                                    int64(0),
		"-1":                                   int64(-1),
		"9223372036854775807":                  int64(math.MaxInt64),
		"-9223372036854775808":                 int64(math.MinInt64),
		"9223372036854775808":                  decimal.RequireFromString("9223372036854775808"),
		"1.5":                                  1.5,
		"0.1":                                  0.1,
		"1e3":                                  1000.0,
		"1E400":                                nil,
		"1e-400":                               nil,
		"0.1000000000000000055511151231257827": decimal.RequireFromString("0.1000000000000000055511151231257827"),
		"12345678901234567.25":                 decimal.RequireFromString("12345678901234567.25"),
		"1.7976931348623157e308":               math.MaxFloat64,
		"5e-324":                               5e-324,
		"100000000000000000000":                1e20,
		"123456789012345678901234567890123456789012345": nil, // 45 digits
		`"a\u00e9\ud83d\ude00\n\/"`:                     "aé😀\n/",
	} {
		v, problems := codec.ParseJSON([]byte(text), 1)
		if want == nil {
			if len(problems) != 1 || problems[0].Code != "too_large" {
				t.Errorf("%s: %v %s", text, v, lines(problems))
			}
			continue
		}
		d, isDecimal := v.(dataflow.Decimal)
		if w, ok := want.(dataflow.Decimal); ok && isDecimal && d.Equal(w) {
			continue
		}
		if len(problems) > 0 || v != want {
			t.Errorf("%s: got %T %v, want %T %v %s", text, v, v, want, want, lines(problems))
		}
	}
	v, _ := codec.ParseJSON([]byte("-0"), 1)
	if f, ok := v.(float64); !ok || !math.Signbit(f) {
		t.Errorf("-0 became %v", v)
	}
}

func TestParseJSONKeepsOrderAndRefusesDuplicates(t *testing.T) {
	v, problems := codec.ParseJSON([]byte(`{"b": 1, "a": [true, null, {"x": {}}]}`), 5)
	if got := show(v); len(problems) > 0 || got != `{"b":1,"a":[true,null,{"x":{}}]}` {
		t.Error(got, lines(problems))
	}
	_, problems = codec.ParseJSON([]byte(`{"a": {"k": 1, "k": 2}}`), 5)
	if got := lines(problems); got != "/a/k duplicate_key: the name \"k\" is given twice [give it once]\n" {
		t.Error(got)
	}
}

func TestCoerce(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 123456000, time.UTC)
	dec := decimal.RequireFromString
	bytes, date, clock, uuid := typ(dataflow.KindBytes), typ(dataflow.KindDate), typ(dataflow.KindTime), typ(dataflow.KindUUID)
	for _, c := range []struct {
		t    *dataflow.Type
		in   any
		want string // its JSON, or the problem
	}{
		{dataflow.Int, int64(7), `7`},
		{dataflow.Int, 7.0, `7`},
		{dataflow.Int, dec("7.00"), `7`},
		{dataflow.Int, 7.5, `wrong_type: must be a whole number`},
		{dataflow.Int, 1e19, `too_large: must be within the range of 64-bit whole numbers`},
		{dataflow.Int, -1e19, `too_small: must be within the range of 64-bit whole numbers`},
		{dataflow.Int, "1", `wrong_type: must be a whole number, not a string`},
		{dataflow.Int, true, `wrong_type: must be a whole number, not a bool`},
		{dataflow.Float, int64(7), `7`},
		{dataflow.Float, dec("0.5"), `0.5`},
		{dataflow.Float, math.NaN(), `wrong_type: must be a finite number`},
		{dataflow.Float, math.Inf(1), `wrong_type: must be a finite number`},
		{dataflow.Bool, true, `true`},
		{dataflow.Bool, int64(1), `wrong_type: must be true or false, not a number`},
		{money(), int64(1), `"1.00"`},
		{money(), "1.10", `"1.10"`},
		{money(), "1.1", `"1.10"`},
		{money(), "-0.01", `"-0.01"`},
		{money(), 0.1, `"0.10"`},
		{money(), dec("19.990"), `"19.99"`},
		{money(), math.Nextafter(0.3, 1), `precision: must have at most 2 digits after the point`},
		{money(), "9999999999.99", `"9999999999.99"`},
		{money(), "10000000000.00", `precision: must have at most 10 digits before the point`},
		{money(), int64(10000000000), `precision: must have at most 10 digits before the point`},
		{money(), "1e2", `"100.00"`},
		{money(), "1e9999999", `format: must be a decimal number: a decimal's exponent is within ±38`},
		{money(), "1,5", `format: must be a decimal number`},
		{money(), "", `format: must be a decimal number`},
		{money(), true, `wrong_type: must be a decimal number, not a bool`},
		{&dataflow.Type{Kind: dataflow.KindDecimal, Precision: 38, Scale: 10}, "1234567890123456789012345678.0123456789", `"1234567890123456789012345678.0123456789"`},
		{&dataflow.Type{Kind: dataflow.KindDecimal, Precision: 3, Scale: 0}, "999", `"999"`},
		{&dataflow.Type{Kind: dataflow.KindDecimal, Precision: 3, Scale: 0}, "1000", `precision: must have at most 3 digits before the point`},
		{dataflow.String, `'); drop table "orders"; --`, `"'); drop table \"orders\"; --"`},
		{dataflow.String, "a\x00b", `format: must not hold the character U+0000`},
		{dataflow.DateTime, at, `"2026-01-31T12:00:00.123456Z"`},
		{dataflow.DateTime, time.Date(2026, 1, 31, 14, 0, 0, 123456789, time.FixedZone("", 7200)), `"2026-01-31T12:00:00.123456Z"`},
		{dataflow.DateTime, "2026-01-31T12:00:00.123456789+02:00", `"2026-01-31T10:00:00.123456Z"`},
		{dataflow.DateTime, "2026-01-31T12:00:00Z", `"2026-01-31T12:00:00.000000Z"`},
		{dataflow.DateTime, "2026-01-31 12:00z", `"2026-01-31T12:00:00.000000Z"`},
		{dataflow.DateTime, "2026-01-31T12:00:00", `format: must be a datetime with an offset, as "2026-01-31T12:00:00Z"`},
		{dataflow.DateTime, "2026-02-30T12:00:00Z", `format: must be a datetime with an offset, as "2026-01-31T12:00:00Z"`},
		{dataflow.DateTime, "0001-01-01T00:00:00+01:00", `format: must be a datetime with an offset, as "2026-01-31T12:00:00Z"`},
		{dataflow.DateTime, "9999-12-31T23:59:59.999999Z", `"9999-12-31T23:59:59.999999Z"`},
		{dataflow.DateTime, time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC), `format: must be within the years 1 to 9999`},
		{dataflow.DateTime, int64(0), `wrong_type: must be a datetime with an offset, as "2026-01-31T12:00:00Z", not a number`},
		{date, "2024-02-29", `"2024-02-29"`},
		{date, dataflow.Date("2024-02-29"), `"2024-02-29"`},
		{date, "2023-02-29", `format: must be a date, as "2026-01-31"`},
		{date, "2024-2-9", `format: must be a date, as "2026-01-31"`},
		{clock, "15:04", `"15:04:00"`},
		{clock, "15:04:05.100", `"15:04:05.1"`},
		{clock, "24:00:00", `format: must be a time, as "15:04:05"`},
		{uuid, "01890A5D-AC96-774B-BCCE-B302099A8057", `"01890a5d-ac96-774b-bcce-b302099a8057"`},
		{uuid, "01890a5dac96774bbcceb302099a8057", `"01890a5d-ac96-774b-bcce-b302099a8057"`},
		{uuid, "01890a5d-ac96-774b-bcce-b302099a805", `format: must be a uuid, as "01890a5d-ac96-774b-bcce-b302099a8057"`},
		{uuid, "01890a5d-ac96774b-bcce-b302099a80577", `format: must be a uuid, as "01890a5d-ac96-774b-bcce-b302099a8057"`},
		{bytes, []byte{0, 255}, `"AP8="`},
		{bytes, "AP8=", `"AP8="`},
		{bytes, "AP8", `format: must be bytes, written in base64`},
		{bytes, "AP9=\n", `format: must be bytes, written in base64`},
		{enum("a", "b"), "a", `"a"`},
		{enum("open", "closed"), "opne", `not_in_enum: "opne" is not one of "open", "closed"`},
		{dataflow.ListOf(money()), []any{int64(1), "2"}, `["1.00","2.00"]`},
		{dataflow.ListOf(dataflow.Int), []any{int64(1), "2"}, `wrong_type: must be a whole number, not a string`},
		{dataflow.ListOf(dataflow.Int), dataflow.RawJSON(`[1,2]`), `[1,2]`},
		{dataflow.JSON, dataflow.ObjectOf("a", dec("1.50")), `{"a":1.50}`},
		{dataflow.JSON, "text", `"text"`},
		{dataflow.JSON, dataflow.RawJSON(`{"a":1}`), `{"a":1}`},
		{dataflow.Any, []any{math.NaN()}, `wrong_type: must be a finite number`},
		{dataflow.Any, nil, `null`},
		{dataflow.Int, nil, `null: must be a whole number, not null`},
	} {
		v, problems := codec.CoerceType(c.t, c.in, "")
		got := show(v)
		if len(problems) > 0 {
			got = problems[0].Code + ": " + problems[0].Detail
		}
		if got != c.want {
			t.Errorf("%s of %#v: got %s, want %s", c.t, c.in, got, c.want)
		}
	}
}

func TestRefTakesWhatItsTargetsIDTakes(t *testing.T) {
	m := &dataflow.Model{Name: "A", Fields: []*dataflow.Field{{Name: "id", Type: typ(dataflow.KindUUID), System: dataflow.RoleID}}}
	m.Seal()
	ref := &dataflow.Type{Kind: dataflow.KindRef, Model: m}
	v, problems := codec.CoerceType(ref, "01890A5D-AC96-774B-BCCE-B302099A8057", "/a")
	if v != "01890a5d-ac96-774b-bcce-b302099a8057" || len(problems) > 0 {
		t.Error(v, lines(problems))
	}
	if _, problems = codec.CoerceType(ref, int64(1), "/a"); len(problems) != 1 || problems[0].Pointer != "/a" {
		t.Error(lines(problems))
	}
}

func TestConstraints(t *testing.T) {
	date := typ(dataflow.KindDate)
	for _, c := range []struct {
		f    dataflow.Field
		in   any
		want string
	}{
		{dataflow.Field{Type: dataflow.String, MinLength: ptr(3)}, "éé", "too_short: must have at least 3 characters, not 2"},
		{dataflow.Field{Type: dataflow.String, MinLength: ptr(2), MaxLength: ptr(2)}, "éé", ""},
		{dataflow.Field{Type: dataflow.String, MaxLength: ptr(1)}, "éé", "too_long: must have at most 1 character, not 2"},
		{dataflow.Field{Type: typ(dataflow.KindBytes), MaxLength: ptr(1)}, "AP8=", "too_long: must have at most 1 byte, not 2"},
		{dataflow.Field{Type: dataflow.ListOf(dataflow.Int), MinLength: ptr(1)}, []any{}, "too_short: must have at least 1 item, not 0"},
		{dataflow.Field{Type: dataflow.Int, Ge: int64(1)}, int64(0), "too_small: must be at least 1"},
		{dataflow.Field{Type: dataflow.Int, Gt: int64(1)}, int64(1), "too_small: must be more than 1"},
		{dataflow.Field{Type: dataflow.Int, Le: int64(1)}, int64(2), "too_large: must be at most 1"},
		{dataflow.Field{Type: dataflow.Int, Lt: int64(1)}, int64(1), "too_large: must be less than 1"},
		{dataflow.Field{Type: dataflow.Int, Ge: int64(1), Le: int64(1)}, int64(1), ""},
		{dataflow.Field{Type: dataflow.Float, Le: 0.5}, 0.75, "too_large: must be at most 0.5"},
		{dataflow.Field{Type: money(), Gt: decimal.New(0, -2)}, "0.00", "too_small: must be more than 0.00"},
		{dataflow.Field{Type: date, Ge: dataflow.Date("2026-01-01")}, "2025-12-31", "too_small: must be at least 2026-01-01"},
		{dataflow.Field{Type: dataflow.DateTime, Lt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}, "2026-01-01T00:00:00Z", "too_large: must be less than 2026-01-01T00:00:00.000000Z"},
		{dataflow.Field{Type: dataflow.String, Pattern: regexp.MustCompile(`^[A-Z]+$`)}, "ab", "pattern: must match the pattern ^[A-Z]+$"},
		{dataflow.Field{Type: dataflow.String, Format: "email"}, "nobody", "format: must be an email address, as name@example.com"},
		{dataflow.Field{Type: dataflow.String, Format: "email"}, "a@b.co", ""},
		{dataflow.Field{Type: dataflow.String}, nil, "null: must be a string, not null"},
		{dataflow.Field{Type: dataflow.String, Optional: true, MinLength: ptr(3)}, nil, ""},
	} {
		_, problems := codec.Coerce(&c.f, c.in, "/x")
		got := ""
		if len(problems) > 0 {
			got = problems[0].Code + ": " + problems[0].Detail
		}
		if got != c.want {
			t.Errorf("%v in %s: got %q, want %q", c.in, c.f.Type, got, c.want)
		}
	}
}

func TestCoerceObjectDoesWhatDecodeDoes(t *testing.T) {
	fields := orderFields()
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	shape := dataflow.NewShape(names...)
	for _, body := range []string{
		orderBody,
		`{"custmer": 1, "status": "x", "total": 1.005, "note": 5, "rush": null, "placed": true, "customer": 1.5}`,
		`{"total": 0.1, "customer": 2.0}`,
	} {
		o1, p1 := codec.NewDecoder(shape, fields).Decode([]byte(body))
		v, _ := codec.ParseJSON([]byte(body), 9)
		o2, p2 := codec.CoerceObject(shape, fields, v.(*dataflow.Object), "")
		if show(o1) != show(o2) || lines(p1) != lines(p2) {
			t.Errorf("decoded %s\n%s\ncoerced %s\n%s", show(o1), lines(p1), show(o2), lines(p2))
		}
	}
}

func TestParseText(t *testing.T) {
	for _, c := range []struct {
		t        *dataflow.Type
		in, want string
	}{
		{dataflow.Int, "12", `12`},
		{dataflow.Int, "1x", `wrong_type: must be a whole number, not "1x"`},
		{dataflow.Int, "", `wrong_type: must be a whole number, not ""`},
		{dataflow.Float, "1.5", `1.5`},
		{dataflow.Float, "NaN", `wrong_type: must be a number, not "NaN"`},
		{money(), "1.50", `"1.50"`},
		{dataflow.Bool, "true", `true`},
		{dataflow.Bool, "maybe", `wrong_type: must be true or false, not "maybe"`},
		{dataflow.String, `12`, `"12"`},
		{dataflow.Any, `12`, `12`},
		{dataflow.Any, `abc`, `"abc"`},
		{dataflow.JSON, `{"a":1}`, `{"a":1}`},
		{dataflow.ListOf(dataflow.Int), `[1, 2]`, `[1,2]`},
		{dataflow.ListOf(dataflow.Int), `1`, `wrong_type: must be a list, not a number`},
		{typ(dataflow.KindObject), `{`, `wrong_type: must be an object written as JSON: it ends where a name in quotes should be (line 1, column 2)`},
		{typ(dataflow.KindDate), "2026-01-31", `"2026-01-31"`},
	} {
		v, problems := codec.ParseText(c.t, c.in, "/q")
		got := show(v)
		if len(problems) > 0 {
			got = problems[0].Code + ": " + problems[0].Detail
		}
		if got != c.want {
			t.Errorf("%s %q: got %s, want %s", c.t, c.in, got, c.want)
		}
	}
}

func TestAppendValue(t *testing.T) {
	for _, c := range []struct {
		in   any
		want string
	}{
		{1.0, `1`}, {-0.5, `-0.5`}, {1e21, `1e+21`}, {1e-7, `1e-7`}, {123456789.125, `123456789.125`},
		{math.NaN(), `null`},
		{"\x00\x1f\"\\\n\r\t</é\u2028", `"\u0000\u001f\"\\\n\r\t</é` + "\u2028" + `"`},
		{"bad\xffbyte", "\"bad\ufffdbyte\""},
		{[]any{}, `[]`},
		{dataflow.NewObject(), `{}`},
		{dataflow.ObjectOf("d", decimal.New(150, -2)), `{"d":"1.50"}`},
		{dataflow.ObjectOf("a", dataflow.Absent, "b", int64(1)), `{"b":1}`},
	} {
		if got := show(c.in); got != c.want {
			t.Errorf("%v: got %s, want %s", c.in, got, c.want)
		}
	}
	if got := string(codec.AppendJSON(nil, dataflow.ObjectOf("d", decimal.New(150, -2)))); got != `{"d":1.50}` {
		t.Error(got)
	}
}

package storetest

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/google/go-cmp/cmp"
)

// edges are values at the ends of what each type holds. Text holds no NUL:
// PostgreSQL can't keep it, and so codec refuses it for every engine.
func edges() map[string][]any {
	nines := strings.Repeat("9", 28) + "." + strings.Repeat("9", 10)
	return map[string][]any{
		"s": {nil, "", "a", "'; drop table things; --", `"quoted" \ /`, "line\nbreak\ttab\r", "\x01\x1f\x7f", "日本語", "😀👨‍👩‍👧", "\u2028",
			"\U0010FFFF", "\uFFFD", "e\u0301", " trailing ", strings.Repeat("é", 100_000)},
		"i": {nil, int64(0), int64(-1), int64(math.MaxInt64), int64(math.MinInt64), int64(1 << 53), int64(1<<53 + 1)},
		"f": {nil, 0.0, 1.5, -1e-300, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 0.1, 1e15, 123456789.0, 1e21},
		"b": {nil, true, false},
		"d": {nil, dec("0.00"), dec("9999999999.99"), dec("-9999999999.99"), dec("0.01"), dec("-0.01"), dec("1.10")},
		"big": {nil, dec("0.0000000000"), dec(nines), dec("-" + nines), dec("0.0000000001"), dec("-0.0000000001"),
			dec("1.0000000000"), dec("-1.0000000000"), dec("123456789012345678.1234567890")},
		"at":   {nil, at("0001-01-01T00:00:00Z"), at("9999-12-31T23:59:59.999999Z"), at("1969-12-31T23:59:59.5Z"), at("2024-02-29T12:00:00.000001Z")},
		"day":  {nil, dataflow.Date("0001-01-01"), dataflow.Date("9999-12-31"), dataflow.Date("2024-02-29")},
		"time": {nil, dataflow.TimeOfDay("00:00:00"), dataflow.TimeOfDay("23:59:59.999999"), dataflow.TimeOfDay("12:30:00.5")},
		"u":    {nil, "00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"},
		"j": {nil, "text", int64(math.MaxInt64), 1.5, true, []any{}, dataflow.NewObject(),
			dataflow.ObjectOf("a", []any{int64(1), nil, dataflow.ObjectOf("b", "c")}), "nul \x00 inside", dec("12345678901234567890.5"),
			strings.Repeat("x", 1<<20)},
		"raw":     {nil, []byte{}, []byte{0}, []byte{0xff, 0x00, 0xfe}, []byte(strings.Repeat("\x00\xff", 10_000))},
		"e":       {nil, "new", "it's"},
		"words":   {nil, []any{}, []any{"a", "", `"`, "日本"}},
		"numbers": {nil, []any{}, []any{int64(math.MaxInt64), int64(math.MinInt64), int64(0)}},
		"prices":  {nil, []any{dec("1.10"), dec("-0.01")}},
	}
}

func testValues(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	for name, values := range edges() {
		for _, v := range values {
			id := insert(t, s, shop.thing, name, v)
			row := get(t, s, shop.thing, id)
			got, _ := row.Get(name)
			if diff := cmp.Diff(stored(name, v), got, cmp.Comparer(sameDecimal)); diff != "" {
				t.Errorf("%s of %.60v (-want +got):\n%.500s", name, v, diff)
			}
			if v == nil || shop.thing.Field(name).Type.Kind == dataflow.KindJSON || shop.thing.Field(name).Type.Kind == dataflow.KindList {
				continue
			}
			if ids := found(t, s, shop.thing, where(t, shop.thing, name, v, "id", id)); len(ids) != 1 {
				t.Errorf("%s = %.60v finds %v, want %v", name, v, ids, id)
			}
		}
	}
}

// stored is what is read back for a value that was written.
func stored(name string, v any) any {
	if name == "j" && v != nil {
		return dataflow.RawJSON(codec.AppendJSON(nil, v))
	}
	return v
}

func sameDecimal(a, b dataflow.Decimal) bool { return a.Equal(b) && a.Exponent() == b.Exponent() }

func testJSON(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	id := insert(t, s, shop.thing, "s", "a\"b\u2028é", "i", int64(-5), "f", 1e21, "b", true, "d", dec("-0.50"),
		"big", dec("-123.4500000000"), "at", at("2024-02-29T12:00:00.5Z"), "day", dataflow.Date("2024-02-29"),
		"time", dataflow.TimeOfDay("12:30:00.5"), "u", "0190a8b0-0000-7000-8000-000000000000",
		"j", dataflow.ObjectOf("b", int64(1), "a", []any{1.5}), "raw", []byte("hello"), "e", "paid",
		"words", []any{"x\ny"}, "prices", []any{dec("1.10")})
	want := `{"id":1,"s":"a\"b` + "\u2028é" + `","i":-5,"f":1e+21,"b":true,"d":"-0.50","big":"-123.4500000000",` +
		`"at":"2024-02-29T12:00:00.500000Z","day":"2024-02-29","time":"12:30:00.5","u":"0190a8b0-0000-7000-8000-000000000000",` +
		`"j":{"b":1,"a":[1.5]},"raw":"aGVsbG8=","e":"paid","words":["x\ny"],"numbers":null,"prices":["1.10"],"owner":null}`
	found, err := s.Get(context.Background(), shop.thing, id, nil, func(row store.Row) error {
		if diff := cmp.Diff(want, string(row.AppendJSON(nil))); diff != "" {
			t.Errorf("row (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(want, string(codec.AppendValue(nil, row.Object()))); diff != "" {
			t.Errorf("row as an object (-want +got):\n%s", diff)
		}
		return nil
	})
	if !found || err != nil {
		t.Fatal(found, err)
	}
}

func testFields(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	id := insert(t, s, shop.thing, "s", "x", "i", int64(7))
	fields := []int{position(shop.thing, "i"), position(shop.thing, "s")}
	check := func(row store.Row) error {
		if got, want := string(row.AppendJSON([]byte("> "))), `> {"i":7,"s":"x"}`; got != want {
			t.Errorf("JSON %s, want %s", got, want)
		}
		if got := []any{row.Value(0), row.Value(1)}; !cmp.Equal(got, []any{int64(7), "x"}) {
			t.Errorf("values %v", got)
		}
		o := row.Object()
		if got := o.Names(); !cmp.Equal(got, []string{"s", "i"}) || o.Shape() != shop.thing.Shape() {
			t.Errorf("object has %v", got)
		}
		return nil
	}
	if ok, err := s.Get(context.Background(), shop.thing, id, fields, check); !ok || err != nil {
		t.Error(ok, err)
	}
	if err := s.Select(context.Background(), &query.Select{Model: shop.thing, Fields: fields}, check); err != nil {
		t.Error(err)
	}
	if ok, err := s.Get(context.Background(), shop.thing, int64(99), nil, nil); ok || err != nil {
		t.Errorf("a row that is not there: %v, %v", ok, err)
	}
	entry := insert(t, s, shop.entry, "select", "x", "deleted_at", time.Unix(0, 0).UTC())
	if get(t, s, shop.entry, entry) != nil {
		t.Error("Get returns a row that is deleted softly")
	}
}

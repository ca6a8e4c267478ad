package engine

import (
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/shopspring/decimal"
)

// samples are values of every type, the odd ones among them.
func samples() map[*dataflow.Type][]any {
	other := &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"x", "12"}}
	enum := &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"x", "y"}}
	narrow := &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 4, Scale: 1}
	wide := &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 12, Scale: 2}
	record := dataflow.ObjectOf("a", "x")
	return map[*dataflow.Type][]any{
		dataflow.String: {"", "x", "12", "1.50", "2026-01-31", "2026-01-31T10:00:00Z", "10:00:00", "AAAA",
			"0190b5a0-0000-7000-8000-000000000000"},
		dataflow.Int:                     {int64(0), int64(-1), int64(1) << 62},
		dataflow.Float:                   {1.0, 0.1, 1e300},
		dataflow.Bool:                    {true, false},
		dataflow.DateTime:                {time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)},
		dataflow.JSON:                    {dataflow.RawJSON(`{"a":1}`), dataflow.RawJSON(`1`), dataflow.RawJSON(`"x"`), dataflow.RawJSON(`[1]`)},
		narrow:                           {decimal.RequireFromString("1.5"), decimal.RequireFromString("999.0")},
		wide:                             {decimal.RequireFromString("1.25"), decimal.RequireFromString("9999999999.99"), decimal.RequireFromString("2.00")},
		enum:                             {"x", "y"},
		other:                            {"x", "12"},
		{Kind: dataflow.KindDate}:        {dataflow.Date("2026-01-31")},
		{Kind: dataflow.KindTime}:        {dataflow.TimeOfDay("10:00:00")},
		{Kind: dataflow.KindUUID}:        {"0190b5a0-0000-7000-8000-000000000000"},
		{Kind: dataflow.KindBytes}:       {[]byte("x")},
		dataflow.ListOf(dataflow.String): {[]any{"x"}, []any{"12"}},
		dataflow.ListOf(dataflow.Int):    {[]any{int64(1)}},
		{Kind: dataflow.KindObject}:      {record},
		dataflow.ObjectType(&dataflow.Field{Name: "a", Type: dataflow.String}): {record},
	}
}

// What is refused when a file is loaded would never have worked, and what is
// taken for certain always works.
func TestAssignableAgreesWithTheCodec(t *testing.T) {
	all := samples()
	for from, values := range all {
		for to := range all {
			verdict := assignable(from, to)
			fitting := 0
			for _, v := range values {
				if _, problems := codec.CoerceType(to, v, ""); len(problems) == 0 {
					fitting++
				}
			}
			switch {
			case verdict == fitsNever && fitting > 0:
				t.Errorf("%s to %s is refused, but %d of %d values fit", from, to, fitting, len(values))
			case verdict == fitsAlways && fitting < len(values):
				t.Errorf("%s to %s is taken for certain, but only %d of %d values fit", from, to, fitting, len(values))
			}
		}
	}
}

func TestAssignableModels(t *testing.T) {
	model := func(name string, id *dataflow.Type) *dataflow.Model {
		m := &dataflow.Model{Name: name, Fields: []*dataflow.Field{{Name: "id", Type: id, System: dataflow.RoleID}}}
		m.Seal()
		return m
	}
	a, b, c := model("A", dataflow.Int), model("B", dataflow.Int), model("C", dataflow.String)
	ref := func(m *dataflow.Model) *dataflow.Type { return &dataflow.Type{Kind: dataflow.KindRef, Model: m} }
	for _, test := range []struct {
		from, to *dataflow.Type
		want     fit
	}{
		{ref(a), ref(a), fitsAlways}, {ref(a), ref(b), fitsNever}, {dataflow.Int, ref(a), fitsAlways}, {dataflow.String, ref(a), fitsNever},
		{dataflow.String, ref(c), fitsAlways}, {ref(a), dataflow.Int, fitsAlways}, {ref(a), dataflow.String, fitsNever},
		{dataflow.RecordOf(a), ref(a), fitsNever}, {dataflow.RecordOf(a), dataflow.RecordOf(a), fitsAlways},
		{dataflow.RecordOf(a), dataflow.RecordOf(b), fitsNever}, {dataflow.RecordOf(a), &dataflow.Type{Kind: dataflow.KindObject}, fitsAlways},
		{dataflow.Any, ref(a), fitsMaybe}, {ref(a), dataflow.Any, fitsAlways},
	} {
		if got := assignable(test.from, test.to); got != test.want {
			t.Errorf("%s to %s is %d, want %d", test.from, test.to, got, test.want)
		}
	}
}

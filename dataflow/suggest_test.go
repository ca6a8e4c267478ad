package dataflow_test

import (
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

func TestSuggest(t *testing.T) {
	names := []string{"customer", "status", "total", "created_at", "id"}
	for in, want := range map[string]string{
		"custmer":   "customer", // left out
		"customerr": "customer", // too many
		"cutsomer":  "customer", // swapped
		"Customer":  "customer", // case
		"stauts":    "status",
		"creatd_at": "created_at",
		"toal":      "total",
		"price":     "", // nothing is near
		"x":         "",
		"total":     "", // is there: nothing else is meant
		"":          "",
	} {
		if got := dataflow.Suggest(in, names); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := dataflow.DidYouMean("toal", names); got != `did you mean "total"?` {
		t.Error(got)
	}
	if got := dataflow.DidYouMean("price", names); got != "" {
		t.Error(got)
	}
}

func TestSuggestTakesTheNearest(t *testing.T) {
	if got := dataflow.Suggest("nme", []string{"note", "named", "name"}); got != "name" {
		t.Error(got)
	}
}

func TestSuggestNeedsSomethingInCommon(t *testing.T) {
	for in, want := range map[string]string{"m": "", "x": "", "L": "l", "d": "db", "bd": "db", "": ""} {
		if got := dataflow.Suggest(in, []string{"l", "db"}); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

func TestSuggestPrefersTheSameCase(t *testing.T) {
	for in, want := range map[string]string{"produc": "product", "Produc": "Product", "PRODUCT": "Product", "prduct": "product", "product_": "product"} {
		if got := dataflow.Suggest(in, []string{"Product", "product", "produce"}); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if got := dataflow.Suggest("lin", []string{"line", "int"}); got != "line" {
		t.Error(got)
	}
}

func TestSuggestEndsOnLongNames(t *testing.T) {
	long := strings.Repeat("a", 5000)
	if got := dataflow.Suggest(long, []string{"b", long + "b"}); got != long+"b" {
		t.Errorf("got %d characters", len(got))
	}
}

func TestNearOrAllNamesAllWhereNothingIsNear(t *testing.T) {
	many := strings.Split(strings.Repeat("entry ", 21), " ")[:21]
	for _, c := range []struct {
		name       string
		candidates []string
		want       string
	}{
		{"refnd", []string{"charge", "refund"}, `did you mean "refund"?`},
		{"nobody", []string{"charge", "refund"}, "there are charge, refund"},
		{"nobody", []string{"charge"}, "there is charge"},
		{"nobody", nil, "there is none"},
		{"nobody", many, ""},
		{"entri", many, `did you mean "entry"?`},
	} {
		if got := dataflow.NearOrAll(c.name, c.candidates); got != c.want {
			t.Errorf("%q: got %q, want %q", c.name, got, c.want)
		}
	}
}

package dataflow_test

import (
	"errors"
	"math"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

func TestParseDecimal(t *testing.T) {
	for in, want := range map[string]string{
		"0": "0", "1.10": "1.10", "-0.01": "-0.01", "+5": "5", "007": "7", "1e3": "1000", "1.5e-3": "0.0015", "12e38": "1200000000000000000000000000000000000000",
		"99999999999999999999999999999999999999": "99999999999999999999999999999999999999", ".5": "0.5", "5.": "5",
	} {
		d, err := dataflow.ParseDecimal(in)
		if got := string(dataflow.AppendDecimal(nil, d)); err != nil || got != want {
			t.Errorf("%q: got %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", " 1", "1_000", "x", "1e39", "1e-39", "1e999999999", "NaN", "Inf", "0x10", "1.2.3", "--1",
		"999999999999999999999999999999999999999", "1,5", "e5", "1e", string(make([]byte, 1000))} {
		if d, err := dataflow.ParseDecimal(in); err == nil {
			t.Errorf("%q was read as %s", in, d)
		}
	}
}

func TestWhatIsNoNumberIsToldAsSuch(t *testing.T) {
	for _, in := range []string{"ten", "gte.8", "e", "e5", "1e", "te500", "one1e99999999999999999999"} {
		if _, err := dataflow.ParseDecimal(in); !errors.Is(err, dataflow.ErrNotDecimal) {
			t.Errorf("%q: %v", in, err)
		}
	}
	for _, in := range []string{"1e39", "-2.5E-39", "1e99999999999999999999"} {
		if _, err := dataflow.ParseDecimal(in); err == nil || errors.Is(err, dataflow.ErrNotDecimal) {
			t.Errorf("%q: %v", in, err)
		}
	}
}

func TestAppendScaled(t *testing.T) {
	for _, c := range []struct {
		coef  int64
		scale int
		want  string
	}{
		{0, 0, "0"}, {0, 2, "0.00"}, {5, 2, "0.05"}, {-5, 2, "-0.05"}, {150, 2, "1.50"}, {-12345, 3, "-12.345"},
		{7, -2, "700"}, {0, -2, "0"}, {math.MinInt64, 18, "-9.223372036854775808"}, {math.MaxInt64, 0, "9223372036854775807"},
		{1, 25, "0.0000000000000000000000001"},
	} {
		if got := string(dataflow.AppendScaled(nil, c.coef, c.scale)); got != c.want {
			t.Errorf("%d at %d: got %s, want %s", c.coef, c.scale, got, c.want)
		}
	}
}

func TestFitDecimal(t *testing.T) {
	for _, c := range []struct {
		in               string
		precision, scale int
		want             string // "" if it does not fit
	}{
		{"1", 12, 2, "1.00"}, {"1.1", 12, 2, "1.10"}, {"1.100", 12, 2, "1.10"}, {"1.101", 12, 2, ""}, {"-1.5", 2, 1, "-1.5"},
		{"9999999999.99", 12, 2, "9999999999.99"}, {"10000000000", 12, 2, ""}, {"0.00", 1, 0, "0"}, {"0", 2, 2, "0.00"},
		{"1", 2, 2, ""}, {"0.99", 2, 2, "0.99"}, {"1e3", 6, 2, "1000.00"}, {"1e38", 38, 0, ""}, {"12345678901234567890.5", 38, 10, "12345678901234567890.5000000000"},
	} {
		d, err := dataflow.ParseDecimal(c.in)
		if err != nil {
			t.Fatal(err)
		}
		fit, ok := dataflow.FitDecimal(d, c.precision, c.scale)
		got := ""
		if ok {
			got = string(dataflow.AppendDecimal(nil, fit))
		}
		if got != c.want {
			t.Errorf("%s in decimal(%d, %d): got %q, want %q", c.in, c.precision, c.scale, got, c.want)
		}
	}
}

func FuzzDecimal(f *testing.F) {
	for _, s := range []string{"1.10", "-0", "1e10", "123456789012345678901234567890.12"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := dataflow.ParseDecimal(s)
		if err != nil {
			return
		}
		text := string(dataflow.AppendDecimal(nil, d))
		again, err := dataflow.ParseDecimal(text)
		if len(text) <= dataflow.MaxDecimalDigits && (err != nil || !again.Equal(d)) {
			t.Fatalf("%q was written as %s and read as %v, %v", s, text, again, err)
		}
	})
}

package stdlib_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/stdlib"
	"github.com/shopspring/decimal"
)

// module finds a module by its name.
func module(t *testing.T, name string) stdlib.Module {
	t.Helper()
	for _, m := range stdlib.Table() {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("there is no module %s", name)
	return stdlib.Module{}
}

// TestNoCentIsLostOrMade: however an amount is split, the shares add up to it,
// none is more than a cent from its due, and none has another sign.
func TestNoCentIsLostOrMade(t *testing.T) {
	money := module(t, "money")
	rng := rand.New(rand.NewPCG(1, 2))
	for range 80 {
		amount := decimal.New(rng.Int64N(2_000_000)-1_000_000, -2)
		n := 1 + rng.IntN(7)
		weights, total := make([]string, n), int64(0)
		for i := range weights {
			w := rng.Int64N(10)
			weights[i], total = fmt.Sprint(w), total+w
		}
		if total == 0 {
			continue
		}
		expr := fmt.Sprintf(`allocate(decimal("%s"), [%s])`, amount.StringFixed(2), strings.Join(weights, ", "))
		got, err := eval(t, money, expr)
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		sum := decimal.Zero
		shares := strings.Split(strings.Trim(got.(string), "[]"), ", ")
		for i, share := range shares {
			d := decimal.RequireFromString(share)
			sum = sum.Add(d)
			due := amount.Mul(decimal.RequireFromString(weights[i])).Div(decimal.NewFromInt(total))
			if d.Sub(due).Abs().GreaterThanOrEqual(decimal.New(1, -2)) || d.Sign()*amount.Sign() < 0 || weights[i] == "0" && !d.IsZero() {
				t.Errorf("%s: the share %s of weight %s", expr, share, weights[i])
			}
		}
		if !sum.Equal(amount) || len(shares) != n {
			t.Errorf("%s is %v, which is %s", expr, got, sum)
		}
	}
}

// TestRoundingIsOfAtMostHalfACent, and cents are what they came from.
func TestRoundingIsOfAtMostHalfACent(t *testing.T) {
	money := module(t, "money")
	rng := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		x := decimal.New(rng.Int64N(2_000_000)-1_000_000, -4)
		for fn, most := range map[string]decimal.Decimal{"round_half_even": decimal.New(5, -3), "round_half_up": decimal.New(5, -3),
			"round_down": decimal.New(9999, -6), "round_up": decimal.New(9999, -6)} {
			got, err := eval(t, money, fmt.Sprintf(`%s(decimal("%s"))`, fn, x))
			if err != nil {
				t.Fatal(err)
			}
			d := decimal.RequireFromString(got.(string))
			if d.Sub(x).Abs().GreaterThan(most) || d.Exponent() < -2 || fn == "round_down" && d.Abs().GreaterThan(x.Abs()) || fn == "round_up" && d.Abs().LessThan(x.Abs()) {
				t.Errorf("%s(%s) is %s", fn, x, d)
			}
		}
		cents := rng.Int64N(1<<53) - 1<<52
		if got, err := eval(t, money, fmt.Sprintf(`cents(from_cents(%d))`, cents)); err != nil || got != fmt.Sprint(cents) {
			t.Errorf("%d cents became %v, %v", cents, got, err)
		}
	}
}

// TestATimeOfAZoneIsReadAsItIsWritten: but where a zone has a time twice, it is
// the first.
func TestATimeOfAZoneIsReadAsItIsWritten(t *testing.T) {
	mod := module(t, "time")
	rng := rand.New(rand.NewPCG(5, 6))
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "America/Sao_Paulo"}
	const layout = "2006-01-02T15:04:05Z"
	for range 80 {
		zone := zones[rng.IntN(len(zones))]
		at := time.Unix(rng.Int64N(1_900_000_000), 0).UTC()
		expr := fmt.Sprintf(`format(parse(format(datetime("%s"), "%%Y-%%m-%%d %%H:%%M:%%S", zone = %q), "%%Y-%%m-%%d %%H:%%M:%%S", zone = %q), "%%Y-%%m-%%dT%%H:%%M:%%SZ")`,
			at.Format(layout), zone, zone)
		got, err := eval(t, mod, expr)
		if err != nil {
			t.Fatalf("%s: %v", expr, err)
		}
		back, err := time.Parse(layout, got.(string))
		if early := at.Sub(back); err != nil || early != 0 && (early < 0 || early > 24*time.Hour) {
			t.Errorf("%s in %s became %v, %v", at, zone, got, err)
		}
		if loc, _ := time.LoadLocation(zone); at.In(loc).Format(time.DateTime) != back.In(loc).Format(time.DateTime) {
			t.Errorf("%s in %s became another time of day: %s", at, zone, back)
		}
	}
}

// TestCSVIsReadAsItIsWritten, whatever texts are in it.
func TestCSVIsReadAsItIsWritten(t *testing.T) {
	mod := module(t, "csv")
	rng := rand.New(rand.NewPCG(7, 8))
	parts := []string{"", "a", ",", ";", "\"", "\n", "\r\n", "\r", " ", "é", "\\", "\t", "=1+1"}
	text := func() string {
		var b strings.Builder
		for range rng.IntN(5) {
			b.WriteString(parts[rng.IntN(len(parts))])
		}
		return b.String()
	}
	for range 50 {
		var rows []string
		for range 1 + rng.IntN(4) {
			rows = append(rows, fmt.Sprintf(`{"x": %q}`, text()))
		}
		list := "[" + strings.Join(rows, ", ") + "]"
		for _, delimiter := range []string{",", ";", "\t"} {
			expr := fmt.Sprintf(`[dict(r) for r in parse(format(%s, delimiter = %q), delimiter = %q)] == %s`, list, delimiter, delimiter, list)
			if got, err := eval(t, mod, expr); err != nil || got != "True" {
				t.Errorf("%s: %v, %v", expr, got, err)
			}
		}
	}
}

// TestRegularExpressionsEndInTime: those that take for ever elsewhere.
func TestRegularExpressionsEndInTime(t *testing.T) {
	mod := module(t, "re")
	for _, expr := range []string{`matches("(a+)+b", "a" * 100000)`, `matches("(a|aa)+", "a" * 100000 + "b")`, `contains("(.*)*x", "y" * 100000)`} {
		if got, err := eval(t, mod, expr); err != nil || got != "False" {
			t.Errorf("%s: %v, %v", expr, got, dataflow.AsError(err))
		}
	}
}

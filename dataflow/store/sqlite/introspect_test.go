package sqlite

import "testing"

func TestADefaultIsAValueOrAnExpression(t *testing.T) {
	const none = "none"
	for _, c := range []struct{ expr, affinity, text string }{
		{"'it''s'", "TEXT", "it's"},
		{`"say ""it"""`, "TEXT", `say "it"`},
		{"word", "TEXT", "word"},
		{"('x')", "TEXT", "x"},
		{"'a' || 'b'", "TEXT", none},
		{"(1)+(2)", "INTEGER", none},
		{"lower('X')", "TEXT", none},
		{"CURRENT_DATE", "TEXT", none},
		{"007", "TEXT", "7"},
		{"1.50", "TEXT", none},
		{"1.50", "REAL", "1.5"},
		{"- 5", "INTEGER", "-5"},
		{"+5", "INTEGER", "5"},
		{"1e3", "INTEGER", "1000"},
		{"0xff", "INTEGER", "255"},
		{"0xffffffffffffffff", "INTEGER", "-1"},
		{"true", "INTEGER", "1"},
		{"x'0aFF'", "BLOB", `\x0aFF`},
		{"x'0a'", "TEXT", none},
		{"'0a'", "BLOB", none},
		{"5", "BLOB", none},
	} {
		expr, constant := readDefault(c.expr, c.affinity)
		got := none
		if constant != nil {
			got = *constant
		}
		if expr != c.expr || got != c.text {
			t.Errorf("%s of %s is %q, %s", c.expr, c.affinity, expr, got)
		}
	}
	for _, null := range []string{"", "NULL", "(null)"} {
		if expr, constant := readDefault(null, "TEXT"); expr != "" || constant != nil {
			t.Errorf("%s is a default", null)
		}
	}
}

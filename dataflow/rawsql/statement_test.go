package rawsql_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/rawsql"
)

// plain writes parameters so that tests can see them.
func plain() rawsql.Style {
	w := func(before, after string) func([]byte, int, *dataflow.Type) []byte {
		return func(dst []byte, n int, _ *dataflow.Type) []byte {
			return append(dst, before+strconv.Itoa(n)+after...)
		}
	}
	return rawsql.Style{One: w("<", ">"), In: w("IN<", ">"), NotIn: w("OUT<", ">")}
}

func TestParametersAreFoundWhereTheyAreParameters(t *testing.T) {
	for _, c := range []struct {
		text    string
		byPlace bool
		want    string // as plain writes it; or the flaw
	}{
		{"SELECT :a, :b, :a", false, "SELECT <1>, <2>, <1>"},
		{"SELECT ':a', \":b\", `:c` -- :d\n/* :e */ FROM t WHERE x = :f", false, "SELECT ':a', \":b\", `:c` -- :d\n/* :e */ FROM t WHERE x = <1>"},
		{"SELECT 'it''s :a', :b", false, "SELECT 'it''s :a', <1>"},
		{`SELECT E'it\'s :a', :b`, false, `SELECT E'it\'s :a', <1>`},
		{`SELECT 'a\', :b`, false, `SELECT 'a\', <1>`},
		{"SELECT $$:a$$, $x$ $$ :b $x$, :c", false, "SELECT $$:a$$, $x$ $$ :b $x$, <1>"},
		{"SELECT a::text, :b::int, x[1] FROM t", false, "SELECT a::text, <1>::int, x[1] FROM t"},
		{"SELECT [:a] FROM [t :b] WHERE [c] = :d", false, "SELECT [:a] FROM [t :b] WHERE [c] = <1>"},
		{"SELECT a FROM t WHERE b IN (:ids) AND c NOT IN (:no) OR d in ( :ids )", false, "SELECT a FROM t WHERE b IN<1> AND c OUT<2> OR d IN<1>"},
		{"SELECT a ? 'k' FROM t WHERE b = :b", false, "SELECT a ? 'k' FROM t WHERE b = <1>"},
		{"SELECT $2, $1, $2", true, "SELECT <2>, <1>, <2>"},
		{"SELECT ?, ? -- ?", true, "SELECT <1>, <2>"},
		{"SELECT a ? 'k', $1", true, "SELECT a ? 'k', <1>"},
		{"SELECT 1;  -- done\n ;", false, "SELECT 1"},
		{"  SELECT émile, :été FROM t", false, "  SELECT émile, <1> FROM t"},
		{"WITH x AS (SELECT 1) SELECT * FROM x", false, "WITH x AS (SELECT 1) SELECT * FROM x"},

		{"", false, "0: the statement is empty"},
		{" -- nothing", false, "0: the statement is empty"},
		{";", false, "0: the statement is empty"},
		{"SELECT 1; SELECT 2", false, "10: there is more than one statement"},
		{"SELECT 'a", false, "7: what begins here is not closed"},
		{`SELECT "a`, false, "7: what begins here is not closed"},
		{"SELECT $x$ a", false, "7: what begins here is not closed"},
		{"SELECT 1 /* a", false, "9: a comment is not closed"},
		{"SELECT 1 /* a /* b */ */", false, "9: a comment stands in a comment"},
		{"SELECT \x00", false, "7: there is a NUL"},
		{"DROP TABLE t", false, "0: a statement of an app begins with"},
		{"PRAGMA foreign_keys = 0", false, "0: a statement of an app begins with"},
		{"ATTACH 'x' AS y", false, "0: a statement of an app begins with"},
		{"COPY t TO PROGRAM 'x'", false, "0: a statement of an app begins with"},
		{"COMMIT", false, "0: a statement of an app begins with"},
		{"SELECT :a", true, "7: :a is a name, and params is a list"},
		{"SELECT $1", false, "7: $1 takes a value by its place"},
		{"SELECT $0", true, "7: parameters by place are $1 to"},
		{"SELECT $9999", true, "7: parameters by place are $1 to"},
		{"SELECT $2", true, "-1: the statement has no $1"},
		{"SELECT :a WHERE b IN (:a)", false, "7: the parameter a is a list in one place"},
		{"SELECT " + strings.Repeat("1,", 40_000), false, "-1: the statement is longer"},
	} {
		s, flaw := rawsql.Parse(c.text, c.byPlace)
		got := ""
		if flaw != nil {
			got = fmt.Sprintf("%d: %s", flaw.Offset, flaw.Message)
		} else {
			got, _ = s.For(plain())
		}
		if flaw != nil && !strings.HasPrefix(got, c.want) || flaw == nil && got != c.want {
			t.Errorf("%.60q:\ngot  %s\nwant %s", c.text, got, c.want)
		}
	}
}

func TestAPlaceInWhatIsWrittenIsFoundInTheText(t *testing.T) {
	text := "SELECT :first, x FROM t WHERE y IN (:ids) AND z = 1"
	s, flaw := rawsql.Parse(text, false)
	if flaw != nil {
		t.Fatal(flaw)
	}
	out, back := s.For(plain())
	for _, word := range []string{"SELECT", "x FROM", "y ", "z ="} {
		if got := back(strings.Index(out, word)); got != strings.Index(text, word) {
			t.Errorf("%q: %d, want %d", word, got, strings.Index(text, word))
		}
	}
	if got := back(strings.Index(out, "<1>")); got != strings.Index(text, ":first") {
		t.Errorf("the parameter: %d", got)
	}
}

func TestWhatAStatementSaysOfItself(t *testing.T) {
	for text, want := range map[string]string{
		"SELECT a FROM t":                                   "reads, a is itself",
		"INSERT INTO t VALUES (1)":                          "writes, a is itself",
		"WITH x AS (SELECT 1) DELETE FROM t":                "writes, a may be another",
		"WITH x AS (DELETE FROM t RETURNING a) SELECT a":    "writes, a may be another",
		"WITH x AS (SELECT 'DELETE') SELECT deleted FROM x": "reads, a may be another",
		"SELECT b AS a FROM t":                              "reads, a may be another",
		"SELECT b a FROM t":                                 "reads, a may be another",
		"SELECT (b) a FROM t":                               "reads, a may be another",
		`SELECT b "A" FROM t`:                               "reads, a may be another",
		"SELECT sum(a), t.a FROM t WHERE a > 1 GROUP BY a":  "reads, a is itself",
	} {
		s, flaw := rawsql.Parse(text, false)
		if flaw != nil {
			t.Errorf("%s: %v", text, flaw)
			continue
		}
		got := "reads"
		if s.Writes() {
			got = "writes"
		}
		if s.Renames("a") {
			got += ", a may be another"
		} else {
			got += ", a is itself"
		}
		if got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
	s, _ := rawsql.Parse(`DELETE FROM "_Flow_meta" WHERE n > 5 LIMIT 3`, false)
	if s.OfRuntime() != "_Flow_meta" {
		t.Errorf("the runtime's table is %q", s.OfRuntime())
	}
	if at, ok := s.HasNumber(); !ok || s.Text[at] != '5' {
		t.Errorf("the number is at %d", at)
	}
	if at := s.Find("N"); at != strings.Index(s.Text, "n >") {
		t.Errorf("n is at %d", at)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("SELECT :a, $$x$$, 'y' FROM [t] WHERE b IN (:c) -- d", false)
	f.Add("SELECT ?, $1, E'\\''", true)
	f.Fuzz(func(t *testing.T, text string, byPlace bool) {
		s, flaw := rawsql.Parse(text, byPlace)
		if flaw != nil {
			if flaw.Message == "" || flaw.Offset > len(text) {
				t.Errorf("%+v", flaw)
			}
			return
		}
		out, back := s.For(plain())
		for i := range len(out) + 1 {
			if at := back(i); at < 0 || at > len(text) {
				t.Fatalf("%d leads to %d of %d", i, at, len(text))
			}
		}
	})
}

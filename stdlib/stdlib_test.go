package stdlib_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/stdlib"
)

// eval loads a file of one handler that returns the expression, and calls it.
func eval(t *testing.T, m stdlib.Module, expr string) (any, error) {
	t.Helper()
	var names []string
	for _, f := range m.Functions {
		if strings.Contains(expr, f.Name) {
			names = append(names, fmt.Sprintf("%q", f.Name))
		}
	}
	file := fmt.Sprintf("load(%q, %s)\ndef f(ctx):\n    return str(%s)\napp = Nexus()\napp.handler(\"f\", f)\napp.start()\n",
		m.LoadName(), strings.Join(names, ", "), expr)
	app, diags := starlark.Load(context.Background(), "app.star", starlark.Options{
		FS: fstest.MapFS{"app.star": {Data: []byte(file)}}, Modules: stdlib.Modules(),
	})
	if len(diags) > 0 {
		t.Fatalf("%s: %s %s", expr, diags[0].Message, diags[0].Hint)
	}
	return app.Workflows[0].Handler.Call(context.Background(), []any{nil}, nil)
}

func TestEveryExampleOfTheTableHolds(t *testing.T) {
	for _, m := range stdlib.Table() {
		if m.Doc == "" || !slices.Contains([]string{"pure", "net", "random"}, m.Capability) {
			t.Errorf("%s: no doc, or the capability %q", m.Name, m.Capability)
		}
		for _, f := range m.Functions {
			if f.Doc == "" || len(f.Examples) == 0 && f.Name != "now" && m.Capability == "pure" {
				t.Errorf("%s.%s: no doc or no example", m.Name, f.Name)
			}
			for _, e := range f.Examples {
				if got, err := eval(t, m, e.Expr); err != nil || got != e.Result {
					t.Errorf("%s: %s is %v (%v), want %s", m.Name, e.Expr, got, err, e.Result)
				}
			}
		}
	}
}

func TestWrongArgumentsAreRefused(t *testing.T) {
	for _, c := range []struct{ module, expr, want string }{
		{"money", `cents("1.005")`, "cents: 1.005 has more than two decimals"},
		{"money", `round_half_even(1.5)`, `a float is not exact; write decimal("1.5")`},
		{"money", `round_half_even("1.5")`, "want a decimal or an int, not string"},
		{"money", `allocate(decimal("1.00"), [])`, "the weights are all zero"},
		{"money", `allocate(decimal("1.00"), [1, -1])`, "a weight is negative"},
		{"money", `allocate(decimal("1.001"), [1])`, "has more than 2 decimals"},
		{"json", `decode("{")`, "json.decode:"},
		{"json", `encode(set([1]))`, "a set has no order"},
		{"json", `encode(1 << 70)`, "does not fit into 64 bits"},
		{"math", `sqrt(-1)`, "there is no such number"},
		{"math", `pow(10, 100000)`, "the result is too large"},
		{"math", `pow(decimal("1.5"), 100000)`, "the result is too large"},
		{"math", `pow(2, 4611686018427387904)`, "the result is too large"}, // whose product with the bits of 2 overflows
		{"math", `pow(decimal("10"), 4611686018427387904)`, "the result is too large"},
		{"math", `pow(decimal("1e38"), 300)`, "the result is too large"},
		{"math", `mean([])`, "mean: no numbers"},
		{"math", `round("1")`, "want a number, not string"},
		{"re", `find("(", "a")`, "the pattern can't be read"},
		{"time", `now()`, "in a handler write ctx.now()"},
		{"time", `duration("5 minutes")`, "is no duration"},
		{"time", `parse("tomorrow")`, "is no datetime"},
		{"time", `parse("1.1.2026", "%d.%m.%Y")`, "does not fit"},
		{"time", `parse("Sun 01", "Mon %d")`, "has no digits of its own, nor the name of a day"},
		{"time", `parse("01. 7", "%d. 1")`, "has no digits of its own"},
		{"time", `format(date("2026-01-01"), "%Q")`, "has a sign that is not known"},
		{"time", `add_months(date("9999-12-01"), 1)`, "years 1 to 9999"},
		{"re", `replace("", "xxxxxxxxxxxxxxxxxxxx", "x" * 1000000)`, "re.replace: the result has more than 10000000 bytes"},
		{"re", `find("a" * 20000, "a")`, "the pattern is longer than 10000 bytes"},
		{"re", `find_all("", "x" * 2000000)`, "re.find_all: more than 1000000 matches"},
		{"re", `split("", "x" * 2000000)`, "re.split: more than 1000000 parts"},
		{"re", `find("(a{1000}){1000}", "a")`, "the pattern can't be read"},
		{"time", `format(datetime("2026-01-01T00:00:00Z"), "%H", zone = "Europe/Berlyn")`, "is no time zone"},
		{"time", `format(datetime("2026-01-01T00:00:00Z"), "%H", zone = "Local")`, "is no time zone"},
		{"time", `format(datetime("2026-01-01T00:00:00Z"), "%H", zone = "../etc/passwd")`, "is no time zone"},
		{"time", `format(date("2026-01-01"), "%H", zone = "UTC")`, "a zone is for a datetime, and this is a date"},
		{"time", `parse("2026-01-01T00:00:00Z", zone = "UTC")`, "a zone goes with a format"},
		{"time", `local(date("2026-01-01"), "UTC")`, "want a datetime, not date"},
		{"time", `local(datetime("9999-12-31T23:30:00Z"), "Asia/Tokyo")`, "years 1 to 9999"},
		{"csv", `parse("a,b\n1\n")`, "csv.parse: the text: line 2: it has more or fewer values"},
		{"csv", `parse("a", delimiter = ";;")`, "can't stand between values"},
		{"csv", `format([1])`, "row 0 is no object"},
		{"csv", `format([{"a": 1}, {"a": 2, "b": None}, {"a": 3, "b": 4}])`, `row 2 has a value for "b", and the first row, which the columns are of, has not: give the columns`},
		{"http", `get("http://x", "http://x")`, "the first argument is the ctx of a handler, not a string"},
		{"retry", `delays(101)`, "n is from 0 to 100"},
		{"retry", `after({}, 1)`, "now is a datetime, not int"},
		{"retry", `after(5, 1)`, "headers is a dict or a record, not int"},
		{"csv", `parse("a\r1\r")`, "a carriage return stands by itself"},
		{"money", `from_cents(1.5)`, "from_cents: 1.5 is no whole number of cents"},
		{"crypto", `base64_decode("???")`, "the text is not base64"},
		{"crypto", `sha256(1)`, "want a string or bytes, not int"},
	} {
		for _, m := range stdlib.Table() {
			if m.Name != c.module {
				continue
			}
			_, err := eval(t, m, c.expr)
			if err == nil || !strings.Contains(dataflow.AsError(err).Message, c.want) {
				t.Errorf("%s: %v, want %q", c.expr, err, c.want)
			}
		}
	}
}

func TestAModuleIsAlsoOneValue(t *testing.T) {
	file := `load("@stdlib//money.star", "money")
load("@stdlib//json.star", "json")
load("@stdlib//time.star", "time")
db = DataFlow("sqlite::memory:")
M = db.model("M", {"data": json, "at": time})
def f(ctx):
    return [money.cents("1.50"), json.encode([1]), time.days(1).hours]
app = Nexus()
app.handler("f", f)
app.start()
`
	app, diags := starlark.Load(context.Background(), "app.star", starlark.Options{
		FS: fstest.MapFS{"app.star": {Data: []byte(file)}}, Modules: stdlib.Modules(),
	})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	got, err := app.Workflows[0].Handler.Call(context.Background(), []any{nil}, nil)
	if err != nil || fmt.Sprint(got) != "[150 [1] 24]" {
		t.Errorf("got %v, %v", got, err)
	}
	if m := app.Models()[0]; m.Field("data").Type.Kind != dataflow.KindJSON || m.Field("at").Type.Kind != dataflow.KindTime {
		t.Errorf("the types json and time are hidden by the modules: %v, %v", m.Field("data").Type, m.Field("at").Type)
	}
}

func TestEveryStarFunctionIsInTheTable(t *testing.T) {
	for _, m := range stdlib.Modules() {
		var table []string
		for _, tm := range stdlib.Table() {
			if tm.LoadName() == m.Name {
				for _, f := range tm.Functions {
					table = append(table, f.Name)
				}
			}
		}
		for line := range strings.SplitSeq(m.Source, "\n") {
			name, ok := strings.CutPrefix(line, "def ")
			if !ok || strings.HasPrefix(name, "_") {
				continue
			}
			name, _, _ = strings.Cut(name, "(")
			found := false
			for _, n := range table {
				found = found || n == name
			}
			if !found {
				t.Errorf("%s: %s is not in the table", m.Name, name)
			}
		}
	}
}

package check_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/check"
	"github.com/flowctl/flowctl/stdlib"
	"github.com/google/go-cmp/cmp"
)

// run checks one file and returns "line code message" of each finding.
func run(t *testing.T, text string) []dataflow.Diagnostic {
	t.Helper()
	app, ds := starlark.Load(context.Background(), "app.star", starlark.Options{
		FS: fstest.MapFS{"app.star": {Data: []byte(text)}}, Modules: stdlib.Modules(),
	})
	return check.Run(app, []check.Source{{Path: "app.star", Text: text}}, ds)
}

func lines(ds []dataflow.Diagnostic, code string) []int {
	var out []int
	for _, d := range ds {
		if d.Code == code {
			out = append(out, d.Span.Start.Line)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Every rule fires where its bad example says, and nowhere in the good one,
// which no other rule has anything to say against either.
func TestRulesFireInTheirExamples(t *testing.T) {
	last := ""
	for _, r := range check.Rules() {
		t.Run(r.Code, func(t *testing.T) {
			if r.Code <= last {
				t.Errorf("%s stands behind %s", r.Code, last)
			}
			last = r.Code
			var want []int
			for i, line := range strings.Split(r.Bad, "\n") {
				if strings.HasSuffix(line, "# here") {
					want = append(want, i+1)
				}
			}
			bad := run(t, r.Bad)
			if got := lines(bad, r.Code); len(want) == 0 || !slices.Equal(got, want) {
				t.Errorf("it fires in lines %v of Bad, not in %v:\n%s", got, want, show(bad))
			}
			if dataflow.HasErrors(bad) && !slices.ContainsFunc(bad, func(d dataflow.Diagnostic) bool {
				return d.Code == r.Code && d.Severity == dataflow.SeverityError
			}) {
				t.Errorf("Bad has errors of other kinds:\n%s", show(bad))
			}
			for _, d := range run(t, r.Good) {
				if d.Severity == dataflow.SeverityError || d.Code == r.Code {
					t.Errorf("Good is no good: %s", show([]dataflow.Diagnostic{d}))
				}
			}
			checkFixes(t, r, bad)
		})
	}
}

// checkFixes holds every safe fix to mending what it is for.
func checkFixes(t *testing.T, r check.Rule, bad []dataflow.Diagnostic) {
	t.Helper()
	var own []dataflow.Diagnostic
	for _, d := range bad {
		if d.Code == r.Code && len(d.Fixes) > 0 {
			own = append(own, d)
		}
	}
	if r.Fixes != (len(own) > 0) {
		t.Errorf("Fixes = %v, but %d of its findings in Bad come with one", r.Fixes, len(own))
	}
	if len(own) == 0 {
		return
	}
	changed, mended := check.Fix([]check.Source{{Path: "app.star", Text: r.Bad}}, own, true)
	if mended == 0 {
		t.Fatalf("no fix of %s could be applied", r.Code)
	}
	after := run(t, changed["app.star"])
	if dataflow.HasErrors(after) || len(lines(after, r.Code)) > len(lines(bad, r.Code))-1 {
		t.Errorf("the fix mends nothing, or breaks:\n%s\n%s", changed["app.star"], show(after))
	}
}

func show(ds []dataflow.Diagnostic) string {
	var b strings.Builder
	for _, d := range ds {
		fmt.Fprintf(&b, "%s-%d:%d %s %s [%s]\n", d.Span, d.Span.End.Line, d.Span.End.Col, d.Code, d.Message, d.Hint)
	}
	return b.String()
}

const head = "db = DataFlow(database_url = \"sqlite:app.db\")\n"

func TestSuppressions(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"behind the line", `M = db.model("M", {"price": float})  # flowctl: ignore[FC230] a rate`, nil},
		{"in a line above, over others", "# flowctl: ignore[FC230] a rate\n# of exchange\n\nM = db.model(\"M\", {\"price\": float})", nil},
		{"in a string is no comment", `M = db.model("M", {"price": float}, doc = "# flowctl: ignore[FC230] x")`, []string{"2 FC230"}},
		{"of another line", "# flowctl: ignore[FC230] a rate\nN = db.model(\"N\", {\"n\": int})\nM = db.model(\"M\", {\"price\": float})", []string{"2 FC901", "4 FC230"}},
		{"unused", `M = db.model("M", {"n": int})  # flowctl: ignore[FC230] gone`, []string{"2 FC901"}},
		{"one of two unused", `M = db.model("M", {"price": float})  # flowctl: ignore[FC230, FC510] why`, []string{"2 FC901"}},
		{"without a reason", `M = db.model("M", {"price": float})  # flowctl: ignore[FC230]`, []string{"2 FC903"}},
		{"of no code", `M = db.model("M", {"price": float})  # flowctl: ignore[FC23] why`, []string{"2 FC230", "2 FC902"}},
		{"unreadable", `M = db.model("M", {"price": float})  # flowctl: ignore FC230`, []string{"2 FC230", "2 FC902"}},
		{"two in a comment, one of no code", `M = db.model("M", {"price": float})  # flowctl: ignore[FC230] a rate  # flowctl: ignore[FC23] why`, []string{"2 FC902"}},
		{"two in a comment", `M = db.model("M", {"price": float})  # flowctl: ignore[FC230] a rate  # flowctl: ignore[FC510] no key`, []string{"2 FC901"}},
		{"behind another comment", `M = db.model("M", {"price": float})  # of exchange  # flowctl: ignore[FC230] a rate`, nil},
		{"on a later line of what it is about", "M = db.model(\"M\", {\"n\": int})\ndef _f(ctx):\n    return ctx.run(\n        M.list,\n        filter = {},  # flowctl: ignore[FC360] few\n    ).records", nil},
		{"an error stays", `M = db.model("M", {"n": strr})  # flowctl: ignore[FC101] no`, []string{"2 FC101"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			for _, d := range run(t, head+tt.text+"\n") {
				got = append(got, fmt.Sprintf("%d %s", d.Span.Start.Line, d.Code))
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// A comment that all but suppresses is told of, and put right.
func TestNearMissesOfSuppressions(t *testing.T) {
	const right = "# flowctl: ignore[FC230] a rate"
	tests := []struct{ said, fixed string }{
		{"# Flowctl: Ignore[FC230] a rate", right},
		{"# FLOWCTL: IGNORE[fc230] a rate", right},
		{"# flowctl ignore[FC230] a rate", right},
		{"# flowctl : ignore[FC230] a rate", right},
		{"# flowctl:ignore [FC230] a rate", right},
		{"# flowctl: ignore [ FC230 ] a rate", right},
		{"# flowctl: ignore(FC230) a rate", right},
		{"# flowctl: ignore[FC230: a rate", right},
		{"# flowctl: ignore FC230 a rate", right},
		{"# flowctl: ignore: FC230 - a rate", right},
		{"# flowctl: ignore=FC230 a rate", right},
		{"# flowctl: ingore[FC230] a rate", right},
		{"# flowctl: ignor[FC230] a rate", right},
		{"# flowctl: disable=FC230 a rate", right},
		{"# flowctl: ignore-next-line[FC230] a rate", right},
		{"# flowclt: ignore[FC230] a rate", right},
		{"# flow-ctl: ignore[FC230] a rate", right},
		{"# flowctrl: ignore[FC230] a rate", right},
		{"# ignore[FC230] a rate", right},
		{"# noqa: FC230 a rate", right},
		{"# nolint:FC230 a rate", right},
		{"## flowctl: ignore[FC230] a rate", right},
		{"# of exchange # Flowctl: ignore[FC230] a rate", "# of exchange " + right},
		{"# flowctl: ignore[FC320] a rate", right},
		{"# flowctl: ignore[FC20] a rate", right},
		{"# flowctl: ignore[FC2330] a rate", right},
		{"# flowctl: ignore[FC23O] a rate", right},
		{"# flowctl: ignore[fc230] a rate", right},
		{"# é flowctl: ignore[FC230] a rate", ""}, // says nothing to flowctl
		{"# flowctl: ignore[price] a rate", "!"},  // no code is near
		{"# Flowctl: ignore[all]", "!"},
		{"# Flowctl: see the handbook", ""},
		{"# flowctl ignores what is not in the list", ""},
		{"# FC230 is about floats", ""},
		{"# see FC230: it is a rate", ""},
		{"# skip the first row [0]", ""},
	}
	for _, tt := range tests {
		text := head + "M = db.model(\"M\", {\"price\": float})  " + tt.said + "\n"
		ds := run(t, text)
		var told []dataflow.Diagnostic
		for _, d := range ds {
			if d.Code == "FC902" || d.Code == "FC901" {
				told = append(told, d)
			}
		}
		if (len(told) > 0) != (tt.fixed != "") || len(lines(ds, "FC230")) != 1 {
			t.Errorf("%s:\n%s", tt.said, show(ds))
			continue
		}
		changed, _ := check.Fix([]check.Source{{Path: "app.star", Text: text}}, told, false)
		got := changed["app.star"]
		if want := strings.Replace(text, tt.said, tt.fixed, 1); tt.fixed != "" && tt.fixed != "!" && got != want || tt.fixed == "!" && got != "" {
			t.Errorf("%s becomes\n%s\n%s", tt.said, got, show(told))
		}
		if got != "" && len(run(t, got)) > 0 {
			t.Errorf("%s\n%s", got, show(run(t, got)))
		}
	}
}

func TestFixTakesAnIdleSuppressionOut(t *testing.T) {
	text := head + "# flowctl: ignore[FC230] gone\nM = db.model(\"M\", {\"n\": int})  # flowctl: ignore[FC510] gone\n"
	changed, mended := check.Fix([]check.Source{{Path: "app.star", Text: text}}, run(t, text), false)
	if want := head + "M = db.model(\"M\", {\"n\": int})\n"; changed["app.star"] != want || mended != 2 {
		t.Errorf("mended %d:\n%s", mended, changed["app.star"])
	}
}

// A file that declares models is loaded for them, whatever its names are used for.
func TestLoadOfDeclarationsIsUsed(t *testing.T) {
	files := fstest.MapFS{
		"app.star":   {Data: []byte("load(\"//lib/m.star\", \"M\")\nload(\"lib/f.star\", \"f\")\n")},
		"lib/m.star": {Data: []byte("load(\"../base.star\", \"db\")\nM = db.model(\"M\", {\"n\": int})\n")},
		"lib/f.star": {Data: []byte("f = 1\n")},
		"base.star":  {Data: []byte(head)},
	}
	app, ds := starlark.Load(context.Background(), "app.star", starlark.Options{FS: files, Display: "./some/where"})
	var sources []check.Source
	for _, f := range app.Files {
		sources = append(sources, check.Source{Path: "./some/where/" + f.Path, Text: string(files[f.Path].Data)})
	}
	ds = check.Run(app, sources, ds)
	if len(ds) != 1 || ds[0].Code != "FC130" || ds[0].Span.Start.Line != 2 {
		t.Errorf("want the load of f alone:\n%s", show(ds))
	}
}

var update = flag.Bool("update", false, "rewrite docs/rules.md")

// A fix takes out what it is about and nothing else of its lines.
func TestLoadsAreTakenOutAlone(t *testing.T) {
	const rest = head + "T = db.model(\"T\", {\"n\": field(int, default = X)})\napp = Nexus()\napp.expose(T)\napp.start()\n"
	for _, tt := range []struct{ before, after string }{
		{"load(\"@stdlib//math.star\", \"pow\"); X = 3\n", "X = 3\n"},
		{"X = 3; load(\"@stdlib//math.star\", \"pow\")\n", "X = 3\n"},
		{"load(\n    \"@stdlib//math.star\",\n    \"pow\",\n)  # why\nX = 3\n", "X = 3\n"},
		{"load(\"@stdlib//math.star\", \"pow\", \"floor\")\nX = floor(3)\n", "load(\"@stdlib//math.star\", \"floor\")\nX = floor(3)\n"},
		{"load(\"@stdlib//math.star\", \"floor\", p = \"pow\")\nX = floor(3)\n", "load(\"@stdlib//math.star\", \"floor\")\nX = floor(3)\n"},
		{"load(\"@stdlib//math.star\", p = \"pow\", f = \"floor\")\nX = f(3)\n", "load(\"@stdlib//math.star\", f = \"floor\")\nX = f(3)\n"},
		{"load(\n    \"@stdlib//math.star\",\n    \"ceil\",\n    \"floor\",\n    'pow',\n)\nX = floor(3)\n", "load(\n    \"@stdlib//math.star\",\n    \"floor\",\n)\nX = floor(3)\n"},
		{"load(\"@stdlib//math.star\", \"floor\",  # down\n    \"pow\")\nX = floor(3)\n", "load(\"@stdlib//math.star\", \"floor\",  # down\n    \"pow\")\nX = floor(3)\n"},
	} {
		text := tt.before + rest
		for range 3 {
			ds := run(t, text)
			if dataflow.HasErrors(ds) {
				t.Fatal(text, show(ds))
			}
			changed, _ := check.Fix([]check.Source{{Path: "app.star", Text: text}}, ds, false)
			if changed["app.star"] != "" {
				text = changed["app.star"]
			}
		}
		if diff := cmp.Diff(tt.after+rest, text); diff != "" {
			t.Errorf("%s%s", tt.before, diff)
		}
	}
}

func TestPageOfRulesIsUpToDate(t *testing.T) {
	path := filepath.Join("..", "..", "docs", "rules.md")
	want := "<!-- Made from starlark/check by: go test ./starlark/check -run PageOfRules -update -->\n\n" + check.Markdown()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != want {
		t.Error("docs/rules.md is not what the rules say; write it anew with: go test ./starlark/check -run PageOfRules -update")
	}
}

func TestEveryRuleIsOnThePage(t *testing.T) {
	page := check.Markdown()
	for _, r := range check.Rules() {
		if !strings.Contains(page, "### "+r.Code+": ") {
			t.Errorf("%s is in no family", r.Code)
		}
	}
}

func TestSelectKeepsErrors(t *testing.T) {
	ds := []dataflow.Diagnostic{
		{Code: "FC101"}, {Code: "FC230", Severity: dataflow.SeverityWarning}, {Code: "FC510", Severity: dataflow.SeverityWarning},
	}
	codes := func(ds []dataflow.Diagnostic) string {
		var out []string
		for _, d := range ds {
			out = append(out, d.Code)
		}
		return strings.Join(out, " ")
	}
	for _, tt := range []struct {
		only, without []string
		want          string
	}{
		{nil, nil, "FC101 FC230 FC510"},
		{[]string{"FC2"}, nil, "FC101 FC230"},
		{nil, []string{"FC2"}, "FC101 FC510"},
		{[]string{"FC"}, []string{"FC101", "FC510"}, "FC101 FC230"},
	} {
		if got := codes(check.Select(ds, tt.only, tt.without)); got != tt.want {
			t.Errorf("Select(%v, %v) = %s, want %s", tt.only, tt.without, got, tt.want)
		}
	}
}

// What an expanded row has is known as far as it is written out what is expanded.
func TestExpandedRowsAreFollowed(t *testing.T) {
	const models = `
Owner = db.model("Owner", {"name": str})
Pet = db.model("Pet", {"owner": ref(Owner), "kind": enum("cat", "dog")})
Visit = db.model("Visit", {"pet": ref(Pet), "cost": decimal(8, 2)})
def f(ctx, id, more):
    p = ctx.run(Pet.read, id = id, expand = %s)
    return %s
app = Nexus()
app.handler("f", f, input = {"id": int, "more": str}, read_only = True)
app.start()
`
	tests := []struct {
		expand, expr string
		want         []string
	}{
		{`["owner"]`, `p.owner.name + p.kind`, nil},
		{`["owner"]`, `p.owner.nam`, []string{"FC146"}},
		{`"owner"`, `p.kid`, []string{"FC146"}},
		{`["owner"]`, `p.kind == "bird"`, []string{"FC145"}},
		{`["owner", "visits"]`, `[p.owner.name, p.visits.records[0].cost, p.visits.has_more, p.created_at]`, nil},
		{`["visits.pet", "owner"]`, `p.visits.anything`, nil},
		{`["owner"]`, `p.visits`, []string{"FC146"}},
		{`[more]`, `p.visits.records`, nil},
		{`more`, `p.owner.whatever`, nil},
	}
	for _, tt := range tests {
		var got []string
		for _, d := range run(t, head+fmt.Sprintf(models, tt.expand, tt.expr)) {
			if strings.HasPrefix(d.Code, "FC14") {
				got = append(got, d.Code)
			}
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s of expand = %s (-want +got):\n%s", tt.expr, tt.expand, diff)
		}
	}
}

// What an aggregate is sorted by may be a name of its own.
func TestAnAggregateIsSortedByItsOwnNames(t *testing.T) {
	ds := run(t, head+`
Stock = db.model("Stock", {"sku": str, "qty": int})
def low(ctx):
    return ctx.run(Stock.aggregate, group_by = ["sku"], aggregates = {"n": {"$sum": "qty"}}, having = {"n": {"$lt": 3}}, sort = "-n", limit = 5).groups
def also(ctx):
    return ctx.run(Stock.aggregate, group_by = ["sku"], aggregates = {"n": {"$sum": "qty"}}, sort = ["-n", "sku"]).groups
def slip(ctx):
    return ctx.run(Stock.aggregate, group_by = ["sku"], aggregates = {"total": {"$sum": "qty"}}, sort = "-totl").groups
app = Nexus()
app.handler("low", low, read_only = True)
app.handler("also", also, read_only = True)
app.handler("slip", slip, read_only = True)
app.start()
`)
	if len(ds) != 1 || ds[0].Code != "FC147" || ds[0].Hint != `did you mean "total"?` {
		t.Errorf("%+v", ds)
	}
}

// A number or text that is written out is held against what the field takes,
// unless it may have become another by then.
func TestWhatMayHaveChangedIsNotHeldAgainstTheField(t *testing.T) {
	text := `db = DataFlow(database_url = "sqlite:a.db")
Thing = db.model("Thing", {"n": field(int, gt = 0), "s": field(str, min_length = 2, optional = True)})

def bump(d):
    d["n"] += 1

def a(ctx, items):
    row = {"n": 0}
    for i in items:
        row["n"] += i
    ctx.run(Thing.create, row)
    row = {"n": 0}
    row["n"] = 5
    ctx.run(Thing.create, row)
    row = {"n": 0}
    bump(row)
    ctx.run(Thing.create, row)
    n = 0
    for i in items:
        n += i
    ctx.run(Thing.create, n = n)
    n = 0
    for i in items:
        n = max(n, i)
    ctx.run(Thing.create, n = n)
    n = 0
    if len(items) > 3:
        n = 4
    if n:
        ctx.run(Thing.create, n = n)
    m = 0
    for i in items:
        if i > 3:
            m = i
            break
    if m == 0:
        fail("none")
    ctx.run(Thing.create, n = m)
    k = -1
    for j, i in enumerate(items):
        k = j + 1
    if k > 0:
        ctx.run(Thing.update, id = 1, fields = {"n": k})
    rows = [{"n": 0} for _ in items]
    for r in rows:
        r["n"] = 4
    ctx.run(Thing.bulk_create, data = rows)
    rows = [{"n": 0}, {"n": 0}]
    rows[0]["n"] = 1
    rows[1].update(n = 4)
    ctx.run(Thing.bulk_create, data = rows)
    row = dict(n = 0)
    row.update([("n", 4)])
    ctx.run(Thing.create, row)
    c = {"n": 0}
    def inner():
        c["n"] = 5
    inner()
    ctx.run(Thing.create, c)
    row = {"n": 0} | {"n": 4}
    ctx.run(Thing.create, row)
    row = {"n": 0}
    row |= {"n": 4}
    ctx.run(Thing.create, row)
    row = {"n": 0}
    alias = row
    alias["n"] = 7
    ctx.run(Thing.create, row)
    q = {"n": 0} if items else {"n": 4}
    ctx.run(Thing.create, q)

def bad(ctx):
    ctx.run(Thing.create, n = 0)  # here
    n = 0  # here
    ctx.run(Thing.create, {"n": n})
    row = {"n": -1}  # here
    ctx.run(Thing.create, row)
    row = {"n": 1, "s": "a"}  # here
    ctx.run(Thing.create, row)
    return ctx.run(Thing.list, limit = 1001)  # here

def nested(ctx):
    return few(ctx)

def few(ctx, limit = 0):
    if limit:
        return ctx.run(Thing.list, limit = limit)
    return ctx.run(Thing.list, limit = limit or 10)

app = Nexus()
app.expose(Thing)
app.handler("a", a, input = {"items": list(int)})
app.handler("nested", nested)
app.handler("bad", bad)
app.start()
`
	var want []int
	for i, line := range strings.Split(text, "\n") {
		if strings.HasSuffix(line, "# here") {
			want = append(want, i+1)
		}
	}
	ds := run(t, text)
	if got := lines(ds, "FC148"); !slices.Equal(got, want) {
		t.Errorf("reported in lines %v, not %v:\n%s", got, want, show(ds))
	}
}

// found are the codes of one rule's findings in an app with a handler of these
// lines, with their lines counted from the first of them.
func inHandler(t *testing.T, code, input, body string) []int {
	t.Helper()
	text := "load(\"@stdlib//money.star\", \"percent\", \"round_half_up\")\n" + head + `
Thing = db.model("Thing", {"name": field(str, index = True), "price": decimal(12, 2), "rate": decimal(6, 4), "qty": int})
app = Nexus()
app.expose(Thing)

def first(rows):
    return rows[0] if rows else None

def do(ctx, name, n, price, rate):
`
	before := strings.Count(text, "\n")
	text += "    " + strings.ReplaceAll(body, "\n", "\n    ") + "\n\napp.handler(\"do\", do, input = " + input + ")\napp.start()\n"
	ds := run(t, text)
	if dataflow.HasErrors(ds) {
		t.Fatal(show(ds))
	}
	var out []int
	for _, at := range lines(ds, code) {
		out = append(out, at-before)
	}
	return out
}

// What a caller sent is an object only where somebody has asked.
func TestWhatACallerSentIsTakenForAnObject(t *testing.T) {
	const input = `{"name": json, "n": field(json, optional = True), "price": {"a": int}, "rate": list(json)}`
	for _, tt := range []struct {
		body string
		want []int
	}{
		{"return {\"x\": name.keys()}", []int{1}},
		{"for k in n.items():\n    pass\nreturn {}", []int{1}},
		{"got = name\nreturn {\"x\": got.get(\"x\")}", []int{2}},
		{"if not n:\n    return {}\nreturn {\"x\": n.values()}", []int{3}},

		{"if type(name) == \"record\":\n    return {\"x\": name.keys()}", nil},
		{"if hasattr(name, \"keys\"):\n    return {\"x\": name.keys()}", nil},
		{"first(name)\nreturn {\"x\": name.keys()}", nil},
		{"name = {\"a\": 1}\nreturn {\"x\": name.keys()}", nil},
		{"return {\"x\": price.keys(), \"y\": price.get(\"a\"), \"z\": name}", nil},
	} {
		if got := inHandler(t, "FC153", input, tt.body); !slices.Equal(got, tt.want) {
			t.Errorf("got %v, want %v:\n%s", got, tt.want, tt.body)
		}
	}
}

const anInput = `{"name": str, "n": int, "price": decimal(12, 2), "rate": decimal(6, 4)}`

// What an operation gives is asked about in vain; what may be None, or empty,
// is not.
func TestQuestionsThatHaveOneAnswer(t *testing.T) {
	for _, tt := range []struct {
		body string
		want []int
	}{
		{"row = ctx.run(Thing.read, id = n)\nif row != None:\n    return row.name", []int{2}},
		{"row = ctx.run(Thing.read, id = n)\nreturn row.name if row else name", []int{2}},
		{"row = ctx.run(Thing.read, id = n) or {}\nreturn row", []int{1}},
		{"if not ctx.run(Thing.count, filter = {\"name\": name}):\n    fail(\"none\")", []int{1}},
		{"found = ctx.run(\n    Thing.list,\n    filter = {\"name\": name},\n)\nfor _ in range(2):\n    if found and n:\n        return found.count", []int{6}},
		{"def look():\n    pass\nreturn [i for i in range(n) if ctx.run(Thing.read, id = i) == None]", []int{3}},

		{"row = ctx.run(Thing.read, id = n) if n else None\nif row == None:\n    return 0\nreturn row.name", nil},
		{"row = None\nfor i in range(n):\n    row = ctx.run(Thing.read, id = i)\nif row == None:\n    return 0\nreturn row.name", nil},
		{"row = first(ctx.run(Thing.list, limit = 1).records)\nif not row:\n    return 0\nreturn row.name", nil},
		{"if ctx.run(Thing.count).count and not ctx.run(Thing.list, limit = 1).records:\n    return 0\nreturn 1", nil},
		{"row = ctx.run(Thing.read, id = n)\nrow = first([row])\nif row == None:\n    return 0\nreturn row.name", nil},
		{"row = ctx.run(Thing.read, id = n)\nif row.name == None or not row.qty:\n    return 0\nreturn row.name", nil},
	} {
		if got := inHandler(t, "FC150", anInput, tt.body); !slices.Equal(got, tt.want) {
			t.Errorf("got %v, want %v:\n%s", got, tt.want, tt.body)
		}
	}
}

// A field is given more digits than it takes by what is reckoned; what is
// rounded, or has no more, is let be.
func TestDigitsThatAFieldHasNoRoomFor(t *testing.T) {
	create := func(price string) string {
		return "return ctx.run(Thing.create, name = name, qty = n, rate = rate, price = " + price + ")"
	}
	for _, tt := range []struct {
		body string
		want []int
	}{
		{create("price * rate"), []int{1}},
		{create("price * decimal(\"0.5\")"), []int{1}},
		{create("price / 2"), []int{1}},
		{create("rate"), []int{1}},
		{create("percent(price, 19)"), []int{1}},
		{create("price + percent(\n    price,\n    10,\n)"), []int{1}},
		{create("round_half_up(price, 3)"), []int{1}},
		{"sum = decimal(\"0\")\nfor i in range(n):\n    sum += price * rate\n" + create("sum"), []int{4}},
		{"fields = {\"price\": -price / n}\nreturn ctx.run(Thing.update, id = n, fields = fields)", []int{1}},
		{"return ctx.run(Thing.bulk_create, data = [{\"name\": name, \"qty\": 1, \"rate\": rate, \"price\": price * rate} for _ in range(n)])", []int{1}},

		{create("price * n + price"), nil},
		{create("price * decimal(\"2.00\")"), nil},
		{create("round_half_up(price * rate)"), nil},
		{create("round_half_up(price / n, places = 2)"), nil},
		{create("price // 3"), nil},
		{create("price % 7"), nil},
		{create("percent(price, 100)"), nil},
		{create("decimal(name)"), nil},
		{"half = price / 2\nif half * 2 != price:\n    fail(\"odd\")\n" + create("price"), nil},
		{"return {\"share\": price / n, \"name\": name, \"rate\": rate}", nil},
	} {
		if got := inHandler(t, "FC151", anInput, tt.body); !slices.Equal(got, tt.want) {
			t.Errorf("got %v, want %v:\n%s", got, tt.want, tt.body)
		}
	}
	text := `load("@stdlib//money.star", "percent")
` + head + `Order = db.model("Order", {"net": decimal(12, 2), "vat": decimal(12, 2)})

def price(net):
    return {"net": net, "vat": percent(net, 19)}

wf = WorkflowBuilder("place", input = {"net": decimal(12, 2)})
p = wf.add_node("StarlarkNode", "price", {"fn": price, "net": wf.input.net})
wf.add_node(Order.create, "order", {"net": p.net, "vat": p.vat})
app = Nexus()
app.register("place", wf.build())
app.start()
`
	if got := lines(run(t, text), "FC151"); !slices.Equal(got, []int{6}) {
		t.Errorf("of what a node's function gives: %v", got)
	}
}

// A file of tests is held to the rules about functions, with what t gives.
func TestFilesOfTests(t *testing.T) {
	app := head + `Thing = db.model("Thing", {"name": str, "status": enum("new", "paid", default = "new")})
app = Nexus()
app.expose(Thing)
app.start()
`
	tests := `load("app.star", "Thing")

def make(t, **kwargs):
    return t.run(Thing.create, **kwargs)

def test_a(t):
    row = make(t, name = "a")
    t.equal(row.nmae, "a")
    t.equal(make(t, nam = "a").name, "a")
    t.true(row.status == "payd")
    found = t.as_caller().run(Thing.list)
    t.true(not found)
    t.equal(found.recrods, [])
    t.fails(lambda: make(t, status = "payd"), code = "invalid")
    t.fails(lambda: t.run(Thing.create, name = "a", status = "payd"), code = "invalid")
    t.run(Thing.update, id = row.id, fields = {"status": "payd"})

def test_b(t):
    t.equal("%s and %s" % ("a",), "a and b")
    for thing in t.run(Thing.list).records:
        t.has(thing, {"name": "a"})
        unused = thing.name
`
	var sources check.Sources
	a, _, ds := starlark.LoadTests(context.Background(), "app.star", "app_test.star", starlark.Options{
		FS:      fstest.MapFS{"app.star": {Data: []byte(app)}, "app_test.star": {Data: []byte(tests)}},
		Modules: stdlib.Modules(), Read: sources.Add,
	})
	var got []string
	for _, d := range check.RunTests(a, sources, "app_test.star", ds) {
		got = append(got, fmt.Sprintf("%s %s", d.Span, d.Code))
	}
	want := []string{
		"app_test.star:8:17 FC146", "app_test.star:9:21 FC147", "app_test.star:10:26 FC145", "app_test.star:12:16 FC150", "app_test.star:13:19 FC146",
		"app_test.star:16:58 FC148", "app_test.star:19:13 FC141", "app_test.star:22:9 FC132",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Functions that call one another in many ways are followed for a while, and not
// for ever.
func TestManyWaysThroughFunctionsEnd(t *testing.T) {
	var b strings.Builder
	b.WriteString("load(\"@stdlib//http.star\", \"http\")\n" + head + "Thing = db.model(\"Thing\", {\"n\": int})\ndef f0(ctx):\n    return ctx.run(Thing.list, limit = 1)\n")
	const deep = 60
	for i := 1; i < deep; i++ {
		fmt.Fprintf(&b, "def f%d(ctx):\n    for _ in range(2):\n        f%[2]d(ctx)\n    return f%[2]d(ctx), f%[2]d(ctx)\n", i, i-1)
	}
	fmt.Fprintf(&b, "app = Nexus()\napp.expose(Thing)\napp.handler(\"a\", f%d)\napp.handler(\"b\", f%[1]d, read_only = True)\napp.start()\n", deep-1)
	if ds := run(t, b.String()); dataflow.HasErrors(ds) {
		t.Error(show(ds))
	}
}

// A signal is declared in vain only where all that the handler may wait for is
// seen: ctx, or the name, may go where nobody follows it.
func TestSignalsThatAreWaitedForOutOfSight(t *testing.T) {
	for _, tt := range []struct {
		body string
		want bool
	}{
		{"return 1", true},
		{"return ctx.wait_signal(\"b\")", true},
		{"if n:\n    return 1\n    ctx.wait_signal(\"a\")\nreturn 2", true},
		{"return close(ctx, \"b\")", true},
		{"return [f(ctx) for f in [quiet]]", true},
		{"return ctx.run(Thing.list).count", true},

		{"return ctx.wait_signal(\"a\")", false},
		{"return ctx.wait_signal(name = \"a\")", false},
		{"return close(ctx, \"a\")", false},
		{"return close(n = \"a\", c = ctx)", false},
		{"return close(*[ctx, n])", false},
		{"return any_of(ctx, n)", false},
		{"return any_of(*[ctx])", false},
		{"return named(c = ctx)", false},
		{"return close(ctx, n)", false},
		{"return close(ctx, n + \"x\")", false},
		{"return ctx.wait_signal(**{\"name\": n})", false},
		{"w = ctx.wait_signal\nreturn w(\"a\")", false},
		{"return getattr(ctx, \"wait_signal\")(\"a\")", false},
		{"f = lambda: ctx.wait_signal(\"a\")\nreturn f()", false},
		{"def f():\n    return ctx.wait_signal(\"a\")\nreturn f()", false},
		{"def f(c):\n    return c.wait_signal(\"a\")\nreturn f(ctx)", false},
		{"d = {\"ctx\": ctx}\nreturn use(d)", false},
		{"return use((ctx, 1))", false},
		{"d = {}\nd[n] = ctx\nreturn d[n].wait_signal(\"a\")", false},
		{"return chosen[n](ctx)", false},
		{"return (close if n else quiet)(ctx, \"a\")", false},
		{"return sorted([1], key = lambda i: ctx.wait_signal(\"a\"))", false},
		{"for _ in range(2):\n    if ctx.wait_signal(\"a\"):\n        return 1\nreturn 2", false},
	} {
		text := head + `
Thing = db.model("Thing", {"name": str})

def close(c, n):
    return c.wait_signal(n)

def quiet(c, n = None):
    return 1

def use(d):
    return d

def any_of(*args):
    return args[0].wait_signal("a")

def named(**kwargs):
    return kwargs["c"].wait_signal("a")

chosen = {"a": close, "b": quiet}

def do(ctx, n):
    ` + strings.ReplaceAll(tt.body, "\n", "\n    ") + `

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": str}, durable = True, signals = {"a": None, "b": None})
app.start()
`
		ds := run(t, text)
		if dataflow.HasErrors(ds) {
			t.Fatal(show(ds))
		}
		got := false
		for _, d := range ds {
			got = got || d.Code == "FC443" && strings.HasSuffix(d.Message, "the signal a")
		}
		if got != tt.want {
			t.Errorf("told %v, want %v:\n%s\n%s", got, tt.want, tt.body, show(ds))
		}
	}
}

// A default that is written out has to be a payload of the signal; what is not
// written out is left to the run.
func TestDefaultsThatAreNoPayload(t *testing.T) {
	for _, tt := range []struct {
		given string
		want  []string // the text that each finding is at, and what it says
	}{
		{`None`, nil},
		{`{"ok": True, "by": {"name": "x"}}`, nil},
		{`{"ok": bool(n), "by": {"name": str(n)}}`, nil},
		{`{"ok": n, "by": n}`, nil},
		{`{"ok": False, "by": {"name": n}, "tags": ["a", n], "at": "2026-01-02", "n": -1, "rate": 0.5}`, nil},
		{`dict(ok = True, by = n)`, nil},
		{`{n: 1}`, nil},
		{`{"ok": n, "by": {n: 1}}`, nil},
		{`n`, nil},
		{`given(n)`, nil},

		{`True`, []string{"True: must be an object, not a bool"}},
		{`"yes"`, []string{`"yes": must be an object, not a string`}},
		{`[]`, []string{"[]: must be an object, not a list"}},
		{`{}`, []string{`{}: "ok" is required, and "by" is required`}},
		{`{"ok": 1, "by": {}}`, []string{`"by": "name" is required`, `1: must be true or false, not a number`}},
		{`{"ok": None, "by": n}`, []string{`"ok": must be true or false, not null`}},
		{`{"ok": n, "by": n, "bye": 1}`, []string{`"bye": there is no field "bye"`}},
		{`{"ok": n, "by": {"name": True}}`, []string{`True: must be a string, not a bool`}},
		{`{"ok": n, "by": n, "tags": ["a", 2]}`, []string{`2: must be a string, not a number`}},
		{`{"ok": n, "by": n, "at": "soon", "n": -2, "rate": 1.5}`, []string{`"soon": must be a date, as "2026-01-31"`, "-2: must be at least -1", "1.5: must be at most 1"}},
		{`{"by": n, "tags": "a"}`, []string{`{"by": n, "tags": "a"}: "ok" is required`, `"a": must be a list, not a string`}},
	} {
		text := head + `
Thing = db.model("Thing", {"name": str})

def given(n):
    return {"o" + n: True}

def do(ctx, n):
    return ctx.wait_signal("a", timeout = "1d", default = ` + tt.given + `)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": str}, durable = True, signals = {"a": {
    "ok": bool,
    "by": {"name": str},
    "tags": list(str, default = []),
    "at": field(date, optional = True),
    "n": field(int, ge = -1, default = 0),
    "rate": field(float, le = 1, default = 0),
}})
app.start()
`
		var got []string
		for _, d := range run(t, text) {
			if d.Code == "FC442" {
				line := strings.Split(text, "\n")[d.Span.Start.Line-1]
				got = append(got, line[d.Span.Start.Col-1:d.Span.End.Col-1]+": "+strings.TrimPrefix(d.Message, "the default is no payload of the signal a: "))
			} else if d.Severity == dataflow.SeverityError {
				t.Error(show([]dataflow.Diagnostic{d}))
			}
		}
		slices.Sort(got)
		slices.Sort(tt.want)
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s:\n%q, want\n%q", tt.given, got, tt.want)
		}
	}
}

// An event is told of as one that nobody tells only where all that tell events are
// known.
func TestEventsThatMayBeTold(t *testing.T) {
	for _, tt := range []struct {
		tells string
		found bool
	}{
		{`ctx.run("EmitNode", event = "other")`, true},
		{`ctx.run("LogNode", message = "made")`, true},
		{`ctx.run("EmitNode", event = "made")`, false},
		{`ctx.run("EmitNode", {"event": "made"})`, false},
		{`ctx.run("EmitNode", args = {"event": "made"})`, false},
		{`ctx.run("EmitNode", event = n)`, false},
		{`ctx.run("EmitNode", **{"event": n})`, false},
		{`ctx.run(("EmitNode"), event = "other")`, false},
		{`[ctx.run(k, event = n) for k in ["EmitNode"]]`, false},
	} {
		text := `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    ` + tt.tells + `
    return ctx.run(Thing.create, n = 1)

def hear(ctx):
    ctx.run(Thing.create, n = 2)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": str})
app.handler("hear", hear)
app.on("made", "hear")
app.start()
`
		got := len(lines(run(t, text), "FC444")) > 0
		if got != tt.found {
			t.Errorf("%s: found is %t, want %t", tt.tells, got, tt.found)
		}
	}
}

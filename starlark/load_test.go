package starlark_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark"
	"github.com/google/go-cmp/cmp"
)

// load evaluates a file that must have nothing wrong with it.
func load(t testing.TB, text string) *dataflow.App {
	t.Helper()
	app, diags := loadText(text, starlark.Options{})
	for _, d := range diags {
		t.Fatal(show(d))
	}
	return app
}

func loadText(text string, o starlark.Options) (*dataflow.App, []dataflow.Diagnostic) {
	o.FS = fstest.MapFS{"app.star": {Data: []byte(text)}}
	return starlark.Load(context.Background(), "app.star", o)
}

const shop = `db = DataFlow(
    database_url = env("DATABASE_URL", default = "sqlite:shop.db"),
    auto_migrate = True,
    pool_size = 10,
    slow_query_threshold = "100ms",
)

Customer = db.model("Customer", {
    "email": field(str, unique = True, format = "email"),
    "name":  str,
})

Order = db.model("Order", {
    "customer": ref(Customer, on_delete = "restrict"),
    "status":   enum("new", "paid", "shipped", default = "new"),
    "total":    decimal(12, 2, ge = 0),
    "note":     field(str, optional = True),
}, indexes = [index("status", "created_at")], versioned = True, soft_delete = True)

def vat(rate, total):
    return {"total": total * (1 + rate)}

wf = WorkflowBuilder("place_order", input = {"email": str, "total": decimal(12, 2)})
who = wf.add_node("CustomerUpsertNode", "who", {"where": {"email": "${input.email}"}, "create": {"email": wf.input.email, "name": "Dear ${input.email}!"}})
tax = wf.add_node("StarlarkNode", "tax", {"fn": vat, "rate": decimal("0.2"), "total": "${input.total}"})
wf.add_node(Order.create, "order", {"customer": who.record.id, "total": tax["total"]}, retry = retry(max = 2, backoff = "1s"), timeout = 500)
wf.add_connection(tax, "total", "order", "note")

def restock(ctx, sku, qty):
    """Fills the shelf."""
    return ctx.run(Order.list)

app = Nexus(api_port = 8080, rate_limit = 100)
app.register("place_order", wf.build(output = {"id": "${order.id}", "all": [tax]}))
app.handler("restock", restock, input = {"sku": str, "qty": field(int, gt = 0)})
app.expose(Order, operations = ["list", "read"])
app.start()
`

func TestTheDesignsExampleLoads(t *testing.T) {
	app := load(t, shop)
	db := app.Databases[0]
	if db.Name != "db" || db.URL != "sqlite:shop.db" || db.Options.PoolSize != 10 || db.Options.SlowQueryThreshold != 100*time.Millisecond {
		t.Errorf("database: %+v", db)
	}
	order := db.Models[1]
	var fields []string
	for _, f := range order.Fields {
		fields = append(fields, f.Name+" "+f.Type.String())
	}
	want := []string{"id int", "customer ref(Customer)", `status enum("new", "paid", "shipped")`, "total decimal(12, 2)", "note str",
		"version int", "deleted_at datetime", "created_at datetime", "updated_at datetime"}
	if d := cmp.Diff(want, fields); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff("[[customer] [status created_at]]", fmt.Sprint([][]string{order.Indexes[0].Fields, order.Indexes[1].Fields})); d != "" {
		t.Error(d)
	}
	wf, handler := app.Workflows[0], app.Workflows[1]
	node := wf.Nodes[2]
	if node.Op == nil || node.Op.Model != order || node.Type != "OrderCreateNode" || node.Retry.Max != 2 || node.Retry.Backoff != time.Second || node.Timeout != 500*time.Millisecond {
		t.Errorf("node: %+v", node)
	}
	if ref, ok := node.Config.Vals()[0].(dataflow.Ref); !ok || ref.String() != "${who.record.id}" {
		t.Errorf("reference: %v", node.Config.Vals()[0])
	}
	if e := wf.Edges[0]; e.From != "tax" || e.Output != "total" || e.To != "order" || e.Input != "note" {
		t.Errorf("edge: %+v", e)
	}
	if handler.Doc != "Fills the shelf." || handler.Handler == nil || !app.Server.Started || app.Server.APIPort != 8080 {
		t.Errorf("handler %+v, server %+v", handler, app.Server)
	}
	if e := app.Exposures[0]; e.Path != "orders" || len(e.Ops) != 2 {
		t.Errorf("exposure: %+v", e)
	}
	if len(app.Env) != 1 || app.Env[0].Name != "DATABASE_URL" || app.Env[0].Found {
		t.Errorf("env: %+v", app.Env)
	}
}

// at is the text that a span covers.
func at(text string, s dataflow.Span) string {
	lines := strings.Split(text, "\n")
	if s.Start.Line < 1 || s.Start.Line > len(lines) {
		return "?"
	}
	if s.Start.Line != s.End.Line {
		return string([]rune(lines[s.Start.Line-1])[s.Start.Col-1:]) + "…"
	}
	return string([]rune(lines[s.Start.Line-1])[s.Start.Col-1 : s.End.Col-1])
}

func TestSpansAreExactToTheArgument(t *testing.T) {
	app := load(t, shop)
	order := app.Databases[0].Models[1]
	who, create := app.Workflows[0].Nodes[0], app.Workflows[0].Nodes[2]
	name, _ := who.Config.Get("create")
	template, _ := name.(*dataflow.Object).Get("name")
	for _, c := range []struct {
		span dataflow.Span
		want string
	}{
		{app.Databases[0].Spans.At("/pool_size"), "10"},
		{app.Databases[0].Spans.Key("/pool_size"), "pool_size"},
		{order.Spans.At("/name"), `"Order"`},
		{order.Spans.At("/versioned"), "True"},
		{order.Field("total").Span, `"total"`},
		{order.Field("total").Spans.At("/ge"), "0"},
		{order.Field("total").Spans.At("/type"), "decimal(12, 2, ge = 0)"},
		{order.Field("customer").Spans.At("/type"), `ref(Customer, on_delete = "restrict")`},
		{order.Indexes[1].Span, `index("status", "created_at")`},
		{who.Spans.At("/type"), `"CustomerUpsertNode"`},
		{who.Spans.At("/config/where/email"), `"${input.email}"`},
		{who.Spans.Key("/config/where/email"), `"email"`},
		{who.Spans.At("/config/create/email"), "wf.input.email"},
		{who.Spans.At("/config/nothing/of/this"), `{"where": {"email": "${input.email}"}, "create": {"email": wf.input.email, "name": "Dear ${input.email}!"}}`},
		{template.(*dataflow.Template).Parts[1].(dataflow.Ref).Span, "${input.email}"},
		{create.Spans.At("/config/total"), `tax["total"]`},
		{create.Spans.At("/retry"), `retry(max = 2, backoff = "1s")`},
		{app.Workflows[0].Edges[0].Spans.At("/to"), `"order"`},
		{app.Workflows[0].Spans.At("/output/all/0"), "tax"},
		{app.Workflows[0].Spans.At("/input/total"), "decimal(12, 2)"},
		{app.Workflows[0].Input[1].Span, `"total"`},
		{app.Workflows[1].Handler.Span(), "restock"},
		{app.Workflows[1].Spans.At("/fn"), "restock"},
		{app.Server.Spans.At("/rate_limit"), "100"},
	} {
		if got := at(shop, c.span); got != c.want {
			t.Errorf("span of %s covers %s", c.want, got)
		}
	}
}

func TestReferencesInAConfigHeldByANameAndInLongStringsHaveTheirPlace(t *testing.T) {
	text := `config = {
    "url": "é ${input.a}",
    "body": """first
 ${input.b} é
""",
    "escaped": "\t\"é\\ ${input.a}",
    "coded": "\x41 ${input.a}",
}
wf = WorkflowBuilder("w", input = {"a": str, "b": str})
wf.add_node("HTTPRequestNode", "n", config)
app = Nexus()
app.register("w", wf.build())
app.start()
`
	n := load(t, text).Workflows[0].Nodes[0]
	for name, want := range map[string]string{"url": "${input.a}", "body": "${input.b}", "escaped": "${input.a}", "coded": `"\x41 ${input.a}"`} {
		v, _ := n.Config.Get(name)
		if got := at(text, v.(*dataflow.Template).Parts[1].(dataflow.Ref).Span); got != want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestIndependentProblemsAreAllReported(t *testing.T) {
	_, diags := loadText(`db = DataFlow("sqlite:a.db", colour = 1)
A = db.model("A", {"a": strr, "b": field(int, defualt = 1)})
app = Nexus(api_prot = 1)
`, starlark.Options{})
	var got []string
	for _, d := range diags {
		got = append(got, fmt.Sprintf("%d %s %s", d.Span.Start.Line, d.Code, d.Hint))
	}
	want := []string{
		`1 FC102 `,
		`2 FC101 did you mean "str"?`,
		`2 FC102 did you mean "default"?`,
		`3 FC407 write app.start() at the end of the file`,
		`3 FC102 did you mean "api_port"?`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDidYouMean(t *testing.T) {
	for wrong, want := range map[string]string{
		`DataFlwo("x")`:                          "DataFlow",
		`WorkflowBulider("x")`:                   "WorkflowBuilder",
		`Nexsu()`:                                "Nexus",
		`feild(str)`:                             "field",
		`decimel(1, 2)`:                          "decimal",
		`Nexus(api_prt = 1)`:                     "api_port",
		`Nexus(rate_limt = 1)`:                   "rate_limit",
		`WorkflowBuilder("x", inpt = {})`:        "input",
		`DataFlow("x", slow_query_treshold = 1)`: "slow_query_threshold",
		`enum("a", defalt = "a")`:                "default",
		`DataFlow("sqlite:x.db").modle`:          "model",
		`Nexus().regster`:                        "register",
		`WorkflowBuilder("x").add_nod`:           "add_node",
		`retry(on = ["uniqe"])`:                  "unique",
		`field(str, format = "hostnam")`:         "hostname",
	} {
		_, diags := loadText("x = "+wrong+"\n", starlark.Options{})
		found := false
		for _, d := range diags {
			found = found || d.Hint == fmt.Sprintf("did you mean %q?", want)
		}
		// A format is looked at when the field is used.
		if strings.HasPrefix(wrong, "field(str, format") {
			_, diags = loadText(`DataFlow("sqlite:a.db").model("M", {"a": `+wrong+`})`, starlark.Options{})
			found = len(diags) == 1 && diags[0].Hint == fmt.Sprintf("did you mean %q?", want)
		}
		if !found {
			t.Errorf("%s: %v", wrong, diags)
		}
	}
}

func TestLimitsEndALoad(t *testing.T) {
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	loop := "def f():\n    for i in range(10000000):\n        pass\nf()\n"
	for name, c := range map[string]struct {
		ctx  context.Context
		o    starlark.Options
		text string
		code string
		want string
	}{
		"steps":     {context.Background(), starlark.Options{MaxSteps: 10_000}, loop, "FC109", "more than 10000 steps"},
		"time":      {context.Background(), starlark.Options{Timeout: time.Millisecond}, loop, "FC109", "longer than 1ms"},
		"cancelled": {cancelled, starlark.Options{}, loop, "FC109", "cancelled"},
		"recursion": {context.Background(), starlark.Options{}, "def f():\n    return f()\nf()\n", "FC108", "called recursively"},
	} {
		c.o.FS = fstest.MapFS{"app.star": {Data: []byte(c.text)}}
		app, diags := starlark.Load(c.ctx, "app.star", c.o)
		if app != nil || len(diags) != 1 || diags[0].Code != c.code || !strings.Contains(diags[0].Message, c.want) {
			t.Errorf("%s: %v %v", name, app, diags)
		}
	}
}

func TestDeepCallsEndALoad(t *testing.T) {
	var b strings.Builder
	b.WriteString("def f0():\n    for i in range(100000):\n        pass\n")
	for i := range 500 {
		fmt.Fprintf(&b, "def f%d():\n    return f%d()\n", i+1, i)
	}
	b.WriteString("f500()\n")
	_, diags := loadText(b.String(), starlark.Options{})
	if len(diags) != 1 || diags[0].Code != "FC109" || !strings.Contains(diags[0].Message, "nest deeper") {
		t.Errorf("%v", diags)
	}
}

func TestAMissingOrUnreadableFileIsADiagnostic(t *testing.T) {
	fsys := fstest.MapFS{"app.star": {Data: []byte{0xff, 0xfe}}, "dir/x.star": {}}
	for path, want := range map[string]string{
		"ap.star": "there is no file ap.star", "dir": "no path within", "../x": "there is no file", "app.star": "not UTF-8",
	} {
		app, diags := starlark.Load(context.Background(), path, starlark.Options{FS: fsys})
		if app != nil || len(diags) != 1 || !strings.Contains(diags[0].Message, want) {
			t.Errorf("%s: %v", path, diags)
		}
	}
}

func TestDisplayNamesFilesAsTheUserDid(t *testing.T) {
	fsys := fstest.MapFS{"app.star": {Data: []byte(`load("lib.star", "x")`)}, "lib.star": {Data: []byte("x = DataFlow()")}}
	_, diags := starlark.Load(context.Background(), "app.star", starlark.Options{FS: fsys, Display: "examples/shop"})
	if len(diags) != 1 || diags[0].Span.String() != "examples/shop/lib.star:1:5" {
		t.Errorf("%v", diags)
	}
}

func TestSeveralDatabasesAreNamedByTheirVariables(t *testing.T) {
	app := load(t, `main = DataFlow("sqlite:a.db")
log = DataFlow("sqlite:b.db")
def make():
    return DataFlow("sqlite:c.db").model("C", {"a": str})
C = make()
A = main.model("A", {"a": str})
B = log.model("A", {"a": str})
`)
	var got []string
	for _, db := range app.Databases {
		got = append(got, fmt.Sprintf("%s %d", db.Name, len(db.Models)))
	}
	if d := cmp.Diff([]string{"main 1", "log 1", "db3 1"}, got); d != "" {
		t.Error(d)
	}
}

func TestReservedWordsOfSQLAreFieldNames(t *testing.T) {
	app := load(t, `db = DataFlow("sqlite:a.db")
M = db.model("Select", {"order": str, "group": int, "from": str, "table": str, "values": str, "items": list(str)})
`)
	if m := app.Models()[0]; m.Table != "selects" || m.Field("order") == nil {
		t.Errorf("%+v", m)
	}
}

func TestAWorkflowUnderTwoNamesKeepsBoth(t *testing.T) {
	app := load(t, `db = DataFlow("sqlite:a.db")
M = db.model("M", {"a": str})
wf = WorkflowBuilder("w")
wf.add_node(M.list, "l")
built = wf.build()
app = Nexus()
app.register("first", built)
app.register("second", built)
app.start()
`)
	if app.Workflows[0].Name != "first" || app.Workflows[1].Name != "second" {
		t.Errorf("%s, %s", app.Workflows[0].Name, app.Workflows[1].Name)
	}
}

func TestPrintReachesWhoAsksForIt(t *testing.T) {
	var printed []string
	app, diags := loadText("print(\"loading\")\ndef f(ctx):\n    print(\"running\", 1)\napp = Nexus()\napp.handler(\"f\", f)\napp.start()\n",
		starlark.Options{Print: func(at dataflow.Span, text string) { printed = append(printed, at.String()+" "+text) }})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	if _, err := app.Workflows[0].Handler.Call(context.Background(), []any{nil}, nil); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"app.star:1:1 loading", "app.star:3:5 running 1"}, printed); d != "" {
		t.Error(d)
	}
}

func TestDeclaringWhileARequestRunsIsRefused(t *testing.T) {
	app := load(t, `db = DataFlow("sqlite:a.db")
def f(ctx, what):
    if what == "model":
        return db.model("X", {})
    if what == "type":
        return decimal(1, 2)
    return DataFlow("sqlite:b.db")
app = Nexus()
app.handler("f", f, input = {"what": str})
app.start()
`)
	for _, what := range []string{"model", "type", "db"} {
		_, err := app.Workflows[0].Handler.Call(context.Background(), []any{nil}, dataflow.ObjectOf("what", what))
		if e := dataflow.AsError(err); e.Code != "function_failed" || !strings.Contains(e.Message, "can't be called while a request runs") {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestFunctionsAreFrozenAndSafeForManyAtOnce(t *testing.T) {
	app := load(t, `cache = {}
def f(ctx, n):
    return {"n": n * 2, "sum": decimal("0.1") * n, "frozen": cache}
def g(ctx):
    cache["x"] = 1
app = Nexus()
app.handler("f", f, input = {"n": int})
app.handler("g", g)
app.start()
`)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range int64(200) {
				v, err := app.Workflows[0].Handler.Call(context.Background(), []any{nil}, dataflow.ObjectOf("n", i))
				if err != nil {
					t.Error(err)
					return
				}
				if n, _ := v.(*dataflow.Object).Get("n"); n != 2*i {
					t.Errorf("%v, want %d", n, 2*i)
				}
				if _, err := app.Workflows[1].Handler.Call(context.Background(), []any{nil}, nil); err == nil || !strings.Contains(err.Error(), "frozen") {
					t.Errorf("a global was changed: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestLoadsAtOnceDoNotShareAnything(t *testing.T) {
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				if _, diags := loadText(shop, starlark.Options{}); len(diags) > 0 {
					t.Error(diags)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzLoad(f *testing.F) {
	f.Add(shop)
	for _, s := range []string{"", "x", "class X:\n  pass", "f\"", "'''", "((((", "x = DataFlow(*[1], **{})", "a = {1: [}", "\\", "load(\"a\", b=\"c\")",
		"@", "def f(x: int):\n return 1", "field(str, pattern = \"(\")", "db = DataFlow(\"x\")\ndb.model(\"M\", {\"a\": list(list(decimal(3, 1)))})",
		"wf = WorkflowBuilder()\nwf.add_node(1, 2, {\"a\": [wf.input.x[0], \"${a\", \"$${\"]})\nwf.build()", "x = []\nx.append(x)\nNexus(rate_limit_config = {\"a\": x})"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		app, diags := loadText(text, starlark.Options{MaxSteps: 100_000, Timeout: time.Second})
		if app == nil && len(diags) == 0 {
			t.Error("no app, and no word about it")
		}
		for _, d := range diags {
			if strings.Contains(d.Message, "the app can't be loaded") {
				t.Errorf("a panic: %s", d.Message)
			}
			if d.Code == "" || d.Message == "" || d.Span.File == "" {
				t.Errorf("a diagnostic lacks something: %+v", d)
			}
		}
	})
}

func BenchmarkFuncCall(b *testing.B) {
	app := load(b, `def f(ctx, row):
    return {"a": row.a + 1, "b": row["b"], "c": row.c, "total": row.total * 2}
app = Nexus()
app.handler("f", f, input = {"row": json})
app.start()
`)
	total, _ := dataflow.ParseDecimal("12.50")
	row := dataflow.ObjectOf("a", int64(1), "b", "text", "c", true, "total", total, "e", "x", "f", "y", "g", int64(3), "h", nil)
	named := dataflow.ObjectOf("row", row)
	f := app.Workflows[0].Handler
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Call(context.Background(), []any{nil}, named); err != nil {
			b.Fatal(err)
		}
	}
}

// manyModels is an app of n models and n workflows.
func manyModels(n int) string {
	var b strings.Builder
	b.WriteString("db = DataFlow(\"sqlite:a.db\")\napp = Nexus()\n\ndef double(n):\n    return {\"n\": n * 2}\n")
	for i := range n {
		fmt.Fprintf(&b, `
M%[1]d = db.model("M%[1]d", {
    "name": field(str, min_length = 1, max_length = 50),
    "state": enum("new", "done", default = "new"),
    "total": decimal(12, 2, ge = 0),
    "n": field(int, optional = True),
}, indexes = [index("state", "created_at")])
w%[1]d = WorkflowBuilder("w%[1]d", input = {"name": str, "n": int})
d%[1]d = w%[1]d.add_node("StarlarkNode", "double", {"fn": double, "n": w%[1]d.input.n})
w%[1]d.add_node(M%[1]d.create, "create", {"name": "${input.name}", "total": "1.00", "n": d%[1]d.n})
app.register("w%[1]d", w%[1]d.build())
`, i)
	}
	b.WriteString("app.start()\n")
	return b.String()
}

func BenchmarkLoad(b *testing.B) {
	for _, n := range []int{10, 100, 1000} {
		text := manyModels(n)
		b.Run(fmt.Sprintf("%d models and workflows", n), func(b *testing.B) {
			for b.Loop() {
				load(b, text)
			}
		})
	}
}

func TestWhatIsNoTextIsRefusedWhereItStands(t *testing.T) {
	for text, want := range map[string]string{
		"x = 1\ny = \"a\x00b\"\nz = nonsense\n": "app.star:2:7 FC001 a NUL character stands in the file",
		"x = 1\ry = nonsense\n":                 "app.star:1:6 FC001 a carriage return stands in the file without a line feed",
		"x = 1\n\x00\nclass X:\n":               "app.star:2:1 FC001 a NUL character stands in the file",
		"x = 1\ny = \"\xff\"\n":                 "app.star:2:6 FC001 the file is not UTF-8 text",
	} {
		app, diags := loadText(text, starlark.Options{})
		if app != nil || len(diags) != 1 {
			t.Errorf("%q: %v", text, diags)
			continue
		}
		if got := fmt.Sprintf("%s %s %s", diags[0].Span, diags[0].Code, diags[0].Message); got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}

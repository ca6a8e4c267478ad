package value_test

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/value"
	"github.com/google/go-cmp/cmp"
	sl "go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
	"go.starlark.net/syntax"
)

func dec(t testing.TB, s string) value.Decimal {
	t.Helper()
	d, err := value.ParseDecimal(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// names is what the expressions of these tests can use.
func names(t testing.TB) sl.StringDict {
	t.Helper()
	one := func(f func(string) (sl.Value, error)) sl.Value {
		return sl.NewBuiltin("make", func(_ *sl.Thread, _ *sl.Builtin, args sl.Tuple, _ []sl.Tuple) (sl.Value, error) {
			return f(string(args[0].(sl.String)))
		})
	}
	return sl.StringDict{
		"decimal":  one(func(s string) (sl.Value, error) { return value.ParseDecimal(s) }),
		"datetime": one(func(s string) (sl.Value, error) { return value.ParseDateTime(s) }),
		"date":     one(func(s string) (sl.Value, error) { return value.ParseDate(s) }),
		"time":     one(func(s string) (sl.Value, error) { return value.ParseTimeOfDay(s) }),
		"duration": one(func(s string) (sl.Value, error) { d, err := value.ParseDuration(s); return value.Duration{D: d}, err }),
		"row": value.NewRecord(dataflow.ObjectOf("id", int64(7), "name", "Ada", "total", dec(t, "12.50").D, "none", nil,
			"items", []any{int64(1), "x"}, "nested", dataflow.ObjectOf("a", true), "raw", dataflow.RawJSON(`{"k":[1,2.5]}`))),
	}
}

func eval(t testing.TB, expr string) (sl.Value, error) {
	t.Helper()
	return sl.EvalOptions(&syntax.FileOptions{Set: true}, &sl.Thread{}, "x", expr, names(t))
}

func TestExpressions(t *testing.T) {
	for expr, want := range map[string]string{
		// decimals
		`decimal("1.10") + decimal("2.2")`:          "3.30",
		`decimal("1.10") * 3`:                       "3.30",
		`3 - decimal("0.1")`:                        "2.9",
		`-decimal("0.10")`:                          "-0.10",
		`decimal("1") / 3`:                          "0.33333333333333333333333333333333333333",
		`decimal("2") / 3`:                          "0.66666666666666666666666666666666666667",
		`decimal("10") / 4`:                         "2.5",
		`100 / decimal("0.01")`:                     "10000",
		`decimal("-7") // 2`:                        "-4",
		`decimal("-7") % 2`:                         "1",
		`decimal("7.5") % decimal("2")`:             "1.5",
		`decimal("1.10") == decimal("1.1")`:         "True",
		`decimal("1.10") < decimal("1.2")`:          "True",
		`{decimal("1.10"): 1}[decimal("1.1")]`:      "1",
		`sorted([decimal("2"), decimal("1.5")])`:    "[1.5, 2]",
		`bool(decimal("0.00"))`:                     "False",
		`"%s" % decimal("1.10")`:                    "1.10",
		`str(decimal("1e3"))`:                       "1000",
		`decimal("12345678901234567890.12") * 1000`: "12345678901234567890120.00",
		// dates and times
		`datetime("2026-01-31T10:30:00+01:00")`:                                        "2026-01-31T09:30:00.000000Z",
		`datetime("2026-01-31T09:30:00Z") + duration("36h")`:                           "2026-02-01T21:30:00.000000Z",
		`datetime("2026-01-31T09:30:00Z") - datetime("2026-01-31T09:00:00Z")`:          "30m0s",
		`(date("2026-03-01") - date("2026-02-27")).days`:                               "2",
		`date("2026-02-28") + duration("1d")`:                                          "2026-03-01",
		`date("2026-02-28") < date("2026-03-01")`:                                      "True",
		`date("2026-02-28").weekday`:                                                   "5",
		`time("09:30")`:                                                                "09:30:00",
		`time("09:30:00.250000").microsecond`:                                          "250000",
		`time("09:30:00") < time("10:00")`:                                             "True",
		`datetime("2026-01-31T09:30:00Z").date == date("2026-01-31")`:                  "True",
		`datetime("2026-01-31T09:30:00Z").unix`:                                        "1769851800",
		`duration("90s") * 2 + duration("1s")`:                                         "3m1s",
		`[duration("1h").minutes, duration("1h") > duration("59m"), -duration("1s")]`:  "[60, True, -1s]",
		`{datetime("2026-01-31T09:30:00Z"): 1}[datetime("2026-01-31T10:30:00+01:00")]`: "1",
		// records
		`row.name + row["name"]`:   "AdaAda",
		`"name" in row`:            "True",
		`"nme" in row`:             "False",
		`[k for k in row][:2]`:     `["id", "name"]`,
		`len(row)`:                 "7",
		`row.get("nothing", 3)`:    "3",
		`row.get("none")`:          "None",
		`row.keys()[0]`:            "id",
		`row.values()[0]`:          "7",
		`row.items`:                `[1, "x"]`, // the field, not the method
		`row.nested`:               `{"a": True}`,
		`row.raw.k[1]`:             "2.5",
		`dict(row)["total"]`:       "12.50",
		`dict(**row)["id"]`:        "7",
		`(row | {"id": 8})["id"]`:  "8",
		`({"id": 8} | row)["id"]`:  "7",
		`row.nested == row.nested`: "True",
		`row == row.nested`:        "False",
		`type(row)`:                "record",
	} {
		got, err := eval(t, expr)
		if err != nil {
			t.Errorf("%s: %v", expr, err)
			continue
		}
		text, ok := sl.AsString(got)
		if !ok {
			text = got.String()
		}
		if text != want {
			t.Errorf("%s = %s, want %s", expr, text, want)
		}
	}
}

func TestExpressionsThatAreRefused(t *testing.T) {
	for expr, want := range map[string]string{
		`decimal("1") + 0.2`:                                `write decimal("0.2") instead`,
		`0.2 * decimal("1")`:                                `write decimal("0.2") instead`,
		`decimal("1") + "0.2"`:                              `write decimal("0.2")`,
		`decimal("1") / 0`:                                  "decimal division by zero",
		`decimal("1") % decimal("0")`:                       "decimal modulo by zero",
		`decimal("abc")`:                                    "not a decimal number",
		`decimal("1e999999999")`:                            "exponent is within",
		`decimal("1") & 1`:                                  "unknown binary op",
		`date("2026-02-30")`:                                "is no date",
		`datetime("yesterday")`:                             `write it as "2026-01-31T09:30:00Z"`,
		`datetime("9999-12-31T23:00:00Z") + duration("2h")`: "years 1 to 9999",
		`date("2026-01-01") + duration("1h")`:               "not a whole number of days",
		`time("25:00")`:                                     "is no time of day",
		`duration("5")`:                                     "is no duration",
		`date("2026-01-01") < 3`:                            "not implemented",
		`row.nme`:                                           "did you mean .name?",
		`row["nme"]`:                                        `key "nme" not in record`,
		`{row: 1}`:                                          "unhashable",
		`row < row`:                                         "not implemented",
		`duration("1h") * (1 << 62)`:                        "too long",
		`duration("2562047h") + duration("1h")`:             "too long",
		`duration("-2562047h") - duration("1h")`:            "too long",
		`decimal("1e38") * decimal("1e38") * decimal("1e38") * decimal("1e38") * decimal("1e38") * decimal("1e38") * ` +
			`decimal("1e38") * decimal("1e38") * decimal("1e38") * decimal("1e38") * decimal("1e38")`: "more than 400 digits",
	} {
		if _, err := eval(t, expr); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", expr, err, want)
		}
	}
}

func TestRecordsCannotBeChanged(t *testing.T) {
	for _, stmt := range []string{`row["id"] = 1`, `row.id = 1`} {
		_, err := sl.ExecFileOptions(&syntax.FileOptions{}, &sl.Thread{}, "x", "def f():\n    "+stmt+"\nf()\n", names(t))
		if err == nil || !strings.Contains(err.Error(), `return {"id": …} from the function`) {
			t.Errorf("%s: %v", stmt, err)
		}
	}
}

func TestCompareDecimalsWithIntsBothWays(t *testing.T) {
	one, d := sl.MakeInt(1), dec(t, "1.00")
	for op, want := range map[syntax.Token]bool{syntax.EQL: true, syntax.NEQ: false, syntax.LT: false, syntax.LE: true, syntax.GT: false, syntax.GE: true} {
		for _, pair := range [][2]sl.Value{{one, d}, {d, one}, {d, d}, {one, one}} {
			if got, err := value.Compare(op, pair[0], pair[1]); err != nil || got != want {
				t.Errorf("%v %v %v = %v, %v", pair[0], op, pair[1], got, err)
			}
		}
	}
	h1, _ := one.Hash()
	h2, _ := d.Hash()
	if h1 != h2 {
		t.Error("equal numbers have different hashes")
	}
	for _, pair := range [][2]sl.Value{{sl.Float(1), d}, {d, sl.Float(1)}} {
		if _, err := value.Compare(syntax.LT, pair[0], pair[1]); err == nil {
			t.Error("a float is compared with a decimal")
		}
	}
}

func TestValuesComeBackAsTheyWent(t *testing.T) {
	at := time.Date(2026, 1, 31, 9, 30, 0, 1000, time.UTC)
	for _, v := range []any{nil, true, int64(-1 << 63), int64(1<<63 - 1), 1.5, "é", dec(t, "1.10").D, at, dataflow.Date("2026-01-31"),
		dataflow.TimeOfDay("09:30:00"), []byte{0, 255}, []any{int64(1), "a", nil}} {
		got, err := value.ToGo(value.FromGo(v))
		if err != nil || cmp.Diff(fmt.Sprintf("%T %v", v, v), fmt.Sprintf("%T %v", got, got)) != "" {
			t.Errorf("%T %v came back as %T %v (%v)", v, v, got, got, err)
		}
	}
	o := dataflow.ObjectOf("b", int64(1), "a", int64(2))
	if got, _ := value.ToGo(value.FromGo(o)); got != any(o) {
		t.Error("an object was copied")
	}
}

func TestDictsAndStructsBecomeObjects(t *testing.T) {
	d := sl.NewDict(2)
	_ = d.SetKey(sl.String("b"), sl.MakeInt(1))
	_ = d.SetKey(sl.String("a"), sl.Tuple{sl.None})
	got, err := value.ToGo(d)
	if err != nil || strings.Join(got.(*dataflow.Object).Names(), " ") != "b a" {
		t.Errorf("%v, %v: a dict keeps its order", got, err)
	}
	got, err = value.ToGo(starlarkstruct.FromStringDict(starlarkstruct.Default, sl.StringDict{"z": sl.True, "a": sl.False}))
	if err != nil || strings.Join(got.(*dataflow.Object).Names(), " ") != "a z" {
		t.Errorf("%v, %v: a struct is sorted", got, err)
	}
}

func TestWhatHasNoCanonicalFormIsAProblemWithItsPlace(t *testing.T) {
	loop := sl.NewList(nil)
	_ = loop.Append(loop)
	in := func(v sl.Value) sl.Value {
		d := sl.NewDict(1)
		_ = d.SetKey(sl.String("a/b"), sl.NewList([]sl.Value{sl.None, v}))
		return d
	}
	badKey := sl.NewDict(1)
	_ = badKey.SetKey(sl.MakeInt(1), sl.None)
	for want, v := range map[string]sl.Value{
		"/a~1b/1: 9223372036854775808 does not fit into 64 bits":            in(sl.MakeBigInt(new(big.Int).Lsh(big.NewInt(1), 63))),
		"/a~1b/1: a set has no order; write sorted(…) to make a list of it": in(sl.NewSet(0)),
		"/a~1b/1: the key 1 is no string":                                   in(badKey),
		"/a~1b/1: a builtin_function_or_method can't be stored or sent":     in(sl.NewBuiltin("f", nil)),
		"nests deeper than": loop,
		"/a~1b/1: nan is not a number that can be stored or sent": in(sl.Float(nan())),
		"use its .seconds": in(value.Duration{D: time.Second}),
	} {
		if _, err := value.ToGo(v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func nan() float64 { z := 0.0; return z / z }

// function compiles a file and wraps its function f.
func function(t testing.TB, text string, env *value.Env) *value.Func {
	t.Helper()
	predeclared := names(t)
	predeclared["fail"] = sl.NewBuiltin("fail", value.Fail)
	predeclared["boom"] = sl.NewBuiltin("boom", func(*sl.Thread, *sl.Builtin, sl.Tuple, []sl.Tuple) (sl.Value, error) { panic("bug") })
	m := &dataflow.Model{Name: "Order", Fields: []*dataflow.Field{{Name: "id", Type: dataflow.Int, System: dataflow.RoleID}}}
	m.Seal()
	predeclared["Order"] = value.Model{M: m}
	globals, err := sl.ExecFileOptions(&syntax.FileOptions{Set: true}, &sl.Thread{}, "app.star", text, predeclared)
	if err != nil {
		t.Fatal(err)
	}
	globals.Freeze()
	env.Locate = func(p syntax.Position) dataflow.Span {
		return dataflow.Span{File: p.Filename(), Start: dataflow.Pos{Line: int(p.Line), Col: int(p.Col)}, End: dataflow.Pos{Line: int(p.Line), Col: int(p.Col) + 1}}
	}
	return value.NewFunc(globals["f"].(*sl.Function), env, dataflow.Span{File: "app.star", Start: dataflow.Pos{Line: 1, Col: 5}})
}

func TestParams(t *testing.T) {
	f := function(t, "def f(a, b = 1, *args, c, **rest):\n    \"\"\" Does it. \"\"\"\n", &value.Env{})
	want := []dataflow.Param{{Name: "a", Required: true}, {Name: "b"}, {Name: "c", Required: true}, {Name: "rest", Rest: true}}
	if d := cmp.Diff(want, f.Params()); d != "" {
		t.Error(d)
	}
	if f.Name() != "f" || f.Doc() != "Does it." {
		t.Errorf("%q %q", f.Name(), f.Doc())
	}
}

func TestFailIsARejection(t *testing.T) {
	_, err := function(t, "def g():\n    fail(\"only\", 3, \"left\")\ndef f():\n    g()\n", &value.Env{}).Call(context.Background(), nil, nil)
	want := &dataflow.Error{Code: "rejected", Status: dataflow.StatusRejected, Message: "only 3 left", Span: dataflow.Span{File: "app.star", Start: dataflow.Pos{Line: 2, Col: 9}, End: dataflow.Pos{Line: 2, Col: 10}}}
	if d := cmp.Diff(want, err); d != "" {
		t.Error(d)
	}
}

func TestAFailureNamesItsPlaceAndItsCallers(t *testing.T) {
	_, err := function(t, "def g(x):\n    return 1 + x\ndef f():\n    return g(\"a\")\n", &value.Env{}).Call(context.Background(), nil, nil)
	e := dataflow.AsError(err)
	if e.Code != "function_failed" || e.Message != "f() failed at app.star:2:14: unknown binary op: int + string" || e.Span.String() != "app.star:2:14" {
		t.Errorf("%+v", e)
	}
	want := "make a number of the text with int(…) or decimal(…), or text of the number with str(…)\ncalled from, innermost first:\n  app.star:2:14 in g\n  app.star:4:13 in f"
	if d := cmp.Diff(want, e.Hint); d != "" {
		t.Error(d)
	}
}

func TestAPanicOfABuiltinIsAFailureWithoutAGoStack(t *testing.T) {
	_, err := function(t, "def f():\n    boom()\n", &value.Env{}).Call(context.Background(), nil, nil)
	e := dataflow.AsError(err)
	if e.Code != "function_failed" || !strings.Contains(e.Private, "bug") || strings.Contains(e.Message+e.Hint+e.Private, "goroutine") {
		t.Errorf("%+v", e)
	}
	if e.Err == nil || !strings.Contains(e.Err.Error(), "goroutine") {
		t.Errorf("the log gets no stack: %v", e.Err)
	}
}

func TestAFailureTellsItsCallerNoValue(t *testing.T) {
	for body, private := range map[string]string{
		`int(x)`:          "ada@example.org",
		`{}[x]`:           "ada@example.org",
		`decimal(x)`:      "ada@example.org",
		`x.nope`:          "",
		`[][3]`:           "",
		`x + 1`:           "",
		`hash(1)`:         "",
		`len(3)`:          "",
		`x.index("zz")`:   "substring not found",
		`{"a": 1}.pop(x)`: "pop: missing key",
	} {
		_, err := function(t, "def f(x):\n    return "+body+"\n", &value.Env{}).
			Call(context.Background(), nil, dataflow.ObjectOf("x", "ada@example.org"))
		e := dataflow.AsError(err)
		if e.Code != "function_failed" || strings.Contains(e.Error()+e.Hint, "ada@") || !strings.Contains(e.Private, private) {
			t.Errorf("%s: %v, private %q", body, e, e.Private)
		}
	}
}

func TestAFailureTellsTheLogNoValue(t *testing.T) {
	_, err := function(t, "def f(x):\n    return int(x)\n", &value.Env{}).
		Call(context.Background(), nil, dataflow.ObjectOf("x", "ada@example.org"))
	if e := dataflow.AsError(err); e.Code != "function_failed" || e.Err != nil {
		t.Errorf("%+v", e)
	}
}

func TestAFunctionTakesFunctionsAndWhatElseTheAppDeclares(t *testing.T) {
	double := function(t, "def f(x):\n    return x * 2\n", &value.Env{})
	twice := function(t, "def f(g, op, model, workflow):\n    return [g(g(3)), str(op), str(model), str(workflow)]\n", &value.Env{})
	m := &dataflow.Model{Name: "Order"}
	got, err := twice.Call(context.Background(), nil, dataflow.ObjectOf("g", double,
		"op", dataflow.Op{Model: m, Kind: dataflow.OpList}, "model", m, "workflow", &dataflow.Workflow{Name: "w"}))
	want := []any{int64(12), "Order.list", "Order", "workflow(w)"}
	if d := cmp.Diff(want, got); err != nil || d != "" {
		t.Error(err, d)
	}
}

func TestABadResultIsAFailure(t *testing.T) {
	_, err := function(t, "def f():\n    return {\"n\": 1 << 64}\n", &value.Env{}).Call(context.Background(), nil, nil)
	e := dataflow.AsError(err)
	if e.Code != "function_failed" || len(e.Problems) != 1 || e.Problems[0].Code != "too_large" || e.Problems[0].Pointer != "/n" {
		t.Errorf("%+v", e)
	}
}

func TestLimitsEndACall(t *testing.T) {
	loop := "def f():\n    for _ in range(1000000000):\n        pass\n"
	expired, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	gone, leave := context.WithCancel(context.Background())
	leave()
	for name, c := range map[string]struct {
		ctx  context.Context
		env  value.Env
		code string
		text string
	}{
		"steps":    {context.Background(), value.Env{MaxSteps: 5000}, "function_failed", "f() failed at app.star:2:5: it took more than 5000 steps"},
		"time":     {context.Background(), value.Env{Timeout: time.Millisecond}, "function_failed", "it took longer than 1ms"},
		"deadline": {expired, value.Env{}, "timeout", "f() ran out of time"},
		"left":     {gone, value.Env{}, "cancelled", "the caller went away"},
	} {
		_, err := function(t, loop, &c.env).Call(c.ctx, nil, nil)
		if e := dataflow.AsError(err); e.Code != c.code || !strings.Contains(e.Message, c.text) {
			t.Errorf("%s: %v", name, err)
		}
	}
	var deep strings.Builder
	deep.WriteString("def g0():\n    for _ in range(5000):\n        pass\n")
	for i := range 300 {
		fmt.Fprintf(&deep, "def g%d():\n    g%d()\n", i+1, i)
	}
	deep.WriteString("def f():\n    g300()\n")
	_, err := function(t, deep.String(), &value.Env{MaxDepth: 100}).Call(context.Background(), nil, nil)
	if e := dataflow.AsError(err); !strings.Contains(e.Message, "nest deeper than 100") {
		t.Errorf("depth: %v", err)
	}
	_, err = function(t, "def f():\n    f()\n", &value.Env{}).Call(context.Background(), nil, nil)
	if e := dataflow.AsError(err); !strings.Contains(e.Message, "called recursively") || !strings.Contains(e.Hint, "for loop") {
		t.Errorf("recursion: %v", err)
	}
}

// handler records what a function asks for.
type handler struct {
	calls []string
	err   error
}

func (h *handler) record(what string, args *dataflow.Object) (any, error) {
	h.calls = append(h.calls, fmt.Sprint(what, " ", value.NewRecord(args)))
	return dataflow.ObjectOf("id", int64(1)), h.err
}

func (h *handler) Run(_ context.Context, op dataflow.Op, args *dataflow.Object) (any, error) {
	return h.record(op.NodeType(), args)
}

func (h *handler) RunNode(_ context.Context, node string, args *dataflow.Object) (any, error) {
	return h.record(node, args)
}

func (h *handler) Workflow(_ context.Context, name string, args *dataflow.Object) (any, error) {
	return h.record(name, args)
}

func (h *handler) Info() dataflow.Info {
	return dataflow.Info{RunID: "r1", User: dataflow.ObjectOf("id", "ada"), Tenant: ""}
}

func (h *handler) Sleep(_ context.Context, d time.Duration) error {
	h.calls = append(h.calls, fmt.Sprint("sleep ", d))
	return h.err
}

func (h *handler) WaitSignal(_ context.Context, name string, timeout time.Duration, other any, hasOther bool) (any, error) {
	h.calls = append(h.calls, fmt.Sprint("wait ", name, " ", timeout, " ", other, " ", hasOther))
	return "came", h.err
}

func (h *handler) Record(ctx context.Context, what string, f func(context.Context) (any, error)) (any, error) {
	h.calls = append(h.calls, "record "+what)
	return f(ctx)
}

func (h *handler) Now() time.Time { return time.Date(2026, 1, 31, 9, 30, 0, 0, time.UTC) }

func TestAHandlersCtx(t *testing.T) {
	h := &handler{}
	got, err := function(t, `def f(ctx, n):
    a = ctx.run(Order.create, total = decimal("1.50"), n = n)
    ctx.run("HTTPRequestNode", {"url": "x"}, method = "GET")
    ctx.workflow("place", {"a": a.id})
    return [a.id, ctx.user.id, ctx.tenant, ctx.run_id, ctx.now()]
`, &value.Env{}).Call(context.Background(), []any{h}, dataflow.ObjectOf("n", int64(2)))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("[1 ada <nil> r1 2026-01-31 09:30:00 +0000 UTC]", fmt.Sprint(got)); d != "" {
		t.Error(d)
	}
	want := []string{`OrderCreateNode {"total": 1.50, "n": 2}`, `HTTPRequestNode {"url": "x", "method": "GET"}`, `place {"a": 1}`, "record now"}
	if d := cmp.Diff(want, h.calls); d != "" {
		t.Error(d)
	}
}

func TestAnErrorOfCtxRunKeepsItsIdentityAndGainsThePlaceOfTheCall(t *testing.T) {
	cause := errors.New("cause")
	h := &handler{err: fmt.Errorf("wrapped: %w", &dataflow.Error{Code: "unique", Status: dataflow.StatusConflict, Message: "taken",
		Problems: []dataflow.Problem{{Code: "unique", Pointer: "/email"}}, Err: cause})}
	_, err := function(t, "def f(ctx):\n    ctx.run(Order.create)\n", &value.Env{}).Call(context.Background(), []any{h}, nil)
	e := dataflow.AsError(err)
	if e.Code != "unique" || e.Status != dataflow.StatusConflict || len(e.Problems) != 1 || !errors.Is(err, cause) || e.Span.Start.Line != 2 {
		t.Errorf("%+v", e)
	}
}

func TestWrongUseOfCtx(t *testing.T) {
	for call, want := range map[string]string{
		`ctx.run()`:                             "say what to run",
		`ctx.run(Order)`:                        "name an operation of it, as Order.create",
		`ctx.run(3)`:                            "want an operation or the name of a node type, not int",
		`ctx.run(Order.create, 3)`:              "the arguments are a dict, not a int",
		`ctx.run(Order.create, {"a": 1}, a=2)`:  `"a" is given twice`,
		`ctx.run(Order.create, a = 1 << 64)`:    "/a: 18446744073709551616 does not fit",
		`ctx.run(Order.create, {1: 2})`:         "the key 1 is no string",
		`ctx.workflow()`:                        "name a registered workflow",
		`ctx.sleep("soon")`:                     "duration",
		`ctx.sleep("0s")`:                       "more than 0",
		`ctx.sleep(1 << 60)`:                    "too long",
		`ctx.sleep([])`:                         "not list",
		`ctx.wait_signal("")`:                   "1 to 100 bytes",
		`ctx.wait_signal("a\x00b")`:             "without the character NUL",
		`ctx.wait_signal("x", default = 1)`:     "never used without a timeout",
		`ctx.wait_signal("x", timeout = "-1s")`: "more than 0",
		`ctx.now(1)`:                            "ctx.now: got 1 arguments, want at most 0",
		`ctx.rum`:                               "did you mean .run?",
		`Order.create(a = 1)`:                   "write ctx.run(Order.create, …)",
		`Order.crate`:                           "did you mean .create?",
	} {
		_, err := function(t, "def f(ctx):\n    "+call+"\n", &value.Env{}).Call(context.Background(), []any{&handler{}}, nil)
		if e := dataflow.AsError(err); e.Code != "function_failed" || !strings.Contains(e.Message, want) {
			t.Errorf("%s: %v", call, err)
		}
	}
}

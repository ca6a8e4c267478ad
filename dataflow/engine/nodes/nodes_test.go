package nodes_test

import (
	"context"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
)

var identity = ft.Fn("identity", "x?", func(a *dataflow.Object) (any, error) { v, _ := a.Get("x"); return v, nil })

func newEngine(t testing.TB, o engine.Options, wfs ...*dataflow.Workflow) *engine.Engine {
	t.Helper()
	p, ds := engine.NewPlan(&dataflow.App{Workflows: wfs}, nodes.Types())
	if p == nil {
		t.Fatalf("the app is refused:\n%s", ft.Render(ds))
	}
	e, err := engine.New(p, o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// run runs one workflow made of parts.
func run(t testing.TB, inputs *dataflow.Object, parts ...any) (string, *dataflow.Error) {
	t.Helper()
	res, err := newEngine(t, engine.Options{}, ft.Workflow("w", parts...)).
		Run(context.Background(), engine.Request{Workflow: "w", Inputs: inputs})
	if err != nil {
		return "", dataflow.AsError(err)
	}
	return string(codec.AppendValue(nil, res.Outputs)), nil
}

func TestEveryTypeIsDocumented(t *testing.T) {
	seen := map[string]bool{}
	for _, typ := range nodes.Types() {
		s := typ.Spec()
		if s != typ.Spec() {
			t.Errorf("%s: Spec returns another pointer each time", s.Name)
		}
		if s.Doc == "" || seen[s.Name] || s.Output == nil && s.OutputOf == nil {
			t.Errorf("%s: its doc or output is missing, or its name is taken", s.Name)
		}
		seen[s.Name] = true
	}
	if len(seen) != 22 {
		t.Errorf("%d types", len(seen))
	}
}

func TestStarlarkNode(t *testing.T) {
	var got *dataflow.Object
	fn := func(out any, err error) *ft.Func {
		return ft.Fn("f", "a b?", func(args *dataflow.Object) (any, error) { got = args; return out, err })
	}
	for _, test := range []struct {
		name string
		out  any
		want string
	}{
		{"a dict is the output", ft.Obj("x", int64(1)), `{"s":{"x":1}}`},
		{"anything else is the result", int64(1), `{"s":{"result":1}}`},
		{"nothing too", nil, `{"s":{"result":null}}`},
	} {
		out, err := run(t, nil, ft.Node("StarlarkNode", "s", ft.Obj("fn", fn(test.out, nil), "a", "x")))
		if err != nil || out != test.want {
			t.Errorf("%s: %s, %v", test.name, out, err)
		}
		if s := string(codec.AppendValue(nil, got)); s != `{"a":"x"}` {
			t.Errorf("%s: the arguments are %s", test.name, s)
		}
	}
	failed := &dataflow.Error{Code: "rejected", Status: dataflow.StatusRejected, Message: "no"}
	if _, err := run(t, nil, ft.Node("StarlarkNode", "s", ft.Obj("fn", fn(nil, failed), "a", 1))); err == nil || err.Code != "rejected" || err.Node != "s" {
		t.Errorf("%+v", err)
	}
}

func TestSwitchNode(t *testing.T) {
	in := ft.Obj("v", ft.Obj("status", "new", "total", int64(10), "note", nil, "tags", []any{"a", "b"}, "day", "2026-01-31"))
	field := func(name, op string, value any) *dataflow.Object {
		return ft.Obj("input", "${input.v}", "condition_field", name, "operator", op, "value", value)
	}
	for _, test := range []struct {
		name   string
		config *dataflow.Object
		port   string
	}{
		{"a condition that holds", ft.Obj("condition", true), "true_output"},
		{"one that does not", ft.Obj("condition", false), "false_output"},
		{"null is not true", ft.Obj("condition", "${input.v.note}"), "false_output"},
		{"a case", ft.Obj("value", "${input.v.status}", "cases", ft.List("old", "new")), "case_new"},
		{"no case", ft.Obj("value", "${input.v.status}", "cases", ft.List("old")), "default"},
		{"a number's case", ft.Obj("value", "${input.v.total}", "cases", ft.List(9, 10)), "case_10"},
		{"==", field("status", "==", "new"), "true_output"},
		{"!=", field("status", "!=", "new"), "false_output"},
		{"== null", field("note", "==", nil), "true_output"},
		{"!= null", field("status", "!=", nil), "true_output"},
		{"== of different types", field("total", "==", "10"), "false_output"},
		{">", field("total", ">", 9.5), "true_output"},
		{">=", field("total", ">=", 10), "true_output"},
		{"<", field("total", "<", 10), "false_output"},
		{"<=", field("day", "<=", "2026-02-01"), "true_output"},
		{"< null", field("note", "<", 1), "false_output"},
		{"in", field("status", "in", ft.List("old", "new")), "true_output"},
		{"not in", field("status", "not in", ft.List("old", "new")), "false_output"},
		{"contains, of a list", field("tags", "contains", "b"), "true_output"},
		{"contains, of a text", field("status", "contains", "w"), "true_output"},
		{"exists", field("note", "exists", nil), "true_output"},
		{"not exists", field("nope", "exists", nil), "false_output"},
		{"is null", field("note", "is null", nil), "true_output"},
		{"no operator is ==", ft.Obj("input", "${input.v}", "condition_field", "status", "value", "new"), "true_output"},
		{"a path", ft.Obj("input", ft.Obj("a", "${input.v}"), "condition_field", "a.status", "value", "new"), "true_output"},
	} {
		out, err := run(t, in, ft.In("v", dataflow.JSON), ft.Node("SwitchNode", "s", test.config))
		if err != nil || len(out) < len(test.port) || out[:len(`{"s":{"`+test.port+`":`)] != `{"s":{"`+test.port+`":` {
			t.Errorf("%s: %s, %v; want %s", test.name, out, err, test.port)
		}
	}
	for _, test := range []*dataflow.Object{field("status", "<", 1), field("status", "in", "new"), field("total", "contains", 1), ft.Obj("condition", "${input.v.status}")} {
		if out, err := run(t, in, ft.In("v", dataflow.JSON), ft.Node("SwitchNode", "s", test)); err == nil || err.Code != "invalid" || err.Node != "s" {
			t.Errorf("%s: %+v", out, err)
		}
	}
}

func TestMergeNode(t *testing.T) {
	// b is skipped; a and c are there.
	parts := func(merge *dataflow.Object, edges ...any) []any {
		return append([]any{
			ft.Node("StarlarkNode", "a", ft.Obj("fn", identity, "x", 1)),
			ft.Node("StarlarkNode", "b", ft.Obj("fn", identity, "x", 2), ft.When(false)),
			ft.Node("StarlarkNode", "c", ft.Obj("fn", identity, "x", 3)),
			ft.Node("MergeNode", "m", merge), ft.Output{V: "${m.result}"},
		}, edges...)
	}
	list := ft.List("${b.result}", "${a.result}", "${c.result}")
	dict := ft.Obj("b", "${b.result}", "c", "${c.result}")
	for _, test := range []struct {
		name  string
		parts []any
		want  string
	}{
		{"the first that is there", parts(ft.Obj("inputs", list)), "1"},
		{"all that are there", parts(ft.Obj("inputs", list, "strategy", "all")), "[1,3]"},
		{"by name", parts(ft.Obj("inputs", dict, "strategy", "object")), `{"c":3}`},
		{"the first of a dict", parts(ft.Obj("inputs", dict)), "3"},
		{"connections", parts(ft.Obj("strategy", "object"), ft.Edge("b", "result", "m", "data1"), ft.Edge("a", "result", "m", "data2")), `{"data2":1}`},
		{"none is there", parts(ft.Obj("inputs", ft.List("${b.result}"))), "null"},
	} {
		if out, err := run(t, nil, test.parts...); err != nil || out != test.want {
			t.Errorf("%s: %s, %v; want %s", test.name, out, err, test.want)
		}
	}
}

func TestTransactionNodeWithoutADatabase(t *testing.T) {
	broken := ft.Fn("broken", "", func(*dataflow.Object) (any, error) {
		return nil, &dataflow.Error{Code: "rejected", Status: dataflow.StatusRejected, Message: "no"}
	})
	fault := ft.Fn("fault", "", func(*dataflow.Object) (any, error) {
		return nil, &dataflow.Error{Code: "function_failed", Status: dataflow.StatusInternal, Message: "division by zero"}
	})
	scope := func(fn *ft.Func, policy string) []any {
		return []any{ft.Node("TransactionNode", "t", ft.Obj("nodes", ft.List("n"), "on_error", policy)), ft.Node("StarlarkNode", "n", ft.Obj("fn", fn))}
	}
	if out, err := run(t, nil, scope(identity, "rollback")...); err != nil || out != `{"t":{"ok":true,"error":null},"n":{"result":null}}` {
		t.Errorf("%s, %v", out, err)
	}
	if out, err := run(t, nil, scope(broken, "continue")...); err != nil || out != `{"t":{"ok":false,"error":{"code":"rejected","message":"no","node":"n"}}}` {
		t.Errorf("%s, %v", out, err)
	}
	wrong := ft.Fn("wrong", "", func(*dataflow.Object) (any, error) {
		return nil, dataflow.Invalid(dataflow.Problem{Code: "required", Pointer: "/sku", Detail: "is required"})
	})
	if out, err := run(t, nil, scope(wrong, "continue")...); err != nil || out != `{"t":{"ok":false,"error":{"code":"invalid","message":"the input has a problem: n.sku: is required","node":"n"}}}` {
		t.Errorf("%s, %v", out, err)
	}
	if _, err := run(t, nil, scope(broken, "rollback")...); err == nil || err.Node != "n" {
		t.Errorf("%+v", err)
	}
	if _, err := run(t, nil, scope(fault, "continue")...); err == nil || err.Code != "function_failed" {
		t.Errorf("%+v: a fault of the app is not passed over", err)
	}
}

func TestWorkflowNode(t *testing.T) {
	sub := ft.Workflow("sub", ft.In("n", dataflow.Int), ft.Node("StarlarkNode", "s", ft.Obj("fn", identity, "x", "${input.n}")), ft.Output{V: ft.Obj("n", "${s.result}")})
	for _, by := range []any{"sub", sub} {
		e := newEngine(t, engine.Options{}, sub, ft.Workflow("w", ft.In("v", dataflow.JSON),
			ft.Node("WorkflowNode", "call", ft.Obj("workflow", by, "inputs", ft.Obj("n", "${input.v}"))), ft.Output{V: "${call.n}"}))
		res, err := e.Run(context.Background(), engine.Request{Workflow: "w", Inputs: ft.Obj("v", int64(4))})
		if err != nil || res.Outputs != int64(4) {
			t.Errorf("%v, %v", res, err)
		}
		_, err = e.Run(context.Background(), engine.Request{Workflow: "w", Inputs: ft.Obj("v", "four")})
		got := dataflow.AsError(err)
		if len(got.Problems) != 1 || got.Problems[0].Pointer != "/v" || got.Problems[0].Code != "wrong_type" {
			t.Errorf("%+v", got)
		}
	}
}

func TestAHandlerMayGiveNullForWhatIsOptional(t *testing.T) {
	h := ft.HandlerFn(func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
		return h.RunNode(ctx, "SwitchNode", ft.Obj("cases", nil, "operator", nil, "value", "new",
			"input", ft.Obj("status", "new"), "condition_field", "status"))
	})
	res, err := newEngine(t, engine.Options{}, ft.Handler("h", true, h)).
		Run(context.Background(), engine.Request{Workflow: "h"})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(codec.AppendValue(nil, res.Outputs)); got != `{"true_output":{"status":"new"}}` {
		t.Error(got)
	}
}

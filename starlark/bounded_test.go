package starlark_test

import (
	"context"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/starlark"
)

// call runs the function f of a file with one argument.
func call(t *testing.T, text string, arg any) (any, error) {
	t.Helper()
	app, diags := loadText(text+"\napp = Nexus()\nwf = WorkflowBuilder()\nwf.add_node(\"StarlarkNode\", \"n\", {\"fn\": f, \"n\": 1})\n"+
		"app.register(\"w\", wf.build())\napp.start()\n", starlark.Options{})
	for _, d := range diags {
		t.Fatal(show(d))
	}
	fn, _ := app.Workflows[0].Nodes[0].Config.Get("fn")
	return fn.(dataflow.Func).Call(context.Background(), nil, dataflow.ObjectOf("n", arg))
}

func TestOneStepMakesNothingHuge(t *testing.T) {
	for body, want := range map[string]string{
		`return len("ab" * n)`:                                 "string * int: the result has more than 10000000 bytes",
		`return len(n * [0])`:                                  "list * int: the result has more than 1000000 items",
		`return len((1, 2) * n)`:                               "tuple * int: the result has more than 1000000 items",
		"s = \"ab\"\n    s *= n\n    return len(s)":            "string * int: the result has more than 10000000 bytes",
		`return list(range(n))`:                                "range: more than 10000000 numbers",
		`return sorted(range(0, n * 4, 2))`:                    "range: more than 10000000 numbers",
		"for i in range(30):\n        n = n * n\n    return 1": "int * int: the result has more than 65536 bits",
		`return "ab" * (n * n * n)`:                            "string * int: the result has more than",
	} {
		_, err := call(t, "def f(n):\n    "+body+"\n", int64(2_000_000_000))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestProductsAreThoseOfStarlark(t *testing.T) {
	text := `def f(n):
    s = "ab"
    s *= 2
    m = [1, 2]
    m[0] *= 5
    return [s, n * "x", "" * 99999999999, "x" * -5, [1] * n, m, n * decimal("1.5"), 2 * n * 2.5, len(range(10, 0, -2))]
`
	got, err := call(t, text, int64(3))
	if err != nil {
		t.Fatal(err)
	}
	want := `["abab","xxx","","",[1,1,1],[5,2],"4.5",15,5]`
	if s := string(codec.AppendValue(nil, got)); s != want {
		t.Errorf("got %s", s)
	}
}

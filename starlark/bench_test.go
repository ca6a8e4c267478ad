package starlark_test

import (
	"context"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark"
)

// BenchmarkSums is a loop of additions: what counting memory costs them.
func BenchmarkSums(b *testing.B) {
	app, diags := loadText("def f(n):\n    s = 0\n    for i in range(1000):\n        s = s + i\n    return s\n"+
		"app = Nexus()\nwf = WorkflowBuilder()\nwf.add_node(\"StarlarkNode\", \"n\", {\"fn\": f, \"n\": 1})\napp.register(\"w\", wf.build())\napp.start()\n", starlark.Options{})
	if len(diags) > 0 {
		b.Fatal(show(diags[0]))
	}
	v, _ := app.Workflows[0].Nodes[0].Config.Get("fn")
	fn := v.(dataflow.Func)
	args := dataflow.ObjectOf("n", int64(1))
	for b.Loop() {
		if _, err := fn.Call(context.Background(), nil, args); err != nil {
			b.Fatal(err)
		}
	}
}

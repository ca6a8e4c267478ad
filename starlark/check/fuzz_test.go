package check_test

import (
	"context"
	"testing"
	"testing/fstest"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/check"
	"github.com/flowctl/flowctl/starlark/checktest"
	"github.com/flowctl/flowctl/stdlib"
)

// longest is how long a text of the fuzzer may be: what is found in longer ones
// is found in shorter ones, sooner.
const longest = 20_000

// FuzzCheck holds what is reported to what must hold of it, of any text.
// No engine of a database is compiled in, so that it is soon instrumented:
//
//	go test ./starlark/check -run '^$' -fuzz FuzzCheck -fuzztime 10m -parallel 1
func FuzzCheck(f *testing.F) {
	for _, text := range checktest.Seeds(f) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) < longest {
			checktest.Hold(t, planned, text)
		}
	})
}

// planned is what is said of a file that is loaded, planned and checked.
func planned(text string) []dataflow.Diagnostic {
	app, ds := starlark.Load(context.Background(), "app.star", starlark.Options{
		FS: fstest.MapFS{"app.star": {Data: []byte(text)}}, Modules: stdlib.Modules(), MaxSteps: 200_000,
	})
	if app != nil {
		_, planning := engine.NewPlan(app, nodes.Types())
		ds = append(ds, planning...)
	}
	return check.Run(app, []check.Source{{Path: "app.star", Text: text}}, ds)
}

package stdlib_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/stdlib"
)

// A program that loads apps gives them the standard modules.
func ExampleModules() {
	files := fstest.MapFS{"app.star": {Data: []byte(`
load("@stdlib//money.star", "allocate")
def split(ctx):
    return allocate(decimal("10.00"), [1, 1, 1])
app = Nexus()
app.handler("split", split, read_only = True)
app.start()
`)}}
	app, diagnostics := starlark.Load(context.Background(), "app.star", starlark.Options{FS: files, Modules: stdlib.Modules()})
	if len(diagnostics) > 0 {
		fmt.Println(diagnostics)
		return
	}
	fmt.Println(app.Workflows[0].Handler.Call(context.Background(), []any{nil}, nil))
	// Output: [3.34 3.33 3.33] <nil>
}

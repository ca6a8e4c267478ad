package starlark_test

import (
	"context"
	"fmt"
	"testing/fstest"

	"github.com/flowctl/flowctl/starlark"
)

// A program loads an app from any file system and is told what is wrong with
// it, and where.
func ExampleLoad() {
	files := fstest.MapFS{"app.star": {Data: []byte(`
db = DataFlow(database_url = "sqlite:notes.db")
Note = db.model("Note", {"text": strr})
`)}}
	app, diagnostics := starlark.Load(context.Background(), "app.star", starlark.Options{FS: files})
	fmt.Println(len(app.Models()), "model")
	for _, d := range diagnostics {
		fmt.Printf("%s: %s: %s; %s\n", d.Span, d.Severity, d.Message, d.Hint)
	}
	// Output:
	// 1 model
	// app.star:3:34: error: "strr" is not defined; did you mean "str"?
}

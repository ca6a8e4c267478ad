package reload_test

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/reload"
)

// A program that makes its app of files itself has them watched: here the app's
// name is the text of one.
func ExampleRun() {
	dir, err := os.MkdirTemp("", "app")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "name.txt")
	load := func(_ context.Context, files fs.FS) reload.Loaded {
		text, err := fs.ReadFile(files, "name.txt")
		if err != nil {
			return reload.Loaded{Diagnostics: []dataflow.Diagnostic{{Message: "the app has no name"}}}
		}
		return reload.Loaded{App: &dataflow.App{Server: &dataflow.Server{Name: string(text), Host: "127.0.0.1", MCPStdioOnly: true}}}
	}

	_ = os.WriteFile(name, []byte("one"), 0o644)
	var first reload.Loaded
	seen, err := reload.Read(dir, func(files fs.FS) { first = load(context.Background(), files) })
	if err != nil {
		fmt.Println(err)
		return
	}
	gen, _ := nexus.Build(context.Background(), first.App, first.Options)
	srv, _ := nexus.Listen(gen, first.Options)
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ctx, 0) }()

	results, done := make(chan reload.Result), make(chan error, 1)
	go func() {
		done <- reload.Run(ctx, reload.Options{Dir: dir, Server: srv, Load: load, First: first, Seen: seen, Watch: true,
			Report: func(r reload.Result) { results <- r }})
	}()
	_ = os.WriteFile(name+".new", []byte("two"), 0o644)
	_ = os.Rename(name+".new", name)
	r := <-results
	fmt.Println(r.Outcome == reload.Served, r.Generation, r.Loaded.App.Server.Name)
	api, _ := srv.URLs()
	if res, err := http.Get(api + "/health/live"); err == nil {
		fmt.Println(res.Status)
		res.Body.Close()
	}
	stop()
	fmt.Println(<-served, <-done)
	// Output:
	// true 2 two
	// 200 OK
	// <nil> <nil>
}

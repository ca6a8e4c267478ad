// Command embed is a Go program with a flowctl app inside: it loads app.star
// from its own binary, adds a node type and a Starlark module, and serves the
// app beside a route of its own.
package main

import (
	"context"
	"embed"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/stdlib"
)

//go:embed app.star
var files embed.FS

func main() {
	log.SetFlags(0)
	addr := flag.String("addr", "127.0.0.1:8080", "where to listen")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *addr); err != nil {
		log.Fatal("embed: ", err)
	}
}

func run(ctx context.Context, addr string) error {
	app, err := load(ctx, os.LookupEnv)
	if err != nil {
		return err
	}
	gen, err := build(ctx, app)
	if err != nil {
		return err
	}
	defer gen.Close()
	srv := &http.Server{Addr: addr, Handler: handler(gen), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() {
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		srv.Shutdown(grace)
	})
	log.Printf("serving http://%s", addr)
	if err := srv.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// load evaluates app.star, which may load the standard modules and ours.
func load(ctx context.Context, env func(string) (string, bool)) (*dataflow.App, error) {
	app, diags := starlark.Load(ctx, "app.star", starlark.Options{
		FS:      files,
		Modules: append(stdlib.Modules(), linksModule()),
		Env:     env,
	})
	return app, problems(diags)
}

// build opens the app's database, brings it up to date and plans everything.
func build(ctx context.Context, app *dataflow.App) (*nexus.Generation, error) {
	gen, diags := nexus.Build(ctx, app, nexus.Options{NodeTypes: []engine.NodeType{slugNode{}}})
	return gen, problems(diags)
}

// problems makes one error of what is wrong with the app.
func problems(diags []dataflow.Diagnostic) error {
	var errs []error
	for _, d := range diags {
		if d.Severity == dataflow.SeverityError {
			errs = append(errs, fmt.Errorf("%s: %s %s", d.Span, d.Code, d.Message))
		}
	}
	return errors.Join(errs...)
}

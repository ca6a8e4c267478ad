package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/check"
	"github.com/flowctl/flowctl/starlark/report"
	"github.com/flowctl/flowctl/stdlib"
)

// appFile is an app.star that a command names.
type appFile struct {
	dir     string // its folder, the root of all it may read
	base    string // its name in it
	display string // what stands before names of files, as the user wrote it
}

// findApp looks for the app at path: a file, or a folder with an app.star.
func findApp(path string) (*appFile, error) {
	info, err := os.Stat(path)
	if err == nil && info.IsDir() {
		path = filepath.Join(path, "app.star")
		_, err = os.Stat(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, &usageError{"there is no file " + path, "name the file of an app, or make one with: flowctl init my_app"}
	case err != nil:
		return nil, &usageError{path + " can't be read: " + reason(err), "check the file and its permissions"}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, &usageError{path + " can't be read: " + reason(err), "check the file and its permissions"}
	}
	f.Close()
	base := filepath.Base(path)
	return &appFile{dir: filepath.Dir(path), base: base, display: strings.TrimSuffix(path, base)}, nil
}

// reason is the part of a file's error that its user can act on.
func reason(err error) string {
	if p, ok := errors.AsType[*fs.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// byteOrderMark may stand before a text, and is no part of it.
const byteOrderMark = "\ufeff"

// source returns the text of a file by the name that spans have for it.
func (a *appFile) source(path string) string {
	root, err := os.OpenRoot(a.dir)
	if err != nil {
		return ""
	}
	defer root.Close()
	text, err := fs.ReadFile(root.FS(), filepath.ToSlash(strings.TrimPrefix(path, a.display)))
	if err != nil { // of a module, say: its place alone is shown
		return ""
	}
	return strings.TrimPrefix(string(text), byteOrderMark) // as spans count
}

func (a *appFile) load(ctx context.Context, w *world) (app *dataflow.App, diags []dataflow.Diagnostic) {
	app, _, diags = a.read(ctx, w)
	return app, diags
}

// read loads the app and returns its files too.
func (a *appFile) read(ctx context.Context, w *world) (app *dataflow.App, sources check.Sources, diags []dataflow.Diagnostic) {
	err := a.within(func(files fs.FS) {
		o := a.loading(w, files, w.err)
		o.Read = sources.Add
		app, diags = starlark.Load(ctx, a.base, o)
	})
	if err != nil {
		return nil, nil, a.unreadable(err)
	}
	return app, sources, diags
}

// loadFrom is load from files that are at hand.
func (a *appFile) loadFrom(ctx context.Context, w *world, files fs.FS) (*dataflow.App, []dataflow.Diagnostic) {
	return starlark.Load(ctx, a.base, a.loading(w, files, w.err))
}

// unreadable says that the app's folder can't be read.
func (a *appFile) unreadable(err error) []dataflow.Diagnostic {
	return []dataflow.Diagnostic{{Code: "FC110", Span: dataflow.Span{File: a.display + a.base}, Message: a.display + " can't be read: " + reason(err)}}
}

// within gives f the app's folder, which no path and no link leaves.
func (a *appFile) within(f func(fs.FS)) error {
	root, err := os.OpenRoot(a.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f(root.FS())
	return nil
}

// loading are the options of loading the app. print() writes to out.
func (a *appFile) loading(w *world, files fs.FS, out io.Writer) starlark.Options {
	return starlark.Options{
		FS:      files,
		Display: a.display,
		Env:     w.env,
		Modules: stdlib.Modules(),
		Print: func(at dataflow.Span, text string) {
			_ = report.Print(out, at, text) // where it can't be written, nobody can be told
		},
	}
}

// check loads the app and returns it with everything that can be found without
// touching a database.
func (a *appFile) check(ctx context.Context, w *world) (*dataflow.App, []dataflow.Diagnostic) {
	app, sources, diags := a.read(ctx, w)
	return app, a.checkRead(w, app, sources, diags)
}

// checkLoaded is check of an app that is loaded already.
func (a *appFile) checkLoaded(w *world, app *dataflow.App, diags []dataflow.Diagnostic) []dataflow.Diagnostic {
	return a.checkRead(w, app, a.sources(app), diags)
}

// checkRead is check of an app that was read.
func (a *appFile) checkRead(w *world, app *dataflow.App, sources check.Sources, diags []dataflow.Diagnostic) []dataflow.Diagnostic {
	if app != nil {
		diags = append(diags, nexus.Check(app, a.options(w, false))...)
	}
	return check.Run(app, sources, diags)
}

// sources are the files of the app's folder that it was loaded from; those of
// one that can't be evaluated are its own file.
func (a *appFile) sources(app *dataflow.App) []check.Source {
	if app == nil {
		path := a.display + a.base
		return []check.Source{{Path: path, Text: a.source(path)}}
	}
	var out []check.Source
	for _, f := range app.Files {
		if path := a.display + f.Path; !strings.HasPrefix(f.Path, "@") {
			out = append(out, check.Source{Path: path, Text: a.source(path)})
		}
	}
	return out
}

func (a *appFile) options(w *world, verbose bool) nexus.Options {
	return nexus.Options{Version: thisBuild().Version, Dir: a.dir, Env: w.env, Logger: w.logger(verbose)}
}

// logger writes to standard error, whatever the command.
func (w *world) logger(verbose bool) *slog.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return newLogger(w.err, "text", level)
}

// report writes diagnostics to out.
func (a *appFile) report(w *world, out io.Writer, diags []dataflow.Diagnostic) error {
	return report.Text(out, dataflow.SortDiagnostics(diags), a.source, report.Color(out, w.env))
}

// reportPressing is report of what a command must say that is not about the
// file: errors, and what a database was found to be. The rest can be had from
// check, and is said when the app is served.
func (a *appFile) reportPressing(w *world, out io.Writer, diags []dataflow.Diagnostic) error {
	return a.report(w, out, slices.DeleteFunc(slices.Clone(diags), func(d dataflow.Diagnostic) bool {
		return d.Severity != dataflow.SeverityError && !strings.HasPrefix(d.Code, check.OfDatabases)
	}))
}

// build loads the app and makes it ready to serve. What is to be said about
// it is said; the error then only carries the exit code.
func (a *appFile) build(ctx context.Context, w *world, o nexus.Options) (*nexus.Generation, error) {
	return a.make(ctx, w, o, a.report, unchanged)
}

// open is build for a command that does one thing with the app: it says what
// keeps it from that, and leaves the rest to those that are about the file.
// change may alter the app between the two.
func (a *appFile) open(ctx context.Context, w *world, change func(*dataflow.App) error) (*nexus.Generation, error) {
	return a.make(ctx, w, a.options(w, false), a.reportPressing, change)
}

func (a *appFile) make(ctx context.Context, w *world, o nexus.Options, report func(*world, io.Writer, []dataflow.Diagnostic) error, change func(*dataflow.App) error) (*nexus.Generation, error) {
	app, diags := a.load(ctx, w)
	if dataflow.HasErrors(diags) {
		return nil, errors.Join(report(w, w.err, a.checkLoaded(w, app, diags)), exitError(exitFailed))
	}
	if err := change(app); err != nil {
		return nil, err
	}
	o.Source, o.Load = a.versions(w, app)
	gen, more := nexus.Build(ctx, app, o)
	if err := report(w, w.err, check.Run(app, a.sources(app), append(diags, more...))); err != nil {
		return nil, fmt.Errorf("report what was found: %w", err)
	}
	if gen == nil {
		return nil, exitError(exitFailed)
	}
	return gen, nil
}

func unchanged(*dataflow.App) error { return nil }

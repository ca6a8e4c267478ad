package main

import (
	"context"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/stdlib"
)

// versions returns the app's own text, which is kept with the durable runs that
// begin with it, and how to make an app of such a text.
func (a *appFile) versions(w *world, app *dataflow.App) (durable.Source, func(context.Context, durable.Source) (*dataflow.App, []dataflow.Diagnostic)) {
	texts := map[string]string{}
	for _, f := range a.sources(app) {
		texts[strings.TrimPrefix(f.Path, a.display)] = f.Text
	}
	return a.versionsOf(w, texts)
}

// versionsOf is versions of an app whose texts are at hand, by path.
func (a *appFile) versionsOf(w *world, texts map[string]string) (durable.Source, func(context.Context, durable.Source) (*dataflow.App, []dataflow.Diagnostic)) {
	return durable.Source{Main: a.base, Files: texts}, func(ctx context.Context, s durable.Source) (*dataflow.App, []dataflow.Diagnostic) {
		return starlark.Load(ctx, s.Main, starlark.Options{FS: textFS(s.Files), Display: a.display, Env: w.env, Modules: stdlib.Modules()})
	}
}

// textFS is a file system of texts by path.
type textFS map[string]string

// Open implements fs.FS.
func (t textFS) Open(name string) (fs.File, error) {
	text, ok := t[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &textFile{strings.NewReader(text), path.Base(name)}, nil
}

// Glob implements fs.GlobFS.
func (t textFS) Glob(pattern string) (names []string, err error) {
	for name := range t {
		ok, err := path.Match(pattern, name)
		if err != nil {
			return nil, err
		}
		if ok {
			names = append(names, name)
		}
	}
	return names, nil
}

// textFile is one of them, open. It is its own description.
type textFile struct {
	*strings.Reader
	name string
}

var (
	_ fs.GlobFS   = textFS(nil)
	_ fs.File     = (*textFile)(nil)
	_ fs.FileInfo = (*textFile)(nil)
	_ io.Reader   = (*textFile)(nil)
)

func (f *textFile) Stat() (fs.FileInfo, error) { return f, nil }
func (f *textFile) Close() error               { return nil }
func (f *textFile) Name() string               { return f.name }
func (f *textFile) Mode() fs.FileMode          { return 0o444 }
func (f *textFile) ModTime() time.Time         { return time.Time{} }
func (f *textFile) IsDir() bool                { return false }
func (f *textFile) Sys() any                   { return nil }

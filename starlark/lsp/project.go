package lsp

import (
	"context"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/check"
)

// document is a file that is open in the editor.
type document struct {
	uri     string
	path    string
	version int
	text    string
}

// pathOf returns the path of a file: URI, or "" for another.
func pathOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" || u.Path == "" {
		return ""
	}
	path := u.Path
	if len(path) > 2 && path[2] == ':' { // /C:/app.star
		path = path[1:]
	}
	return filepath.Clean(filepath.FromSlash(path))
}

// uriOf is the URI of a file: the one the editor opened it by, if it is open.
func (s *server) uriOf(path string) string {
	for _, d := range s.docs {
		if d.path == path {
			return d.uri
		}
	}
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed
	}
	return (&url.URL{Scheme: "file", Path: slashed}).String()
}

// overlay is a folder in which the editor's text stands for that of files.
type overlay struct {
	fs.FS
	texts map[string]string // by path below the folder
}

// ReadFile implements fs.ReadFileFS.
func (o overlay) ReadFile(name string) ([]byte, error) {
	if text, ok := o.texts[name]; ok {
		return []byte(text), nil
	}
	return fs.ReadFile(o.FS, name)
}

// result is what is known of an app.
type result struct {
	dir   string
	main  string // the app's file below dir
	app   *dataflow.App
	diags []dataflow.Diagnostic
	texts map[string]string // of the files, by path below dir, as they were read
}

// text returns the text of a file that diagnostics name.
func (r *result) text(file string) string { return r.texts[file] }

func (r *result) path(file string) string { return filepath.Join(r.dir, filepath.FromSlash(file)) }

// holds reports whether the app is made of that file.
func (r *result) holds(path string) bool {
	if r.path(r.main) == path {
		return true
	}
	return r.app != nil && slices.ContainsFunc(r.app.Files, func(f dataflow.File) bool {
		return !strings.HasPrefix(f.Path, "@") && r.path(f.Path) == path
	})
}

// appOf returns the file of the app that a document is likely part of: the
// nearest app.star at or above its folder, else the document itself.
func appOf(path string) string {
	if filepath.Base(path) == "app.star" {
		return path
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		main := filepath.Join(dir, "app.star")
		if info, err := os.Stat(main); err == nil && info.Mode().IsRegular() {
			return main
		}
		if dir == filepath.Dir(dir) {
			return path
		}
	}
}

// check finds out what is to be said of the app that a document is part of.
// It is nil where ctx ended first.
func (s *server) check(ctx context.Context, d *document) *result {
	r := s.load(ctx, appOf(d.path))
	if r != nil && r.app != nil && !r.holds(d.path) {
		r = s.load(ctx, d.path) // an app of its own beside the other
	}
	return r
}

// load loads and checks the app at path with the text that the editor has.
func (s *server) load(ctx context.Context, path string) (r *result) {
	r = &result{dir: filepath.Dir(path), main: filepath.Base(path), texts: map[string]string{}}
	defer func() {
		if p := recover(); p != nil { // a bug of ours must not end the editor's help
			r.app, r.diags = nil, []dataflow.Diagnostic{{Code: "FC108", Span: dataflow.Span{File: r.main},
				Message: fmt.Sprintf("the app can't be checked: %v", p), Hint: "this is a fault of flowctl; please report it with the file"}}
		}
	}()
	open := map[string]string{}
	for _, d := range s.docs {
		if rel, err := filepath.Rel(r.dir, d.path); err == nil && filepath.IsLocal(rel) {
			open[filepath.ToSlash(rel)] = d.text
		}
	}
	root, err := os.OpenRoot(r.dir) // which no path and no link leaves
	if err != nil {
		r.texts[r.main] = open[r.main]
		r.diags = []dataflow.Diagnostic{{Code: "FC110", Span: dataflow.Span{File: r.main}, Message: "the folder of the file can't be read"}}
		return r
	}
	defer root.Close()
	files := overlay{root.FS(), open}
	app, diags := starlark.Load(ctx, r.main, starlark.Options{
		FS: files, Env: s.o.Env, Modules: s.o.Modules, Print: func(dataflow.Span, string) {},
	})
	if ctx.Err() != nil {
		return nil
	}
	if app != nil && s.o.Plan != nil {
		diags = append(diags, s.o.Plan(app, r.dir)...)
	}
	var sources []check.Source
	for _, name := range namesOf(r.main, app, diags) {
		if text, err := files.ReadFile(name); err == nil {
			r.texts[name] = strings.TrimPrefix(string(text), "\ufeff")
			sources = append(sources, check.Source{Path: name, Text: r.texts[name]})
		}
	}
	if app == nil {
		sources = nil // only what was found is known
	}
	r.app, r.diags = app, check.Run(app, sources, diags)
	return r
}

// namesOf lists the files that an app, or what is wrong with it, speaks of.
func namesOf(main string, app *dataflow.App, diags []dataflow.Diagnostic) []string {
	names := []string{main}
	if app != nil {
		for _, f := range app.Files {
			names = append(names, f.Path)
		}
	}
	for _, d := range diags {
		names = append(names, d.Span.File)
		for _, r := range d.Related {
			names = append(names, r.Span.File)
		}
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !fs.ValidPath(n) || strings.HasPrefix(n, "@") })
	slices.Sort(names)
	return slices.Compact(names)
}

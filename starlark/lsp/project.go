package lsp

import (
	"context"
	"errors"
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
	"github.com/flowctl/flowctl/starlark/internal/scan"
	"github.com/flowctl/flowctl/starlark/internal/tree"
	"go.starlark.net/syntax"
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

// result is what is known of an app in one state of its files.
type result struct {
	dir   string
	main  string // the app's file below dir
	rev   int    // of the state
	app   *dataflow.App
	begun []*dataflow.Workflow
	diags []dataflow.Diagnostic
	texts map[string]string // of the files, by path below dir, as they were read
	whole bool              // all of the files could be parsed, and evaluated
	// checked: diags are all that is to be said, not only what loading said.
	checked bool
	index   *index // nil until somebody asks
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

// stateOf is an open document, and what is known of its app. Without an error
// that is nil only where ctx has ended.
func (s *server) stateOf(ctx context.Context, id documentID) (*document, *result, error) {
	d, err := s.doc(id)
	if err != nil {
		return nil, nil, err
	}
	r := s.latest(ctx, d)
	if r == nil {
		return d, nil, ctx.Err()
	}
	return d, r, nil
}

// latest is what is known of the app that a document is part of: as it stands,
// or else as it stood when it could last be read; nil where ctx ended first.
func (s *server) latest(ctx context.Context, d *document) *result {
	r := s.fresh(ctx, d)
	if r == nil || r.app != nil && parses(r.texts[r.file(d)]) {
		return r
	}
	if k := s.known[r.path(r.main)]; k != nil && k.holds(d.path) {
		return k
	}
	return s.rescued(ctx, d, r)
}

// fresh is what is known of the app as it stands.
func (s *server) fresh(ctx context.Context, d *document) *result {
	r := s.load(ctx, appOf(d.path))
	if r == nil || r.app == nil && r.path(r.main) == d.path || r.holds(d.path) {
		return r
	}
	if k := s.known[r.path(r.main)]; r.app == nil && k != nil && k.holds(d.path) {
		return r
	}
	return s.load(ctx, d.path) // an app of its own beside the other
}

// rescued is an app that could not be read yet, without the statements that
// are wrong.
func (s *server) rescued(ctx context.Context, d *document, r *result) *result {
	text := d.text
	for range 10 {
		next, broken := withoutBroken(text)
		if !broken {
			break
		}
		text = next
	}
	if out := s.loadWith(ctx, r.path(r.main), map[string]string{d.path: text}); out != nil && out.app != nil {
		out.whole = false
		return out
	}
	if ctx.Err() != nil {
		return nil
	}
	r.app = &dataflow.App{Path: r.main} // of which nothing is known, but the language
	r.index = nil
	return r
}

// check finds out what is to be said of the app that a document is part of.
// It is nil where ctx ended first.
func (s *server) check(ctx context.Context, d *document) *result { return s.judged(s.fresh(ctx, d)) }

// judged adds what planning and the rules find to what loading found.
func (s *server) judged(r *result) *result {
	if r == nil || r.checked {
		return r
	}
	defer s.caught(r)
	r.checked = true
	var sources []check.Source
	if r.app != nil { // of another only what was found is known
		if s.o.Plan != nil {
			r.diags = append(r.diags, s.o.Plan(r.app, r.dir)...)
		}
		for _, name := range namesOf(r.main, r.app, r.diags) {
			sources = append(sources, check.Source{Path: name, Text: r.texts[name]})
		}
	}
	if isTestFile(r.main) {
		r.diags = check.RunTests(r.app, sources, r.main, r.diags)
		return r
	}
	r.diags = check.Run(r.app, sources, r.diags)
	return r
}

// caught turns a bug of ours into a diagnostic: it must not end the editor's help.
func (s *server) caught(r *result) {
	if p := recover(); p != nil {
		r.app, r.diags, r.checked = nil, []dataflow.Diagnostic{{Code: "FC108", Span: dataflow.Span{File: r.main},
			Message: fmt.Sprintf("the app can't be checked: %v", p), Hint: "this is a fault of flowctl; please report it with the file"}}, true
	}
}

// load loads the app at path with the text that the editor has, once for each
// state of it.
func (s *server) load(ctx context.Context, path string) *result {
	if r := s.loaded[path]; r != nil && r.rev == s.rev {
		return r
	}
	r := s.loadWith(ctx, path, nil)
	if r == nil {
		return nil
	}
	s.loaded[path] = r
	if r.whole = r.app != nil; r.whole {
		for _, text := range r.texts {
			r.whole = r.whole && parses(text)
		}
	}
	if r.whole {
		s.known[path] = r
	}
	return r
}

// loadWith loads the app at path, with texts that stand for those of files
// before the editor's do.
func (s *server) loadWith(ctx context.Context, path string, texts map[string]string) *result {
	r := &result{dir: filepath.Dir(path), main: filepath.Base(path), rev: s.rev, texts: map[string]string{}}
	defer s.caught(r)
	open := map[string]string{}
	put := func(path, text string) {
		if rel, err := filepath.Rel(r.dir, path); err == nil && filepath.IsLocal(rel) {
			open[filepath.ToSlash(rel)] = text
		}
	}
	for _, d := range s.docs {
		put(d.path, d.text)
	}
	for path, text := range texts {
		put(path, text)
	}
	root, err := os.OpenRoot(r.dir) // which no path and no link leaves
	if err != nil {
		r.texts[r.main] = open[r.main]
		r.diags = []dataflow.Diagnostic{{Code: "FC110", Span: dataflow.Span{File: r.main}, Message: "the folder of the file can't be read"}}
		return r
	}
	defer root.Close()
	files := overlay{root.FS(), open}
	r.app, r.diags = starlark.Load(ctx, r.main, starlark.Options{
		FS: files, Env: s.o.Env, Modules: s.o.Modules, Print: func(dataflow.Span, string) {},
		Begun: func(w *dataflow.Workflow) { r.begun = append(r.begun, w) },
	})
	if ctx.Err() != nil {
		return nil
	}
	for _, name := range namesOf(r.main, r.app, r.diags) {
		if text, err := files.ReadFile(name); err == nil {
			r.texts[name] = strings.TrimPrefix(string(text), "\ufeff")
		}
	}
	return r
}

// parses reports whether a text is Starlark.
func parses(text string) bool {
	_, err := tree.Options().Parse("", text, 0)
	return err == nil
}

// withoutBroken blanks the statement of a file in which a text can't be parsed.
// Its lines remain, so that places stay what they are.
func withoutBroken(text string) (string, bool) {
	_, err := tree.Options().Parse("", text, 0)
	if err == nil {
		return text, false
	}
	line := strings.Count(text, "\n")
	if se, ok := errors.AsType[syntax.Error](err); ok {
		line = int(se.Pos.Line) - 1
	}
	if open := scan.Text(text).Unclosed(); open != nil {
		line = open.At.Line - 1
	}
	lines := strings.Split(text, "\n")
	line = min(line, len(lines)-1)
	from, to := line, line+1
	for from > 0 && !begins(lines[from]) {
		from--
	}
	for to < len(lines) && !begins(lines[to]) {
		to++
	}
	changed := false
	for i := from; i < to; i++ {
		changed = changed || lines[i] != ""
		lines[i] = ""
	}
	return strings.Join(lines, "\n"), changed
}

// begins reports whether a line begins a statement of the file.
func begins(line string) bool {
	return line != "" && !strings.ContainsRune(" \t\r#)]}", rune(line[0]))
}

// indexOf is the index of an app, made when somebody first asks.
func (s *server) indexOf(r *result) *index {
	if r.index == nil {
		r.index = newIndex(r, s.o)
	}
	return r.index
}

// file is a document's path below the app's folder, as spans name it.
func (r *result) file(d *document) string {
	rel, err := filepath.Rel(r.dir, d.path)
	if err != nil {
		return d.path
	}
	return filepath.ToSlash(rel)
}

// now finds a place of the result in the text that the editor has by now.
func (r *result) now(s *server, at dataflow.Span) span {
	text := r.texts[at.File]
	shown := rangeOf(text, at)
	for _, d := range s.docs {
		if d.path == r.path(at.File) && d.text != text {
			shown.Start, _ = shift(text, d.text, shown.Start)
			shown.End, _ = shift(text, d.text, shown.End)
		}
	}
	return shown
}

// then finds a place of the editor's text in the text that the result is of;
// false where that has no such place.
func (r *result) then(d *document, p position) (position, bool) {
	return shift(d.text, r.texts[r.file(d)], p)
}

// shift moves a place by the lines that were put in or taken out before it.
func shift(from, to string, p position) (position, bool) {
	if from == to {
		return p, true
	}
	a, b := strings.Split(from, "\n"), strings.Split(to, "\n")
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	tail := 0
	for tail < min(len(a), len(b))-same && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	switch {
	case p.Line < same:
		return p, true
	case p.Line >= len(a)-tail:
		return position{p.Line + len(b) - len(a), p.Character}, true
	}
	return p, p.Line < len(b) && a[p.Line] == b[p.Line]
}

// unloaded reads a file of the app's folder that the app does not load; nil if
// there is none, or it can't be read.
func (r *result) unloaded(name string) *file {
	root, err := os.OpenRoot(r.dir) // which no path and no link leaves
	if err != nil {
		return nil
	}
	defer root.Close()
	text, err := fs.ReadFile(root.FS(), name)
	if err != nil {
		return nil
	}
	t, err := tree.Options().Parse(name, text, 0)
	if err != nil {
		return nil
	}
	return newFile(name, t)
}

// starFiles lists the Starlark files of the app's folder.
func (r *result) starFiles() []string {
	var names []string
	seen := 0
	_ = fs.WalkDir(os.DirFS(r.dir), ".", func(name string, e fs.DirEntry, err error) error {
		if seen++; err != nil || seen > 5000 { // what can't be read is not offered
			return fs.SkipDir
		}
		if e.IsDir() && name != "." && strings.HasPrefix(e.Name(), ".") {
			return fs.SkipDir
		}
		if strings.HasSuffix(name, ".star") {
			names = append(names, name)
		}
		return nil
	})
	return names
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

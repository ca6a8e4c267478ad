package starlark

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/internal/lazyregexp"
	"github.com/flowctl/flowctl/starlark/internal/scan"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// loader evaluates one app. It lives as long as Load runs; what outlives it
// (functions, models) holds no part of it but env.
type loader struct {
	ctx      context.Context
	o        Options
	deadline time.Time
	steps    uint64 // of the files that have been evaluated

	app     *dataflow.App
	diags   []dataflow.Diagnostic
	sources map[string]*source // by the name that spans show
	files   map[string]*module // by key
	stack   []*module          // being evaluated, outermost first
	thread  *sl.Thread         // of the innermost
	globals sl.StringDict      // what every file sees
	env     *value.Env         // of the functions that are recorded
	funcs   map[*sl.Function]*value.Func
	missing *value.Missing // of attributes of models
	done    bool           // evaluation has ended: nothing may be declared any more

	databases []*database
	builders  []*builder
	server    *server
	pending   []pendingRef
	rules     []func()                 // of access, to be read once references are linked
	refused   map[*dataflow.Model]bool // whose name or table another has, or none can have
	served    map[string]dataflow.Span // registered names
	paths     map[string]dataflow.Span // exposed paths
	outside   map[string]bool          // what the environment gave
}

// module is a file that was loaded, or is being.
type module struct {
	key     string
	src     *source
	exports sl.StringDict
	failed  bool
	busy    bool
}

func newLoader(ctx context.Context, path string, o Options) *loader {
	l := &loader{
		ctx: ctx, o: o, deadline: time.Now().Add(o.Timeout),
		app:     &dataflow.App{Path: displayName(o.Display, path)},
		sources: map[string]*source{}, files: map[string]*module{},
		funcs:   map[*sl.Function]*value.Func{},
		refused: map[*dataflow.Model]bool{}, served: map[string]dataflow.Span{}, paths: map[string]dataflow.Span{}, outside: map[string]bool{},
	}
	l.env = &value.Env{MaxSteps: o.CallMaxSteps, Timeout: o.CallTimeout, MaxDepth: maxCallDepth, Print: o.Print}
	l.missing = &value.Missing{Attr: l.noAttr}
	l.globals = l.predeclared()
	return l
}

func displayName(prefix, path string) string {
	if prefix == "" {
		return path
	}
	return strings.TrimSuffix(prefix, "/") + "/" + path
}

// run loads the app and returns it with everything there is to say about it.
func (l *loader) run(path string) (app *dataflow.App, diags []dataflow.Diagnostic) {
	return l.runWith(path, func() {})
}

// runWith is run, with something more that is evaluated once the app is.
func (l *loader) runWith(path string, more func()) (app *dataflow.App, diags []dataflow.Diagnostic) {
	defer func() {
		if p := recover(); p != nil { // a bug of ours must not end the program that loads
			l.error("FC108", dataflow.Span{File: l.app.Path}, fmt.Sprintf("the app can't be loaded: %v", p),
				"this is a fault of flowctl; please report it with the file")
			app, diags = nil, dataflow.SortDiagnostics(l.diags)
		}
	}()
	main := l.loadFile(path, dataflow.Span{File: l.app.Path})
	if !main.failed {
		l.discover(path)
		more()
	}
	l.done = true
	if main.failed {
		return nil, dataflow.SortDiagnostics(l.diags)
	}
	l.finish(main)
	return l.app, dataflow.SortDiagnostics(l.diags)
}

// loadFile reads and evaluates a file of the app's folder, once.
func (l *loader) loadFile(key string, at dataflow.Span) *module {
	if m := l.files[key]; m != nil {
		return m
	}
	m := &module{key: key, failed: true}
	l.files[key] = m
	text, err := fs.ReadFile(l.o.FS, key)
	if err != nil {
		l.cannotRead(key, at, err)
		return m
	}
	l.app.Files = append(l.app.Files, dataflow.File{Path: key, Hash: sha256.Sum256(text)})
	m.src = &source{key: key, name: displayName(l.o.Display, key), text: strings.TrimPrefix(string(text), "\ufeff")}
	l.evaluate(m, l.globals)
	return m
}

func (l *loader) cannotRead(key string, at dataflow.Span, err error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		l.error("FC110", at, fmt.Sprintf("there is no file %s", displayName(l.o.Display, key)), l.similarFile(key))
	case errors.Is(err, fs.ErrPermission):
		l.error("FC110", at, fmt.Sprintf("%s can't be read: permission denied", displayName(l.o.Display, key)), "")
	case errors.Is(err, fs.ErrInvalid):
		l.error("FC110", at, fmt.Sprintf("%q is no path within the app's folder", key), "")
	case l.isFolder(key):
		l.error("FC110", at, fmt.Sprintf("%s is a folder", displayName(l.o.Display, key)), "name a file in it")
	default: // of a root, what os.Root refuses
		l.error("FC110", at, fmt.Sprintf("%s can't be read", displayName(l.o.Display, key)), "a link that leads out of the app's folder is not followed")
	}
}

func (l *loader) isFolder(key string) bool {
	info, err := fs.Stat(l.o.FS, key)
	return err == nil && info.IsDir()
}

func (l *loader) similarFile(key string) string {
	entries, err := fs.ReadDir(l.o.FS, path.Dir(key))
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return dataflow.DidYouMean(path.Base(key), names)
}

// evaluate parses, resolves and runs a file. Globals of a file that broke off
// are kept: others may load those that were there.
func (l *loader) evaluate(m *module, predeclared sl.StringDict) {
	l.sources[m.src.name] = m.src
	prog, predeclared, ok := l.compile(m.src, predeclared)
	if !ok {
		return
	}
	m.busy = true
	outer := l.thread
	l.stack = append(l.stack, m)
	m.failed = false
	for n := 0; ok && n < mostBroken; n++ {
		err := l.exec(m, prog, predeclared)
		if err == nil {
			break
		}
		m.failed = true
		prog, predeclared, ok = l.behind(m, predeclared, err)
	}
	l.stack = l.stack[:len(l.stack)-1]
	l.thread = outer
	m.busy = false
}

// exec runs a file, or what is left of it, and reports the exception that ends
// that.
func (l *loader) exec(m *module, prog *sl.Program, predeclared sl.StringDict) error {
	thread := &sl.Thread{Name: m.src.name, Load: l.load, Print: l.print}
	l.thread = thread
	g := &loadGuard{l: l}
	thread.SetMaxExecutionSteps(g.next(0))
	thread.OnMaxSteps = g.check
	globals, err := prog.Init(thread, predeclared)
	l.steps += thread.Steps
	globals.Freeze()
	m.exports = merge(m.exports, globals)
	if err != nil {
		l.evalFailed(m, err, g)
	}
	if g.broken != "" {
		m.failed = true
		return nil // there is no time for more
	}
	return err
}

// loadGuard holds the evaluation of a file to the limits of the load.
type loadGuard struct {
	l      *loader
	broken string
	hint   string
}

const loadCheckEvery = 10_000

func (g *loadGuard) next(steps uint64) uint64 {
	return min(steps+loadCheckEvery, max(g.l.o.MaxSteps, g.l.steps+1)-g.l.steps)
}

func (g *loadGuard) check(thread *sl.Thread) {
	switch {
	case g.l.ctx.Err() != nil:
		g.broken = "loading was cancelled"
	case g.l.steps+thread.Steps >= g.l.o.MaxSteps:
		g.broken = fmt.Sprintf("the file takes more than %d steps to load", g.l.o.MaxSteps)
		g.hint = "what takes long belongs into a workflow or a handler, not into the file's own code"
	case time.Now().After(g.l.deadline):
		g.broken = fmt.Sprintf("the file takes longer than %s to load", g.l.o.Timeout)
		g.hint = "what takes long belongs into a workflow or a handler, not into the file's own code"
	case thread.CallStackDepth() > maxCallDepth:
		g.broken = fmt.Sprintf("calls nest deeper than %d", maxCallDepth)
	default:
		thread.SetMaxExecutionSteps(g.next(thread.Steps))
		return
	}
	thread.Cancel(g.broken)
}

var tooEarly = lazyregexp.New(`^global variable (\S+) referenced before assignment$`)

// evalFailed reports the exception that ended the evaluation of a file.
func (l *loader) evalFailed(m *module, err error, g *loadGuard) {
	src := m.src
	evalErr, _ := errors.AsType[*sl.EvalError](err)
	at := dataflow.Span{File: src.name}
	if p, ok := value.FailingPos(evalErr); ok {
		at = l.locate(p)
	}
	if g.broken != "" {
		l.error("FC109", at, g.broken, g.hint)
		return
	}
	var related []dataflow.Related
	if evalErr != nil {
		related = value.Calls(evalErr, l.locate)
	}
	if e, ok := errors.AsType[*dataflow.Error](err); ok {
		l.diags = append(l.diags, dataflow.Diagnostic{Code: "FC114", Span: at, Message: "fail(): " + e.Message, Related: related})
		return
	}
	msg := strings.TrimPrefix(err.Error(), "Starlark computation cancelled: ")
	d := dataflow.Diagnostic{Code: "FC108", Span: at, Message: msg, Hint: value.Tip(msg), Related: related}
	if early := tooEarly.FindStringSubmatch(msg); early != nil {
		if m.failed && len(evalErr.CallStack) > 1 {
			return // a function of above the first error, which does not know what was set below it
		}
		d.Message = fmt.Sprintf("%q is used above the line that sets it", early[1])
		d.Hint = fmt.Sprintf("move that line up; a reference to a model that is declared further down is written ref(%q)", early[1])
		d.Span.End.Col = d.Span.Start.Col + utf8.RuneCountInString(early[1])
	}
	if m := noMember.FindStringSubmatch(msg); m != nil {
		d.Message = m[1]
		if m[3] != "" {
			d.Hint = fmt.Sprintf("did you mean %q?", m[3])
		}
		l.member(&d, m[2])
	}
	l.diags = append(l.diags, d)
}

// noMember matches what the interpreter says of x.name, of which it gives the
// place of the point.
var noMember = lazyregexp.New(`^(.* has no \.(\w+) field or method)(?: \(did you mean \.(\w+)\?\))?$`)

// member moves a diagnostic from the point to the name behind it, and suggests
// another of a module's.
func (l *loader) member(d *dataflow.Diagnostic, name string) {
	src := l.sources[d.Span.File]
	if src == nil {
		return
	}
	line := []rune(src.line(d.Span.Start.Line))
	from, to := d.Span.Start.Col, d.Span.Start.Col+utf8.RuneCountInString(name) // behind the point
	if to > len(line) || string(line[from:to]) != name {
		return
	}
	of := string(line[:from-1])
	of = of[strings.LastIndexFunc(of, func(r rune) bool { return !scan.IsNameRune(r) })+1:]
	if v, ok := src.loaded[of].(sl.HasAttrs); ok {
		d.Hint = orElse(dataflow.DidYouMean(name, v.AttrNames()), d.Hint)
	}
	d.Span.Start.Col, d.Span.End.Col = from+1, to+1
}

// locate finds the span at a place of any file.
func (l *loader) locate(p syntax.Position) dataflow.Span {
	if src := l.sources[p.Filename()]; src != nil {
		return src.locate(p)
	}
	return dataflow.Span{File: p.Filename(), Start: pos(p), End: pos(p)}
}

// here is the place that is being evaluated, for values that are asked
// something without being told by whom.
func (l *loader) here() dataflow.Span {
	if l.thread == nil || l.thread.CallStackDepth() == 0 {
		return dataflow.Span{File: l.app.Path}
	}
	for i := range l.thread.CallStackDepth() {
		if fr := l.thread.CallFrame(i); fr.Pos.Line > 0 {
			return l.locate(fr.Pos)
		}
	}
	return dataflow.Span{File: l.app.Path}
}

func (l *loader) print(thread *sl.Thread, text string) {
	at := l.locate(thread.CallFrame(1).Pos)
	if l.o.Print != nil {
		l.o.Print(at, text)
		return
	}
	l.warn("FC023", at, "print() shows nothing while the file is loaded", "remove it, or call it in a function that a workflow runs")
}

func (l *loader) error(code string, at dataflow.Span, message, hint string) {
	l.diags = append(l.diags, dataflow.Diagnostic{Code: code, Span: at, Message: message, Hint: hint})
}

func (l *loader) warn(code string, at dataflow.Span, message, hint string) {
	l.diags = append(l.diags, dataflow.Diagnostic{Code: code, Severity: dataflow.SeverityWarning, Span: at, Message: message, Hint: hint})
}

// related adds a further place to the diagnostic that was reported last.
func (l *loader) related(message string, at dataflow.Span) {
	if at.IsZero() {
		return
	}
	d := &l.diags[len(l.diags)-1]
	d.Related = append(d.Related, dataflow.Related{Message: message, Span: at})
}

// fix adds a mend to the diagnostic that was reported last.
func (l *loader) fix(message string, safe bool, edits ...dataflow.Edit) {
	d := &l.diags[len(l.diags)-1]
	d.Fixes = append(d.Fixes, dataflow.Fix{Message: message, Safe: safe, Edits: edits})
}

// function records a function of the app.
func (l *loader) function(fn *sl.Function) *value.Func {
	if f := l.funcs[fn]; f != nil {
		return f
	}
	f := value.NewFunc(fn, l.env, l.definition(fn))
	l.funcs[fn] = f
	return f
}

// definition is the place of a function's name, or of the word lambda.
func (l *loader) definition(fn *sl.Function) dataflow.Span {
	p := fn.Position()
	if src := l.sources[p.Filename()]; src != nil {
		if def := src.defs[placeOf(p)]; def != nil {
			return src.span(def.Name)
		}
		return src.word(p) // lambda
	}
	return dataflow.Span{File: p.Filename(), Start: pos(p), End: pos(p)}
}

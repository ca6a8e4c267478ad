package lsp

import (
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/internal/tree"
	"go.starlark.net/syntax"
)

// index is what can be looked up in an app: its files as trees, and what their
// places stand for. It is made once of each state that could be evaluated.
type index struct {
	app     *dataflow.App
	flows   []*dataflow.Workflow // registered ones and others
	outline *dataflow.Outline
	modules []Module
	files   map[string]*file
	specs   map[dataflow.Op]*dataflow.NodeSpec
	ops     map[string]dataflow.Op // by node type

	models    map[dataflow.Span]*dataflow.Model // by the call that makes them
	builders  map[dataflow.Span]*dataflow.Workflow
	nodes     map[dataflow.Span]*dataflow.Node
	flowOf    map[*dataflow.Node]*dataflow.Workflow
	params    map[place]map[string]meaning // of functions, by the place of their name
	gives     map[place]meaning            // what functions return
	mentions  []mention
	uncertain []mention // parts of what only a run can tell
}

// place is where something begins.
type place struct {
	file string
	at   dataflow.Pos
}

// file is a file of the app.
type file struct {
	path    string
	tree    *syntax.File
	globals map[string]*global
}

// global is a name of a file.
type global struct {
	id    *syntax.Ident
	value syntax.Expr // nil: see def and load
	def   *syntax.DefStmt
	load  *syntax.LoadStmt
	from  string // the name in the file it is loaded from

	busy, known bool
	is          meaning
}

func newIndex(r *result, o Options) *index {
	ix := &index{
		app: r.app, modules: o.Library, files: map[string]*file{}, specs: map[dataflow.Op]*dataflow.NodeSpec{}, ops: map[string]dataflow.Op{},
		models: map[dataflow.Span]*dataflow.Model{}, builders: map[dataflow.Span]*dataflow.Workflow{},
		nodes: map[dataflow.Span]*dataflow.Node{}, flowOf: map[*dataflow.Node]*dataflow.Workflow{}, params: map[place]map[string]meaning{}, gives: map[place]meaning{},
	}
	ix.flows = slices.Clone(r.begun)
	for _, w := range r.app.Workflows {
		if !slices.Contains(ix.flows, w) {
			ix.flows = append(ix.flows, w)
		}
	}
	ix.outline = &dataflow.Outline{}
	if o.Outline != nil {
		ix.outline = o.Outline(r.app, ix.flows)
	}
	for _, m := range r.app.Models() {
		ix.models[m.Span] = m
		for _, kind := range dataflow.AllOps() {
			op := dataflow.Op{Model: m, Kind: kind}
			ix.ops[op.NodeType()] = op
		}
	}
	for _, w := range ix.flows {
		ix.builders[w.Span] = w
		for _, n := range w.Nodes {
			ix.nodes[n.Span] = n
			ix.flowOf[n] = w
		}
	}
	for name, text := range r.texts {
		if t, err := tree.Options().Parse(name, text, 0); err == nil {
			ix.files[name] = newFile(name, t)
		}
	}
	ix.rowFunctions()
	ix.flowFunctions()
	ix.read(&reading{quiet: true}) // which learns what functions are called with
	for _, f := range ix.files {   // with what has been learned
		f.forget()
	}
	clear(ix.gives)
	out := &reading{}
	ix.read(out)
	ix.mentions, ix.uncertain = out.mentions, out.uncertain
	return ix
}

func (ix *index) read(to *reading) {
	for _, name := range slices.Sorted(maps.Keys(ix.files)) {
		rd := &reader{ix: ix, file: ix.files[name], to: to}
		rd.stmts(rd.file.tree.Stmts)
	}
}

// newFile finds the names of a file.
func newFile(name string, t *syntax.File) *file {
	f := &file{path: name, tree: t, globals: map[string]*global{}}
	for _, st := range t.Stmts {
		f.declare(st)
	}
	return f
}

// forget lets the names of a file be looked into again.
func (f *file) forget() {
	for _, g := range f.globals {
		g.known = g.value == nil && g.def == nil && g.load == nil
	}
}

func (f *file) declare(st syntax.Stmt) {
	set := func(name string, g *global) {
		if f.globals[name] == nil {
			f.globals[name] = g
		}
	}
	switch st := st.(type) {
	case *syntax.AssignStmt:
		if id, ok := st.LHS.(*syntax.Ident); ok {
			set(id.Name, &global{id: id, value: st.RHS})
			return
		}
		for _, id := range targets(st.LHS) {
			set(id.Name, &global{id: id, known: true})
		}
	case *syntax.DefStmt:
		set(st.Name.Name, &global{id: st.Name, def: st})
	case *syntax.LoadStmt:
		for i, to := range st.To {
			set(to.Name, &global{id: to, load: st, from: st.From[i].Name})
		}
	}
}

// targets lists the names that the left side of an assignment sets.
func targets(e syntax.Expr) []*syntax.Ident {
	switch e := e.(type) {
	case *syntax.Ident:
		return []*syntax.Ident{e}
	case *syntax.ParenExpr:
		return targets(e.X)
	case *syntax.TupleExpr:
		return allTargets(e.List)
	case *syntax.ListExpr:
		return allTargets(e.List)
	}
	return nil
}

func allTargets(list []syntax.Expr) []*syntax.Ident {
	var ids []*syntax.Ident
	for _, x := range list {
		ids = append(ids, targets(x)...)
	}
	return ids
}

// fileOf returns the file that a load in another names, or the module.
func (ix *index) fileOf(from, name string) (*file, *Module) {
	if strings.HasPrefix(name, "@") {
		for i := range ix.modules {
			if ix.modules[i].Name == name {
				return nil, &ix.modules[i]
			}
		}
		return nil, nil
	}
	return ix.files[keyOf(from, name)], nil
}

// keyOf is the path below the app's folder of a file that another loads.
func keyOf(from, name string) string {
	if rest, ok := strings.CutPrefix(name, "//"); ok {
		return path.Clean(rest)
	}
	return path.Join(path.Dir(from), name)
}

// global returns what a name of a file stands for.
func (ix *index) global(f *file, name string) (meaning, bool) {
	g := f.globals[name]
	if g == nil {
		return meaning{}, false
	}
	if g.known || g.busy {
		return g.is, true
	}
	g.busy = true
	defer func() { g.busy = false }()
	switch {
	case g.def != nil:
		g.is = meaning{sort: aFunction, name: name, def: g.def, file: f.path}
	case g.load != nil:
		g.is = ix.loaded(f, g)
	default:
		rd := &reader{ix: ix, file: f, to: &reading{quiet: true}}
		g.is = rd.expr(g.value, slot{})
	}
	g.known = true
	return g.is, true
}

func (ix *index) loaded(f *file, g *global) meaning {
	other, module := ix.fileOf(f.path, g.load.ModuleName())
	switch {
	case module != nil && module.base() == g.from && module.function(g.from) == nil:
		return meaning{sort: aModule, module: module}
	case module != nil:
		return meaning{sort: aModuleFunction, name: g.from, module: module}
	case other != nil:
		m, _ := ix.global(other, g.from)
		return m
	}
	return meaning{}
}

// origin is the entity of a name of a file: where it is loaded from, the name
// there.
func (ix *index) origin(f *file, name string) entity {
	g := f.globals[name]
	if g != nil && g.load != nil {
		switch other, module := ix.fileOf(f.path, g.load.ModuleName()); {
		case module != nil && module.function(g.from) != nil:
			return entity{entModuleFunction, module.Name, g.from}
		case module != nil:
			return entity{entModule, nil, module.Name}
		case other != nil && other.globals[g.from] != nil:
			return ix.origin(other, g.from)
		}
	}
	return entity{entName, f.path, name}
}

// rowFunctions notes which functions are given rows of a model.
func (ix *index) rowFunctions() {
	for _, m := range ix.app.Models() {
		fns := []dataflow.Func{m.Validate, m.BeforeCreate, m.BeforeUpdate, m.BeforeDelete}
		for _, c := range m.Computed {
			fns = append(fns, c.Func)
		}
		for _, fn := range fns {
			if fn != nil && len(fn.Params()) > 0 {
				ix.param(fn.Span(), fn.Params()[0].Name, valueOf(dataflow.RecordOf(m)))
			}
		}
	}
}

// flowFunctions notes what handlers, and functions that nodes run, are given.
func (ix *index) flowFunctions() {
	for _, w := range ix.flows {
		if w.Handler != nil {
			for i, p := range w.Handler.Params() {
				if i == 0 {
					ix.param(w.Handler.Span(), p.Name, meaning{sort: aReceiver, name: "ctx", flow: w})
				} else if in := inputOf(w, p.Name); in != nil {
					ix.param(w.Handler.Span(), p.Name, valueOf(in.Type))
				}
			}
		}
		for _, n := range w.Nodes {
			v, _ := n.Config.Get("fn")
			fn, ok := v.(dataflow.Func)
			if !ok {
				continue
			}
			for _, p := range fn.Params() {
				if v, ok := n.Config.Get(p.Name); ok {
					if ref, ok := v.(dataflow.Ref); ok {
						ix.param(fn.Span(), p.Name, valueOf(ix.typeOf(w, ref)))
					}
				}
			}
		}
	}
}

// param notes what a parameter of a function is given; of one that is given
// different things nothing is known, and of the ctx of several handlers not whose
// it is.
func (ix *index) param(fn dataflow.Span, name string, m meaning) {
	key := place{fn.File, fn.Start}
	if ix.params[key] == nil {
		ix.params[key] = map[string]meaning{}
	}
	if old, given := ix.params[key][name]; given && old != m && !sameType(old, m) {
		if old.flow, m.flow = nil, nil; old != m {
			m = meaning{}
		}
	}
	ix.params[key][name] = m
}

func sameType(a, b meaning) bool {
	return a.sort == aValue && b.sort == aValue && a.typ.Kind == b.typ.Kind && a.typ.String() == b.typ.String()
}

func inputOf(w *dataflow.Workflow, name string) *dataflow.Field {
	return fieldOf(w.Input, name)
}

func fieldOf(fields []*dataflow.Field, name string) *dataflow.Field {
	for _, f := range fields {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// typeOf is the type of what a reference leads to, or nil.
func (ix *index) typeOf(w *dataflow.Workflow, ref dataflow.Ref) *dataflow.Type {
	var t *dataflow.Type
	switch ref.Root {
	case dataflow.RootInput:
		t = dataflow.ObjectType(w.Input...)
	case dataflow.RootNode:
		if n := nodeOf(w, ref.Node); n != nil {
			t = ix.outline.Nodes[n].Output
		}
	}
	for _, st := range ref.Path {
		if t == nil {
			return nil
		}
		if st.Name == "" {
			t = elementOf(t)
			continue
		}
		t, _, _ = t.Attr(st.Name)
	}
	return t
}

func elementOf(t *dataflow.Type) *dataflow.Type {
	if t != nil && t.Kind == dataflow.KindList {
		return t.Elem
	}
	return nil
}

// signalOf is a signal that a handler declares, or nil.
func signalOf(w *dataflow.Workflow, name string) *dataflow.Signal {
	if w == nil {
		return nil
	}
	i := slices.IndexFunc(w.Signals, func(s dataflow.Signal) bool { return s.Name == name })
	if i < 0 {
		return nil
	}
	return &w.Signals[i]
}

// payloadOf is the type of what has to come with a signal.
func payloadOf(s *dataflow.Signal) *dataflow.Type {
	if s == nil || s.Payload == nil {
		return dataflow.Any
	}
	return s.Payload.Type
}

func nodeOf(w *dataflow.Workflow, id string) *dataflow.Node {
	if w == nil {
		return nil
	}
	for _, n := range w.Nodes {
		if n.ID == id {
			return n
		}
	}
	return nil
}

// nodeEntity is the entity of a node: those that one line of a file makes,
// called several times, are one.
func nodeEntity(n *dataflow.Node) entity { return entity{entNode, n.Spans.At("/id"), n.ID} }

// model finds a model by its name.
func (ix *index) model(name string) *dataflow.Model {
	for _, m := range ix.app.Models() {
		if m.Name == name {
			return m
		}
	}
	return nil
}

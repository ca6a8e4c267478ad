package check

import (
	"path"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/resolve"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// flow follows values through the functions of an app: rows through hooks,
// inputs and results through handlers and whatever these call. It knows what
// is written in the files and what the models declare; of everything else it
// knows nothing, and then it says nothing. A function is followed anew for each
// call, and what is found in it is only told where every call has it.
type flow struct {
	p       *pass
	models  map[dataflow.Span]*dataflow.Model // by the call that declares them
	globals map[*syntax.Ident]*val
	busy    map[*syntax.DefStmt]bool
	tested  map[string]bool // names that a file asks for before it uses them
	facts   map[factKey]*fact
	muted   int                // statements are followed for what they set alone
	calls   int                // that are left to be followed
	handler *dataflow.Workflow // that is followed; nil: none is
}

// maxFollowed bounds the calls that are followed of one app, and so the time
// that it takes.
const maxFollowed = 50_000

type factKey struct {
	code string
	at   dataflow.Span
}

// fact is something found at a place. It holds unless the place was come across
// in a way in which it does not.
type fact struct {
	message, hint string
	holds         bool
}

func itoa(i int) string { return strconv.Itoa(i) }

// follow runs the analysis once for all rules that need it.
func (p *pass) follow() map[factKey]*fact {
	if p.facts != nil {
		return p.facts
	}
	fl := &flow{p: p, models: map[dataflow.Span]*dataflow.Model{}, globals: map[*syntax.Ident]*val{}, busy: map[*syntax.DefStmt]bool{},
		tested: map[string]bool{}, facts: map[factKey]*fact{}, calls: maxFollowed}
	p.facts, p.waits, p.heard = fl.facts, map[*dataflow.Workflow]dataflow.Span{}, map[*dataflow.Workflow]*heard{}
	for _, m := range p.app.Models() {
		fl.models[m.Span] = m
	}
	for _, f := range p.files {
		fl.tests(f)
	}
	if p.tests != "" {
		fl.testFunctions(p.tests)
		return p.facts
	}
	fl.rows()
	p.handlers(func(w *dataflow.Workflow, f *file, def *syntax.DefStmt) {
		fl.handler, p.heard[w] = w, &heard{names: map[string]bool{}}
		fl.enter(f, def, func(i int, name string) *val {
			if i == 0 {
				return &val{kind: isCtx}
			}
			if in := inputOf(w, name); in != nil {
				return sent(in)
			}
			return nil
		})
	})
	for _, w := range p.app.Workflows {
		if w.Handler != nil {
			fl.handler = w
			fl.lambda(w.Handler, func(i int, _ string) *val {
				if i > 0 {
					return nil
				}
				p.heard[w] = &heard{names: map[string]bool{}}
				return &val{kind: isCtx}
			})
		}
	}
	fl.handler = nil
	for _, w := range p.app.Workflows {
		fl.nodes(w)
	}
	return p.facts
}

// lambda follows a function that is one, of which param says what it is given.
func (fl *flow) lambda(fn dataflow.Func, param func(i int, name string) *val) {
	for _, f := range fl.p.files {
		l := f.lambdas[fn.Span().Start]
		if f.Path != fn.Span().File || l == nil {
			continue
		}
		fr := &frame{flow: fl, f: f, vars: map[*syntax.Ident]*val{}}
		for i, p := range l.Params {
			if id := nameOf(p); id != nil {
				fr.vars[f.first(id)] = param(i, id.Name)
			}
		}
		fr.eval(l.Body)
	}
}

// rows follows the functions that are given rows.
func (fl *flow) rows() {
	for _, m := range fl.p.app.Models() {
		row := func(int, string) *val { return typed(dataflow.RecordOf(m)) }
		fns := []dataflow.Func{m.Validate, m.BeforeCreate, m.BeforeUpdate, m.BeforeDelete}
		for _, c := range m.Computed {
			fns = append(fns, c.Func)
		}
		for _, fn := range fns {
			if fn == nil {
				continue
			}
			if f, def := fl.p.definition(fn); def != nil {
				fl.enter(f, def, row)
			}
		}
	}
}

// tests notes the names that are asked for: "note" in row, hasattr(row, "note").
func (fl *flow) tests(f *file) {
	f.walk(func(n syntax.Node) {
		switch n := n.(type) {
		case *syntax.BinaryExpr:
			if s, ok := text(n.X); ok && (n.Op == syntax.IN || n.Op == syntax.NOT_IN) {
				fl.tested[s] = true
			}
		case *syntax.CallExpr:
			if name := callee(n); (name == "hasattr" || name == "getattr") && len(n.Args) > 1 {
				if s, ok := text(n.Args[1]); ok {
					fl.tested[s] = true
				}
			}
		}
	})
}

// enter follows a function that the runtime calls.
func (fl *flow) enter(f *file, def *syntax.DefStmt, param func(i int, name string) *val) *val {
	fr := &frame{flow: fl, f: f, vars: map[*syntax.Ident]*val{}}
	for i, q := range def.Params {
		if id := nameOf(q); id != nil {
			if _, star := q.(*syntax.UnaryExpr); !star {
				fr.vars[f.first(id)] = param(i, id.Name)
			}
		}
	}
	return fr.function(def)
}

func nameOf(param syntax.Expr) *syntax.Ident {
	switch q := param.(type) {
	case *syntax.Ident:
		return q
	case *syntax.BinaryExpr:
		id, _ := q.X.(*syntax.Ident)
		return id
	case *syntax.UnaryExpr:
		id, _ := q.X.(*syntax.Ident)
		return id
	}
	return nil
}

// note takes down what is, or is not, wrong at a place.
func (fl *flow) note(code string, at dataflow.Span, wrong bool, message, hint string) {
	if fl.muted > 0 || at.IsZero() {
		return
	}
	k := factKey{code, at}
	if old := fl.facts[k]; old != nil {
		old.holds = old.holds && wrong
		return
	}
	fl.facts[k] = &fact{message, hint, wrong}
}

// tell reports what was found for the rule that runs.
func (p *pass) tell() {
	facts := p.follow()
	for k, f := range facts {
		if k.code == p.code && f.holds && !p.failed(dataflow.Span{File: k.at.File, Start: k.at.Start, End: k.at.Start}) {
			p.report(k.at, f.message, f.hint)
		}
	}
}

// global is what a name stands for that no function binds.
func (fl *flow) global(f *file, id *syntax.Ident) *val {
	first := f.first(id)
	if v, known := fl.globals[first]; known {
		return v
	}
	fl.globals[first] = nil // while it is found out
	if f.bound[first] > 1 {
		return nil
	}
	v := fl.declared(f, first)
	fl.globals[first] = v
	return v
}

func (fl *flow) declared(f *file, id *syntax.Ident) *val {
	for _, st := range f.tree.Stmts {
		switch st := st.(type) {
		case *syntax.DefStmt:
			if st.Name == id {
				return &val{kind: isDef, def: st, file: f}
			}
		case *syntax.AssignStmt:
			if lhs, ok := st.LHS.(*syntax.Ident); ok && lhs == id && st.Op == syntax.EQ {
				if m := fl.models[f.span(st.RHS)]; m != nil {
					return &val{kind: isModel, model: m}
				}
				if _, call := st.RHS.(*syntax.CallExpr); call {
					return nil
				}
				fl.muted++
				v := (&frame{flow: fl, f: f, vars: map[*syntax.Ident]*val{}}).eval(st.RHS)
				fl.muted--
				return v
			}
		case *syntax.LoadStmt:
			for i, to := range st.To {
				if to == id && st.ModuleName() == "@stdlib//money.star" {
					return &val{kind: isLib, lib: st.From[i].Name}
				}
				if to == id {
					return fl.loaded(f, st.ModuleName(), st.From[i].Name)
				}
			}
		}
	}
	return nil
}

// loaded finds a name of another file of the app.
func (fl *flow) loaded(f *file, module, name string) *val {
	for _, other := range fl.p.files {
		if other == f || strings.HasPrefix(module, "@") || path.Clean(other.Path) != fl.p.pathOf(f, module) {
			continue
		}
		for _, st := range other.tree.Stmts {
			switch st := st.(type) {
			case *syntax.DefStmt:
				if st.Name.Name == name {
					return fl.global(other, st.Name)
				}
			case *syntax.AssignStmt:
				if id, ok := st.LHS.(*syntax.Ident); ok && id.Name == name {
					return fl.global(other, id)
				}
			}
		}
	}
	return nil
}

// outside reports whether nothing in the file binds a name: it is a builtin.
func outside(id *syntax.Ident) bool {
	b, ok := id.Binding.(*resolve.Binding)
	return !ok || b.Scope == resolve.Predeclared || b.Scope == resolve.Universal
}

// methods are the attributes of Starlark's own values.
var methods = struct{ text, list, dict []string }{
	sl.String("").AttrNames(), sl.NewList(nil).AttrNames(), sl.NewDict(0).AttrNames(),
}

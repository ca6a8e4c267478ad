package lsp

import (
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/internal/tree"
	"github.com/flowctl/flowctl/starlark/spec"
	"go.starlark.net/syntax"
)

// reading is what comes of reading a file.
type reading struct {
	quiet     bool // nothing is noted
	mentions  []mention
	uncertain []mention
	cursor    *cursor // is looked for
}

// reader goes through the syntax of a file and works out what stands where.
type reader struct {
	ix    *index
	file  *file
	scope *scope
	to    *reading
	// modelAround is the model in whose declaration the reader is.
	modelAround *dataflow.Model
}

// scope holds the names of a function.
type scope struct {
	outer *scope
	vars  map[string]*variable
	gives meaning // what the function returns
}

type variable struct {
	at dataflow.Span
	is meaning
}

func (rd *reader) span(n syntax.Node) dataflow.Span { return tree.Span(rd.file.path, n) }

func (rd *reader) note(at dataflow.Span, what entity, is meaning) {
	if !rd.to.quiet {
		rd.to.mentions = append(rd.to.mentions, mention{at: at, what: what, is: is})
	}
}

func (rd *reader) declare(at dataflow.Span, what entity, is meaning) {
	if !rd.to.quiet {
		rd.to.mentions = append(rd.to.mentions, mention{at: at, what: what, sets: true, is: is})
	}
}

// maybe notes a name in a function that may be one of a field, for all the text
// tells.
func (rd *reader) maybe(name string, at dataflow.Span) {
	if rd.scope != nil && !rd.to.quiet {
		rd.to.uncertain = append(rd.to.uncertain, mention{at: at, what: entity{entPart, nil, name}})
	}
}

func (rd *reader) stmts(list []syntax.Stmt) {
	for _, st := range list {
		rd.stmt(st)
	}
}

func (rd *reader) stmt(st syntax.Stmt) {
	switch st := st.(type) {
	case *syntax.AssignStmt:
		is := rd.expr(st.RHS, slot{})
		rd.assign(st.LHS, is, st.Op == syntax.EQ)
	case *syntax.DefStmt:
		rd.def(st)
	case *syntax.ExprStmt:
		rd.expr(st.X, slot{})
	case *syntax.ForStmt:
		rd.assign(st.Vars, rd.items(rd.expr(st.X, slot{})), true)
		rd.stmts(st.Body)
	case *syntax.WhileStmt:
		rd.expr(st.Cond, slot{})
		rd.stmts(st.Body)
	case *syntax.IfStmt:
		rd.expr(st.Cond, slot{})
		rd.stmts(st.True)
		rd.stmts(st.False)
	case *syntax.ReturnStmt:
		if st.Result == nil {
			return
		}
		if is := rd.expr(st.Result, slot{}); rd.scope != nil && is.sort != unknown {
			rd.scope.gives = is
		}
	case *syntax.LoadStmt:
		rd.load(st)
	}
}

func (rd *reader) load(st *syntax.LoadStmt) {
	name := st.ModuleName()
	other, module := rd.ix.fileOf(rd.file.path, name)
	what := entity{entFile, nil, name}
	switch {
	case module != nil:
		what = entity{entModule, nil, module.Name}
	case other != nil:
		what.name = other.path
	}
	if rd.to.cursor.at(name) {
		rd.to.cursor.found(slot{kind: slotModule}, name)
		rd.to.cursor.quoted = true
		return
	}
	rd.note(rd.span(st.Module), what, meaning{})
	for i, to := range st.To {
		if rd.to.cursor.at(st.From[i].Name) {
			rd.to.cursor.found(slot{kind: slotExport, module: name}, st.From[i].Name)
			rd.to.cursor.quoted = true
			return
		}
		from := rd.ix.origin(rd.file, to.Name)
		is, _ := rd.ix.global(rd.file, to.Name)
		rd.note(rd.span(st.From[i]), from, is)
		if st.From[i] != to && to.Name != st.From[i].Name {
			rd.note(rd.span(to), from, is)
		}
	}
}

// assign binds names to what an expression stands for.
func (rd *reader) assign(lhs syntax.Expr, is meaning, sets bool) {
	id, ok := lhs.(*syntax.Ident)
	if !ok {
		if ids := targets(lhs); len(ids) > 0 {
			for _, id := range ids {
				rd.assign(id, meaning{}, sets)
			}
			return
		}
		rd.expr(lhs, slot{}) // a[i] = b, a.b = c
		return
	}
	if rd.scope == nil {
		if sets {
			rd.declare(rd.span(id), rd.ix.origin(rd.file, id.Name), is)
		} else {
			rd.expr(id, slot{})
		}
		return
	}
	v := rd.scope.vars[id.Name]
	if v == nil {
		v = &variable{at: rd.span(id), is: is}
		rd.scope.vars[id.Name] = v
		rd.declare(v.at, entity{entName, v.at, id.Name}, is)
		return
	}
	if !sets || v.is != is && !sameType(v.is, is) {
		v.is = meaning{}
	}
	rd.note(rd.span(id), entity{entName, v.at, id.Name}, is)
}

func (rd *reader) push() func() {
	rd.scope = &scope{outer: rd.scope, vars: map[string]*variable{}}
	return func() { rd.scope = rd.scope.outer }
}

func (rd *reader) def(st *syntax.DefStmt) {
	is := meaning{sort: aFunction, name: st.Name.Name, def: st, file: rd.file.path}
	if rd.scope == nil {
		rd.declare(rd.span(st.Name), rd.ix.origin(rd.file, st.Name.Name), is)
	} else {
		rd.assign(st.Name, is, true)
	}
	defer rd.push()()
	rd.parameters(st.Params, tree.Pos(st.Name.NamePos))
	rd.stmts(st.Body)
}

// parameters binds those of a function.
func (rd *reader) parameters(params []syntax.Expr, fn dataflow.Pos) {
	known := rd.ix.params[place{rd.file.path, fn}]
	for _, p := range params {
		switch p := p.(type) {
		case *syntax.Ident:
			is := known[p.Name]
			if is.sort == unknown && (p.Name == "ctx" || p.Name == "t" && isTestFile(rd.file.path)) {
				is = meaning{sort: aReceiver, name: p.Name}
			}
			rd.assign(p, is, true)
		case *syntax.BinaryExpr:
			is := rd.expr(p.Y, slot{})
			if id, ok := p.X.(*syntax.Ident); ok {
				if given := known[id.Name]; given.sort != unknown {
					is = given
				}
				rd.assign(id, is, true)
			}
		case *syntax.UnaryExpr:
			if id, ok := p.X.(*syntax.Ident); ok {
				rd.assign(id, meaning{}, true)
			}
		}
	}
}

// isTestFile reports whether a file is one of tests, by its name.
func isTestFile(path string) bool { return strings.HasSuffix(path, "_test.star") }

// items is what a loop over something gives.
func (rd *reader) items(m meaning) meaning {
	if m.sort == aValue {
		return valueOf(elementOf(m.typ))
	}
	return meaning{}
}

// expr reads an expression that stands in a slot.
func (rd *reader) expr(e syntax.Expr, at slot) meaning {
	switch e := e.(type) {
	case nil:
		return meaning{}
	case *syntax.Ident:
		if rd.to.cursor.at(e.Name) {
			rd.to.cursor.found(at, e.Name)
			rd.to.cursor.names = rd.visible()
			return meaning{}
		}
		return rd.name(e)
	case *syntax.Literal:
		if e.Token == syntax.STRING {
			return rd.text(e, at)
		}
	case *syntax.ParenExpr:
		return rd.expr(e.X, at)
	case *syntax.DotExpr:
		return rd.dot(e)
	case *syntax.IndexExpr:
		return rd.indexed(e)
	case *syntax.CallExpr:
		return rd.call(e, at)
	case *syntax.DictExpr:
		rd.dict(e, at)
	case *syntax.ListExpr:
		return rd.list(e.List, at)
	case *syntax.TupleExpr:
		rd.list(e.List, at)
	case *syntax.BinaryExpr:
		x, y := rd.expr(e.X, at.plain()), rd.expr(e.Y, at.plain())
		switch e.Op {
		case syntax.PLUS, syntax.OR, syntax.PIPE:
			if x.sort == unknown {
				return y
			}
			return x
		}
	case *syntax.UnaryExpr:
		return rd.expr(e.X, at.plain())
	case *syntax.CondExpr:
		rd.expr(e.Cond, at.plain())
		x, y := rd.expr(e.True, at), rd.expr(e.False, at)
		if x.sort == unknown {
			return y
		}
		return x
	case *syntax.Comprehension:
		return rd.comprehension(e, at)
	case *syntax.LambdaExpr:
		defer rd.push()()
		rd.parameters(e.Params, tree.Pos(e.Lambda))
		rd.expr(e.Body, slot{})
	case *syntax.SliceExpr:
		is := rd.expr(e.X, slot{})
		rd.expr(e.Lo, slot{})
		rd.expr(e.Hi, slot{})
		rd.expr(e.Step, slot{})
		return is
	}
	return meaning{}
}

func (rd *reader) list(items []syntax.Expr, at slot) meaning {
	var first meaning
	for i, x := range items {
		is := rd.expr(x, at.element())
		if i == 0 {
			first = is
		}
	}
	if first.sort == aValue {
		return valueOf(dataflow.ListOf(first.typ))
	}
	return meaning{}
}

func (rd *reader) comprehension(e *syntax.Comprehension, at slot) meaning {
	outer := rd.scope
	gives := func() meaning {
		rd.scope = &scope{outer: outer, vars: map[string]*variable{}}
		defer func() { rd.scope = outer }()
		for _, c := range e.Clauses {
			switch c := c.(type) {
			case *syntax.ForClause:
				rd.assign(c.Vars, rd.items(rd.expr(c.X, slot{})), true)
			case *syntax.IfClause:
				rd.expr(c.Cond, slot{})
			}
		}
		if entry, ok := e.Body.(*syntax.DictEntry); ok {
			rd.expr(entry.Key, slot{})
			rd.expr(entry.Value, slot{})
			return meaning{}
		}
		return rd.expr(e.Body, at.element())
	}()
	if gives.sort == aValue && !e.Curly {
		return valueOf(dataflow.ListOf(gives.typ))
	}
	return meaning{}
}

// name looks a name up.
func (rd *reader) name(id *syntax.Ident) meaning {
	for s := rd.scope; s != nil; s = s.outer {
		if v := s.vars[id.Name]; v != nil {
			rd.note(rd.span(id), entity{entName, v.at, id.Name}, v.is)
			return v.is
		}
	}
	if is, ok := rd.ix.global(rd.file, id.Name); ok {
		rd.note(rd.span(id), rd.ix.origin(rd.file, id.Name), is)
		return is
	}
	if b := builtin(id.Name); b != nil {
		rd.note(rd.span(id), entity{entBuiltin, nil, id.Name}, meaning{})
		return meaning{sort: aBuiltin, name: id.Name}
	}
	for _, t := range spec.Types() {
		if t.Name == id.Name {
			rd.note(rd.span(id), entity{entType, nil, id.Name}, meaning{})
			return meaning{sort: aType, name: id.Name}
		}
	}
	return meaning{}
}

// visible lists the names that can be seen from here, the innermost first.
func (rd *reader) visible() []named {
	var out []named
	seen := map[string]bool{}
	for s := rd.scope; s != nil; s = s.outer {
		for name, v := range s.vars {
			if !seen[name] {
				seen[name] = true
				out = append(out, named{name, v.is})
			}
		}
	}
	for name := range rd.file.globals {
		if !seen[name] {
			is, _ := rd.ix.global(rd.file, name)
			out = append(out, named{name, is})
		}
	}
	return out
}

// named is a name with what it stands for.
type named struct {
	name string
	is   meaning
}

// dot reads x.name.
func (rd *reader) dot(e *syntax.DotExpr) meaning {
	x := rd.expr(e.X, slot{})
	if rd.to.cursor.at(e.Name.Name) {
		rd.to.cursor.found(slot{}, e.Name.Name)
		rd.to.cursor.of, rd.to.cursor.isPart = x, true
		return meaning{}
	}
	return rd.attr(x, e.Name.Name, rd.span(e.Name))
}

// attr is a part of what an expression stands for.
func (rd *reader) attr(x meaning, name string, at dataflow.Span) meaning {
	switch x.sort {
	case aReceiver:
		if x.name == "wf" && name == "input" {
			return meaning{sort: anInput, flow: x.flow}
		}
		if b := methodOf(x.name, name); b != nil {
			rd.note(at, entity{entBuiltin, nil, b.Name}, meaning{})
			return meaning{sort: aBuiltin, name: b.Name, flow: x.flow}
		}
	case aModel:
		for _, kind := range dataflow.AllOps() {
			if kind.String() == name && x.model != nil {
				rd.note(at, entity{entOp, dataflow.Op{Model: x.model, Kind: kind}, ""}, meaning{})
				return meaning{sort: anOp, model: x.model, op: kind}
			}
		}
	case anInput:
		return rd.input(x.flow, name, at)
	case aNode:
		return rd.part(rd.ix.outline.Nodes[x.node].Output, name, at)
	case aModule:
		if x.module.function(name) != nil {
			rd.note(at, entity{entModuleFunction, x.module.Name, name}, meaning{})
			return meaning{sort: aModuleFunction, name: name, module: x.module}
		}
	case aValue:
		return rd.part(x.typ, name, at)
	case unknown:
		rd.maybe(name, at)
	}
	return meaning{}
}

// input is an input of a workflow.
func (rd *reader) input(w *dataflow.Workflow, name string, at dataflow.Span) meaning {
	if w == nil {
		return meaning{}
	}
	f := inputOf(w, name)
	if f == nil {
		return meaning{}
	}
	is := valueOf(f.Type)
	rd.note(at, entity{entInput, w, name}, meaning{typ: f.Type})
	return is
}

// part is a part of a value.
func (rd *reader) part(t *dataflow.Type, name string, at dataflow.Span) meaning {
	if t == nil {
		return meaning{}
	}
	next, _, ok := t.Attr(name)
	if !ok {
		return meaning{}
	}
	if t.Kind == dataflow.KindRecord {
		rd.note(at, entity{entField, t.Model, name}, meaning{typ: next})
	} else {
		rd.note(at, entity{entPart, at, name}, meaning{typ: next})
	}
	return valueOf(next)
}

// indexed reads x[y].
func (rd *reader) indexed(e *syntax.IndexExpr) meaning {
	x := rd.expr(e.X, slot{})
	if lit, ok := e.Y.(*syntax.Literal); ok && lit.Token == syntax.STRING {
		name := lit.Value.(string)
		if rd.to.cursor.at(name) {
			rd.to.cursor.found(slot{}, name)
			rd.to.cursor.of, rd.to.cursor.isPart, rd.to.cursor.quoted = x, true, true
			return meaning{}
		}
		return rd.attr(x, name, rd.inside(lit))
	}
	rd.expr(e.Y, slot{})
	switch x.sort {
	case aNode:
		return valueOf(elementOf(rd.ix.outline.Nodes[x.node].Output))
	case aValue:
		return valueOf(elementOf(x.typ))
	}
	return meaning{}
}

// inside is the place of what stands between the quotes of a literal.
func (rd *reader) inside(lit *syntax.Literal) dataflow.Span {
	at := rd.span(lit)
	open := opening(lit.Raw)
	at.Start = tree.Advance(at.Start, lit.Raw[:open])
	at.End.Col -= closing(lit.Raw, open)
	return at
}

// opening is the length of a literal's prefix and opening quotes.
func opening(raw string) int {
	i := strings.IndexAny(raw, `"'`)
	if i < 0 {
		return 0
	}
	if q := raw[i : i+1]; len(raw) >= i+6 && strings.HasPrefix(raw[i:], q+q+q) {
		return i + 3
	}
	return i + 1
}

func closing(raw string, open int) int { return open - strings.IndexAny(raw, `"'`) }

package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	language "github.com/flowctl/flowctl/starlark/spec"
	"go.starlark.net/syntax"
)

// arguments are those of a call.
type arguments struct {
	pos   []*val
	named *val // a dict
	rest  bool // there may be others by position
}

func (fr *frame) arguments(list []syntax.Expr) arguments {
	a := arguments{named: &val{kind: isDict}}
	for _, e := range list {
		switch x := e.(type) {
		case *syntax.UnaryExpr:
			switch x.Op {
			case syntax.STAR:
				fr.eval(x.X)
				a.rest = true
				continue
			case syntax.STARSTAR:
				if d := asDict(fr.eval(x.X)); d != nil {
					a.named = merged(a.named, d)
				} else {
					a.named.open = true
				}
				continue
			}
		case *syntax.BinaryExpr:
			if id, ok := x.X.(*syntax.Ident); ok && x.Op == syntax.EQ {
				a.named.set(&entry{id.Name, fr.eval(x.Y), fr.f.span(id)})
				continue
			}
		}
		a.pos = append(a.pos, fr.eval(e))
	}
	return a
}

// values are those that the call gives, by place or by name.
func (a arguments) values() []*val {
	list := slices.Clone(a.pos)
	for _, e := range a.named.names {
		list = append(list, e.val)
	}
	return list
}

func (fr *frame) call(c *syntax.CallExpr) *val {
	var self *val // of a method
	name := callee(c)
	if dot, ok := c.Fn.(*syntax.DotExpr); ok {
		self = fr.eval(dot.X)
		if self != nil && self.kind == isCtx {
			return fr.ofCtx(c, name)
		}
		if self != nil && self.kind == isTest {
			return fr.ofTest(c, name)
		}
		fr.attr(dot, self)
		a := fr.arguments(c.Args)
		fr.givenAway(a.values()...)
		return fr.method(self, name, a)
	}
	fn := fr.eval(c.Fn)
	a := fr.arguments(c.Args)
	if fn != nil && fn.kind == isDef {
		defer fr.lookedAt(c.Args)
		return fr.inline(fn, a)
	}
	fr.givenAway(a.values()...)
	if fn != nil && fn.kind == isLib {
		return at(library(fn.lib, a), fr.f.span(c))
	}
	if id, ok := c.Fn.(*syntax.Ident); ok && outside(id) {
		fr.declaresLate(c, id.Name)
		fr.ofBuiltin(c, id.Name, a)
		return builtin(id.Name, a)
	}
	for _, v := range a.values() {
		v.escape()
	}
	return nil
}

// method follows what a method does to its value and what it gives.
func (fr *frame) method(self *val, name string, a arguments) *val {
	switch {
	case self == nil:
	case self.isText():
		return textMethod(name)
	case self.kind == isList:
		switch {
		case name == "append" && len(a.pos) == 1 && !self.open:
			empty := self.elem == nil
			self.items = nil
			if self.elem = a.pos[0]; !empty {
				self.elem = join(self.elem, a.pos[0])
			}
			self.open = self.elem == nil
		case name == "extend" && len(a.pos) == 1 && a.pos[0] != nil && a.pos[0].kind == isList:
			j := join(&val{kind: isList, elem: self.elem, open: self.open}, &val{kind: isList, elem: a.pos[0].elem, open: a.pos[0].open})
			self.items, self.elem, self.open = nil, j.elem, j.open
		case name == "index":
			return typed(dataflow.Int)
		default:
			self.escape()
		}
	case self.kind == isDict:
		switch name {
		case "get", "items", "keys", "values":
		case "setdefault":
			self.open = true
		default:
			self.escape()
		}
	case self.isRecord() && name == "get" && len(a.pos) > 0 && a.pos[0] != nil && a.pos[0].text != nil:
		key := a.pos[0]
		if near := dataflow.DidYouMean(*key.text, self.typ.AttrNames()); near != "" && len(a.pos) < 2 {
			fr.note("FC146", key.at, !slices.Contains(self.typ.AttrNames(), *key.text) && !fr.tested[*key.text], fmt.Sprintf("%s has no %q", described(self.typ), *key.text), near)
		}
	}
	return nil
}

// at is the value as it comes about at a place.
func at(v *val, place dataflow.Span) *val {
	if v != nil && v.at.IsZero() {
		v.at = place
	}
	return v
}

func textMethod(name string) *val {
	switch name {
	case "lower", "upper", "strip", "lstrip", "rstrip", "title", "capitalize", "replace", "format", "join", "removeprefix", "removesuffix":
		return typed(dataflow.String)
	case "split", "rsplit", "splitlines":
		return typed(dataflow.ListOf(dataflow.String))
	case "startswith", "endswith", "isdigit", "isalpha", "isalnum", "isspace", "islower", "isupper", "istitle":
		return typed(dataflow.Bool)
	case "find", "rfind", "index", "rindex", "count":
		return typed(dataflow.Int)
	}
	return nil
}

// goesThrough are builtins that go through what they are given first.
var goesThrough = map[string]bool{"list": true, "sorted": true, "reversed": true, "enumerate": true, "set": true, "tuple": true, "any": true, "all": true, "zip": true}

// ofBuiltin looks at what a builtin is given.
func (fr *frame) ofBuiltin(c *syntax.CallExpr, name string, a arguments) {
	if len(a.pos) == 0 {
		return
	}
	first := c.Args[0]
	if id, ok := first.(*syntax.Ident); ok && name == "type" && fr.f.isLocal(id) { // what it is from here on depends on the answer
		fr.vars[fr.f.first(id)] = nil
	}
	switch {
	case name == "decimal" && len(a.pos) == 1:
		fr.note("FC144", fr.f.span(first), a.pos[0].is(dataflow.KindFloat), "a decimal can't be made of a float", `write it as a text: decimal("1.2")`)
	case goesThrough[name], (name == "min" || name == "max") && len(a.pos) == 1:
		fr.iterated(first, a.pos[0])
	}
	key, ok := keyword(c, "key").(*syntax.LambdaExpr)
	if !ok || len(key.Params) != 1 || nameOf(key.Params[0]) == nil || a.rest {
		return
	}
	item := itemOf(a.pos[0])
	if len(a.pos) > 1 {
		item = nil
	}
	before := fr.vars
	fr.vars = maps.Clone(before)
	fr.vars[fr.f.first(nameOf(key.Params[0]))] = item
	fr.eval(key.Body)
	fr.vars = before
}

func builtin(name string, a arguments) *val {
	first := (*val)(nil)
	if len(a.pos) > 0 {
		first = a.pos[0]
	}
	switch name {
	case "len", "int", "hash":
		return typed(dataflow.Int)
	case "str", "repr", "type":
		return typed(dataflow.String)
	case "bool", "any", "all", "hasattr":
		return typed(dataflow.Bool)
	case "float":
		return typed(dataflow.Float)
	case "decimal":
		if first.isText() && first.text != nil {
			n, known := writtenDigits(*first.text)
			return number(n, known, dataflow.Span{})
		}
		if first.isText() {
			return typed(&dataflow.Type{Kind: dataflow.KindDecimal})
		}
	case "range":
		return typed(dataflow.ListOf(dataflow.Int))
	case "list", "sorted", "reversed":
		if first == nil || first.kind == isDict {
			return nil
		}
		item := itemOf(first)
		return &val{kind: isList, elem: item, open: item == nil && (first.kind != isList || first.open)}
	case "enumerate":
		return &val{kind: isList, elem: &val{kind: isTuple, items: []*val{typed(dataflow.Int), itemOf(first)}}}
	case "dict":
		if d := asDict(first); d != nil {
			return merged(d, a.named)
		}
		if len(a.pos) == 0 {
			return a.named
		}
	}
	return nil
}

// inline follows a function of the app from a call of it.
func (fr *frame) inline(fn *val, a arguments) *val {
	inner := &frame{flow: fr.flow, f: fn.file, vars: map[*syntax.Ident]*val{}}
	taken := map[string]bool{}
	position, only := 0, false
	for _, q := range fn.def.Params {
		id := nameOf(q)
		star, isStar := q.(*syntax.UnaryExpr)
		if isStar && star.Op == syntax.STAR {
			only = true
		}
		if id == nil || isStar {
			continue
		}
		key := fn.file.first(id)
		taken[id.Name] = true
		switch e := a.named.entry(id.Name); {
		case !only && position < len(a.pos):
			inner.vars[key] = a.pos[position]
			position++
		case e != nil:
			inner.vars[key] = e.val
		case a.rest || a.named.open:
			inner.vars[key] = nil
		default:
			if b, ok := q.(*syntax.BinaryExpr); ok {
				inner.vars[key] = inner.eval(b.Y)
			}
		}
	}
	for _, q := range fn.def.Params {
		star, ok := q.(*syntax.UnaryExpr)
		if !ok || star.X == nil {
			continue
		}
		fr.givenAway(a.values()...) // one of them may be among the rest
		var v *val
		if star.Op == syntax.STARSTAR {
			v = &val{kind: isDict, open: a.named.open}
			for _, e := range a.named.names {
				if !taken[e.name] {
					v.names = append(v.names, e)
				}
			}
		}
		inner.vars[fn.file.first(nameOf(q))] = v
	}
	return inner.function(fn.def)
}

// ofCtx follows ctx.run, ctx.workflow, ctx.now and what waits.
func (fr *frame) ofCtx(c *syntax.CallExpr, name string) *val {
	a := fr.arguments(c.Args)
	if slices.Contains(language.Methods("ctx"), name) {
		b := language.Lookup("ctx." + name)
		for _, e := range a.named.names {
			if b.Extra != nil { // of another's names
				break
			}
			fr.note("FC147", e.at, b.Param(e.name) == nil, fmt.Sprintf("ctx.%s takes no %q", name, e.name), dataflow.DidYouMean(e.name, b.ParamNames()))
		}
		if b.Extra == nil && !a.rest && !a.named.open {
			fr.toCtx(c, b, a)
		}
	}
	switch name {
	case "now":
		return typed(dataflow.DateTime)
	case "sleep", "wait_signal":
		if _, known := fr.p.waits[fr.handler]; fr.handler != nil && !known {
			fr.p.waits[fr.handler] = fr.f.span(c)
		}
		if name == "wait_signal" {
			return fr.waitsFor(c, a)
		}
	case "workflow":
		if len(a.pos) > 0 {
			fr.starts(c, withDict(a))
		}
	case "run":
		return fr.runs(c, a)
	}
	return nil
}

// toCtx compares a call of a method of ctx with what it takes.
func (fr *frame) toCtx(c *syntax.CallExpr, b *language.Builtin, a arguments) {
	given := map[string]syntax.Expr{}
	position, slip := 0, false
	for _, e := range c.Args {
		if kw, ok := e.(*syntax.BinaryExpr); ok && kw.Op == syntax.EQ {
			name := kw.X.(*syntax.Ident).Name
			given[name], slip = kw.Y, slip || b.Param(name) == nil
			continue
		}
		if position == len(b.Params) {
			most := "no arguments"
			if position > 0 {
				most = fmt.Sprintf("no more than %d arguments", position)
			}
			fr.note("FC140", fr.f.span(e), true, fmt.Sprintf("%s takes %s", b.Name, most), "as "+b.Example)
			break
		}
		given[b.Params[position].Name] = e
		position++
	}
	for _, q := range b.Params {
		e := given[q.Name]
		switch {
		case e == nil:
			fr.note("FC140", fr.f.span(c), q.Required && !slip && a.named.entry(q.Name) == nil, fmt.Sprintf("%s needs %s", b.Name, q.Name), "as "+b.Example)
		case q.Accept.Has(language.Duration):
			if lit, ok := e.(*syntax.Literal); ok && lit.Token == syntax.STRING {
				d, err := codec.ParseDuration(lit.Value.(string))
				if err == nil && d < 0 {
					err = fmt.Errorf("%s is negative", d)
				}
				if err != nil {
					fr.note("FC140", fr.f.span(e), true, fmt.Sprintf("%s of %s: %s", q.Name, b.Name, err), "")
				}
			}
		}
	}
}

// withDict are arguments with those that the second by position has as a dict.
func withDict(a arguments) arguments {
	if len(a.pos) > 1 {
		if d := asDict(a.pos[1]); d != nil {
			a.named = merged(a.named, d)
		} else {
			a.named.open = true
		}
	}
	return a
}

// runs follows ctx.run(Order.create, …).
func (fr *frame) runs(c *syntax.CallExpr, a arguments) *val {
	if len(a.pos) == 0 || a.pos[0] == nil || a.pos[0].kind != isOp {
		return nil
	}
	written := map[string]bool{}
	if _, named := c.Args[0].(*syntax.DotExpr); named {
		for _, e := range c.Args {
			if kw, ok := e.(*syntax.BinaryExpr); ok && kw.Op == syntax.EQ {
				written[kw.X.(*syntax.Ident).Name] = true
			}
		}
	}
	return given(fr.operation(a.pos[0].op, withDict(a), written), a.pos[0].op)
}

// starts looks at ctx.workflow("name", …).
func (fr *frame) starts(c *syntax.CallExpr, a arguments) {
	name := a.pos[0]
	if name == nil || name.text == nil {
		return
	}
	var names []string
	for _, w := range fr.p.app.Workflows {
		names = append(names, w.Name)
		if w.Name == *name.text {
			fr.inputs(c, w, a)
		}
	}
	fr.note("FC440", name.at, !slices.Contains(names, *name.text), fmt.Sprintf("no workflow or handler is registered as %q", *name.text), dataflow.DidYouMean(*name.text, names))
}

func (fr *frame) inputs(c *syntax.CallExpr, w *dataflow.Workflow, a arguments) {
	var names []string
	for _, in := range w.Input {
		names = append(names, in.Name)
	}
	slip := false
	for _, e := range a.named.names {
		wrong := !slices.Contains(names, e.name)
		slip = slip || wrong
		fr.note("FC440", e.at, wrong, fmt.Sprintf("%s takes no input %q", w.Name, e.name), or(dataflow.DidYouMean(e.name, names), "it takes "+strings.Join(names, ", ")))
		if in := inputOf(w, e.name); in != nil {
			fr.fits(in, e, w.Name)
		}
	}
	for _, in := range w.Input {
		if in.Required() && !a.named.open && !slip {
			fr.note("FC440", fr.f.span(c), a.named.entry(in.Name) == nil, fmt.Sprintf("%s needs the input %q", w.Name, in.Name), "")
		}
	}
}

// operation follows an operation of a model. What a call that names it writes
// out for it was checked when the file was loaded.
func (fr *frame) operation(op dataflow.Op, a arguments, written map[string]bool) *val {
	spec := fr.p.spec(op)
	var names []string
	for _, q := range spec.Params {
		names = append(names, q.Name)
	}
	for _, e := range a.named.names {
		q := spec.Param(e.name)
		fr.note("FC147", e.at, q == nil && !written[e.name], fmt.Sprintf("%s.%s takes no %q", op.Model.Name, op.Kind, e.name), or(dataflow.DidYouMean(e.name, names), "it takes "+strings.Join(names, ", ")))
		if q != nil {
			fr.argument(op, q, e)
		}
	}
	if op.Kind == dataflow.OpAggregate {
		fr.problems(query.ParseAggregateStatic(op.Model, objectOf(a.named)), a.named)
		return fr.aggregated(op, a)
	}
	if fields := a.named.entry("fields"); fields != nil && !op.Kind.Writes() && !a.named.open && a.named.entry("expand") == nil {
		return narrower(op, spec.Output, asked(op.Model, fields.val))
	}
	if a.named.open {
		return narrower(op, spec.Output, dataflow.Any)
	}
	if e := a.named.entry("expand"); e != nil {
		if a.named.entry("fields") != nil {
			return narrower(op, spec.Output, dataflow.Any)
		}
		return narrower(op, spec.Output, expanded(op.Model, e.val))
	}
	return typed(spec.Output)
}

// narrower is the result of a read or list whose rows are of another type.
func narrower(op dataflow.Op, out, row *dataflow.Type) *val {
	if op.Kind == dataflow.OpRead {
		return typed(row)
	}
	return typed(with(out, "records", dataflow.ListOf(row)))
}

// with is the type of an object with one of its fields of another type.
func with(t *dataflow.Type, name string, of *dataflow.Type) *dataflow.Type {
	fields := []*dataflow.Field{}
	for _, f := range t.Fields {
		if f.Name == name {
			f = &dataflow.Field{Name: name, Type: of}
		}
		fields = append(fields, f)
	}
	return dataflow.ObjectType(fields...)
}

// asked is the type of rows with the fields that a read or list asks for.
func asked(m *dataflow.Model, fields *val) *dataflow.Type {
	if fields == nil || fields.kind != isList || fields.items == nil {
		return dataflow.Any
	}
	row := dataflow.ObjectType(m.ID())
	for _, v := range fields.items {
		switch {
		case v == nil || v.text == nil || strings.Contains(*v.text, "."): // what is behind a relation is known to the run
			return dataflow.Any
		case m.Field(*v.text) != nil && m.Field(*v.text) != m.ID():
			row.Fields = append(row.Fields, m.Field(*v.text))
		case m.ComputedField(*v.text) != nil:
			row.Fields = append(row.Fields, &dataflow.Field{Name: *v.text, Type: dataflow.Any})
		}
	}
	return row
}

// expanded is the type of rows with others in them, where it is written out
// which. What is two relations away is known to the run.
func expanded(m *dataflow.Model, names *val) *dataflow.Type {
	items := []*val{names}
	if names != nil && names.kind == isList && names.items != nil {
		items = names.items
	}
	others := map[string]*dataflow.Type{}
	for _, v := range items {
		if v == nil || v.text == nil {
			return dataflow.Any
		}
		name, further, _ := strings.Cut(*v.text, ".")
		f := m.Field(name)
		if seen := others[name] != nil; seen || further != "" || f == nil || f.Type.Kind != dataflow.KindRef {
			others[name] = dataflow.Any
			continue
		}
		others[name] = dataflow.RecordOf(f.Type.Model)
	}
	row := dataflow.ObjectType()
	for _, f := range m.Fields {
		if t := others[f.Name]; t != nil {
			f = &dataflow.Field{Name: f.Name, Type: t, Optional: f.Optional}
			delete(others, f.Name)
		}
		row.Fields = append(row.Fields, f)
	}
	for _, c := range m.Computed {
		row.Fields = append(row.Fields, &dataflow.Field{Name: c.Name, Type: dataflow.Any})
	}
	for _, name := range slices.Sorted(maps.Keys(others)) { // those that refer to the row
		row.Fields = append(row.Fields, &dataflow.Field{Name: name, Type: dataflow.Any})
	}
	return row
}

func objectOf(v *val) *dataflow.Object {
	o := dataflow.NewObject()
	for _, e := range v.names {
		o.Set(e.name, e.val.static())
	}
	return o
}

// aggregated is the result of an aggregate whose names are written out.
func (fr *frame) aggregated(op dataflow.Op, a arguments) *val {
	out := fr.p.spec(op).Output
	group := &dataflow.Type{Kind: dataflow.KindObject, Fields: []*dataflow.Field{}}
	known := !a.named.open
	if e := a.named.entry("aggregates"); e != nil {
		d := asDict(e.val)
		known = known && d != nil && !d.open
		if known {
			for _, name := range d.entryNames() {
				group.Fields = append(group.Fields, &dataflow.Field{Name: name, Type: dataflow.Any})
			}
		}
	}
	if e := a.named.entry("group_by"); e != nil {
		by := []*val{e.val}
		if e.val != nil && (e.val.kind == isList || e.val.kind == isTuple) {
			by = e.val.items
			known = known && by != nil
		}
		for _, v := range by {
			if known = known && v != nil && v.text != nil; known {
				field := &dataflow.Field{Name: *v.text, Type: dataflow.Any}
				if f := op.Model.Field(*v.text); f != nil {
					field.Type = f.Type
				}
				group.Fields = append(group.Fields, field)
			}
		}
	}
	if !known {
		return typed(out)
	}
	return typed(with(out, "groups", dataflow.ListOf(group)))
}

// argument looks at what is given for a parameter of an operation.
func (fr *frame) argument(op dataflow.Op, q *dataflow.Field, e *entry) {
	v := e.val
	if v == nil {
		return
	}
	switch {
	case q.Name == "filter":
		fr.problems(query.ParseStatic(op.Model, v.static(), ""), v)
	case op.Kind == dataflow.OpCreate:
		fr.fits(q, e, op.Model.Name)
	case q.Name == "sort" && op.Kind != dataflow.OpAggregate: // which is sorted by its own names
		fr.problems(query.ParseSortStatic(op.Model, v.static(), ""), v)
	case q.Name == "fields" && !op.Kind.Writes():
		fr.problems(access.CheckFields(op.Model, v.static(), ""), v)
	case q.Name == "data" && v.kind == isList:
		if v.items != nil {
			for _, item := range v.items {
				fr.row(op.Model, item)
			}
			return
		}
		fr.row(op.Model, v.elem)
	case q.Name == "where" || q.Name == "fields" || q.Name == "create" || q.Name == "update":
		fr.row(op.Model, v)
	case v.count != nil && q.Type.Kind == dataflow.KindInt:
		fr.fits(q, e, op.Model.Name+"."+op.Kind.String())
	}
}

// row looks at values of a row by the names of their fields.
func (fr *frame) row(m *dataflow.Model, v *val) {
	if v == nil || v.kind != isDict {
		return
	}
	for _, e := range v.names {
		f := m.Field(e.name)
		fr.note("FC147", e.at, f == nil, fmt.Sprintf("%s has no field %q", m.Name, e.name), dataflow.DidYouMean(e.name, ownFields(m)))
		if f != nil {
			fr.fits(f, e, m.Name)
		}
	}
}

// problems takes down what a parser found, where the part it is about has a
// place of its own.
func (fr *frame) problems(problems []dataflow.Problem, v *val) {
	for _, q := range problems {
		path := strings.Split(strings.TrimPrefix(q.Pointer, "/"), "/")
		at := v.place(path)
		if key := v.key(path); len(path) > 1 && !key.IsZero() && strings.HasPrefix(q.Code, "unknown_") { // it is the name that is wrong
			at = key
		}
		fr.note("FC147", at, true, q.Detail, q.Hint)
	}
}

// fits looks at a text or number that is written out for a field, and at one of
// a few words, some of which the field may not take.
func (fr *frame) fits(f *dataflow.Field, e *entry, of string) {
	v := e.val
	fr.room(f, v, e.at, of)
	switch {
	case v == nil || f.Type.Kind == dataflow.KindRef:
	case v.written() != nil:
		_, problems := codec.Coerce(f, v.written(), "")
		if len(problems) == 0 {
			fr.note("FC148", v.at, false, "", "")
			return
		}
		near := ""
		if v.text != nil {
			near = dataflow.DidYouMean(*v.text, f.Type.Values)
		}
		fr.note("FC148", v.at, true, fmt.Sprintf("%s.%s %s", of, f.Name, problems[0].Detail), or(problems[0].Hint, near))
	case v.is(dataflow.KindEnum) && f.Type.Kind == dataflow.KindEnum:
		for _, word := range v.typ.Values {
			if !slices.Contains(f.Type.Values, word) {
				fr.note("FC148", e.at, true, fmt.Sprintf("the value may be %q, which %s.%s does not take", word, of, f.Name), or(dataflow.DidYouMean(word, f.Type.Values), "it takes "+strings.Join(f.Type.Values, ", ")))
				return
			}
		}
		fr.note("FC148", e.at, false, "", "")
	}
}

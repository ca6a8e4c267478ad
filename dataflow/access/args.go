package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
)

// params are the parameters of an operation as Do reads them. Objects that
// stand for rows are taken loosely here: they are held to the model itself
// later, which says more exactly what is wrong with them.
type params struct {
	shape  *dataflow.Shape
	fields []*dataflow.Field
}

func newParams(m *dataflow.Model, op dataflow.OpKind) params {
	var p params
	var names []string
	for _, f := range opTable[op].params(m) {
		if t := f.Type; op != dataflow.OpCreate && (t.Kind == dataflow.KindObject || t.Kind == dataflow.KindList && t.Elem.Kind == dataflow.KindObject) {
			g := *f
			g.Type = unread(t)
			f = &g
		}
		p.fields = append(p.fields, f)
		names = append(names, f.Name)
	}
	p.shape = dataflow.NewShape(names...)
	return p
}

// unread is the type as which a parameter is taken that is made of objects.
func unread(t *dataflow.Type) *dataflow.Type {
	switch {
	case t.Kind == dataflow.KindList:
		return dataflow.ListOf(unread(t.Elem))
	case t.Fields == nil: // no row
		return anyObject
	}
	return codec.Unread
}

// arguments are the arguments of one call, and what is wrong with them.
type arguments struct {
	m        *Model
	o        *dataflow.Object
	c        Caller
	sight    query.Sight // of the caller
	problems []dataflow.Problem
	more     bool // there are problems beyond those that are told of
}

func (m *Model) arguments(c Caller, op dataflow.OpKind, in *dataflow.Object) *arguments {
	p := &m.params[op]
	a := &arguments{m: m, c: c, sight: c.Sight()}
	a.o, a.problems = codec.CoerceObject(p.shape, p.fields, in, "")
	for i := range a.problems {
		if a.problems[i].Code == "unknown_field" {
			a.problems[i].Code = "unknown_parameter"
			a.problems[i].Detail = op.String() + " has no such parameter"
			a.problems[i].Hint = cmp.Or(Instead(m.m, op, strings.TrimPrefix(a.problems[i].Pointer, "/")), a.problems[i].Hint)
		}
	}
	for _, f := range p.fields {
		if f.Required() && !a.o.Has(f.Name) {
			a.add("required", "/"+f.Name, `"`+f.Name+`" is required`, "")
		}
	}
	return a
}

// Instead says what to write in the place of a parameter that an operation
// does not take of this model, though it does of others; "" if it never does.
func Instead(m *dataflow.Model, op dataflow.OpKind, param string) string {
	if param == "search" && (op == dataflow.OpList || op == dataflow.OpCount || op == dataflow.OpAggregate) {
		_, why := query.ParseSearch(m, "", "")
		return why[0].Hint
	}
	return ""
}

func (a *arguments) add(code, pointer, detail, hint string) {
	a.problems = append(a.problems, problem(code, pointer, detail, hint))
}

// also adds problems, of which no more are kept than are told of: a hundred
// thousand rows may have several each.
func (a *arguments) also(problems []dataflow.Problem) {
	kept := min(len(problems), max(0, dataflow.MaxProblems-len(a.problems)))
	a.problems = append(a.problems, problems[:kept]...)
	a.more = a.more || kept < len(problems)
}

// wrong reports whether an argument was given and is among the problems.
func (a *arguments) wrong(name string) bool {
	return slices.ContainsFunc(a.problems, func(p dataflow.Problem) bool {
		return p.Pointer == "/"+name || strings.HasPrefix(p.Pointer, "/"+name+"/")
	})
}

// err returns the error for all problems found so far, or nil.
func (a *arguments) err() error {
	if !a.more {
		return a.m.invalid(a.problems)
	}
	e := dataflow.Invalid(a.problems...)
	e.Model = a.m.m.Name
	e.Message = fmt.Sprintf("the input has more than %d problems, of which %d are told of", dataflow.MaxProblems, len(a.problems))
	return e
}

// value returns an argument, or nil if it is not given.
func (a *arguments) value(name string) any {
	v, _ := a.o.Get(name)
	return v
}

func (a *arguments) bool(name string) bool {
	b, _ := a.value(name).(bool)
	return b
}

func (a *arguments) int(name string) int {
	n, _ := a.value(name).(int64)
	return int(n)
}

func (a *arguments) str(name string) string {
	s, _ := a.value(name).(string)
	return s
}

func (a *arguments) object(name string) *dataflow.Object {
	o, _ := a.value(name).(*dataflow.Object)
	return o
}

func (a *arguments) list(name string) []any {
	l, _ := a.value(name).([]any)
	return l
}

// version returns the version the caller has read, or nil.
func (a *arguments) version() *int64 {
	if n, ok := a.value("version").(int64); ok {
		return &n
	}
	return nil
}

// filter parses the filter argument; nil is every row.
func (a *arguments) filter() query.Expr {
	o := a.object("filter")
	if o == nil || o.Len() == 0 {
		return nil
	}
	e, problems := a.sight.Filter(a.m.m, o, "/filter")
	a.also(problems)
	return e
}

// search parses the search argument; nil is every row.
func (a *arguments) search() query.Expr {
	text, given := a.value("search").(string)
	if !given {
		return nil
	}
	e, problems := a.sight.Search(a.m.m, text, "/search")
	a.also(problems)
	return e
}

// selection parses the arguments fields and expand; see [Model.Selection].
func (a *arguments) selection(c Caller) ([]int, *Expansion) {
	fields, e, problems := a.m.Selection(c, a.value("fields"), a.value("expand"))
	a.also(problems)
	return fields, e
}

// target is the row an operation on one row is about.
type target struct {
	id    any // nil if a filter finds it
	where query.Expr
}

// none is the error if there is no such row.
func (m *Model) none(t target) error {
	if t.id != nil {
		return m.notFound(t.id)
	}
	return m.noMatch()
}

// target reads id or filter, of which one must be given.
func (a *arguments) target() target {
	id, filter := a.value("id"), a.object("filter")
	switch {
	case id != nil && filter != nil:
		a.add("unknown_parameter", "/filter", "can't go with an id", "give one of them")
	case id != nil:
		return target{id: id, where: a.m.byID(id)}
	case a.wrong("id") || a.wrong("filter"): // so one was meant
	case filter == nil:
		a.add("required", "/id", "an id or a filter is required", "")
	case filter.Len() == 0:
		a.add("required", "/filter", "an empty filter picks no row out", "name the row by its id or by values it has")
	}
	return target{where: a.filter()}
}

// input reads an object argument as values of a row.
func (a *arguments) input(name string) *input {
	o := a.object(name)
	if o == nil {
		o = dataflow.NewObject()
	}
	return a.m.sight(a.c).coerce(o, "/"+name)
}

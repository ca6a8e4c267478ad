package query

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// Limits of a filter and a sort. They are what keeps a request from costing
// far more than its size.
const (
	MaxDepth    = 32   // of $and, $or and $not inside each other
	MaxTerms    = 500  // comparisons in one filter
	MaxValues   = 1000 // of one $in or $nin
	MaxListed   = 8000 // of all of them: engines bound the parameters of a statement
	MaxPattern  = 1000 // bytes of a $like, $ilike or $regex
	MaxHops     = 8    // references in one path
	MaxSortKeys = 8
	maxProblems = 100
)

// Parse reads a filter on m's rows from a canonical value and checks it: names
// against the model, operators against each field's type, values by coercion
// to it. Every problem is reported, at pointer and below. null is the filter
// that takes every row.
//
//	{"status": "new", "total": {"$gte": 10, "$lt": 99}}
//	{"$or": [{"note": null}, {"customer.email": {"$endswith": "@a.com"}}]}
//	{"$not": {"tags": {"$contains": "old"}}, "total": {"$not": {"$in": [1, 2]}}}
func Parse(m *dataflow.Model, v any, pointer string) (Expr, []dataflow.Problem) {
	return Sight{}.Filter(m, v, pointer)
}

// ParseStatic checks a filter as an app file has it: where a dataflow.Ref or
// *dataflow.Template stands for a value, or for the whole filter, only the run
// can tell, and nothing is said of it.
func ParseStatic(m *dataflow.Model, v any, pointer string) []dataflow.Problem {
	p := parser{model: m, static: true}
	p.filter(v, pointer, 0)
	return p.problems
}

// ParseIndex checks the filter of the rows that an index is over. Every engine
// must be able to keep it: comparisons of the model's own fields with
// constants, and $and, $or and $not of these.
func ParseIndex(m *dataflow.Model, v any, pointer string) (Expr, []dataflow.Problem) {
	p := parser{model: m, index: true}
	e := p.filter(v, pointer, 0)
	if isTrue(e) && len(p.problems) == 0 {
		p.bad("required", pointer, "leave where out for an index over all rows", "the condition takes every row")
	}
	return e, p.problems
}

type parser struct {
	model    *dataflow.Model
	static   bool
	index    bool // what an index can be over
	sight    Sight
	terms    int
	listed   int
	problems []dataflow.Problem
}

func (p *parser) bad(code, pointer, hint, format string, args ...any) {
	if !p.full() {
		p.problems = append(p.problems, dataflow.Problem{Code: code, Pointer: pointer, Hint: hint, Detail: fmt.Sprintf(format, args...)})
	}
}

// full reports whether no more problems are told of, so that there is nothing to
// look for: what a name may mean takes longer than the name.
func (p *parser) full() bool { return len(p.problems) >= maxProblems }

// unbound reports whether v is known only when the workflow runs.
func (p *parser) unbound(v any) bool {
	if !p.static {
		return false
	}
	switch v.(type) {
	case dataflow.Ref, *dataflow.Template:
		return true
	}
	return false
}

func at(pointer, name string) string { return pointer + "/" + codec.EscapePointer(name) }

// filter reads an object of conditions, all of which must hold.
func (p *parser) filter(v any, pointer string, depth int) Expr {
	o, ok := p.object(v, pointer, depth == 0)
	if !ok || o == nil || !p.enter(pointer, depth) {
		return And{}
	}
	var all And
	for name, v := range o.All {
		if p.full() {
			break
		}
		if e := p.condition(name, v, at(pointer, name), depth); e != nil {
			all = append(all, e)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	if len(all) == 0 && depth > 0 {
		p.term(pointer) // which takes its place in the statement too
	}
	return all
}

// object returns v as an object; nil if it is null, where that may be, or not
// known yet.
func (p *parser) object(v any, pointer string, mayBeNull bool) (o *dataflow.Object, ok bool) {
	if raw, isRaw := v.(dataflow.RawJSON); isRaw {
		v, _ = codec.ParseJSON([]byte(raw), codec.MaxDepth)
	}
	if v == nil && mayBeNull || p.unbound(v) {
		return nil, true
	}
	if o, ok = v.(*dataflow.Object); !ok {
		p.bad("wrong_type", pointer, `write {"field": value} or {"field": {"$gte": value}}`, "a filter must be an object, not %s", kindOf(v))
	}
	return o, ok
}

func (p *parser) enter(pointer string, depth int) bool {
	if depth > MaxDepth {
		p.bad("too_deep", pointer, "", "a filter nests at most %d deep", MaxDepth)
		return false
	}
	return true
}

// condition reads one name of a filter: a field, a path, or $and, $or, $not.
func (p *parser) condition(name string, v any, pointer string, depth int) Expr {
	switch name {
	case "$and":
		return And(p.filters(name, v, pointer, depth))
	case "$or":
		return Or(p.filters(name, v, pointer, depth))
	case "$not":
		return Not{p.filter(v, pointer, depth+1)}
	}
	if strings.HasPrefix(name, "$") {
		hint := dataflow.DidYouMean(name, []string{"$and", "$or", "$not"})
		if _, isOp := opByName(name); isOp {
			hint = fmt.Sprintf(`operators stand below a field: {"field": {"%s": …}}`, name)
		}
		p.bad("unknown_operator", pointer, hint, "%s can't stand here; $and, $or and $not can", name)
		return nil
	}
	path, ok := p.path(name, pointer)
	if !ok {
		return nil
	}
	return p.comparisons(path, v, pointer, depth)
}

// filters reads the list of $and or $or.
func (p *parser) filters(name string, v any, pointer string, depth int) []Expr {
	if p.unbound(v) {
		return nil
	}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		p.bad("wrong_type", pointer, fmt.Sprintf(`write {"%s": [{…}, {…}]}`, name), "%s takes a list of filters, at least one", name)
		return nil
	}
	parts := make([]Expr, 0, min(len(list), MaxTerms))
	for i, part := range list {
		if p.full() || p.terms > MaxTerms {
			break
		}
		parts = append(parts, p.filter(part, pointer+"/"+strconv.Itoa(i), depth+1))
	}
	return parts
}

// path resolves "email", or "customer.email" through references.
func (p *parser) path(name, pointer string) (Path, bool) {
	path := Path{Model: p.model}
	m := p.model
	if i, ok := p.sight.fieldIndex(m, name); ok { // a group's key has points in its name
		path.Field = i
		return path, true
	}
	for {
		first, rest, more := strings.Cut(name, ".")
		i, ok := p.field(m, first, pointer)
		if !ok {
			return path, false
		}
		if !more {
			path.Field = i
			return path, true
		}
		if p.index {
			p.bad("not_filterable", pointer, "keep what it depends on in a field of "+p.model.Name, "an index is over a table by itself, so its condition can't follow a reference")
			return path, false
		}
		to := m.Fields[i].Type.Model
		if m.Fields[i].Type.Kind != dataflow.KindRef {
			p.bad("unknown_field", pointer, "", "%s.%s is %s, not a reference, so nothing can follow it", m.Name, first, m.Fields[i].Type)
			return path, false
		}
		if !p.sight.model(to) {
			p.bad("unknown_field", pointer, "", "%s has no field %q", m.Name, name)
			return path, false
		}
		if path.Via = append(path.Via, i); len(path.Via) > MaxHops {
			p.bad("too_deep", pointer, "", "a path goes through at most %d references", MaxHops)
			return path, false
		}
		m, name = to, rest
	}
}

// field finds a field that can be filtered on.
func (p *parser) field(m *dataflow.Model, name, pointer string) (int, bool) {
	if i, ok := p.sight.fieldIndex(m, name); ok {
		return i, true
	}
	if p.sight.computed(m, name) {
		p.bad("not_filterable", pointer, "filter on the fields it is worked out from",
			"%s.%s is computed when a row is read, so the database can't look for it", m.Name, name)
		return 0, false
	}
	p.bad("unknown_field", pointer, p.sight.near(name, m, len(m.Fields)), "%s has no field %q", m.Name, name)
	return 0, false
}

// comparisons reads what stands below a field: a value it equals, or an object
// of operators.
func (p *parser) comparisons(path Path, v any, pointer string, depth int) Expr {
	o, ok := v.(*dataflow.Object)
	if !ok {
		if _, isList := v.([]any); isList {
			p.bad("wrong_type", pointer, `write {"$in": […]} for one of several values`, "a field is compared with one value, not a list")
			return nil
		}
		return p.comparison(path, Eq, v, pointer)
	}
	if !p.enter(pointer, depth) {
		return nil
	}
	if o.Len() == 0 {
		p.bad("wrong_type", pointer, `write a value, or an operator such as {"$gte": value}`, "there is nothing to compare the field with")
		return nil
	}
	var all And
	for name, v := range o.All {
		if p.full() {
			break
		}
		if e := p.operator(path, name, v, at(pointer, name), depth); e != nil {
			all = append(all, e)
		}
	}
	if len(all) == 1 {
		return all[0]
	}
	return all
}

func (p *parser) operator(path Path, name string, v any, pointer string, depth int) Expr {
	if name == "$not" {
		e := p.comparisons(path, v, pointer, depth+1)
		if e == nil {
			return nil
		}
		return Not{e}
	}
	op, ok := opByName(name)
	if !ok {
		_, f := path.Last()
		names := append(opNames(Ops(f.Type)), "$not")
		hint := dataflow.DidYouMean(name, names)
		if hint == "" {
			hint = "it takes " + strings.Join(names, " ")
		}
		p.bad("unknown_operator", pointer, hint, "there is no operator %q", name)
		return nil
	}
	return p.comparison(path, op, v, pointer)
}

// term counts a comparison, and reports whether there may be one more.
func (p *parser) term(pointer string) bool {
	if p.terms++; p.terms == MaxTerms+1 {
		p.bad("too_large", pointer, "", "a filter has at most %d comparisons", MaxTerms)
	}
	return p.terms <= MaxTerms
}

// comparison checks one operator with its value.
func (p *parser) comparison(path Path, op Op, v any, pointer string) Expr {
	if !p.term(pointer) {
		return nil
	}
	if v == nil && (op == Eq || op == Ne) {
		return &Cmp{Path: path, Op: Null, Value: op == Eq}
	}
	_, f := path.Last()
	if !ops[op].kinds.has(f.Type.Scalar().Kind) {
		p.refuseOperator(f, op, pointer)
		return nil
	}
	if p.index && !p.indexable(f, op, v, pointer) || p.unbound(v) {
		return nil
	}
	c := &Cmp{Path: path, Op: op}
	if !p.operand(c, f, v, pointer) {
		return nil
	}
	return c
}

// indexable reports whether the condition of an index can make a comparison.
func (p *parser) indexable(f *dataflow.Field, op Op, v any, pointer string) bool {
	list, isList := v.([]any)
	switch {
	case ops[op].operand == aText || f.Type.Scalar().Kind == dataflow.KindBytes && ops[op].operand != aBool:
		p.bad("not_filterable", pointer, "it takes $eq $ne $gt $gte $lt $lte $in $nin $between $null $exists, of anything but bytes", "%s of %s can't be the condition of an index", op, f.Name)
	case !isConstant(v):
		p.bad("not_filterable", pointer, "write the value itself", "the condition of an index is the same for every run, so it compares with constants only")
	case isList && len(list) == 0:
		p.bad("too_small", pointer, "name the values", "%s of an index needs a value", op)
	default:
		return true
	}
	return false
}

// isConstant reports whether nothing of v is for a run to tell.
func isConstant(v any) bool {
	switch v := v.(type) {
	case dataflow.Ref, *dataflow.Template:
		return false
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !isConstant(item) })
	}
	return true
}

func (p *parser) refuseOperator(f *dataflow.Field, op Op, pointer string) {
	if f.Type.Kind == dataflow.KindJSON && op == Eq {
		p.bad("not_filterable", pointer, "", "%s is json: what is inside it can't be compared; $exists and $null can be asked", f.Name)
		return
	}
	p.bad("unknown_operator", pointer, "it takes "+strings.Join(opNames(Ops(f.Type)), " "), "%s can't be used on %s, which is %s", op, f.Name, f.Type)
}

// operand checks and sets the value of a comparison.
func (p *parser) operand(c *Cmp, f *dataflow.Field, v any, pointer string) bool {
	switch ops[c.Op].operand {
	case aBool:
		b, ok := v.(bool)
		if !ok {
			p.bad("wrong_type", pointer, "", "%s takes true or false, not %s", c.Op, kindOf(v))
		}
		c.Value = b
		return ok
	case manyValue, twoValue:
		return p.values(c, f, v, pointer)
	case aText:
		if f.Type.Kind == dataflow.KindList {
			return p.element(c, f, v, pointer)
		}
		return p.text(c, v, pointer)
	}
	var ok bool
	c.Value, ok = p.value(f.Type, v, pointer)
	return ok
}

// value coerces a value to the type it is compared with.
func (p *parser) value(t *dataflow.Type, v any, pointer string) (any, bool) {
	if v == nil {
		p.bad("null", pointer, `use {"$null": true}`, "nothing is less than, greater than or one of a list with null")
		return nil, false
	}
	out, problems := codec.CoerceType(t, v, pointer)
	for _, problem := range problems {
		p.bad(problem.Code, problem.Pointer, problem.Hint, "%s", problem.Detail)
	}
	return out, len(problems) == 0
}

func (p *parser) values(c *Cmp, f *dataflow.Field, v any, pointer string) bool {
	list, ok := v.([]any)
	if !ok {
		p.bad("wrong_type", pointer, "", "%s takes a list, not %s", c.Op, kindOf(v))
		return false
	}
	if c.Op == Between && len(list) != 2 {
		p.bad("wrong_type", pointer, `write {"$between": [low, high]}`, "$between takes a list of two values, not %d", len(list))
		return false
	}
	if len(list) > MaxValues {
		p.bad("too_large", pointer, "", "%s takes at most %d values", c.Op, MaxValues)
		return false
	}
	if p.listed += len(list); p.listed > MaxListed {
		p.bad("too_large", pointer, "", "the lists of a filter have at most %d values together", MaxListed)
		return false
	}
	out := make([]any, len(list))
	for i, v := range list {
		if p.unbound(v) {
			continue
		}
		value, fits := p.value(f.Type, v, pointer+"/"+strconv.Itoa(i))
		out[i], ok = value, ok && fits
	}
	c.Value = out
	return ok
}

// element checks a value against a list's elements.
func (p *parser) element(c *Cmp, f *dataflow.Field, v any, pointer string) bool {
	if k := f.Type.Elem.Scalar().Kind; !kinds(comparable).has(k) {
		p.bad("not_filterable", pointer, "", "%s is %s: its items can't be compared", f.Name, f.Type)
		return false
	}
	var ok bool
	c.Value, ok = p.value(f.Type.Elem, v, pointer)
	return ok
}

// text checks a part of a text, or a pattern.
func (p *parser) text(c *Cmp, v any, pointer string) bool {
	s, ok := v.(string)
	if !ok {
		p.bad("wrong_type", pointer, "", "%s takes a string, not %s", c.Op, kindOf(v))
		return false
	}
	if _, fits := p.value(dataflow.String, s, pointer); !fits {
		return false
	}
	c.Value = s
	if c.Op != Like && c.Op != Ilike && c.Op != Regex {
		return true
	}
	if len(s) > MaxPattern {
		p.bad("too_long", pointer, "", "a pattern has at most %d bytes", MaxPattern)
		return false
	}
	if c.Op == Regex {
		re, err := regexp.Compile(s)
		if err != nil {
			p.bad("pattern", pointer, "the syntax is RE2: https://github.com/google/re2/wiki/Syntax", "not a regular expression: %s", strings.TrimPrefix(err.Error(), "error parsing regexp: "))
			return false
		}
		c.regex = re
		return true
	}
	if why := patternProblem(s); why != "" {
		p.bad("pattern", pointer, `write \\ for one`, "the pattern %s", why)
		return false
	}
	return true
}

// kindOf names what a value is, in the words of JSON.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string, dataflow.Date, dataflow.TimeOfDay:
		return "a string"
	case []any:
		return "a list"
	case *dataflow.Object:
		return "an object"
	case dataflow.Ref, *dataflow.Template:
		return "a reference"
	}
	return "a number"
}

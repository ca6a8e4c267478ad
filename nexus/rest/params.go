package rest

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
)

// ListParams are the names that a list's query string gives a meaning of its
// own; every other is a filter on a field.
func ListParams() []string {
	return []string{"filter", "sort", "limit", "offset", "cursor", "fields", "expand", "count", "search", "include_deleted"}
}

// params reads a query string and gathers what is wrong with it. A problem's
// pointer names the parameter as if the query were an object.
type params struct {
	m        *dataflow.Model
	sight    query.Sight // of the caller
	q        access.ListQuery
	shown    any // what fields says; nil if it is not there
	along    any // and expand
	seen     map[string]bool
	flat     *dataflow.Object // filters given as parameters of their own
	problems []dataflow.Problem
}

// listQuery reads the query string of a list.
func (m *model) listQuery(c access.Caller, raw string) (access.ListQuery, error) {
	p := params{m: m.decl, sight: c.Sight()}
	p.each(raw, p.listParam)
	p.selection(m, c)
	if p.flat != nil {
		p.where(p.flat, "")
	}
	return p.q, p.err()
}

// getQuery reads the query string of a read: it may name fields and what to
// expand.
func (m *model) getQuery(c access.Caller, raw string) ([]int, *access.Expansion, error) {
	p := params{m: m.decl, sight: c.Sight()}
	p.each(raw, func(name, value string) {
		switch name {
		case "fields", "expand":
			p.listParam(name, value)
		default:
			p.unknown(name, []string{"fields", "expand"})
		}
	})
	p.selection(m, c)
	return p.q.Fields, p.q.Expand, p.err()
}

// selection reads "id,status,customer.name" and what to expand. Only what is
// served can be, and seen by the caller.
func (p *params) selection(m *model, c access.Caller) {
	fields, e, problems := m.ops.Selection(c, p.shown, p.along)
	p.q.Fields, p.q.Expand, p.problems = fields, e, append(p.problems, problems...)
}

// noParameters refuses a query string where none means anything.
func noParameters(raw string) error {
	p := params{}
	p.each(raw, func(name, _ string) { p.unknown(name, nil) })
	return p.err()
}

func (p *params) err() error {
	if len(p.problems) == 0 {
		return nil
	}
	e := codec.Error(p.problems)
	if p.m != nil {
		e.Model = p.m.Name
	}
	return e
}

func (p *params) add(name, code, detail, hint string) {
	p.problems = append(p.problems, dataflow.Problem{Code: code, Pointer: pointer(name), Detail: detail, Hint: hint})
}

// pointer is the JSON pointer to a name at the top.
func pointer(name string) string { return "/" + codec.EscapePointer(name) }

// each splits a query string. Each parameter may stand once.
func (p *params) each(raw string, f func(name, value string)) {
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(part, "=")
		name, err := url.QueryUnescape(rawName)
		value, err2 := url.QueryUnescape(rawValue)
		switch {
		case err != nil || err2 != nil:
			p.add(rawName, "format", "the parameter is not percent-encoded as it should be", "")
		case p.seen[name]:
			p.add(name, "duplicate_key", "the parameter "+quote(name)+" is given twice", "give it once")
		default:
			if p.seen == nil {
				p.seen = make(map[string]bool, 8)
			}
			p.seen[name] = true
			f(name, value)
		}
	}
}

func (p *params) listParam(name, value string) {
	if name == "search" && !p.sight.Searches(p.m) && p.sight.FieldOf(p.m, name) != nil { // a field like any other
		p.filterParam(name, value)
		return
	}
	switch name {
	case "limit":
		p.q.Limit = p.number(name, value, 1, access.MaxLimit)
	case "offset":
		p.q.Offset = p.number(name, value, 0, 1<<53)
	case "sort":
		order, problems := p.sight.Sort(p.m, value, pointer(name))
		p.q.Sort, p.problems = order, append(p.problems, problems...)
	case "fields":
		p.shown = value
	case "expand":
		p.along = value
	case "search":
		e, problems := p.sight.Search(p.m, value, pointer(name))
		p.problems = append(p.problems, problems...)
		p.q.Filter = query.AllOf(p.q.Filter, e)
	case "cursor":
		p.q.Cursor = value
	case "count":
		p.q.Count = p.counts(name, value)
	case "include_deleted":
		if !p.m.SoftDelete {
			p.add(name, "unknown_parameter", p.m.Name+" keeps no deleted rows", "only models with soft_delete = True do")
			return
		}
		p.q.Deleted = p.flag(name, value)
	case "filter":
		v, problems := codec.ParseJSON([]byte(value), codec.MaxDepth)
		if len(problems) > 0 {
			p.below(name, problems)
			return
		}
		p.where(v, pointer(name))
	default:
		p.filterParam(name, value)
	}
}

func (p *params) number(name, value string, low, high int) int {
	n, err := strconv.Atoi(value)
	if err != nil {
		p.add(name, "wrong_type", "must be a whole number", "")
		return 0
	}
	if n < low {
		p.add(name, "too_small", "must be at least "+strconv.Itoa(low), "")
	}
	if n > high {
		p.add(name, "too_large", "must be at most "+strconv.Itoa(high), "")
	}
	return n
}

// oneOf reports whether a value is one of those there are.
func (p *params) oneOf(name, value string, known ...string) bool {
	if slices.Contains(known, value) {
		return true
	}
	p.add(name, "not_in_enum", "there is no "+quote(value), orOneOf(value, known))
	return false
}

func (p *params) flag(name, value string) bool {
	if value != "true" && value != "false" {
		p.add(name, "wrong_type", "must be true or false", "")
	}
	return value == "true"
}

// counts reads whether to count every match, in the words of Prefer too.
func (p *params) counts(name, value string) bool {
	switch value {
	case "exact":
		return true
	case "none":
		return false
	case "true", "false":
		return value == "true"
	}
	p.add(name, "wrong_type", "must be exact or none", "count=exact counts every match, as total")
	return false
}

// below records problems found inside the value of a parameter.
func (p *params) below(name string, problems []dataflow.Problem) {
	for _, pr := range problems {
		if pr.Code == codec.Malformed { // the query is not JSON as a whole: a 422, not a 400
			pr.Code = "format"
		}
		pr.Pointer = pointer(name) + pr.Pointer
		p.problems = append(p.problems, pr)
	}
}

func (p *params) unknown(name string, known []string) {
	hint := dataflow.DidYouMean(name, known)
	switch {
	case hint != "":
	case len(known) == 0:
		hint = "it takes none"
	case len(known) <= 16:
		hint = dataflow.ThereAre(known)
	}
	p.add(name, "unknown_parameter", "there is no parameter "+quote(name), hint)
}

// where adds a filter to those there are: all must hold.
func (p *params) where(v any, at string) {
	expr, problems := p.sight.Filter(p.m, v, at)
	p.problems = append(p.problems, problems...)
	switch {
	case len(problems) > 0:
	case p.q.Filter == nil:
		p.q.Filter = expr
	default:
		p.q.Filter = query.And{p.q.Filter, expr}
	}
}

// filterParam reads a filter on one field: status=new, total[$gte]=10,
// customer.email=a@example.org.
func (p *params) filterParam(name, value string) {
	path, op := name, ""
	if i := strings.IndexByte(name, '['); i > 0 && strings.HasSuffix(name, "]") {
		path, op = name[:i], name[i+1:len(name)-1]
		if !strings.HasPrefix(op, "$") {
			op = "$" + op
		}
	}
	f := p.fieldAt(path)
	if f == nil {
		p.unknownFilter(name, path, value)
		return
	}
	v, problems := operand(f.Type, op, value)
	if len(problems) > 0 {
		if hint := p.comparison(name, value); hint != "" {
			problems[0].Hint = hint
		}
		p.below(name, problems)
		return
	}
	if op == "" {
		op = "$eq"
	}
	if p.flat == nil {
		p.flat = dataflow.NewObject()
	}
	ops, ok := p.flat.Get(path)
	if !ok {
		ops = dataflow.NewObject()
		p.flat.Set(path, ops)
	}
	if ops.(*dataflow.Object).Has(op) { // total=1 and total[eq]=2: neither may be lost
		p.add(name, "duplicate_key", "the comparison "+quote(path+"["+op+"]")+" is given twice", "give it once, or use filter with $or")
		return
	}
	ops.(*dataflow.Object).Set(op, v)
}

func (p *params) unknownFilter(name, path, value string) {
	hint := p.habit(name, value)
	known := append(ListParams(), p.sight.FieldNames(p.m)...)
	if path != name { // only a field can have an operator
		known = known[len(ListParams()):]
	}
	if f := p.sight.FieldOf(p.m, before(path)); f != nil && f.Name != path { // a path that goes wrong further on
		if _, problems := p.sight.Filter(p.m, dataflow.ObjectOf(path, nil), ""); len(problems) > 0 {
			p.add(name, "unknown_parameter", problems[0].Detail, cmp.Or(hint, problems[0].Hint))
			return
		}
	}
	p.add(name, "unknown_parameter", "there is no parameter or field "+quote(path), cmp.Or(hint, dataflow.DidYouMean(path, known),
		"filters name fields of "+p.m.Name+", as in "+p.m.ID().Name+"=1 or created_at[$gte]=2026-01-31T00:00:00Z"))
}

// before is the first name of a path.
func before(path string) string {
	first, _, _ := strings.Cut(path, ".")
	return first
}

// fieldAt follows a path through references to models that are served; nil if
// it leads nowhere.
func (p *params) fieldAt(path string) *dataflow.Field {
	m := p.m
	for {
		name, rest, more := strings.Cut(path, ".")
		f := p.sight.FieldOf(m, name)
		if f == nil || !more {
			return f
		}
		if f.Type.Kind != dataflow.KindRef || f.Type.Model == nil || !p.sight.Model(f.Type.Model) {
			return nil
		}
		m, path = f.Type.Model, rest
	}
}

// operand reads the text of an operator's operand. An operator that does not
// exist is left to the filter's own parser to refuse.
func operand(t *dataflow.Type, op, value string) (any, []dataflow.Problem) {
	switch op {
	case "$in", "$nin", "$between":
		return operandList(t, value)
	case "$exists", "$null":
		return codec.ParseText(dataflow.Bool, value, "")
	case "", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte":
		return codec.ParseText(t, value, "")
	case "$contains":
		if t.Kind == dataflow.KindList {
			return codec.ParseText(t.Elem, value, "")
		}
	}
	return value, nil
}

// operandList reads "new,paid", or a JSON list where a value holds a comma.
func operandList(t *dataflow.Type, value string) (any, []dataflow.Problem) {
	if strings.HasPrefix(value, "[") {
		return codec.ParseJSON([]byte(value), 2)
	}
	list := []any{}
	var problems []dataflow.Problem
	for part := range strings.SplitSeq(value, ",") {
		v, ps := codec.ParseText(t, part, "")
		list, problems = append(list, v), append(problems, ps...)
	}
	return list, problems
}

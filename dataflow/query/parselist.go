package query

import (
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// ParseSortStatic checks a sort as an app file has it; see ParseStatic.
func ParseSortStatic(m *dataflow.Model, v any, pointer string) []dataflow.Problem {
	p := parser{model: m, static: true}
	p.sort(v, pointer)
	return p.problems
}

// ParseFields reads which fields of a row are wanted, as a list of names or
// with commas between them. They are returned as positions in the model's
// Shape, each once, in the order given: those from len(m.Fields) on are
// computed. null is nil: every field.
func ParseFields(m *dataflow.Model, v any, pointer string) ([]int, []dataflow.Problem) {
	return Sight{}.Fields(m, v, pointer)
}

// ParseFieldsStatic checks a list of fields as an app file has it; see
// ParseStatic.
func ParseFieldsStatic(m *dataflow.Model, v any, pointer string) []dataflow.Problem {
	return ParseFieldsThroughStatic(m, v, pointer, nil)
}

// ParseFieldsThroughStatic is ParseFieldsStatic, where through is handed what
// has points in it.
func ParseFieldsThroughStatic(m *dataflow.Model, v any, pointer string, through func(path, at string)) []dataflow.Problem {
	p := parser{model: m, static: true}
	p.fields(v, pointer, through)
	return p.problems
}

func (p *parser) sort(v any, pointer string) []Order {
	var keys []Order
	seen := map[int]bool{}
	for name, at := range p.names("a sort", v, pointer) {
		name, desc := strings.CutPrefix(name, "-")
		i, ok := p.sight.fieldIndex(p.model, name)
		switch {
		case !ok && p.sight.computed(p.model, name):
			p.bad("not_sortable", at, "sort by the fields it is worked out from", "%s.%s is computed when a row is read, so the database can't sort by it", p.model.Name, name)
		case !ok && p.leadsOn(name):
			p.bad("not_sortable", at, "sort what was read, or aggregate: groups can be in such an order", "rows of %s are in the order of fields of their own; %s is behind a reference", p.model.Name, name)
		case !ok:
			p.bad("unknown_field", at, p.sight.near(name, p.model, len(p.model.Fields)), "%s has no field %q", p.model.Name, name)
		case !Sortable(p.model.Fields[i].Type):
			p.bad("not_sortable", at, "", "%s is %s, which has no order", name, p.model.Fields[i].Type)
		case seen[i]:
			p.bad("duplicate_key", at, "", "the sort names %s twice", name)
		default:
			seen[i] = true
			keys = append(keys, Order{Field: i, Desc: desc})
		}
	}
	if len(keys) > MaxSortKeys {
		p.bad("too_large", pointer, "", "a sort has at most %d keys", MaxSortKeys)
	}
	return keys
}

// leadsOn reports whether a name leads through a reference of the model.
func (p *parser) leadsOn(name string) bool {
	first, _, path := strings.Cut(name, ".")
	i, ok := p.sight.fieldIndex(p.model, first)
	return path && ok && p.model.Fields[i].Type.Kind == dataflow.KindRef
}

func (p *parser) fields(v any, pointer string, through func(path, at string)) []int {
	if v == nil {
		return nil
	}
	list := []int{} // of names that lead elsewhere alone it is none, which is not all
	seen := map[int]bool{}
	for name, at := range p.names("fields", v, pointer) {
		if through != nil && strings.Contains(name, ".") {
			through(name, at)
			continue
		}
		i, ok := p.model.Shape().Index(name)
		if !ok || !p.sight.field(p.model, i) {
			p.bad("unknown_field", at, p.sight.near(name, p.model, p.model.Shape().Len()), "%s has no field %q", p.model.Name, name)
		} else if !seen[i] {
			seen[i] = true
			list = append(list, i)
		}
	}
	return list
}

// names yields each name of a list, or of a string with commas, and its
// pointer.
func (p *parser) names(what string, v any, pointer string) func(yield func(name, at string) bool) {
	return func(yield func(name, at string) bool) {
		switch v := v.(type) {
		case nil:
			return
		case string:
			for name := range strings.SplitSeq(v, ",") {
				if p.full() || !yield(strings.TrimSpace(name), pointer) {
					return
				}
			}
			return
		case []any:
			for i, item := range v {
				if p.full() {
					return
				}
				at := pointer + "/" + strconv.Itoa(i)
				name, ok := item.(string)
				if !ok && !p.unbound(item) {
					p.bad("wrong_type", at, "", "must be the name of a field, not %s", kindOf(item))
				}
				if ok && !yield(name, at) {
					return
				}
			}
			return
		}
		if !p.unbound(v) {
			p.bad("wrong_type", pointer, "", "%s must be a name or a list of names, not %s", what, kindOf(v))
		}
	}
}

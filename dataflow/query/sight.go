package query

import "github.com/flowctl/flowctl/dataflow"

// Sight is what somebody may learn of models. What is not seen is unknown, in
// the same words as what is not there: otherwise rows could be guessed at by
// their values, "customer.email" that begins with "a". The zero Sight sees
// everything.
type Sight struct {
	// Model reports whether rows of a model are seen; nil: all are.
	Model func(*dataflow.Model) bool
	// Field reports whether a position of a model's Shape is; nil: all are.
	Field func(m *dataflow.Model, i int) bool
	// Named reports whether names of a model may be suggested; nil: all may. One
	// that is seen behind a reference, with no row that is, is no model to tell of.
	Named func(*dataflow.Model) bool
}

func (s Sight) model(m *dataflow.Model) bool { return s.Model == nil || s.Model(m) }

func (s Sight) field(m *dataflow.Model, i int) bool { return s.Field == nil || s.Field(m, i) }

// fieldIndex is Model.FieldIndex of what is seen.
func (s Sight) fieldIndex(m *dataflow.Model, name string) (int, bool) {
	i, ok := m.FieldIndex(name)
	return i, ok && s.field(m, i)
}

// computed reports whether a name is that of a computed value that is seen.
func (s Sight) computed(m *dataflow.Model, name string) bool {
	i, ok := m.Shape().Index(name)
	return ok && i >= len(m.Fields) && s.field(m, i)
}

// Suggests reports whether names of a model may be suggested.
func (s Sight) Suggests(m *dataflow.Model) bool { return s.Named == nil || s.Named(m) }

// near is a hint for a name that is none of the first n positions of a model's
// Shape.
func (s Sight) near(name string, m *dataflow.Model, n int) string {
	if !s.Suggests(m) {
		return ""
	}
	names := s.names(m, n)
	if hint := dataflow.DidYouMean(name, names); hint != "" || len(names) > maxNamed {
		return hint
	}
	return dataflow.ThereAre(names)
}

// maxNamed is how many fields a hint names, where none is near.
const maxNamed = 12

// names lists those of the first n positions of a model's Shape that are seen.
func (s Sight) names(m *dataflow.Model, n int) []string {
	names := make([]string, 0, n)
	for i := range n {
		if s.field(m, i) {
			names = append(names, m.Shape().Name(i))
		}
	}
	return names
}

// FieldOf returns a field that is seen, or nil.
func (s Sight) FieldOf(m *dataflow.Model, name string) *dataflow.Field {
	if i, ok := s.fieldIndex(m, name); ok {
		return m.Fields[i]
	}
	return nil
}

// FieldNames lists the fields of a model that are seen.
func (s Sight) FieldNames(m *dataflow.Model) []string { return s.names(m, len(m.Fields)) }

// Names lists the fields and computed values of a model that are seen.
func (s Sight) Names(m *dataflow.Model) []string { return s.names(m, m.Shape().Len()) }

// Searches reports whether there is anything to search of a model.
func (s Sight) Searches(m *dataflow.Model) bool { return len(s.searchable(m)) > 0 }

// searchable lists the fields that a search looks into.
func (s Sight) searchable(m *dataflow.Model) []int {
	if s.Field == nil {
		return m.Searchable()
	}
	var fields []int
	for _, i := range m.Searchable() {
		if s.field(m, i) {
			fields = append(fields, i)
		}
	}
	return fields
}

// Filter is Parse for what is seen.
func (s Sight) Filter(m *dataflow.Model, v any, pointer string) (Expr, []dataflow.Problem) {
	p := parser{model: m, sight: s}
	e := p.filter(v, pointer, 0)
	return e, p.problems
}

// Sort is ParseSort for what is seen.
func (s Sight) Sort(m *dataflow.Model, v any, pointer string) ([]Order, []dataflow.Problem) {
	p := parser{model: m, sight: s}
	return p.sort(v, pointer), p.problems
}

// Fields is ParseFields for what is seen.
func (s Sight) Fields(m *dataflow.Model, v any, pointer string) ([]int, []dataflow.Problem) {
	p := parser{model: m, sight: s}
	return p.fields(v, pointer, nil), p.problems
}

// FieldsThrough is Fields, where through is handed each name with points in it
// and its pointer: what leads through relations is not m's alone to read.
func (s Sight) FieldsThrough(m *dataflow.Model, v any, pointer string, through func(path, at string)) ([]int, []dataflow.Problem) {
	p := parser{model: m, sight: s}
	return p.fields(v, pointer, through), p.problems
}

// Aggregate reads the arguments of an aggregate over m's rows: filter,
// group_by, aggregates, having and sort.
//
//	{"filter": {"status": "paid"}, "group_by": ["status", "customer.name"],
//	 "aggregates": {"n": {"$count": true}, "net": {"$sum": "net"}},
//	 "having": {"n": {"$gt": 1}}, "sort": "-net"}
func (s Sight) Aggregate(m *dataflow.Model, args *dataflow.Object) (*Aggregate, []dataflow.Problem) {
	p := parser{model: m, sight: s}
	q := p.aggregate(args)
	return q, p.problems
}

// behind is the path through a reference first.
func (p Path) behind(ref Path) Path {
	via := append(append(append(make([]int, 0, len(ref.Via)+1+len(p.Via)), ref.Via...), ref.Field), p.Via...)
	return Path{Model: ref.Model, Via: via, Field: p.Field}
}

// Guard returns a filter that follows references to rows that are seen alone:
// whatever is behind another is null. seen returns the filter of a model's rows
// that are, nil for all of them.
func Guard(e Expr, seen func(*dataflow.Model) Expr) Expr {
	switch e := e.(type) {
	case And:
		return And(guardAll(e, seen))
	case Or:
		return Or(guardAll(e, seen))
	case Not:
		return Not{Guard(e.Expr, seen)}
	case *Cmp:
		return e.guard(seen)
	}
	return e
}

func guardAll(parts []Expr, seen func(*dataflow.Model) Expr) []Expr {
	out := make([]Expr, len(parts))
	for i, part := range parts {
		out[i] = Guard(part, seen)
	}
	return out
}

func (c *Cmp) guard(seen func(*dataflow.Model) Expr) Expr {
	if len(c.Path.Via) == 0 {
		return c
	}
	free := true
	m := c.Path.Model
	filters := make([]Expr, len(c.Path.Via))
	for i, at := range c.Path.Via {
		m = m.Fields[at].Type.Model
		if filters[i] = seen(m); !isTrue(filters[i]) {
			free = false
		}
	}
	if free {
		return c
	}
	leaf := *c
	leaf.Path = Path{Model: m, Field: c.Path.Field}
	asksNull := c.Op == Null && c.Value == true || c.Op == Exists && c.Value == false
	if asksNull { // null at the end of the path, or on the way
		leaf.Op, leaf.Value = Exists, true
	}
	out := c.Path.wrap(&leaf, filters)
	if asksNull {
		return Not{out}
	}
	return out
}

// wrap puts what is asked of the end of a path behind its references.
func (p Path) wrap(leaf Expr, filters []Expr) Expr {
	models := []*dataflow.Model{p.Model}
	for _, at := range p.Via {
		models = append(models, models[len(models)-1].Fields[at].Type.Model)
	}
	for i := len(p.Via) - 1; i >= 0; i-- {
		leaf = &Through{Model: models[i], Field: p.Via[i], Expr: AllOf(filters[i], leaf)}
	}
	return leaf
}

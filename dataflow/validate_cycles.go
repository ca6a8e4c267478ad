package dataflow

import "strings"

// requiredCycles finds models that no first row can be added to, because each
// row needs another to be there before it.
func (v *validator) requiredCycles(db *Database) {
	c := &cycles{v: v, index: map[*Model]int{}, low: map[*Model]int{}, onStack: map[*Model]bool{}}
	for _, m := range db.Models {
		if c.index[m] == 0 {
			c.visit(m)
		}
	}
}

// cycles finds strongly connected models by Tarjan's algorithm (1972).
type cycles struct {
	v       *validator
	index   map[*Model]int // order of the first visit, from 1
	low     map[*Model]int // least index that can be reached
	stack   []*Model
	onStack map[*Model]bool
}

func (c *cycles) visit(m *Model) {
	c.index[m] = len(c.index) + 1
	c.low[m] = c.index[m]
	c.stack = append(c.stack, m)
	c.onStack[m] = true
	for _, f := range requiredRefs(m) {
		to := f.Type.Model
		switch {
		case to == m:
			c.selfReference(m, f)
		case c.v.databaseOf[to] != c.v.databaseOf[m]: // reported elsewhere
		case c.index[to] == 0:
			c.visit(to)
			c.low[m] = min(c.low[m], c.low[to])
		case c.onStack[to]:
			c.low[m] = min(c.low[m], c.index[to])
		}
	}
	if c.low[m] == c.index[m] {
		c.pop(m)
	}
}

// pop takes the models that reach each other with m, reporting them if there
// is more than m itself.
func (c *cycles) pop(m *Model) {
	i := len(c.stack) - 1
	for c.stack[i] != m {
		i--
	}
	group := c.stack[i:]
	c.stack = c.stack[:i]
	in := map[*Model]bool{}
	for _, g := range group {
		c.onStack[g] = false
		in[g] = true
	}
	if len(group) < 2 {
		return
	}
	path, via := cycleThrough(m, in)
	names := make([]string, len(path))
	for i, p := range path {
		names[i] = p.Name
	}
	say := c.v.error
	if m.Database != nil && m.Database.Options.ExistingSchemaMode { // rows may be there, which another program had a way to add
		say = c.v.warn
	}
	d := say("FC262", refSpan(via[0]), "write optional = True for one of the references", "no row of %s can ever be added: each needs one of the next (%s)",
		strings.Join(names, " or "), strings.Join(append(names, names[0]), " → "))
	for i, f := range via[1:] {
		d.related(path[i+1].Name+"."+f.Name+" is required too", refSpan(f))
	}
}

// cycleThrough walks required references within a group until a model comes
// again, and returns the models from there on, each with its reference to the
// next.
func cycleThrough(m *Model, in map[*Model]bool) (path []*Model, via []*Field) {
	at := map[*Model]int{}
	for {
		if i, seen := at[m]; seen {
			return path[i:], via[i:]
		}
		at[m] = len(path)
		path = append(path, m)
		for _, f := range requiredRefs(m) {
			if f.Type.Model != m && in[f.Type.Model] {
				via = append(via, f)
				m = f.Type.Model
				break
			}
		}
	}
}

func (c *cycles) selfReference(m *Model, f *Field) {
	hint := "write optional = True: the first row has none to refer to"
	c.v.warn("FC262", refSpan(f), hint, "each %s needs another in %s, so no first one can be added", m.Name, f.Name)
}

func requiredRefs(m *Model) []*Field {
	var refs []*Field
	for _, f := range m.Fields {
		if f.Type.Kind == KindRef && f.Type.Model != nil && f.Required() {
			refs = append(refs, f)
		}
	}
	return refs
}

func refSpan(f *Field) Span {
	if at := f.Spans.At("/type"); !at.IsZero() {
		return at
	}
	return f.Span
}

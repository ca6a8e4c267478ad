package query

import (
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Condition says which rows an index is over, in SQL that every engine reads
// alike and gives back: comparisons of columns with literals, joined by AND
// and OR. There is no NOT: it is worked into the comparisons, so that a row
// with null counts as the filter language has it. Two conditions of the same
// meaning that were written in the same order are equal.
type Condition struct {
	// Op is "AND" or "OR" of Parts, or what Column is compared by: "=", "<>",
	// "<", "<=", ">", ">=", "IN", "NOT IN", "IS NULL", "IS NOT NULL". It is "?"
	// in a condition that was found and could not be read.
	Op     string       `json:"op"`
	Parts  []*Condition `json:"parts,omitempty"`
	Column string       `json:"column,omitempty"`
	Values []string     `json:"values,omitempty"` // literals as the engine writes them

	cmp *Cmp // that it stands for, in a condition made of a filter
}

// unread is the Op of a condition that is not understood.
const unread = "?"

// Unread is a condition that was found and could not be read.
func Unread() *Condition { return &Condition{Op: unread} }

// IsUnread reports whether the condition could not be read.
func (c *Condition) IsUnread() bool { return c != nil && c.Op == unread }

// IsNull is the condition that a column is null.
func IsNull(m *dataflow.Model, field int) *Condition {
	return conditionOf(&Cmp{Path: Path{Model: m, Field: field}, Op: Null, Value: true}, nil)
}

// Both is the condition that a and b hold. nil is no condition.
func Both(a, b *Condition) *Condition {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return joined("AND", []*Condition{a, b})
}

// NewCondition makes a condition of what ParseIndex gave. literal writes a
// canonical value of a type.
func NewCondition(e Expr, literal func(*dataflow.Type, any) string) *Condition {
	return build(e, false, literal)
}

// build makes a condition of e, or of its opposite.
func build(e Expr, opposite bool, literal func(*dataflow.Type, any) string) *Condition {
	all := func(op string, parts []Expr) *Condition {
		list := make([]*Condition, len(parts))
		for i, part := range parts {
			list[i] = build(part, opposite, literal)
		}
		return joined(op, list)
	}
	switch e := e.(type) {
	case Not:
		return build(e.Expr, !opposite, literal)
	case And:
		return all(either(opposite, "OR", "AND"), e)
	case Or:
		return all(either(opposite, "AND", "OR"), e)
	}
	c := e.(*Cmp)
	if c.Op == Between {
		bounds := c.Value.([]any)
		low, high := &Cmp{Path: c.Path, Op: Gte, Value: bounds[0]}, &Cmp{Path: c.Path, Op: Lte, Value: bounds[1]}
		return build(And{low, high}, opposite, literal)
	}
	if !opposite {
		return conditionOf(c, literal)
	}
	turned := conditionOf(&Cmp{Path: c.Path, Op: opposites[c.Op], Value: c.Value}, literal)
	if _, f := c.Path.Last(); !f.Optional || c.Op == Null || c.Op == Exists {
		return turned
	}
	return joined("OR", []*Condition{turned, conditionOf(&Cmp{Path: c.Path, Op: Null, Value: true}, literal)})
}

func either(first bool, a, b string) string {
	if first {
		return a
	}
	return b
}

var opposites = [...]Op{Eq: Ne, Ne: Eq, Gt: Lte, Gte: Lt, Lt: Gte, Lte: Gt, In: Nin, Nin: In, Exists: Null, Null: Exists}

// joined joins conditions, which are taken apart where they are joined alike.
func joined(op string, parts []*Condition) *Condition {
	var flat []*Condition
	for _, p := range parts {
		if p.Op == op {
			flat = append(flat, p.Parts...)
		} else {
			flat = append(flat, p)
		}
	}
	if len(flat) == 1 {
		return flat[0]
	}
	return &Condition{Op: op, Parts: flat}
}

// conditionOf is the condition of one comparison.
func conditionOf(c *Cmp, literal func(*dataflow.Type, any) string) *Condition {
	_, f := c.Path.Last()
	out := &Condition{Column: f.ColumnName(), cmp: c}
	switch c.Op {
	case Null, Exists:
		out.Op = either((c.Op == Null) == c.Value.(bool), "IS NULL", "IS NOT NULL")
	case In, Nin:
		for _, v := range c.Value.([]any) {
			out.Values = append(out.Values, literal(f.Type, v))
		}
		out.oneOf(c.Op == Nin)
	default:
		out.Op = strings.TrimSpace(symbols[c.Op])
		out.Values = []string{literal(f.Type, c.Value)}
	}
	return out
}

// oneOf makes c the condition that its column has one of its values, or none.
func (c *Condition) oneOf(none bool) {
	slices.Sort(c.Values)
	c.Values = slices.Compact(c.Values)
	if c.Op = either(none, "NOT IN", "IN"); len(c.Values) == 1 {
		c.Op = either(none, "<>", "=")
	}
}

// String is the condition in SQL.
func (c *Condition) String() string { return string(c.append(nil, false)) }

func (c *Condition) append(dst []byte, inner bool) []byte {
	switch c.Op {
	case "AND", "OR":
		if inner {
			dst = append(dst, '(')
		}
		for i, p := range c.Parts {
			if i > 0 {
				dst = append(append(append(dst, ' '), c.Op...), ' ')
			}
			dst = p.append(dst, true)
		}
		if inner {
			dst = append(dst, ')')
		}
		return dst
	case unread:
		return append(dst, unread...)
	}
	dst = append(append(AppendIdent(dst, c.Column), ' '), c.Op...)
	switch c.Op {
	case "IS NULL", "IS NOT NULL":
		return dst
	case "IN", "NOT IN":
		return append(append(append(dst, " ("...), strings.Join(c.Values, ", ")...), ')')
	}
	return append(append(dst, ' '), c.Values[0]...)
}

// Equal reports whether two conditions are written alike. nil is no condition.
func (c *Condition) Equal(d *Condition) bool {
	if c == nil || d == nil {
		return c == d
	}
	return c.String() == d.String()
}

// Columns lists the columns that the condition compares, each once.
func (c *Condition) Columns() []string {
	if c == nil || c.Op == unread {
		return nil
	}
	if c.Parts == nil {
		return []string{c.Column}
	}
	var names []string
	for _, p := range c.Parts {
		for _, name := range p.Columns() {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// Renamed returns the condition with other names of columns. name returns a
// column's.
func (c *Condition) Renamed(name func(string) string) *Condition {
	if c == nil || c.Op == unread {
		return c
	}
	out := *c
	if c.Parts == nil {
		out.Column = name(c.Column)
		return &out
	}
	out.Parts = make([]*Condition, len(c.Parts))
	for i, p := range c.Parts {
		out.Parts[i] = p.Renamed(name)
	}
	return &out
}

// Without works out what is left of a condition made of a filter when some
// columns have the same value in every row: which value returns. It is nil
// if the condition then holds for every row (always) or for none.
func (c *Condition) Without(value func(column string) (v any, same bool)) (rest *Condition, always bool) {
	if c == nil {
		return nil, true
	}
	if c.Parts == nil {
		v, same := value(c.Column)
		if !same {
			return c, false
		}
		return nil, c.cmp.matches(v)
	}
	settled := c.Op == "OR" // a part that is always so settles an OR, one that never is an AND
	var parts []*Condition
	for _, p := range c.Parts {
		rest, always := p.Without(value)
		if rest == nil && always == settled {
			return nil, settled
		}
		if rest != nil {
			parts = append(parts, rest)
		}
	}
	if len(parts) == 0 {
		return nil, !settled
	}
	return joined(c.Op, parts), false
}

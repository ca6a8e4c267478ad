// Package query owns the filter language: its syntax tree, the check against
// a model, the meaning in memory, and the translation to each engine's SQL.
// It opens no database and knows nothing of requests.
package query

import (
	"regexp"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

// Op is a comparison.
type Op uint8

// The comparisons.
const (
	Eq Op = iota
	Ne
	Gt
	Gte
	Lt
	Lte
	In
	Nin
	Like
	Ilike
	Contains
	StartsWith
	EndsWith
	Regex
	Exists
	Null
	Between
)

// Expr is a checked filter: And, Or, Not, *Cmp, *Through or *Search.
type Expr interface{ expr() }

type (
	// And holds where all of its parts do; an empty And always does.
	And []Expr
	// Or holds where one of its parts does; an empty Or never does.
	Or []Expr
	// Not holds where its part does not. Comparisons with null are false, not
	// unknown: {"$not": {"note": "x"}} finds rows whose note is null.
	Not struct{ Expr Expr }
	// Cmp compares a field with a value.
	Cmp struct {
		Path  Path
		Op    Op
		Value any // canonical in the field's type; []any for In, Nin, Between; bool for Exists, Null

		regex *regexp.Regexp // of a parsed Regex
	}
	// Through holds where a reference leads to a row for which a filter on
	// that row's model holds.
	Through struct {
		Model *dataflow.Model
		Field int // the reference
		Expr  Expr
	}
)

func (And) expr()      {}
func (Or) expr()       {}
func (Not) expr()      {}
func (*Cmp) expr()     {}
func (*Through) expr() {}

// AllOf is the filter that all of filters hold; nil is one that takes every row.
func AllOf(filters ...Expr) Expr {
	var all And
	for _, f := range filters {
		if f != nil {
			all = append(all, f)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return all
}

// Path leads from a model, through references, to a field.
type Path struct {
	Model *dataflow.Model
	Via   []int // positions of reference fields, each in the model reached so far
	Field int   // position in the last model reached
}

// Last returns the field the path leads to and the model it is of.
func (p Path) Last() (*dataflow.Model, *dataflow.Field) {
	m := p.Model
	for _, i := range p.Via {
		m = m.Fields[i].Type.Model
	}
	return m, m.Fields[p.Field]
}

// Order is one key of a sort. Nulls come last in ascending order and first in
// descending order, on every engine.
type Order struct {
	Field int // position in the model
	Desc  bool
}

// Select asks for rows of a model.
type Select struct {
	Model  *dataflow.Model
	Fields []int   // positions, in the order wanted; nil is all
	Where  Expr    // nil is every row
	Order  []Order // made total by id if it is not: see Total
	Limit  int     // 0 is no limit
	Offset int
	After  []any // keyset: values of Total(Model, Order)'s fields of the last row seen; nil from the start
	// Lock keeps the rows from changing until the transaction ends.
	Lock bool
}

// Total returns the order with id added as its last key, in the direction of
// the key before it, unless id is a key already. No two rows are equal in it.
func Total(m *dataflow.Model, order []Order) []Order {
	id := m.RoleIndex(dataflow.RoleID)
	desc := false
	for _, o := range order {
		if o.Field == id {
			return order
		}
		desc = o.Desc
	}
	return append(order[:len(order):len(order)], Order{Field: id, Desc: desc})
}

// Update asks for the same new values in every row that matches.
type Update struct {
	Model *dataflow.Model
	Where Expr
	Set   []Assign
	// Bump adds one to this field (the version), if it is not negative.
	Bump int
}

// Assign gives a field a value.
type Assign struct {
	Field int
	Value any
}

// Leads reports whether a filter looks through references.
func Leads(e Expr) bool {
	switch e := e.(type) {
	case And:
		return slices.ContainsFunc(e, Leads)
	case Or:
		return slices.ContainsFunc(e, Leads)
	case Not:
		return Leads(e.Expr)
	case *Cmp:
		return len(e.Path.Via) > 0
	}
	return false
}

package engine

import (
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// literal is a reference that a filter compares a field with. An object in
// its place would be read as operators, so that a caller who may send one
// could turn "the row with this code" into "any row": {"$ne": null}.
type literal struct {
	expr
	ptr string // of the part of the config
}

func (e literal) eval(f *frame) (any, error) {
	v, err := e.expr.eval(f)
	if err != nil {
		return nil, err
	}
	v = decoded(v)
	if _, isObject := v.(*dataflow.Object); isObject {
		return nil, dataflow.Invalid(dataflow.Problem{Code: "wrong_type", Pointer: e.ptr,
			Detail: "must be a value to compare with, not an object",
			Hint:   "operators are written in the app; to take a whole filter from a caller, give the node's filter as one reference"})
	}
	return v, nil
}

// literals makes literals of the references that stand below a field's name
// in a filter. What stands elsewhere is a filter, or a part of one, that the
// author has asked for.
func literals(e expr, ptr string, belowField bool) expr {
	switch e := e.(type) {
	case *objectExpr:
		vals := make([]expr, len(e.vals))
		for i, v := range e.vals {
			name := e.shape.Name(i)
			vals[i] = literals(v, ptr+"/"+escape(name), belowField || !strings.HasPrefix(name, "$"))
		}
		return &objectExpr{shape: e.shape, vals: vals}
	case *listExpr:
		items := make([]expr, len(e.items))
		for i, it := range e.items {
			items[i] = literals(it, ptr+"/"+itoa(i), belowField)
		}
		return &listExpr{items: items}
	case *inputRef, *nodeRef, *ctxRef:
		if belowField {
			return literal{e, ptr}
		}
	}
	return e
}

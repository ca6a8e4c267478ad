package dataflow

import (
	"fmt"
	"strings"
)

// Kind is the sort of a Type.
type Kind uint8

// The kinds. Those up to KindRef can be the type of a model's field; the
// others are of what flows through a workflow.
const (
	KindAny Kind = iota // known only at run time
	KindString
	KindInt
	KindFloat
	KindBool
	KindDecimal
	KindDateTime
	KindDate
	KindTime
	KindUUID
	KindJSON
	KindBytes
	KindEnum
	KindList   // of Elem
	KindRef    // the id of a row of Model
	KindObject // with Fields; nil Fields is any object
	KindRecord // a row of Model, with its computed values
)

var kindNames = [...]string{
	"any", "str", "int", "float", "bool", "decimal", "datetime", "date", "time",
	"uuid", "json", "bytes", "enum", "list", "ref", "object", "record",
}

// String returns the name by which app.star calls the kind.
func (k Kind) String() string { return kindNames[k] }

// Type is the type of a field, an input or an output.
type Type struct {
	Kind      Kind
	Precision int      // KindDecimal: digits in all, 1 to 38
	Scale     int      // KindDecimal: digits after the point, 0 to Precision
	Values    []string // KindEnum
	Elem      *Type    // KindList
	Model     *Model   // KindRef, KindRecord
	Fields    []*Field // KindObject
}

// Basic types, shared.
var (
	Any      = &Type{Kind: KindAny}
	String   = &Type{Kind: KindString}
	Int      = &Type{Kind: KindInt}
	Float    = &Type{Kind: KindFloat}
	Bool     = &Type{Kind: KindBool}
	DateTime = &Type{Kind: KindDateTime}
	JSON     = &Type{Kind: KindJSON}
)

// ListOf returns the type of lists of elem.
func ListOf(elem *Type) *Type { return &Type{Kind: KindList, Elem: elem} }

// RecordOf returns the type of m's rows.
func RecordOf(m *Model) *Type { return &Type{Kind: KindRecord, Model: m} }

// ObjectType returns the type of objects with these fields.
func ObjectType(fields ...*Field) *Type { return &Type{Kind: KindObject, Fields: fields} }

// Scalar resolves a reference to the type of the id it holds; any other type
// is itself.
func (t *Type) Scalar() *Type {
	if t.Kind == KindRef && t.Model != nil {
		return t.Model.ID().Type
	}
	return t
}

// String renders the type as app.star writes it.
func (t *Type) String() string {
	switch t.Kind {
	case KindDecimal:
		return fmt.Sprintf("decimal(%d, %d)", t.Precision, t.Scale)
	case KindEnum:
		quoted := make([]string, len(t.Values))
		for i, v := range t.Values {
			quoted[i] = fmt.Sprintf("%q", v)
		}
		return "enum(" + strings.Join(quoted, ", ") + ")"
	case KindList:
		return "list(" + t.Elem.String() + ")"
	case KindRef:
		return "ref(" + t.Model.Name + ")"
	case KindRecord:
		return t.Model.Name
	}
	return t.Kind.String()
}

// Attr returns the type of a part of a value of type t: a field's, or a
// list's element for an index. known is false where only the run can tell;
// ok is false where there can be no such part.
func (t *Type) Attr(name string) (attr *Type, known, ok bool) {
	switch t.Kind {
	case KindAny, KindJSON:
		return Any, false, true
	case KindRecord:
		if f := t.Model.Field(name); f != nil {
			return f.Type, true, true
		}
		if c := t.Model.ComputedField(name); c != nil {
			return Any, false, true
		}
		return nil, true, false
	case KindObject:
		if t.Fields == nil {
			return Any, false, true
		}
		for _, f := range t.Fields {
			if f.Name == name {
				return f.Type, true, true
			}
		}
	}
	return nil, true, false
}

// AttrNames lists the names Attr knows, for suggestions.
func (t *Type) AttrNames() []string {
	var names []string
	switch t.Kind {
	case KindRecord:
		for _, f := range t.Model.Fields {
			names = append(names, f.Name)
		}
		for _, c := range t.Model.Computed {
			names = append(names, c.Name)
		}
	case KindObject:
		for _, f := range t.Fields {
			names = append(names, f.Name)
		}
	}
	return names
}

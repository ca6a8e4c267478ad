// Package schema describes dataflow's types as JSON Schema, draft 2020-12, for
// whoever shows them to callers: OpenAPI and MCP. It knows nothing of routes
// or tools.
//
// A schema is a *dataflow.Object in the order its keywords are best read in;
// codec.AppendValue, or Text here, makes it JSON.
package schema

import (
	"github.com/flowctl/flowctl/dataflow"
)

// Builder makes schemas. The zero value describes what callers may send, with
// every type written out in place.
type Builder struct {
	// Output describes what the runtime sends rather than what it takes:
	// decimals are always strings, and no name is left to a default.
	Output bool
	// Ref, if set, gives the $ref of the schema of a model's rows; "" writes
	// the row out in place.
	Ref func(m *dataflow.Model) string

	depth int
}

// maxDepth bounds how deep records are written out in place.
const maxDepth = 6

// Input returns the schema of an object a caller gives: a workflow's inputs, or
// a node's arguments. Other names are refused.
func Input(fields []*dataflow.Field) *dataflow.Object { return Builder{}.Object(fields, nil) }

// Output returns the schema of a value of type t that the runtime sends.
func Output(t *dataflow.Type) *dataflow.Object { return Builder{Output: true}.Type(t) }

// Object returns the schema of an object with these fields. rest is the type of
// further names; nil refuses them.
func (b Builder) Object(fields []*dataflow.Field, rest *dataflow.Type) *dataflow.Object {
	props := dataflow.NewObject()
	var required []any
	for _, f := range fields {
		props.Set(f.Name, b.Field(f))
		if f.Required() || b.Output && !f.Optional && f.Default != dataflow.Absent {
			required = append(required, f.Name)
		}
	}
	s := dataflow.ObjectOf("type", "object", "properties", props)
	if len(required) > 0 {
		s.Set("required", required)
	}
	if rest == nil {
		s.Set("additionalProperties", false)
	} else {
		s.Set("additionalProperties", b.Type(rest))
	}
	return s
}

// Row returns the schema of a whole row of m, computed values included.
func (b Builder) Row(m *dataflow.Model) *dataflow.Object {
	b.Output = true
	props := dataflow.NewObject()
	var required []any
	for _, f := range m.Fields {
		s := b.Field(f)
		if f.System != dataflow.RoleNone && !(f.System == dataflow.RoleID && m.ClientID) {
			s.Set("readOnly", true)
		}
		props.Set(f.Name, s)
		required = append(required, f.Name)
	}
	for _, c := range m.Computed {
		props.Set(c.Name, dataflow.ObjectOf("description", "computed from the row whenever it is read", "readOnly", true))
		required = append(required, c.Name)
	}
	s := dataflow.ObjectOf("type", "object")
	if m.Doc != "" {
		s.Set("description", m.Doc)
	}
	s.Set("properties", props)
	s.Set("required", required)
	s.Set("additionalProperties", false)
	return s
}

// Writable lists the fields of m that a caller may give: all for a create, or
// those that can change for an update.
func Writable(m *dataflow.Model, update bool) []*dataflow.Field {
	var fields []*dataflow.Field
	for _, f := range m.Fields {
		switch {
		case f.System == dataflow.RoleID && m.ClientID && !update:
			id := *f
			// A uuid or an int that is left out is generated.
			id.Optional, id.System = f.Type.Kind != dataflow.KindString, dataflow.RoleNone
			fields = append(fields, &id)
		case f.System != dataflow.RoleNone || update && f.Immutable:
		default:
			fields = append(fields, f)
		}
	}
	return fields
}

// Create returns the schema of the body that creates a row of m.
func (b Builder) Create(m *dataflow.Model) *dataflow.Object {
	return b.Object(Writable(m, false), nil)
}

// Replace returns the schema of the body that replaces a row of m: what is
// left out becomes its default, or null.
func (b Builder) Replace(m *dataflow.Model) *dataflow.Object {
	return b.Object(Writable(m, true), nil)
}

// Patch returns the schema of the body that changes fields of a row of m.
func (b Builder) Patch(m *dataflow.Model) *dataflow.Object {
	props := dataflow.NewObject()
	for _, f := range Writable(m, true) {
		g := *f
		g.HasDefault, g.Default = false, nil // a patch leaves alone what it leaves out
		props.Set(f.Name, b.Field(&g))
	}
	return dataflow.ObjectOf("type", "object", "properties", props, "additionalProperties", false)
}

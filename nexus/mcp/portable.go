package mcp

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

// portable spells a schema so that clients can take it which map it onto a
// dialect of their own: one type to a schema, and some keyword in each. It
// means the same.
func portable(s *dataflow.Object) *dataflow.Object {
	out := dataflow.NewObject()
	constrained := false
	for name, v := range s.All {
		switch name {
		case "properties", "$defs":
			v = eachSchema(v.(*dataflow.Object))
		case "items", "additionalProperties", "not":
			if sub, ok := v.(*dataflow.Object); ok {
				v = portable(sub)
			}
		case "anyOf", "oneOf", "allOf":
			list := make([]any, len(v.([]any)))
			for i, sub := range v.([]any) {
				list[i] = portable(sub.(*dataflow.Object))
			}
			v = list
		}
		constrained = constrained || !slices.Contains([]string{"description", "default", "title", "readOnly"}, name)
		out.Set(name, v)
	}
	if !constrained {
		out.Set("anyOf", anything())
		return out
	}
	if types, ok := typesOf(out); ok {
		return branched(out, types)
	}
	return out
}

func eachSchema(props *dataflow.Object) *dataflow.Object {
	out := dataflow.NewObject()
	for name, v := range props.All {
		out.Set(name, portable(v.(*dataflow.Object)))
	}
	return out
}

func typesOf(s *dataflow.Object) ([]any, bool) {
	v, _ := s.Get("type")
	types, ok := v.([]any)
	return types, ok
}

// anything lists the kinds of value that there are.
func anything() []any {
	var all []any
	for _, kind := range []string{"string", "number", "boolean", "object", "array", "null"} {
		all = append(all, dataflow.ObjectOf("type", kind))
	}
	return all
}

// ofType says which keywords bound values of one type alone.
var ofType = map[string]string{
	"pattern": "string", "format": "", "minLength": "string", "maxLength": "string", "contentEncoding": "string",
	"minimum": "number", "maximum": "number", "exclusiveMinimum": "number", "exclusiveMaximum": "number", "multipleOf": "number",
	"items": "array", "minItems": "array", "maxItems": "array", "uniqueItems": "array",
	"properties": "object", "required": "object", "additionalProperties": "object", "enum": "", "const": "", "anyOf": "",
}

// branched gives a schema of several types a branch for each.
func branched(s *dataflow.Object, types []any) *dataflow.Object {
	out := dataflow.NewObject()
	var branches []any
	for _, t := range types {
		kind := t.(string)
		b := dataflow.ObjectOf("type", kind)
		for name, v := range s.All {
			owner, bound := ofType[name]
			if !bound || kind == "null" || owner != "" && owner != kind && !(owner == "number" && kind == "integer") {
				continue
			}
			if values, ok := v.([]any); ok && name == "enum" {
				v = slices.DeleteFunc(slices.Clone(values), func(e any) bool { return e == nil })
			}
			b.Set(name, v)
		}
		branches = append(branches, b)
	}
	for name, v := range s.All {
		if _, bound := ofType[name]; !bound && name != "type" {
			out.Set(name, v)
		}
	}
	out.Set("anyOf", branches)
	return out
}

// nameLists says of parameters that are a name or a list of names that they are.
func nameLists(input *dataflow.Object) *dataflow.Object {
	props := object(input, "properties").Clone()
	for _, name := range []string{"sort", "expand", "group_by"} {
		if s := object(props, name); s != nil {
			text := dataflow.ObjectOf("type", "string")
			s = s.Clone()
			s.Set("anyOf", []any{text, dataflow.ObjectOf("type", "array", "items", text)})
			props.Set(name, s)
		}
	}
	input = input.Clone()
	input.Set("properties", props)
	return input
}

// withoutNulls takes null from what may be left out instead: for an agent two
// ways to say nothing are one too many.
func withoutNulls(input *dataflow.Object) *dataflow.Object {
	props := object(input, "properties")
	if props == nil {
		return input
	}
	kept := dataflow.NewObject()
	for name, v := range props.All {
		s := v.(*dataflow.Object)
		if types, ok := typesOf(s); ok && slices.Contains(types, any("null")) && !required(input, name) {
			rest := slices.DeleteFunc(slices.Clone(types), func(t any) bool { return t == "null" })
			s = s.Clone()
			s.Set("type", any(rest))
			if len(rest) == 1 {
				s.Set("type", rest[0])
			}
			if values, ok := s.Get("enum"); ok {
				s.Set("enum", slices.DeleteFunc(slices.Clone(values.([]any)), func(e any) bool { return e == nil }))
			}
		}
		kept.Set(name, s)
	}
	input = input.Clone()
	input.Set("properties", kept)
	return input
}

func required(s *dataflow.Object, name string) bool {
	v, _ := s.Get("required")
	names, _ := v.([]any)
	return slices.Contains(names, any(name))
}

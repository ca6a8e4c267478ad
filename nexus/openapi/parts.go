package openapi

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

// The parts that documents are put together from.

func typed(kind string) *dataflow.Object { return dataflow.ObjectOf("type", kind) }

func described(s *dataflow.Object, doc string) *dataflow.Object {
	s.Set("description", doc)
	return s
}

// properties is an object of these properties, all of them but the optional
// ones always there.
func properties(props *dataflow.Object, optional ...string) *dataflow.Object {
	var required []any
	for name := range props.All {
		if !slices.Contains(optional, name) {
			required = append(required, name)
		}
	}
	s := dataflow.ObjectOf("type", "object", "properties", props)
	if len(required) > 0 {
		s.Set("required", required)
	}
	return s
}

func arrayOf(item *dataflow.Object) *dataflow.Object {
	return dataflow.ObjectOf("type", "array", "items", item)
}

func moment() *dataflow.Object {
	return dataflow.ObjectOf("type", "string", "format", "date-time")
}

func integer() *dataflow.Object {
	return dataflow.ObjectOf("type", "integer", "format", "int64")
}

func words(list []string) *dataflow.Object {
	values := make([]any, len(list))
	for i, w := range list {
		values[i] = w
	}
	return dataflow.ObjectOf("type", "string", "enum", values)
}

func parameter(name, in, doc string, s *dataflow.Object) *dataflow.Object {
	return dataflow.ObjectOf("name", name, "in", in, "description", doc, "schema", s)
}

func required(p *dataflow.Object) *dataflow.Object {
	p.Set("required", true)
	return p
}

func jsonContent(s *dataflow.Object) *dataflow.Object {
	return dataflow.ObjectOf("application/json", dataflow.ObjectOf("schema", s))
}

// textContent is text of any of these media types.
func textContent(media ...string) *dataflow.Object {
	o := dataflow.NewObject()
	for _, m := range media {
		o.Set(m, dataflow.ObjectOf("schema", typed("string")))
	}
	return o
}

// withExample adds an example to what jsonContent has made; nil adds none.
func withExample(content *dataflow.Object, sample any) *dataflow.Object {
	if sample != nil {
		media, _ := content.Get("application/json")
		media.(*dataflow.Object).Set("example", sample)
	}
	return content
}

func refTo(section, name string) *dataflow.Object {
	return dataflow.ObjectOf("$ref", "#/components/"+section+"/"+name)
}

func orNull(s *dataflow.Object) *dataflow.Object {
	return dataflow.ObjectOf("anyOf", []any{s, typed("null")})
}

// response is an answer that is no error. headers are names of components.
func response(doc string, content *dataflow.Object, headers ...string) *dataflow.Object {
	r := dataflow.ObjectOf("description", doc, "headers", headersOf(headers...))
	if content != nil {
		r.Set("content", content)
	}
	return r
}

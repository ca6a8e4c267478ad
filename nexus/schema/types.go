package schema

import (
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Type returns the schema of values of type t.
func (b Builder) Type(t *dataflow.Type) *dataflow.Object {
	switch t.Kind {
	case dataflow.KindRef:
		return b.ref(t)
	case dataflow.KindList:
		return dataflow.ObjectOf("type", "array", "items", b.Type(t.Elem))
	case dataflow.KindObject:
		if t.Fields == nil {
			return dataflow.ObjectOf("type", "object")
		}
		return b.Object(t.Fields, nil)
	case dataflow.KindRecord:
		return b.record(t.Model)
	case dataflow.KindEnum:
		values := make([]any, len(t.Values))
		for i, v := range t.Values {
			values[i] = v
		}
		return dataflow.ObjectOf("type", "string", "enum", values)
	case dataflow.KindDecimal:
		return b.decimal(t)
	}
	return basic(t.Kind)
}

func basic(k dataflow.Kind) *dataflow.Object {
	switch k {
	case dataflow.KindString:
		return dataflow.ObjectOf("type", "string")
	case dataflow.KindInt:
		return dataflow.ObjectOf("type", "integer", "format", "int64")
	case dataflow.KindFloat:
		return dataflow.ObjectOf("type", "number", "format", "double")
	case dataflow.KindBool:
		return dataflow.ObjectOf("type", "boolean")
	case dataflow.KindDateTime:
		return dataflow.ObjectOf("type", "string", "format", "date-time")
	case dataflow.KindDate:
		return dataflow.ObjectOf("type", "string", "format", "date")
	case dataflow.KindTime: // "time" of JSON Schema has an offset; ours has none
		return dataflow.ObjectOf("type", "string", "pattern", `^\d\d:\d\d(:\d\d(\.\d{1,6})?)?$`)
	case dataflow.KindUUID:
		return dataflow.ObjectOf("type", "string", "format", "uuid")
	case dataflow.KindBytes:
		return dataflow.ObjectOf("type", "string", "contentEncoding", "base64")
	}
	return dataflow.NewObject() // KindAny, KindJSON: anything
}

func (b Builder) ref(t *dataflow.Type) *dataflow.Object {
	s := b.Type(t.Scalar())
	s.Set("description", "id of a row of "+t.Model.Name)
	return s
}

func (b Builder) record(m *dataflow.Model) *dataflow.Object {
	if b.Ref != nil {
		if ref := b.Ref(m); ref != "" {
			return dataflow.ObjectOf("$ref", ref)
		}
	}
	if b.depth++; b.depth > maxDepth {
		return dataflow.ObjectOf("type", "object")
	}
	return b.Row(m)
}

// decimal describes a decimal as the string it is always sent as; a caller may
// also send a number.
func (b Builder) decimal(t *dataflow.Type) *dataflow.Object {
	var pattern strings.Builder
	pattern.WriteString(`^-?\d{1,` + strconv.Itoa(max(t.Precision-t.Scale, 1)) + `}`)
	if t.Scale > 0 && b.Output {
		pattern.WriteString(`\.\d{` + strconv.Itoa(t.Scale) + `}`)
	} else if t.Scale > 0 {
		// Zeros behind the scale change nothing, so they are taken.
		pattern.WriteString(`(\.\d{1,` + strconv.Itoa(t.Scale) + `}0*)?`)
	}
	pattern.WriteByte('$')
	if b.Output {
		return dataflow.ObjectOf("type", "string", "pattern", pattern.String())
	}
	return dataflow.ObjectOf("type", []any{"string", "number"}, "pattern", pattern.String())
}

// Field returns the schema of a field: its type, constraints, default and doc.
func (b Builder) Field(f *dataflow.Field) *dataflow.Object {
	s := b.Type(f.Type)
	if !b.Output {
		constrain(s, f)
	}
	doc := f.Doc
	if name := formatName(f.Format); name != "" {
		s.Set("format", name)
	} else if f.Format != "" && doc == "" {
		doc = dataflow.FormatDoc(f.Format)
	}
	if f.Optional {
		s = nullable(s)
	}
	if doc != "" {
		s.Set("description", doc)
	}
	if f.HasDefault && !b.Output && f.Default != nil && f.Default != dataflow.Absent {
		s.Set("default", f.Default)
	}
	return s
}

// constrain adds a field's bounds. A stored row may be older than they are, so
// they are told of input only.
func constrain(s *dataflow.Object, f *dataflow.Field) {
	minimum, maximum := "minLength", "maxLength"
	switch f.Type.Kind {
	case dataflow.KindList:
		minimum, maximum = "minItems", "maxItems"
	case dataflow.KindBytes: // counted before base64
		minimum, maximum = "", ""
	}
	if f.MinLength != nil && minimum != "" {
		s.Set(minimum, int64(*f.MinLength))
	}
	if f.MaxLength != nil && maximum != "" {
		s.Set(maximum, int64(*f.MaxLength))
	}
	if f.Pattern != nil && portable(f.Pattern.String()) {
		s.Set("pattern", f.Pattern.String())
	}
	for _, bound := range []struct {
		keyword string
		value   any
	}{{"minimum", f.Ge}, {"exclusiveMinimum", f.Gt}, {"maximum", f.Le}, {"exclusiveMaximum", f.Lt}} {
		switch v := bound.value.(type) {
		case int64, float64:
			s.Set(bound.keyword, v)
		case dataflow.Decimal: // holds of the number form; the runtime checks both
			s.Set(bound.keyword, dataflow.RawJSON(dataflow.AppendDecimal(nil, v)))
		}
	}
}

// portable reports whether a pattern means the same in ECMA 262, which JSON
// Schema asks for, as in Go.
func portable(pattern string) bool {
	for _, only := range []string{"(?", `\A`, `\z`, `\Q`, `\p`, `\P`, "[[:"} {
		if strings.Contains(pattern, only) {
			return false
		}
	}
	return true
}

// formatName is the JSON Schema name of a format of field(), or "" if JSON
// Schema 2020-12 has none: validators warn of names they don't know.
func formatName(format string) string {
	switch format {
	case "url":
		return "uri"
	case "email", "uri", "hostname", "ipv4", "ipv6":
		return format
	}
	return ""
}

// nullable allows null as well.
func nullable(s *dataflow.Object) *dataflow.Object {
	if ref, ok := s.Get("$ref"); ok {
		return dataflow.ObjectOf("anyOf", []any{dataflow.ObjectOf("$ref", ref), dataflow.ObjectOf("type", "null")})
	}
	switch t, _ := s.Get("type"); t := t.(type) {
	case string:
		s.Set("type", []any{t, "null"})
	case []any:
		s.Set("type", append(t[:len(t):len(t)], "null"))
	}
	if values, ok := s.Get("enum"); ok {
		vs := values.([]any)
		s.Set("enum", append(vs[:len(vs):len(vs)], nil))
	}
	return s
}

package openapi

import (
	"bytes"
	"context"
	"math"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/nexus/schema"
)

// example makes an object of the fields that a caller must give to owner, a model
// or a workflow, or nil where a value that fits can't be guessed: none is better
// than a wrong one.
func example(owner string, fields []*dataflow.Field) *dataflow.Object {
	return exampleOf(owner, fields, func(f *dataflow.Field) bool { return f.Required() || inherited(f.Name) })
}

// inherited reports whether every object of JavaScript has a property of this
// name: validators written in it take a missing one for that.
func inherited(name string) bool {
	switch name {
	case "constructor", "toString", "valueOf", "hasOwnProperty", "isPrototypeOf", "toLocaleString", "propertyIsEnumerable":
		return true
	}
	return false
}

// exampleInputs are inputs of a workflow, or nil where they can't be guessed. The
// name of a file is one of those that there are, which is not known here.
func exampleInputs(wf *dataflow.Workflow) *dataflow.Object {
	if slices.ContainsFunc(wf.Input, func(f *dataflow.Field) bool {
		words := strings.Fields(spaced(f.Name))
		return f.Required() && f.Type.Kind == dataflow.KindString && len(words) > 0 && slices.Contains([]string{"file", "filename", "path"}, words[len(words)-1])
	}) {
		return nil
	}
	return example(wf.Name, wf.Input)
}

// exampleOf makes an object of the fields that are wanted.
func exampleOf(owner string, fields []*dataflow.Field, wanted func(*dataflow.Field) bool) *dataflow.Object {
	o := dataflow.NewObject()
	for _, f := range fields {
		if !wanted(f) {
			continue
		}
		v, ok := guessed(owner, f)
		if !ok {
			return nil
		}
		o.Set(f.Name, v)
	}
	if o.Len() == 0 {
		return nil
	}
	return o
}

// guessed is a value that fits a field, as far as can be told here: its default,
// what fields of that name usually hold, or what its type and bounds allow.
func guessed(owner string, f *dataflow.Field) (any, bool) {
	var may []any
	if hasOwnDefault(f) {
		may = append(may, f.Default)
	}
	if k := f.Type.Kind; k != dataflow.KindRef && k != dataflow.KindEnum {
		may = append(may, usually(owner, f.Name)...)
	}
	for _, v := range append(may, plain(f), guess(owner, f)) {
		if v, problems := codec.Coerce(f, v, ""); v != nil && len(problems) == 0 {
			return v, true
		}
	}
	return nil, false
}

// hasOwnDefault reports whether a field has a default that says something.
func hasOwnDefault(f *dataflow.Field) bool {
	return f.HasDefault && f.Default != nil && f.Default != dataflow.Absent
}

// plain is the number that a caller would try first.
func plain(f *dataflow.Field) any {
	switch f.Type.Scalar().Kind {
	case dataflow.KindInt, dataflow.KindDecimal:
		return int64(1)
	case dataflow.KindFloat:
		return 1.5
	}
	return nil
}

// exampleRow is a row as it may be read, of the values that its fields are given,
// or nil.
func exampleRow(m *dataflow.Model, value func(*dataflow.Field) (any, bool)) *dataflow.Object {
	vals := make([]any, len(m.Fields)+len(m.Computed))
	row := dataflow.NewRecord(m.Shape(), vals)
	for i, f := range m.Fields {
		v, ok := value(f)
		switch {
		case f.System == dataflow.RoleDeletedAt:
			v = nil
		case !ok:
			return nil
		}
		vals[i] = v
	}
	for i, c := range m.Computed {
		v, err := c.Func.Call(context.Background(), []any{row}, nil)
		if err != nil { // it asks for more than a guess
			return nil
		}
		vals[len(m.Fields)+i] = v
	}
	return row
}

// exampleChange changes the first field that can be, or is nil.
func exampleChange(m *dataflow.Model) *dataflow.Object {
	fields := schema.Writable(m, true)
	first := slices.IndexFunc(fields, func(f *dataflow.Field) bool { _, ok := guessed(m.Name, f); return ok })
	if first < 0 {
		return nil
	}
	return exampleOf(m.Name, fields, func(f *dataflow.Field) bool { return f == fields[first] || inherited(f.Name) })
}

// exampleFilter is of the first field of its own that rows can be found by, or
// of the id.
func exampleFilter(m *dataflow.Model) *dataflow.Object {
	for _, f := range m.Fields {
		ops := query.Ops(f.Type)
		if f.System != dataflow.RoleNone || len(ops) == 0 || ops[0] != query.Eq {
			continue
		}
		if v, ok := guessed(m.Name, f); ok {
			return dataflow.ObjectOf(f.Name, v)
		}
	}
	if v, ok := guessed(m.Name, m.ID()); ok {
		return dataflow.ObjectOf(m.ID().Name, v)
	}
	return nil
}

// exampleArguments are arguments of an operation that takes them as an object,
// or nil.
func (d *document) exampleArguments(m *dataflow.Model, op dataflow.OpKind) *dataflow.Object {
	row, change, filter := d.creation(m), d.change(m), d.filter(m)
	switch {
	case op == dataflow.OpAggregate:
		return exampleAggregate(m)
	case op == dataflow.OpBulkCreate && row != nil:
		return dataflow.ObjectOf("data", []any{row}, "return_ids", true)
	case op == dataflow.OpCount && filter != nil, op == dataflow.OpBulkDelete && filter != nil:
		return dataflow.ObjectOf("filter", filter)
	case op == dataflow.OpBulkUpdate && filter != nil && change != nil:
		return dataflow.ObjectOf("filter", filter, "fields", change)
	case op == dataflow.OpUpsert && filter != nil && row != nil:
		return dataflow.ObjectOf("where", filter, "create", row)
	case op == dataflow.OpBulkUpsert && row != nil:
		for _, ix := range m.Indexes {
			if ix.Unique && ix.Where == nil && hasAll(row, ix.Fields) {
				return dataflow.ObjectOf("data", []any{row}, "conflict_on", anyList(ix.Fields))
			}
		}
	}
	return nil
}

func hasAll(o *dataflow.Object, names []string) bool {
	for _, n := range names {
		if !o.Has(n) {
			return false
		}
	}
	return true
}

func anyList(names []string) []any {
	list := make([]any, len(names))
	for i, n := range names {
		list[i] = n
	}
	return list
}

// exampleUUID is the uuid of examples.
const exampleUUID = "01890a5d-ac96-774b-bcce-b302099a8057"

// guess is a value that may fit a field by its type and bounds.
func guess(owner string, f *dataflow.Field) any {
	switch t := f.Type.Scalar(); t.Kind {
	case dataflow.KindString:
		return guessText(owner, f)
	case dataflow.KindInt:
		return guessNumber(f, int64(1))
	case dataflow.KindFloat:
		return guessNumber(f, 1.5)
	case dataflow.KindDecimal:
		return guessNumber(f, int64(1))
	case dataflow.KindBool:
		return true
	case dataflow.KindDateTime:
		return exampleTime
	case dataflow.KindDate:
		return dataflow.Date("2026-01-31")
	case dataflow.KindTime:
		return dataflow.TimeOfDay("12:00:00")
	case dataflow.KindUUID:
		return exampleUUID
	case dataflow.KindEnum:
		if len(t.Values) > 0 {
			return t.Values[0]
		}
	case dataflow.KindList:
		one, _ := guessed(owner, &dataflow.Field{Name: f.Name, Type: t.Elem})
		list := []any{one}
		for f.MinLength != nil && len(list) < *f.MinLength {
			list = append(list, list[0])
		}
		return list
	case dataflow.KindObject:
		full := func(f *dataflow.Field) bool { return f.Required() || hasOwnDefault(f) || inherited(f.Name) }
		if o := exampleOf(strings.TrimSuffix(f.Name, "s"), t.Fields, full); o != nil {
			return o
		}
		return dataflow.NewObject()
	case dataflow.KindBytes:
		size := 7
		if f.MinLength != nil {
			size = max(size, *f.MinLength)
		}
		if f.MaxLength != nil {
			size = min(size, *f.MaxLength)
		}
		return bytes.Repeat([]byte("flowctl"), size/7+1)[:size]
	}
	return dataflow.NewObject()
}

func guessText(owner string, f *dataflow.Field) string {
	switch f.Format {
	case "email":
		return "ada@example.org"
	case "url", "uri":
		return "https://example.org/"
	case "hostname":
		return "example.org"
	case "ipv4":
		return "192.0.2.1"
	case "ipv6":
		return "2001:db8::1"
	case "phone":
		return "+442079460000"
	case "country":
		return "NL"
	case "currency":
		return "EUR"
	case "color":
		return "#336699"
	}
	text := named(owner, f)
	if f.Pattern != nil {
		if parsed, err := syntax.Parse(f.Pattern.String(), syntax.Perl); err == nil {
			text = matching(parsed.Simplify())
		}
	}
	if f.MinLength != nil && len(text) < *f.MinLength {
		text += strings.Repeat("x", *f.MinLength-len(text))
	}
	if f.MaxLength != nil && len(text) > *f.MaxLength {
		text = text[:*f.MaxLength]
	}
	return text
}

// named is a text that says what belongs in its place.
func named(owner string, f *dataflow.Field) string {
	switch {
	case f.Type.Kind == dataflow.KindRef:
		return strings.ReplaceAll(spaced(f.Type.Model.Name), " ", "-") + "-1"
	case f.Name == "id" && owner != "":
		return strings.ReplaceAll(spaced(owner), " ", "-") + "-1"
	}
	if text := spaced(f.Name); text != "" {
		return text
	}
	return "text"
}

// matching is a text that a pattern matches, or may: what it makes of
// assertions and the like is checked with all the rest.
func matching(re *syntax.Regexp) string {
	var b strings.Builder
	switch re.Op {
	case syntax.OpLiteral:
		return string(re.Rune)
	case syntax.OpCharClass:
		return string(readable(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return "a"
	case syntax.OpAlternate, syntax.OpCapture, syntax.OpPlus:
		return matching(re.Sub[0])
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			b.WriteString(matching(sub))
		}
	}
	return b.String()
}

// readable is a character of a class, a letter or a digit if there is one.
func readable(ranges []rune) rune {
	for _, want := range "aA1" {
		for i := 0; i+1 < len(ranges); i += 2 {
			if ranges[i] <= want && want <= ranges[i+1] {
				return want
			}
		}
	}
	if len(ranges) == 0 {
		return 'a'
	}
	return ranges[0]
}

// guessNumber goes for a bound, if there is one.
func guessNumber(f *dataflow.Field, v any) any {
	switch {
	case f.Ge != nil:
		return f.Ge
	case f.Le != nil:
		return f.Le
	case f.Gt != nil:
		return beside(f.Gt, 1)
	case f.Lt != nil:
		return beside(f.Lt, -1)
	}
	return v
}

// beside is a number next to a bound that is none of what may be.
func beside(bound any, by int64) any {
	switch n := bound.(type) {
	case int64:
		return n + by
	case float64:
		return n + float64(by)
	case dataflow.Decimal:
		text, _ := strconv.ParseFloat(string(dataflow.AppendDecimal(nil, n)), 64)
		return int64(math.Floor(text)) + max(by, 0) + min(by+1, 0)
	}
	return bound
}

// exampleAggregate groups a model's rows by the first field whose values are
// few, and sums the first that can be summed.
func exampleAggregate(m *dataflow.Model) *dataflow.Object {
	o, figures := dataflow.NewObject(), dataflow.ObjectOf("n", dataflow.ObjectOf("$count", true))
	summed := false
	for _, f := range m.Fields {
		if f.System != dataflow.RoleNone {
			continue
		}
		switch f.Type.Kind {
		case dataflow.KindEnum, dataflow.KindBool, dataflow.KindRef:
			if !o.Has("group_by") && f.Name != "n" {
				o.Set("group_by", []any{f.Name})
			}
		case dataflow.KindDecimal, dataflow.KindInt, dataflow.KindFloat:
			if !summed {
				figures.Set("sum_"+f.Name, dataflow.ObjectOf("$sum", f.Name))
				summed = true
			}
		}
	}
	o.Set("aggregates", figures)
	o.Set("sort", "-n")
	return o
}

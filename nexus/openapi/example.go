package openapi

import (
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// example makes an object of the fields that a caller must give, or nil where
// a value that fits can't be guessed: none is better than a wrong one.
func example(fields []*dataflow.Field) *dataflow.Object {
	o := dataflow.NewObject()
	for _, f := range fields {
		if !f.Required() {
			continue
		}
		v, problems := codec.Coerce(f, guess(f), "")
		if len(problems) > 0 {
			return nil
		}
		o.Set(f.Name, v)
	}
	if o.Len() == 0 {
		return nil
	}
	return o
}

// guess is a value that may fit a field.
func guess(f *dataflow.Field) any {
	switch t := f.Type.Scalar(); t.Kind {
	case dataflow.KindString:
		return guessText(f)
	case dataflow.KindInt:
		return guessNumber(f, int64(1))
	case dataflow.KindFloat:
		return guessNumber(f, 1.5)
	case dataflow.KindDecimal:
		return guessNumber(f, int64(1))
	case dataflow.KindBool:
		return true
	case dataflow.KindDateTime:
		return time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	case dataflow.KindDate:
		return dataflow.Date("2026-01-31")
	case dataflow.KindTime:
		return dataflow.TimeOfDay("12:00:00")
	case dataflow.KindUUID:
		return "01890a5d-ac96-774b-bcce-b302099a8057"
	case dataflow.KindEnum:
		if len(t.Values) > 0 {
			return t.Values[0]
		}
	case dataflow.KindList:
		return []any{guess(&dataflow.Field{Type: t.Elem})}
	case dataflow.KindObject:
		if o := example(t.Fields); o != nil {
			return o
		}
		return dataflow.NewObject()
	case dataflow.KindBytes:
		return []byte("flowctl")
	}
	return dataflow.NewObject()
}

func guessText(f *dataflow.Field) string {
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
	return "text"
}

// guessNumber prefers a bound: what is at least 18 fits there.
func guessNumber(f *dataflow.Field, v any) any {
	switch {
	case f.Ge != nil:
		return f.Ge
	case f.Le != nil:
		return f.Le
	}
	return v
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

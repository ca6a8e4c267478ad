package openapi

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/nexus/schema"
)

// rules are what an app's own functions, validate and before_create, ask of rows
// of a model. They are pure, so that rows can be tried on them: an example that
// they refuse is none.
type rules struct {
	m     *dataflow.Model
	ops   *access.Model
	ctx   context.Context
	tries int // that are left
}

const (
	// maxTried is how many rows are tried on a model's rules, and maxTrying how
	// long that may take.
	maxTried  = 400
	maxTrying = time.Second
)

// exampleTime is when examples happen.
var exampleTime = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// rulesOf returns the rules of a model; nil: it has none of its own. end is to be
// called after.
func rulesOf(m *dataflow.Model) (r *rules, end func()) {
	if m.Validate == nil && m.BeforeCreate == nil {
		return nil, func() {}
	}
	ctx, cancel := context.WithTimeout(context.Background(), maxTrying)
	return &rules{m: m, ctx: ctx, tries: maxTried, ops: access.New(m, access.Options{
		Now: func() time.Time { return exampleTime }, NewID: func() string { return exampleUUID }})}, cancel
}

// made is the row that a create with these values would add; or what it would
// be refused for. It is neither once too many have been tried, or the rules fail.
func (r *rules) made(values *dataflow.Object) (row *dataflow.Object, problems []dataflow.Problem) {
	if r.tries--; r.tries < 0 || r.ctx.Err() != nil {
		return nil, nil
	}
	row, err := r.ops.NewRow(r.ctx, access.Caller{Tenant: "acme"}, codec.AppendValue(nil, values))
	if err == nil {
		return row, nil
	}
	e := dataflow.AsError(err)
	if len(e.Problems) == 0 && e.Status == dataflow.StatusRejected { // fail("…")
		return nil, []dataflow.Problem{{Detail: e.Message}}
	}
	return nil, e.Problems
}

// pass reports whether a row with these values may be created.
func (r *rules) pass(values *dataflow.Object) bool {
	row, _ := r.made(values)
	return row != nil
}

// amended is a row like this one that the rules let pass, or nil: fields that
// they say are wrong, and then others, are given other values as long as less is
// wrong with it.
func (r *rules) amended(values *dataflow.Object, fields []*dataflow.Field) *dataflow.Object {
	row, problems := r.made(values)
	for row == nil {
		if len(problems) == 0 {
			return nil
		}
		var better *dataflow.Object
		for _, f := range blamedFirst(fields, problems) {
			if better, row, problems = r.tryField(values, f, problems); better != nil {
				break
			}
		}
		if better == nil {
			return nil
		}
		values = better
	}
	return values
}

// tryField gives a field other values until less is wrong with the row.
func (r *rules) tryField(values *dataflow.Object, f *dataflow.Field, problems []dataflow.Problem) (better, row *dataflow.Object, left []dataflow.Problem) {
	for _, v := range alternatives(r.m.Name, f) {
		tried := with(values, f.Name, v)
		row, left = r.made(tried)
		if row != nil || len(left) > 0 && len(left) < len(problems) {
			return tried, row, left
		}
	}
	return nil, nil, problems
}

// with is a copy of an object with a name in it.
func with(o *dataflow.Object, name string, v any) *dataflow.Object {
	out := dataflow.NewObject()
	for k, old := range o.All {
		out.Set(k, old)
	}
	out.Set(name, v)
	return out
}

// over is a copy of an object with another's names in it.
func over(o, more *dataflow.Object) *dataflow.Object {
	for name, v := range more.All {
		o = with(o, name, v)
	}
	return o
}

// blamedFirst are fields in the order in which they are tried: those that are
// said to be wrong before others.
func blamedFirst(fields []*dataflow.Field, problems []dataflow.Problem) []*dataflow.Field {
	blamed := func(f *dataflow.Field) bool {
		return slices.ContainsFunc(problems, func(p dataflow.Problem) bool { return p.Pointer == "/"+codec.EscapePointer(f.Name) })
	}
	out := slices.Clone(fields)
	slices.SortStableFunc(out, func(a, b *dataflow.Field) int {
		switch {
		case blamed(a) == blamed(b):
			return 0
		case blamed(a):
			return -1
		}
		return 1
	})
	return out
}

// alternatives are values that fit a field, beside the one that is guessed first.
func alternatives(owner string, f *dataflow.Field) []any {
	var may []any
	switch t := f.Type.Scalar(); {
	case f.Type.Kind == dataflow.KindRef: // which row there is is not known
	case t.Kind == dataflow.KindEnum:
		for _, v := range t.Values {
			may = append(may, v)
		}
	case t.Kind == dataflow.KindBool:
		may = append(may, true, false)
	case t.Kind == dataflow.KindString:
		may = append(usually(owner, f.Name), guessText(owner, f), named(owner, f), "abc", "ABC", "Abc-12345", "abcdefgh", "ABCDEFGH", "12345678", "AB123456", "1234567890", "a", "A", "1",
			"ada@example.org", "https://example.org/", "example.org", "2026-01-31", "en", "NL", "EUR", strings.Repeat("text ", 20))
	case t.Kind == dataflow.KindInt, t.Kind == dataflow.KindDecimal, t.Kind == dataflow.KindFloat:
		may = usually(owner, f.Name)
		for _, n := range []int64{1, 2, 3, 4, 5, 7, 10, 12, 20, 25, 50, 100, 1000, 10_000, 1_000_000, 0, -1, -10, -100} {
			may = append(may, n)
		}
		may = append(may, f.Ge, f.Le, guessNumber(f, int64(1)), "0.5", 0.5)
	case t.Kind == dataflow.KindDate, t.Kind == dataflow.KindDateTime:
		may = usually(owner, f.Name)
		for _, y := range []int{2026, 2027, 2030, 2025, 2020, 2000, 1990} {
			for _, m := range []time.Month{1, 2, 12} {
				at := time.Date(y, m, 15, 12, 0, 0, 0, time.UTC)
				may = append(may, at, dataflow.Date(at.Format(time.DateOnly)))
			}
		}
	case t.Kind == dataflow.KindTime:
		for _, at := range []string{"08:00:00", "12:00:00", "18:00:00", "23:00:00"} {
			may = append(may, dataflow.TimeOfDay(at))
		}
	case t.Kind == dataflow.KindList:
		var items []any
		for _, v := range alternatives(owner, &dataflow.Field{Name: f.Name, Type: t.Elem}) {
			if items = append(items, v); len(items) <= 3 {
				may = append(may, slices.Clone(items))
			}
		}
		may = append(may, []any{})
	default:
		may = append(may, guess(owner, f))
	}
	var fit []any
	for _, v := range may {
		if v == nil {
			continue
		}
		if v, problems := codec.Coerce(f, v, ""); v != nil && len(problems) == 0 {
			fit = append(fit, v)
		}
	}
	if f.Optional {
		fit = append(fit, nil)
	}
	return fit
}

// creation is a row of a model that a caller may create, or nil where none can
// be guessed.
func (d *document) creation(m *dataflow.Model) *dataflow.Object {
	if o, known := d.creations[m]; known {
		return o
	}
	o := creation(m)
	d.creations[m] = o
	return o
}

func creation(m *dataflow.Model) *dataflow.Object {
	fields := schema.Writable(m, false)
	o := example(m.Name, fields)
	r, end := rulesOf(m)
	defer end()
	if r == nil {
		return o
	}
	if o == nil {
		if slices.ContainsFunc(fields, func(f *dataflow.Field) bool { return f.Required() }) {
			return nil
		}
		o = dataflow.NewObject()
	}
	if o = r.amended(o, fields); o == nil || o.Len() == 0 {
		return nil
	}
	return o
}

// replacement is what a row may be replaced with, or nil.
func (d *document) replacement(m *dataflow.Model) *dataflow.Object {
	o := example(m.Name, schema.Writable(m, true))
	r, end := rulesOf(m)
	defer end()
	if r == nil || o == nil {
		return o
	}
	base := d.creation(m)
	if base == nil {
		return nil
	}
	out := dataflow.NewObject() // what was found to pass, as far as it may be replaced
	for _, f := range schema.Writable(m, true) {
		if v, ok := base.Get(f.Name); ok {
			out.Set(f.Name, v)
		}
	}
	if !r.pass(over(base, out)) {
		return nil
	}
	return out
}

// change changes the first field that can be, or is nil.
func (d *document) change(m *dataflow.Model) *dataflow.Object {
	r, end := rulesOf(m)
	defer end()
	if r == nil {
		return exampleChange(m)
	}
	base := d.creation(m)
	if base == nil {
		return nil
	}
	fields := schema.Writable(m, true)
	for _, f := range fields {
		v, ok := base.Get(f.Name)
		if !ok {
			v, ok = guessed(m.Name, f)
		}
		if !ok {
			continue
		}
		o := exampleOf(m.Name, fields, func(other *dataflow.Field) bool { return other != f && inherited(other.Name) })
		if o == nil {
			o = dataflow.NewObject()
		}
		if o = with(o, f.Name, v); r.pass(over(base, o)) {
			return o
		}
	}
	return nil
}

// filter is of the first field of its own that rows can be found by, or of the id.
// It finds the row that is created elsewhere, if that has the field.
func (d *document) filter(m *dataflow.Model) *dataflow.Object {
	o := exampleFilter(m)
	if row := d.creation(m); o != nil && row != nil {
		for _, name := range o.Names() {
			if v, ok := row.Get(name); ok && v != nil {
				o.Set(name, v)
			}
		}
	}
	return o
}

// shownRow is a row as it may be read, or nil.
func (d *document) shownRow(m *dataflow.Model) *dataflow.Object {
	r, end := rulesOf(m)
	defer end()
	if r == nil {
		return exampleRow(m, func(f *dataflow.Field) (any, bool) { return guessed(m.Name, f) })
	}
	fields := schema.Writable(m, false)
	row, _ := r.made(orEmpty(exampleOf(m.Name, fields, func(f *dataflow.Field) bool { _, ok := guessed(m.Name, f); return ok })))
	if row == nil {
		base := d.creation(m)
		if base == nil {
			return nil
		}
		row, _ = r.made(base)
	}
	if row == nil {
		return nil
	}
	return exampleRow(m, func(f *dataflow.Field) (any, bool) {
		v, _ := row.Get(f.Name)
		if f.System == dataflow.RoleNone || f.System == dataflow.RoleID && v != dataflow.Absent && v != nil { // else the database gives it
			return v, v != dataflow.Absent
		}
		return guessed(m.Name, f)
	})
}

func orEmpty(o *dataflow.Object) *dataflow.Object {
	if o == nil {
		return dataflow.NewObject()
	}
	return o
}

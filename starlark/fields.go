package starlark

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/internal/lazyregexp"
	"github.com/flowctl/flowctl/starlark/spec"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// fieldType is a type with options: what field(…) and the types that are
// calls return.
type fieldType struct {
	typ    *dataflow.Type
	opts   []option
	ref    *refTarget // set for a reference
	object bool       // holds an object somewhere: for inputs only
	at     dataflow.Span
}

// refTarget is what ref(…) says beside the model.
type refTarget struct {
	name       string // of a model declared later, or "self"
	at         dataflow.Span
	onDelete   string
	onDeleteAt dataflow.Span
}

type option struct {
	name string
	arg
}

func (f *fieldType) String() string {
	if f.typ.Kind == dataflow.KindRef && f.typ.Model == nil {
		return "ref(" + f.ref.name + ")"
	}
	return f.typ.String()
}
func (f *fieldType) Type() string          { return "field type" }
func (f *fieldType) Freeze()               {}
func (f *fieldType) Truth() sl.Bool        { return true }
func (f *fieldType) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: field type") }

// addOptions takes the field options that a call gave.
func (f *fieldType) addOptions(a *args) {
	for _, p := range spec.Lookup("field").Params {
		if p.Name == "type" {
			continue
		}
		if g, ok := a.given[p.Name]; ok {
			f.opts = append(f.opts, option{p.Name, g})
		}
	}
}

// field implements field(type, …).
func (l *loader) field(a *args) sl.Value {
	g, ok := a.given["type"]
	if !ok {
		return &placeholder{}
	}
	base := l.typeOf(a.site.src, g, true)
	if base == nil {
		return &placeholder{}
	}
	ft := &fieldType{typ: base.typ, ref: base.ref, object: base.object, at: a.site.at}
	ft.addOptions(a)
	for _, o := range base.opts {
		for _, own := range ft.opts {
			if own.name == o.name {
				a.fail("FC106", own.key, fmt.Sprintf("%s is given twice", o.name), "")
				l.related("and here", o.key)
			}
		}
	}
	ft.opts = append(base.opts[:len(base.opts):len(base.opts)], ft.opts...)
	return ft
}

// fieldMaker builds a field from its type and options, and reports every
// option that makes no sense.
type fieldMaker struct {
	l     *loader
	f     *dataflow.Field
	ft    *fieldType
	model bool // of a model, else of an input
	bad   bool // an option was refused
}

// makeField builds the field of that name. It returns nil only if ft is nil.
func (l *loader) makeField(name string, ft *fieldType, at dataflow.Span, model bool) *dataflow.Field {
	if ft == nil {
		// The type has been reported; this one lets everything else about the field pass.
		return &dataflow.Field{Name: name, Type: dataflow.Any, Optional: true, Span: at, Spans: dataflow.Spans{"": at}}
	}
	m := &fieldMaker{l: l, ft: ft, model: model,
		f: &dataflow.Field{Name: name, Type: ft.typ, Span: at, Spans: dataflow.Spans{"": at, "/type": ft.at}}}
	var dflt, backfill *option
	for i, o := range ft.opts {
		m.f.Spans["/"+o.name] = o.at
		m.f.Spans["/"+o.name+dataflow.KeySuffix] = o.key
		if !m.applies(o) {
			continue
		}
		switch o.name {
		case "default":
			dflt = &ft.opts[i]
			continue
		case "backfill":
			backfill = &ft.opts[i]
			continue
		}
		m.apply(o)
	}
	m.checkRanges()
	if ft.ref != nil {
		m.reference()
	}
	if dflt != nil {
		if v, ok := m.constant(*dflt); ok {
			m.f.Default, m.f.HasDefault = v, true
		}
	}
	if backfill != nil {
		m.f.Backfill, _ = m.constant(*backfill)
	}
	return m.f
}

func (m *fieldMaker) refuse(code string, at dataflow.Span, message, hint string) {
	m.bad = true
	m.l.error(code, at, message, hint)
}

// applies reports whether the option can be said of the field's type.
func (m *fieldMaker) applies(o option) bool {
	p := spec.Lookup("field").Param(o.name)
	switch {
	case p.For == "model" && !m.model:
		m.refuse("FC206", o.key, fmt.Sprintf("%s can't be said of an input", o.name), "it is an option of a model's field")
		return false
	case p.For != "" && p.For != "model" && !strings.Contains(" "+p.For+" ", " "+m.f.Type.Kind.String()+" "):
		m.refuse("FC206", o.key, fmt.Sprintf("%s can't be said of the type %s", o.name, m.ft), "it applies to "+strings.ReplaceAll(p.For, " ", ", "))
		return false
	case (o.name == "unique" || o.name == "index") && (m.f.Type.Kind == dataflow.KindJSON || m.f.Type.Kind == dataflow.KindList) && bool(o.val.Truth()):
		m.refuse("FC206", o.key, fmt.Sprintf("%s can't be said of the type %s", o.name, m.ft), "equal values may be written in several ways; keep what is looked up in a field of its own")
		return false
	case o.name == "searchable" && m.f.Type.Kind != dataflow.KindString && bool(o.val.Truth()):
		m.refuse("FC206", o.key, fmt.Sprintf("searchable can't be said of the type %s", m.ft), "words are in texts: it applies to str; find other values with a filter")
		return false
	case o.name == "was" && o.val == sl.String(m.f.Name):
		m.refuse("FC206", o.at, fmt.Sprintf("%q is the name the field has now", m.f.Name), "was is the name it had before")
		return false
	case (o.name == "default" || o.name == "backfill") && m.f.Type.Kind == dataflow.KindRef:
		m.refuse("FC206", o.key, "a reference has no "+o.name, "which row would it be? write optional = True, or set it in before_create")
		return false
	}
	return true
}

func (m *fieldMaker) apply(o option) {
	f := m.f
	switch o.name {
	case "optional":
		f.Optional = bool(o.val.(sl.Bool))
	case "unique":
		f.Unique = bool(o.val.(sl.Bool))
	case "index":
		f.Index = bool(o.val.(sl.Bool))
	case "immutable":
		f.Immutable = bool(o.val.(sl.Bool))
	case "searchable":
		f.Searchable = bool(o.val.(sl.Bool))
	case "min_length":
		f.MinLength = intOf(o.val)
	case "max_length":
		f.MaxLength = intOf(o.val)
	case "pattern":
		m.pattern(o)
	case "format":
		m.format(o)
	case "ge":
		f.Ge = m.boundary(o)
	case "gt":
		f.Gt = m.boundary(o)
	case "le":
		f.Le = m.boundary(o)
	case "lt":
		f.Lt = m.boundary(o)
	case "doc":
		f.Doc = string(o.val.(sl.String))
	case "was":
		f.Was = string(o.val.(sl.String))
	case "column":
		m.column(o)
	}
}

// columnName holds no point, which indexes' names have between columns, and no
// quote.
var columnName = lazyregexp.New(`^[\pL_][\pL\pN_$ -]*$`)

func (m *fieldMaker) column(o option) {
	name := string(o.val.(sl.String))
	if len(name) > 60 || !columnName.MatchString(name) {
		m.refuse("FC225", o.at, fmt.Sprintf("%q is no name for a column", name), "a name has letters, digits, blanks and _ $ -, and begins with a letter or _")
		return
	}
	m.f.Column = name
}

func intOf(v sl.Value) *int {
	n, _ := v.(sl.Int).Int64()
	i := int(n)
	return &i
}

func (m *fieldMaker) pattern(o option) {
	text := string(o.val.(sl.String))
	re, err := regexp.Compile(text)
	if err != nil {
		why := strings.TrimPrefix(err.Error(), "error parsing regexp: ")
		hint := ""
		if strings.Contains(text, "(?=") || strings.Contains(text, "(?!") || strings.Contains(text, "(?<") {
			hint = "RE2 has no look-ahead or look-behind"
		} else if strings.Contains(text, "\\") {
			hint = `write it as a raw string: r"\d+"`
		}
		m.refuse("FC209", o.at, "the pattern can't be read: "+why, hint)
		return
	}
	m.f.Pattern = re
}

func (m *fieldMaker) format(o option) {
	name := string(o.val.(sl.String))
	for _, known := range dataflow.FormatNames() {
		if known == name {
			m.f.Format = name
			return
		}
	}
	hint := dataflow.DidYouMean(name, dataflow.FormatNames())
	if name == "uuid" || name == "date" || name == "datetime" || name == "time" {
		hint = fmt.Sprintf("write the type %s instead", name)
	}
	if hint == "" {
		hint = "the formats are " + strings.Join(dataflow.FormatNames(), ", ")
	}
	m.refuse("FC210", o.at, fmt.Sprintf("there is no format %q", name), hint)
}

// boundary reads ge, gt, le or lt, which must be of the field's type.
func (m *fieldMaker) boundary(o option) any {
	v, ok := m.coerced(o, &dataflow.Field{Name: m.f.Name, Type: m.f.Type}, "FC208")
	if !ok || v == nil {
		return nil
	}
	return v
}

// coerced converts an option's value as a caller's would be.
func (m *fieldMaker) coerced(o option, f *dataflow.Field, code string) (any, bool) {
	v, err := value.ToGo(o.val)
	if err != nil {
		m.refuse(code, o.at, fmt.Sprintf("%s of %s: %s", o.name, f.Name, err), "")
		return nil, false
	}
	out, problems := codec.Coerce(f, v, "")
	for _, p := range problems {
		where := ""
		if p.Pointer != "" {
			where = " at " + p.Pointer
		}
		m.refuse(code, o.at, fmt.Sprintf("%s of %s%s: %s", o.name, f.Name, where, p.Detail), p.Hint)
	}
	return out, len(problems) == 0
}

func (m *fieldMaker) optionAt(name string) dataflow.Span { return m.f.Spans.At("/" + name) }

// checkRanges refuses ranges that are empty, or said twice.
func (m *fieldMaker) checkRanges() {
	f := m.f
	if f.MinLength != nil && f.MaxLength != nil && *f.MinLength > *f.MaxLength {
		m.refuse("FC208", m.optionAt("max_length"), fmt.Sprintf("max_length %d is less than min_length %d", *f.MaxLength, *f.MinLength), "")
	}
	if f.Ge != nil && f.Gt != nil {
		m.refuse("FC208", m.optionAt("gt"), "ge and gt can't both be given", "keep one")
	}
	if f.Le != nil && f.Lt != nil {
		m.refuse("FC208", m.optionAt("lt"), "le and lt can't both be given", "keep one")
	}
	for _, lo := range []struct {
		name string
		val  any
	}{{"ge", f.Ge}, {"gt", f.Gt}} {
		for _, hi := range []struct {
			name string
			val  any
		}{{"le", f.Le}, {"lt", f.Lt}} {
			if lo.val == nil || hi.val == nil {
				continue
			}
			c := compareCanonical(lo.val, hi.val)
			if c > 0 || c == 0 && (lo.name == "gt" || hi.name == "lt") || lo.name == "gt" && hi.name == "lt" && adjacent(lo.val, hi.val) {
				m.refuse("FC208", m.optionAt(hi.name), fmt.Sprintf("no value is %s %s and %s %s", lo.name, value.FromGo(lo.val), hi.name, value.FromGo(hi.val)), "")
			}
		}
	}
}

// adjacent reports whether there is no value between two that differ.
func adjacent(lo, hi any) bool {
	n, ok := lo.(int64)
	return ok && hi.(int64)-1 == n
}

// compareCanonical orders two values of one type that has bounds.
func compareCanonical(a, b any) int {
	switch a := a.(type) {
	case int64:
		return cmp.Compare(a, b.(int64))
	case float64:
		return cmp.Compare(a, b.(float64))
	case dataflow.Decimal:
		return a.Cmp(b.(dataflow.Decimal))
	case time.Time:
		return a.Compare(b.(time.Time))
	case dataflow.Date:
		return strings.Compare(string(a), string(b.(dataflow.Date)))
	case dataflow.TimeOfDay:
		return strings.Compare(string(a), string(b.(dataflow.TimeOfDay)))
	}
	return 0
}

func (m *fieldMaker) reference() {
	m.f.OnDelete = m.ft.ref.onDelete
	if m.ft.ref.onDelete == "set_null" && !m.f.Optional {
		m.refuse("FC219", m.ft.ref.onDeleteAt, fmt.Sprintf(`on_delete = "set_null" needs %s to be optional`, m.f.Name), "write optional = True")
	}
}

// constant checks a default or a backfill against the finished field.
func (m *fieldMaker) constant(o option) (any, bool) {
	if o.val == sl.None {
		m.refuse("FC207", o.at, "None is no "+o.name, "write optional = True: the field is then null where nothing is given")
		return nil, false
	}
	if fn, ok := o.val.(sl.Callable); ok {
		m.refuse("FC207", o.at, fmt.Sprintf("the %s of %s is a value, not %s", o.name, m.f.Name, describe(fn)), "set it in before_create for one that is worked out")
		return nil, false
	}
	if m.bad { // the options are not what was meant, but the type may be
		m.coerced(o, &dataflow.Field{Name: m.f.Name, Type: m.f.Type}, "FC207")
		return nil, false
	}
	return m.coerced(o, m.f, "FC207")
}

// kailashFields are what a class has beside its fields there, and db.model takes.
var kailashFields = map[string]string{
	"__dataflow__":  "its options are those of db.model: soft_delete = True, versioned = True, …",
	"__indexes__":   `write indexes = [index("status")] behind the fields`,
	"__tablename__": `write table = "…" behind the fields`,
}

var fieldName = dataflow.NameShape{First: dataflow.Letters, Rest: dataflow.Word}

// checkFieldName reports a name that no field can have.
func (l *loader) checkFieldName(name string, at dataflow.Span) bool {
	switch {
	case len(name) > 60:
		l.error("FC203", at, fmt.Sprintf("the name %q is longer than 60 characters", name), "")
	case !fieldName.Fits(name):
		l.error("FC203", at, fmt.Sprintf("%q is no name for a field", name),
			cmp.Or(kailashFields[name], "a name has letters, digits and _, and begins with a letter"))
	default:
		return true
	}
	return false
}

// inputFields reads the input of a workflow or a handler, or the fields of an
// object in it.
func (l *loader) inputFields(src *source, w arg) []*dataflow.Field {
	d, ok := w.val.(*sl.Dict)
	if !ok {
		return nil
	}
	fields := []*dataflow.Field{}
	for _, e := range l.dictItems(src, d, w, "FC203", "the name of an input") {
		if !l.checkFieldName(e.name, e.keyAt) {
			continue
		}
		fields = append(fields, l.makeField(e.name, l.inputType(src, e), e.keyAt, false))
	}
	return fields
}

func (l *loader) inputType(src *source, e dictItem) *fieldType {
	return l.typeOf(src, arg{val: e.val, expr: e.expr, at: e.at, key: e.keyAt}, true)
}

// dictItem is an item of a dict that was given as an argument.
type dictItem struct {
	name  string
	val   sl.Value
	expr  syntax.Expr
	at    dataflow.Span
	keyAt dataflow.Span
}

// dictItems returns the items of a dict with their places. Keys that are no
// strings are reported.
func (l *loader) dictItems(src *source, d *sl.Dict, w arg, code, what string) []dictItem {
	entries := src.entries(w.expr)
	var out []dictItem
	for k, v := range sl.Entries(d) {
		name, ok := sl.AsString(k)
		if !ok {
			l.error(code, w.at, fmt.Sprintf("%s is a string, not %s", what, describe(k)), "write the name in quotes")
			continue
		}
		item := dictItem{name: name, val: v, at: w.at, keyAt: w.at}
		if e, ok := entries[name]; ok {
			item.expr, item.at, item.keyAt = e.value, src.span(e.value), src.span(e.key)
		}
		out = append(out, item)
	}
	return out
}

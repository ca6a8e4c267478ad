package starlark

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/spec"
	"github.com/flowctl/flowctl/starlark/value"
	sl "go.starlark.net/starlark"
	"go.starlark.net/starlarkstruct"
)

// typeValue is the name of a type in a file: str, int, decimal, … Those that
// Starlark has as functions still convert; the others make values or types.
type typeValue struct {
	l    *loader
	name string
}

var (
	_ sl.Callable = (*typeValue)(nil)
	_ sl.HasAttrs = (*typeValue)(nil)
)

func (t *typeValue) String() string        { return t.name }
func (t *typeValue) Type() string          { return "type" }
func (t *typeValue) Freeze()               {}
func (t *typeValue) Truth() sl.Bool        { return true }
func (t *typeValue) Hash() (uint32, error) { return sl.String(t.name).Hash() }
func (t *typeValue) Name() string          { return t.name }
func (t *typeValue) AttrNames() []string   { return nil }

// Attr has nothing but advice for those who look for datetime.now().
func (t *typeValue) Attr(name string) (sl.Value, error) {
	switch name {
	case "now", "utcnow", "today":
		return nil, fmt.Errorf("there is no clock here; in a handler write ctx.now(), in a model created_at and updated_at are kept for you")
	case "uuid4", "uuid7":
		return nil, fmt.Errorf(`ids are made when a row is; declare "id": uuid in the model`)
	case "loads", "dumps", "encode", "decode":
		if t.name == "json" {
			return nil, fmt.Errorf(`write load("@stdlib//json.star", "json") to encode and decode`)
		}
	}
	return nil, nil
}

// basicTypes are the types that stand bare.
var basicTypes = map[string]*dataflow.Type{
	"str": dataflow.String, "int": dataflow.Int, "float": dataflow.Float, "bool": dataflow.Bool,
	"bytes": {Kind: dataflow.KindBytes}, "datetime": dataflow.DateTime, "date": {Kind: dataflow.KindDate},
	"time": {Kind: dataflow.KindTime}, "uuid": {Kind: dataflow.KindUUID}, "json": dataflow.JSON,
}

// CallInternal converts a value, makes one, or makes a type. Of a placeholder
// it makes nothing: what is wrong there has been said.
func (t *typeValue) CallInternal(thread *sl.Thread, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	for _, v := range args {
		if p, ok := v.(*placeholder); ok {
			return p, nil
		}
	}
	if ft := t.calledAsField(thread, args, kwargs); ft != nil {
		return ft, nil
	}
	switch t.name {
	case "decimal":
		return t.decimal(thread, args, kwargs)
	case "enum", "ref":
		return t.declare(thread, args, kwargs)
	case "list":
		if len(args) == 1 && t.makesType(args[0], kwargs) {
			return t.declare(thread, args, kwargs)
		}
	case "datetime":
		return parseWith(t.name, args, kwargs, value.ParseDateTime)
	case "date":
		return parseWith(t.name, args, kwargs, value.ParseDate)
	case "time":
		return parseWith(t.name, args, kwargs, value.ParseTimeOfDay)
	case "uuid", "json":
		return nil, fmt.Errorf("%s is a type; write field(%s, optional = True) to give it options", t.name, t.name)
	case "str":
		return writtenOut("str")(thread, nil, args, kwargs)
	case "int", "float":
		if len(args) == 1 && len(kwargs) == 0 {
			if d, ok := args[0].(value.Decimal); ok {
				return fromDecimal(t.name, d), nil
			}
		}
	}
	return sl.Universe[t.name].(*sl.Builtin).CallInternal(thread, args, kwargs)
}

// calledAsField reports str(max_length = 10), which is written field(str, …),
// and goes on with what was meant. It returns nil for any other call.
func (t *typeValue) calledAsField(thread *sl.Thread, args sl.Tuple, kwargs []sl.Tuple) *fieldType {
	typ := basicTypes[t.name]
	if t.l.done || typ == nil || len(args) > 0 || t.name == "bool" || t.name == "float" && len(kwargs) == 0 {
		return nil
	}
	at := t.l.site(thread).at
	hint := "write " + t.name
	if len(kwargs) > 0 {
		hint = fmt.Sprintf("options stand in field(%s, …)", t.name)
	}
	t.l.error("FC105", at, fmt.Sprintf("the type %s is not called", t.name), hint)
	return &fieldType{typ: typ, at: at}
}

// fromDecimal converts as Python does: int cuts off what is behind the point.
func fromDecimal(to string, d value.Decimal) sl.Value {
	if to == "int" {
		return sl.MakeBigInt(d.D.BigInt())
	}
	f, _ := d.D.Float64()
	return sl.Float(f)
}

func parseWith[T sl.Value](name string, args sl.Tuple, kwargs []sl.Tuple, parse func(string) (T, error)) (sl.Value, error) {
	var s string
	if err := sl.UnpackPositionalArgs(name, args, kwargs, 1, &s); err != nil {
		return nil, fmt.Errorf("%w (as a field with options, write field(%s, …))", err, name)
	}
	return parse(s)
}

// makesType tells list(str) from list("abc").
func (t *typeValue) makesType(v sl.Value, kwargs []sl.Tuple) bool {
	switch v := v.(type) {
	case *typeValue, *fieldType, value.Model, *starlarkstruct.Module:
		return true
	case *sl.Dict:
		return len(kwargs) > 0 || holdsTypes(v)
	}
	return len(kwargs) > 0
}

// holdsTypes tells list({"sku": str}) from list({"a": 1}), which lists keys.
func holdsTypes(d *sl.Dict) bool {
	for _, v := range sl.Entries(d) {
		switch v := v.(type) {
		case *typeValue, *fieldType:
			return true
		case *starlarkstruct.Module:
			if basicTypes[v.Name] != nil {
				return true
			}
		case *sl.Dict:
			if holdsTypes(v) {
				return true
			}
		}
	}
	return false
}

// decimal is a number for decimal("0.2"), a type for decimal(12, 2).
func (t *typeValue) decimal(thread *sl.Thread, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	if len(args) == 1 && len(kwargs) == 0 {
		switch v := args[0].(type) {
		case sl.String:
			return value.ParseDecimal(string(v))
		case value.Decimal:
			return v, nil
		case sl.Float:
			return nil, fmt.Errorf(`decimal(%s): a float is not exact; write decimal("%s")`, v, v)
		case sl.Int:
			if t.l.done || !t.l.inModule(thread) {
				return value.ParseDecimal(v.String())
			}
		}
	}
	return t.declare(thread, args, kwargs)
}

// inModule reports whether the file's own code makes the call, rather than a
// function: decimal(12) there is a type that lacks its scale.
func (l *loader) inModule(thread *sl.Thread) bool {
	return thread.CallStackDepth() > 1 && thread.CallFrame(1).Name == "<toplevel>"
}

// declare makes a field type by the table.
func (t *typeValue) declare(thread *sl.Thread, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	if t.l.done {
		return nil, fmt.Errorf("%s(…) declares a type; it can't be called while a request runs", t.name)
	}
	a := t.l.bind(thread, spec.Lookup(t.name), args, kwargs)
	ft := &fieldType{at: a.site.at}
	switch t.name {
	case "decimal":
		ft.typ = t.l.decimalType(a)
	case "enum":
		ft.typ = t.l.enumType(a)
	case "list":
		t.l.listType(a, ft)
	case "ref":
		t.l.refType(a, ft)
	}
	if ft.typ == nil {
		return &placeholder{}, nil
	}
	ft.addOptions(a)
	return ft, nil
}

func (l *loader) decimalType(a *args) *dataflow.Type {
	if !a.has("precision") || !a.has("scale") {
		return nil
	}
	p, s := a.int("precision", 0), a.int("scale", 0)
	if s > p {
		a.fail("FC213", a.at("scale"), fmt.Sprintf("decimal(%d, %d) has more digits after the point than in all", p, s),
			fmt.Sprintf("the first number is of all digits: decimal(%d, %d)", min(p+s, 38), s))
		return nil
	}
	return &dataflow.Type{Kind: dataflow.KindDecimal, Precision: p, Scale: s}
}

func (l *loader) enumType(a *args) *dataflow.Type {
	if len(a.rest) == 0 {
		if a.ok {
			a.fail("FC211", a.site.at, "an enum needs values", `write enum("new", "paid")`)
		}
		return nil
	}
	t := &dataflow.Type{Kind: dataflow.KindEnum}
	seen := map[string]bool{}
	for _, w := range a.rest {
		s := string(w.val.(sl.String))
		switch {
		case s == "":
			a.fail("FC211", w.at, "an enum value is empty", "write field(…, optional = True) for a field that may be left out")
		case seen[s]:
			a.fail("FC211", w.at, fmt.Sprintf("the enum value %q is there twice", s), "")
		default:
			seen[s] = true
			t.Values = append(t.Values, s)
		}
	}
	return t
}

func (l *loader) listType(a *args, ft *fieldType) {
	g, ok := a.given["type"]
	if !ok {
		return
	}
	elem := l.typeOf(a.site.src, g, true)
	if elem == nil {
		return
	}
	if len(elem.opts) > 0 {
		a.fail("FC206", elem.opts[0].key, fmt.Sprintf("%s can't be said of the items of a list", elem.opts[0].name),
			"options stand behind the list's type: list(str, max_length = 10)")
	}
	if elem.ref != nil {
		a.fail("FC204", g.at, "a list can't hold references", "declare a model in between, with a reference to each side")
		return
	}
	ft.typ, ft.object = dataflow.ListOf(elem.typ), elem.object
}

func (l *loader) refType(a *args, ft *fieldType) {
	g, ok := a.given["model"]
	if !ok {
		return
	}
	ft.ref = &refTarget{at: g.at, onDelete: a.str("on_delete", "restrict"), onDeleteAt: a.at("on_delete")}
	ft.typ = &dataflow.Type{Kind: dataflow.KindRef}
	switch m := g.val.(type) {
	case value.Model:
		ft.typ.Model = m.M
	case sl.String:
		ft.ref.name = string(m)
	}
}

// typeOf reads the type of a field: a bare type, or one with options. It
// returns nil after reporting what is wrong, or for a placeholder.
func (l *loader) typeOf(src *source, w arg, objects bool) *fieldType {
	switch v := w.val.(type) {
	case *placeholder:
		return nil
	case *fieldType:
		return v
	case *typeValue:
		if t := basicTypes[v.name]; t != nil {
			return &fieldType{typ: t, at: w.at}
		}
		l.error("FC204", w.at, fmt.Sprintf("the type %s needs arguments", v.name), "as "+spec.Lookup(v.name).Example)
		return nil
	case *starlarkstruct.Module: // json and time are also modules of the library
		if t := basicTypes[v.Name]; t != nil {
			return &fieldType{typ: t, at: w.at}
		}
	case *sl.Dict:
		if objects {
			return l.objectType(src, w)
		}
		l.error("FC204", w.at, "a field can't be a dict of fields", "write json for a nested value, or declare a model and a ref to it")
		return nil
	}
	l.error("FC204", w.at, fmt.Sprintf("%s is no field type", describe(w.val)), noTypeHint(w.val))
	return nil
}

func noTypeHint(v sl.Value) string {
	switch v := v.(type) {
	case value.Model:
		return fmt.Sprintf("write ref(%s)", v)
	case sl.String:
		var names []string
		for _, t := range spec.Types() {
			if t.Name == string(v) {
				return fmt.Sprintf("write %s without quotes", t.Name)
			}
			names = append(names, t.Name)
		}
		if ours := foreignType(string(v)); ours != "" {
			return fmt.Sprintf("write %s without quotes", ours)
		}
		if hint := dataflow.DidYouMean(string(v), names); hint != "" {
			return hint
		}
		return "write one of these without quotes: " + strings.Join(names, ", ")
	case *sl.List:
		return "write list(str) for a list"
	}
	var names []string
	for _, t := range spec.Types() {
		names = append(names, t.Name)
	}
	return "the types are " + strings.Join(names, ", ")
}

// foreignType is our name for a type by the name that SQL and other languages
// have for it, or "".
func foreignType(name string) string {
	switch strings.ToLower(name) {
	case "string", "text", "varchar", "char":
		return "str"
	case "integer", "bigint", "int64", "number":
		return "int"
	case "boolean":
		return "bool"
	case "double", "real", "float64":
		return "float"
	case "numeric", "money":
		return "decimal(12, 2)"
	case "timestamp", "timestamptz":
		return "datetime"
	case "dict", "object", "jsonb":
		return "json"
	case "blob", "bytea", "binary":
		return "bytes"
	}
	return ""
}

// objectType reads a dict of fields, in the input of a workflow.
func (l *loader) objectType(src *source, w arg) *fieldType {
	fields := l.inputFields(src, w)
	return &fieldType{typ: dataflow.ObjectType(fields...), at: w.at, object: true}
}

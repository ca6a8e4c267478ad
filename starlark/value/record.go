package value

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	sl "go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Record is a *dataflow.Object in Starlark: a row, an input, a result. Its
// values are read as row["x"] or row.x and become Starlark values only then.
// It can't be changed: functions return what is to change.
type Record struct{ obj *dataflow.Object }

var (
	_ sl.IterableMapping = (*Record)(nil)
	_ sl.Sequence        = (*Record)(nil)
	_ sl.HasAttrs        = (*Record)(nil)
	_ sl.HasSetKey       = (*Record)(nil)
	_ sl.HasSetField     = (*Record)(nil)
	_ sl.HasBinary       = (*Record)(nil)
	_ sl.Comparable      = (*Record)(nil)
)

// NewRecord returns the Starlark view of an object, which must not change
// as long as the view is in use.
func NewRecord(o *dataflow.Object) *Record { return &Record{o} }

// Object returns the object behind the view.
func (r *Record) Object() *dataflow.Object { return r.obj }

// String renders the record as a Starlark dict.
func (r *Record) String() string {
	var b strings.Builder
	b.WriteByte('{')
	sep := ""
	for name, v := range r.obj.All {
		fmt.Fprintf(&b, "%s%s: %s", sep, sl.String(name), FromGo(v))
		sep = ", "
	}
	b.WriteByte('}')
	return b.String()
}

// Type returns "record".
func (r *Record) Type() string { return "record" }

// Freeze does nothing: a record is immutable.
func (r *Record) Freeze() {}

// Truth reports whether the record has any value.
func (r *Record) Truth() sl.Bool { return r.obj.Len() > 0 }

// Hash fails, as it does for dicts.
func (r *Record) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: record") }

// Len returns the number of values.
func (r *Record) Len() int { return r.obj.Len() }

// Get returns r[key].
func (r *Record) Get(key sl.Value) (sl.Value, bool, error) {
	name, ok := key.(sl.String)
	if !ok {
		return nil, false, nil
	}
	v, ok := r.obj.Get(string(name))
	if !ok {
		return nil, false, nil
	}
	return FromGo(v), true, nil
}

// SetKey refuses r[key] = v.
func (r *Record) SetKey(k, _ sl.Value) error {
	return fmt.Errorf("a record can't be changed; return {%s: …} from the function, or copy it with dict(row)", k)
}

// SetField refuses r.name = v.
func (r *Record) SetField(name string, _ sl.Value) error { return r.SetKey(sl.String(name), nil) }

// recordMethods are shadowed by values of the same name.
var recordMethods = []string{"get", "items", "keys", "values"}

// Attr returns the value of a name, else a method: get, keys, values, items.
func (r *Record) Attr(name string) (sl.Value, error) {
	if v, ok := r.obj.Get(name); ok {
		return FromGo(v), nil
	}
	switch name {
	case "get":
		return sl.NewBuiltin("get", func(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
			var key, dflt sl.Value = nil, sl.None
			if err := sl.UnpackPositionalArgs(b.Name(), args, kwargs, 1, &key, &dflt); err != nil {
				return nil, err
			}
			if v, ok, err := r.Get(key); ok || err != nil {
				return v, err
			}
			return dflt, nil
		}), nil
	case "keys":
		return r.method(name, func(k, _ sl.Value) sl.Value { return k }), nil
	case "values":
		return r.method(name, func(_, v sl.Value) sl.Value { return v }), nil
	case "items":
		return r.method(name, func(k, v sl.Value) sl.Value { return sl.Tuple{k, v} }), nil
	}
	return nil, nil
}

func (r *Record) method(name string, pick func(k, v sl.Value) sl.Value) sl.Value {
	return sl.NewBuiltin(name, func(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		if err := sl.UnpackPositionalArgs(b.Name(), args, kwargs, 0); err != nil {
			return nil, err
		}
		out := make([]sl.Value, 0, r.obj.Len())
		for k, v := range r.obj.All {
			out = append(out, pick(sl.String(k), FromGo(v)))
		}
		return sl.NewList(out), nil
	})
}

// AttrNames lists the names and methods.
func (r *Record) AttrNames() []string { return append(r.obj.Names(), recordMethods...) }

// Items returns the name-value pairs, for dict(row) and **row.
func (r *Record) Items() []sl.Tuple {
	items := make([]sl.Tuple, 0, r.obj.Len())
	for k, v := range r.obj.All {
		items = append(items, sl.Tuple{sl.String(k), FromGo(v)})
	}
	return items
}

// Iterate goes through the names.
func (r *Record) Iterate() sl.Iterator { return &nameIterator{names: r.obj.Names()} }

type nameIterator struct{ names []string }

func (it *nameIterator) Next(p *sl.Value) bool {
	if len(it.names) == 0 {
		return false
	}
	*p = sl.String(it.names[0])
	it.names = it.names[1:]
	return true
}

func (it *nameIterator) Done() {}

// Binary implements the union of a record and a dict, or of two records: the
// right side wins. The result is a new dict.
func (r *Record) Binary(op syntax.Token, y sl.Value, side sl.Side) (sl.Value, error) {
	other, ok := y.(sl.IterableMapping)
	if op != syntax.PIPE || !ok {
		return nil, nil
	}
	first, second := sl.IterableMapping(r), other
	if side == sl.Right {
		first, second = other, r
	}
	out := sl.NewDict(r.Len())
	for _, m := range []sl.IterableMapping{first, second} {
		for _, kv := range m.Items() {
			if err := out.SetKey(kv[0], kv[1]); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// CompareSameType compares two records for equality, whatever their order.
func (r *Record) CompareSameType(op syntax.Token, y sl.Value, depth int) (bool, error) {
	if op != syntax.EQL && op != syntax.NEQ {
		return false, fmt.Errorf("record %s record not implemented", op)
	}
	equal, err := r.equal(y.(*Record), depth)
	return equal == (op == syntax.EQL), err
}

func (r *Record) equal(o *Record, depth int) (bool, error) {
	if r.obj == o.obj {
		return true, nil
	}
	if r.Len() != o.Len() {
		return false, nil
	}
	for k, v := range r.obj.All {
		ov, ok := o.obj.Get(k)
		if !ok {
			return false, nil
		}
		if eq, err := sl.EqualDepth(FromGo(v), FromGo(ov), depth-1); !eq || err != nil {
			return false, err
		}
	}
	return true, nil
}

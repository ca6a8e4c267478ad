package check

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

// val is what is known of a value that a function works with. A nil *val is
// one that nothing is known of.
type val struct {
	kind  valKind
	typ   *dataflow.Type // isTyped
	text  *string        // the string that a typed one is, where it is written out
	count *int64         // the whole number, in the same way
	plain any            // the bool or the float
	names []*entry       // isDict, in their order
	open  bool           // isDict: there may be other names. isList: nothing is known of the items
	items []*val         // isList as it is written out, isTuple
	elem  *val           // isList: what its items have in common
	op    dataflow.Op    // isOp
	model *dataflow.Model
	def   *syntax.DefStmt
	file  *file         // of def
	at    dataflow.Span // of text, count, plain and what was reckoned
	scale *int          // of a number: how many digits may be behind the point, where the type does not say
	from  *dataflow.Op  // whose result it is, and so not None
	lib   string        // isLib: its name; isSent, with a signal: the signal's
}

type valKind uint8

const (
	isTyped valKind = iota
	isNone
	isCtx
	isModel
	isOp
	isDef
	isDict
	isList
	isTuple
	isLib  // a function of the library
	isTest // the parameter of a test, or who it calls as
	isSent // what a caller sent, of whatever shape
)

// entry is a name in a dict.
type entry struct {
	name string
	val  *val
	at   dataflow.Span // of the name
}

func typed(t *dataflow.Type) *val {
	switch t.Kind {
	case dataflow.KindAny, dataflow.KindJSON:
		return nil
	case dataflow.KindList:
		return &val{kind: isList, elem: typed(t.Elem), open: typed(t.Elem) == nil}
	}
	return &val{kind: isTyped, typ: t.Scalar()}
}

// is reports whether the value is known to be of a kind of type.
func (v *val) is(k dataflow.Kind) bool { return v != nil && v.kind == isTyped && v.typ.Kind == k }

// written is the text or number that the value is; nil where it is not written
// out.
func (v *val) written() any {
	switch {
	case v == nil:
	case v.text != nil:
		return *v.text
	case v.count != nil:
		return *v.count
	}
	return nil
}

// isText reports whether the value is a string, of whatever type.
func (v *val) isText() bool {
	return v.is(dataflow.KindString) || v.is(dataflow.KindEnum) || v.is(dataflow.KindUUID)
}

// isRecord reports whether the value has names that are all known.
func (v *val) isRecord() bool {
	return v.is(dataflow.KindRecord) || v.is(dataflow.KindObject) && v.typ.Fields != nil
}

func (v *val) entry(name string) *entry {
	for _, e := range v.names {
		if e.name == name {
			return e
		}
	}
	return nil
}

func (v *val) set(e *entry) {
	if old := v.entry(e.name); old != nil {
		old.val = join(old.val, e.val)
		return
	}
	v.names = append(v.names, e)
}

func (v *val) entryNames() []string {
	var names []string
	for _, e := range v.names {
		names = append(names, e.name)
	}
	return names
}

// escape forgets what may be changed where nobody sees it.
func (v *val) escape() {
	if v != nil && (v.kind == isDict || v.kind == isList) {
		v.open, v.items, v.elem = true, nil, nil
		for _, e := range v.names {
			e.val = nil
		}
	}
}

// oneItem is what is known of any item of a list. From here on it may be
// changed, and stands for all of them.
func (v *val) oneItem() *val {
	if v.elem != nil && (v.elem.kind == isDict || v.elem.kind == isList) {
		v.items = nil
	}
	return v.elem
}

// isFalse reports whether the value is written out, and taken for False.
func (v *val) isFalse() bool {
	return v != nil && (v.kind == isNone || v.count != nil && *v.count == 0 || v.text != nil && *v.text == "")
}

// join is what two values have in common, of which one is there. What may be
// None is what it is otherwise: whatever is done with None fails all the same.
func join(a, b *val) *val {
	v := joined(a, b)
	if v != nil && v.from != nil && (a.from == nil || b.from == nil || *a.from != *b.from) {
		out := *v
		out.from = nil
		return &out
	}
	return v
}

func joined(a, b *val) *val {
	switch {
	case a == nil || b == nil || a == b:
		if a == b {
			return a
		}
		return nil
	case a.kind == isNone:
		return b
	case b.kind == isNone:
		return a
	case a.kind != b.kind:
		return nil
	}
	switch a.kind {
	case isTyped:
		return joinTypes(a, b)
	case isDict:
		out := &val{kind: isDict, open: a.open || b.open}
		for _, e := range slices.Concat(a.names, b.names) {
			out.set(&entry{e.name, e.val, e.at})
		}
		return out
	case isList:
		out := &val{kind: isList, open: a.open || b.open}
		switch {
		case out.open:
		case a.elem == nil:
			out.elem = b.elem
		case b.elem == nil:
			out.elem = a.elem
		default:
			out.elem = join(a.elem, b.elem)
			out.open = out.elem == nil
		}
		return out
	case isCtx:
		return a
	case isOp:
		if a.op == b.op {
			return a
		}
	case isModel:
		if a.model == b.model {
			return a
		}
	case isDef:
		if a.def == b.def {
			return a
		}
	}
	return nil
}

func joinTypes(a, b *val) *val {
	switch {
	case a.is(dataflow.KindDecimal) && b.is(dataflow.KindDecimal):
		x, known := a.digits()
		y, also := b.digits()
		return number(max(x, y), known && also, dataflow.Span{})
	case a.typ == b.typ || a.typ.Kind == b.typ.Kind && a.typ.Kind != dataflow.KindEnum && a.typ.Kind != dataflow.KindRecord && a.typ.Kind != dataflow.KindObject:
		if a.text != nil && b.text != nil && *a.text == *b.text || a.count != nil && b.count != nil && *a.count == *b.count {
			return a
		}
		return &val{kind: isTyped, typ: a.typ}
	case a.is(dataflow.KindRecord) && b.is(dataflow.KindRecord) && a.typ.Model == b.typ.Model:
		return a
	case a.isRecord() && b.isRecord() && a.is(dataflow.KindObject) && slices.Equal(a.typ.AttrNames(), b.typ.AttrNames()):
		return a // the fields of one read, or of one like it
	case a.isText() && b.isText():
		return typed(dataflow.String)
	}
	return nil
}

// static is the value for the parsers of filters, sorts and aggregates: what is
// not written out is a reference, whose value the run knows.
func (v *val) static() any {
	switch {
	case v == nil:
	case v.kind == isNone:
		return nil
	case v.text != nil:
		return *v.text
	case v.kind == isDict && !v.open:
		o := dataflow.NewObject()
		for _, e := range v.names {
			o.Set(e.name, e.val.static())
		}
		return o
	case (v.kind == isList || v.kind == isTuple) && v.items != nil:
		var list []any
		for _, it := range v.items {
			list = append(list, it.static())
		}
		return list
	}
	return dataflow.Ref{Root: dataflow.RootUnknown}
}

// key is the place of the key that the JSON pointer ends in; zero where it ends
// in none that is written out.
func (v *val) key(pointer []string) dataflow.Span {
	if v == nil {
		return dataflow.Span{}
	}
	if v.kind == isDict {
		e := v.entry(pointer[0])
		switch {
		case e == nil:
			return dataflow.Span{}
		case len(pointer) == 1:
			return e.at
		}
		return e.val.key(pointer[1:])
	}
	for i, it := range v.items {
		if pointer[0] == itoa(i) && len(pointer) > 1 {
			return it.key(pointer[1:])
		}
	}
	return dataflow.Span{}
}

// place is the place of the part at a JSON pointer, or of the nearest above it.
func (v *val) place(pointer []string) dataflow.Span {
	if v == nil {
		return dataflow.Span{}
	}
	if len(pointer) == 0 {
		return v.at
	}
	if v.kind == isDict {
		if e := v.entry(pointer[0]); e != nil {
			if at := e.val.place(pointer[1:]); !at.IsZero() {
				return at
			}
			return e.at
		}
	}
	for i, it := range v.items {
		if pointer[0] == itoa(i) {
			return it.place(pointer[1:])
		}
	}
	return dataflow.Span{}
}

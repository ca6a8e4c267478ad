package codec

import (
	"github.com/flowctl/flowctl/dataflow"
)

// any reads a value of any type.
func (p *parser) any() (any, bool) {
	switch b := p.peek(); {
	case b == '"':
		s, ok := p.str()
		return s, ok
	case b == '{':
		o := dataflow.NewObject()
		ok := p.members(func(name string) bool {
			twice := o.Has(name)
			if twice {
				p.duplicate(name)
			}
			v, ok := p.any()
			if ok && !twice {
				o.Set(name, v)
			}
			return ok
		})
		return o, ok
	case b == '[':
		list := []any{}
		ok := p.elements(func() bool {
			v, ok := p.any()
			list = append(list, v)
			return ok
		})
		return list, ok
	case b == 't':
		return true, p.literal("true")
	case b == 'f':
		return false, p.literal("false")
	case b == 'n':
		return nil, p.literal("null")
	case b == '-' || b >= '0' && b <= '9':
		raw, whole, ok := p.number()
		if !ok {
			return nil, false
		}
		v, why := number(raw, whole)
		if why != "" {
			p.add("too_large", why, "")
		}
		return v, true
	}
	return nil, p.unexpected("a value")
}

func (p *parser) duplicate(name string) {
	p.add("duplicate_key", "the name "+quote(name)+" is given twice", "give it once")
}

// mismatch reads past a value that should have been of type t and records
// what it is instead.
func (p *parser) mismatch(t *dataflow.Type) (any, bool) {
	found, null := p.found, p.peek() == 'n'
	v, ok := p.any()
	if !ok {
		return nil, false
	}
	p.forget(found) // what is wrong inside does not matter any more
	kind := kindOf(v)
	if v == nil && !null {
		kind = "a number" // too large to be kept
	}
	p.add("wrong_type", "must be "+expected(t)+", not "+kind, "")
	return nil, true
}

// root reads an object by d; anything else is a problem.
func (p *parser) root(d *Decoder) (any, bool) {
	if p.peek() != '{' {
		return p.mismatch(anyObject)
	}
	return p.object(d)
}

// object reads an object by d.
func (p *parser) object(d *Decoder) (any, bool) {
	o := dataflow.NewBlank(d.shape)
	vals := o.Vals()
	next := 0 // names mostly come in order
	ok := p.members(func(name string) bool {
		i := next
		if i >= len(d.fields) || d.shape.Name(i) != name {
			var known bool
			if i, known = d.shape.Index(name); !known || i >= len(d.fields) {
				if known && (d.hidden == nil || !d.hidden[i]) {
					return p.refuse(name, func() { p.computed(name) }, &vals[i])
				}
				return p.refuse(name, func() { p.unknown(name, d.fields, d.hidden) }, nil)
			}
		}
		if d.hidden != nil && d.hidden[i] {
			return p.refuse(name, func() { p.unknown(name, d.fields, d.hidden) }, nil)
		}
		next = i + 1
		if vals[i] != dataflow.Absent {
			p.duplicate(name)
			_, ok := p.any()
			return ok
		}
		v, ok := p.field(d.fields[i], d.nested[i])
		vals[i] = v
		return ok
	})
	return o, ok
}

// refuse reads past the value of a name that can't be given, which is kept in
// into, if that is not nil: whether a computed value is that of the row is for
// others to say.
func (p *parser) refuse(name string, record func(), into *any) bool {
	p.pop()
	record()
	p.push(name)
	found := p.found
	v, ok := p.any()
	if ok {
		p.forget(found)
		if into != nil {
			*into = v
		}
	}
	return ok
}

// field reads the value of a field and checks it. The value is nil if it has
// a problem.
func (p *parser) field(f *dataflow.Field, nested *Decoder) (any, bool) {
	if p.peek() == 'n' {
		if !p.literal("null") {
			return nil, false
		}
		p.null(f)
		return nil, true
	}
	found := p.found
	v, ok := p.typed(f.Type.Scalar(), nested)
	if !ok || p.found > found {
		return nil, ok
	}
	if !p.check(f, v) {
		return nil, true
	}
	return v, true
}

// typed reads a value of type t, which is no reference. Problems leave nil.
func (p *parser) typed(t *dataflow.Type, nested *Decoder) (any, bool) {
	switch t.Kind {
	case dataflow.KindAny:
		v, ok := p.any()
		if !ok {
			return nil, false
		}
		v, _ = p.value(t, v)
		return v, true
	case dataflow.KindJSON:
		found := p.found
		v, ok := p.any()
		if !ok || p.found > found {
			return nil, ok
		}
		raw, _ := p.json(v)
		return raw, true
	}
	switch b := p.peek(); {
	case b == '"':
		if !isText(t.Kind) {
			return p.mismatch(t)
		}
		s, ok := p.str()
		if !ok {
			return nil, false
		}
		v, _ := p.text(t, s)
		return v, true
	case b == '-' || b >= '0' && b <= '9':
		if !isNumber(t.Kind) {
			return p.mismatch(t)
		}
		raw, whole, ok := p.number()
		if !ok {
			return nil, false
		}
		v, _ := p.numeral(t, raw, whole)
		return v, true
	case b == '[' && t.Kind == dataflow.KindList:
		return p.list(t, nested)
	case b == '{' && nested != nil && t.Kind == dataflow.KindObject:
		return p.nestedObject(nested)
	case b == '{' && (t.Kind == dataflow.KindObject || t.Kind == dataflow.KindRecord):
		v, ok := p.any()
		if !ok {
			return nil, false
		}
		v, _ = p.value(t, v)
		return v, true
	case (b == 't' || b == 'f') && t.Kind == dataflow.KindBool:
		return p.any()
	}
	return p.mismatch(t)
}

func (p *parser) list(t *dataflow.Type, nested *Decoder) (any, bool) {
	elem := t.Elem.Scalar()
	list := []any{}
	ok := p.elements(func() bool {
		if p.peek() == 'n' {
			if !p.literal("null") {
				return false
			}
			if elem.Kind != dataflow.KindAny && elem.Kind != dataflow.KindJSON {
				p.add("null", "must be "+expected(elem)+", not null", "")
			}
			list = append(list, nil)
			return true
		}
		v, ok := p.typed(elem, nested)
		list = append(list, v)
		return ok
	})
	return list, ok
}

func (p *parser) nestedObject(d *Decoder) (any, bool) {
	v, ok := p.object(d)
	if !ok {
		return nil, false
	}
	p.complete(d.fields, v.(*dataflow.Object))
	return v, true
}

func isText(k dataflow.Kind) bool {
	switch k {
	case dataflow.KindString, dataflow.KindDecimal, dataflow.KindDateTime, dataflow.KindDate,
		dataflow.KindTime, dataflow.KindUUID, dataflow.KindBytes, dataflow.KindEnum:
		return true
	}
	return false
}

func isNumber(k dataflow.Kind) bool {
	return k == dataflow.KindInt || k == dataflow.KindFloat || k == dataflow.KindDecimal
}

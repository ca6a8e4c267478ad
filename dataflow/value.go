package dataflow

import "slices"

// A value at run time is one of
//
//	nil                 null
//	bool                bool
//	int64               int, and whole numbers in JSON
//	float64             float
//	Decimal             decimal, and JSON numbers a float64 would alter
//	string              str, enum, uuid (canonical, lower case)
//	time.Time           datetime: UTC, microseconds, years 1 to 9999
//	Date, TimeOfDay     date, time
//	[]byte              bytes
//	[]any               list
//	*Object             a row, a node's output, a JSON object
//
// and nothing else. "Canonical" in this package means one of these.

// Date is a calendar date, "2006-01-02". Dates compare as strings.
type Date string

// TimeOfDay is a time within a day, "15:04:05" or "15:04:05.000001" with up
// to six decimals and no trailing zeros. Times compare as strings.
type TimeOfDay string

// RawJSON is the text of a json field as the database returned it: valid,
// compact JSON. It is decoded only where something looks inside.
type RawJSON string

// Shape is an ordered set of names. Objects of the same kind share one, so a
// row costs no map.
type Shape struct {
	names []string
	index map[string]int
}

// NewShape returns the shape with these names, which must differ.
func NewShape(names ...string) *Shape {
	s := &Shape{names: slices.Clone(names), index: make(map[string]int, len(names))}
	for i, n := range names {
		s.index[n] = i
	}
	return s
}

// Len returns the number of names.
func (s *Shape) Len() int { return len(s.names) }

// Name returns the i-th name.
func (s *Shape) Name(i int) string { return s.names[i] }

// Index returns the position of a name.
func (s *Shape) Index(name string) (int, bool) {
	if s.index == nil { // a short shape of a one-off object
		i := slices.Index(s.names, name)
		return i, i >= 0
	}
	i, ok := s.index[name]
	return i, ok
}

// Absent is the value of a name that a shared shape has and an object
// leaves out, as a PATCH body leaves out most fields. It is not null. It
// never reaches user code.
var Absent any = absent{}

type absent struct{}

// Object is an ordered set of named values.
type Object struct {
	shape *Shape
	owned bool // shape belongs to this object alone and may grow
	vals  []any
}

// roomy is an object with its own shape and room for a few names, in one piece:
// most objects have no more.
type roomy struct {
	Object
	own   Shape
	names [few]string
	room  [few]any
}

// few is how many names most objects have no more than.
const few = 4

// NewObject returns an object with no names.
func NewObject() *Object {
	r := &roomy{}
	r.own.names = r.names[:0]
	r.shape, r.owned, r.vals = &r.own, true, r.room[:0]
	return &r.Object
}

// NewRecord returns an object over a shared shape. vals is kept, not copied,
// and must be as long as the shape.
func NewRecord(shape *Shape, vals []any) *Object { return &Object{shape: shape, vals: vals} }

// NewBlank returns an object over a shared shape of which every name is Absent.
// A small one is a single piece, and one of a single name, as what names a row by
// its id, a smaller one.
func NewBlank(shape *Shape) *Object {
	var o *Object
	if n := shape.Len(); n == 1 {
		r := &struct {
			Object
			room [1]any
		}{}
		o, r.vals = &r.Object, r.room[:]
	} else if n <= few {
		r := &struct {
			Object
			room [few]any
		}{}
		o, r.vals = &r.Object, r.room[:n:n]
	} else {
		o = &Object{vals: make([]any, n)}
	}
	o.shape = shape
	for i := range o.vals {
		o.vals[i] = Absent
	}
	return o
}

// ObjectOf builds an object from alternating names and values, for literals in Go.
func ObjectOf(namesAndValues ...any) *Object {
	o := NewObject()
	for i := 0; i < len(namesAndValues); i += 2 {
		o.Set(namesAndValues[i].(string), namesAndValues[i+1])
	}
	return o
}

// Shape returns the object's shape. Positions in it are those of At and Vals.
func (o *Object) Shape() *Shape { return o.shape }

// Vals returns the values in the shape's order, Absent among them. It is the
// object's own slice.
func (o *Object) Vals() []any { return o.vals }

// Len returns the number of names that have a value.
func (o *Object) Len() int {
	n := 0
	for _, v := range o.vals {
		if v != Absent {
			n++
		}
	}
	return n
}

// Get returns the value of a name, and whether there is one.
func (o *Object) Get(name string) (any, bool) {
	i, ok := o.shape.Index(name)
	if !ok || o.vals[i] == Absent {
		return nil, false
	}
	return o.vals[i], true
}

// Has reports whether the name has a value (which may be null).
func (o *Object) Has(name string) bool {
	_, ok := o.Get(name)
	return ok
}

// Set gives the name a value, adding the name at the end if it is new.
func (o *Object) Set(name string, v any) {
	if i, ok := o.shape.Index(name); ok {
		o.vals[i] = v
		return
	}
	if !o.owned {
		o.shape = &Shape{names: slices.Clone(o.shape.names)}
		o.owned = true
		if len(o.shape.names) > shortShape {
			o.shape.reindex()
		}
	}
	s := o.shape
	s.names = append(s.names, name)
	if s.index != nil {
		s.index[name] = len(s.names) - 1
	} else if len(s.names) > shortShape {
		s.reindex()
	}
	o.vals = append(o.vals, v)
}

// shortShape is the length up to which a linear search beats a map.
const shortShape = 8

func (s *Shape) reindex() {
	s.index = make(map[string]int, len(s.names)+1)
	for i, n := range s.names {
		s.index[n] = i
	}
}

// All calls yield for each name that has a value, in order: it is an
// iterator to range over.
func (o *Object) All(yield func(string, any) bool) {
	for i, v := range o.vals {
		if v != Absent && !yield(o.shape.names[i], v) {
			return
		}
	}
}

// Names returns the names that have a value, in order.
func (o *Object) Names() []string {
	names := make([]string, 0, len(o.vals))
	for n := range o.All {
		names = append(names, n)
	}
	return names
}

// Clone returns a copy that can be changed without changing o. Values are
// not copied: they are immutable, but for nested objects, which are shared.
func (o *Object) Clone() *Object {
	c := &Object{shape: o.shape, vals: slices.Clone(o.vals)}
	if o.owned { // o may grow its shape later: take one of our own
		c.shape = &Shape{names: slices.Clone(o.shape.names)}
		c.owned = true
		if o.shape.index != nil {
			c.shape.reindex()
		}
	}
	return c
}

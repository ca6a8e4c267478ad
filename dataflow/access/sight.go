package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Sight is what a caller may learn of models, by filters, sorts and all else
// that names fields.
func (c Caller) Sight() query.Sight {
	s := query.Sight{Model: c.Sees}
	if c.ruled() && c.Scoped { // a key for orders shows no customers
		s.Model = func(m *dataflow.Model) bool {
			return (c.Sees == nil || c.Sees(m)) && inScope(c, OperationScopes(m, dataflow.OpRead)) == nil
		}
	}
	if c.ruled() {
		s.Named = func(m *dataflow.Model) bool { return MayAny(c, m) }
		s.Field = func(m *dataflow.Model, i int) bool {
			f := fieldAccess(m, i)
			return f == nil || !hidden(c, f)
		}
	}
	return s
}

// fieldAccess returns what is said of a position of a model's shape, or nil.
func fieldAccess(m *dataflow.Model, i int) *dataflow.FieldAccess {
	if m.Access == nil {
		return nil
	}
	for k := range m.Access.Fields {
		if f := &m.Access.Fields[k]; f.Field == i {
			return f
		}
	}
	return nil
}

func hidden(c Caller, f *dataflow.FieldAccess) bool { return f.Read != nil && !lets(c, f.Read) }

// fixed reports whether a caller may not give the field. One that it does not
// see it does not set, unless that is said.
func fixed(c Caller, f *dataflow.FieldAccess) bool {
	if f.Write != nil {
		return !lets(c, f.Write)
	}
	return hidden(c, f)
}

// sight is what a caller sees and sets of the rows of one model. Positions are
// those of the shape.
type sight struct {
	hidden  []bool // not shown; nil: all is
	fixed   []bool // not to be given; nil: all but what the runtime writes can be
	decoder *codec.Decoder
	show    []int // what is not hidden; nil: all
	whole   *reading
}

// sight returns what a caller sees. There are few of them for a model, and they
// are kept.
func (m *Model) sight(c Caller) *sight {
	if !c.ruled() || m.m.Access == nil || len(m.m.Access.Fields) == 0 {
		return m.all
	}
	var buf [32]byte
	key := buf[:0]
	for i := range m.m.Access.Fields {
		f, bits := &m.m.Access.Fields[i], byte(0)
		if hidden(c, f) {
			bits |= 1
		}
		if fixed(c, f) {
			bits |= 2
		}
		key = append(key, bits)
	}
	if s, ok := m.sights.Load(string(key)); ok {
		return s.(*sight)
	}
	s, _ := m.sights.LoadOrStore(string(key), m.newSight(key))
	return s.(*sight)
}

// Sees reports whether a caller is shown a position of the model's shape, and
// Sets whether they may give it, as far as access rules say.
func (m *Model) Sees(c Caller, i int) bool { s := m.sight(c); return s.hidden == nil || !s.hidden[i] }

func (m *Model) Sets(c Caller, i int) bool { s := m.sight(c); return s.fixed == nil || !s.fixed[i] }

// newSight works a sight out: key says of each field with rules whether it is
// hidden (1) and fixed (2).
func (m *Model) newSight(key []byte) *sight {
	n := m.m.Shape().Len()
	s := &sight{hidden: make([]bool, n), fixed: make([]bool, n), show: make([]int, 0, n)}
	unknown := make([]bool, n)
	for i, bits := range key {
		at := m.m.Access.Fields[i].Field
		s.hidden[at], s.fixed[at] = bits&1 != 0, bits&2 != 0
		given := at < len(m.m.Fields) && m.m.Fields[at].System == dataflow.RoleNone && !s.fixed[at]
		unknown[at] = s.hidden[at] && !given
	}
	for i := range n {
		if !s.hidden[i] {
			s.show = append(s.show, i)
		}
	}
	if m.decoder != nil {
		s.decoder = m.decoder.Without(unknown)
	}
	s.whole = m.newReading(s.show)
	return s
}

// reading returns how rows are read of which some positions are asked for (nil:
// all), and also some fields that are needed besides.
func (m *Model) reading(s *sight, asked []int, also ...int) *reading {
	switch {
	case asked != nil:
		return m.newReading(asked, also...)
	case s.show != nil && len(also) > 0:
		return m.newReading(s.show, also...)
	}
	return s.whole
}

// shown returns what a caller may see of a whole row.
func (s *sight) shown(row *dataflow.Object) *dataflow.Object {
	if s.show == nil {
		return row
	}
	vals := make([]any, len(row.Vals()))
	for i, v := range row.Vals() {
		if vals[i] = v; s.hidden[i] {
			vals[i] = dataflow.Absent
		}
	}
	return dataflow.NewRecord(row.Shape(), vals)
}

// refuseFixed records a problem for each field that the caller gives and may
// not. Those that it does not see were unknown to the decoder.
func (m *Model) refuseFixed(s *sight, in *input) {
	if s.fixed == nil {
		return
	}
	for i, f := range m.m.Fields {
		if !s.fixed[i] || s.hidden[i] || in.row.Vals()[i] == dataflow.Absent {
			continue
		}
		in.problems = without(in.problems, at(in.pointer, f.Name))
		in.add("read_only", f.Name, fmt.Sprintf("%q is not yours to set", f.Name), "leave it out")
		in.row.Vals()[i] = dataflow.Absent
	}
}

// fixes reports whether the caller may not give a field.
func (s *sight) fixes(i int) bool { return s.fixed != nil && s.fixed[i] }

// veiled takes out of a store's error what it tells of what the caller does not
// see: the names of fields, and which model's rows refer to one.
func (m *Model) veiled(c Caller, err error) error {
	e := dataflow.AsError(err)
	switch {
	case !c.ruled() || e == nil:
	case e.Code == "unique_violation":
		for _, p := range e.Problems {
			if s := m.sight(c); s.hidden != nil && m.hides(s, p.Pointer) {
				return store.Taken(m.m, nil, "", e.Err)
			}
		}
	case e.Code == "table_rule" && m.sight(c).hidden != nil: // its name, or on SQLite its text, is of columns
		return store.Refused(m.m, "", e.Problems[0].Pointer, e.Err)
	case e.Code == "table_broken" && m.rulesAround(): // it names columns, of other tables too
		pointer := e.Problems[0].Pointer
		if s := m.sight(c); s.hidden != nil && m.hides(s, pointer) {
			pointer = pointer[:strings.LastIndexByte(pointer, '/')]
		}
		return store.Unworkable(m.m, pointer, "", "", e.Err)
	case e.Code == "reference_violation" && len(e.Problems) == 0 && m.referredUnseen(c):
		other := *e
		other.Message, other.Hint = "other rows still refer to this "+m.m.Name, ""
		return &other
	}
	return err
}

// rulesAround reports whether any model beside m keeps something from callers.
func (m *Model) rulesAround() bool {
	return m.m.Database != nil && slices.ContainsFunc(m.m.Database.Models, func(o *dataflow.Model) bool { return o.Access != nil })
}

// hides reports whether a pointer ends in the name of a hidden field.
func (m *Model) hides(s *sight, pointer string) bool {
	for i := range m.m.Fields {
		if s.hidden[i] && strings.HasSuffix(pointer, at("", m.m.Fields[i].Name)) {
			return true
		}
	}
	return false
}

// referredUnseen reports whether rows may refer to those of m by what the caller
// does not see.
func (m *Model) referredUnseen(c Caller) bool {
	sight := c.Sight()
	return m.m.Database != nil && slices.ContainsFunc(m.m.Database.Models, func(other *dataflow.Model) bool {
		for i, f := range other.Fields {
			if f.Type.Kind == dataflow.KindRef && f.Type.Model == m.m && (readable(c, other) != nil || !sight.Field(other, i)) {
				return true
			}
		}
		return false
	})
}

package access

import (
	"context"
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// input is what a caller gave for a row: its fields, and what was wrong with
// them. Pointers of problems start with pointer.
type input struct {
	row      *dataflow.Object
	problems []dataflow.Problem
	pointer  string
	barred   bool // a row can't be made of it: it lacks what the caller may not give
}

func (in *input) add(code, name, detail, hint string) {
	in.problems = append(in.problems, problem(code, at(in.pointer, name), detail, hint))
}

// coerce reads named values, as somebody gives them.
func (s *sight) coerce(values *dataflow.Object, pointer string) *input {
	row, problems := s.decoder.Coerce(values, pointer)
	return &input{row: row, problems: problems, pointer: pointer}
}

// refuseSystem records a problem for each field that the runtime writes.
func (m *Model) refuseSystem(in *input, idAllowed bool) {
	for i, f := range m.m.Fields {
		if f.System == dataflow.RoleNone || in.row.Vals()[i] == dataflow.Absent || i == m.id && idAllowed {
			continue
		}
		in.problems = without(in.problems, at(in.pointer, f.Name))
		in.add("read_only", f.Name, fmt.Sprintf("%q is written by the runtime", f.Name), "leave it out")
		in.row.Vals()[i] = dataflow.Absent
	}
}

// fillIn gives fields that were left out their default, or null, and records
// a problem for each that is required.
func (m *Model) fillIn(s *sight, in *input) {
	vals := in.row.Vals()
	for i, f := range m.m.Fields {
		switch {
		case i == m.id && vals[i] == "":
			in.add("too_short", f.Name, "must not be empty", "a row is read at a path that ends in its id")
		case i == m.id && tooLong(vals[i]):
			in.add("too_long", f.Name, fmt.Sprintf("must have at most %d bytes", maxID), "a row is read at a path that ends in its id")
		case vals[i] != dataflow.Absent:
		case f.HasDefault:
			vals[i] = f.Default
		case i == m.id:
			m.fillInID(in)
		case f.System != dataflow.RoleNone:
		case f.Optional:
			vals[i] = nil
		case s.fixes(i):
			in.barred = true
		default:
			in.add("required", f.Name, fmt.Sprintf("%q is required", f.Name), "")
		}
	}
}

// maxID is how many bytes an id has at most: paths and headers hold it,
// written with up to three characters for each.
const maxID = 1024

func tooLong(id any) bool {
	s, ok := id.(string)
	return ok && len(s) > maxID
}

// fillInID makes an id where the database does not.
func (m *Model) fillInID(in *input) {
	f := m.m.ID()
	switch f.Type.Kind {
	case dataflow.KindUUID:
		in.row.Vals()[m.id] = m.newID()
	case dataflow.KindInt: // the database picks one
	default:
		in.add("required", f.Name, fmt.Sprintf("%q is required", f.Name), "")
	}
}

// stamp fills in the fields that the runtime writes.
func (m *Model) stamp(row *dataflow.Object, c Caller) {
	vals := row.Vals()
	if m.updatedAt >= 0 {
		now := any(m.clock.tick())
		vals[m.createdAt], vals[m.updatedAt] = now, now
	}
	if m.version >= 0 {
		vals[m.version] = int64(1)
	}
	if m.tenant >= 0 {
		vals[m.tenant] = c.Tenant
	}
	if m.deletedAt >= 0 {
		vals[m.deletedAt] = nil
	}
}

// newRow makes the row that a create would add of what the caller gave.
func (m *Model) newRow(ctx context.Context, c Caller, in *input) (*dataflow.Object, error) {
	if m.tenant >= 0 && c.Tenant == "" {
		return nil, m.tenantRequired(c)
	}
	s := m.sight(c)
	m.refuseSystem(in, m.m.ClientID)
	m.refuseFixed(s, in)
	m.fillIn(s, in)
	if err := m.invalid(in.problems); err != nil {
		return nil, err
	}
	if in.barred {
		return nil, m.forbidden("create rows of " + m.m.Name + ", which need values that are not yours to give")
	}
	m.stamp(in.row, c)
	if _, err := m.before(ctx, m.m.BeforeCreate, "before_create", in.row, in.pointer); err != nil {
		return nil, err
	}
	return in.row, m.validate(ctx, in.row, in.pointer)
}

// NewRow makes the row that a create with this JSON body would add: decoded,
// defaults filled in, hooks and validation run. It needs no transaction, so
// that none is held while user code runs.
func (m *Model) NewRow(ctx context.Context, c Caller, body []byte) (*dataflow.Object, error) {
	if err := m.admit(c, dataflow.OpCreate); err != nil {
		return nil, err
	}
	row, problems := m.sight(c).decoder.Decode(body)
	if row == nil {
		return nil, m.invalid(problems)
	}
	return m.newRow(ctx, c, &input{row: row, problems: problems})
}

// before runs a hook on a row and applies the changes it returns to the row.
// It returns the positions of the fields changed.
func (m *Model) before(ctx context.Context, fn dataflow.Func, role string, row *dataflow.Object, pointer string) ([]int, error) {
	if fn == nil {
		return nil, nil
	}
	v, err := fn.Call(ctx, []any{row}, nil)
	if err != nil || v == nil {
		return nil, err
	}
	changes, ok := v.(*dataflow.Object)
	if !ok {
		return nil, m.misbehaved(fn, role, "must return None or a dict of changes")
	}
	if changes.Shape() == row.Shape() { // the whole row, perhaps the very one
		changes = m.differing(row, changes)
	}
	in := m.all.coerce(changes, pointer)
	m.refuseSystem(in, false)
	for _, p := range in.problems {
		if p.Code == "unknown_field" || p.Code == "read_only" {
			return nil, m.misbehaved(fn, role, "changes what it can't: "+p.Detail)
		}
	}
	if err := m.invalid(in.problems); err != nil {
		return nil, err
	}
	var changed []int
	for i, v := range in.row.Vals() {
		if v != dataflow.Absent {
			row.Vals()[i] = v
			changed = append(changed, i)
		}
	}
	return changed, nil
}

// differing returns the fields in which other differs from row.
func (m *Model) differing(row, other *dataflow.Object) *dataflow.Object {
	changes := dataflow.NewObject()
	for i, f := range m.m.Fields {
		if v := other.Vals()[i]; v != dataflow.Absent && !same(row.Vals()[i], v) {
			changes.Set(f.Name, v)
		}
	}
	return changes
}

// same reports whether two canonical values are equal.
func same(a, b any) bool {
	if a == nil || b == nil {
		return a == b
	}
	if a == dataflow.Absent || b == dataflow.Absent {
		return a == b
	}
	if d, ok := codec.Compare(a, b); ok {
		return d == 0
	}
	return string(codec.AppendValue(nil, a)) == string(codec.AppendValue(nil, b))
}

// validate runs the app's own rules on a row.
func (m *Model) validate(ctx context.Context, row *dataflow.Object, pointer string) error {
	fn := m.m.Validate
	if fn == nil {
		return nil
	}
	v, err := fn.Call(ctx, []any{row}, nil)
	if err != nil {
		return err
	}
	problems, ok := m.rules(v, pointer)
	if !ok {
		return m.misbehaved(fn, "validate", "must return None, a string, a list of strings, or a dict of field and message")
	}
	return m.invalid(problems)
}

// rules turns the result of validate into problems.
func (m *Model) rules(v any, pointer string) (problems []dataflow.Problem, ok bool) {
	switch x := v.(type) {
	case nil:
		return nil, true
	case string:
		if strings.TrimSpace(x) == "" {
			return nil, true
		}
		return []dataflow.Problem{problem("rule", pointer, x, "")}, true
	case []any:
		for _, e := range x {
			ps, ok := m.rules(e, pointer)
			if !ok {
				return nil, false
			}
			problems = append(problems, ps...)
		}
		return problems, true
	case *dataflow.Object:
		for name, e := range x.All {
			place := pointer
			if m.m.Field(name) != nil {
				place = at(pointer, name)
			}
			ps, ok := m.rules(e, place)
			if !ok {
				return nil, false
			}
			problems = append(problems, ps...)
		}
		return problems, true
	}
	return nil, false
}

// withComputed returns the row with its computed values. The row itself is
// left as it is: a function may return it.
func (m *Model) withComputed(ctx context.Context, row *dataflow.Object) (*dataflow.Object, error) {
	if len(m.m.Computed) == 0 {
		return row, nil
	}
	vals := make([]any, len(row.Vals()))
	n := copy(vals, row.Vals()[:len(m.m.Fields)])
	for i, c := range m.m.Computed {
		v, err := c.Func.Call(ctx, []any{row}, nil)
		if err != nil {
			return nil, err
		}
		v, problems := codec.CoerceType(dataflow.Any, v, "")
		if len(problems) > 0 {
			return nil, m.misbehaved(c.Func, "the computed value "+c.Name, problems[0].Detail)
		}
		vals[n+i] = v
	}
	return dataflow.NewRecord(row.Shape(), vals), nil
}

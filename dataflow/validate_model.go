package dataflow

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// model checks one model against the others.
func (v *validator) model(m *Model) {
	if !v.complete(m) {
		return // nothing else can be asked of it
	}
	fields := map[string]bool{}
	for _, f := range m.Fields {
		if low := strings.ToLower(f.Name); fields[low] && m.Span.IsZero() {
			v.error("FC255", f.Span, "give it another name", "%s has two fields %q", m.Name, f.Name)
		} else {
			fields[low] = true
		}
		if f.Span.IsZero() && f.System == RoleNone {
			v.builtField(m, f)
		}
		if f.Type.Kind == KindRef {
			v.reference(m, f)
		}
	}
	for _, c := range m.Computed {
		if fields[strings.ToLower(c.Name)] && m.Span.IsZero() {
			v.error("FC255", c.Span, "give it another name", "%s has a field and a computed value %q", m.Name, c.Name)
		}
	}
	for _, ix := range m.Indexes {
		v.index(m, ix)
	}
	v.tenantIDs(m)
}

// tenantIDs tells that ids are the one thing tenants do not have apart. Those
// of type uuid can't be guessed.
func (v *validator) tenantIDs(m *Model) {
	if id := m.ID(); m.MultiTenant && m.ClientID && id.Type.Kind != KindUUID {
		at := id.Span
		if at.IsZero() {
			at = m.Span
		}
		v.add(SeverityInfo, "FC263", at, "declare it as uuid, or keep the tenant's own name for it in a field with unique = True",
			"ids of "+m.Name+" are unique among all tenants: one that picks an id which is taken learns that it is")
	}
}

// complete checks what Go code can forget, and without which no other
// question about the model has an answer.
func (v *validator) complete(m *Model) bool {
	if m.shape == nil || m.shape.Len() != len(m.Fields)+len(m.Computed) {
		v.error("FC254", m.Span, "call Seal once Fields and Computed are complete", "the model %s is not sealed", m.Name)
		return false
	}
	ok := true
	if m.Database != v.databaseOf[m] {
		ok = false
		v.error("FC254", m.Span, "set Database to the one that lists it", "the model %s is listed by a database that is not its own", m.Name)
	}
	need := func(r Role, wanted bool, what string) {
		if has := m.RoleIndex(r) >= 0; has != wanted {
			ok = false
			v.error("FC254", m.Span, "add the system fields that the model's options ask for, and no others",
				"the model %s is inconsistent about its %s", m.Name, what)
		}
	}
	need(RoleID, true, "id")
	need(RoleCreatedAt, !m.NoTimestamps, "created_at")
	need(RoleUpdatedAt, !m.NoTimestamps, "updated_at")
	need(RoleVersion, m.Versioned, "version")
	need(RoleTenant, m.MultiTenant, "tenant_id")
	need(RoleDeletedAt, m.SoftDelete, "deleted_at")
	return ok
}

// reference checks where a reference leads and what follows from it.
func (v *validator) reference(m *Model, f *Field) {
	at, target := f.Spans.At("/type"), f.Type.Model
	if at.IsZero() {
		at = f.Span
	}
	switch {
	case target == nil:
		if f.Span.IsZero() {
			v.error("FC256", at, "", "%s.%s refers to no model", m.Name, f.Name)
		}
		return
	case v.databaseOf[target] == nil:
		if f.Span.IsZero() || target.Span.IsZero() { // in a file, why the model is not there has been said
			v.error("FC256", at, "add the model to the database", "%s.%s refers to %s, which is no model of this app", m.Name, f.Name, target.Name)
		}
		return
	case v.databaseOf[target] != v.databaseOf[m]:
		v.error("FC257", at, "declare both models on the same DataFlow, or keep the id in a plain field", "%s.%s refers to %s, which is in another database", m.Name, f.Name, target.Name).
			related(target.Name+" is declared here", target.Span)
		return
	}
	if target.MultiTenant && !m.MultiTenant {
		v.error("FC258", at, "write multi_tenant = True for "+m.Name+" too", "%s is shared by all tenants, so it can't refer to %s, whose rows belong to one", m.Name, target.Name).
			related(target.Name+" is declared here", target.Span)
	}
	v.onDelete(m, f, at)
}

// rule is one of a model's own, which the database knows nothing of.
type rule struct {
	name string
	set  bool
}

func rulesSet(rules ...rule) (set []string) {
	for _, r := range rules {
		if r.set {
			set = append(set, r.name)
		}
	}
	return set
}

// onDelete warns of deletions that don't do what they seem to.
func (v *validator) onDelete(m *Model, f *Field, at Span) {
	target := f.Type.Model
	if f.OnDelete != "cascade" && f.OnDelete != "set_null" {
		return
	}
	if target.SoftDelete {
		v.warn("FC259", at, "leave on_delete out, or soft_delete", "on_delete = %q never happens: rows of %s are soft-deleted, so they stay", f.OnDelete, target.Name)
		return
	}
	if f.OnDelete == "set_null" {
		if m.BeforeUpdate != nil {
			v.warn("FC259", at, `write on_delete = "restrict" and set it to null first`, "deleting a row of %s sets %s.%s to null past its before_update",
				target.Name, m.Name, f.Name)
		}
		return
	}
	if passed := rulesSet(rule{"soft_delete", m.SoftDelete}, rule{"before_delete", m.BeforeDelete != nil}, rule{"audit_log", m.AuditLog}); len(passed) > 0 {
		v.warn("FC259", at, `write on_delete = "restrict" and delete them first`, "deleting a row of %s makes the database remove its rows of %s for good, past their %s",
			target.Name, m.Name, strings.Join(passed, ", "))
	}
}

// index checks an index against the fields there are.
func (v *validator) index(m *Model, ix Index) {
	at := ix.Span
	if at.IsZero() {
		at = m.Span
	}
	seen := map[string]bool{}
	for _, name := range ix.Fields {
		f := m.Field(name)
		switch {
		case f == nil && m.ComputedField(name) != nil:
			v.error("FC260", at, "index the fields it is worked out from", "%s.%s is computed: it is not in the database, so it can't be indexed", m.Name, name)
		case f == nil:
			v.error("FC260", at, NearOrAll(name, fieldNames(m)), "an index of %s is over %q, which is no field", m.Name, name)
		case f.Type.Kind == KindJSON || f.Type.Kind == KindList:
			v.error("FC260", at, "", "%s.%s is %s, which has no order to index", m.Name, name, f.Type.Kind)
		case seen[name]:
			v.error("FC260", at, "name it once", "an index of %s is over %q twice", m.Name, name)
		}
		seen[name] = true
	}
	if len(ix.Fields) == 0 {
		v.error("FC260", at, "", "an index of %s is over no fields", m.Name)
	}
}

func fieldNames(m *Model) []string {
	names := make([]string, len(m.Fields))
	for i, f := range m.Fields {
		names[i] = f.Name
	}
	return names
}

// builtField checks a field that no loader has seen.
func (v *validator) builtField(m *Model, f *Field) {
	bad := func(hint, format string, args ...any) {
		v.error("FC261", f.Span, hint, "the field %s.%s: "+format, append([]any{m.Name, f.Name}, args...)...)
	}
	if !otherNames.Fits(f.Name) {
		bad("a name has up to 60 letters, digits and _, and begins with a letter", "it can't have this name")
	}
	if !storable(f.Type) {
		bad("", "a field can't be of type %s", f.Type.Kind)
		return
	}
	if f.Searchable && f.Type.Kind != KindString {
		bad("search a str", "a %s has no words to search", f.Type.Kind)
	}
	if f.HasDefault && f.Default != nil && !isCanonical(f.Type, f.Default) {
		bad("give it in canonical form, as codec.Coerce does", "its default is no %s", f.Type)
	}
	for _, b := range []any{f.Ge, f.Gt, f.Le, f.Lt} {
		if b != nil && !isCanonical(f.Type, b) {
			bad("give it in canonical form, as codec.Coerce does", "a bound is no %s", f.Type)
			return
		}
	}
	if reversed(f.Ge, f.Le, false) || reversed(f.Gt, f.Le, true) || reversed(f.Ge, f.Lt, true) || reversed(f.Gt, f.Lt, true) {
		bad("", "no value is within its bounds")
	}
	if f.MinLength != nil && f.MaxLength != nil && *f.MinLength > *f.MaxLength {
		bad("", "its max_length is less than its min_length")
	}
	if f.Format != "" && !slices.Contains(FormatNames(), f.Format) {
		bad(DidYouMean(f.Format, FormatNames()), "there is no format %q", f.Format)
	}
	if f.OnDelete == "set_null" && !f.Optional {
		bad("make it optional", `on_delete "set_null" needs it to be optional`)
	}
	if f.Type.Kind == KindRef && !slices.Contains([]string{"", "restrict", "cascade", "set_null"}, f.OnDelete) {
		bad(`write "restrict", "cascade" or "set_null"`, "there is no on_delete %q", f.OnDelete)
	}
}

// storable reports whether a model's field can be of type t.
func storable(t *Type) bool {
	switch t.Kind {
	case KindAny, KindObject, KindRecord:
		return false
	case KindDecimal:
		return t.Precision >= 1 && t.Precision <= MaxDecimalDigits && t.Scale >= 0 && t.Scale <= t.Precision
	case KindEnum:
		return len(t.Values) > 0
	case KindList:
		return t.Elem != nil && storable(t.Elem)
	}
	return true
}

// isCanonical reports whether v is of the Go type that t's values have.
func isCanonical(t *Type, v any) bool {
	var ok bool
	switch t.Kind {
	case KindString, KindUUID:
		_, ok = v.(string)
	case KindEnum:
		var s string
		s, ok = v.(string)
		ok = ok && slices.Contains(t.Values, s)
	case KindInt:
		_, ok = v.(int64)
	case KindFloat:
		_, ok = v.(float64)
	case KindBool:
		_, ok = v.(bool)
	case KindDecimal:
		var d Decimal
		if d, ok = v.(Decimal); ok {
			_, ok = FitDecimal(d, t.Precision, t.Scale)
		}
	case KindDateTime:
		_, ok = v.(time.Time)
	case KindDate:
		_, ok = v.(Date)
	case KindTime:
		_, ok = v.(TimeOfDay)
	case KindBytes:
		_, ok = v.([]byte)
	case KindList:
		_, ok = v.([]any)
	default:
		ok = true // json holds anything; a reference's id is the database's to check
	}
	return ok
}

// reversed reports whether no value lies between two bounds.
func reversed(low, high any, open bool) bool {
	if low == nil || high == nil {
		return false
	}
	d := 0
	switch a := low.(type) {
	case int64:
		d = cmp.Compare(a, high.(int64))
	case float64:
		d = cmp.Compare(a, high.(float64))
	case string:
		d = strings.Compare(a, high.(string))
	case Decimal:
		d = a.Cmp(high.(Decimal))
	case time.Time:
		d = a.Compare(high.(time.Time))
	case Date:
		d = cmp.Compare(a, high.(Date))
	case TimeOfDay:
		d = cmp.Compare(a, high.(TimeOfDay))
	}
	return d > 0 || open && d == 0
}

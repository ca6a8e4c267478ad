package migrate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// tablePlan compares one table.
type tablePlan struct {
	*planner
	have, want *Table
	renamed    map[string]string // columns: old name to new
}

func (t *tablePlan) refuse(code string, c *Column, option, hint, format string, args ...any) {
	span := t.want.model.Span
	if at, ok := t.want.model.Spans[option]; ok && c == nil {
		span = at
	}
	if c != nil && c.field != nil {
		span = c.field.Span
		if at, ok := c.field.Spans[option]; ok {
			span = at
		}
	}
	t.plan.Diagnostics = append(t.plan.Diagnostics, dataflow.Diagnostic{Code: code, Severity: dataflow.SeverityError,
		Message: fmt.Sprintf(format, args...), Span: span, Hint: hint})
}

func (t *tablePlan) name(c *Column) string { return t.want.Model + "." + c.Name }

func (t *tablePlan) column(want *Column) {
	have := t.have.Column(want.Name)
	if have == nil && want.field != nil && want.field.Was != "" && t.want.Column(want.field.Was) == nil {
		if have = t.have.Column(want.field.Was); have != nil {
			t.renamed[have.Name] = want.Name
			t.renames = append(t.renames, Step{Action: RenameColumn, Table: t.want, Column: want, Was: have.Name})
		}
	}
	if t.renameUnclear(have, want) {
		return
	}
	if have == nil {
		t.add(want)
		return
	}
	if t.sameKind(have, want) && t.sameRef(have, want) {
		t.check(have, want)
		t.nulls(have, want)
	}
}

// renameUnclear refuses what would silently put values under another field's
// name: a rename from a name that another field has, and two fields that swap
// theirs. Names that differ in case only are the same to SQLite.
func (t *tablePlan) renameUnclear(have, want *Column) bool {
	f := want.field
	if f == nil {
		return false
	}
	if have == nil {
		for i := range t.have.Columns {
			if c := &t.have.Columns[i]; strings.EqualFold(c.Name, want.Name) {
				t.renamed[c.Name] = want.Name
				t.refuse("FC623", want, "", fmt.Sprintf(`if the field was renamed, say so: was = %q`, c.Name),
					"%s is new, but the table %s has a column %s, which differs in case only", t.name(want), t.have.Name, c.Name)
				return true
			}
		}
	}
	if f.Was == "" || t.have.Column(f.Was) == nil {
		return false
	}
	other := t.want.Column(f.Was)
	swapped := other != nil && other.field != nil && other.field.Was == want.Name
	if other == nil || have != nil && !swapped {
		return false
	}
	t.refuse("FC623", want, "/was", "start once with the rename alone, then add the other field; or leave was out if nothing was renamed",
		"%s was %s, but %s is a field too: the values of the column can't be in both", t.name(want), f.Was, t.name(other))
	return true
}

// add plans a new column. One that is required takes its default for the rows
// that are there; without one, there must be none.
func (t *tablePlan) add(want *Column) {
	f := want.field
	_, filled := want.Fill()
	if want.ID {
		t.refuse("FC621", want, "", "", "the table %s has no column %s to be the id of its rows", t.have.Name, want.Name)
		return
	}
	if !want.Optional && !filled {
		if n := t.count(t.data.Rows(t.have.Name)); n > 0 {
			hint := "give it a default, or make it optional = True"
			if f.System == dataflow.RoleTenant {
				hint = "add the column tenant_id by hand, with the tenant of each row"
			} else if f.System != dataflow.RoleNone {
				hint = "add the column by hand, with a value for each row"
			}
			t.refuse("FC610", want, "", hint, "%s is new and required, but the table %s has %s that would have no value for it", t.name(want), t.have.Name, rows(n))
			return
		}
	}
	t.changes = append(t.changes, Step{Action: AddColumn, Table: t.want, Column: want})
}

// sameKind refuses a change of type.
func (t *tablePlan) sameKind(have, want *Column) bool {
	if have.ID != want.ID {
		t.refuse("FC621", want, "", "", "the id of the table %s is another column than %s", t.have.Name, want.Name)
		return false
	}
	same := have.Storage == want.Storage
	if have.Kind != "" {
		same = same && have.Kind == want.Kind && have.Scale == want.Scale
		if want.Kind == "decimal" && want.Storage == "TEXT" {
			same = same && have.Precision == want.Precision
		}
	}
	if !same {
		n := t.count(t.data.Rows(t.have.Name))
		t.refuse("FC611", want, "", fmt.Sprintf(`add a field of the new type under another name, copy the values over, then remove this one; or keep %s`, describe(have)),
			"%s changes from %s to %s, which the %s of the table %s can't follow by themselves", t.name(want), describe(have), describe(want), rows(n), t.have.Name)
	}
	return same
}

// sameRef refuses a change of what a column refers to.
func (t *tablePlan) sameRef(have, want *Column) bool {
	to := func(r *Ref) string {
		if r == nil {
			return "nothing"
		}
		name := r.Table
		if now := t.planner.renamed[name]; now != "" {
			name = now
		}
		return fmt.Sprintf("%s with on_delete = %q", name, r.OnDelete)
	}
	if to(have.Ref) == to(want.Ref) {
		return true
	}
	t.refuse("FC615", want, "/on_delete", "keep it as it was, or add a field under another name", "%s refers to %s, but in the table %s to %s; a reference can't be changed in place",
		t.name(want), to(want.Ref), t.have.Name, to(have.Ref))
	return false
}

// check plans other values of an enum, or digits of a decimal.
func (t *tablePlan) check(old, want *Column) {
	if old.Kind == "" || slices.Equal(old.Values, want.Values) && old.Precision == want.Precision {
		return
	}
	n := t.count(t.data.Outside(t.have.Name, old.Name, want))
	switch {
	case n == 0:
		t.changes = append(t.changes, Step{Action: ChangeCheck, Table: t.want, Column: want})
	case want.Kind == "enum":
		t.refuse("FC613", want, "", "keep the value, or change those rows first", "%s no longer has a value that %s of the table %s %s", t.name(want), rows(n), t.have.Name, have(n))
	default:
		t.refuse("FC613", want, "", "keep the digits, or change those rows first", "%s of the table %s %s more digits than %s keeps as %s", rows(n), t.have.Name, have(n), t.name(want), describe(want))
	}
}

// nulls plans whether null may be stored.
func (t *tablePlan) nulls(old, want *Column) {
	switch {
	case old.Optional == want.Optional || want.ID:
	case want.Optional:
		t.changes = append(t.changes, Step{Action: SetOptional, Table: t.want, Column: want})
	default:
		if n := t.count(t.data.Nulls(t.have.Name, old.Name)); n > 0 {
			if !t.fillable(want) {
				t.refuse("FC614", want, "", "give those rows a value first, or keep optional = True", "%s is now required, but %s of the table %s %s no value for it", t.name(want), rows(n), t.have.Name, have(n))
				return
			}
			t.changes = append(t.changes, Step{Action: FillNulls, Table: t.want, Column: want})
		}
		t.changes = append(t.changes, Step{Action: SetRequired, Table: t.want, Column: want})
	}
}

// fillable reports whether rows without a value can take the default. Not
// where values are to differ: null was equal to none.
func (t *tablePlan) fillable(c *Column) bool {
	_, filled := c.Fill()
	return filled && !slices.ContainsFunc(t.want.Indexes, func(ix Index) bool {
		return ix.Unique && slices.Contains(ix.Columns, c.Name)
	})
}

// uncovered refuses to lose what kept rows from being seen: the mark of those
// that were deleted, and whose tenant's they are. A column whose kind is not
// known was never the runtime's.
func (t *tablePlan) uncovered(c *Column) bool {
	switch {
	case c.Name == "deleted_at" && c.Kind == "datetime" && !t.want.model.SoftDelete:
		n := t.count(t.data.Rows(t.have.Name)) - t.count(t.data.Nulls(t.have.Name, c.Name))
		if n > 0 {
			t.refuse("FC622", nil, "/soft_delete", "keep soft_delete = True, or remove those rows from the table first",
				"%s no longer has soft_delete, so %s of the table %s that %s deleted would come back", t.want.Model, rows(n), t.have.Name, were(n))
			return true
		}
	case c.Name == "tenant_id" && c.Kind == "str" && !t.want.model.MultiTenant:
		if n := t.count(t.data.Rows(t.have.Name)); n > 0 {
			t.refuse("FC622", nil, "/multi_tenant", `keep multi_tenant = True, or declare "tenant_id": str among the fields if all may see all rows`,
				"%s is no longer multi_tenant, so every tenant would see the %s of the table %s", t.want.Model, rows(n), t.have.Name)
			return true
		}
	}
	return false
}

// leftovers keeps the columns that no field has any more, and lets new rows
// leave them out.
func (t *tablePlan) leftovers() {
	for i := range t.have.Columns {
		c := &t.have.Columns[i]
		if t.want.Column(c.Name) != nil || t.renamed[c.Name] != "" || c.ID {
			continue
		}
		if t.uncovered(c) {
			continue
		}
		if !c.Optional && !c.Filled {
			t.changes = append(t.changes, Step{Action: SetOptional, Table: t.want, Column: c})
		}
		t.plan.Diagnostics = append(t.plan.Diagnostics, dataflow.Diagnostic{Code: "FC618", Severity: dataflow.SeverityWarning, Span: t.want.model.Span,
			Message: fmt.Sprintf("%s has no field for the column %s of its table any more; the column and its values are kept", t.want.Model, c.Name),
			Hint:    fmt.Sprintf(`if the field was renamed, say so at the new one: was = "%s"`, c.Name)})
	}
}

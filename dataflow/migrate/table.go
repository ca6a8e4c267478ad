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

func (t *tablePlan) name(c *Column) string {
	if c.field != nil {
		return t.want.Model + "." + c.field.Name
	}
	return t.want.Model + "." + c.Name
}

func (t *tablePlan) column(want *Column) {
	have := t.have.Column(want.Name)
	if have == nil && t.outdated(want) {
		return
	}
	if have == nil && want.field != nil && want.field.Was != "" && t.want.Column(want.field.Was) == nil {
		if have = t.have.Column(want.field.Was); have != nil {
			t.renamed[have.Name] = want.Name
			now := *have
			now.Name = want.Name
			t.renames = append(t.renames, Step{Action: RenameColumn, Table: t.want, Column: want, Have: &now, Was: have.Name})
		}
	}
	if t.renameUnclear(have, want) {
		return
	}
	if have == nil {
		t.add(want)
		return
	}
	switch {
	case !t.sameID(have, want):
	case t.sameKind(have, want) && t.sameRef(have, want):
		t.check(have, want)
		t.nulls(have, want)
	case t.retype(have, want):
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

func (t *tablePlan) sameID(have, want *Column) bool {
	if have.ID != want.ID {
		t.refuse("FC621", want, "", "", "the id of the table %s is another column than %s", t.have.Name, want.Name)
	} else if want.ID && !t.sameKind(have, want) {
		t.refuse("FC621", want, "", "keep it, or begin a table of another name and copy the rows over: whatever refers to a row does so by its id",
			"the id of %s changes from %s to %s, which nothing that refers to its rows can follow", t.want.Model, describe(have), describe(want))
		return false
	}
	return have.ID == want.ID
}

// sameKind reports whether a column holds what the field does. Digits and an
// enum's values are looked at by check.
func (t *tablePlan) sameKind(have, want *Column) bool {
	same := have.Storage == want.Storage
	if have.Kind != "" {
		same = same && have.Kind == want.Kind && have.Scale == want.Scale
		if want.Kind == "decimal" && want.Storage == "TEXT" {
			same = same && have.Precision == want.Precision
		}
	}
	return same
}

// sameRef reports whether a column refers to what the field does, with every
// row looked at.
func (t *tablePlan) sameRef(have, want *Column) bool {
	if want.Ref == nil && have.Ref != nil && t.unsayable(have) {
		return true
	}
	if t.refText(have.Ref) != t.refText(want.Ref) {
		return false
	}
	if have.Ref != nil && have.Ref.Unchecked {
		t.indexes = append(t.indexes, Step{Action: CheckRef, Table: t.want, Column: want, Have: have, Busy: true})
	}
	return true
}

// unsayable reports whether a foreign key is none that a field can ask for: of
// an id, or to what is no id. Another program has made it, and it stays.
func (t *tablePlan) unsayable(have *Column) bool {
	to := t.planner.have.Table(have.Ref.Table)
	return have.ID || have.Ref.Elsewhere || to != nil && have.Ref.Column != "" && have.Ref.Column != to.id()
}

// refText is what a reference leads to, by the names of the plan's end.
func (t *tablePlan) refText(r *Ref) string {
	if r == nil {
		return "nothing"
	}
	name := r.Table
	if now := t.planner.renamed[name]; now != "" {
		name = now
	}
	return fmt.Sprintf("%s with on_delete = %q", name, r.OnDelete)
}

// retype plans another type of a column, or another reference in it, as far as
// every row can follow.
func (t *tablePlan) retype(have, want *Column) bool {
	typed := t.sameKind(have, want)
	lossy := int64(0)
	if !typed {
		ok := false
		if lossy, ok = t.convertible(have, want); !ok {
			return false
		}
	}
	if want.Ref != nil && t.refText(have.Ref) != t.refText(want.Ref) && !t.grounded(have, want) {
		return false
	}
	if lossy > 0 {
		loss := Loss{Allow: allowRetype(t.want, want.Name), Table: t.have.Name, Column: have.Name, Rows: lossy}
		if !t.allowed(loss) {
			t.couldBe = append(t.couldBe, loss.Allow)
			t.refuse("FC611", want, "", fmt.Sprintf("keep %s, or allow what is lost: flowctl migrate apply --allow %s", describe(have), loss.Allow),
				"%s changes from %s to %s, which would alter the value in %s of the table %s", t.name(want), describe(have), describe(want), rows(lossy), t.have.Name)
			return false
		}
	}
	now := *have
	now.Name = want.Name
	s := Step{Action: ChangeColumn, Table: t.want, Column: want, Have: &now, Busy: t.busy(t.have.Name)}
	t.changes = append(t.changes, s)
	if want.Ref != nil && s.Busy {
		t.indexes = append(t.indexes, Step{Action: CheckRef, Table: t.want, Column: want, Have: want, Busy: true})
	}
	return true
}

// convertible reports whether every row's value can become one of the new type,
// and how many would not be the same value.
func (t *tablePlan) convertible(have, want *Column) (lossy int64, ok bool) {
	if !Converts(have, want) {
		n := t.count(t.data.Rows(t.have.Name)) - t.count(t.data.Nulls(t.have.Name, have.Name))
		if n == 0 { // there is nothing to follow
			return 0, true
		}
		t.refuse("FC611", want, "", fmt.Sprintf(`add a field of the new type under another name, copy the values over, then remove this one; or keep %s`, describe(have)),
			"%s changes from %s to %s, which the %s of the table %s can't follow by themselves", t.name(want), describe(have), describe(want), rows(n), t.have.Name)
		return 0, false
	}
	cant, lossy, err := misfits(t.data, t.have.Name, have, want)
	if n := t.count(cant, err); n > 0 {
		t.refuse("FC611", want, "", fmt.Sprintf("change those rows first, or keep %s", describe(have)),
			"%s changes from %s to %s, but the value in %s of the table %s can't be one", t.name(want), describe(have), describe(want), rows(n), t.have.Name)
		return 0, false
	}
	return lossy, true
}

// misfits counts the values that can't become one of want, and those that
// become another: a rounded one, a date without its time.
func misfits(data Data, table string, have, want *Column) (cant, lossy int64, err error) {
	err = data.Values(table, have, func(v any) {
		same := false
		if v != nil {
			v, same = Convert(v, have, want)
		}
		switch {
		case v == nil:
			cant++
		case !same:
			lossy++
		}
	})
	return cant, lossy, err
}

// grounded refuses a reference to rows that are not there.
func (t *tablePlan) grounded(column, want *Column) bool {
	target := t.have.Name
	if want.Ref.Table != t.want.Name {
		target = want.Ref.Table
		for was, now := range t.planner.renamed {
			if now == target {
				target = was
			}
		}
	}
	var n int64
	to := t.planner.have.Table(target)
	if to == nil { // it is new, and has no rows yet
		n = t.count(t.data.Rows(t.have.Name)) - t.count(t.data.Nulls(t.have.Name, column.Name))
	} else {
		n = t.count(t.data.Dangling(t.have.Name, column.Name, target, to.id()))
	}
	if n > 0 {
		t.refuse("FC615", want, "", "change those rows first, or set the field to null in them where it may be",
			"%s is to refer to %s, but %s of the table %s %s a value that is no id there", t.name(want), want.Ref.Table, rows(n), t.have.Name, have(n))
	}
	return n == 0
}

// check plans other values of an enum, or digits of a decimal.
func (t *tablePlan) check(old, want *Column) {
	if old.Kind == "" || slices.Equal(old.Values, want.Values) && old.Precision == want.Precision {
		return
	}
	n := t.count(t.data.Outside(t.have.Name, old.Name, want))
	switch {
	case n == 0:
		now := *old
		now.Name = want.Name
		t.changes = append(t.changes, Step{Action: ChangeCheck, Table: t.want, Column: want, Have: &now})
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
// leave them out; unless they are allowed to go.
func (t *tablePlan) leftovers() {
	for i := range t.have.Columns {
		c := &t.have.Columns[i]
		if t.want.Column(c.Name) != nil || t.renamed[c.Name] != "" || c.ID {
			continue
		}
		if t.uncovered(c) {
			continue
		}
		loss := Loss{Allow: allowColumn(t.want, c.Name), Table: t.have.Name, Column: c.Name}
		loss.Rows = t.count(t.data.Rows(t.have.Name)) - t.count(t.data.Nulls(t.have.Name, c.Name))
		if t.allowed(loss) {
			t.drops = append(t.drops, Step{Action: DropColumn, Table: t.want, Column: c})
			continue
		}
		t.plan.Kept = append(t.plan.Kept, loss)
		stays := *c
		stays.Optional = c.Optional || !c.Filled
		t.plan.Columns[t.want.Name] = append(t.plan.Columns[t.want.Name], stays)
		if !c.Optional && !c.Filled {
			t.changes = append(t.changes, Step{Action: SetOptional, Table: t.want, Column: c})
		}
		t.plan.Diagnostics = append(t.plan.Diagnostics, dataflow.Diagnostic{Code: "FC618", Severity: dataflow.SeverityWarning, Span: t.want.model.Span,
			Message: fmt.Sprintf("%s has no field for the column %s of its table any more; the column is kept, with the values of %s", t.want.Model, c.Name, rows(loss.Rows)),
			Hint:    fmt.Sprintf(`if the field was renamed, say so at the new one: was = "%s"; to throw the column away: flowctl migrate apply --allow %s`, c.Name, loss.Allow)})
	}
}

package migrate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Data answers what a plan must know of the rows that are there. Names are
// those in the database as it is.
type Data interface {
	// Rows counts a table's rows.
	Rows(table string) (int64, error)
	// Nulls counts the rows with null in a column.
	Nulls(table, column string) (int64, error)
	// Outside counts the rows whose value in a column is not null and not one
	// that want may hold: not in its Values, beyond its Precision.
	Outside(table, column string, want *Column) (int64, error)
	// Duplicates counts the combinations of values, none of them null, that
	// more than one row has. live is as in Index.
	Duplicates(table string, columns []string, live string) (int64, error)
}

// Action is what a step does.
type Action uint8

// The actions.
const (
	CreateTable Action = iota
	RenameTable
	AddColumn
	RenameColumn
	SetOptional // null may be stored from now on
	FillNulls   // with the field's default
	SetRequired
	ChangeCheck // an enum's values, a decimal's digits
	CreateIndex
	DropIndex
)

// Step is one change to a schema. Names are those at its turn: renames come
// first.
type Step struct {
	Action Action
	Table  *Table  // as wanted
	Column *Column // as wanted; as found, for SetOptional of one that no field has
	Was    string  // RenameTable, RenameColumn: the old name
	Index  Index
}

// String is the step in a line: "add column orders.note".
func (s Step) String() string {
	column := ""
	if s.Column != nil {
		column = s.Table.Name + "." + s.Column.Name
	}
	switch s.Action {
	case CreateTable:
		return "create table " + s.Table.Name
	case RenameTable:
		return fmt.Sprintf("rename table %s to %s", s.Was, s.Table.Name)
	case AddColumn:
		return "add column " + column
	case RenameColumn:
		return fmt.Sprintf("rename column %s.%s to %s", s.Table.Name, s.Was, s.Column.Name)
	case SetOptional:
		return "allow null in " + column
	case FillNulls:
		return "fill " + column + " with its default where it is null"
	case SetRequired:
		return "refuse null in " + column
	case ChangeCheck:
		return "change the values of " + column
	case CreateIndex:
		unique := ""
		if s.Index.Unique {
			unique = "unique "
		}
		among := ""
		if s.Index.Live != "" {
			among = " among live rows"
		}
		return fmt.Sprintf("create %sindex on %s (%s)%s", unique, s.Table.Name, strings.Join(s.Index.Columns, ", "), among)
	default:
		return fmt.Sprintf("drop index %s of %s", s.Index.Name, s.Table.Name)
	}
}

// Plan is how to get from the schema that is there to the one wanted. Its
// steps lose nothing. It must not be applied if a diagnostic is an error.
type Plan struct {
	Steps       []Step
	Diagnostics []dataflow.Diagnostic
}

// NewPlan compares what is there with what is wanted. before is the schema
// that was last wanted, if known: by it a renamed model finds its table. Every
// doubt about rows is settled now, so that no step can fail on them.
func NewPlan(have, want, before *Schema, data Data) (*Plan, error) {
	p := &planner{have: have, want: want, before: before, data: data, plan: &Plan{}, renamed: map[string]string{}}
	for i := range want.Tables {
		p.table(&want.Tables[i])
	}
	p.leftovers()
	if p.err != nil {
		return nil, p.err
	}
	p.plan.Steps = append(append(p.renames, p.creates...), append(p.changes, p.indexes...)...)
	return p.plan, nil
}

type planner struct {
	have, want, before *Schema
	data               Data
	plan               *Plan
	renamed            map[string]string // tables: old name to new
	err                error

	renames, creates, changes, indexes []Step
}

// count keeps the first error of asking the database.
func (p *planner) count(n int64, err error) int64 {
	if err != nil && p.err == nil {
		p.err = err
	}
	return n
}

func (p *planner) table(want *Table) {
	have := p.have.Table(want.Name)
	if have == nil {
		if have = p.formerTable(want); have != nil {
			p.renamed[have.Name] = want.Name
			p.renames = append(p.renames, Step{Action: RenameTable, Table: want, Was: have.Name})
		}
	}
	if have == nil {
		p.creates = append(p.creates, Step{Action: CreateTable, Table: want})
		for _, ix := range want.Indexes {
			p.indexes = append(p.indexes, Step{Action: CreateIndex, Table: want, Index: ix})
		}
		return
	}
	t := tablePlan{planner: p, have: have, want: want, renamed: map[string]string{}}
	for i := range want.Columns {
		t.column(&want.Columns[i])
	}
	t.leftovers()
	t.indexesOf()
}

// formerTable finds the table of a model by the name it had.
func (p *planner) formerTable(want *Table) *Table {
	if want.model == nil || want.model.Was == "" {
		return nil
	}
	name := want.model.Was
	if p.before != nil {
		for i := range p.before.Tables {
			if p.before.Tables[i].Model == want.model.Was {
				name = p.before.Tables[i].Name
			}
		}
	}
	if p.want.Table(name) != nil { // another model has it now
		return nil
	}
	return p.have.Table(name)
}

// leftovers tells of tables that models had and no model has any more.
func (p *planner) leftovers() {
	if p.before == nil {
		return
	}
	for _, t := range p.before.Tables {
		if p.have.Table(t.Name) == nil || p.want.Table(t.Name) != nil || p.renamed[t.Name] != "" {
			continue
		}
		p.plan.Diagnostics = append(p.plan.Diagnostics, dataflow.Diagnostic{Code: "FC619", Severity: dataflow.SeverityInfo,
			Message: fmt.Sprintf("no model has the table %s any more; it is left as it is", t.Name),
			Hint:    fmt.Sprintf(`if %s was renamed, say so at the model that replaces it: was = "%s"`, t.Model, t.Model)})
	}
}

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
	if have == nil {
		t.add(want)
		return
	}
	if t.sameKind(have, want) && t.sameRef(have, want) {
		t.check(have, want)
		t.nulls(have, want)
	}
}

// add plans a new column. One that is required takes its default for the rows
// that are there; without one, there must be none.
func (t *tablePlan) add(want *Column) {
	f := want.field
	if want.ID {
		t.refuse("FC621", want, "", "", "the table %s has no column %s to be the id of its rows", t.have.Name, want.Name)
		return
	}
	if !want.Optional && !f.HasDefault && f.System != dataflow.RoleVersion {
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
	f := c.field
	return f != nil && f.HasDefault && f.Default != nil && !slices.ContainsFunc(t.want.Indexes, func(ix Index) bool {
		return ix.Unique && slices.Contains(ix.Columns, c.Name)
	})
}

// uncovered refuses to lose what kept rows from being seen: the mark of those
// that were deleted, and whose tenant's they are.
func (t *tablePlan) uncovered(c *Column) {
	if c.Kind == "" {
		return // it was never the runtime's
	}
	switch {
	case c.Name == "deleted_at" && c.Kind == "datetime" && !t.want.model.SoftDelete:
		n := t.count(t.data.Rows(t.have.Name)) - t.count(t.data.Nulls(t.have.Name, c.Name))
		if n > 0 {
			t.refuse("FC622", nil, "/soft_delete", "keep soft_delete = True, or remove those rows from the table first",
				"%s no longer has soft_delete, so %s of the table %s that %s deleted would come back", t.want.Model, rows(n), t.have.Name, were(n))
		}
	case c.Name == "tenant_id" && c.Kind == "str" && !t.want.model.MultiTenant:
		if n := t.count(t.data.Rows(t.have.Name)); n > 0 {
			t.refuse("FC622", nil, "/multi_tenant", `keep multi_tenant = True, or declare "tenant_id": str among the fields if all may see all rows`,
				"%s is no longer multi_tenant, so every tenant would see the %s of the table %s", t.want.Model, rows(n), t.have.Name)
		}
	}
}

// leftovers keeps the columns that no field has any more, and lets new rows
// leave them out.
func (t *tablePlan) leftovers() {
	for i := range t.have.Columns {
		c := &t.have.Columns[i]
		if t.want.Column(c.Name) != nil || t.renamed[c.Name] != "" || c.ID {
			continue
		}
		t.uncovered(c)
		if !c.Optional && !c.Filled {
			t.changes = append(t.changes, Step{Action: SetOptional, Table: t.want, Column: c})
		}
		t.plan.Diagnostics = append(t.plan.Diagnostics, dataflow.Diagnostic{Code: "FC618", Severity: dataflow.SeverityWarning, Span: t.want.model.Span,
			Message: fmt.Sprintf("%s has no field for the column %s of its table any more; the column and its values are kept", t.want.Model, c.Name),
			Hint:    fmt.Sprintf(`if the field was renamed, say so at the new one: was = "%s"`, c.Name)})
	}
}

// indexesOf plans the indexes. Those that the runtime has not made are left
// alone, and do as well as its own.
func (t *tablePlan) indexesOf() {
	have := make([]Index, len(t.have.Indexes))
	for i, ix := range t.have.Indexes {
		have[i] = Index{Name: ix.Name, Unique: ix.Unique, Live: ix.Live}
		for _, c := range ix.Columns {
			if now := t.renamed[c]; now != "" {
				c = now
			}
			have[i].Columns = append(have[i].Columns, c)
		}
	}
	serves := func(ix, want Index) bool {
		return ix.Unique == want.Unique && ix.Live == want.Live && slices.Equal(ix.Columns, want.Columns) && (ix.Name == want.Name || !Own(ix.Name))
	}
	for _, ix := range have {
		wanted := slices.ContainsFunc(t.want.Indexes, func(want Index) bool { return serves(ix, want) })
		if Own(ix.Name) && !wanted {
			t.indexes = slices.Insert(t.indexes, 0, Step{Action: DropIndex, Table: t.want, Index: ix})
		}
	}
	for _, want := range t.want.Indexes {
		if slices.ContainsFunc(have, func(ix Index) bool { return serves(ix, want) }) {
			continue
		}
		if want.Unique && !t.unique(want) {
			continue
		}
		t.indexes = append(t.indexes, Step{Action: CreateIndex, Table: t.want, Index: want})
	}
}

// unique refuses a unique index that rows don't fit.
func (t *tablePlan) unique(want Index) bool {
	var columns []string
	for _, name := range want.Columns {
		for was, now := range t.renamed {
			if now == name {
				name = was
			}
		}
		if t.have.Column(name) == nil {
			return t.uniqueNew(want, name)
		}
		columns = append(columns, name)
	}
	live := want.Live
	if t.have.Column(live) == nil {
		live = "" // no row has been deleted yet
	}
	n := t.count(t.data.Duplicates(t.have.Name, columns, live))
	if n > 0 {
		t.refuse("FC612", t.want.Column(want.Columns[len(want.Columns)-1]), "/unique", "make those rows differ first",
			"%s of %s is to be unique, but in the table %s %s more than one row", strings.Join(want.Columns, ", "), t.want.Model, t.have.Name, shared(n))
	}
	return n == 0
}

// uniqueNew refuses a unique index on a new column that is filled with one
// value for all rows.
func (t *tablePlan) uniqueNew(want Index, name string) bool {
	c := t.want.Column(name)
	if c.Optional || len(want.Columns) > 1 {
		return true
	}
	if n := t.count(t.data.Rows(t.have.Name)); n > 1 {
		t.refuse("FC612", c, "/unique", "make it optional = True and unique, and give each row a value of its own", "%s is new and unique, but its default would be in all %s of the table %s", t.name(c), rows(n), t.have.Name)
		return false
	}
	return true
}

// Own reports whether the runtime has made the index of that name.
func Own(index string) bool {
	return (strings.HasPrefix(index, "ix_") || strings.HasPrefix(index, "ux_")) && strings.Contains(index, ".")
}

func rows(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

func have(n int64) string {
	if n == 1 {
		return "has"
	}
	return "have"
}

func were(n int64) string {
	if n == 1 {
		return "was"
	}
	return "were"
}

func shared(n int64) string {
	if n == 1 {
		return "one combination of values is in"
	}
	return fmt.Sprintf("%d combinations of values are each in", n)
}

// describe names a column's type as the file writes it, as far as it is known.
func describe(c *Column) string {
	switch {
	case c.Kind == "":
		return "a column of type " + c.Storage
	case c.Kind == "decimal":
		return fmt.Sprintf("decimal(%d, %d)", c.Precision, c.Scale)
	case c.Ref != nil:
		return "a reference to " + c.Ref.Table
	}
	return c.Kind
}

package migrate

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
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
	// Matching counts the rows that a condition holds for.
	Matching(table string, where *query.Condition) (int64, error)
	// Duplicates counts the combinations of values, none of them null, that
	// more than one row has, of those that a condition holds for; nil is all.
	Duplicates(table string, columns []string, where *query.Condition) (int64, error)
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
		return fmt.Sprintf("create %sindex on %s (%s)%s", unique, s.Table.Name, strings.Join(s.Index.Columns, ", "), s.Table.among(s.Index.Where))
	default:
		return fmt.Sprintf("drop index %s of %s", s.Index.Name, s.Table.Name)
	}
}

// among says which rows an index is over.
func (t *Table) among(where *query.Condition) string {
	if where == nil {
		return ""
	}
	if t.model != nil {
		if d := t.model.RoleIndex(dataflow.RoleDeletedAt); d >= 0 && where.Equal(query.IsNull(t.model, d)) {
			return " among live rows"
		}
	}
	return " where " + where.String()
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
		if p.contested(want) {
			return
		}
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

// formerTable finds the table of a model by the name it had, or, where only
// its table is called otherwise now, by the model's own.
func (p *planner) formerTable(want *Table) *Table {
	name := p.formerName(want)
	if p.want.Table(name) != nil { // another model has it now
		return nil
	}
	return p.have.Table(name)
}

func (p *planner) formerName(want *Table) string {
	if want.model == nil {
		return ""
	}
	was := cmp.Or(want.model.Was, want.model.Name)
	if p.before != nil {
		for i := range p.before.Tables {
			if p.before.Tables[i].Model == was {
				return p.before.Tables[i].Name
			}
		}
	}
	return want.model.Was
}

// contested refuses a renamed model where another has the old name by now:
// the rows that are there would silently be the other's.
func (p *planner) contested(want *Table) bool {
	if want.model == nil || want.model.Was == "" {
		return false
	}
	name := p.formerName(want)
	other := p.want.Table(name)
	if other == nil || p.have.Table(name) == nil {
		return false
	}
	span, ok := want.model.Spans["/was"]
	if !ok {
		span = want.model.Span
	}
	p.plan.Diagnostics = append(p.plan.Diagnostics, dataflow.Diagnostic{Code: "FC623", Severity: dataflow.SeverityError, Span: span,
		Message: fmt.Sprintf("%s was %s, but %s has the table %s: its rows can't be both", want.Model, want.model.Was, other.Model, name),
		Hint:    "start once with the rename alone, then add the new model; or leave was out if nothing was renamed"})
	return true
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

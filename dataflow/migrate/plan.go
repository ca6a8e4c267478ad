package migrate

import (
	"cmp"
	"fmt"
	"slices"
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
	// Dangling counts the rows whose value in a column is not null and in no row
	// of another table's column.
	Dangling(table, column, other, id string) (int64, error)
	// Values hands over each value of a column but nulls, as canonical; nil for
	// one that is none of the column's kind.
	Values(table string, c *Column, each func(v any)) error
	// Duplicates counts the combinations of values, none of them null, that
	// more than one row has, of those that a condition holds for; nil is all.
	Duplicates(table string, columns []string, where *query.Condition) (int64, error)
}

// Plan is how to get from the schema that is there to the one wanted. Its
// steps lose nothing but what was allowed by name. It must not be applied if a
// diagnostic is an error.
type Plan struct {
	Steps []Step
	// Kept is what no field or model has any more and stays until it is allowed
	// to go.
	Kept []Loss
	// Tables are those kept, as the models that had them wanted them.
	Tables []Table
	// Columns are those kept in tables of models, by the table's name.
	Columns map[string][]Column
	// Losses is what the steps throw away, as was allowed.
	Losses      []Loss
	Diagnostics []dataflow.Diagnostic
}

// NewPlan compares what is there with what is wanted. before is the schema
// that was last wanted, if known: by it a renamed model finds its table. history
// is asked for what was applied before, if something is to be made; nil is
// nothing. allow names what may be lost, or made anew. Every doubt about rows is
// settled now, so that no step can fail on them.
func NewPlan(have, want, before *Schema, history func() ([]Applied, error), data Data, allow []string) (*Plan, error) {
	p := &planner{have: have, want: want, before: before, history: history, data: data, plan: &Plan{Columns: map[string][]Column{}}, renamed: map[string]string{}, allow: allow, used: map[string]bool{}}
	for i := range want.Tables {
		p.table(&want.Tables[i])
	}
	p.leftovers()
	p.broken()
	p.unusedAllow()
	if p.err != nil {
		return nil, p.err
	}
	p.plan.Steps = slices.Concat(p.renames, p.creates, p.indexDrops, p.changes, p.drops, p.indexes)
	for i := range p.plan.Steps {
		p.atTurn(&p.plan.Steps[i])
	}
	return p.plan, nil
}

// atTurn gives the tables that what was found refers to the names they have when a
// step is made, and when it is undone: renames come first.
func (p *planner) atTurn(s *Step) {
	renamed := func(c *Column) *Column {
		if c == nil || c.Ref == nil || p.renamed[c.Ref.Table] == "" {
			return c
		}
		now, ref := *c, *c.Ref
		ref.Table = p.renamed[ref.Table]
		now.Ref = &ref
		return &now
	}
	s.Have = renamed(s.Have)
	switch s.Action {
	case DropColumn:
		s.Column = renamed(s.Column)
	case DropTable:
		gone := *s.Table
		gone.Columns = slices.Clone(gone.Columns)
		for i := range gone.Columns {
			gone.Columns[i] = *renamed(&gone.Columns[i])
		}
		s.Table = &gone
	}
}

type planner struct {
	have, want, before *Schema
	data               Data
	plan               *Plan
	history            func() ([]Applied, error)
	done               []Done            // see past
	renamed            map[string]string // tables: old name to new
	err                error

	allow []string        // words of what may be lost
	used  map[string]bool // those of them that allow something
	// couldBe are the words that would allow what was refused.
	couldBe []string

	renames, creates, indexDrops, changes, drops, indexes []Step
}

// allowed reports whether a loss was allowed by name, and takes note of it.
func (p *planner) allowed(l Loss) bool {
	if !slices.Contains(p.allow, l.Allow) {
		return false
	}
	p.used[l.Allow] = true
	p.plan.Losses = append(p.plan.Losses, l)
	return true
}

// unusedAllow refuses a word that allows nothing: it was meant for something.
func (p *planner) unusedAllow() {
	for _, word := range p.allow {
		if p.used[word] {
			continue
		}
		var words []string
		for _, l := range p.plan.Kept {
			words = append(words, l.Allow)
		}
		words = append(words, p.couldBe...)
		hint := dataflow.DidYouMean(word, words)
		if hint == "" && len(words) > 0 {
			hint = "what can be allowed is " + strings.Join(words, ", ")
		}
		p.plan.Diagnostics = append(p.plan.Diagnostics, dataflow.Diagnostic{Code: "FC624", Severity: dataflow.SeverityError,
			Message: fmt.Sprintf("--allow %s allows nothing that is to be done", word), Hint: hint})
	}
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
		if p.contested(want) || p.outdated(want) {
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

// broken warns of foreign keys that lead nowhere and that the plan leaves so.
func (p *planner) broken() {
	mended := func(k BrokenKey) bool {
		t := p.have.Table(k.Table)
		return k.Gone && p.want.Table(k.To) != nil ||
			slices.ContainsFunc(k.Columns, func(name string) bool { return p.changesAway(t, t.Column(name)) })
	}
	p.plan.Diagnostics = append(p.plan.Diagnostics, broken(slices.DeleteFunc(p.have.Broken, mended), p.want)...)
}

// leftovers finds the tables that models had and no model has any more.
func (p *planner) leftovers() {
	if p.before == nil {
		return
	}
	for i := range p.before.Tables {
		t := &p.before.Tables[i]
		have := p.have.Table(t.Name)
		if have == nil || p.want.Table(t.Name) != nil || p.renamed[t.Name] != "" {
			continue
		}
		loss := Loss{Allow: allowTable(t.Name), Table: t.Name, Rows: p.count(p.data.Rows(t.Name))}
		if p.allowed(loss) && !p.referredTo(t.Name) {
			gone := *have
			gone.Model = t.Model
			p.drops = append(p.drops, Step{Action: DropTable, Table: &gone})
			continue
		}
		p.plan.Kept, p.plan.Tables = append(p.plan.Kept, loss), append(p.plan.Tables, *t)
		p.plan.Diagnostics = append(p.plan.Diagnostics, dataflow.Diagnostic{Code: "FC619", Severity: dataflow.SeverityInfo,
			Message: fmt.Sprintf("no model has the table %s any more; it is left as it is, with %s", t.Name, rows(loss.Rows)),
			Hint:    fmt.Sprintf(`if %s was renamed, say so at the model that replaces it: was = "%s"; to throw the table away: flowctl migrate apply --allow %s`, t.Model, t.Model, loss.Allow)})
	}
}

// referredTo refuses to drop a table that another one refers to, which is to
// stay.
func (p *planner) referredTo(table string) bool {
	for i := range p.have.Tables {
		t := &p.have.Tables[i]
		if t.Name == table || slices.Contains(p.allow, allowTable(t.Name)) && p.want.Table(t.Name) == nil {
			continue
		}
		for j := range t.Columns {
			c := &t.Columns[j]
			if c.Ref == nil || c.Ref.Table != table || p.changesAway(t, c) {
				continue
			}
			p.plan.Diagnostics = append(p.plan.Diagnostics, dataflow.Diagnostic{Code: "FC615", Severity: dataflow.SeverityError,
				Message: fmt.Sprintf("the table %s can't be dropped: the column %s.%s refers to it", table, t.Name, c.Name),
				Hint:    "allow that column to be dropped too, or let it refer to another model first"})
			return true
		}
	}
	return false
}

// changesAway reports whether a step of the plan takes a column's reference
// away, or the column.
func (p *planner) changesAway(t *Table, c *Column) bool {
	return slices.ContainsFunc(slices.Concat(p.changes, p.drops), func(s Step) bool {
		return (s.Action == DropColumn || s.Action == ChangeColumn) && s.Table.Name == t.Name && s.Column.Name == c.Name
	})
}

// busy reports whether the table of that name has rows.
func (p *planner) busy(table string) bool { return p.count(p.data.Rows(table)) > 0 }

package migrate

import (
	"fmt"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

// A name that is wanted and not there may be that of something that a later
// version of the app has renamed. Made anew it would be empty, and what is written
// from then on be in two places: a version that is rolled back would do it.

// past is what was applied and not undone, in order.
func (p *planner) past() []Done {
	if p.done == nil && p.history != nil && p.err == nil {
		list, err := p.history()
		p.err = err
		p.done = []Done{}
		for _, a := range list {
			if a.State != StateRolledBack {
				p.done = append(p.done, a.Steps...)
			}
		}
	}
	return p.done
}

// tableNow is what a table is called after some steps, its own name if it was not
// renamed.
func tableNow(steps []Done, name string) string {
	now, made := name, "create table "+name
	for _, s := range steps {
		switch r := s.Renamed; {
		case s.Step == made:
			now = name
		case r != nil && r.Column == "" && r.Was == now:
			now = r.Table
		}
	}
	return now
}

// columnNow is what a column of a table is called after some steps.
func columnNow(steps []Done, table, name string) string {
	now := name
	for i, s := range steps {
		switch r := s.Renamed; {
		case r != nil && r.Column != "" && r.Was == now && tableNow(steps[i+1:], r.Table) == table:
			now = r.Column
		case s.Step == "add column "+s.Table+"."+name && tableNow(steps[i+1:], s.Table) == table:
			now = name
		}
	}
	return now
}

// outdated refuses to make a table anew, or of one that another model has had
// since, that is there under a later name, with rows, and that no model has.
func (p *planner) outdated(want *Table) bool {
	if want.model == nil || Internal(want.Name) {
		return false
	}
	now := tableNow(p.past(), want.Name)
	if now == want.Name || p.have.Table(now) == nil || p.want.Table(now) != nil || slices.Contains(p.allow, allowTable(now)) ||
		slices.ContainsFunc(p.want.Tables, func(t Table) bool { return p.have.Table(t.Name) == nil && p.formerName(&t) == now }) ||
		!p.busy(now) || p.mayMake("create_table:"+want.Name) {
		return false
	}
	take := ""
	if p.before != nil && p.before.Table(now) != nil {
		take = fmt.Sprintf("or take the table: was = %q; ", p.before.Table(now).Model)
	}
	p.plan.Diagnostics = append(p.plan.Diagnostics, dataflow.Diagnostic{Code: "FC623", Severity: dataflow.SeverityError, Span: want.model.Span,
		Message: fmt.Sprintf("the table %s of %s was renamed to %s by a version of the app that this one does not know of: a new one would leave its rows there, and begin without", want.Name, want.Model, now),
		Hint: fmt.Sprintf("start that version; or undo what it did: flowctl migrate rollback; %sif %s is another thing than it was then: flowctl migrate apply --allow create_table:%s",
			take, want.Model, want.Name)})
	return true
}

// outdated refuses the same of a column that is there under a later name, with
// values, and that no field has.
func (t *tablePlan) outdated(want *Column) bool {
	if want.field == nil {
		return false
	}
	now := columnNow(t.past(), t.have.Name, want.Name)
	word := "add_column:" + t.want.owner() + "." + want.Name
	if now == want.Name || t.have.Column(now) == nil || t.want.Column(now) != nil || slices.Contains(t.allow, allowColumn(t.want, now)) ||
		slices.ContainsFunc(t.want.Columns, func(c Column) bool { return c.field != nil && c.field.Was == now }) ||
		t.count(t.data.Rows(t.have.Name)) == t.count(t.data.Nulls(t.have.Name, now)) || t.mayMake(word) {
		return false
	}
	t.refuse("FC623", want, "", fmt.Sprintf("start that version; or undo what it did: flowctl migrate rollback; or take the column: was = %q; if the field is another thing than it was then: flowctl migrate apply --allow %s", now, word),
		"the column of %s was renamed to %s by a version of the app that this one does not know of: a new one would leave its values there, and begin without", t.name(want), now)
	return true
}

// mayMake reports whether it was said by name that something is to be made anew,
// which would be refused else.
func (p *planner) mayMake(word string) bool {
	p.couldBe = append(p.couldBe, word)
	if !slices.Contains(p.allow, word) {
		return false
	}
	p.used[word] = true
	return true
}

package migrate

import (
	"context"
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Demand is what the rows of a table must be like for a step to be undone, under
// the names that its migration has left. What the step let in since is not there
// to be rounded, cut or lost in silence.
type Demand struct {
	Table  string `json:"table"`
	Column string `json:"column,omitempty"`
	// Required: none may be null.
	Required bool `json:"required,omitempty"`
	// Values: each must be one that this column may hold, of the same kind.
	Values *Column `json:"values,omitempty"`
	// Type: each must be able to become one of this column. Allow is the word for
	// those that would be another value then.
	Type  *Column `json:"type,omitempty"`
	Allow string  `json:"allow,omitempty"`
	// Unique: no two rows may be alike in this index.
	Unique *Index `json:"unique,omitempty"`
}

// demand is what a step that is a reverse demands, nil for nothing.
func (s Step) demand() *Demand {
	d := &Demand{Table: s.Table.Name}
	if s.Column != nil {
		d.Column = s.Column.Name
	}
	switch s.Action {
	case SetRequired:
		d.Required = true
	case ChangeCheck:
		d.Values = s.Column
	case ChangeColumn:
		d.Type, d.Allow = s.Column, allowRetype(s.Table, d.Column)
	case CreateIndex:
		if !s.Index.Unique {
			return nil
		}
		d.Unique = &s.Index
	default:
		return nil
	}
	return d
}

// about reports whether a schema has what the demand is about.
func (d *Demand) about(have *Schema) bool {
	t := have.Table(d.Table)
	if t == nil || d.Column != "" && t.Column(d.Column) == nil {
		return false
	}
	if d.Unique != nil {
		for _, c := range d.Unique.Columns {
			if t.Column(c) == nil {
				return false
			}
		}
	}
	return true
}

// demands refuses to undo an entry that rows do not meet the demands of, and
// reports whether there is one. have is the schema that is there.
func (u *undoing) demands(ctx context.Context, a *Applied, have *Schema) (refused bool, err error) {
	data := u.DB.Data(ctx)
	for i := range a.Steps {
		s := &a.Steps[i]
		if s.Needs == nil || Internal(s.Table) || !s.Needs.about(have) {
			continue
		}
		why, hint, err := u.unmet(s.Needs, data, have)
		if err != nil {
			return false, err
		}
		if why != "" {
			refused = true
			u.refused = append(u.refused, dataflow.Diagnostic{Code: "FC625", Severity: dataflow.SeverityError, Span: u.Database.URLSpan(),
				Message: fmt.Sprintf("undoing %q %s", s.Step, why), Hint: hint})
		}
	}
	return refused, nil
}

// unmet says in which way a demand is not met, "" if it is.
func (u *undoing) unmet(d *Demand, data Data, there *Schema) (why, hint string, err error) {
	var n int64
	switch {
	case d.Required:
		if n, err = data.Nulls(d.Table, d.Column); n > 0 {
			return fmt.Sprintf("leaves no null in %s.%s, but %s %s one", d.Table, d.Column, rows(n), have(n)), "give those rows a value first", err
		}
	case d.Values != nil:
		want := *d.Values
		want.Storage = there.Table(d.Table).Column(d.Column).Storage // which the history does not keep
		if n, err = data.Outside(d.Table, d.Column, &want); n > 0 {
			return fmt.Sprintf("leaves no room for the value that %s %s in %s.%s", rows(n), have(n), d.Table, d.Column), "change those rows first", err
		}
	case d.Unique != nil:
		if n, err = data.Duplicates(d.Table, d.Unique.Columns, d.Unique.Where); n > 0 {
			return fmt.Sprintf("makes %s of the table %s unique again, but %s more than one row", strings.Join(d.Unique.Columns, ", "), d.Table, shared(n)), "make those rows differ first", err
		}
	case d.Type != nil:
		return u.unmetType(d, data, there)
	}
	return "", "", err
}

func (u *undoing) unmetType(d *Demand, data Data, there *Schema) (why, hint string, err error) {
	now := there.Table(d.Table).Column(d.Column)
	var cant, lossy int64
	switch {
	case now.Kind == "" || now.Kind == d.Type.Kind && now.Kind != "decimal":
	case !Converts(now, d.Type):
		all, err := data.Rows(d.Table)
		if err != nil {
			return "", "", err
		}
		nulls, err := data.Nulls(d.Table, d.Column)
		if err != nil {
			return "", "", err
		}
		cant = all - nulls
	default:
		if cant, lossy, err = misfits(data, d.Table, now, d.Type); err != nil {
			return "", "", err
		}
	}
	switch {
	case cant > 0:
		return fmt.Sprintf("makes %s.%s %s, which the value in %s can't be", d.Table, d.Column, describe(d.Type), rows(cant)), "change those rows first", nil
	case lossy > 0 && !u.used[d.Allow]:
		return fmt.Sprintf("makes %s.%s %s, which alters the value in %s", d.Table, d.Column, describe(d.Type), rows(lossy)), "if that is meant: --allow " + d.Allow, nil
	}
	to := d.Type.Ref
	if to == nil || now.Kind != d.Type.Kind || now.Ref != nil && now.Ref.Table == to.Table {
		return "", "", nil
	}
	if t := there.Table(to.Table); t != nil {
		if n, err := data.Dangling(d.Table, d.Column, to.Table, t.id()); n > 0 || err != nil {
			return fmt.Sprintf("lets %s.%s refer to %s, but %s %s a value that is no id there", d.Table, d.Column, to.Table, rows(n), have(n)), "change those rows first", err
		}
	}
	return "", "", nil
}

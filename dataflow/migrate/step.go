package migrate

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
)

// Action is what a step does.
type Action uint8

// The actions.
const (
	CreateTable Action = iota
	RenameTable
	DropTable
	AddColumn
	RenameColumn
	DropColumn
	SetOptional // null may be stored from now on
	FillNulls   // with the field's default
	SetRequired
	ChangeCheck  // an enum's values, a decimal's digits
	ChangeColumn // its type, or what it refers to
	CheckRef     // that all rows refer to what is there, where a reference was made without looking
	CreateIndex
	DropIndex
)

// Step is one change to a schema. Names are those at its turn: renames come
// first.
type Step struct {
	Action Action
	Table  *Table  // as wanted; as found, for DropTable
	Column *Column // as wanted; as found, for DropColumn, and for SetOptional of one that no field has
	Have   *Column // as found, under the name that the step leaves it: RenameColumn, ChangeCheck, ChangeColumn
	Was    string  // RenameTable, RenameColumn: the old name
	Index  Index
	// Covers are the indexes over the column that is changed or dropped, as found.
	Covers []Index
	// Busy says that the table has rows that others may be working with, so
	// that an engine that can does what takes long beside them.
	Busy bool
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
	case DropTable:
		return "drop table " + s.Table.Name
	case AddColumn:
		return "add column " + column
	case RenameColumn:
		return fmt.Sprintf("rename column %s.%s to %s", s.Table.Name, s.Was, s.Column.Name)
	case DropColumn:
		return "drop column " + column
	case SetOptional:
		return "allow null in " + column
	case FillNulls:
		return "fill " + column + " with its default where it is null"
	case SetRequired:
		return "refuse null in " + column
	case ChangeCheck:
		return "change the values of " + column
	case ChangeColumn:
		return "change " + column + " from " + describe(s.Have) + " to " + describe(s.Column)
	case CheckRef:
		return "check the references in " + column
	case CreateIndex:
		kind := ""
		switch {
		case s.Index.Unique:
			kind = "unique "
		case s.Index.Search:
			kind = "search "
		}
		return fmt.Sprintf("create %sindex on %s (%s)%s", kind, s.Table.Name, strings.Join(s.Index.Columns, ", "), s.Table.among(s.Index.Where))
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

// Reverse returns the step that undoes s, and what that loses of what has come
// since: nil is nothing. ok is false for a step that leaves nothing to undo.
// What a step has dropped comes back without its values.
func (s Step) Reverse() (back Step, loss *Loss, ok bool) {
	back = s
	switch s.Action {
	case CreateTable:
		back.Action = DropTable
		return back, &Loss{Allow: allowTable(s.Table.Name), Table: s.Table.Name}, true
	case RenameTable:
		was := *s.Table
		was.Name = s.Was
		back.Table, back.Was = &was, s.Table.Name
	case DropTable:
		back.Action = CreateTable
	case AddColumn:
		back.Action = DropColumn
		return back, &Loss{Allow: allowColumn(s.Table, s.Column.Name), Table: s.Table.Name, Column: s.Column.Name}, true
	case RenameColumn:
		was, had := *s.Column, *s.Have
		was.Name, had.Name = s.Was, s.Was
		back.Column, back.Have, back.Was = &was, &had, s.Column.Name
	case DropColumn:
		back.Action = AddColumn
		blank := *s.Column
		blank.Optional, blank.field = true, nil
		back.Column = &blank
	case SetOptional:
		back.Action = SetRequired
	case SetRequired:
		back.Action = SetOptional
	case ChangeCheck, ChangeColumn:
		back.Column, back.Have = s.Have, s.Column
	case CreateIndex:
		back.Action = DropIndex
	case DropIndex:
		if back.Action = CreateIndex; s.Index.Broken {
			return back, nil, false
		}
	default: // FillNulls, CheckRef
		return back, nil, false
	}
	return back, nil, true
}

// Loss is values that a step throws away.
type Loss struct {
	Allow  string `json:"allow"` // the word that allows it: "drop_column:Order.note"
	Table  string `json:"table"`
	Column string `json:"column,omitempty"`
	Rows   int64  `json:"rows"` // that have a value there
}

func allowTable(name string) string { return "drop_table:" + name }

func allowColumn(t *Table, column string) string { return "drop_column:" + t.owner() + "." + column }

func allowRetype(t *Table, column string) string { return "retype:" + t.owner() + "." + column }

// owner is what people call a table: its model.
func (t *Table) owner() string {
	if t.Model != "" {
		return t.Model
	}
	return t.Name
}

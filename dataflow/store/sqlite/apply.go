package sqlite

import (
	"strings"

	"github.com/flowctl/flowctl/dataflow/migrate"
)

// SQLite alters a table in place: columns can be added, renamed, dropped, made
// required or not, and named CHECKs replaced, each without touching what refers
// to the table. What can't be altered so, a type or a reference, is a new
// column that takes the values and the name of the old one.

// Work implements migrate.DB.
func (m *migrator) Work(steps []migrate.Step) []migrate.Work {
	out := make([]migrate.Work, len(steps))
	for i := range steps {
		out[i].SQL = statementsOf(&steps[i])
	}
	return out
}

func statementsOf(s *migrate.Step) []string {
	table := "ALTER TABLE " + ident(s.Table.Name)
	switch s.Action {
	case migrate.CreateTable:
		return []string{createTable(s.Table)}
	case migrate.RenameTable:
		return []string{"ALTER TABLE " + ident(s.Was) + " RENAME TO " + ident(s.Table.Name)}
	case migrate.DropTable:
		return append(dropSearches(s.Table.Indexes), "DROP TABLE "+ident(s.Table.Name))
	case migrate.AddColumn:
		return addColumn(s)
	case migrate.RenameColumn:
		return renameColumn(s)
	case migrate.DropColumn:
		return append(append(dropIndexes(s.Covers), dropCheck(s.Table, s.Column)...), table+" DROP COLUMN "+ident(s.Column.Name))
	case migrate.SetOptional:
		return []string{table + " ALTER COLUMN " + ident(s.Column.Name) + " DROP NOT NULL"}
	case migrate.FillNulls:
		return fill(s, " WHERE "+ident(s.Column.Name)+isNull)
	case migrate.SetRequired:
		return []string{table + " ALTER COLUMN " + ident(s.Column.Name) + " SET NOT NULL"}
	case migrate.ChangeCheck:
		return replaceCheck(s.Table, s.Column, s.Column.Name)
	case migrate.ChangeColumn:
		return changeColumn(s)
	case migrate.CreateIndex:
		return createIndexes(s.Table, s.Index)
	case migrate.DropIndex:
		return dropIndexes([]migrate.Index{s.Index})
	}
	return nil // CheckRef: no reference is made without looking
}

// addColumn adds a column that may be null, fills it, and only then makes it
// required: so it has no DEFAULT, which could not be changed later.
func addColumn(s *migrate.Step) []string {
	table := "ALTER TABLE " + ident(s.Table.Name)
	sql := append([]string{table + " ADD COLUMN " + columnDef(s.Column, false)}, fill(s, "")...)
	if s.Column.Optional {
		return sql
	}
	return append(sql, table+" ALTER COLUMN "+ident(s.Column.Name)+" SET NOT NULL")
}

// fill gives rows the value that is to be in the step's column, if there is one.
func fill(s *migrate.Step, where string) []string {
	v, ok := s.Column.Fill()
	if !ok {
		return nil
	}
	return []string{"UPDATE " + ident(s.Table.Name) + " SET " + ident(s.Column.Name) + " = " + literal(s.Column.Field().Type.Scalar(), v) + where}
}

// renameColumn renames a column and, so that it is found again, the CHECK
// named after it. A rename alone is no reason for other values: if there are
// any, a step of their own follows.
func renameColumn(s *migrate.Step) []string {
	sql := []string{"ALTER TABLE " + ident(s.Table.Name) + " RENAME COLUMN " + ident(s.Was) + " TO " + ident(s.Column.Name)}
	if checkOf(s.Have) == "" {
		return sql
	}
	return append(sql, replaceCheck(s.Table, s.Have, s.Was)...)
}

// replaceCheck puts the CHECK of a column in the place of the one named after was.
func replaceCheck(t *migrate.Table, c *migrate.Column, was string) []string {
	table := "ALTER TABLE " + ident(t.Name)
	return []string{
		table + " DROP CONSTRAINT " + ident(checkName(was)),
		table + " ADD CONSTRAINT " + ident(checkName(c.Name)) + " CHECK (" + checkOf(c) + ")",
	}
}

// dropCheck takes the CHECK off a column that is going to be dropped: one that was
// replaced is the table's, which does not let go of the column then.
func dropCheck(t *migrate.Table, c *migrate.Column) []string {
	if checkOf(c) == "" {
		return nil
	}
	return []string{"ALTER TABLE " + ident(t.Name) + " DROP CONSTRAINT " + ident(checkName(c.Name))}
}

// changeColumn puts a column of another type, or with another reference, in
// the place of one. Indexes over it are made anew.
func changeColumn(s *migrate.Step) []string {
	const mark = "~" // in no name of a column
	fresh := *s.Column
	fresh.Name += mark
	table := "ALTER TABLE " + ident(s.Table.Name)
	def := strings.ReplaceAll(columnDef(&fresh, false), ident(checkName(fresh.Name)), ident(checkName(s.Column.Name)))
	sql := append(append(dropIndexes(s.Covers), dropCheck(s.Table, s.Have)...),
		table+" ADD COLUMN "+def,
		"UPDATE "+ident(s.Table.Name)+" SET "+ident(fresh.Name)+" = "+converted(ident(s.Column.Name), s.Have, s.Column),
		table+" DROP COLUMN "+ident(s.Column.Name),
		table+" RENAME COLUMN "+ident(fresh.Name)+" TO "+ident(s.Column.Name))
	if !s.Have.Optional {
		sql = append(sql, table+" ALTER COLUMN "+ident(s.Column.Name)+" SET NOT NULL")
	}
	return append(sql, createIndexes(s.Table, s.Covers...)...)
}

func createIndexes(t *migrate.Table, list ...migrate.Index) []string {
	var sql []string
	for _, ix := range list {
		if ix.Search {
			sql = append(sql, createSearch(t, ix)...)
		} else {
			sql = append(sql, createIndex(t.Name, ix))
		}
	}
	return sql
}

func dropIndexes(list []migrate.Index) []string {
	var sql []string
	for _, ix := range list {
		if !ix.Search {
			sql = append(sql, "DROP INDEX IF EXISTS "+ident(ix.Name))
		}
	}
	return append(sql, dropSearches(list)...)
}

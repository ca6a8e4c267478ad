package postgres

import (
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow/migrate"
)

// Work implements migrate.DB. Foreign keys follow once every new table is
// there: with the last table that is made.
func (m *migrator) Work(steps []migrate.Step) []migrate.Work {
	out := make([]migrate.Work, len(steps))
	last := -1
	var refs []string
	for i := range steps {
		s := &steps[i]
		out[i] = workOf(s)
		if s.Action == migrate.CreateTable {
			last = i
			for j := range s.Table.Columns {
				if c := &s.Table.Columns[j]; c.Ref != nil {
					refs = append(refs, foreignKey(s.Table.Name, c, false))
				}
			}
		}
	}
	if last >= 0 {
		out[last].SQL = append(out[last].SQL, refs...)
	}
	if i := lastSearchGone(steps); i >= 0 {
		out[i].SQL = append(out[i].SQL, dropUnusedFunctions)
	}
	return out
}

// lastSearchGone is the last step that drops an index of words, if none makes
// one: what those are by may be needed no more. Where one is replaced, apps
// that are still running search without it meanwhile.
func lastSearchGone(steps []migrate.Step) int {
	last := -1
	for i, s := range steps {
		switch {
		case s.Action == migrate.CreateIndex && s.Index.Search:
			return -1
		case s.Action == migrate.DropIndex && s.Index.Search, s.Action == migrate.DropTable && slices.ContainsFunc(s.Table.Indexes, func(ix migrate.Index) bool { return ix.Search }):
			last = i
		}
	}
	return last
}

func workOf(s *migrate.Step) migrate.Work {
	switch s.Action {
	case migrate.CreateIndex:
		if s.Busy {
			return migrate.Work{Aside: true, SQL: append(functionsOf(s.Index), createIndex(s.Table.Name, s.Index, "CONCURRENTLY "))}
		}
	case migrate.CheckRef:
		return migrate.Work{Aside: true, SQL: []string{"ALTER TABLE " + ident(s.Table.Name) + " VALIDATE CONSTRAINT " + ident(refName(s.Table.Name, s.Have))}}
	}
	return migrate.Work{SQL: statementsOf(s)}
}

func statementsOf(s *migrate.Step) []string {
	table := "ALTER TABLE " + ident(s.Table.Name)
	switch s.Action {
	case migrate.CreateTable:
		sql := []string{createTable(s.Table)}
		for i := range s.Table.Columns {
			sql = append(sql, comment(s.Table.Name, &s.Table.Columns[i])...)
		}
		return sql
	case migrate.RenameTable:
		return []string{"ALTER TABLE " + ident(s.Was) + " RENAME TO " + ident(s.Table.Name)}
	case migrate.DropTable:
		return []string{"DROP TABLE " + ident(s.Table.Name)}
	case migrate.AddColumn:
		return addColumn(s)
	case migrate.RenameColumn:
		return renameColumn(s)
	case migrate.DropColumn:
		return []string{table + " DROP COLUMN " + ident(s.Column.Name)}
	case migrate.SetOptional:
		return []string{table + " ALTER COLUMN " + ident(s.Column.Name) + " DROP NOT NULL"}
	case migrate.FillNulls:
		return fill(s, " WHERE "+ident(s.Column.Name)+" IS NULL")
	case migrate.SetRequired:
		return []string{table + " ALTER COLUMN " + ident(s.Column.Name) + " SET NOT NULL"}
	case migrate.ChangeCheck:
		if s.Column.Kind == "decimal" {
			return []string{table + " ALTER COLUMN " + ident(s.Column.Name) + " TYPE " + columnType(s.Column)}
		}
		return append(dropCheck(s.Table.Name, s.Column.Name), addCheck(s.Table.Name, s.Column)...)
	case migrate.ChangeColumn:
		return changeColumn(s)
	case migrate.CreateIndex:
		return append(functionsOf(s.Index), createIndex(s.Table.Name, s.Index, ""))
	case migrate.DropIndex:
		return []string{"DROP INDEX IF EXISTS " + ident(s.Index.Name)}
	}
	return nil
}

// addColumn adds a column that may be null, fills it, and only then makes it
// required: so it has no DEFAULT.
func addColumn(s *migrate.Step) []string {
	table := "ALTER TABLE " + ident(s.Table.Name)
	sql := append([]string{table + " ADD COLUMN " + columnDef(s.Column, false)}, fill(s, "")...)
	sql = append(sql, comment(s.Table.Name, s.Column)...)
	if s.Column.Ref != nil {
		sql = append(sql, foreignKey(s.Table.Name, s.Column, false))
	}
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
	return []string{"UPDATE " + ident(s.Table.Name) + " SET " + ident(s.Column.Name) + " = " + strings.TrimSpace(literal(s.Column.Field().Type, v)) + where}
}

// renameColumn renames a column and the CHECK named after it, so that it is
// found again. If its values change too, a step of their own follows.
func renameColumn(s *migrate.Step) []string {
	table := "ALTER TABLE " + ident(s.Table.Name)
	sql := []string{table + " RENAME COLUMN " + ident(s.Was) + " TO " + ident(s.Column.Name)}
	if checkOf(s.Have) == "" {
		return sql
	}
	return append(sql, table+" RENAME CONSTRAINT "+ident(checkName(s.Was))+" TO "+ident(checkName(s.Column.Name)))
}

func dropCheck(table, column string) []string {
	return []string{"ALTER TABLE " + ident(table) + " DROP CONSTRAINT IF EXISTS " + ident(checkName(column))}
}

func addCheck(table string, c *migrate.Column) []string {
	if checkOf(c) == "" {
		return nil
	}
	return []string{"ALTER TABLE " + ident(table) + " ADD CONSTRAINT " + ident(checkName(c.Name)) + " CHECK (" + checkOf(c) + ")"}
}

// changeColumn gives a column another type, or another reference, or both. A
// reference in a table with rows is made without looking at them: that follows.
func changeColumn(s *migrate.Step) []string {
	table := "ALTER TABLE " + ident(s.Table.Name)
	var sql []string
	if s.Have.Ref != nil {
		sql = append(sql, table+" DROP CONSTRAINT "+ident(refName(s.Table.Name, s.Have)))
	}
	if checkOf(s.Have) != "" {
		sql = append(sql, dropCheck(s.Table.Name, s.Column.Name)...)
	}
	if expr := converted(ident(s.Column.Name), s.Have, s.Column); expr != ident(s.Column.Name) || s.Have.Storage != s.Column.Storage {
		collate := ""
		if s.Column.Storage == "text" {
			collate = ` COLLATE "C"`
		}
		sql = append(sql, table+" ALTER COLUMN "+ident(s.Column.Name)+" TYPE "+columnType(s.Column)+collate+" USING "+expr)
	}
	if note := comment(s.Table.Name, s.Column); note != nil {
		sql = append(sql, note...)
	} else if comment(s.Table.Name, s.Have) != nil {
		sql = append(sql, "COMMENT ON COLUMN "+ident(s.Table.Name)+"."+ident(s.Column.Name)+" IS NULL")
	}
	sql = append(sql, addCheck(s.Table.Name, s.Column)...)
	if s.Column.Ref != nil {
		fresh := *s.Column
		ref := *fresh.Ref
		ref.Name = ""
		fresh.Ref = &ref
		sql = append(sql, foreignKey(s.Table.Name, &fresh, s.Busy))
	}
	return sql
}

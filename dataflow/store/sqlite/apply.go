package sqlite

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow/migrate"
)

// step applies one step of a plan.
func (o *schemaOpener) step(s migrate.Step) error {
	table := "ALTER TABLE " + ident(s.Table.Name)
	switch s.Action {
	case migrate.CreateTable:
		return o.do(createTable(s.Table))
	case migrate.RenameTable:
		return o.do("ALTER TABLE " + ident(s.Was) + " RENAME TO " + ident(s.Table.Name))
	case migrate.AddColumn:
		return o.addColumn(s)
	case migrate.RenameColumn:
		return o.renameColumn(s)
	case migrate.SetOptional:
		return o.do(table + " ALTER COLUMN " + ident(s.Column.Name) + " DROP NOT NULL")
	case migrate.FillNulls:
		return o.fill(s, " WHERE "+ident(s.Column.Name)+isNull)
	case migrate.SetRequired:
		return o.do(table + " ALTER COLUMN " + ident(s.Column.Name) + " SET NOT NULL")
	case migrate.ChangeCheck:
		return o.replaceCheck(s, s.Column.Name)
	case migrate.CreateIndex:
		return o.do(createIndex(s.Table.Name, s.Index))
	case migrate.DropIndex:
		return o.do("DROP INDEX " + ident(s.Index.Name))
	}
	return fmt.Errorf("unknown step %d", s.Action)
}

// do runs a statement and notes it for the history.
func (o *schemaOpener) do(sql string) error {
	o.sql = append(o.sql, sql)
	return o.c.exec(sql)
}

// addColumn adds a column that may be null, fills it, and only then makes it
// required: so it has no DEFAULT, which could not be changed later.
func (o *schemaOpener) addColumn(s migrate.Step) error {
	table, column := ident(s.Table.Name), ident(s.Column.Name)
	if err := o.do("ALTER TABLE " + table + " ADD COLUMN " + columnDef(s.Column, false)); err != nil {
		return err
	}
	if err := o.fill(s, ""); err != nil {
		return err
	}
	if s.Column.Optional {
		return nil
	}
	return o.do("ALTER TABLE " + table + " ALTER COLUMN " + column + " SET NOT NULL")
}

// fill gives rows the value that is to be in the step's column, if there is one.
func (o *schemaOpener) fill(s migrate.Step, where string) error {
	v, ok := s.Column.Fill()
	if !ok {
		return nil
	}
	sql := "UPDATE " + ident(s.Table.Name) + " SET " + ident(s.Column.Name) + " = ?" + where
	o.sql = append(o.sql, sql)
	return o.c.query(sql, []any{dialect{}.Encode(s.Column.Field().Type.Scalar(), v)}, ignoreRow)
}

// renameColumn renames a column and, so that it is found again, the CHECK
// named after it. A rename alone is no reason for other values: if there are
// any, a step of their own follows.
func (o *schemaOpener) renameColumn(s migrate.Step) error {
	if err := o.do("ALTER TABLE " + ident(s.Table.Name) + " RENAME COLUMN " + ident(s.Was) + " TO " + ident(s.Column.Name)); err != nil {
		return err
	}
	if checkOf(s.Column) == "" {
		return nil
	}
	return o.replaceCheck(s, s.Was)
}

// replaceCheck puts the CHECK wanted of a column in the place of the one named
// after was.
func (o *schemaOpener) replaceCheck(s migrate.Step, was string) error {
	table := "ALTER TABLE " + ident(s.Table.Name)
	if err := o.do(table + " DROP CONSTRAINT " + ident(checkName(was))); err != nil {
		return err
	}
	check := checkOf(s.Column)
	return o.do(table + " ADD CONSTRAINT " + ident(checkName(s.Column.Name)) + " CHECK (" + check + ")")
}

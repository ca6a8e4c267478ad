package postgres

import (
	"context"
	"fmt"

	"github.com/flowctl/flowctl/dataflow/migrate"
)

// steps applies a plan. Foreign keys follow once every new table is there.
func (o *schemaOpener) steps(ctx context.Context, steps []migrate.Step) error {
	created := map[string]bool{}
	for _, s := range steps {
		if s.Action != migrate.CreateTable && s.Action != migrate.RenameTable && s.Action != migrate.RenameColumn {
			if err := o.addRefs(ctx); err != nil {
				return err
			}
		}
		if err := o.step(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		if shown(s, created) {
			o.done.Steps = append(o.done.Steps, s.String())
		}
	}
	return o.addRefs(ctx)
}

func (o *schemaOpener) addRefs(ctx context.Context) error {
	refs := o.refs
	o.refs = nil
	for _, sql := range refs {
		if err := o.do(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// step applies one step of a plan.
func (o *schemaOpener) step(ctx context.Context, s migrate.Step) error {
	table := "ALTER TABLE " + ident(s.Table.Name)
	switch s.Action {
	case migrate.CreateTable:
		return o.createTable(ctx, s.Table)
	case migrate.RenameTable:
		return o.do(ctx, "ALTER TABLE "+ident(s.Was)+" RENAME TO "+ident(s.Table.Name))
	case migrate.AddColumn:
		return o.addColumn(ctx, s)
	case migrate.RenameColumn:
		return o.renameColumn(ctx, s)
	case migrate.SetOptional:
		return o.do(ctx, table+" ALTER COLUMN "+ident(s.Column.Name)+" DROP NOT NULL")
	case migrate.FillNulls:
		return o.fill(ctx, s, " WHERE "+ident(s.Column.Name)+" IS NULL")
	case migrate.SetRequired:
		return o.do(ctx, table+" ALTER COLUMN "+ident(s.Column.Name)+" SET NOT NULL")
	case migrate.ChangeCheck:
		if s.Column.Kind == "decimal" {
			return o.do(ctx, table+" ALTER COLUMN "+ident(s.Column.Name)+" TYPE "+columnType(s.Column))
		}
		return o.replaceCheck(ctx, s, s.Column.Name)
	case migrate.CreateIndex:
		return o.do(ctx, createIndex(s.Table.Name, s.Index))
	case migrate.DropIndex:
		return o.do(ctx, "DROP INDEX "+ident(s.Index.Name))
	}
	return fmt.Errorf("unknown step %d", s.Action)
}

// do runs a statement and notes it for the history.
func (o *schemaOpener) do(ctx context.Context, sql string) error {
	o.sql = append(o.sql, sql)
	return o.c.exec(ctx, sql)
}

func (o *schemaOpener) createTable(ctx context.Context, t *migrate.Table) error {
	if err := o.do(ctx, createTable(t)); err != nil {
		return err
	}
	for i := range t.Columns {
		if err := o.completeColumn(ctx, t.Name, &t.Columns[i]); err != nil {
			return err
		}
	}
	return nil
}

// completeColumn adds what does not stand in a column's definition.
func (o *schemaOpener) completeColumn(ctx context.Context, table string, c *migrate.Column) error {
	if c.Ref != nil {
		o.refs = append(o.refs, foreignKey(table, c))
	}
	if sql := comment(table, c); sql != "" {
		return o.do(ctx, sql)
	}
	return nil
}

// addColumn adds a column that may be null, fills it, and only then makes it
// required: so it has no DEFAULT.
func (o *schemaOpener) addColumn(ctx context.Context, s migrate.Step) error {
	table, column := ident(s.Table.Name), ident(s.Column.Name)
	if err := o.do(ctx, "ALTER TABLE "+table+" ADD COLUMN "+columnDef(s.Column, false)); err != nil {
		return err
	}
	if err := o.fill(ctx, s, ""); err != nil {
		return err
	}
	if err := o.completeColumn(ctx, s.Table.Name, s.Column); err != nil || s.Column.Optional {
		return err
	}
	return o.do(ctx, "ALTER TABLE "+table+" ALTER COLUMN "+column+" SET NOT NULL")
}

// fill gives rows the value that is to be in the step's column, if there is one.
func (o *schemaOpener) fill(ctx context.Context, s migrate.Step, where string) error {
	v, ok := s.Column.Fill()
	if !ok {
		return nil
	}
	sql := "UPDATE " + ident(s.Table.Name) + " SET " + ident(s.Column.Name) + " = $1" + where
	o.sql = append(o.sql, sql)
	return o.c.query(ctx, sql, []any{dialect{}.Encode(s.Column.Field().Type, v)}, ignoreRow)
}

// renameColumn renames a column and the CHECK named after it, so that it is
// found again. If its values change too, a step of their own follows.
func (o *schemaOpener) renameColumn(ctx context.Context, s migrate.Step) error {
	table := "ALTER TABLE " + ident(s.Table.Name)
	if err := o.do(ctx, table+" RENAME COLUMN "+ident(s.Was)+" TO "+ident(s.Column.Name)); err != nil {
		return err
	}
	if checkOf(s.Column) == "" {
		return nil
	}
	return o.do(ctx, table+" RENAME CONSTRAINT "+ident(checkName(s.Was))+" TO "+ident(checkName(s.Column.Name)))
}

// replaceCheck puts the CHECK wanted of a column in the place of the one named
// after was.
func (o *schemaOpener) replaceCheck(ctx context.Context, s migrate.Step, was string) error {
	table := "ALTER TABLE " + ident(s.Table.Name)
	if err := o.do(ctx, table+" DROP CONSTRAINT "+ident(checkName(was))); err != nil {
		return err
	}
	return o.do(ctx, table+" ADD CONSTRAINT "+ident(checkName(s.Column.Name))+" CHECK ("+checkOf(s.Column)+")")
}

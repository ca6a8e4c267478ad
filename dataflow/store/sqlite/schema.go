package sqlite

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

// SQLite alters a table in place: columns can be added, renamed, made required
// or not, and named CHECKs replaced, each without touching what refers to the
// table. So no table is ever rebuilt, and a migration is one transaction with
// foreign keys on. What SQLite can't alter so (a type, a foreign key) is
// refused.

// schemaOpener brings a database's schema up to what its models ask for.
type schemaOpener struct {
	c      *conn
	db     *dataflow.Database
	name   string
	models []*dataflow.Model // the app's
	system []*dataflow.Model
	want   *migrate.Schema
	absent []*dataflow.Model // of system, in existing_schema_mode
	sql    []string
	done   *store.Migration
}

// migrateSchema returns what was done, and which of the runtime's own models
// have no table.
func migrateSchema(ctx context.Context, c *conn, db *dataflow.Database, p place, system []*dataflow.Model) (done *store.Migration, absent []*dataflow.Model, diags []dataflow.Diagnostic) {
	o := &schemaOpener{c: c, db: db, name: p.name, models: db.Models, system: system, done: &store.Migration{Database: p.name}}
	o.want = migrate.Desired(append(o.models[:len(o.models):len(o.models)], system...), storage, literal)
	diags, err := o.open(ctx)
	if err != nil {
		return nil, nil, append(diags, openFailure(db, p, err))
	}
	return o.done, o.absent, diags
}

func (o *schemaOpener) open(ctx context.Context) ([]dataflow.Diagnostic, error) {
	if o.db.Options.ExistingSchemaMode {
		return o.fit()
	}
	m, err := readMeta(o.c)
	if err != nil {
		return nil, err
	}
	if m.there && m.format > migrate.Format {
		return []dataflow.Diagnostic{migrate.Newer(o.db, o.name, m.format)}, nil
	}
	if o.unchanged(m) {
		return nil, o.writable()
	}
	return o.migrate(ctx)
}

// unchanged reports whether the snapshot in the database spares looking at the
// tables themselves.
func (o *schemaOpener) unchanged(m meta) bool {
	return o.db.Options.ModelPersistence && m.current(o.want.Fingerprint())
}

// writable finds out whether the database can be written to, without writing
// or waiting.
func (o *schemaOpener) writable() error {
	o.c.SetBusyTimeout(0)
	defer o.c.SetBusyTimeout(busyTimeout)
	err := o.c.run("BEGIN IMMEDIATE")
	if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultBusy {
		return nil // another program is writing, so it can be
	}
	if err != nil {
		return err
	}
	return o.c.run("ROLLBACK")
}

// migrate alters what needs it, in one transaction that no other process is
// in at the same time.
func (o *schemaOpener) migrate(ctx context.Context) (diags []dataflow.Diagnostic, err error) {
	stop := o.c.watch(ctx)
	defer o.c.unwatch(stop)
	if err := o.c.run("BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	defer func() {
		if !o.c.AutocommitEnabled() {
			_ = o.c.run("ROLLBACK")
		}
	}()
	m, err := readMeta(o.c)
	if err != nil {
		return nil, err
	}
	if o.unchanged(m) {
		return nil, nil // another process has done it while this one waited
	}
	plan, err := o.plan(m)
	if err != nil {
		return nil, err
	}
	if dataflow.HasErrors(plan.Diagnostics) {
		return plan.Diagnostics, nil
	}
	if len(plan.Steps) > 0 && !o.db.Options.AutoMigrate {
		return append(plan.Diagnostics, migrate.Pending(o.db, o.name, plan.Steps)), nil
	}
	if err := o.apply(m, plan.Steps); err != nil {
		return nil, err
	}
	return plan.Diagnostics, o.c.run("COMMIT")
}

func (o *schemaOpener) plan(m meta) (*migrate.Plan, error) {
	have, err := inspect(o.c)
	if err != nil {
		return nil, err
	}
	o.done.Created = len(have.Tables) == 0
	before, err := readSnapshot(o.c, m)
	if err != nil {
		return nil, err
	}
	return migrate.NewPlan(have, o.want, before, rowData{o.c})
}

func (o *schemaOpener) apply(m meta, steps []migrate.Step) error {
	if len(steps) == 0 && (!o.db.Options.AutoMigrate || m.there && !o.db.Options.ModelPersistence) {
		return nil // the schema fits, and nothing of ours is to be added or kept
	}
	if !m.there {
		for _, sql := range []string{createMeta, createMigrations} {
			if err := o.c.exec(sql); err != nil {
				return err
			}
		}
	}
	created := map[string]bool{}
	for _, s := range steps {
		if err := o.step(s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
		if shown(s, created) {
			o.done.Steps = append(o.done.Steps, s.String())
		}
	}
	if len(o.sql) > 0 {
		all := make([]string, len(steps))
		for i, s := range steps {
			all[i] = s.String()
		}
		if err := writeHistory(o.c, all, strings.Join(o.sql, ";\n")+";"); err != nil {
			return err
		}
	}
	return writeMeta(o.c, o.want, o.db.Options.ModelPersistence)
}

// shown reports whether a step is news to whoever starts the app: the
// runtime's own tables are not, nor are the indexes of a table just created.
func shown(s migrate.Step, created map[string]bool) bool {
	if s.Action == migrate.CreateTable {
		created[s.Table.Name] = true
	}
	return !strings.HasPrefix(s.Table.Name, "_flow_") && (s.Action != migrate.CreateIndex || !created[s.Table.Name])
}

// fit checks the tables without altering any. A system table that is not
// there is not asked for, unless a model needs it to keep its promises.
func (o *schemaOpener) fit() ([]dataflow.Diagnostic, error) {
	have, err := inspect(o.c)
	if err != nil {
		return nil, err
	}
	diags := migrate.Fit(have, migrate.Desired(o.models, storage, literal))
	for _, m := range o.system {
		if have.Table(m.Table) == nil {
			o.absent = append(o.absent, m)
		}
	}
	diags = append(diags, migrate.Unaudited(have, o.models)...)
	if dataflow.HasErrors(diags) {
		return diags, nil
	}
	return diags, o.writable()
}

func openWriter(db *dataflow.Database, p place) (*conn, error) {
	timeout := db.Options.MigrationLockTimeout
	if timeout <= 0 {
		timeout = defaultLockTimeout
	}
	if why := unusable(p); why != nil {
		return nil, why
	}
	flags := sqlite.OpenReadWrite
	if !db.Options.ExistingSchemaMode { // a database that is to be there already is not made
		flags |= sqlite.OpenCreate
	}
	c, err := openConn(p.path, flags, timeout)
	if err != nil {
		return nil, err
	}
	for _, pragma := range []string{"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"} {
		if err := c.exec(pragma); err != nil {
			_ = c.close()
			return nil, err
		}
	}
	return c, nil
}

const defaultLockTimeout = 30 * time.Second

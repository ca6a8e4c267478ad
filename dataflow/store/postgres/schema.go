package postgres

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
)

// A migration is one transaction, DDL and all, that one process at a time is
// in: an advisory lock sees to that. So a process that dies leaves nothing.

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
	refs   []string // statements that add foreign keys, once every table is there
	done   *store.Migration
}

// migrateSchema returns what was done, and which of the runtime's own models
// have no table.
func migrateSchema(ctx context.Context, c *conn, db *dataflow.Database, name string, system []*dataflow.Model) (done *store.Migration, absent []*dataflow.Model, diags []dataflow.Diagnostic) {
	o := &schemaOpener{c: c, db: db, name: name, models: db.Models, system: system, done: &store.Migration{Database: name}}
	if diags := tooLong(append(o.models[:len(o.models):len(o.models)], system...)); len(diags) > 0 {
		return nil, nil, diags
	}
	o.want = o.desired(append(o.models[:len(o.models):len(o.models)], system...))
	diags, err := o.open(ctx)
	if err != nil {
		return nil, nil, append(diags, o.failure(ctx, err))
	}
	return o.done, o.absent, diags
}

// maxName is how many bytes of a name PostgreSQL keeps.
const maxName = 63

// tooLong refuses names that PostgreSQL would cut off.
func tooLong(models []*dataflow.Model) (diags []dataflow.Diagnostic) {
	for _, m := range models {
		if len(m.Table) > maxName {
			diags = append(diags, dataflow.Diagnostic{Code: "FC620", Span: m.Span,
				Message: fmt.Sprintf("the name of %s's table has more than %d bytes, which is all that PostgreSQL keeps", m.Name, maxName),
				Hint:    `give it a shorter one: table = "…"`})
		}
		for _, f := range m.Fields {
			if len(f.Name) > maxName-len(checkName("")) {
				diags = append(diags, dataflow.Diagnostic{Code: "FC620", Span: f.Span,
					Message: fmt.Sprintf("the name %s.%s has more than %d bytes, which is all that PostgreSQL keeps", m.Name, f.Name, maxName-len(checkName("")))})
			}
		}
	}
	return diags
}

// desired is the schema that models ask for, in names that PostgreSQL keeps
// whole.
func (o *schemaOpener) desired(models []*dataflow.Model) *migrate.Schema {
	s := migrate.Desired(models, storage, literal)
	for i := range s.Tables {
		for j := range s.Tables[i].Indexes {
			ix := &s.Tables[i].Indexes[j]
			ix.Name = shortened(ix.Name)
		}
	}
	return s
}

func (o *schemaOpener) open(ctx context.Context) ([]dataflow.Diagnostic, error) {
	if o.db.Options.ExistingSchemaMode {
		return o.fit(ctx)
	}
	m, err := readMeta(ctx, o.c)
	if err != nil {
		return nil, err
	}
	if m.there && m.format > migrate.Format {
		return []dataflow.Diagnostic{migrate.Newer(o.db, o.name, m.format)}, nil
	}
	if o.unchanged(m) {
		return nil, o.writable(ctx)
	}
	return o.migrate(ctx)
}

// unchanged reports whether the snapshot in the database spares looking at the
// tables themselves.
func (o *schemaOpener) unchanged(m meta) bool {
	return o.db.Options.ModelPersistence && m.current(o.want.Fingerprint())
}

// errReadOnly is a database that takes no writes: a standby, say.
var errReadOnly = errors.New("it takes no writes")

// writable finds out whether the database can be written to, without writing.
func (o *schemaOpener) writable(ctx context.Context) error {
	readOnly := false
	err := o.c.query(ctx, "SELECT current_setting('transaction_read_only')", nil, func(r [][]byte) { readOnly = string(r[0]) == "on" })
	if err == nil && readOnly {
		err = errReadOnly
	}
	return err
}

// The advisory lock of migrations: a number of ours, and one of the schema.
const (
	lockClass  = 0x666c6f77 // "flow"
	lockObject = "hashtext(current_schema())"
)

// migrate alters what needs it.
func (o *schemaOpener) migrate(ctx context.Context) (diags []dataflow.Diagnostic, err error) {
	if err := o.c.exec(ctx, "BEGIN"); err != nil {
		return nil, err
	}
	defer o.c.rollback()
	timeout := o.db.Options.MigrationLockTimeout
	if timeout <= 0 {
		timeout = defaultLockTimeout
	}
	for _, sql := range []string{
		"SET LOCAL lock_timeout = " + strconv.FormatInt(max(1, timeout.Milliseconds()), 10),
		fmt.Sprintf("SELECT pg_advisory_xact_lock(%d, %s)", lockClass, lockObject),
	} {
		if err := o.c.exec(ctx, sql); err != nil {
			return nil, err
		}
	}
	m, err := readMeta(ctx, o.c)
	if err != nil {
		return nil, err
	}
	if o.unchanged(m) {
		return nil, o.writable(ctx) // another process has done it while this one waited
	}
	plan, err := o.plan(ctx, m)
	if err != nil {
		return nil, err
	}
	if dataflow.HasErrors(plan.Diagnostics) {
		return plan.Diagnostics, nil
	}
	if len(plan.Steps) > 0 && !o.db.Options.AutoMigrate {
		return append(plan.Diagnostics, migrate.Pending(o.db, o.name, plan.Steps)), nil
	}
	if err := o.apply(ctx, m, plan.Steps); err != nil {
		return nil, err
	}
	return plan.Diagnostics, o.c.exec(ctx, "COMMIT")
}

func (o *schemaOpener) plan(ctx context.Context, m meta) (*migrate.Plan, error) {
	have, err := inspect(ctx, o.c)
	if err != nil {
		return nil, err
	}
	o.done.Created = len(have.Tables) == 0
	before, err := readSnapshot(ctx, o.c, m)
	if err != nil {
		return nil, err
	}
	return migrate.NewPlan(have, o.want, before, rowData{ctx, o.c})
}

func (o *schemaOpener) apply(ctx context.Context, m meta, steps []migrate.Step) error {
	if len(steps) == 0 && (!o.db.Options.AutoMigrate || m.there && !o.db.Options.ModelPersistence) {
		return nil // the schema fits, and nothing of ours is to be added or kept
	}
	if !m.there {
		for _, sql := range []string{createMeta, createMigrations} {
			if err := o.c.exec(ctx, sql); err != nil {
				return err
			}
		}
	}
	if err := o.steps(ctx, steps); err != nil {
		return err
	}
	if len(o.sql) > 0 {
		all := make([]string, len(steps))
		for i, s := range steps {
			all[i] = s.String()
		}
		if err := writeHistory(ctx, o.c, all, strings.Join(o.sql, ";\n")+";"); err != nil {
			return err
		}
	}
	return writeMeta(ctx, o.c, o.want, o.db.Options.ModelPersistence)
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
func (o *schemaOpener) fit(ctx context.Context) ([]dataflow.Diagnostic, error) {
	have, err := inspect(ctx, o.c)
	if err != nil {
		return nil, err
	}
	widen(have)
	diags := migrate.Fit(have, o.desired(o.models))
	for _, m := range o.system {
		if have.Table(m.Table) == nil {
			o.absent = append(o.absent, m)
		}
	}
	diags = append(diags, migrate.Unaudited(have, o.models)...)
	if dataflow.HasErrors(diags) {
		return diags, nil
	}
	return diags, o.writable(ctx)
}

// widen takes for the same what can be read and written alike where the
// tables are not of our making: text of any collation, ints of any size.
func widen(s *migrate.Schema) {
	for i := range s.Tables {
		for j := range s.Tables[i].Columns {
			c := &s.Tables[i].Columns[j]
			if c.Kind != "decimal" {
				c.Kind = ""
			}
			c.Values = nil
			switch {
			case strings.HasPrefix(c.Storage, "text"), c.Storage == "character varying":
				c.Storage = "text"
			case c.Storage == "integer", c.Storage == "smallint":
				c.Storage = "bigint"
			case c.Storage == "real":
				c.Storage = "double precision"
			}
		}
	}
}

// failure says why the schema could not be brought up to date: if it is
// locked, by whom.
func (o *schemaOpener) failure(ctx context.Context, err error) dataflow.Diagnostic {
	if errors.Is(err, errReadOnly) {
		return dataflow.Diagnostic{Code: "FC606", Span: o.db.URLSpan(), Message: fmt.Sprintf("the database %s can't be written to", o.name),
			Hint: "name the primary server, not a standby, and a user who may write"}
	}
	d := openFailure(o.db, o.name, err)
	if sqlState(err) != lockNotAvailable || ctx.Err() != nil {
		return d
	}
	who := ""
	_ = o.c.query(ctx, holderQuery, []any{int64(lockClass)}, func(r [][]byte) { who = string(r[0]) }) // it only adds to the message
	if who != "" {
		d.Message += ": " + who
	}
	return d
}

// holderQuery says who holds the lock of migrations, else who has been in a
// transaction for the longest that holds a lock on a table.
const holderQuery = `SELECT format('%s, process %s, user %s, in a transaction for %s s', coalesce(nullif(a.application_name, ''), 'a program without a name'),
  a.pid, a.usename, round(extract(epoch FROM clock_timestamp() - a.xact_start)))
FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.granted AND l.pid <> pg_backend_pid() AND a.xact_start IS NOT NULL AND a.datname = current_database() AND (
  l.locktype = 'advisory' AND l.classid = $1::bigint AND l.objid = (` + lockObject + ` & 4294967295::bigint)
  OR l.locktype = 'relation' AND l.relation IN (
    SELECT oid FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())))
ORDER BY l.locktype <> 'advisory', a.xact_start LIMIT 1`

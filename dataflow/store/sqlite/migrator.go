package sqlite

import (
	"context"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

// migrator is a connection as migrate wants it. A migration is one
// transaction, which no other process is in at the same time, with foreign keys
// on: no table is ever rebuilt.
type migrator struct {
	c     *conn
	db    *dataflow.Database
	place place
}

var _ migrate.DB = (*migrator)(nil)

// Migrate implements store.Migrator. To look at a database that is not there
// yet is to look at an empty one: none is made.
func (Opener) Migrate(ctx context.Context, db *dataflow.Database, o store.Options, look bool) (*migrate.Runner, []dataflow.Diagnostic) {
	p, diag := parseURL(db, o.Dir)
	if diag != nil {
		return nil, []dataflow.Diagnostic{*diag}
	}
	open := openWriter
	if look || db.Options.ExistingSchemaMode { // which is never changed
		open = openLook
	}
	c, err := open(ctx, db, p)
	if err != nil {
		return nil, []dataflow.Diagnostic{openFailure(db, p, err)}
	}
	return &migrate.Runner{DB: &migrator{c, db, p}, Database: db, System: o.System}, nil
}

// openLook opens a database to look at it.
func openLook(_ context.Context, db *dataflow.Database, p place) (*conn, error) {
	path, flags := untouched(p.path)
	if why := absent(p); why != nil {
		if other := unusable(p); other != nil {
			return nil, other
		}
		if db.Options.ExistingSchemaMode {
			return nil, why
		}
		path, flags = memory, sqlite.OpenReadWrite|sqlite.OpenCreate
	} else if why := unusable(p); why != nil {
		return nil, why
	}
	return openMigrating(path, flags, busyTimeout)
}

// openMigrating opens a connection that can also do what statements of
// migrations ask for.
func openMigrating(path string, flags sqlite.OpenFlags, busy time.Duration) (*conn, error) {
	c, err := openConn(path, flags, busy)
	if err != nil {
		return nil, err
	}
	if err := registerConvert(c.Conn); err != nil {
		_ = c.close()
		return nil, err
	}
	return c, nil
}

func (m *migrator) Name() string { return m.place.name }

func (m *migrator) Close() { _ = m.c.close() }

// engine is how models are kept.
var engine = migrate.Engine{Storage: storage, Literal: literal}

// Engine implements migrate.DB.
func (m *migrator) Engine() migrate.Engine { return engine }

func (m *migrator) Check([]*dataflow.Model) []dataflow.Diagnostic { return nil }

// Lenient implements migrate.DB: affinity has made one thing of it already.
func (m *migrator) Lenient(*migrate.Schema) {}

func (m *migrator) Data(context.Context) migrate.Data { return rowData{m.c} }

func (m *migrator) Inspect(context.Context) (*migrate.Schema, error) { return inspect(m.c) }

// Alone implements migrate.DB: BEGIN IMMEDIATE is what keeps others out.
func (m *migrator) Alone(context.Context, time.Duration) (func(), error) { return func() {}, nil }

// Turn implements migrate.DB: nobody waits behind who waits to write.
func (m *migrator) Turn(context.Context, time.Duration) error { return nil }

// InTheWay implements migrate.DB.
func (m *migrator) InTheWay(error) bool { return false }

func (m *migrator) Begin(ctx context.Context) error {
	return m.c.patiently(ctx, func() error { return m.c.run("BEGIN IMMEDIATE") })
}

func (m *migrator) Commit(context.Context) error { return m.c.run("COMMIT") }

func (m *migrator) Rollback() {
	if !m.c.AutocommitEnabled() {
		_ = m.c.run("ROLLBACK") // it fails only where SQLite has rolled back already
	}
}

func (m *migrator) Exec(ctx context.Context, sql string) error {
	stop := m.c.watch(ctx)
	defer m.c.unwatch(stop)
	return m.c.exec(sql)
}

// Writable implements migrate.DB.
func (m *migrator) Writable(context.Context) error {
	m.c.SetBusyTimeout(0)
	defer m.c.SetBusyTimeout(m.c.busy)
	err := m.c.run("BEGIN IMMEDIATE")
	if sqlite.ErrCode(err).ToPrimary() == sqlite.ResultBusy {
		return nil // another program is writing, so it can be
	}
	if err != nil {
		return err
	}
	return m.c.run("ROLLBACK")
}

func (m *migrator) Failure(_ context.Context, err error) dataflow.Diagnostic {
	return openFailure(m.db, m.place, err)
}

func (m *migrator) Meta(ctx context.Context) (migrate.Meta, error) {
	var kept meta
	err := m.c.patiently(ctx, func() (err error) { kept, err = readMeta(m.c); return err })
	return migrate.Meta{There: kept.there, Format: kept.format, Fingerprint: kept.fingerprint, Untouched: kept.cookie == kept.cookieNow}, err
}

func (m *migrator) Snapshot(context.Context) (*migrate.Schema, error) {
	return readSnapshot(m.c)
}

// Prepare implements migrate.DB.
func (m *migrator) Prepare(_ context.Context, kept migrate.Meta) error {
	statements := []string{createMeta, createMigrations}
	switch {
	case kept.There && kept.Format == migrate.Format:
		return nil
	case kept.There:
		statements = upgradeMigrations
	}
	for _, sql := range statements {
		if err := m.c.exec(sql); err != nil {
			return err
		}
	}
	return nil
}

// Note implements migrate.DB.
func (m *migrator) Note(_ context.Context, schema *migrate.Schema, fingerprint string) error {
	snapshot, err := migrate.EncodeSchema(schema)
	if err != nil {
		return err
	}
	cookie, err := readCookie(m.c)
	if err != nil {
		return err
	}
	return m.c.query(`INSERT INTO "_flow_meta" VALUES (1, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
"format" = excluded."format", "fingerprint" = excluded."fingerprint", "cookie" = excluded."cookie", "schema" = excluded."schema"`,
		[]any{int64(migrate.Format), fingerprint, cookie, snapshot}, ignoreRow)
}

// Record implements migrate.DB.
func (m *migrator) Record(_ context.Context, a *migrate.Applied) error {
	if a.ID != 0 {
		return m.c.query(`UPDATE "_flow_migrations" SET "state" = ? WHERE "id" = ?`, []any{string(a.State), a.ID}, ignoreRow)
	}
	row, err := migrate.EncodeApplied(a)
	if err != nil {
		return err
	}
	return m.c.query(`INSERT INTO "_flow_migrations" ("applied_at", "state", "steps", "sql", "done", "before") VALUES (?, ?, ?, ?, ?, ?) RETURNING "id"`,
		[]any{string(codec.AppendDateTime(nil, a.At)), string(a.State), row.Steps, row.SQL, row.Done, row.Before},
		func(r *sqlite.Stmt) { a.ID = r.ColumnInt64(0) })
}

// History implements migrate.DB.
func (m *migrator) History(context.Context) (list []migrate.Applied, err error) {
	fields := `"state", "done", "before"`
	if kept, err := readMeta(m.c); err != nil || kept.format < 2 {
		fields = `'applied', '', ''`
	}
	err = m.c.query(`SELECT "id", "applied_at", "steps", `+fields+` FROM "_flow_migrations" ORDER BY "id"`, nil, func(r *sqlite.Stmt) {
		a := migrate.DecodeApplied(migrate.AppliedRow{Steps: r.ColumnText(2), Done: r.ColumnText(4), Before: r.ColumnText(5)})
		a.ID, a.State = r.ColumnInt64(0), migrate.State(r.ColumnText(3))
		a.At, _ = time.Parse(time.RFC3339Nano, r.ColumnText(1))
		list = append(list, a)
	})
	return list, err
}

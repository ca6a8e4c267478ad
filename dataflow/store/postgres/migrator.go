package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/jackc/pgx/v5/pgconn"
)

// migrator is a connection as migrate wants it. What alters tables is one
// transaction, DDL and all; indexes of tables with rows are built, and their
// references checked, after it, beside other programs. An advisory lock of the
// session keeps other processes out the whole time.
type migrator struct {
	c      *conn
	db     *dataflow.Database
	name   string
	locked bool
	set    bool // the session is not as it began
	found  meta // when last asked for

	foreign []foreignType // of another program's tables, when last inspected
}

var _ migrate.DB = (*migrator)(nil)

// Migrate implements store.Migrator.
func (o Opener) Migrate(ctx context.Context, db *dataflow.Database, opts store.Options, _ bool) (*migrate.Runner, []dataflow.Diagnostic) {
	config, direct, diags := parseURLs(db)
	if len(diags) > 0 {
		return nil, diags
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	c, failure := o.reach(ctx, db, o.way("database_url", config), direct, opts.Logger)
	if failure != nil {
		return nil, []dataflow.Diagnostic{*failure}
	}
	return &migrate.Runner{DB: &migrator{c: c, db: db, name: displayName(config)}, Database: db, System: opts.System}, nil
}

func (m *migrator) Name() string { return m.name }

func (m *migrator) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = m.c.Close(ctx)
}

// leave gives the pool its connection back, unless it would not be like others.
func (m *migrator) leave(ctx context.Context) {
	if m.set {
		_ = m.c.Close(context.WithoutCancel(ctx))
	}
	m.c.leave(ctx)
}

// engine is how models are kept: indexes by names that PostgreSQL keeps whole.
var engine = migrate.Engine{Storage: storage, Literal: literal, IndexName: indexName}

// Engine implements migrate.DB.
func (m *migrator) Engine() migrate.Engine { return engine }

func (m *migrator) Check(models []*dataflow.Model) []dataflow.Diagnostic { return tooLong(models) }

func (m *migrator) Lenient(s *migrate.Schema) { widen(s) }

func (m *migrator) Data(ctx context.Context) migrate.Data { return rowData{ctx, m.c} }

// Inspect implements migrate.DB. What types of others come to is not asked for
// where there are none.
func (m *migrator) Inspect(ctx context.Context) (*migrate.Schema, error) {
	s, err := inspect(ctx, m.c)
	if err != nil || !m.db.Options.ExistingSchemaMode {
		return s, err
	}
	if m.foreign, err = foreignTypes(ctx, m.c); err != nil {
		return nil, err
	}
	lookThrough(s, m.foreign)
	return s, nil
}

// The advisory lock of migrations: a number of ours, and one of the schema.
const (
	lockClass  = 0x666c6f77 // "flow"
	lockObject = "hashtext(current_schema())"
)

// lockPause is how long a process waits before it asks for the lock again. It
// does not wait in the server: there, CREATE INDEX CONCURRENTLY of the process
// that has the lock would wait for the one that waits for it.
const lockPause = 50 * time.Millisecond

// Alone implements migrate.DB.
func (m *migrator) Alone(ctx context.Context, timeout time.Duration) (release func(), err error) {
	deadline := time.Now().Add(timeout)
	for !m.locked {
		nowhere := false
		err := m.c.query(ctx, fmt.Sprintf("SELECT pg_try_advisory_lock(%d, %s), current_schema()", lockClass, lockObject), nil,
			func(r [][]byte) { m.locked, nowhere = isTrue(r[0]), r[1] == nil })
		if err != nil {
			return nil, err
		}
		if nowhere {
			return nil, errNowhere
		}
		if !m.locked {
			if time.Now().After(deadline) {
				return nil, &pgconn.PgError{Code: lockNotAvailable, Message: "another process migrates the database"}
			}
			if err := pause(ctx, lockPause); err != nil {
				return nil, err
			}
		}
	}
	m.set = true
	if err := m.c.exec(ctx, "SET lock_timeout = "+strconv.FormatInt(max(1, timeout.Milliseconds()), 10)); err != nil {
		return nil, err
	}
	return m.release, nil
}

func (m *migrator) release() {
	if m.c.lost() {
		return // and with it the lock
	}
	ctx, cancel := context.WithTimeout(context.Background(), endWait)
	defer cancel()
	m.Rollback()
	_ = m.c.exec(ctx, fmt.Sprintf("SELECT pg_advisory_unlock(%d, %s)", lockClass, lockObject)) // if it fails the connection is closed, which does the same
	m.locked = false
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (m *migrator) Begin(ctx context.Context) error { return m.c.exec(ctx, "BEGIN") }

// Turn implements migrate.DB.
func (m *migrator) Turn(ctx context.Context, most time.Duration) error {
	return m.c.exec(ctx, "SET LOCAL lock_timeout = "+strconv.FormatInt(max(1, most.Milliseconds()), 10))
}

// InTheWay implements migrate.DB.
func (m *migrator) InTheWay(err error) bool { return sqlState(err) == lockNotAvailable }

func (m *migrator) Commit(ctx context.Context) error { return m.c.exec(ctx, "COMMIT") }

func (m *migrator) Rollback() { m.c.rollback() }

func (m *migrator) Exec(ctx context.Context, sql string) error { return m.c.exec(ctx, sql) }

// Writable implements migrate.DB. Where the catalog had to be read to find that
// nothing has changed, the signs are kept by which the next start sees it.
func (m *migrator) Writable(ctx context.Context) error {
	if m.found.asSigned() && m.c.ParameterStatus("default_transaction_read_only") == "off" && m.c.ParameterStatus("in_hot_standby") == "off" {
		return nil // by what the server told when it was connected to
	}
	readOnly := false
	err := m.c.query(ctx, "SELECT current_setting('transaction_read_only')", nil, func(r [][]byte) { readOnly = string(r[0]) == "on" })
	if err == nil && readOnly {
		err = errReadOnly
	}
	if err == nil && m.found.asSummed() && m.found.alone && m.found.signs != "" {
		m.noteSigns(ctx)
	}
	return err
}

// noteSigns keeps the signs that were read before the sums: what was done in
// between is in the sums, and what is done later changes the signs. If the user
// may not write them the next start reads the catalog too.
func (m *migrator) noteSigns(ctx context.Context) {
	if cookie := m.found.sums + " " + m.found.signs; cookie != m.found.cookie {
		_ = m.c.query(ctx, noteSigns, []any{cookie, m.found.cookie}, ignoreRow)
	}
}

// Failure says why the schema could not be brought up to date: if it is
// locked, by whom.
func (m *migrator) Failure(ctx context.Context, err error) dataflow.Diagnostic {
	return m.failure(ctx, err)
}

func (m *migrator) Meta(ctx context.Context) (migrate.Meta, error) {
	kept, err := readMeta(ctx, m.c)
	m.found = kept
	return migrate.Meta{There: kept.there, Format: kept.format, Fingerprint: kept.fingerprint, Untouched: kept.untouched()}, err
}

func (m *migrator) Snapshot(ctx context.Context) (*migrate.Schema, error) {
	return readSnapshot(ctx, m.c)
}

// Prepare implements migrate.DB.
func (m *migrator) Prepare(ctx context.Context, kept migrate.Meta) error {
	statements := []string{createMeta, createMigrations}
	switch {
	case kept.There && kept.Format == migrate.Format:
		return nil
	case kept.There:
		statements = upgradeMigrations
	}
	for _, sql := range statements {
		if err := m.c.exec(ctx, sql); err != nil {
			return err
		}
	}
	return nil
}

// Note implements migrate.DB.
func (m *migrator) Note(ctx context.Context, schema *migrate.Schema, fingerprint string) error {
	snapshot, err := migrate.EncodeSchema(schema)
	if err != nil {
		return err
	}
	sums, err := readSums(ctx, m.c)
	if err != nil {
		return err
	}
	return m.c.query(ctx, writeMeta, []any{int64(migrate.Format), fingerprint, sums, snapshot}, ignoreRow)
}

// Record implements migrate.DB.
func (m *migrator) Record(ctx context.Context, a *migrate.Applied) error {
	if a.ID != 0 {
		return m.c.query(ctx, `UPDATE "_flow_migrations" SET "state" = $1 WHERE "id" = $2`, []any{string(a.State), a.ID}, ignoreRow)
	}
	row, err := migrate.EncodeApplied(a)
	if err != nil {
		return err
	}
	return m.c.query(ctx, `INSERT INTO "_flow_migrations" ("applied_at", "state", "steps", "sql", "done", "before") VALUES ($1, $2, $3, $4, $5, $6) RETURNING "id"`,
		[]any{string(codec.AppendDateTime(nil, a.At)), string(a.State), row.Steps, row.SQL, row.Done, row.Before},
		func(r [][]byte) { a.ID, _ = strconv.ParseInt(string(r[0]), 10, 64) }) // a bigint
}

// History implements migrate.DB.
func (m *migrator) History(ctx context.Context) (list []migrate.Applied, err error) {
	fields := `"state", "done", "before"`
	if kept, err := readMeta(ctx, m.c); err != nil || kept.format < 2 {
		fields = `'applied', '', ''`
	}
	err = m.c.query(ctx, `SELECT "id", to_char("applied_at" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), "steps", `+fields+` FROM "_flow_migrations" ORDER BY "id"`, nil, func(r [][]byte) {
		a := migrate.DecodeApplied(migrate.AppliedRow{Steps: string(r[2]), Done: string(r[4]), Before: string(r[5])})
		a.ID, _ = strconv.ParseInt(string(r[0]), 10, 64)
		a.State = migrate.State(r[3])
		a.At, _ = time.Parse(time.RFC3339Nano, string(r[1]))
		list = append(list, a)
	})
	return list, err
}

// Dangling implements migrate.Data.
func (d rowData) Dangling(table, column, other, id string) (int64, error) {
	return d.count("SELECT count(*) FROM " + ident(table) + " AS t WHERE t." + ident(column) + " IS NOT NULL AND NOT EXISTS (SELECT 1 FROM " +
		ident(other) + " AS o WHERE o." + ident(id) + " = t." + ident(column) + ")")
}

// Values implements migrate.Data.
func (d rowData) Values(table string, c *migrate.Column, each func(v any)) error {
	column := ident(c.Name)
	return d.c.query(d.ctx, "SELECT "+asText(c, column)+" FROM "+ident(table)+" WHERE "+column+" IS NOT NULL", nil, func(r [][]byte) {
		v, ok := canonical(c, string(r[0]))
		if !ok {
			v = nil
		}
		each(v)
	})
}

// asText is the expression of a value as canonical reads it.
func asText(c *migrate.Column, column string) string {
	switch c.Kind {
	case "datetime":
		return "to_char(" + column + ` AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')`
	case "date":
		return "to_char(" + column + ", 'YYYY-MM-DD')"
	}
	return column + "::text"
}

// canonical reads a value of a column from the text of asText.
func canonical(c *migrate.Column, s string) (any, bool) {
	kinds := map[string]*dataflow.Type{"int": dataflow.Int, "float": dataflow.Float, "datetime": dataflow.DateTime}
	switch c.Kind {
	case "bool":
		return s == "true", true
	case "date":
		return dataflow.Date(s), true
	case "decimal":
		v, problems := codec.CoerceType(&dataflow.Type{Kind: dataflow.KindDecimal, Precision: 38, Scale: c.Scale}, s, "")
		return v, len(problems) == 0
	case "int", "float", "datetime":
		v, problems := codec.ParseText(kinds[c.Kind], s, "")
		return v, len(problems) == 0
	}
	return s, true
}

// converted is the expression of a value of have as one of want, which comes
// to what migrate.Convert gives.
func converted(column string, have, want *migrate.Column) string {
	if have.Kind == want.Kind && have.Scale == want.Scale {
		return column
	}
	to := columnType(want)
	if !migrate.Converts(have, want) { // no row has a value
		return "NULL::" + to
	}
	switch have.Kind + " " + want.Kind {
	case "str enum", "enum str":
		return column
	case "str bool":
		return "CASE " + column + " WHEN 'true' THEN true WHEN 'false' THEN false ELSE ('neither true nor false: ' || " + column + ")::boolean END"
	case "bool str":
		return "CASE WHEN " + column + " THEN 'true' WHEN NOT " + column + " THEN 'false' END"
	case "int bool":
		return "(" + column + " <> 0)"
	case "bool int":
		return column + "::int::bigint"
	case "float int":
		return "round(" + column + "::text::numeric)::bigint"
	case "decimal int":
		return "round(" + column + ")::bigint"
	case "float decimal": // by way of text, which has all of its digits
		return column + "::text::" + to
	case "datetime date":
		return "(" + column + " AT TIME ZONE 'UTC')::date"
	case "date datetime":
		return "(" + column + "::timestamp AT TIME ZONE 'UTC')"
	case "datetime str", "date str":
		return asText(have, column)
	}
	return column + "::" + strings.TrimSpace(to)
}

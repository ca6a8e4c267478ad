package postgres

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/jackc/pgx/v5/pgconn"
)

// noticedModels are tables that others change.
func noticedModels() []*dataflow.Model {
	owner := model("Owner", "owners")
	return []*dataflow.Model{owner, model("Thing", "things",
		&dataflow.Field{Name: "a", Type: dataflow.String, Index: true},
		&dataflow.Field{Name: "e", Type: enumType("x", "y")},
		&dataflow.Field{Name: "o", Type: dataflow.String, Optional: true},
		&dataflow.Field{Name: "n", Type: dataflow.Int},
		&dataflow.Field{Name: "l", Type: dataflow.ListOf(dataflow.String)},
		&dataflow.Field{Name: "owner", Type: &dataflow.Type{Kind: dataflow.KindRef, Model: owner}})}
}

// dial connects as a start does.
func dial(t *testing.T, url string) *conn {
	t.Helper()
	pc, err := pgconn.Connect(context.Background(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close(context.Background()) })
	return newConn(pc, true)
}

func metaOf(t *testing.T, url string) meta {
	t.Helper()
	c := dial(t, url)
	defer c.Close(context.Background())
	m, err := readMeta(context.Background(), c)
	if err != nil || !m.there {
		t.Fatal(m, err)
	}
	return m
}

// metaAlone is metaOf once the backends of those who have hung up are gone.
func metaAlone(t *testing.T, url string) meta {
	t.Helper()
	for range 10_000 {
		if m := metaOf(t, url); m.alone {
			return m
		}
	}
	t.Fatal("other backends don't go")
	return meta{}
}

// signOff makes the database anew and opens it until its signs are kept.
func signOff(t *testing.T, url, also string) {
	t.Helper()
	pgtest.Exec(t, url, `DROP SCHEMA public CASCADE; CREATE SCHEMA public`)
	migrated(t, database(url, noticedModels()...))
	pgtest.Exec(t, url, also)
	untilSigned(t, url)
}

// untilSigned opens a database that nobody changes until it is known by its
// signs. To look at it and to keep them takes two times, and another where the
// backend of who has hung up is still there.
func untilSigned(t *testing.T, url string) {
	t.Helper()
	var m meta
	for range 100 {
		if steps, said := migrated(t, database(url, noticedModels()...)); steps != nil || said != nil {
			t.Fatal(steps, said)
		}
		if m = metaAlone(t, url); m.asSigned() && m.sums == "" {
			return
		}
	}
	t.Fatalf("the catalog is read although nothing has changed: %+v", m)
}

func TestChangesByOthersAreNoticed(t *testing.T) {
	url := pgtest.URL(t)
	const others = `CREATE TABLE others (n bigint); ALTER TABLE others ADD CONSTRAINT owned FOREIGN KEY (n) REFERENCES owners NOT VALID`
	for _, test := range []struct{ name, sql, before string }{
		{name: "a table is created", sql: `CREATE TABLE others (id int)`},
		{name: "a table is dropped", sql: `DROP TABLE things`},
		{name: "a table without columns is created", sql: `CREATE TABLE others ()`},
		{name: "a table without columns is dropped", sql: `DROP TABLE others`, before: `CREATE TABLE others ()`},
		{name: "a table is renamed", sql: `ALTER TABLE things RENAME TO stuff`},
		{name: "a column is added", sql: `ALTER TABLE things ADD COLUMN b int`},
		{name: "a column is dropped", sql: `ALTER TABLE things DROP COLUMN n`},
		{name: "a column is renamed", sql: `ALTER TABLE things RENAME COLUMN n TO m`},
		{name: "a column is of another type", sql: `ALTER TABLE things ALTER COLUMN n TYPE text`},
		{name: "a column may be null", sql: `ALTER TABLE things ALTER COLUMN n DROP NOT NULL`},
		{name: "a column may not be null", sql: `ALTER TABLE things ALTER COLUMN o SET NOT NULL`},
		{name: "a column has a default", sql: `ALTER TABLE things ALTER COLUMN n SET DEFAULT 1`},
		{name: "a column has another default", sql: `ALTER TABLE things ALTER COLUMN n SET DEFAULT 2`, before: `ALTER TABLE things ALTER COLUMN n SET DEFAULT 1`},
		{name: "a column is sorted otherwise", sql: `ALTER TABLE things ALTER COLUMN o TYPE text COLLATE "de-x-icu"`},
		{name: "a table is in another schema", sql: `CREATE SCHEMA IF NOT EXISTS elsewhere; DROP TABLE IF EXISTS elsewhere.things; ALTER TABLE things SET SCHEMA elsewhere`},
		{name: "an index is created", sql: `CREATE INDEX another ON things (n)`},
		{name: "an index is created beside others", sql: `CREATE INDEX CONCURRENTLY another ON things (n)`},
		{name: "an index is dropped", sql: `DROP INDEX another`, before: `CREATE INDEX another ON things (n)`},
		{name: "an index is renamed", sql: `ALTER INDEX another RENAME TO other`, before: `CREATE INDEX another ON things (n)`},
		{name: "an index is whole again", sql: `REINDEX INDEX another`, before: `CREATE INDEX another ON things (n); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'another'::regclass`},
		{name: "a check is added", sql: `ALTER TABLE things ADD CONSTRAINT positive CHECK (n > 0)`},
		{name: "a check is dropped", sql: `ALTER TABLE things DROP CONSTRAINT ck_e`},
		{name: "a check is renamed", sql: `ALTER TABLE things RENAME CONSTRAINT ck_e TO ck_z`},
		{name: "a foreign key is added", sql: `ALTER TABLE things ADD CONSTRAINT owned FOREIGN KEY (n) REFERENCES owners NOT VALID`},
		{name: "a foreign key is dropped", sql: `ALTER TABLE others DROP CONSTRAINT owned`, before: others},
		{name: "a foreign key is validated", sql: `ALTER TABLE others VALIDATE CONSTRAINT owned`, before: others},
		{name: "a list is of another kind", sql: `COMMENT ON COLUMN things.l IS 'list(int)'`},
		{name: "a list is none any more", sql: `COMMENT ON COLUMN things.l IS NULL`},
	} {
		t.Run(test.name, func(t *testing.T) {
			signOff(t, url, test.before)
			other := dial(t, url)
			if err := other.exec(context.Background(), test.sql); err != nil {
				t.Fatal(err)
			}
			if m := metaOf(t, url); m.untouched() || m.alone {
				t.Errorf("not noticed while the other is there: %+v", m)
			}
			other.hangUp()
			if m := metaOf(t, url); m.untouched() {
				t.Errorf("not noticed at once: %+v", m)
			}
			if m := metaAlone(t, url); m.untouched() {
				t.Errorf("not noticed by its signs: %+v", m)
			}
		})
	}
}

// TestSignsThatMeanNothing: what the signs show that is no change of the schema
// costs a look at the catalog, once.
func TestSignsThatMeanNothing(t *testing.T) {
	url := pgtest.URL(t)
	for _, test := range []struct{ name, sql string }{
		{"a temporary table", `CREATE TEMP TABLE scratch (id int)`},
		{"a change that was taken back", `BEGIN; ALTER TABLE things DROP COLUMN n; ROLLBACK`},
		{"a reset of the statistics", `SELECT pg_stat_reset()`},
	} {
		t.Run(test.name, func(t *testing.T) {
			signOff(t, url, "")
			pgtest.Exec(t, url, test.sql)
			if m := metaAlone(t, url); m.asSigned() || !m.asSummed() {
				t.Errorf("%+v", m)
			}
			untilSigned(t, url)
		})
	}
}

// TestACopyOfADatabase has the signs of the other one kept, and counts anew.
func TestACopyOfADatabase(t *testing.T) {
	url := pgtest.URL(t)
	signOff(t, url, "")
	original := metaAlone(t, url)
	at := strings.LastIndex(url, "/") + 1
	name, _, _ := strings.Cut(url[at:], "?")
	elsewhere := url[:at] + "postgres" + url[at+len(name):]
	pgtest.Exec(t, elsewhere, `CREATE DATABASE `+name+`_copy TEMPLATE `+name)
	t.Cleanup(func() { pgtest.Exec(t, elsewhere, `DROP DATABASE `+name+`_copy`) })
	copied := url[:at] + name + "_copy" + url[at+len(name):]
	m := metaAlone(t, copied)
	if m.cookie != original.cookie || m.asSigned() || !m.asSummed() || m.signs == "" || databaseOf(m.signs) == databaseOf(original.signs) {
		t.Errorf("%+v\n%+v", m, original)
	}
	untilSigned(t, copied)
	if m := metaAlone(t, url); !m.asSigned() {
		t.Errorf("%+v", m)
	}
}

// TestAChangeByWhoIsEnded: a backend counts what it has done even if it is told
// to end.
func TestAChangeByWhoIsEnded(t *testing.T) {
	url := pgtest.URL(t)
	signOff(t, url, "")
	other := dial(t, url)
	if err := other.exec(context.Background(), `ALTER TABLE things ADD COLUMN b int`); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, url, fmt.Sprintf(`SELECT pg_terminate_backend(%d)`, other.PID()))
	if m := metaAlone(t, url); m.untouched() {
		t.Errorf("not noticed: %+v", m)
	}
}

// TestSignsAreKeptOnlyAlone: what others are about to do may be counted
// already.
func TestSignsAreKeptOnlyAlone(t *testing.T) {
	url := pgtest.URL(t)
	signOff(t, url, "")
	before := metaAlone(t, url).cookie
	pgtest.Exec(t, url, `CREATE TEMP TABLE scratch (id int)`) // so that the signs are others
	other := dial(t, url)
	if steps, said := migrated(t, database(url, noticedModels()...)); steps != nil || said != nil {
		t.Error(steps, said)
	}
	other.hangUp()
	if m := metaAlone(t, url); m.cookie != before || !m.asSummed() {
		t.Errorf("kept while another was there: %+v, was %s", m, before)
	}
}

// TestSignsAreNotTrusted where they may be wrong.
func TestSignsAreNotTrusted(t *testing.T) {
	url := pgtest.URL(t)
	for _, test := range []struct{ name, before, after string }{
		{name: "the server does not count", before: `SET track_counts = off`},
		{name: "in a transaction", before: `BEGIN`},
		{name: "another table of ours comes first", before: `CREATE SCHEMA first; SET search_path = first, public`, after: `DROP SCHEMA first`},
	} {
		t.Run(test.name, func(t *testing.T) {
			signOff(t, url, "")
			c := dial(t, url)
			defer c.hangUp()
			if err := c.exec(context.Background(), test.before); err != nil {
				t.Fatal(err)
			}
			m, err := readMeta(context.Background(), c)
			if err != nil || m.asSigned() {
				t.Errorf("%+v %v", m, err)
			}
			if test.after != "" && m.there {
				t.Errorf("found in the schema of others: %+v", m)
			}
			c.rollback()
			if test.after != "" {
				if err := c.exec(context.Background(), test.after); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

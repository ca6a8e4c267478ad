package sqlite

import (
	"encoding/json"
	"time"

	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"zombiezen.com/go/sqlite"
)

// meta is what the runtime keeps in a database about its schema. The cookie is
// SQLite's own count of changes to it: with it, a change made by another
// program is noticed too.
type meta struct {
	there       bool
	format      int64
	fingerprint string
	cookie      int64
	cookieNow   int64
}

const (
	createMeta = `CREATE TABLE "_flow_meta" (
  "one" INTEGER PRIMARY KEY CHECK ("one" = 1),
  "format" INTEGER NOT NULL,
  "fingerprint" TEXT NOT NULL,
  "cookie" INTEGER NOT NULL,
  "schema" TEXT NOT NULL
) STRICT`

	createMigrations = `CREATE TABLE "_flow_migrations" (
  "id" INTEGER PRIMARY KEY AUTOINCREMENT,
  "applied_at" TEXT NOT NULL,
  "steps" TEXT NOT NULL,
  "sql" TEXT NOT NULL
) STRICT`
)

// readMeta is all that opening a database with an unchanged schema costs.
func readMeta(c *conn) (m meta, err error) {
	if m.cookieNow, err = readCookie(c); err != nil {
		return m, err
	}
	err = c.query(`SELECT "format", "fingerprint", "cookie" FROM "_flow_meta"`, nil, func(r *sqlite.Stmt) {
		m.there, m.format, m.fingerprint, m.cookie = true, r.ColumnInt64(0), r.ColumnText(1), r.ColumnInt64(2)
	})
	if err != nil && sqlite.ErrCode(err) == sqlite.ResultError { // there is no such table
		m.there, err = false, nil
	}
	return m, err
}

// current reports whether the schema is the one of that fingerprint.
func (m meta) current(fingerprint string) bool {
	return m.there && m.fingerprint == fingerprint && m.cookie == m.cookieNow
}

// readSnapshot reads the schema that was last wanted, or nil.
func readSnapshot(c *conn, m meta) (*migrate.Schema, error) {
	if !m.there {
		return nil, nil
	}
	var text string
	if err := c.query(`SELECT "schema" FROM "_flow_meta"`, nil, func(r *sqlite.Stmt) { text = r.ColumnText(0) }); err != nil {
		return nil, err
	}
	s := new(migrate.Schema)
	if json.Unmarshal([]byte(text), s) != nil { // "" where it is not kept
		return nil, nil
	}
	return s, nil
}

// writeMeta notes the schema that is there now; persist says whether to keep
// what it looks like.
func writeMeta(c *conn, want *migrate.Schema, persist bool) error {
	fingerprint, snapshot := "", ""
	if persist {
		text, err := json.Marshal(want)
		if err != nil {
			return err
		}
		fingerprint, snapshot = want.Fingerprint(), string(text)
	}
	cookie, err := readCookie(c)
	if err != nil {
		return err
	}
	return c.query(`INSERT INTO "_flow_meta" VALUES (1, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET
"format" = excluded."format", "fingerprint" = excluded."fingerprint", "cookie" = excluded."cookie", "schema" = excluded."schema"`,
		[]any{int64(migrate.Format), fingerprint, cookie, snapshot}, ignoreRow)
}

// writeHistory adds what was done to the history.
func writeHistory(c *conn, steps []string, sql string) error {
	now := string(codec.AppendDateTime(nil, time.Now().UTC()))
	text, err := json.Marshal(steps)
	if err != nil {
		return err
	}
	return c.query(`INSERT INTO "_flow_migrations" ("applied_at", "steps", "sql") VALUES (?, ?, ?)`,
		[]any{now, string(text), sql}, ignoreRow)
}

func ignoreRow(*sqlite.Stmt) {}

package sqlite

import (
	"encoding/json"

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
  "state" TEXT NOT NULL,
  "steps" TEXT NOT NULL,
  "sql" TEXT NOT NULL,
  "done" TEXT NOT NULL,
  "before" TEXT NOT NULL
) STRICT`
)

// upgradeMigrations brings the history from the first format to the second.
var upgradeMigrations = []string{
	`ALTER TABLE "_flow_migrations" ADD COLUMN "state" TEXT NOT NULL DEFAULT 'applied'`,
	`ALTER TABLE "_flow_migrations" ADD COLUMN "done" TEXT NOT NULL DEFAULT ''`,
	`ALTER TABLE "_flow_migrations" ADD COLUMN "before" TEXT NOT NULL DEFAULT ''`,
}

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

// readSnapshot reads the schema that was last wanted, or nil.
func readSnapshot(c *conn) (*migrate.Schema, error) {
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

func ignoreRow(*sqlite.Stmt) {}

package sqlite

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

// guard keeps a running app from writing to a database that another process
// has migrated meanwhile, where it no longer knows what rows must be like: it
// would delete for good what is to be hidden, say. What the app can live with
// (an index, an optional column more) does not stop it.
type guard struct {
	want   *migrate.Schema // of the app's own models
	cookie int64           // SQLite's count of changes to the schema, when last looked at
	why    error           // what was found then
}

func newGuard(c *conn, want *migrate.Schema) *guard {
	g := &guard{want: want}
	if cookie, err := readCookie(c); err == nil {
		g.cookie = cookie
		return g
	}
	return nil
}

func readCookie(c *conn) (cookie int64, err error) {
	err = c.query("PRAGMA schema_version", nil, func(r *sqlite.Stmt) { cookie = r.ColumnInt64(0) })
	return cookie, err
}

// check is called in a transaction.
func (g *guard) check(c *conn) error {
	if g == nil {
		return nil
	}
	cookie, err := readCookie(c)
	if err != nil || cookie == g.cookie {
		return orError(err, g.why)
	}
	why, err := g.look(c)
	if err != nil {
		return err
	}
	g.cookie, g.why = cookie, why
	return why
}

func orError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// look compares the schema that is there with what the app's models ask for.
func (g *guard) look(c *conn) (why, err error) {
	have, err := inspect(c)
	if err != nil {
		return nil, err
	}
	for _, d := range migrate.Fit(have, g.want) {
		if d.Severity == dataflow.SeverityError {
			return outdated(d.Message), nil
		}
	}
	m, err := readMeta(c)
	if err != nil || !m.there {
		return nil, err
	}
	now, err := readSnapshot(c)
	if err != nil || now == nil {
		return nil, err
	}
	for i := range g.want.Tables {
		mine := &g.want.Tables[i]
		if t := now.Table(mine.Name); t != nil && t.Column(deletedAt) != nil && mine.Column(deletedAt) == nil {
			return outdated(fmt.Sprintf("%s has soft_delete now", t.Model)), nil
		}
	}
	return nil, nil
}

const deletedAt = "deleted_at"

func outdated(what string) error { return store.Outdated(what, nil) }

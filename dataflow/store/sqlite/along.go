package sqlite

import (
	"context"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"zombiezen.com/go/sqlite"
)

// SQLite counts no row that a delete is about if it went along with another, by
// a foreign key or a trigger, before SQLite came to it. PostgreSQL finds all rows
// first. So where that can happen they are counted before they are deleted.

// along is what of a database's schema says where it can happen: the database's
// own keys, which may be others than the app's.
type along struct {
	version int64           // of the schema
	loops   map[string]bool // tables of which rows may take others along, in small letters
}

const deletesQuery = `SELECT lower(tbl_name) FROM sqlite_schema WHERE type = 'trigger' AND sql LIKE '%delete%' AND name NOT LIKE 'fx\_%.%/%' ESCAPE '\'`

// loops reports whether rows of the model's table that are deleted may take others
// of it along.
func (t *tx) loops(ctx context.Context, m *dataflow.Model) (bool, error) {
	version := int64(0)
	err := t.c.query("PRAGMA schema_version", nil, func(r *sqlite.Stmt) { version = r.ColumnInt64(0) })
	if err == nil && (t.c.along.loops == nil || t.c.along.version != version) {
		t.c.along = along{version: version}
		t.c.along.loops, err = loopsOf(t.c)
	}
	return t.c.along.loops[strings.ToLower(m.Table)], toError(ctx, err)
}

func loopsOf(c *conn) (map[string]bool, error) {
	var keys []foreignKey
	err := c.query(refsQuery, nil, func(r *sqlite.Stmt) { keys = readKey(keys, r) })
	if err != nil {
		return nil, err
	}
	loops := map[string]bool{}
	if err := c.query(deletesQuery, nil, func(r *sqlite.Stmt) { loops[r.ColumnText(0)] = true }); err != nil {
		return nil, err
	}
	takes := map[string][]string{}
	for _, k := range keys {
		if k.onDelete == "cascade" {
			to := strings.ToLower(k.to)
			takes[to] = append(takes[to], strings.ToLower(k.table))
		}
	}
	for table := range takes {
		if leadsTo(table, table, takes, map[string]bool{}) {
			loops[table] = true
		}
	}
	return loops, nil
}

// leadsTo reports whether deleting rows of a table deletes rows of another.
func leadsTo(table, other string, takes map[string][]string, seen map[string]bool) bool {
	seen[table] = true
	for _, from := range takes[table] {
		if from == other || !seen[from] && leadsTo(from, other, takes, seen) {
			return true
		}
	}
	return false
}

// gone counts rows that were deleted, of so many: SQLite does not count those that
// went along with others before it came to them. A row that is still there a
// trigger has left.
func (t *tx) gone(ctx context.Context, m *dataflow.Model, where query.Expr, meant int64) (int64, error) {
	quiet, err := t.Quiet(ctx, m)
	if err != nil || !quiet {
		return meant, err
	}
	left, err := t.session.Count(ctx, m, where)
	return max(0, meant-left), err
}

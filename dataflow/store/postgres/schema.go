package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

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

// errReadOnly is a database that takes no writes: a standby, say.
var errReadOnly = errors.New("it takes no writes")

// errNowhere is a search path that leads to no schema.
var errNowhere = errors.New("there is no schema to make tables in")

// failure says why the schema could not be brought up to date: if it is
// locked, by whom.
func (m *migrator) failure(ctx context.Context, err error) dataflow.Diagnostic {
	if errors.Is(err, errReadOnly) {
		return dataflow.Diagnostic{Code: "FC606", Span: m.db.URLSpan(), Message: fmt.Sprintf("the database %s can't be written to", m.name),
			Hint: "name the primary server, not a standby, and a user who may write"}
	}
	if errors.Is(err, errNowhere) {
		return dataflow.Diagnostic{Code: "FC620", Span: m.db.URLSpan(), Message: fmt.Sprintf("the database %s has no schema to make tables in: its search_path names none that is there", m.name),
			Hint: "CREATE SCHEMA …, or name one that is there behind the URL: ?search_path=public"}
	}
	d := openFailure(m.db, m.name, err)
	if sqlState(err) != lockNotAvailable || ctx.Err() != nil {
		return d
	}
	who := ""
	_ = m.c.query(ctx, holderQuery, []any{int64(lockClass)}, func(r [][]byte) { who = string(r[0]) }) // it only adds to the message
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

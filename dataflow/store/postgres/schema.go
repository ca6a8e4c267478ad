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
	if errors.Is(err, errReadOnly) || sqlState(err) == readOnlyTransaction {
		why, hint := m.whyReadOnly(ctx)
		return dataflow.Diagnostic{Code: "FC606", Span: m.db.URLSpan(), Message: fmt.Sprintf("the database %s can't be written to: %s", m.name, why), Hint: hint}
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

// readOnlyQuery says whether the server is a standby, and else where it has the
// setting from.
const readOnlyQuery = `SELECT pg_is_in_recovery(), source, quote_ident(current_database()), quote_ident(session_user)
FROM pg_settings WHERE name = 'default_transaction_read_only' AND (setting = 'on' OR pg_is_in_recovery())`

// whyReadOnly says why a database takes no writes, and what to do.
func (m *migrator) whyReadOnly(ctx context.Context) (why, hint string) {
	const setting = "default_transaction_read_only"
	standby, source, database, user := false, "", "…", "…"
	_ = m.c.query(ctx, readOnlyQuery, nil, func(r [][]byte) { // without an answer no reason is given
		standby, source, database, user = isTrue(r[0]), string(r[1]), string(r[2]), string(r[3])
	})
	set := func(whose, alter string) (string, string) {
		return whose + " has " + setting + " = on", "if it is to be written to: " + alter
	}
	switch {
	case standby:
		return "the server is a standby", "name the primary server, which it follows; of several hosts in the URL, target_session_attrs=read-write takes that"
	case source == "database":
		return set("it", "SET "+setting+" = off; ALTER DATABASE "+database+" RESET "+setting)
	case source == "user":
		return set("the user "+user, "ALTER ROLE "+user+" RESET "+setting+", or name another user in the URL")
	case source == "database user":
		return set("the user "+user, "ALTER ROLE "+user+" IN DATABASE "+database+" RESET "+setting+", or name another user in the URL")
	case source == "client":
		return set("the URL", "take that out of it, and out of PGOPTIONS")
	case source != "":
		return set("the server", "ALTER SYSTEM RESET "+setting+", or take it out of postgresql.conf, then SELECT pg_reload_conf()")
	}
	return "its transactions are read-only", "name the primary server, and a user who may write"
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

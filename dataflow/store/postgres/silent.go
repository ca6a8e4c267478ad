package postgres

import (
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// talkative are the classes of SQLSTATEs whose texts quote the value that is
// wrong, or are written by functions and triggers of other programs.
var talkative = []string{"22", "38", "39", "P0"}

// raised is the routine of the server's by which functions in PL/pgSQL raise
// errors, of whatever SQLSTATE.
const raised = "exec_stmt_raise"

// policed is the routine that refuses a row by a policy of its table.
const policed = "ExecWithCheckOptions"

// rewritten is the routine that applies the RULEs of a table.
const rewritten = "RewriteQuery"

// silent is an error of the server's that the log is told of without its text:
// that may hold what is in a row, and the server's own log has it.
type silent struct{ *pgconn.PgError }

// withoutValues keeps of an error what can hold no value of a row.
func withoutValues(err error) error {
	e, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || len(e.Code) < 2 {
		return err
	}
	inside := e.Routine == raised || e.Where != "" || e.InternalQuery != "" // of a function
	if !inside && !slices.Contains(talkative, e.Code[:2]) {
		return err
	}
	return silent{e}
}

// Error implements error.
func (e silent) Error() string {
	var b strings.Builder
	b.WriteString(e.Severity + " (SQLSTATE " + e.Code + ")")
	for _, part := range []struct{ name, text string }{
		{"table", e.TableName}, {"column", e.ColumnName}, {"type", e.DataTypeName}, {"constraint", e.ConstraintName}, {"routine", e.Routine},
	} {
		if part.text != "" {
			b.WriteString(" " + part.name + " " + part.text)
		}
	}
	b.WriteString("; its text may hold a row's values, and is in the server's log")
	return b.String()
}

// Unwrap returns the error itself.
func (e silent) Unwrap() error { return e.PgError }

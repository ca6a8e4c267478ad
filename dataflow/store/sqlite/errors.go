package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"zombiezen.com/go/sqlite"
)

// toError says what an error of SQLite's means to the caller. Constraints are
// handled where the statement is known.
func toError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*dataflow.Error](err); ok {
		return e
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return interrupted(err)
	}
	code := sqlite.ErrCode(err)
	switch code.ToPrimary() {
	case sqlite.ResultInterrupt:
		if cause := ctx.Err(); cause != nil {
			return interrupted(cause)
		}
	case sqlite.ResultBusy, sqlite.ResultLocked:
		return busy("the database is locked by another program", err)
	case sqlite.ResultFull:
		return &dataflow.Error{Code: "storage_full", Status: dataflow.StatusStorage,
			Message: "the database has no room left", Hint: "free some space on its disk", Err: err}
	case sqlite.ResultCantOpen:
		return &dataflow.Error{Code: "storage_failed", Status: dataflow.StatusStorage,
			Message: "the file of the database can't be opened", Err: err}
	case sqlite.ResultReadOnly, sqlite.ResultPerm:
		return &dataflow.Error{Code: "storage_read_only", Status: dataflow.StatusStorage,
			Message: "the database can't be written to", Err: err}
	case sqlite.ResultCorrupt, sqlite.ResultNotADB:
		return &dataflow.Error{Code: "storage_corrupt", Status: dataflow.StatusStorage,
			Message: "the database file is damaged", Hint: "restore it from a backup", Err: err}
	case sqlite.ResultIOErr:
		return &dataflow.Error{Code: "storage_failed", Status: dataflow.StatusStorage,
			Message: "the disk of the database reported an error", Err: err}
	case sqlite.ResultTooBig:
		return &dataflow.Error{Code: "too_large", Status: dataflow.StatusInvalid,
			Message: "a value is too large for the database", Err: err}
	}
	return dataflow.Internal(err)
}

func busy(message string, err error) *dataflow.Error {
	return &dataflow.Error{Code: "busy", Status: dataflow.StatusBusy, Message: message,
		Hint: "try again in a moment", Err: err}
}

// interrupted is the error for a context that is done.
func interrupted(cause error) *dataflow.Error {
	if errors.Is(cause, context.DeadlineExceeded) {
		return &dataflow.Error{Code: "timeout", Status: dataflow.StatusTimeout,
			Message: "the database did not answer in the time there was", Err: cause}
	}
	return &dataflow.Error{Code: "cancelled", Status: dataflow.StatusCancelled,
		Message: "the request was cancelled", Err: cause}
}

// closed is the error for a store that is shutting down.
func closed() *dataflow.Error {
	return busy("the database is closing", nil)
}

// uniqueFields reads which fields a message "UNIQUE constraint failed:
// orders.a, orders.b" names. In a multi-tenant model the tenant goes without
// saying.
func uniqueFields(m *dataflow.Model, message string) []string {
	const said = "UNIQUE constraint failed: "
	i := strings.Index(message, said)
	if i < 0 {
		return nil
	}
	var names []string
	for part := range strings.SplitSeq(message[i+len(said):], ", ") {
		name := strings.TrimPrefix(part, m.Table+".")
		if f := m.Field(name); f == nil || f.System == dataflow.RoleTenant {
			continue
		}
		names = append(names, name)
	}
	return names
}

// uniqueViolation says which fields have values that another row has. prefix
// is the pointer to the row among those of the statement.
func uniqueViolation(m *dataflow.Model, prefix string, err error) *dataflow.Error {
	names := uniqueFields(m, err.Error())
	e := &dataflow.Error{Code: "unique_violation", Status: dataflow.StatusConflict, Model: m.Name, Err: err}
	switch len(names) {
	case 0:
		e.Message = "another " + m.Name + " has the same values"
	case 1:
		e.Message = fmt.Sprintf("another %s has this %s", m.Name, names[0])
	default:
		e.Message = fmt.Sprintf("another %s has this combination of %s", m.Name, list(names))
	}
	for _, name := range names {
		e.Problems = append(e.Problems, dataflow.Problem{Code: "unique", Pointer: prefix + "/" + name, Detail: e.Message})
	}
	return e
}

func list(names []string) string {
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1]
}

package sqlite

import (
	"context"
	"errors"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

// These stand for errors whose texts may hold what is in a row: of a trigger of
// another program, and of a function that was given a value it can't take.
var (
	errTrigger = errors.New("a trigger of the database refused it")
	errLogic   = errors.New("a statement or a trigger of the database failed in a function")
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
		return store.Interrupted(err)
	}
	code := sqlite.ErrCode(err)
	switch {
	case code == sqlite.ResultConstraintTrigger:
		return dataflow.Internal(errTrigger)
	case code == sqlite.ResultError && !strings.Contains(err.Error(), "no such "): // table, column or function
		return dataflow.Internal(errLogic)
	}
	if text := err.Error(); code == sqlite.ResultError && (strings.Contains(text, "no such table: ") || strings.Contains(text, "no such column: ")) {
		return store.Outdated(store.Gone, err)
	}
	switch code.ToPrimary() {
	case sqlite.ResultInterrupt:
		if cause := ctx.Err(); cause != nil {
			return store.Interrupted(cause)
		}
	case sqlite.ResultBusy, sqlite.ResultLocked:
		return store.Busy("the database is locked by another program", err)
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

package postgres

import (
	"context"
	"errors"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/jackc/pgx/v5/pgconn"
)

// The SQLSTATEs that mean something to us.
const (
	uniqueViolation     = "23505"
	foreignKeyViolation = "23503"
	restrictViolation   = "23001"
	serialization       = "40001"
	deadlock            = "40P01"
	lockNotAvailable    = "55P03"
	queryCanceled       = "57014"
	checkViolation      = "23514"
	notNullViolation    = "23502"
	exclusionViolation  = "23P01"
	generatedAlways     = "428C9"
	raisedException     = "P0001" // by a trigger, unless it says otherwise
	assertFailure       = "P0004"
	undefinedTable      = "42P01"
	undefinedColumn     = "42703"
	undefinedDatabase   = "3D000"
	wrongPassword       = "28P01"
	notAuthorized       = "28000"
	noPrivilege         = "42501"
	readOnlyTransaction = "25006"
	idledAway           = "25P03"
	divisionByZero      = "22012"
	invalidRegex        = "2201B"
	diskFull            = "53100"
	tooLarge            = "54000"
	sequenceAtEnd       = "2200H"
	outOfRange          = "22003"
	tooLongText         = "22001"
	ioError             = "58030"
	tooManyConnections  = "53300"
	startingUp          = "57P03"
	shutDown            = "57P01"
	featureNotSupported = "0A000" // "cached plan must not change result type"
	noSuchStatement     = "26000"
	statementExists     = "42P05"
)

// dataException is the class of SQLSTATEs for a value that an expression can't take.
const dataException = "22"

// sqlState returns the SQLSTATE of an error of the server's, or "".
func sqlState(err error) string {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		return e.Code
	}
	return ""
}

// toError says what an error means to the caller. Constraints are handled
// where the statement is known.
func (c *conn) toError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*dataflow.Error](err); ok {
		return e
	}
	if cause := ctx.Err(); cause != nil {
		return store.Interrupted(cause)
	}
	err = withoutValues(err)
	state := sqlState(err)
	if state == noSuchStatement || outdatedPlan(err) {
		c.stale = true
		return store.Busy("the database's tables have just changed", err)
	}
	if e := stated(state, err); e != nil {
		return e
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok && e.Where == "" && e.InternalQuery == "" && (state == undefinedTable || state == undefinedColumn) {
		return store.Outdated(store.Gone, err)
	}
	if c.lost() || errors.Is(err, context.DeadlineExceeded) || pgconn.Timeout(err) {
		return store.Busy("the connection to the database was lost", withoutSecrets(err))
	}
	return dataflow.Internal(err)
}

// outdatedPlan reports whether the tables of a prepared statement have changed.
// What the server says of that may be in any language, so its routine tells.
func outdatedPlan(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == featureNotSupported && (e.Routine == "RevalidateCachedQuery" || strings.Contains(e.Message, "cached plan"))
}

// stated says what a SQLSTATE means, or nil.
func stated(state string, err error) *dataflow.Error {
	switch state {
	case serialization, deadlock:
		return store.Busy("other writers were changing the same rows", err)
	case lockNotAvailable:
		return store.Busy("the database is locked by another program", err)
	case queryCanceled: // by a timeout of the server's own: ours is the context's
		return store.Interrupted(context.DeadlineExceeded)
	case readOnlyTransaction:
		return &dataflow.Error{Code: "storage_read_only", Status: dataflow.StatusStorage,
			Message: "the database can't be written to", Hint: "the server has become a standby, or has default_transaction_read_only = on", Err: err}
	case noPrivilege:
		return &dataflow.Error{Code: "storage_read_only", Status: dataflow.StatusStorage,
			Message: "the database does not let its user do that", Hint: "GRANT what is missing to the user of database_url; the log says on what", Err: err}
	case diskFull:
		return &dataflow.Error{Code: "storage_full", Status: dataflow.StatusStorage,
			Message: "the database has no room left", Hint: "free some space on its disk", Err: err}
	case statementExists:
		return &dataflow.Error{Code: "storage_failed", Status: dataflow.StatusStorage,
			Message: "the database is behind a pooler that the app does not know of",
			Hint:    `write pooler = "transaction" beside database_url`, Err: err}
	case ioError:
		return &dataflow.Error{Code: "storage_failed", Status: dataflow.StatusStorage,
			Message: "the disk of the database reported an error", Err: err}
	case tooLarge, outOfRange, tooLongText:
		return &dataflow.Error{Code: "too_large", Status: dataflow.StatusInvalid,
			Message: "a value is too large for the database", Err: err}
	case invalidRegex:
		return &dataflow.Error{Code: "pattern", Status: dataflow.StatusInvalid,
			Message: "the pattern is too complex for the database", Err: err}
	}
	switch {
	case strings.HasPrefix(state, "XX00"):
		return &dataflow.Error{Code: "storage_corrupt", Status: dataflow.StatusStorage,
			Message: "the database reports a fault in its files", Hint: "the server's log says more", Err: err}
	case strings.HasPrefix(state, "53"), strings.HasPrefix(state, "57P"), strings.HasPrefix(state, "08"), state == idledAway:
		return store.Busy("the database ended the connection, or has no room for another", err)
	}
	return nil
}

// retryable reports whether a transaction that failed so may be run again: the
// server asks for it, and has undone it.
func retryable(err error) bool {
	switch sqlState(err) {
	case serialization, deadlock:
		return true
	}
	return false
}

// unknownCommit is the error for a connection that was lost while its
// transaction was being committed. It must not be repeated blindly.
func unknownCommit(err error) *dataflow.Error {
	return &dataflow.Error{Code: "commit_unknown", Status: dataflow.StatusTimeout,
		Message: "the connection to the database was lost while the change was being committed: it may have happened, or not",
		Hint:    "look before repeating it; a request with an Idempotency-Key can be repeated safely", Err: withoutSecrets(err)}
}

// withoutSecrets keeps of an error what it says, but for the database's
// address and user, which pgx puts before it.
func withoutSecrets(err error) error {
	if e, ok := errors.AsType[*pgconn.ConnectError](err); ok {
		if cause := e.Unwrap(); cause != nil {
			return cause
		}
		return errors.New("no connection")
	}
	return err
}

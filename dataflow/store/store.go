// Package store is the boundary between the runtime and a database engine:
// the interfaces that store/sqlite and store/postgres implement and that
// store/storetest holds both to. Values cross it in canonical form, filters
// as checked query.Exprs; rules of the app (defaults, validation, soft
// delete, tenants) are decided above it.
//
// Every error is a *dataflow.Error: "unique_violation" and
// "reference_violation" (with a Problem for each field concerned), "busy",
// "storage_full", "storage_read_only", "storage_corrupt", "timeout",
// "cancelled", or "internal".
package store

import (
	"context"
	"errors"
	"log/slog"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/rawsql"
)

// Reader answers questions. Outside a transaction each call sees the latest
// committed state.
type Reader interface {
	// Get hands f the row with this id, if there is one and it is not deleted
	// softly. fields is as in query.Select.
	Get(ctx context.Context, m *dataflow.Model, id any, fields []int, f func(Row) error) (bool, error)
	// Select hands f each row that matches, in order. f must not use the
	// transaction or snapshot that it is called in.
	Select(ctx context.Context, q *query.Select, f func(Row) error) error
	// Count returns how many rows match.
	Count(ctx context.Context, m *dataflow.Model, where query.Expr) (int64, error)
	// Aggregate hands f each group, in order, as a row of q.Out. A sum beyond
	// its type is the error "overflow".
	Aggregate(ctx context.Context, q *query.Aggregate, f func(Row) error) error
	// Query runs a statement of the app's own with a value for each of its
	// parameters, in their order. One that writes is run by a Tx alone, and only
	// if the statement says that it does; the engine enforces that.
	Query(ctx context.Context, s *rawsql.Statement, args []any) (*Answer, error)
}

// Answer is what a statement of the app's own gave.
type Answer struct {
	Columns  []string
	Rows     []*dataflow.Object // over one shape, of canonical values
	Affected int64              // rows that were written
}

// Row is one row of an answer. It is valid only until the function it was
// handed to returns.
type Row interface {
	// AppendJSON appends the row as a JSON object, without computed values.
	AppendJSON(dst []byte) []byte
	// Value returns the i-th of the fields asked for, in canonical form. It
	// stays valid.
	Value(i int) any
	// Object returns the row over its model's shape, fields not asked for
	// Absent and computed values Absent. It stays valid.
	Object() *dataflow.Object
}

// Tx is one transaction. It is used from one goroutine at a time, until the
// function it was handed to returns. An Insert, Update or Delete that fails
// spoils it: whatever follows fails too, up to the end of the innermost
// Savepoint, and without one nothing is committed.
type Tx interface {
	Reader
	// Insert adds rows, each with a value for every one of fields (positions
	// in the model), and returns their ids, in order. If the model's id is an
	// int and fields leaves it out or it is null, the database picks it. In
	// problems, pointers are those of fields, "/sku"; with several rows, behind
	// the number of the row, "/3/sku".
	Insert(ctx context.Context, m *dataflow.Model, fields []int, rows [][]any) (ids []any, err error)
	// Update changes the rows that match and returns how many.
	Update(ctx context.Context, u *query.Update) (int64, error)
	// Delete removes the rows that match and returns how many.
	Delete(ctx context.Context, m *dataflow.Model, where query.Expr) (int64, error)
	// Quiet reports whether the model's table may leave a row as it is that an
	// Update or a Delete is about, and say nothing of it: by a trigger of another
	// program, or a rule.
	Quiet(ctx context.Context, m *dataflow.Model) (bool, error)
	// Batch makes changes, in order and in one round trip, and returns how many
	// rows each touched; where one fails, those before it. Of several rows of an
	// Insert it is not said which one failed.
	Batch(ctx context.Context, changes []Change) ([]int64, error)
	// Last makes changes that nothing comes after: what it returns is what the
	// function of Write is to return. The first, an Update, is what the others
	// rest on: where it touches no row, all is undone, with ErrUntouched. They
	// may be made when the function has returned, in the round trip of the
	// commit, and what goes wrong with them is then the error of Write.
	Last(ctx context.Context, first *query.Update, rest []Change) error
	// Savepoint runs f; if it fails, what it did is undone and the
	// transaction goes on.
	Savepoint(ctx context.Context, f func() error) error
}

// Change is one of a Batch: an Update, or the rows of an Insert, which all give
// their id.
type Change struct {
	Update *query.Update

	Into   *dataflow.Model
	Fields []int
	Rows   [][]any
}

// ErrUntouched is the error of a transaction whose Last rests on a row that is
// not there, or not as it was.
var ErrUntouched = errors.New("the row that a transaction rests on is not there")

// LastNow is Tx.Last by a Batch, where there is nothing to gain by waiting.
func LastNow(ctx context.Context, tx Tx, first *query.Update, rest []Change) error {
	touched, err := tx.Batch(ctx, append([]Change{{Update: first}}, rest...))
	if len(touched) > 0 && touched[0] == 0 {
		return ErrUntouched // and what came after it is undone, if it did not fail for that
	}
	return err
}

// OneByOne is Tx.Batch where there is nothing to gain by sending changes
// together.
func OneByOne(ctx context.Context, tx Tx, changes []Change) ([]int64, error) {
	touched := make([]int64, 0, len(changes))
	for _, c := range changes {
		n, err := int64(len(c.Rows)), error(nil)
		if c.Update != nil {
			n, err = tx.Update(ctx, c.Update)
		} else {
			_, err = tx.Insert(ctx, c.Into, c.Fields, c.Rows)
		}
		if err != nil {
			return touched, err
		}
		touched = append(touched, n)
	}
	return touched, nil
}

// Store is an open database.
type Store interface {
	Reader
	// Snapshot runs f over one consistent state.
	Snapshot(ctx context.Context, f func(Reader) error) error
	// Write runs f in one transaction and commits it, durably, before it
	// returns nil. If f fails or the commit does, nothing has happened; a panic
	// in f is an error. f may be called again if the engine asks for the
	// transaction to be retried. It must read through its Tx: a read of the
	// Store itself sees what was committed before, or waits for f to end.
	Write(ctx context.Context, f func(Tx) error) error
	// Inspect returns what is wrong with a statement of the app's own, without
	// running it.
	Inspect(ctx context.Context, s *rawsql.Statement) ([]rawsql.Flaw, error)
	// Ping reports whether the database answers.
	Ping(ctx context.Context) error
	// Close waits for what is under way and closes the database.
	Close() error
}

// Adder is a Store that adds a single row quicker than Write does.
type Adder interface {
	// Add is Write with a function that inserts one row, and returns its id.
	Add(ctx context.Context, m *dataflow.Model, fields []int, row []any) (id any, err error)
}

// As returns what of a Store a database can do beside, where something may stand
// in front of the database: a Store that has a method Below.
func As[T any](s Store) (t T, ok bool) {
	for s != nil {
		if t, ok = s.(T); ok {
			return t, true
		}
		front, some := s.(interface{ Below() Store })
		if !some {
			break
		}
		s = front.Below()
	}
	return t, false
}

// Options are what opening a store needs besides the database's own options.
type Options struct {
	Dir    string // that relative paths start from: the app's folder
	Logger *slog.Logger
	// System are the runtime's own models, kept beside the app's in the same
	// database: they get tables, but no checks against the file.
	System []*dataflow.Model
	// Observer hears of every statement; nil: nobody does.
	Observer Observer
}

// Opener opens databases of one engine.
type Opener interface {
	// Schemes lists the URL schemes the engine answers to: "sqlite".
	Schemes() []string
	// Open opens the database, brings its schema up to what db's models ask
	// for if db's options allow, and returns what that took. A database that
	// can't serve the models is refused with diagnostics that say why and
	// what to do; then nothing has been changed.
	Open(ctx context.Context, db *dataflow.Database, opts Options) (Store, *Migration, []dataflow.Diagnostic)
}

// Migrator is an Opener whose databases can be migrated by command.
type Migrator interface {
	Opener
	// Migrate opens a database for its schema alone: to look at it, or to change
	// it. The Runner's DB is to be closed.
	Migrate(ctx context.Context, db *dataflow.Database, opts Options, look bool) (*migrate.Runner, []dataflow.Diagnostic)
	// Offline is Migrate without a database: all that the Runner can do is Whole.
	Offline(db *dataflow.Database, opts Options) *migrate.Runner
}

// Migration is what was done to a database's schema.
type Migration struct {
	Database string   // what was opened, without secrets: "shop.db"
	Created  bool     // the database is new
	Steps    []string // one line each: "create table orders"
}

// Package postgres is the store on PostgreSQL, through jackc/pgx: its pool and
// its wire protocol. Nothing outside this package knows that.
//
// Values are kept in the types PostgreSQL has for them: text (of the collation
// "C", so that it sorts by bytes as on every engine) for str and enum, bigint,
// double precision, boolean, numeric, timestamptz, date, time, uuid, bytea,
// and json, which keeps its text as it was given, for json and lists.
//
// Parameters are sent as text, but for bytes, and answers come in the binary
// form of the wire protocol, which is appended to JSON as it is: no row becomes
// a map, and pgx's own conversions are not used.
package postgres

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Store is an open PostgreSQL database.
type Store struct {
	*shared
	tables map[*dataflow.Model]*table
	wait   time.Duration // for a connection
	watch  *store.Watch

	closing sync.Once
}

// shared is what the stores of versions of an app have in common.
type shared struct {
	pool    *pgxpool.Pool
	dialect dialect
	unnamed bool     // no prepared statements: a pooler gives each transaction another connection
	surplus *surplus // nil where no connection is one too many
	closed  atomic.Bool
	holders store.Holders

	of          *dataflow.Database // as it was declared when its schema was last looked at
	name        string             // for people
	fingerprint func() string      // of the schema that was asked for
	absent      map[string]bool    // tables that it lacks
	casts       map[[2]string]string
	diversions  sync.Map // by table: its diversion
}

func (s *Store) table(m *dataflow.Model) (*table, error) {
	if t := s.tables[m]; t != nil {
		return t, nil
	}
	return nil, &dataflow.Error{Code: "not_available", Status: dataflow.StatusRejected, Model: m.Name,
		Message: fmt.Sprintf("the database has no table for %s", m.Name),
		Hint:    "with existing_schema_mode = True the runtime makes no tables of its own, and does without what they are for"}
}

// Select implements store.Reader.
func (s *Store) Select(ctx context.Context, q *query.Select, f func(store.Row) error) error {
	return s.read(ctx, func(r session) error { return r.Select(ctx, q, f) })
}

// Count implements store.Reader.
func (s *Store) Count(ctx context.Context, m *dataflow.Model, where query.Expr) (n int64, err error) {
	err = s.read(ctx, func(r session) error {
		n, err = r.Count(ctx, m, where)
		return err
	})
	return n, err
}

// read runs f on a connection of its own; once more on another if the first
// was lost, or its statement was out of date, before f saw a row.
func (s *Store) read(ctx context.Context, f func(session) error) error {
	again, err := s.readOn(ctx, false, f)
	if again {
		_, err = s.readOn(ctx, true, f)
	}
	return err
}

// readOn is one attempt. again says that another may end better.
func (s *Store) readOn(ctx context.Context, alive bool, f func(session) error) (again bool, err error) {
	c, err := s.take(ctx, alive)
	if err != nil {
		return false, err
	}
	defer c.put() // even if f panics
	err = f(session{s, c})
	return err != nil && !c.shown && (c.lost() || c.stale) && ctx.Err() == nil, err
}

// Snapshot implements store.Store.
func (s *Store) Snapshot(ctx context.Context, f func(store.Reader) error) error {
	c, err := s.begin(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	if err != nil {
		return err
	}
	defer c.put()
	defer c.rollback()
	return f(session{s, c})
}

// begin takes a connection and begins a transaction on it: on another one if
// the first turns out to be lost, because nothing has happened yet.
func (s *Store) begin(ctx context.Context, sql string) (*conn, error) {
	for attempt := 0; ; attempt++ {
		c, err := s.take(ctx, attempt > 0)
		if err != nil {
			return nil, err
		}
		if err = c.exec(ctx, sql); err == nil {
			return c, nil
		}
		again := c.lost() && attempt == 0 && ctx.Err() == nil
		err = c.toError(ctx, err)
		c.put()
		if !again {
			return nil, err
		}
	}
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	return s.read(ctx, func(r session) error { return r.c.toError(ctx, r.c.exec(ctx, "SELECT 1")) })
}

// Close implements store.Store. The connections of one that is shared are those
// of the last to be closed.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.watch.Close()
		if s.holders.Leave() {
			s.closed.Store(true)
			s.pool.Close()
		}
	})
	return nil
}

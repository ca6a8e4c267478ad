// Package sqlite is the store on SQLite: one connection that writes, sharing
// commits between callers, and a pool of connections that read. The engine is
// modernc.org's SQLite, by way of zombiezen.com/go/sqlite. Nothing outside this
// package knows that.
//
// Files are made by SQLite with mode 0644 less the umask: whether others may
// read an app's data is for its operator to say, as for any file it writes.
//
// Values are kept in STRICT tables: text, enums, uuids, dates, times and
// datetimes (in one fixed form, so that they sort) as TEXT; int and bool as
// INTEGER; float as REAL; a decimal of up to 18 digits as a whole number of
// its smallest unit, a longer one as a TEXT key that sorts as its number does;
// json and lists as JSON text; bytes as BLOB.
package sqlite

import (
	"context"
	"fmt"
	"sync"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Store is an open SQLite database.
type Store struct {
	*shared
	tables map[*dataflow.Model]*table
	watch  *store.Watch

	closing sync.Once
	closed  error
}

// shared is what the stores of versions of an app have in common.
type shared struct {
	readers *pool // nil for a database in memory: its one connection does all
	writer  *writer
	log     *walIndex // nil where there is none to look at
	file    *file     // nil for a database in memory
	holders *store.Holders

	of          *dataflow.Database // as it was declared when its schema was last looked at
	dir         string             // that its path starts from
	name        string             // for people
	fingerprint func() string      // of the schema that was asked for
	absent      map[string]bool    // tables that it lacks
	foreign     *foreignTables
}

func (s *Store) table(m *dataflow.Model) (*table, error) {
	if t := s.tables[m]; t != nil {
		return t, nil
	}
	return nil, &dataflow.Error{Code: "not_available", Status: dataflow.StatusRejected, Model: m.Name,
		Message: fmt.Sprintf("the database has no table for %s", m.Name),
		Hint:    "with existing_schema_mode = True the runtime makes no tables of its own, and does without what they are for"}
}

// Get implements store.Reader. A look-up by id is over before it could be
// interrupted.
func (s *Store) Get(ctx context.Context, m *dataflow.Model, id any, fields []int, f func(store.Row) error) (found bool, err error) {
	if s.readers == nil {
		err = s.read(ctx, func(r session) error {
			found, err = r.Get(ctx, m, id, fields, f)
			return err
		})
		return found, err
	}
	c, err := s.reader(ctx)
	if err != nil {
		return false, err
	}
	defer s.readers.put(c)
	return session{s, c}.Get(ctx, m, id, fields, f)
}

// reader takes a connection that sees all that is committed.
func (s *Store) reader(ctx context.Context) (*conn, error) {
	c, err := s.readers.take(ctx)
	if err != nil {
		return nil, toError(ctx, err)
	}
	if err := c.renew(); err != nil {
		s.readers.put(c)
		return nil, toError(ctx, err)
	}
	return c, nil
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

// Aggregate implements store.Reader.
func (s *Store) Aggregate(ctx context.Context, q *query.Aggregate, f func(store.Row) error) error {
	return s.read(ctx, func(r session) error { return r.Aggregate(ctx, q, f) })
}

// read runs f on a connection of its own, interrupted when ctx is done.
func (s *Store) read(ctx context.Context, f func(session) error) error {
	return s.reading(ctx, f, func(*conn) {})
}

// reading is read with what is to be done after f, when nothing interrupts the
// connection any more.
func (s *Store) reading(ctx context.Context, f func(session) error, after func(*conn)) error {
	if s.readers == nil {
		return s.writer.exclusive(ctx, func(c *conn) error { return s.watched(ctx, c, f, after) })
	}
	c, err := s.reader(ctx)
	if err != nil {
		return err
	}
	defer s.readers.put(c)
	return s.watched(ctx, c, f, after)
}

func (s *Store) watched(ctx context.Context, c *conn, f func(session) error, after func(*conn)) error {
	stop := c.watch(ctx)
	defer func() {
		c.unwatch(stop)
		after(c)
	}()
	return f(session{s, c})
}

// Snapshot implements store.Store. The end of the transaction must not be
// interrupted, or the connection would go on showing this state.
func (s *Store) Snapshot(ctx context.Context, f func(store.Reader) error) error {
	return s.reading(ctx, func(r session) error {
		if !r.c.view.kept {
			if err := r.c.run("BEGIN"); err != nil {
				return toError(ctx, err)
			}
		}
		return f(r)
	}, func(c *conn) {
		if !c.view.kept && !c.AutocommitEnabled() {
			_ = c.run("ROLLBACK") // it can fail only where there is nothing to end
		}
	})
}

// Write implements store.Store.
func (s *Store) Write(ctx context.Context, f func(store.Tx) error) error {
	return s.writer.write(ctx, s, f)
}

// Ping implements store.Store.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.file.lost(); err != nil {
		return err
	}
	return s.read(ctx, func(r session) error { return toError(ctx, r.c.run("SELECT 1")) })
}

// Close implements store.Store. The connections of one that is shared are those
// of the last to be closed.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.watch.Close()
		if !s.holders.Leave() {
			return
		}
		if s.readers != nil {
			s.readers.close() // first: the last connection to close tidies the log away
		}
		s.closed = s.writer.close()
		s.log.close()
	})
	return s.closed
}

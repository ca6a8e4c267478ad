package postgres

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// poolWait bounds how long a call waits for a connection.
const poolWait = 10 * time.Second

// endWait bounds how long the end of a transaction may take. It is not
// interrupted by a caller that goes away: then nobody would know the outcome.
const endWait = 30 * time.Second

// conn is a connection with what is kept for it. It is used by one goroutine
// at a time.
type conn struct {
	*pgconn.PgConn
	stmts   statements
	b       query.Builder // scratch
	params  params        // scratch
	unnamed bool
	s       *Store   // nil for one that is not of a pool
	opening []string // what begins a transaction: it goes with the first statement

	pooled *pgxpool.Conn // while it is taken
	shown  bool          // a row has come since it was taken
	sent   bool          // a statement has been sent since it was taken
	stale  bool          // a statement was prepared for tables that have changed since
}

// kept is the name under which a connection of pgx carries its conn.
const kept = "flowctl"

// take returns a connection of the pool, waiting for one if all are in use.
// alive asks for one that has just answered.
func (s *Store) take(ctx context.Context, alive bool) (*conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, store.Interrupted(err)
	}
	wait, cancel := context.WithTimeout(ctx, s.wait)
	defer cancel()
	for {
		pooled, err := s.surplus.acquire(wait, s.pool)
		if err != nil {
			return nil, s.notTaken(ctx, err)
		}
		c := s.connOf(pooled)
		if !alive || c.Ping(wait) == nil {
			return c, nil
		}
		c.put() // the pool closes it
	}
}

// surplus are the connections beyond pool_size: under load they go from hand to
// hand, and are closed when nobody waits for them.
type surplus struct {
	size    int // connections that stay
	waiting atomic.Int32
	release sync.Mutex // so that two that are given back do not both find a place
}

// surplusOf returns nil where all there can be may stay.
func surplusOf(o dataflow.DatabaseOptions) *surplus {
	if o.PoolMaxOverflow <= 0 {
		return nil
	}
	return &surplus{size: poolSize(o)}
}

func (u *surplus) acquire(ctx context.Context, pool *pgxpool.Pool) (*pgxpool.Conn, error) {
	if u != nil {
		u.waiting.Add(1)
		defer u.waiting.Add(-1)
	}
	return pool.Acquire(ctx)
}

// put gives a connection back, closed if it is one too many.
func (u *surplus) put(pool *pgxpool.Pool, c *conn, pooled *pgxpool.Conn) {
	u.release.Lock()
	stays := u.waiting.Load() > 0 || int(pool.Stat().IdleConns()) < u.size
	if stays {
		pooled.Release()
	}
	u.release.Unlock()
	if !stays {
		c.hangUp()
		pooled.Release()
	}
}

// connOf returns what is kept for a connection of the pool.
func (s *Store) connOf(pooled *pgxpool.Conn) *conn {
	pc := pooled.Conn().PgConn()
	c, ok := pc.CustomData()[kept].(*conn)
	if !ok {
		c = newConn(pc, s.unnamed)
		c.b.Dialect = &s.dialect
		pc.CustomData()[kept] = c
	}
	c.s = s // another than before, where stores share the pool
	c.pooled, c.shown, c.sent, c.stale, c.opening = pooled, false, false, false, nil
	return c
}

func newConn(pc *pgconn.PgConn, unnamed bool) *conn {
	c := &conn{PgConn: pc, unnamed: unnamed}
	c.b.Dialect = dialect{}
	c.stmts.conn = pc
	return c
}

// notTaken says why there is no connection.
func (s *Store) notTaken(ctx context.Context, err error) error {
	switch {
	case s.closed.Load():
		return store.Closed()
	case errors.Is(ctx.Err(), context.Canceled):
		return store.Interrupted(ctx.Err())
	case errors.Is(err, context.DeadlineExceeded) && s.pool.Stat().AcquiredConns() == s.pool.Stat().MaxConns():
		return store.Crowded(err)
	case ctx.Err() != nil:
		return store.Interrupted(ctx.Err())
	}
	return store.Busy("the database can't be reached", withoutSecrets(err))
}

// put gives a connection back. The pool closes one that is lost, or still in a
// transaction; one whose statements are out of date is of no more use.
func (c *conn) put() {
	pooled := c.pooled
	c.pooled = nil
	if c.stale {
		c.hangUp()
	}
	if c.s.surplus != nil {
		c.s.surplus.put(c.s.pool, c, pooled)
		return
	}
	pooled.Release()
}

// hangUp closes the connection.
func (c *conn) hangUp() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(ctx) // it is gone either way
}

// lost reports whether the connection is gone.
func (c *conn) lost() bool { return c.IsClosed() }

// exec runs a statement that has no parameters and whose answer does not
// matter.
func (c *conn) exec(ctx context.Context, sql string) error {
	if len(c.opening) > 0 {
		sql = strings.Join(c.opening, "; ") + "; " + sql
		c.opening = nil
	}
	_, err := c.Exec(ctx, sql).ReadAll()
	return err
}

// rollback ends a transaction without effect, whatever became of its caller.
func (c *conn) rollback() {
	if c.lost() || c.TxStatus() == 'I' {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), endWait)
	defer cancel()
	_ = c.exec(ctx, "ROLLBACK") // if it fails the connection is closed, which does the same
}

// maxPrepared is the length up to which a statement is kept: a longer one was
// made so by the lists of a filter, and hardly comes again.
const maxPrepared = 1 << 13

// inBinary asks for every column of an answer in the binary form.
var inBinary = []int16{1}

// answer is what a statement gives. It must be closed before the connection is
// used again.
type answer struct {
	*pgconn.ResultReader                           // nil: it was never come to
	trip                 *pgconn.MultiResultReader // that it came with, or nil
}

// NextRow goes to the next row, if there is one.
func (a answer) NextRow() bool { return a.ResultReader != nil && a.ResultReader.NextRow() }

// FieldDescriptions describes the columns.
func (a answer) FieldDescriptions() []pgconn.FieldDescription {
	if a.ResultReader == nil {
		return nil
	}
	return a.ResultReader.FieldDescriptions()
}

// Close waits for the end of the statement, and of those sent with it.
func (a answer) Close() (tag pgconn.CommandTag, err error) {
	if a.ResultReader != nil {
		tag, err = a.ResultReader.Close()
	}
	if a.trip != nil {
		if failed := a.trip.Close(); err == nil {
			err = failed
		}
	}
	return tag, err
}

// run starts a statement.
func (c *conn) run(ctx context.Context, sql []byte, args []any) (answer, error) {
	if len(c.opening) > 0 {
		return c.runFirst(ctx, sql, args)
	}
	values, formats := c.params.encode(args)
	if !c.keeps(sql) {
		c.sent = true
		return answer{ResultReader: c.ExecParams(ctx, string(sql), values, nil, formats, inBinary)}, nil
	}
	stmt, err := c.stmts.get(ctx, sql)
	if err != nil {
		return answer{}, err
	}
	c.sent = true
	return answer{ResultReader: c.ExecStatement(ctx, stmt, values, formats, inBinary)}, nil
}

// keeps reports whether a statement is prepared.
func (c *conn) keeps(sql []byte) bool { return !c.unnamed && len(sql) <= maxPrepared }

// change runs what b has written and returns how many rows it touched.
func (c *conn) change(ctx context.Context, b *query.Builder) (int64, error) {
	r, err := c.run(ctx, b.SQL, b.Args)
	if err != nil {
		return 0, err
	}
	tag, err := r.Close()
	return tag.RowsAffected(), err
}

// any reports whether what b has written finds a row.
func (c *conn) any(ctx context.Context, b *query.Builder) (bool, error) {
	r, err := c.run(ctx, b.SQL, b.Args)
	if err != nil {
		return false, err
	}
	found := r.NextRow()
	_, err = r.Close()
	return found, err
}

// query runs a statement that is not kept and hands f each row, as text.
func (c *conn) query(ctx context.Context, sql string, args []any, f func(row [][]byte)) error {
	if len(c.opening) > 0 {
		if err := c.exec(ctx, ""); err != nil {
			return err
		}
	}
	values, formats := c.params.encode(args)
	r := c.ExecParams(ctx, sql, values, nil, formats, nil)
	for r.NextRow() {
		f(r.Values())
	}
	_, err := r.Close()
	return err
}

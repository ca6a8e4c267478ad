package sqlite

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/flowctl/flowctl/dataflow/query"
	"zombiezen.com/go/sqlite"
)

// busyTimeout is how long SQLite itself waits for another process's lock.
const busyTimeout = 5 * time.Second

// conn is a connection with what is kept for it. It is used by one goroutine
// at a time.
type conn struct {
	*sqlite.Conn
	stmts statements
	owns  map[ownKey]*own // statements of the app's own
	b     query.Builder   // scratch
	born  time.Time
	busy  time.Duration // that another program's lock is waited for
	done  chan struct{} // closed to interrupt what runs
	fire  func()        // closes done
	view  view          // of one that reads
	along along         // of the one that writes
}

// open opens a connection and sets what every connection has.
func openConn(path string, flags sqlite.OpenFlags, busy time.Duration) (*conn, error) {
	ownCaches()
	raw, err := sqlite.OpenConn(path, flags)
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: raw, born: time.Now(), busy: busy}
	c.fire = func() { close(c.done) }
	c.b.Dialect = dialect{}
	c.stmts.conn = raw
	c.SetBusyTimeout(busy)
	if err := c.exec("PRAGMA foreign_keys = 1"); err != nil {
		c.close()
		return nil, err
	}
	if err := registerFunctions(raw); err != nil {
		c.close()
		return nil, err
	}
	c.arm()
	return c, nil
}

// readerCache is how much of the database a connection for reading keeps, in
// KiB. What it does not keep the system does: twice as much made no read
// measurably cheaper.
const readerCache = 1024

// openReader opens a connection for reading, which may keep its view where there
// is a log.
func openReader(path string, log *walIndex) (*conn, error) {
	c, err := openConn(path, sqlite.OpenReadOnly, busyTimeout)
	if err != nil {
		return nil, err
	}
	if err := c.exec("PRAGMA cache_size = -" + strconv.Itoa(readerCache)); err != nil {
		c.close()
		return nil, err
	}
	if c.inWAL() {
		c.view.log = log
	}
	return c, nil
}

func (c *conn) close() error {
	c.stmts.finalize()
	for _, o := range c.owns {
		_ = o.Finalize()
	}
	return c.Close()
}

// exec runs a statement that returns nothing and is not kept.
func (c *conn) exec(sql string) error {
	stmt, trailing, err := c.PrepareTransient(sql)
	if err != nil {
		return err
	}
	defer stmt.Finalize()
	if trailing > 0 {
		return fmt.Errorf("more than one statement in %q", sql)
	}
	for {
		if more, err := stmt.Step(); err != nil || !more {
			return err
		}
	}
}

// run runs a statement that returns nothing and is kept.
func (c *conn) run(sql string) error {
	stmt, err := c.stmts.get(sql)
	if err != nil {
		return err
	}
	defer c.stmts.put(stmt)
	_, err = stmt.Step()
	return err
}

// arm makes the connection ready to be interrupted.
func (c *conn) arm() {
	c.done = make(chan struct{})
	c.SetInterrupt(c.done)
}

// watch interrupts the connection when ctx is done, until unwatch is called
// with its result. It costs a fraction of setting an interrupt for each call.
func (c *conn) watch(ctx context.Context) (stop func() bool) {
	if ctx.Done() == nil {
		return nil
	}
	return context.AfterFunc(ctx, c.fire)
}

func (c *conn) unwatch(stop func() bool) {
	if stop != nil && !stop() {
		<-c.done // the interrupt is on its way: let it be over
		c.arm()
	}
}

// within interrupts the connection when ctx is done, which is a part of the
// time that watch looks at, until what it returns is called.
func (c *conn) within(ctx context.Context) (end func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	c.SetInterrupt(ctx.Done())
	return func() { c.SetInterrupt(c.done) }
}

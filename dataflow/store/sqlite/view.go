package sqlite

import (
	"time"

	"zombiezen.com/go/sqlite"
)

// commit tells a commit from every other: a header of the log's index, which
// has a count of commits, the number of frames in the log and checksums.
type commit [6]uint64

// To begin and to end a read takes SQLite longer than to find a row: it locks
// the database and unlocks it, by two system calls, and looks through its cache.
// So a connection may keep its view, the transaction that it reads in, for the
// next read, if nothing has been committed since: then that would see the same.
//
// A view that is kept holds up the checkpoint that starts the log anew. It is
// given up when it has not been used for a tick or two, and in any case after
// maxView of them.
const (
	viewTick = 10 * time.Millisecond
	maxView  = 10
)

// view is what a connection keeps of the database between reads.
type view struct {
	log   *walIndex // nil: nothing is kept
	of    commit    // that was the last one before the view was taken
	kept  bool      // a transaction is open
	young bool      // it has been since the last put
	since uint64    // in ticks of the pool
	used  uint64    // likewise
}

// renew makes the connection see all that is committed by now. The view is not
// older than the commit it is of, which was read before: so if that is still
// the last one, the view is what a new one would be. Where others commit
// between reads, nothing is kept, as that would cost more than it spares.
func (c *conn) renew() error {
	now, ok := c.view.log.last()
	if ok && now == c.view.of {
		if c.view.kept {
			return nil
		}
		err := c.run("BEGIN")
		c.view.kept, c.view.young = err == nil, true
		return err
	}
	c.view.of = now
	return c.forget()
}

// forget gives up the view.
func (c *conn) forget() error {
	if !c.view.kept {
		return nil
	}
	c.view.kept = false
	if c.AutocommitEnabled() { // SQLite has ended it by itself
		return nil
	}
	return c.run("ROLLBACK")
}

// inWAL reports whether the database is in WAL mode. In any other a view would
// keep everybody from writing.
func (c *conn) inWAL() bool {
	mode := ""
	err := c.query("PRAGMA journal_mode", nil, func(r *sqlite.Stmt) { mode = r.ColumnText(0) })
	return err == nil && mode == "wal"
}

// viewed is called with p.mu held, for a connection that comes back. It reports
// whether it can be used again.
func (p *pool) viewed(c *conn) bool {
	v := &c.view
	if !v.kept {
		return c.AutocommitEnabled()
	}
	if v.young {
		v.since, v.young = p.ticks, false
	}
	v.used = p.ticks
	if c.AutocommitEnabled() || p.ticks-v.since > maxView {
		return c.forget() == nil
	}
	if !p.ticking {
		p.ticking = true
		p.later(viewTick, p.tick)
	}
	return true
}

// tick gives up the views that have not been used since the tick before.
func (p *pool) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ticks++
	p.ticking = false
	for _, c := range p.free {
		switch {
		case !c.view.kept:
		case p.ticks-c.view.used > 1:
			_ = c.forget() // it can fail only where there is nothing to end
		default:
			p.ticking = true
		}
	}
	if p.ticking {
		p.later(viewTick, p.tick)
	}
}

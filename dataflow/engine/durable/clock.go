package durable

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow/store"
)

// clock is what runs are kept by: the database's own where it has one, for
// wake_at is compared with it by every process, and the clocks of two machines
// don't agree. It is asked now and then. In between the time that has passed
// is added, so that it is of no matter if this machine's clock is set.
type clock struct {
	own   func() time.Time // nil: that of the machine
	of    store.Clock      // nil: there is but own
	asked atomic.Pointer[asked]
}

// asked is what a database's clock showed, and when that was here.
type asked struct{ theirs, ours time.Time }

func newClock(own func() time.Time, s store.Store) *clock {
	c := &clock{own: own}
	if own == nil {
		c.own = time.Now
		c.of, _ = s.(store.Clock)
	}
	return c
}

func (c *clock) now() time.Time {
	if a := c.asked.Load(); a != nil {
		return a.theirs.Add(time.Since(a.ours))
	}
	return c.own()
}

// ask has the database say what time it is.
func (c *clock) ask(ctx context.Context) error { return c.askBy(ctx, c.of) }

// ready asks if that has not been done yet.
func (c *clock) ready(ctx context.Context) error {
	if c.asked.Load() != nil {
		return nil
	}
	return c.ask(ctx)
}

// readyIn is ready within a transaction.
func (c *clock) readyIn(ctx context.Context, tx store.Tx) error {
	if c.of == nil || c.asked.Load() != nil {
		return nil
	}
	by, _ := tx.(store.Clock)
	return c.askBy(ctx, by)
}

func (c *clock) askBy(ctx context.Context, by store.Clock) error {
	if c.of == nil || by == nil {
		return nil
	}
	before := time.Now()
	theirs, err := by.Now(ctx)
	if err != nil {
		return err
	}
	c.asked.Store(&asked{theirs, before.Add(time.Since(before) / 2)})
	return nil
}

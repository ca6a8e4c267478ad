package front

import (
	"context"
	"sync"
	"time"
)

// deadlineCtx is a context with a deadline that costs a timer only once
// somebody waits for it: most requests end without having asked for Done.
type deadlineCtx struct {
	context.Context
	at time.Time

	once   sync.Once
	timed  context.Context
	cancel context.CancelFunc
}

func (c *deadlineCtx) Deadline() (time.Time, bool) {
	if at, ok := c.Context.Deadline(); ok && at.Before(c.at) {
		return at, true
	}
	return c.at, true
}

func (c *deadlineCtx) Err() error {
	if err := c.Context.Err(); err != nil {
		return err
	}
	if !time.Now().Before(c.at) {
		return context.DeadlineExceeded
	}
	return nil
}

func (c *deadlineCtx) Done() <-chan struct{} { return c.wait().Done() }

// AfterFunc lets package context hang contexts below this one without a
// goroutine for each.
func (c *deadlineCtx) AfterFunc(f func()) (stop func() bool) { return context.AfterFunc(c.wait(), f) }

// wait starts the timer.
func (c *deadlineCtx) wait() context.Context {
	c.once.Do(func() { c.timed, c.cancel = context.WithDeadline(c.Context, c.at) })
	return c.timed
}

// stop ends the timer, if there is one, with the request.
func (c *deadlineCtx) stop() {
	c.once.Do(func() { c.timed = c.Context })
	if c.cancel != nil {
		c.cancel()
	}
}

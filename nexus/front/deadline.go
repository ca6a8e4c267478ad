package front

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// deadlineCtx is a context with a deadline that costs a timer only once
// somebody waits for it: most requests end without having asked for Done.
type deadlineCtx struct {
	context.Context
	at time.Time
	id string // of the request

	once  sync.Once
	timed atomic.Pointer[timed] // nil until somebody waits, and if nobody has before the end
}

type timed struct {
	context.Context
	cancel context.CancelFunc
}

func (c *deadlineCtx) Deadline() (time.Time, bool) {
	if at, ok := c.Context.Deadline(); ok && at.Before(c.at) {
		return at, true
	}
	return c.at, true
}

// Value implements context.Context. What a request's context carries is looked
// for in it first: the context costs no further one.
func (c *deadlineCtx) Value(key any) any {
	if _, ok := key.(requestIDKey); ok {
		return c.id
	}
	return c.Context.Value(key)
}

func (c *deadlineCtx) Err() error {
	if t := c.timed.Load(); t != nil {
		return t.Err()
	}
	if err := c.Context.Err(); err != nil {
		return err
	}
	if time.Until(c.at) <= 0 { // which asks one clock, where time.Now asks two
		// From here on Done must be closed too.
		return c.wait().Err()
	}
	return nil
}

func (c *deadlineCtx) Done() <-chan struct{} { return c.wait().Done() }

// AfterFunc lets package context hang contexts below this one without a
// goroutine for each.
func (c *deadlineCtx) AfterFunc(f func()) (stop func() bool) {
	return context.AfterFunc(c.wait().Context, f)
}

// wait starts the timer.
func (c *deadlineCtx) wait() *timed {
	c.once.Do(func() {
		ctx, cancel := context.WithDeadline(c.Context, c.at)
		c.timed.Store(&timed{ctx, cancel})
	})
	if t := c.timed.Load(); t != nil {
		return t
	}
	return &timed{Context: c.Context} // which net/http ends with the request
}

// stop ends the context with its request, and the timer if there is one.
func (c *deadlineCtx) stop() {
	c.once.Do(func() {})
	if t := c.timed.Load(); t != nil {
		t.cancel()
	}
}

package http1

import (
	"context"
	"sync"
	"time"
)

// requestContext is done when its request has been answered, or when the client
// is gone. That costs a goroutine that reads from the connection, which most
// requests end without: it begins when somebody asks for Done.
type requestContext struct {
	context.Context // of the connection
	conn            *carrier

	mu     sync.Mutex
	live   context.Context // nil until somebody asks for Done
	cancel context.CancelFunc
	over   bool
	seen   chan struct{} // closed when nothing is read any more
}

// Done implements context.Context.
func (c *requestContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.live == nil {
		c.live, c.cancel = context.WithCancel(c.Context)
		if c.over {
			c.cancel()
		} else {
			c.watch()
		}
	}
	return c.live.Done()
}

// Err implements context.Context.
func (c *requestContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.live != nil:
		return c.live.Err()
	case c.over:
		return context.Canceled
	}
	return nil
}

// Value implements context.Context. Once there is a context that is done with this
// one, package context finds it here, and needs no goroutine for those below.
func (c *requestContext) Value(key any) any {
	c.mu.Lock()
	live := c.live
	c.mu.Unlock()
	if live != nil {
		return live.Value(key)
	}
	return c.Context.Value(key)
}

// watch reads on, to see the client go. What it reads instead is the beginning of
// the next request. It is called with the lock held.
func (c *requestContext) watch() {
	k := c.conn
	if k.n == len(k.buf) {
		return // no more can be read than has been
	}
	c.seen = make(chan struct{})
	go func() {
		defer close(c.seen)
		n, err := k.Read(k.buf[k.n:])
		k.n += n // whoever wants to know waits for seen
		if err == nil {
			return
		}
		c.mu.Lock()
		told := c.over
		c.mu.Unlock()
		if !told || !cutOff(err) {
			c.cancel()
		}
	}()
}

// cut ends the context before its request: the client takes no answer.
func (c *requestContext) cut() {
	c.mu.Lock()
	if c.live == nil {
		c.live, c.cancel = context.WithCancel(c.Context)
	}
	c.mu.Unlock()
	c.cancel()
}

// end ends the context with its request.
func (c *requestContext) end() {
	c.mu.Lock()
	c.over = true
	seen, cancel := c.seen, c.cancel
	c.mu.Unlock()
	if seen != nil {
		_ = c.conn.SetReadDeadline(time.Unix(1, 0)) // it fails where reading has failed
		<-seen
	}
	if cancel != nil {
		cancel()
	}
}

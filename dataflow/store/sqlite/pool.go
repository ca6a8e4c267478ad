package sqlite

import (
	"context"
	"github.com/flowctl/flowctl/dataflow/store"
	"sync"
	"time"
)

// readWait bounds how long a call waits for a connection to read with.
const readWait = 30 * time.Second

// pool hands out connections for reading, the last one returned first, so that
// few stay warm. They are opened when they are first needed.
type pool struct {
	open    func() (*conn, error)
	size    int           // how many are kept
	most    int           // how many there may be: size and the overflow
	recycle time.Duration // age at which one is replaced; 0: never

	mu      sync.Mutex
	free    []*conn
	count   int // open ones, free or not
	waiting []chan *conn
	closed  bool
	idle    chan struct{} // closed when the pool is, and none is in use
	ticks   uint64        // counted while views are kept
	ticking bool
	later   func(time.Duration, func()) // time.AfterFunc
	waited  waits
}

// take returns a connection, waiting for one if all are in use.
func (p *pool) take(ctx context.Context) (*conn, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, store.Closed()
	}
	if n := len(p.free); n > 0 {
		c := p.free[n-1]
		p.free = p.free[:n-1]
		p.mu.Unlock()
		return c, nil
	}
	if p.count < p.most {
		p.count++
		p.mu.Unlock()
		return p.opened()
	}
	ready := make(chan *conn, 1)
	p.waiting = append(p.waiting, ready)
	p.mu.Unlock()
	return p.wait(ctx, ready)
}

func (p *pool) wait(ctx context.Context, ready chan *conn) (*conn, error) {
	defer p.waited.since(time.Now())
	timer := time.NewTimer(readWait)
	defer timer.Stop()
	var failed error
	select {
	case c := <-ready:
		return p.given(c)
	case <-ctx.Done():
		if failed = store.Crowded(nil); ctx.Err() != context.DeadlineExceeded {
			failed = store.Interrupted(ctx.Err())
		}
	case <-timer.C:
		failed = store.Crowded(nil)
	}
	p.mu.Lock()
	for i, w := range p.waiting {
		if w == ready {
			p.waiting = append(p.waiting[:i], p.waiting[i+1:]...)
			p.mu.Unlock()
			return nil, failed
		}
	}
	p.mu.Unlock()
	if c, err := p.given(<-ready); err == nil { // it came at the same moment
		p.put(c)
	}
	return nil, failed
}

// given is what a waiter does with what it got: a connection, or leave to
// open one.
func (p *pool) given(c *conn) (*conn, error) {
	if c != nil {
		return c, nil
	}
	return p.opened()
}

// opened opens a connection that has been counted.
func (p *pool) opened() (*conn, error) {
	c, err := p.open()
	if err != nil {
		p.drop()
		return nil, err
	}
	return c, nil
}

// put gives a connection back. One that has a transaction open which is not its
// view would show the next caller the past, and is not kept.
func (p *pool) put(c *conn) {
	stale := p.recycle > 0 && time.Since(c.born) > p.recycle
	p.mu.Lock()
	if !stale && !p.closed && p.viewed(c) {
		if len(p.waiting) > 0 {
			ready := p.waiting[0]
			p.waiting = p.waiting[1:]
			ready <- c
			p.mu.Unlock()
			return
		}
		if p.count <= p.size {
			p.free = append(p.free, c)
			p.mu.Unlock()
			return
		}
	}
	p.mu.Unlock()
	_ = c.close()
	p.drop()
}

// drop uncounts a connection, and lets one who waits open another.
func (p *pool) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.waiting) > 0 {
		ready := p.waiting[0]
		p.waiting = p.waiting[1:]
		ready <- nil // the count stays: it is theirs now
		return
	}
	p.count--
	if p.closed && p.count == 0 {
		close(p.idle)
	}
}

// close closes the connections, waiting for those in use. It is called once.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	p.idle = make(chan struct{})
	free := p.free
	p.free = nil
	p.count -= len(free)
	if p.count == 0 {
		close(p.idle)
	}
	p.mu.Unlock()
	for _, c := range free {
		_ = c.close()
	}
	<-p.idle
}

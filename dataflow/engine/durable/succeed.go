package durable

import "context"

// Succeed has these runs take the place of others, of an earlier app on the same
// databases: those look for no more work from now on, and go on with what they
// have in hand; Serve looks for work once they have stopped. So no schedule is
// read by two versions of it. It is called before Serve.
func (rs *Runs) Succeed(before *Runs) {
	before.retire()
	before.next.Store(rs)
	stopped := make(chan struct{})
	rs.after = stopped
	go func() {
		before.looking.Wait()
		close(stopped)
	}()
	for _, h := range before.homes {
		for _, next := range rs.homes {
			if next.db.Name == h.db.Name {
				h.successor.Store(next)
			}
		}
	}
}

// Newest are the runs that have taken the place of these at last; they
// themselves, if none have.
func (rs *Runs) Newest() *Runs {
	for {
		next := rs.next.Load()
		if next == nil {
			return rs
		}
		rs = next
	}
}

// look looks for work until ctx is done or these runs are succeeded.
func (rs *Runs) look(ctx context.Context, h *home) {
	if rs.after != nil {
		select {
		case <-rs.after:
		case <-rs.retired.Done():
			return
		case <-rs.ctx.Done():
			return
		}
	}
	h.serve(ctx)
}

// Drain waits until no run is in progress here any more, or ctx is done. Runs
// that wait are not in progress: they are rows.
func (rs *Runs) Drain(ctx context.Context) {
	rs.retire()
	for _, h := range rs.homes {
		h.mu.Lock()
		var idle chan struct{}
		if len(h.active) > 0 {
			if h.idle == nil {
				h.idle = make(chan struct{})
			}
			idle = h.idle
		}
		h.mu.Unlock()
		if idle == nil {
			continue
		}
		select {
		case <-idle:
		case <-ctx.Done():
			return
		}
	}
}

// ended is told, under mu, that a run is no more in progress.
func (h *home) ended() {
	if len(h.active) == 0 && h.idle != nil {
		close(h.idle)
		h.idle = nil
	}
}

// newest is the home of the app that has taken this one's place, at last.
func (h *home) newest() *home {
	for h = h.top(); ; {
		next := h.successor.Load()
		if next == nil {
			return h
		}
		h = next
	}
}

package nexus

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// maxConnections is how many connections a server has open, of all its ports
	// together, where the system lets it have as many files.
	maxConnections = 16_384
	// filesBeside is how many of the files that the process may have open are
	// left for databases and whatever else it opens.
	filesBeside = 256
	// evicted is how many idle connections are closed at once for a new one:
	// finding them takes a look at all.
	evicted = 64
	// turnAway bounds the time that telling a client of it may take.
	turnAway = 100 * time.Millisecond
)

// connections are those that clients have open to a server. When there are as
// many as there may be, a new one takes the place of the one that has been idle
// longest: whoever opens many and says nothing keeps nobody out.
type connections struct {
	most    int
	logger  *slog.Logger
	ending  atomic.Bool // every answer is the last on its connection
	ended   atomic.Bool // who says nothing is hung up on
	crowded atomic.Bool // which has been logged

	mu   sync.Mutex
	open map[*connection]struct{}
	none chan struct{} // closed when none is open, once somebody waits for that
}

// connection is one that a client has made.
type connection struct {
	lazily
	of     *connections
	idle   atomic.Int64 // since when, in nanoseconds since 1970; 0: it is at work; taken: it is closed
	unread []byte       // what was read of what is to be read again
}

// taken is what idle is of a connection that has been closed for another's sake.
const taken = -1

// take takes an idle connection away, unless a request came first.
func (c *connection) take(since int64) bool {
	if !c.idle.CompareAndSwap(since, taken) {
		return false
	}
	_ = c.Close() // who serves it sees that it is gone
	return true
}

// Busy implements http1.Conn.
func (c *connection) Busy() bool {
	for {
		since := c.idle.Load()
		if since == taken {
			return false
		}
		if c.idle.CompareAndSwap(since, 0) {
			return true
		}
	}
}

// Idle implements http1.Conn.
func (c *connection) Idle() bool {
	c.idle.Store(time.Now().UnixNano())
	return !c.of.ended.Load()
}

// Last implements http1.Conn.
func (c *connection) Last() bool { return c.of.ending.Load() }

// Gone implements http1.Conn.
func (c *connection) Gone() { c.of.forget(c) }

// Unread implements http1.Conn.
func (c *connection) Unread(b []byte) { c.unread = b }

// Read implements net.Conn.
func (c *connection) Read(p []byte) (int, error) {
	if len(c.unread) > 0 {
		n := copy(p, c.unread)
		if c.unread = c.unread[n:]; len(c.unread) == 0 {
			c.unread = nil // it is not held for as long as the connection
		}
		return n, nil
	}
	return c.lazily.Read(p)
}

func newConnections(most int, logger *slog.Logger) *connections {
	return &connections{most: most, logger: logger, open: make(map[*connection]struct{})}
}

// note is a server's ConnState.
func (cs *connections) note(nc net.Conn, state http.ConnState) {
	c, ok := nc.(*connection)
	if !ok {
		return // of a listener that is not ours
	}
	switch state {
	case http.StateActive:
		if !c.Busy() { // what it has read is not begun: nobody could be told
			panic(http.ErrAbortHandler)
		}
	case http.StateIdle:
		c.idle.Store(time.Now().UnixNano())
	case http.StateClosed, http.StateHijacked:
		cs.forget(c)
	}
}

// admit counts a connection in, or turns it away: it is nil then.
func (cs *connections) admit(tcp *net.TCPConn) *connection {
	c := &connection{lazily: lazily{TCPConn: tcp}, of: cs}
	c.idle.Store(time.Now().UnixNano()) // nothing has come on it yet
	cs.mu.Lock()
	if len(cs.open) >= cs.most {
		cs.evict()
	}
	full := len(cs.open) >= cs.most
	if !full {
		cs.open[c] = struct{}{}
	}
	cs.mu.Unlock()
	if !full {
		return c
	}
	if cs.crowded.CompareAndSwap(false, true) {
		cs.logger.Warn("there are as many connections as there may be, and all are at work: others are turned away", "connections", cs.most)
	}
	_ = tcp.SetWriteDeadline(time.Now().Add(turnAway)) // a new connection has room for what is written
	_, _ = io.WriteString(tcp, "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
	_ = tcp.Close() // nothing has been promised on it
	return nil
}

// evict closes some of those that have been idle longest. It is called with the
// lock held.
func (cs *connections) evict() {
	type idler struct {
		c     *connection
		since int64
	}
	var idlers []idler
	for c := range cs.open {
		if since := c.idle.Load(); since > 0 {
			idlers = append(idlers, idler{c, since})
		}
	}
	slices.SortFunc(idlers, func(a, b idler) int { return int(a.since - b.since) })
	for _, i := range idlers[:min(len(idlers), evicted, 1+cs.most/evicted)] {
		if i.c.take(i.since) {
			delete(cs.open, i.c)
		}
	}
}

// shutdown closes connections as they become idle, until none is open or ctx is
// done; then it closes all that are.
func (cs *connections) shutdown(ctx context.Context) {
	cs.ending.Store(true)
	cs.ended.Store(true)
	cs.mu.Lock()
	for c := range cs.open {
		if since := c.idle.Load(); since > 0 {
			c.take(since)
		}
	}
	cs.mu.Unlock()
	select {
	case <-cs.empty():
		return
	case <-ctx.Done():
	}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.open {
		_ = c.Close() // whoever is at work on it has had the time there is
	}
}

func (cs *connections) forget(c *connection) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.open, c)
	if len(cs.open) < cs.most/2 {
		cs.crowded.Store(false)
	}
	cs.settled()
}

// settled tells who waits for it that no connection is open. It is called with
// the lock held.
func (cs *connections) settled() {
	if cs.none != nil && len(cs.open) == 0 {
		close(cs.none)
		cs.none = nil
	}
}

// empty is closed once no connection is open.
func (cs *connections) empty() <-chan struct{} {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	none := make(chan struct{})
	cs.none = none
	cs.settled()
	return none
}

var closeHeader = []string{"close"}

// last marks an answer as the last on its connection: when the server ends, and
// after a body in chunks. Such a request may have had a length as well, which
// somebody in between may have gone by, so that what follows may be hidden from
// them (RFC 9112, 6.3); net/http does not tell.
func (cs *connections) last(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cs.ending.Load() || len(r.TransferEncoding) > 0 {
			w.Header()["Connection"] = closeHeader
		}
		next.ServeHTTP(w, r)
	})
}

// connectionsOf is how many connections a process has room for that may have so
// many files. Where there are hardly any, half of them are for the rest: one that
// could not be accepted for want of a file would get no other's place.
func connectionsOf(files uint64) int {
	n := int(min(files, maxConnections+filesBeside))
	return max(n-filesBeside, min(n/2, filesBeside/4))
}

const (
	// listenPause is how long who has been answered may send nothing more of the
	// request, and listenTime how long all of the rest may take.
	listenPause = 2 * time.Second
	listenTime  = 30 * time.Second
)

// hearOut reads what a client goes on sending of a request that has been answered
// without all of it. Where that is the last answer of its connection net/http
// leaves the rest unread, or closes half a second later. What comes on a connection
// that is closed resets it, and who is still sending, as proxies are, does not see
// the answer any more (RFC 9112, 9.6).
func (cs *connections) hearOut(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength == 0 {
			next.ServeHTTP(w, r)
			return
		}
		// net/http looks at the body of r itself, to see what is left of it.
		body, request := &heard{ReadCloser: r.Body}, *r
		request.Body = body
		next.ServeHTTP(w, &request)
		if body.whole {
			return
		}
		control := http.NewResponseController(w)
		if control.Flush() != nil {
			return // who is gone sends nothing more
		}
		rest := make([]byte, 32<<10)
		for end := time.Now().Add(listenTime); !cs.ended.Load() && time.Now().Before(end); {
			_ = control.SetReadDeadline(time.Now().Add(listenPause)) // it fails where reading does
			if _, err := r.Body.Read(rest); err != nil {
				return
			}
		}
	})
}

// heard is a request's body that knows whether its end has been read.
type heard struct {
	io.ReadCloser
	whole bool
}

// Read implements io.Reader.
func (h *heard) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	h.whole = h.whole || err == io.EOF
	return n, err
}

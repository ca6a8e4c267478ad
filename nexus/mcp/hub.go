package mcp

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow/access"
)

// Hub is what outlives a generation of the app: the sessions of clients, and
// the streams on which they hear that something has changed. It is safe for
// concurrent use.
type Hub struct {
	o       HubOptions
	key     [32]byte // signs what clients keep for us
	closing context.Context
	close   context.CancelFunc

	mu        sync.Mutex // guards what follows
	current   *Server
	sessions  map[string]*session
	listeners map[*listener]struct{}
	swept     time.Time
}

// HubOptions are what a Hub may use. The zero value will do.
type HubOptions struct {
	Logger *slog.Logger     // nil discards
	Now    func() time.Time // nil: time.Now
}

// Bounds of what clients can make a hub keep.
const (
	sessionIdle  = 30 * time.Minute // without a request or a stream
	sweepEvery   = time.Minute
	maxSessions  = 10_000
	maxListeners = 10_000
	maxWatched   = 100 // resources, by one client
)

// NewHub returns a hub without sessions.
func NewHub(o HubOptions) *Hub {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &Hub{o: o, sessions: make(map[string]*session), listeners: make(map[*listener]struct{})}
	rand.Read(h.key[:]) // never fails
	h.closing, h.close = context.WithCancel(context.Background())
	return h
}

// Close ends the streams that only listen. Requests go on.
func (h *Hub) Close() { h.close() }

// Swap makes s the server that clients are told of, and tells those that listen
// what is different from the one before, once.
func (h *Hub) Swap(s *Server) {
	h.mu.Lock()
	old := h.current
	h.current = s
	listeners := h.list()
	h.mu.Unlock()
	if old == nil || old == s {
		return
	}
	told := make(map[string]changes)
	for _, l := range listeners {
		c, ok := told[l.view]
		if !ok {
			c = s.changedSince(old, l.view)
			told[l.view] = c
		}
		c.tools = c.tools || !s.showsAsBefore(old, l.view, l.caller)
		l.tell(c, func(uri string) bool { return s.resourceChanged(old, uri) })
	}
}

func (h *Hub) list() []*listener {
	all := make([]*listener, 0, len(h.listeners))
	for l := range h.listeners {
		all = append(all, l)
	}
	return all
}

// Updated tells those that watch a resource of an Extension that it has changed.
func (h *Hub) Updated(uri string) {
	h.mu.Lock()
	listeners := h.list()
	h.mu.Unlock()
	for _, l := range listeners {
		l.tell(changes{}, func(watched string) bool { return watched == uri })
	}
}

// listen adds a listener; forget takes it out again.
func (h *Hub) listen(l *listener) *fault {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.listeners) >= maxListeners {
		return faultf(codeInternal, "the server has as many listeners as it can; try again later")
	}
	h.listeners[l] = struct{}{}
	return nil
}

func (h *Hub) forget(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.listeners, l)
}

// open makes a session for a caller.
func (h *Hub) open(view string, c access.Caller) (*session, *fault) {
	var id [16]byte
	rand.Read(id[:]) // never fails
	s := newSession(hex.EncodeToString(id[:]), view, c)
	if f := h.listen(s.listener); f != nil {
		return nil, f
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.o.Now()
	h.sweep(now)
	s.used = now
	h.sessions[s.id] = s
	return s, nil
}

// sweep forgets sessions that nobody has used for long, and of too many the
// one that has been idle longest.
func (h *Hub) sweep(now time.Time) {
	full := len(h.sessions) >= maxSessions
	if !full && now.Sub(h.swept) < sweepEvery {
		return
	}
	h.swept = now
	var oldest *session
	for _, s := range h.sessions {
		if s.busy > 0 {
			continue
		}
		if now.Sub(s.used) > sessionIdle {
			h.drop(s)
		} else if oldest == nil || s.used.Before(oldest.used) {
			oldest = s
		}
	}
	if len(h.sessions) >= maxSessions && oldest != nil {
		h.drop(oldest)
	}
}

// drop forgets a session. Its streams see that it is over.
func (h *Hub) drop(s *session) {
	delete(h.sessions, s.id)
	delete(h.listeners, s.listener)
	s.end()
}

// enter finds a session for a request of its caller, who must leave it. One of
// another caller is not found: an id is no credential.
func (h *Hub) enter(id string, c access.Caller) *session {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := h.sessions[id]
	if s == nil || s.owner != ownerOf(c) {
		return nil
	}
	s.busy++
	s.used = h.o.Now()
	return s
}

func (h *Hub) leave(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s.busy--
	s.used = h.o.Now()
}

// shut ends a session as its client asks.
func (h *Hub) shut(s *session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.sessions[s.id] == s {
		h.drop(s)
	}
}

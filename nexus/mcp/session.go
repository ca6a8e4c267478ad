package mcp

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

// owner is whom a session belongs to.
type owner struct{ key, tenant string }

func ownerOf(c access.Caller) owner { return owner{c.Key, c.Tenant} }

// session is what is known of a client that began with a handshake, or that
// has a pair of streams to itself.
type session struct {
	id       string
	owner    owner
	listener *listener // hears of changes for it
	over     context.Context
	end      context.CancelFunc

	// Guarded by the hub.
	used time.Time
	busy int // requests and streams

	mu       sync.Mutex // guards what follows
	version  string
	caps     *dataflow.Object // of the client
	level    logLevel         // of the messages that it wants
	inflight map[string]context.CancelCauseFunc
	asked    map[string]chan *message // questions to the client
	serial   int
	events   *events // its stream, in the old transport
}

func newSession(id, view string, c access.Caller) *session {
	s := &session{id: id, owner: ownerOf(c), level: levelNone,
		inflight: make(map[string]context.CancelCauseFunc), asked: make(map[string]chan *message)}
	s.listener = newListener(view, c, changes{tools: true, prompts: true, resources: true})
	s.over, s.end = context.WithCancel(context.Background())
	return s
}

// greet notes what the client said of itself in the handshake.
func (s *session) greet(version string, caps *dataflow.Object) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.version, s.caps = version, caps
}

func (s *session) known() (version string, caps *dataflow.Object, level logLevel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.version, s.caps, s.level
}

func (s *session) setLevel(l logLevel) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.level = l
}

// errCalledOff is why a request ends that its client has cancelled.
var errCalledOff = errors.New("the client called it off")

// begin makes a request one that the client can call off, which ends the
// context; done ends that.
func (s *session) begin(id []byte) (off context.Context, done func()) {
	off, cancel := context.WithCancelCause(context.Background())
	key := string(id)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inflight[key] = cancel
	return off, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.inflight, key)
		cancel(nil)
	}
}

// callOff ends the request of this id, if it is still going on.
func (s *session) callOff(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if cancel := s.inflight[id]; cancel != nil {
		cancel(errCalledOff)
	}
}

// question makes an id for a question to the client, and a place for the answer.
func (s *session) question() (id string, answer <-chan *message, done func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	id = "q" + strconv.Itoa(s.serial)
	c := make(chan *message, 1)
	s.asked[id] = c
	return id, c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.asked, id)
	}
}

// answered hands on the client's answer to a question. Others are passed over.
func (s *session) answered(m *message) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := string(m.id)
	if n := len(id); n > 2 && id[0] == '"' {
		id = id[1 : n-1]
	}
	if c := s.asked[id]; c != nil {
		delete(s.asked, id)
		c <- m // never waits: there is one answer
	}
}

// changes says what of a server is another than before, or what a listener
// wants to hear of.
type changes struct{ tools, prompts, resources bool }

func (c changes) and(d changes) changes {
	return changes{c.tools && d.tools, c.prompts && d.prompts, c.resources && d.resources}
}

func (c changes) or(d changes) changes {
	return changes{c.tools || d.tools, c.prompts || d.prompts, c.resources || d.resources}
}

// listener collects what a client has not been told of yet. However much
// changes, it holds each thing once.
type listener struct {
	view   string
	caller access.Caller // as it was when it began to listen
	wake   chan struct{} // holds one token while there is something to tell
	tag    []byte        // the id of the request that made a subscription; nil of a session

	mu      sync.Mutex // guards what follows
	wants   changes
	watched map[string]bool
	untold  changes
	updated []string
}

func newListener(view string, c access.Caller, wants changes) *listener {
	return &listener{view: view, caller: c, wants: wants, wake: make(chan struct{}, 1), watched: make(map[string]bool)}
}

// watch adds a resource to those that the client wants to hear of.
func (l *listener) watch(uri string) *fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.watched) >= maxWatched && !l.watched[uri] {
		return faultf(codeInvalidParams, "a client can watch %d resources", maxWatched)
	}
	l.watched[uri] = true
	return nil
}

func (l *listener) unwatch(uri string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.watched, uri)
}

// tell notes changes that the client wants to hear of.
func (l *listener) tell(c changes, changed func(uri string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, n := l.untold, len(l.updated)
	l.untold = l.untold.or(c.and(l.wants))
	for uri := range l.watched {
		if changed(uri) && !slices.Contains(l.updated, uri) {
			l.updated = append(l.updated, uri)
		}
	}
	if l.untold != before || len(l.updated) > n {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
}

// take returns the notifications that are due.
func (l *listener) take() [][]byte {
	l.mu.Lock()
	c, updated := l.untold, l.updated
	l.untold, l.updated = changes{}, nil
	l.mu.Unlock()
	var out [][]byte
	add := func(method string, params *dataflow.Object) {
		if l.tag != nil {
			params.Set("_meta", dataflow.ObjectOf(metaSubscription, dataflow.RawJSON(l.tag)))
		}
		out = append(out, notification(method, params))
	}
	if c.tools {
		add("notifications/tools/list_changed", dataflow.NewObject())
	}
	if c.prompts {
		add("notifications/prompts/list_changed", dataflow.NewObject())
	}
	if c.resources {
		add("notifications/resources/list_changed", dataflow.NewObject())
	}
	for _, uri := range updated {
		add("notifications/resources/updated", dataflow.ObjectOf("uri", uri))
	}
	return out
}

// filter is the listener's wishes, as a subscription is acknowledged.
func (l *listener) filter() *dataflow.Object {
	l.mu.Lock()
	defer l.mu.Unlock()
	o := dataflow.NewObject()
	for _, w := range []struct {
		name   string
		wanted bool
	}{{"toolsListChanged", l.wants.tools}, {"promptsListChanged", l.wants.prompts}, {"resourcesListChanged", l.wants.resources}} {
		if w.wanted {
			o.Set(w.name, true)
		}
	}
	if len(l.watched) > 0 {
		uris := []any{}
		for _, uri := range slices.Sorted(maps.Keys(l.watched)) {
			uris = append(uris, uri)
		}
		o.Set("resourceSubscriptions", uris)
	}
	return o
}

package mcp

import (
	"context"
	"net/http"
	"sync"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/auth"
	"github.com/flowctl/flowctl/nexus/front"
)

// Where the transport of 2024-11-05 is served, if it is.
const (
	ssePath      = "/sse"
	messagesPath = "/messages"
)

// events is the one stream of a session of the old transport: answers and all
// else that the client is sent. Whoever writes holds its lock.
type events struct {
	mu sync.Mutex
	w  http.ResponseWriter // nil once the stream is gone
}

func (e *events) send(text []byte) error { return e.event("", text) }

func (e *events) event(name string, text []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.w == nil {
		return http.ErrAbortHandler
	}
	return writeEvent(e.w, name, text)
}

// serveSSE opens the stream of a session, and says on it where messages go.
func (s *Server) serveSSE(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet {
		w.Header().Set("Allow", "GET")
		refuse(w, http.StatusMethodNotAllowed, "GET opens the stream; messages are sent to the address that it names")
		return
	}
	c, known := callerFrom(r.Context())
	if !known {
		var err error
		if c, err = auth.Anyone(r); err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
			return
		}
	}
	session, f := s.hub.open(setDefault, c)
	if f != nil {
		refuse(w, http.StatusServiceUnavailable, f.message)
		return
	}
	defer s.hub.shut(session)
	e := &events{w: w}
	session.mu.Lock()
	session.events = e
	session.mu.Unlock()
	defer func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.w = nil // nothing is written once the handler has returned
	}()
	s.hub.enter(session.id, c)
	defer s.hub.leave(session)
	front.Leave(r.Context())
	beginStream(w)
	if e.event("endpoint", []byte(messagesPath+"?sessionId="+session.id)) != nil {
		return
	}
	s.hub.serveListener(r.Context(), session, e.send, e.comment)
}

func (e *events) comment(text string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.w == nil {
		return http.ErrAbortHandler
	}
	return writeComment(e.w, text)
}

// serveMessages takes a message of a session of the old transport. It is accepted
// at once: some clients send nothing more before it is, not even what the server
// asks for meanwhile.
func (s *Server) serveMessages(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST")
		refuse(w, http.StatusMethodNotAllowed, "messages are sent with POST")
		return
	}
	c, known := callerFrom(r.Context())
	if !known {
		c, _ = auth.Anyone(r)
	}
	session := s.hub.enter(r.URL.Query().Get("sessionId"), c)
	if session == nil {
		refuse(w, http.StatusNotFound, "there is no such session: GET "+ssePath+" opens one")
		return
	}
	defer s.hub.leave(session)
	session.mu.Lock()
	e := session.events
	session.mu.Unlock()
	m, ok := s.readMessage(w, r)
	if !ok {
		return
	}
	w.Header().Set("Connection", "close") // the next message must not wait for the end of this one
	accepted(w)
	_ = http.NewResponseController(w).Flush() // not every writer can
	switch {
	case m.method == "":
		session.answered(m)
		return
	case m.id == nil:
		s.notified(session, m)
		return
	case e == nil:
		return
	}
	off, done := session.begin(m.id)
	defer done()
	q := &request{server: s, view: s.view(setDefault, false), caller: c, session: session, msg: m, off: off, out: &eventOutlet{s, session, e}}
	text, _ := q.answer(context.WithoutCancel(r.Context())) // whose end says nothing here
	if !q.calledOff() {
		_ = e.send(text) // an error means that the client is gone
	}
}

// eventOutlet sends what belongs to a request on the session's stream.
type eventOutlet struct {
	server  *Server
	session *session
	events  *events
}

func (o *eventOutlet) notify(text []byte) { _ = o.events.send(text) } // an error means that the client is gone

func (o *eventOutlet) ask(ctx context.Context, method string, params *dataflow.Object) (*dataflow.Object, error) {
	return o.session.ask(ctx, o.server.hub, method, params, o.notify)
}

package mcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/auth"
	"github.com/flowctl/flowctl/nexus/front"
	"github.com/flowctl/flowctl/nexus/problem"
)

// Handler serves the protocol over Streamable HTTP, in both of its forms: that
// of early revisions, with sessions and a stream to listen on, and that of
// modernRevision, where every request stands alone. Mount it at /mcp.
func (s *Server) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer s.recoverHTTP(w)
		if !s.originAllowed(r) {
			refuse(w, http.StatusForbidden, "pages of this origin may not call the server; to allow them, add the origin to cors_origins of Nexus(...)")
			return
		}
		s.route(w, r)
	})
}

func (s *Server) route(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.o.Discovery && r.URL.Path == CardPath:
		s.serveCard(w, r)
		return
	case s.o.SSE && r.URL.Path == ssePath:
		s.serveSSE(w, r)
		return
	case s.o.SSE && r.URL.Path == messagesPath:
		s.serveMessages(w, r)
		return
	}
	v, why := s.viewAt(r.URL.Path, callerOf(r.Context()))
	if v == nil {
		refuse(w, http.StatusNotFound, why)
		return
	}
	switch r.Method {
	case http.MethodPost:
		s.post(w, r, v)
	case http.MethodGet:
		s.get(w, r, v)
	case http.MethodDelete:
		s.delete(w, r)
	default:
		notAllowed(w, r)
	}
}

// notAllowed answers a method that the endpoint does not have.
func notAllowed(w http.ResponseWriter, r *http.Request) {
	allow := "GET, POST, DELETE"
	if r.Header.Get("Mcp-Protocol-Version") == modernRevision {
		allow = "POST"
	}
	w.Header().Set("Allow", allow)
	refuse(w, http.StatusMethodNotAllowed, r.Method+" is not for this endpoint; messages are sent with POST")
}

func (s *Server) recoverHTTP(w http.ResponseWriter) {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler {
			panic(p)
		}
		s.o.Logger.Error("panic while serving MCP", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		refuse(w, http.StatusInternalServerError, "something went wrong inside the server")
	}
}

// originAllowed keeps web pages of elsewhere from calling a server that only
// the user's own machine or network can reach.
func (s *Server) originAllowed(r *http.Request) bool {
	origin := r.Header.Get("Origin")
	if origin == "" { // no browser
		return true
	}
	if slices.ContainsFunc(s.o.Origins, func(o string) bool {
		return o == "*" || strings.EqualFold(strings.TrimRight(o, "/"), origin)
	}) {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Host == "" {
		return false
	}
	if isLoopback(u.Hostname()) {
		return true
	}
	// A name that is made to mean this machine is a page's own host as well: it
	// tells nothing where only this machine can call.
	return strings.EqualFold(u.Host, r.Host) && !reachedHere(r)
}

// reachedHere reports whether a request came to an address that only this
// machine can reach.
func reachedHere(r *http.Request) bool {
	addr, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// refuse answers a request that is none of the protocol's with an error in
// its form.
func refuse(w http.ResponseWriter, status int, message string) {
	sendJSON(w, status, appendFault(nil, nil, faultf(codeInvalidRequest, "%s", message)))
}

func sendJSON(w http.ResponseWriter, status int, text []byte) {
	w.Header()["Content-Type"], w.Header()["Cache-Control"] = jsonType, noStore
	w.WriteHeader(status)
	_, _ = w.Write(text) // an error means that the client is gone
}

// Header values that never change.
var (
	jsonType   = []string{"application/json"}
	eventsType = []string{"text/event-stream"}
	noStore    = []string{"no-store"}
	unbuffered = []string{"no"}
)

// readMessage reads the message of a POST. It answers itself if it can't.
func (s *Server) readMessage(w http.ResponseWriter, r *http.Request) (*message, bool) {
	if kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
		refuse(w, http.StatusUnsupportedMediaType, "messages are sent with Content-Type: application/json")
		return nil, false
	}
	body, err := s.bodies.Read(w, r, s.o.MaxBody, s.messageTooLarge)
	if err != nil {
		e := dataflow.AsError(err)
		message := e.Message
		if e.Hint != "" {
			message += "; " + e.Hint
		}
		refuse(w, problem.Status(e), message)
		return nil, false
	}
	m, f := parseMessage(body)
	if f != nil {
		sendJSON(w, f.status(r.Header.Get("Mcp-Protocol-Version") == modernRevision), appendFault(nil, m.id, f))
		return nil, false
	}
	return m, true
}

func (s *Server) messageTooLarge() error {
	return &dataflow.Error{Code: "body_too_large", Status: dataflow.StatusInvalid,
		Message: fmt.Sprintf("the message is larger than %d bytes", s.o.MaxBody), Hint: "send less at a time, or raise max_body of Nexus(...)"}
}

// post takes a message.
func (s *Server) post(w http.ResponseWriter, r *http.Request, v *view) {
	m, ok := s.readMessage(w, r)
	if !ok {
		return
	}
	q := &request{server: s, view: v, msg: m, header: r.Header}
	var known bool
	if q.caller, known = callerFrom(r.Context()); !known {
		var err error
		if q.caller, err = auth.Anyone(r); err != nil {
			sendJSON(w, http.StatusBadRequest, appendFault(nil, m.id, faultf(codeInvalidParams, "%s", err.Error())))
			return
		}
	}
	if id := r.Header.Get("Mcp-Session-Id"); id != "" && !isModern(r.Header, m) && m.method != "initialize" {
		if q.session = s.hub.enter(id, q.caller); q.session == nil {
			sendJSON(w, http.StatusNotFound, appendFault(nil, m.id, faultf(codeInvalidRequest, "the session has ended, or was another's; begin again with initialize")))
			return
		}
		defer s.hub.leave(q.session)
	}
	switch {
	case m.method == "":
		if q.session != nil {
			q.session.answered(m)
		}
		accepted(w)
	case m.id == nil:
		s.notified(q.session, m)
		accepted(w)
	default:
		s.serveRequest(w, r, q)
	}
}

// isModern reports whether a message says that it is of modernRevision, or of
// one yet to come.
func isModern(h http.Header, m *message) bool {
	if version := text(object(m.params, "_meta"), metaVersion); version != "" {
		return !isLegacy(version)
	}
	return h.Get("Mcp-Protocol-Version") == modernRevision
}

// accepted answers a message that wants no answer.
func accepted(w http.ResponseWriter) {
	w.Header()["Content-Length"] = []string{"0"}
	w.WriteHeader(http.StatusAccepted)
}

// serveRequest answers a request: as JSON, or as a stream once there is more to
// send than the answer.
func (s *Server) serveRequest(w http.ResponseWriter, r *http.Request, q *request) {
	if q.msg.method == "initialize" && !isModern(r.Header, q.msg) {
		var f *fault
		if q.session, f = s.hub.open(q.view.name, q.caller); f != nil {
			sendJSON(w, http.StatusServiceUnavailable, appendFault(nil, q.msg.id, f))
			return
		}
		w.Header().Set("Mcp-Session-Id", q.session.id)
	} else if q.session != nil {
		off, done := q.session.begin(q.msg.id)
		defer done()
		q.off = off
	}
	st := &stream{w: w, server: s, session: q.session, accepts: strings.Contains(r.Header.Get("Accept"), "text/event-stream")}
	q.out = st
	answer, status := q.answer(r.Context())
	if q.lacks != nil && s.o.Challenge != nil {
		if c := s.o.Challenge(r, q.lacks); c != "" {
			w.Header()["Www-Authenticate"] = []string{c}
		}
	}
	st.finish(status, answer)
}

// stream is the answer to a POST: an outlet that becomes a stream of events with
// the first of them.
type stream struct {
	w       http.ResponseWriter
	server  *Server
	session *session // nil: its client can't be asked
	accepts bool     // a stream

	mu    sync.Mutex // guards what follows
	begun bool
	quiet *time.Timer
	err   error // of writing: the client is gone
}

func (st *stream) notify(text []byte) {
	if !st.accepts { // a client that can't be told is told nothing but the answer
		return
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.event(text)
}

// event sends an event. The stream begins with it, if it has not.
func (st *stream) event(text []byte) {
	if !st.begun {
		st.begun = true
		beginStream(st.w)
		st.quiet = time.AfterFunc(stillHere, st.comment)
	}
	if st.err == nil {
		st.err = writeEvent(st.w, "", text)
		st.quiet.Reset(stillHere)
	}
}

// comment keeps a quiet stream alive, and finds out whether its client is.
func (st *stream) comment() {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.quiet == nil || st.err != nil {
		return
	}
	st.err = writeComment(st.w, stillThere)
	st.quiet.Reset(stillHere)
}

// finish sends the answer: last, and after everything else.
func (st *stream) finish(status int, text []byte) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if !st.begun {
		sendJSON(st.w, status, text)
		return
	}
	st.event(text)
	st.quiet.Stop()
	st.quiet = nil // nothing is written once the handler has returned
}

// askTimeout is how long a client's user may take to answer a question.
const askTimeout = 10 * time.Minute

// ask sends a question on the stream; the answer comes with a request of its own.
func (st *stream) ask(ctx context.Context, method string, params *dataflow.Object) (*dataflow.Object, error) {
	if st.session == nil || !st.accepts {
		return nil, faultf(codeInvalidRequest, "the client can't be asked: it needs a session, and to accept text/event-stream")
	}
	return st.session.ask(ctx, st.server.hub, method, params, st.notify)
}

// ask sends a question to the client and waits for its answer.
func (s *session) ask(ctx context.Context, h *Hub, method string, params *dataflow.Object, send func([]byte)) (*dataflow.Object, error) {
	id, answer, done := s.question()
	defer done()
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	send(questionText(id, method, params))
	select {
	case m := <-answer:
		if m.failed != nil {
			return nil, faultf(codeInvalidRequest, "the client refused %s: %s", method, text(m.failed, "message"))
		}
		return m.result, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-s.over.Done():
		return nil, errCalledOff
	case <-h.closing.Done():
		return nil, errClosing
	}
}

// How long a write to a stream may take, and how long a stream is quiet before
// a comment says that it is still there.
const (
	streamWrite = 30 * time.Second
	stillHere   = 15 * time.Second
)

func beginStream(w http.ResponseWriter) {
	h := w.Header()
	h["Content-Type"], h["Cache-Control"], h["X-Accel-Buffering"] = eventsType, noStore, unbuffered
	w.WriteHeader(http.StatusOK)
}

// writeEvent sends an event (WHATWG HTML, 9.2). A message has no line breaks.
func writeEvent(w http.ResponseWriter, name string, text []byte) error {
	if name == "" {
		name = "message"
	}
	return writeStream(w, append(append(append(make([]byte, 0, len(text)+40), "event: "+name+"\ndata: "...), text...), "\n\n"...))
}

const stillThere = "still here"

func writeComment(w http.ResponseWriter, text string) error {
	return writeStream(w, []byte(": "+text+"\n\n"))
}

func writeStream(w http.ResponseWriter, text []byte) error {
	control := http.NewResponseController(w)
	_ = control.SetWriteDeadline(time.Now().Add(streamWrite)) // not every writer has deadlines
	_, err := w.Write(text)
	if err == nil {
		err = control.Flush()
	}
	return err
}

// get opens the stream on which a session hears of changes.
func (s *Server) get(w http.ResponseWriter, r *http.Request, v *view) {
	id := r.Header.Get("Mcp-Session-Id")
	switch {
	case r.Header.Get("Mcp-Protocol-Version") == modernRevision:
		notAllowed(w, r)
		return
	case !strings.Contains(r.Header.Get("Accept"), "text/event-stream"):
		refuse(w, http.StatusNotAcceptable, "GET opens a stream of events: send Accept: text/event-stream")
		return
	case id == "":
		refuse(w, http.StatusBadRequest, "there is no session to listen for: begin with initialize, and send its Mcp-Session-Id")
		return
	}
	c, _ := callerFrom(r.Context())
	if _, known := callerFrom(r.Context()); !known {
		c, _ = auth.Anyone(r)
	}
	session := s.hub.enter(id, c)
	if session == nil {
		refuse(w, http.StatusNotFound, "the session has ended, or was another's; begin again with initialize")
		return
	}
	defer s.hub.leave(session)
	front.Leave(r.Context())
	beginStream(w)
	e := &events{w: w}
	if e.comment(stillThere) == nil {
		s.hub.serveListener(r.Context(), session, e.send, e.comment)
	}
}

// serveListener sends what a session has to be told until one of the ends is gone,
// or the caller is good no more, which it is told.
// Whoever calls it holds the stream: nothing is written once it has returned.
func (h *Hub) serveListener(asked context.Context, s *session, send func([]byte) error, comment func(string) error) {
	ctx, cancel := context.WithCancel(asked)
	defer cancel()
	defer context.AfterFunc(s.over, cancel)()
	var quiet sync.WaitGroup
	quiet.Go(func() {
		every := time.NewTicker(stillHere)
		defer every.Stop()
		for {
			select {
			case <-every.C:
				if comment(stillThere) != nil {
					cancel()
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	_ = h.pump(ctx, s.listener, send) // its end is the stream's
	cancel()
	quiet.Wait()
	if e, ok := errors.AsType[*dataflow.Error](context.Cause(asked)); ok {
		_ = comment("ended: " + e.Message) // an error means that the client is gone
	}
}

// delete ends a session.
func (s *Server) delete(w http.ResponseWriter, r *http.Request) {
	id := r.Header.Get("Mcp-Session-Id")
	if id == "" || r.Header.Get("Mcp-Protocol-Version") == modernRevision {
		notAllowed(w, r)
		return
	}
	c, known := callerFrom(r.Context())
	if !known {
		c, _ = auth.Anyone(r)
	}
	session := s.hub.enter(id, c)
	if session == nil {
		refuse(w, http.StatusNotFound, "there is no such session")
		return
	}
	s.hub.leave(session)
	s.hub.shut(session)
	w.WriteHeader(http.StatusNoContent)
}

package mcp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"sync"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/nexus/front"
)

// request is one request of a client while it is answered.
type request struct {
	server  *Server
	view    *view
	caller  access.Caller
	session *session // nil of a client that made none
	msg     *message
	method  *method
	header  http.Header // nil where there is no HTTP

	modern  bool   // of modernRevision, or of an earlier one
	version string // "" if the client did not say
	caps    *dataflow.Object
	level   logLevel // of the messages it wants

	called Called // what it has turned out to be about

	lacks *dataflow.Error // the scope that the caller lacks, once that is the answer

	off      context.Context // done when the client calls it off; nil if it can't
	progress any             // the token of who wants to hear of progress, or nil
	out      outlet

	mu   sync.Mutex // guards what follows
	told bool
	last float64 // progress
	over bool    // it has been answered: nothing more is told
}

// outlet takes what is sent to a client while a request of its goes on.
type outlet interface {
	// notify sends a notification that belongs to the request.
	notify(text []byte)
	// ask sends a question and waits for its answer. It is how clients of early
	// revisions are asked.
	ask(ctx context.Context, method string, params *dataflow.Object) (*dataflow.Object, error)
}

// method is what a method does, and in which revisions.
type method struct {
	run       func(context.Context, *request) (*reply, error)
	early     bool   // revisions with a handshake have it
	modern    bool   // modernRevision has it
	cacheable bool   // its result says how long it is good for
	named     string // the parameter that the header Mcp-Name repeats
	streams   bool   // it only listens, and has no end of its own
}

// methodTable is every method of the protocol that is served.
func methodTable() map[string]*method {
	return map[string]*method{
		"initialize":               {run: initialize, early: true},
		"ping":                     {run: ping, early: true},
		"logging/setLevel":         {run: setLevel, early: true},
		"resources/subscribe":      {run: subscribe, early: true},
		"resources/unsubscribe":    {run: unsubscribe, early: true},
		"server/discover":          {run: discover, modern: true, cacheable: true},
		"subscriptions/listen":     {run: listen, modern: true, streams: true},
		"tools/list":               {run: listTools, early: true, modern: true, cacheable: true},
		"tools/call":               {run: callTool, early: true, modern: true, named: "name"},
		"prompts/list":             {run: listPrompts, early: true, modern: true, cacheable: true},
		"prompts/get":              {run: getPrompt, early: true, modern: true, named: "name"},
		"resources/list":           {run: listResources, early: true, modern: true, cacheable: true},
		"resources/templates/list": {run: listTemplates, early: true, modern: true, cacheable: true},
		"resources/read":           {run: readResource, early: true, modern: true, cacheable: true, named: "uri"},
		"completion/complete":      {run: complete, early: true, modern: true},
	}
}

// prepare finds out what a request is: its revision, what its client can do,
// its method.
func (q *request) prepare() *fault {
	meta := object(q.msg.params, "_meta")
	if meta != nil {
		q.progress, _ = meta.Get("progressToken")
	}
	if f := q.revision(meta); f != nil {
		return f
	}
	m := q.server.methods[q.msg.method]
	if m == nil || q.modern && !m.modern || !q.modern && !m.early {
		f := faultf(codeMethodNotFound, "there is no method %s", quoted(q.msg.method))
		if m != nil {
			f.message += " in this revision of the protocol"
		}
		return f
	}
	q.method = m
	if q.modern && q.header != nil {
		return q.checkHeaders()
	}
	return nil
}

// revision finds out which revision a request is of.
func (q *request) revision(meta *dataflow.Object) *fault {
	said := q.header.Get("Mcp-Protocol-Version")
	claim, given := any(nil), false
	if meta != nil {
		claim, given = meta.Get(metaVersion)
	}
	q.version = said
	if !given && said != modernRevision {
		return q.earlyRevision(said)
	}
	version, ok := claim.(string)
	switch {
	case !ok:
		q.modern = true
		return faultf(codeInvalidParams, "the request's _meta lacks %s, which says %q", metaVersion, modernRevision)
	case isLegacy(version) && said != modernRevision:
		return q.earlyRevision(version)
	}
	q.modern, q.version = true, version
	if q.header != nil && said != version {
		return faultf(codeHeaderMismatch, "the header MCP-Protocol-Version says %s, and the request's _meta says %s", quoted(said), quoted(version))
	}
	if version != modernRevision {
		return unsupported(version)
	}
	if q.caps = object(meta, metaCapabilities); q.caps == nil {
		return faultf(codeInvalidParams, "the request's _meta lacks %s, an object; {} is a client that can do nothing", metaCapabilities)
	}
	q.level = levelNone
	if name := text(meta, metaLogLevel); name != "" {
		var f *fault
		if q.level, f = parseLevel(name); f != nil {
			return f
		}
	}
	return nil
}

// earlyRevision is that of a request of a session, or of a client without one.
func (q *request) earlyRevision(said string) *fault {
	if said != "" && !isLegacy(said) {
		return unsupported(said)
	}
	q.version, q.level = said, levelNone
	if q.session != nil {
		version, caps, level := q.session.known()
		q.caps, q.level = caps, level
		if said == "" {
			q.version = version
		}
	}
	return nil
}

func unsupported(version string) *fault {
	supported := []any{}
	for _, r := range revisions() {
		supported = append(supported, r)
	}
	f := faultf(codeUnsupportedVersion, "the server does not speak revision %s", quoted(version))
	f.data = dataflow.ObjectOf("supported", supported, "requested", shown(version))
	return f
}

// checkHeaders holds the headers that repeat parts of a request to them: who
// routes by the one must not be told another thing than who acts by the other.
func (q *request) checkHeaders() *fault {
	if f := q.checkHeader("Mcp-Method", q.msg.method); f != nil || q.method.named == "" {
		return f
	}
	return q.checkHeader("Mcp-Name", text(q.msg.params, q.method.named))
}

func (q *request) checkHeader(name, want string) *fault {
	values := q.header.Values(name)
	if len(values) != 1 {
		return faultf(codeHeaderMismatch, "the request needs one header %s, which says %s", name, quoted(want))
	}
	got, ok := decodeHeader(values[0])
	if !ok {
		return faultf(codeHeaderMismatch, "the header %s holds what no header can", name)
	}
	if got != want {
		return faultf(codeHeaderMismatch, "the header %s says %s, and the request says %s", name, quoted(got), quoted(want))
	}
	return nil
}

// reading is the context of what changes nothing: it ends when nobody waits for
// the answer any more.
func (q *request) reading(ctx context.Context) (context.Context, func()) { return q.until(ctx) }

// writing is the context of what changes something. In early revisions a client
// that is gone has not called its request off: it may come back for the answer,
// and could not know whether it had been in time. From modernRevision on to close
// the stream is to call off.
func (q *request) writing(ctx context.Context) (context.Context, func()) {
	if !q.modern || q.header == nil {
		ctx = context.WithoutCancel(ctx)
	}
	return q.until(ctx)
}

// until ends ctx when the client calls the request off.
func (q *request) until(ctx context.Context) (context.Context, func()) {
	if q.off == nil {
		return ctx, func() {}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(q.off, func() { cancel(errCalledOff) })
	return ctx, func() { stop(); cancel(nil) }
}

// givenUp reports whether a request that changes something ended because its
// client wants it undone, in the way of its revision: not for want of time, nor
// because the server closes.
func (q *request) givenUp(ctx context.Context) bool {
	return ctx.Err() != nil && !errors.Is(context.Cause(ctx), context.DeadlineExceeded) && q.server.hub.closing.Err() == nil
}

// calledOff reports whether the client has called the request off.
func (q *request) calledOff() bool { return q.off != nil && q.off.Err() != nil }

// answer does a request and returns the message that answers it, and the HTTP
// status that goes with that.
func (q *request) answer(ctx context.Context) (text []byte, status int) {
	if f := q.prepare(); f != nil {
		return appendFault(nil, q.msg.id, f), f.status(q.modern)
	}
	r, err := q.run(ctx)
	q.hush()
	if err == nil {
		return q.appendReply(make([]byte, 0, len(r.body)+200), r), http.StatusOK
	}
	f := q.faultOf(err)
	return appendFault(nil, q.msg.id, f), f.status(q.modern)
}

// hush ends what is told of a request: what goes on by itself, as a durable run,
// may have more to tell, and there is no stream for it any more.
func (q *request) hush() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.over = true
}

// run runs the method, and survives it.
func (q *request) run(ctx context.Context) (r *reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			q.server.o.Logger.Error("panic while serving MCP", "method", q.msg.method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			r, err = nil, faultf(codeInternal, "something went wrong inside the server")
		}
	}()
	if q.msg.method != "tools/call" { // which answers in a result
		if err := q.countRequest(ctx); err != nil {
			return nil, err
		}
	}
	return q.method.run(ctx, q)
}

// faultOf is an error in the protocol's words.
func (q *request) faultOf(err error) *fault {
	var f *fault
	if errors.As(err, &f) {
		return f
	}
	if f := q.lacking(err); f != nil {
		return f
	}
	e := dataflow.AsError(err)
	q.server.logFailure(q.msg.method, e)
	f = faultf(codeInternal, "%s", e.Message)
	if e.Status == dataflow.StatusInvalid || e.Status == dataflow.StatusNotFound {
		f.code = codeInvalidParams
	}
	f.data = errorValue(e)
	return f
}

// lacking is the answer to a caller whose key or token is good, but not for
// this: HTTP has a status for it, and a header by which clients know to ask their
// user for more (both revisions, "Scope Challenge Handling"). It is nil for every
// other error, and where there is no HTTP.
func (q *request) lacking(err error) *fault {
	e, ok := errors.AsType[*dataflow.Error](err)
	if !ok || q.header == nil || access.ScopeOf(e) == "" {
		return nil
	}
	f := faultf(codeInvalidRequest, "%s; %s", e.Message, e.Hint)
	f.data, f.lacks = errorValue(e), e
	q.lacks = e
	return f
}

// notified takes a notification of a client.
func (s *Server) notified(session *session, m *message) {
	if session == nil || m.method != "notifications/cancelled" || m.params == nil {
		return
	}
	if id, ok := m.params.Get("requestId"); ok {
		session.callOff(string(codec.AppendJSON(nil, id)))
	}
}

// serverInfo is how the server calls itself.
func (s *Server) serverInfo() *dataflow.Object {
	return dataflow.ObjectOf("name", s.o.Name, "version", s.o.Version)
}

// capabilities says what the server can do.
func (s *Server) capabilities(modern bool) *dataflow.Object {
	changing := func(more ...any) *dataflow.Object {
		return dataflow.ObjectOf(append([]any{"listChanged", true}, more...)...)
	}
	o := dataflow.ObjectOf("tools", changing(), "prompts", changing(), "resources", changing("subscribe", true),
		"completions", dataflow.NewObject())
	if !modern {
		o.Set("logging", dataflow.NewObject())
	}
	return o
}

func initialize(_ context.Context, q *request) (*reply, error) {
	version := text(q.msg.params, "protocolVersion")
	if !isLegacy(version) {
		version = latestLegacy
	}
	if q.session != nil {
		q.session.greet(version, object(q.msg.params, "capabilities"))
	}
	o := dataflow.ObjectOf("protocolVersion", version, "capabilities", q.server.capabilities(false), "serverInfo", q.server.serverInfo())
	o.Set("instructions", q.view.instructions())
	return replyOf(o), nil
}

func discover(_ context.Context, q *request) (*reply, error) {
	supported := []any{}
	for _, r := range revisions() {
		supported = append(supported, r)
	}
	return replyOf(dataflow.ObjectOf("supportedVersions", supported, "capabilities", q.server.capabilities(true), "instructions", q.view.instructions())), nil
}

func ping(context.Context, *request) (*reply, error) { return &reply{}, nil }

func setLevel(_ context.Context, q *request) (*reply, error) {
	level, f := parseLevel(text(q.msg.params, "level"))
	if f != nil {
		return nil, f
	}
	if q.session == nil {
		return nil, faultf(codeInvalidRequest, "there is no session to keep the level for; begin with initialize")
	}
	q.session.setLevel(level)
	return &reply{}, nil
}

func subscribe(_ context.Context, q *request) (*reply, error) {
	uri := text(q.msg.params, "uri")
	switch {
	case q.session == nil:
		return nil, faultf(codeInvalidRequest, "there is no session to watch for; begin with initialize")
	case !q.server.watchable(q.caller, uri):
		return nil, q.unwatchable(uri)
	}
	if f := q.session.listener.watch(uri); f != nil {
		return nil, f
	}
	return &reply{}, nil
}

func unsubscribe(_ context.Context, q *request) (*reply, error) {
	if q.session != nil {
		q.session.listener.unwatch(text(q.msg.params, "uri"))
	}
	return &reply{}, nil
}

// listen holds a stream open on which the client hears of changes. What can't
// be watched is left out of the acknowledgment.
func listen(ctx context.Context, q *request) (*reply, error) {
	want := object(q.msg.params, "notifications")
	if want == nil {
		return nil, faultf(codeInvalidParams, `subscriptions/listen says what to listen for: {"notifications": {"toolsListChanged": true}}`)
	}
	wanted := func(name string) bool { v, _ := want.Get(name); return v == true }
	l := newListener(q.view.name, q.caller, changes{wanted("toolsListChanged"), wanted("promptsListChanged"), wanted("resourcesListChanged")})
	l.tag = q.msg.id
	uris, _ := want.Get("resourceSubscriptions")
	list, _ := uris.([]any)
	for _, v := range list {
		if uri, _ := v.(string); q.server.watchable(q.caller, uri) {
			if f := l.watch(uri); f != nil {
				return nil, f
			}
		}
	}
	hub := q.server.hub
	if f := hub.listen(l); f != nil {
		return nil, f
	}
	defer hub.forget(l)
	front.Leave(ctx)
	q.out.notify(notification("notifications/subscriptions/acknowledged", dataflow.ObjectOf(
		"_meta", dataflow.ObjectOf(metaSubscription, dataflow.RawJSON(l.tag)), "notifications", l.filter())))
	if l.wants == (changes{}) && len(l.watched) == 0 {
		return listened(l), nil
	}
	err := hub.pump(ctx, l, func(t []byte) error { q.out.notify(t); return nil })
	if errors.Is(err, errClosing) && q.header == nil { // where there is no stream of its own to close
		q.out.notify(notification("notifications/cancelled", dataflow.ObjectOf("requestId", dataflow.RawJSON(l.tag), "reason", "the server is closing")))
	}
	if e, ok := errors.AsType[*dataflow.Error](err); ok { // who asks is good no more
		return nil, faultf(codeInvalidRequest, "the subscription has ended: %s", e.Message)
	}
	return listened(l), nil
}

func listened(l *listener) *reply {
	return &reply{meta: members(dataflow.ObjectOf(metaSubscription, dataflow.RawJSON(l.tag)))}
}

// errClosing is why a stream ends that the client did not end.
var errClosing = errors.New("the server is closing")

// pump sends what a listener has to be told until ctx is done or the hub closes.
func (h *Hub) pump(ctx context.Context, l *listener, send func(text []byte) error) error {
	for {
		select {
		case <-l.wake:
			for _, t := range l.take() {
				if err := send(t); err != nil {
					return err
				}
			}
		case <-h.closing.Done():
			return errClosing
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// ruled is the caller as one from outside, whom the access rules bind. What a
// workflow does for them is the app's own doing.
func (q *request) ruled() access.Caller {
	c := q.caller
	c.Ruled = true
	return c
}

package rest

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/nexus/front"
)

// How a stream of changes is kept up.
const (
	beatEvery = 15 * time.Second // an idle stream says that it is there, and where
	// A stream ends after a while, and its client is asked anew who it is.
	streamFor    = 30 * time.Minute
	streamSpread = 5 * time.Minute // so that not all come back at once
	// retryAfter is how long a client waits before it comes again.
	retryAfter = 2 * time.Second
	// sendAtOnce is how much a client has to take within the time it is given.
	sendAtOnce = 16 << 10
)

// view is what some who listen have in common: they are shown the same.
type view struct {
	m    *model
	of   *access.View
	key  string
	ears int
}

// views are those that somebody has.
type views struct {
	mu    sync.Mutex
	byKey map[string]*view
}

func (vs *views) join(v *view) *view {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if same := vs.byKey[v.key]; same != nil {
		v = same
	} else {
		vs.byKey[v.key] = v
	}
	v.ears++
	return v
}

func (vs *views) leave(v *view) {
	vs.mu.Lock()
	defer vs.mu.Unlock()
	if v.ears--; v.ears == 0 {
		delete(vs.byKey, v.key)
	}
}

// events serves /api/{model}/events to whom that is open. A row may have the id
// "events": whatever does not ask for a stream is about it.
func (h *Handler) events(x *front.Exchange) error {
	m, err := h.model(x.Caller, variable(x, "model"))
	if err != nil {
		return err
	}
	reads := x.Request.Method == http.MethodGet || x.Request.Method == http.MethodHead
	isText := m.decl.ID().Type.Kind == dataflow.KindString
	if !m.exp.Events || isText && !(reads && wantsEvents(x.Request)) {
		if reads && wantsEvents(x.Request) && !m.exp.Events {
			return m.noEvents()
		}
		return h.item(x, variable(x, "model"), "events")
	}
	if done, err := checkMethod(x, methods(http.MethodGet)); done || err != nil {
		return err
	}
	if err := takesEvents(x.Request); err != nil {
		return err
	}
	return h.follow(x, m)
}

func wantsEvents(r *http.Request) bool {
	return strings.Contains(strings.ToLower(r.Header.Get("Accept")), "text/event-stream")
}

func (m *model) noEvents() error {
	return &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound, Model: m.decl.Name,
		Message: "what happens to rows of " + m.decl.Name + " is not streamed",
		Hint:    "app.expose(" + m.decl.Name + ", events = True) streams it"}
}

// follow streams what happens to rows of a model.
func (h *Handler) follow(x *front.Exchange, m *model) error {
	if err := x.Operates(m.decl, dataflow.OpList); err != nil {
		return err
	}
	x.Operation = "events"
	c := m.seeing(x.Caller)
	if err := m.ops.May(c, dataflow.OpList); err != nil {
		return err
	}
	v, err := m.view(c, x.Request.URL.RawQuery)
	if err != nil {
		return err
	}
	place, resumed, err := lastEvent(x.Request)
	if err != nil {
		return err
	}
	header := x.Header()
	header["Content-Type"], header["Cache-Control"] = []string{"text/event-stream"}, []string{"no-store"}
	header["X-Accel-Buffering"] = []string{"no"} // nginx would gather it
	if x.Request.Method == http.MethodHead {
		x.Empty(http.StatusOK)
		return nil
	}
	v = h.views.join(v)
	defer h.views.leave(v)
	hub := h.hubs[m.decl.Database]
	defer hub.listen()()
	ctx, cancel := context.WithTimeout(x.Request.Context(), streamFor+rand.N(streamSpread))
	defer cancel()
	defer context.AfterFunc(h.o.Closing, cancel)()
	s := &stream{x: x, hub: hub, view: v, at: place, write: h.o.StreamWrite}
	s.run(ctx, resumed)
	return nil
}

// lastEvent reads the Last-Event-ID header, which a browser sends when it comes
// again.
func lastEvent(r *http.Request) (p access.Place, given bool, err error) {
	id := r.Header.Get("Last-Event-Id")
	if id == "" {
		return p, false, nil
	}
	p, ok := access.ParsePlace(id)
	if !ok {
		return p, true, badHeader("Last-Event-ID", "one that a stream of this server has given")
	}
	return p, true, nil
}

// view reads what a stream is to show.
func (m *model) view(c access.Caller, raw string) (*view, error) {
	p := params{m: m.decl, sight: c.Sight()}
	known := []string{"filter", "fields"}
	p.each(raw, func(name, value string) {
		switch {
		case name == "filter" || name == "fields":
			p.listParam(name, value)
		case name == "search" && len(m.decl.Searchable()) > 0:
			p.listParam(name, value)
		case isListParam(name) && m.decl.Field(name) == nil:
			p.unknown(name, known)
		default:
			p.filterParam(name, value)
		}
	})
	if p.shown != nil {
		fields, problems := p.sight.Fields(p.m, p.shown, "/fields")
		p.q.Fields, p.problems = fields, append(p.problems, problems...)
	}
	if p.flat != nil {
		p.where(p.flat, "")
	}
	if p.q.Filter != nil && query.Leads(p.q.Filter) {
		p.add("filter", "not_filterable", "a stream looks at the row that changed, and not through references", "filter by fields of "+m.decl.Name+" itself")
	}
	if err := p.err(); err != nil {
		return nil, err
	}
	of, err := m.ops.View(c, p.q.Filter, p.q.Fields)
	if err != nil {
		return nil, err
	}
	v := &view{m: m, of: of, key: m.path + "?" + raw + "\n" + c.Tenant}
	if m.decl.Access != nil { // what is seen may depend on anything that is known of the caller
		v.key += "\n" + string(codec.AppendValue(nil, []any{c.User, strings.Join(c.Roles, "\n")}))
	}
	return v, nil
}

func isListParam(name string) bool {
	for _, p := range ListParams() {
		if p == name {
			return true
		}
	}
	return false
}

// frame is the event as a view shows it. It is made once for all who have the
// view.
func (e *event) frame(ctx context.Context, h *hub, v *view) frame {
	e.mu.Lock()
	defer e.mu.Unlock()
	if f, ok := e.views[v]; ok {
		return f
	}
	if e.rows == nil {
		ch := v.m.ops.Change(e.Event)
		e.rows = &ch
	}
	var f frame
	f.text, f.err = e.text(ctx, h, v)
	if e.views == nil {
		e.views = make(map[*view]frame, 1)
	}
	if f.err == nil {
		e.views[v] = f
	}
	return f
}

func (e *event) text(ctx context.Context, h *hub, v *view) ([]byte, error) {
	kind, err := v.of.Event(ctx, h.store, *e.rows)
	if kind == "" || err != nil {
		return nil, err
	}
	dst := append([]byte("event: "), kind...)
	dst = append(append(dst, "\nid: "...), e.Place.String()...)
	dst = append(dst, "\ndata: {\"event\":\""...)
	dst = append(append(dst, kind...), "\",\"id\":"...)
	row := e.rows.After
	if row == nil {
		row = e.rows.Before
	}
	dst = codec.AppendValue(dst, row.Vals()[v.m.id])
	if kind != "deleted" {
		dst = append(dst, `,"record":`...)
		record, err := v.of.AppendRow(ctx, e.rows.After, nil)
		if err != nil && ctx.Err() != nil {
			return nil, err
		}
		if err != nil { // a function of the app fails, and would again
			h.fault(ctx, err)
			record = []byte("null")
		}
		dst = append(dst, record...)
	}
	return append(dst, "}\n\n"...), nil
}

// stream is one who listens.
type stream struct {
	x     *front.Exchange
	hub   *hub
	view  *view
	at    access.Place // all up to it has been sent, or is not for this stream
	write time.Duration
	put   int // bytes that are not sent yet, or not known to be
}

// run sends until the client is gone, or ctx is done. It says why it ends where
// coming again is of no use; else the client does, and goes on from where it was.
func (s *stream) run(ctx context.Context, resumed bool) {
	if !s.begin(ctx, resumed) {
		return
	}
	beat := time.NewTicker(beatEvery)
	defer beat.Stop()
	for {
		moved, ok := s.advance(ctx)
		if !ok {
			return
		}
		if moved == nil {
			continue // there may be more
		}
		select {
		case <-moved:
		case <-beat.C:
			if !s.beat() {
				return
			}
		case <-ctx.Done():
			if why := farewell(ctx); why != nil && s.add(why) {
				s.send()
			}
			return
		}
	}
}

// farewell is the last event of a stream whose caller may not go on with it; nil
// where it ends for another reason.
func farewell(ctx context.Context) []byte {
	e, ok := errors.AsType[*dataflow.Error](context.Cause(ctx))
	if !ok {
		return nil
	}
	return goodbye(e)
}

// goodbye is the last event of a stream that it is of no use to come again for.
func goodbye(e *dataflow.Error) []byte {
	text := codec.AppendValue([]byte("event: ended\ndata: "), dataflow.ObjectOf("event", "ended", "code", e.Code, "reason", e.Message))
	return append(text, "\n\n"...)
}

// begin finds out where the stream starts, and says so, with the headers.
func (s *stream) begin(ctx context.Context, resumed bool) bool {
	now, opened, moved := s.hub.now()
	for ; !opened; now, opened, moved = s.hub.now() {
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
	}
	if !s.add([]byte("retry: " + strconv.Itoa(int(retryAfter.Milliseconds())) + "\n")) {
		return false
	}
	if !resumed {
		s.at = now
		return s.beat()
	}
	extent, err := s.hub.feed.Extent(ctx, s.hub.store) // where this process has not looked yet, another may have been
	if err != nil {
		s.hub.fault(ctx, err)
		return false
	}
	if !extent.Holds(s.at) {
		return s.reset()
	}
	return s.beat()
}

// beat sends where the stream is, which keeps both ends from taking the other
// for gone. A browser takes over the id, though there is no event.
func (s *stream) beat() bool {
	return s.add([]byte("id: "+s.at.String()+"\n\n")) && s.send()
}

// advance sends what there is. moved is closed once there is more; nil: there
// may be more already.
func (s *stream) advance(ctx context.Context) (moved <-chan struct{}, ok bool) {
	events, upTo, inRing, moved := s.hub.after(s.at)
	if !inRing {
		var gone bool
		var err error
		if events, upTo, gone, err = s.hub.earlier(ctx, s.at, upTo); err != nil {
			s.hub.fault(ctx, err)
			return nil, false
		}
		if gone {
			return nil, s.reset()
		}
		moved = nil
	}
	for _, e := range events {
		if e.Model == s.view.m.decl.Name {
			f := e.frame(ctx, s.hub, s.view)
			if f.err != nil {
				s.hub.fault(ctx, f.err)
				return nil, false
			}
			if !s.add(f.text) {
				return nil, false
			}
		}
		s.at = e.Place
		if s.put >= sendAtOnce && !s.send() {
			return nil, false
		}
	}
	if s.at.Before(upTo) {
		s.at = upTo
	}
	return moved, s.put == 0 || s.send()
}

// reset says that what the client has missed is not kept any more. It goes on
// from now.
func (s *stream) reset() bool {
	s.at, _, _ = s.hub.now()
	return s.add([]byte("event: reset\nid: "+s.at.String()+"\ndata: {\"event\":\"reset\",\"reason\":\"what happened since is not kept any more: read the rows again\"}\n\n")) && s.send()
}

// add writes a part of what send sends. It keeps none of it: those who listen
// are many, and what they are sent is the same for all of a view.
func (s *stream) add(text []byte) bool {
	if len(text) == 0 {
		return true
	}
	if s.put == 0 {
		_ = http.NewResponseController(s.x).SetWriteDeadline(time.Now().Add(s.write)) // not every writer has deadlines
	}
	s.put += len(text)
	_, err := s.x.Write(text)
	return err == nil
}

func (s *stream) send() bool {
	s.put = 0
	return http.NewResponseController(s.x).Flush() == nil
}

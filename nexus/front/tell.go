package front

import (
	"context"
	"log/slog"
	"net/http"
	"time"
)

// Observer hears of every request, from any goroutine. It must be quick.
type Observer interface {
	// Begin hears of a request that has come. The context it returns, if it is
	// not nil, becomes the request's.
	Begin(r *http.Request) context.Context
	// Answered hears that it has been answered. ctx is the request's.
	Answered(ctx context.Context, a Answered)
}

// Answered is what is told of a request: nothing that its caller wrote but the
// method.
type Answered struct {
	Route            string // the pattern; "" if none is served there
	Method           string
	ID               string
	Model, Operation string // "" if it was about none
	Limited          string // the limit that refused it, or ""
	Status           int
	Bytes            int64
	Took             time.Duration
}

// tell tells of a request that is over: to who counts, and to the access log.
func (h *Handler) tell(x *Exchange) {
	ctx := x.Request.Context()
	logged := h.o.AccessLog.Enabled(ctx, h.o.Access)
	if !logged && h.o.Observer == nil {
		return
	}
	now := time.Now()
	a := Answered{Route: x.Route, Method: x.Request.Method, ID: x.id, Model: x.Model, Operation: x.Operation, Limited: x.tally.Refused(),
		Status: x.status, Bytes: x.bytes, Took: now.Sub(x.start)}
	if logged {
		h.log(ctx, x, a, now)
	}
	if h.o.Observer != nil {
		h.o.Observer.Answered(ctx, a)
	}
}

// log writes the access log's line. It names the route, not the path, which
// holds ids, and no query.
func (h *Handler) log(ctx context.Context, x *Exchange, a Answered, now time.Time) {
	attrs := [...]slog.Attr{
		slog.String("method", logMethod(a.Method)),
		slog.String("route", a.Route),
		slog.Int("status", a.Status),
		slog.Int64("bytes", a.Bytes),
		slog.Duration("duration", a.Took),
		slog.String("remote", x.addr.String()),
		slog.String("request_id", a.ID),
		slog.String("caller", x.Caller.Key),
	}
	list := attrs[:]
	if x.Caller.Key == "" {
		list = attrs[:len(attrs)-1]
	}
	to := h.o.AccessLog.Handler()
	if !to.Enabled(ctx, h.o.Access) {
		return
	}
	// By hand, for a logger looks up the line of code that each record is from.
	r := slog.NewRecord(now, h.o.Access, "request", 0)
	r.AddAttrs(list...)
	_ = to.Handle(ctx, r) // as a logger does: a log that can't be written can't be told of in it
}

// maxMethod is how much of a method is logged: a caller may make one up.
const maxMethod = 16

func logMethod(m string) string {
	if len(m) > maxMethod {
		return m[:maxMethod] + "…"
	}
	return m
}

// requestIDKey is the context key of a request's id.
type requestIDKey struct{}

// WithRequestID returns a context in which RequestID gives id.
func WithRequestID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, requestIDKey{}, id)
}

// RequestID returns the id of the request that a context is of, or "".
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

package front

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strconv"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/nexus/limit"
	"github.com/flowctl/flowctl/nexus/problem"
)

// Exchange is one request and its answer. It is the ResponseWriter that a
// channel's handler gets, and ends with it: nothing may keep it.
type Exchange struct {
	Request *http.Request
	Route   string // the pattern that matched, for the log
	Out     []byte // room to build the answer in; Send sends it
	Caller  access.Caller
	// Model and Operation are what was asked for, by the app's own names, for
	// who counts. A batch is of no model.
	Model, Operation string

	w      http.ResponseWriter
	h      *Handler
	ctx    *deadlineCtx // once asked for
	id     string
	body   []byte
	status int
	bytes  int64
	addr   netip.Addr  // of the client
	tally  limit.Tally // of the limits that the request came under
	start  time.Time
}

// Header returns the answer's header.
func (x *Exchange) Header() http.Header { return x.w.Header() }

// WriteHeader sends the header.
func (x *Exchange) WriteHeader(status int) {
	if x.status == 0 || x.status < 200 {
		x.status = status
		x.tellLimits()
	}
	x.w.WriteHeader(status)
}

// Write sends a part of the answer's body. That the connection does not take it
// is an error of the client's.
func (x *Exchange) Write(p []byte) (int, error) {
	if x.status == 0 {
		x.status = http.StatusOK
		x.tellLimits()
	}
	n, err := x.w.Write(p)
	x.bytes += int64(n)
	if err != nil {
		var failed *net.OpError
		if errors.As(err, &failed) {
			err = gone(err)
		}
	}
	return n, err
}

// Unwrap returns what the exchange writes to, for http.ResponseController.
func (x *Exchange) Unwrap() http.ResponseWriter { return x.w }

// Flush sends what is buffered, for channels that stream.
func (x *Exchange) Flush() { _ = x.FlushError() }

// FlushError is Flush that tells whether the client can still be written to, for
// http.ResponseController.
func (x *Exchange) FlushError() error {
	if x.status == 0 {
		x.status = http.StatusOK
		x.tellLimits()
	}
	return http.NewResponseController(x.w).Flush()
}

// ID returns the request's id.
func (x *Exchange) ID() string { return x.id }

// Context returns the request's context with its deadline.
func (x *Exchange) Context() context.Context {
	if x.h.o.Timeout == 0 {
		return WithRequestID(x.Request.Context(), x.id)
	}
	if x.ctx == nil {
		x.ctx = &deadlineCtx{Context: x.Request.Context(), at: x.start.Add(x.h.o.Timeout), id: x.id}
	}
	return x.ctx
}

// maxAhead is how much room a body gets for the length it claims, before any of
// it is there.
const maxAhead = 1 << 20

// Body reads the request's body, which stays valid as long as the exchange.
func (x *Exchange) Body() ([]byte, error) {
	r := x.Request
	if r.Body == nil || r.ContentLength == 0 {
		return nil, nil
	}
	if r.ContentLength > x.h.o.MaxBody {
		return nil, x.tooLarge()
	}
	if x.h.o.Timeout > 0 {
		// A client that dribbles its body in must not hold on longer than any
		// other. Not every writer has deadlines (a test's recorder has none).
		_ = http.NewResponseController(x.w).SetReadDeadline(x.start.Add(x.h.o.Timeout))
	}
	if r.ContentLength >= 0 && r.ContentLength < maxAhead && len(r.Header["Content-Encoding"]) == 0 {
		return x.plainBody(int(r.ContentLength))
	}
	b, err := x.h.bodies.open(x.Header(), r, x.h.o.MaxBody, x.tooLarge)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if n := int(min(r.ContentLength, maxAhead)) + 1; n > cap(x.body) { // one more, so as to see the end
		x.body = make([]byte, 0, max(n, 512))
	}
	for {
		n, err := b.Read(x.body[len(x.body):cap(x.body)])
		x.body = x.body[:len(x.body)+n]
		switch {
		case err == io.EOF:
			return x.body, nil
		case err != nil:
			return nil, err
		}
		if len(x.body) == cap(x.body) {
			x.body = append(x.body, 0)[:len(x.body)]
		}
	}
}

// plainBody reads a body of n bytes that is not packed, as most are.
func (x *Exchange) plainBody(n int) ([]byte, error) {
	if n > cap(x.body) {
		x.body = make([]byte, max(n, 512))
	}
	x.body = x.body[:n]
	if _, err := io.ReadFull(x.Request.Body, x.body); err != nil {
		return nil, bodyError(err)
	}
	// Closed by whom it is served to, net/http does not look for more of it.
	if err := x.Request.Body.Close(); err != nil {
		return nil, bodyError(err)
	}
	return x.body, nil
}

func (x *Exchange) tooLarge() error {
	x.Header()["Connection"] = []string{"close"} // rather than read the rest
	return &dataflow.Error{Code: "body_too_large", Status: dataflow.StatusInvalid,
		Message: "the body is larger than " + strconv.FormatInt(x.h.o.MaxBody, 10) + " bytes",
		Hint:    "send less at a time, or raise max_body of Nexus(...)"}
}

func bodyError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &dataflow.Error{Code: "request_timeout", Status: dataflow.StatusTimeout,
			Message: "the body did not arrive in time", Err: err}
	}
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled) {
		return gone(err)
	}
	return &dataflow.Error{Code: "malformed_request", Status: dataflow.StatusInvalid,
		Message: "the body can't be read", Err: err}
}

func gone(err error) error {
	return &dataflow.Error{Code: "cancelled", Status: dataflow.StatusCancelled,
		Message: "the client went away", Err: err}
}

// Header values that never change.
var (
	jsonType    = []string{"application/json"}
	problemType = []string{problem.ContentType}
)

// Send answers with Out as JSON.
func (x *Exchange) Send(status int) { x.send(status, jsonType) }

func (x *Exchange) send(status int, contentType []string) {
	header := x.Header()
	header["Content-Type"] = contentType
	if x.packed(status) {
		return
	}
	header["Content-Length"] = []string{strconv.Itoa(len(x.Out))}
	x.WriteHeader(status)
	if x.Request.Method != http.MethodHead {
		// An error means that the client is gone; nobody is left to tell.
		_, _ = x.Write(x.Out)
	}
}

// Empty answers without a body.
func (x *Exchange) Empty(status int) {
	if status != http.StatusNoContent && status != http.StatusNotModified {
		x.Header()["Content-Length"] = []string{"0"}
	}
	x.WriteHeader(status)
}

// Fail answers with the problem that err is, and logs its cause if the fault
// is on this side.
func (x *Exchange) Fail(err error) {
	e := x.asError(err)
	status := problem.Status(e)
	x.logFailure(e, status)
	header := x.Header()
	header["Cache-Control"] = noStore
	for _, name := range []string{"Etag", "Preference-Applied", "Location"} { // of the answer that now is not given
		delete(header, name)
	}
	if after := problem.RetryAfter(e); after > 0 && header["Retry-After"] == nil {
		header["Retry-After"] = []string{strconv.Itoa(after)}
	}
	if x.h.o.Challenge != nil {
		if c := x.h.o.Challenge(x.Request, e); c != "" {
			header["Www-Authenticate"] = []string{c}
		}
	}
	x.Out = problem.Append(x.Out[:0], e, x.id)
	x.send(status, problemType)
}

// asError names what the request's own context did; everything else is what
// it says it is.
func (x *Exchange) asError(err error) *dataflow.Error {
	e := dataflow.AsError(err)
	if e.Code != "internal" {
		return e
	}
	out := *e // which keeps where it happened
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		out.Code, out.Status = "timeout", dataflow.StatusTimeout
		out.Message = "the request ran out of its time"
	case errors.Is(err, context.Canceled):
		out.Code, out.Status = "cancelled", dataflow.StatusCancelled
		out.Message = "the client went away"
	}
	return &out
}

// LogFault logs an error that the caller is not told of.
func (x *Exchange) LogFault(err error) {
	x.logFailure(dataflow.AsError(err), http.StatusInternalServerError)
}

func (x *Exchange) logFailure(e *dataflow.Error, status int) {
	if status < 500 {
		return
	}
	level := slog.LevelWarn
	if e.Status == dataflow.StatusInternal {
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("request_id", x.id),
		slog.String("method", x.Request.Method),
		slog.String("route", x.Route),
		slog.String("code", e.Code),
	}
	if e.Workflow != "" {
		attrs = append(attrs, slog.String("workflow", e.Workflow), slog.String("node", e.Node))
	}
	if !e.Span.IsZero() {
		attrs = append(attrs, slog.String("location", e.Span.String()))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("cause", e.Err.Error()))
	}
	x.h.o.Logger.LogAttrs(x.Request.Context(), level, "request failed", attrs...)
}

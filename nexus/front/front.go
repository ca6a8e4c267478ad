// Package front is what every request passes before its channel (REST, MCP)
// sees it, and every answer after: request ids, recovery from panics, cross-
// origin rules, rate limits, deadlines, size limits and the access log. It
// knows nothing of models or tools.
package front

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/nexus/limit"
)

// Options are what the front applies to every request.
type Options struct {
	Logger  *slog.Logger
	Limiter *limit.Limiter // nil: no limit
	// KeyElsewhere: the channel counts the requests of a key itself, to answer one
	// too many in its own words.
	KeyElsewhere bool
	Origins      []string      // that browsers may call from, "*" for all, besides the server's own
	MaxBody      int64         // bytes of a request's body
	Timeout      time.Duration // of a request; 0: none, for channels that stream
	// Identify says who asks, or why that can't be said.
	Identify func(*http.Request) (access.Caller, error)
	// Challenge is what a refusal says about that in WWW-Authenticate; "": nothing.
	Challenge func(*http.Request, *dataflow.Error) string
	Observer  Observer     // nil: nobody wants to know
	AccessLog *slog.Logger // nil: Logger
	Access    slog.Level   // of the access log's lines
}

// Handler puts the front before a channel's handler. It is immutable.
type Handler struct {
	next    http.Handler
	o       Options
	origins map[string]bool
	any     bool // origin
	prefix  string
	serial  atomic.Uint64
	pool    sync.Pool // of *Exchange

	packers sync.Pool // of *packer
	bodies  Bodies
}

// New returns a handler that passes requests on to next, whose ResponseWriter
// is then always an *Exchange.
func New(next http.Handler, o Options) *Handler {
	if o.AccessLog == nil {
		o.AccessLog = o.Logger
	}
	h := &Handler{next: next, o: o, origins: make(map[string]bool)}
	for _, origin := range o.Origins {
		h.any = h.any || origin == "*"
		h.origins[strings.ToLower(strings.TrimRight(origin, "/"))] = true
	}
	var seed [5]byte
	rand.Read(seed[:]) // never fails
	h.prefix = hex.EncodeToString(seed[:]) + "-"
	h.pool.New = func() any { return new(Exchange) }
	h.packers.New = newPacker
	return h
}

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := h.begin(w, r)
	defer h.end(x)
	done, err := h.admit(x, x.Request)
	switch {
	case err != nil:
		x.Fail(err)
	case !done:
		h.next.ServeHTTP(x, x.Request)
	}
}

func (h *Handler) begin(w http.ResponseWriter, r *http.Request) *Exchange {
	x := h.pool.Get().(*Exchange)
	*x = Exchange{w: w, Request: r, h: h, body: x.body[:0], Out: x.Out[:0], start: time.Now(), addr: clientAddr(r)}
	if ids := r.Header["X-Request-Id"]; len(ids) == 1 && validID(ids[0]) {
		x.id = ids[0]
	} else {
		var buf [40]byte
		x.id = string(strconv.AppendUint(append(buf[:0], h.prefix...), h.serial.Add(1), 36))
	}
	if h.o.Observer != nil {
		if ctx := h.o.Observer.Begin(r); ctx != nil {
			x.Request = r.WithContext(ctx)
		}
	}
	header := w.Header()
	header["X-Request-Id"] = []string{x.id}
	Guard(header)
	return x
}

// Guard sets the headers that every answer has. Answers are data: a browser that
// is led to one as if it were a page is to make nothing of it. Pages say
// themselves what they may. What frames may hold them is in the policy, before
// which X-Frame-Options counts for nothing (https://www.w3.org/TR/CSP2/#frame-ancestors-and-frame-options);
// with that a read of a row would have nine headers, and a map of more than eight
// takes a microsecond more.
func Guard(header http.Header) {
	header["X-Content-Type-Options"] = nosniff
	header["Referrer-Policy"] = noReferrer
	header["Content-Security-Policy"] = noContent
}

// Header values that never change are shared; net/http copies them.
var (
	nosniff    = []string{"nosniff"}
	noStore    = []string{"no-store"}
	noReferrer = []string{"no-referrer"}
	noContent  = []string{"default-src 'none'; frame-ancestors 'none'"}
)

// maxKept is the largest buffer kept for the next request.
const maxKept = 64 << 10

// end finishes a request, even one whose handler panicked.
func (h *Handler) end(x *Exchange) {
	if p := recover(); p != nil {
		if p == http.ErrAbortHandler { // net/http's own way to drop a connection
			panic(p)
		}
		h.o.Logger.Error("panic while serving", "request_id", x.id, "method", x.Request.Method, "route", x.Route,
			"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		if x.status != 0 { // half an answer is out: the client must see that it is no whole one
			panic(http.ErrAbortHandler)
		}
		x.Fail(dataflow.Internal(errors.New("panic")))
		x.Out, x.body = nil, nil // whatever panicked may still hold them
	}
	if x.ctx != nil {
		x.ctx.stop()
	}
	h.tell(x)
	if cap(x.Out) > maxKept {
		x.Out = nil
	}
	if cap(x.body) > maxKept {
		x.body = nil
	}
	*x = Exchange{Out: x.Out, body: x.body}
	h.pool.Put(x)
}

// admit refuses what must not reach the channel, and answers what need not.
func (h *Handler) admit(x *Exchange, r *http.Request) (done bool, err error) {
	if origin := r.Header["Origin"]; len(origin) > 0 {
		if done, err = h.crossOrigin(x, r, origin[0]); done || err != nil {
			return done, err
		}
	}
	if strings.HasPrefix(r.URL.Path, "/health/") { // probes are nobody in particular
		return false, nil
	}
	if err := h.o.Limiter.Address(r.Context(), x.addr, &x.tally); err != nil {
		return false, err
	}
	if h.o.Identify != nil {
		if x.Caller, err = h.o.Identify(r); err != nil {
			return false, err
		}
	}
	x.Caller.Address = x.addr
	if h.o.KeyElsewhere {
		return false, nil
	}
	return false, h.o.Limiter.Key(r.Context(), &x.Caller, &x.tally)
}

// clientAddr is the address the connection comes from. Forwarding headers are
// not believed: anyone can send them.
func clientAddr(r *http.Request) netip.Addr {
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr()
}

func validID(s string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' {
				return false
			}
		}
	}
	return true
}

package nexus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/front"
	"github.com/flowctl/flowctl/nexus/http1"
)

// Server listens on the app's ports and serves the current Generation.
type Server struct {
	current  atomic.Pointer[generationHandlers]
	settings dataflow.Server
	shared   *Shared
	conns    *connections
	api, mcp *net.TCPListener
	logger   *slog.Logger
	headers  time.Duration            // that those of a request may take
	stale    atomic.Pointer[[]string] // of staleHeader; nil: what is served is what the files say

	swapping sync.Mutex
	ended    bool // no other generation is served any more
}

// generationHandlers are a generation's handlers as its listeners need them.
type generationHandlers struct {
	g        *Generation
	api, mcp http.Handler
}

// Listen opens the app's ports. A port in use is a diagnostic.
func Listen(g *Generation, o Options) (*Server, []dataflow.Diagnostic) {
	s := &Server{settings: g.settings, shared: g.shared, logger: o.logger(), conns: newConnections(connectionsAtMost(), o.logger()), headers: headerTimeout}
	var ds []dataflow.Diagnostic
	type listen struct {
		option   string
		port     int
		listener **net.TCPListener
	}
	wanted := []listen{{"api_port", s.settings.APIPort, &s.api}}
	if !s.settings.MCPStdioOnly {
		wanted = append(wanted, listen{"mcp_port", s.settings.MCPPort, &s.mcp})
	}
	for _, l := range wanted {
		listener, err := net.Listen("tcp", net.JoinHostPort(s.settings.Host, strconv.Itoa(l.port)))
		if err != nil {
			ds = append(ds, s.cannotListen(l.option, l.port, err))
			continue
		}
		*l.listener = listener.(*net.TCPListener)
	}
	if len(ds) > 0 {
		s.closeListeners()
		return nil, dataflow.SortDiagnostics(ds)
	}
	s.Swap(g)
	return s, nil
}

func (s *Server) closeListeners() {
	for _, l := range []*net.TCPListener{s.api, s.mcp} {
		if l != nil {
			_ = l.Close() // nothing has been accepted on it that could be lost
		}
	}
}

// cannotListen says why a port can't be listened on.
func (s *Server) cannotListen(option string, port int, err error) dataflow.Diagnostic {
	d := dataflow.Diagnostic{Code: "FC706", Severity: dataflow.SeverityError, Span: portSpan(&s.settings, "/"+option)}
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		d.Message = fmt.Sprintf("port %d of %s is in use", port, s.settings.Host)
		d.Hint = "stop what listens there, or set " + option + " to another port (0 takes any free one)"
	case errors.Is(err, syscall.EACCES):
		d.Message = fmt.Sprintf("this user may not listen on port %d", port)
		d.Hint = "set " + option + " to a port above 1023"
	case errors.Is(err, syscall.EADDRNOTAVAIL) || errors.As(err, &dns):
		d.Code, d.Span = "FC707", portSpan(&s.settings, "/host")
		d.Message = fmt.Sprintf("%q is no address of this machine", s.settings.Host)
		d.Hint = `host = "127.0.0.1" serves this machine only, "0.0.0.0" every network it is on`
	default:
		s.logger.Error("listening failed", "option", option, "cause", err)
		d.Message = fmt.Sprintf("port %d of %s can't be listened on", port, s.settings.Host)
		d.Hint = "the log has the cause; set " + option + " or host to something else"
	}
	return d
}

// URLs returns where REST and MCP are served; "" for one that is not.
func (s *Server) URLs() (api, mcp string) {
	if s.mcp != nil {
		mcp = s.url(s.mcp) + "/mcp"
	}
	return s.url(s.api), mcp
}

func (s *Server) url(l net.Listener) string {
	addr := l.Addr().(*net.TCPAddr)
	host := s.settings.Host
	if addr.IP.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, strconv.Itoa(addr.Port))
}

// loopback reports whether only this machine can reach the server.
func (s *Server) loopback() bool { return s.api.Addr().(*net.TCPAddr).IP.IsLoopback() }

// Shared is what the generations that are served one after another share: what
// Options.Shared of the next one is to be.
func (s *Server) Shared() *Shared { return s.shared }

// Swap makes g the generation that new requests reach, and returns the one
// before it, which still serves those it has begun: retire it. It returns g
// itself if the server has ended. Ports stay those of the first.
func (s *Server) Swap(g *Generation) (old *Generation) {
	s.swapping.Lock()
	defer s.swapping.Unlock()
	if s.ended {
		return g
	}
	var api, mcp http.Handler = g.api, g.mcp
	if s.loopback() {
		api, mcp = front.Loopback(g.api), front.Loopback(g.mcp)
	}
	before := s.current.Load()
	if before != nil {
		g.succeed(before.g)
	}
	g.Work()
	g.look()
	g.bound()
	g.served.Store(true)
	if g.settings.RequestTimeout > s.settings.RequestTimeout {
		api = prolonged(api, g.settings.RequestTimeout+transferTime)
	}
	s.current.Store(&generationHandlers{g: g, api: streams(api, g, eventStream), mcp: streams(mcp, g, anyRequest)})
	s.shared.serve(g)
	s.shared.agents.Swap(g.stdio) // who is told of changes comes to see them at once
	if before == nil {
		return nil
	}
	return before.g
}

// last returns the generation that is served, the last one.
func (s *Server) last() *Generation {
	s.swapping.Lock()
	defer s.swapping.Unlock()
	s.ended = true
	return s.current.Load().g
}

// handler serves requests by whatever generation is current when they come.
func (s *Server) handler(pick func(*generationHandlers) http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if stale := s.stale.Load(); stale != nil {
			w.Header()[staleHeader] = *stale
		}
		for h := s.current.Load(); ; {
			if h.g.gate.enter() {
				defer h.g.gate.leave()
				pick(h).ServeHTTP(w, r)
				return
			}
			next := s.current.Load()
			if next == h { // not swapped, but closed
				unavailable(w)
				return
			}
			h = next
		}
	})
}

// prolonged gives a request the time that the app gives it now, where that is
// more than the connection was given.
func prolonged(next http.Handler, timeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control, end := http.NewResponseController(w), time.Now().Add(timeout)
		_ = control.SetReadDeadline(end) // a connection that is gone has no deadlines
		_ = control.SetWriteDeadline(end)
		next.ServeHTTP(w, r)
	})
}

// Limits of a connection. Requests are bounded by the app's own timeout; these
// bound a client that is slow on purpose.
const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = 2 * time.Minute
	transferTime   = 30 * time.Second // beside the request's own
	maxHeaderBytes = 32 << 10
)

func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           s.conns.hearOut(h),
		ConnState:         s.conns.note,
		ReadHeaderTimeout: s.headers,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(s.logger.Handler(), slog.LevelDebug),
	}
}

// Serve serves until ctx is done, then drains: it stops accepting, but for those
// who have connected already, lets requests finish within grace, and closes the generation.
func (s *Server) Serve(ctx context.Context, grace time.Duration) error {
	rest := s.conns.last(s.handler(func(h *generationHandlers) http.Handler { return h.api }))
	api := s.httpServer(rest)
	api.ReadTimeout = s.settings.RequestTimeout + transferTime
	api.WriteTimeout = s.settings.RequestTimeout + transferTime
	servers := []*http.Server{api}
	listeners := []*drained{drain(s.api, s.conns)}
	serving := []net.Listener{plainly(api, rest, s.logger).Listener(listeners[0])}
	if s.mcp != nil {
		mcp := s.httpServer(s.conns.last(s.handler(func(h *generationHandlers) http.Handler { return h.mcp })))
		servers = append(servers, mcp)
		listeners = append(listeners, drain(s.mcp, s.conns))
		serving = append(serving, listeners[1])
	}
	failed := make(chan error, len(servers))
	for i, srv := range servers {
		go func() { failed <- srv.Serve(serving[i]) }()
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		err = fmt.Errorf("serving: %w", err)
	}
	g := s.last()
	g.gate.begin() // streams have no end of their own
	s.shared.begin()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err == nil {
		settle(stop, lingerTime, s.conns, listeners)
	}
	err = errors.Join(err, s.shutdown(stop, servers), g.Close())
	s.shared.observer.Close(stop)
	return err
}

// plainly is srv for requests that are plain, and answered by h.
func plainly(srv *http.Server, h http.Handler, logger *slog.Logger) *http1.Server {
	return &http1.Server{
		Handler: h, Logger: logger,
		HeaderTimeout: srv.ReadHeaderTimeout, IdleTimeout: srv.IdleTimeout,
		WriteTimeout: srv.WriteTimeout,
	}
}

// shutdown drains servers at the same time, and drops what is left when ctx is
// done.
func (s *Server) shutdown(ctx context.Context, servers []*http.Server) error {
	errs := make(chan error, len(servers))
	for _, srv := range servers {
		go func() {
			err := srv.Shutdown(ctx)
			if errors.Is(err, context.DeadlineExceeded) {
				err = srv.Close()
			}
			errs <- err
		}()
	}
	s.conns.shutdown(ctx)
	var all []error
	for range servers {
		all = append(all, <-errs)
	}
	return errors.Join(all...)
}

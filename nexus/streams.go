package nexus

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/flowctl/flowctl/nexus/front"
)

// streams lets requests that may be streams leave the generation (front.Leave).
// One that only listens and has not left is ended when the generation closes: it
// would never end by itself. Requests that do something are left to finish.
func streams(next http.Handler, g *Generation, may func(*http.Request) bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !may(r) {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		s := &stay{g: g, cancel: func() { cancel(nil) }, stop: func() bool { return true }}
		s.watch = sync.OnceFunc(func() { s.unwatch = g.shared.vigil.watch(r, cancel) })
		if r.Method == http.MethodGet {
			s.stop = context.AfterFunc(g.gate.closing, s.cancel)
			s.watch()
		}
		defer s.end()
		next.ServeHTTP(w, r.WithContext(front.WithLeave(ctx, s.leave)))
	})
}

// ending ends a request that only listens when the generation closes, for a
// program that mounts the handler in a server of its own.
func ending(next http.Handler, g *Generation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		var stop func() bool
		var unwatch func()
		leave := sync.OnceFunc(func() {
			stop = context.AfterFunc(g.gate.closing, func() { cancel(nil) })
			unwatch = g.shared.vigil.watch(r, cancel)
		})
		defer func() {
			if stop != nil {
				stop()
				unwatch()
			}
		}()
		next.ServeHTTP(w, r.WithContext(front.WithLeave(ctx, leave)))
	})
}

// attended looks after requests of REST that are for streams, for a program that
// mounts the handler in a server of its own.
func attended(next http.Handler, g *Generation) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !eventStream(r) {
			next.ServeHTTP(w, r)
			return
		}
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		defer g.shared.vigil.watch(r, cancel)()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// stay is the time that a request that may be a stream is in a generation.
type stay struct {
	g      *Generation
	cancel context.CancelFunc
	stop   func() bool // waiting for the end of the generation, or of the server
	watch  func()      // has the vigil look after it

	unwatch func() // nil: it has not begun

	mu   sync.Mutex
	left bool
}

func (s *stay) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left {
		return
	}
	s.left = true
	s.watch()
	s.stop()
	s.stop = context.AfterFunc(s.g.shared.closing, s.cancel)
	s.g.gate.leave()
}

// end ends the stay. Whoever let the request in counts it out: one that has
// counted itself out comes back for that.
func (s *stay) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stop()
	if s.unwatch != nil {
		s.unwatch()
	}
	if s.left {
		s.g.gate.inside.Add(1)
	}
}

// anyRequest: any message of MCP may be one to listen.
func anyRequest(*http.Request) bool { return true }

// eventStream reports whether a request of REST is for a stream of events.
func eventStream(r *http.Request) bool {
	return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/events")
}

// timed limits the time a body may take to arrive, for a channel that reads
// bodies itself. Once the body is there the limit is lifted: the answer may be
// a stream.
func timed(next http.Handler, limit time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body != nil && r.ContentLength != 0 {
			control := http.NewResponseController(w)
			// Not every writer has deadlines (a test's recorder has none).
			_ = control.SetReadDeadline(time.Now().Add(limit))
			r.Body = &timedBody{r.Body, control}
		}
		next.ServeHTTP(w, r)
	})
}

type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		_ = b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}

// Package http1 serves the plainest requests of HTTP/1.1 (RFC 9112) by itself
// and leaves all others, with their connections, to net/http. A request is plain
// if it comes in one piece, if there is one way to read it, and if it asks
// nothing of the connection; nearly all that programs send are. What package
// net/http does for the rest (chunks, upgrades, slow senders, refusals of what is
// malformed) is in one place, there.
package http1

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Conn is a client's connection.
type Conn interface {
	net.Conn
	// Busy says that a request is there. It is false where the connection is
	// being closed: the request is as if it had not come.
	Busy() bool
	// Idle says that the request has been answered. It is false where there is to
	// be no other.
	Idle() bool
	// Last reports whether there is to be no other request, as far as is known while
	// one is answered.
	Last() bool
	// Gone says that the connection is closed.
	Gone()
	// Unread has Read return b first. It is called once at most.
	Unread(b []byte)
}

// Server serves plain requests.
type Server struct {
	Handler http.Handler
	Logger  *slog.Logger
	// Times are those of the net/http server that serves what is not plain.
	// What reading a body may take is theirs alone: that of a plain request has come.
	HeaderTimeout, IdleTimeout, WriteTimeout time.Duration

	patience time.Duration // a test's; 0: what it is
	buffers  sync.Pool     // of *[]byte, to build answers in
	dated    atomic.Pointer[stamp]
}

// stamp is a second as a header has it.
type stamp struct {
	second int64
	text   string
}

// date is the time as a header has it (RFC 9110, 5.6.7).
func (s *Server) date(now time.Time) string {
	d := s.dated.Load()
	if d == nil || d.second != now.Unix() {
		d = &stamp{now.Unix(), now.UTC().Format(http.TimeFormat)}
		s.dated.Store(d)
	}
	return d.text
}

const (
	// room is how much of a request is read at once, and the longest head of a
	// plain one.
	room = 4 << 10
	// maxBody is the longest body of a plain request.
	maxBody = 64 << 10
	// patience is how long the rest of a request may take to come. A sender that
	// writes head and body one after another needs a fraction of it; one that is
	// slow, or will never send the rest, is net/http's.
	patience = 20 * time.Millisecond
)

// Listener serves plain requests on the connections that are made to l, each of
// which must be a Conn, and hands out those on which something else has come.
func (s *Server) Listener(l net.Listener) net.Listener {
	left := &leftover{Listener: l, conns: make(chan net.Conn), failed: make(chan error), closed: make(chan struct{})}
	go s.accept(left)
	return left
}

// leftover is a listener of connections with requests that are not plain.
type leftover struct {
	net.Listener
	conns  chan net.Conn
	failed chan error
	once   sync.Once
	closed chan struct{}
}

// Accept implements net.Listener. It goes on when the listener below has been
// closed by somebody else, for the connections made before.
func (l *leftover) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case err := <-l.failed:
		return nil, err
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (l *leftover) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// accept hands failures on to who calls Accept, which waits before it calls
// again where that may help: so long nobody is let in.
func (s *Server) accept(l *leftover) {
	for {
		c, err := l.Listener.Accept()
		switch {
		case err == nil:
			go s.serve(c.(Conn), l)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			select {
			case l.failed <- err:
			case <-l.closed:
				return
			}
		}
	}
}

// carrier is a connection while its requests are plain.
type carrier struct {
	Conn
	base   context.Context // of all its requests
	remote string

	buf []byte // what has been read and not served is buf[:n]
	n   int

	// headers is how many the answer before had: to make a map grow beyond eight
	// takes a microsecond.
	headers int
}

// serve serves the requests of a connection until one is not plain.
func (s *Server) serve(c Conn, rest *leftover) {
	k := &carrier{
		Conn:   c,
		base:   context.WithValue(context.Background(), http.LocalAddrContextKey, c.LocalAddr()),
		remote: c.RemoteAddr().String(),
		buf:    make([]byte, room),
	}
	wait := s.HeaderTimeout // one that is new has something to say
	posted := false
	for {
		if k.n == 0 {
			_ = k.SetReadDeadline(after(time.Now(), wait)) // it fails where reading fails
			n, err := k.Read(k.buf)
			if err != nil {
				break
			}
			k.n = n
		}
		if posted { // as net/http lets pass what some clients send behind a body (RFC 9112, 2.2)
			ends := min(k.n, len(headEnd))
			ends -= len(bytes.TrimLeft(k.buf[:ends], "\r\n"))
			if k.n = copy(k.buf, k.buf[ends:k.n]); k.n == 0 {
				continue
			}
		}
		r, size := k.request(cmp.Or(s.patience, patience))
		if r == nil {
			k.pass(rest)
			return
		}
		if !k.Busy() {
			break
		}
		posted = r.request.Method == http.MethodPost
		// The request holds nothing of what was read: there is room for what its
		// context reads to see the client go.
		k.n = copy(k.buf, k.buf[size:k.n])
		if len(k.buf) > room && k.n < room {
			k.buf = append(make([]byte, 0, room), k.buf[:k.n]...)[:room]
		}
		if !s.answer(k, r) || !k.Idle() {
			break
		}
		wait = s.IdleTimeout
	}
	_ = k.Close() // all that was to be said has been
	k.Gone()
}

// after is a time from now, and never for no duration.
func after(now time.Time, d time.Duration) time.Time {
	if d <= 0 {
		return time.Time{}
	}
	return now.Add(d)
}

// pass leaves the connection, with what has come on it, to net/http.
func (k *carrier) pass(rest *leftover) {
	k.Unread(k.buf[:k.n])
	select {
	case rest.conns <- k.Conn:
	case <-rest.closed:
		_ = k.Close() // nothing has been answered
		k.Gone()
	}
}

// request returns the first request that has been read, and its length; nil if it
// is not plain.
func (k *carrier) request(patience time.Duration) (*exchange, int) {
	var e *exchange
	var head int
	for late := false; ; {
		if e == nil {
			if end := bytes.Index(k.buf[:min(k.n, room)], headEnd); end >= 0 {
				if e = parse(string(k.buf[:end+2])); e == nil {
					return nil, 0
				}
				head = end + len(headEnd)
				if size := head + int(e.request.ContentLength); size > len(k.buf) {
					k.buf = append(make([]byte, 0, size), k.buf[:k.n]...)[:size]
				}
			}
		}
		if e != nil && k.n >= head+int(e.request.ContentLength) {
			break
		}
		if k.n == len(k.buf) {
			return nil, 0
		}
		if !late {
			late = true
			_ = k.SetReadDeadline(time.Now().Add(patience)) // it fails where reading fails
		}
		n, err := k.Read(k.buf[k.n:])
		k.n += n
		if err != nil { // which net/http will meet as well, if it is none of patience
			return nil, 0
		}
	}
	size := head + int(e.request.ContentLength)
	if size > head {
		e.body.Reset(string(k.buf[head:size]))
		e.request.Body = &e.body
	}
	e.request.RemoteAddr = k.remote
	return e, size
}

var headEnd = []byte("\r\n\r\n")

// answer has a request answered. It reports whether the connection can take
// another.
func (s *Server) answer(k *carrier, e *exchange) (more bool) {
	now := time.Now()
	_ = k.SetReadDeadline(time.Time{}) // these fail where reading and writing do
	_ = k.SetWriteDeadline(after(now, s.WriteTimeout))
	e.ctx.Context, e.ctx.conn = k.base, k
	w := &e.answer
	w.begin(s, k, &e.ctx, e.request.Method)
	defer func() {
		e.ctx.end()
		if p := recover(); p != nil {
			if p != http.ErrAbortHandler {
				s.Logger.Error("panic while serving", "method", e.request.Method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			}
			w.abandon()
			more = false
		}
	}()
	s.Handler.ServeHTTP(w, e.request)
	k.headers = len(w.header)
	return w.finish()
}

// cutOff reports whether a read ended because it was told to.
func cutOff(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

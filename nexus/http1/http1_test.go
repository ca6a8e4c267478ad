package http1

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// accepted is a listener of connections that are Conns.
type accepted struct{ net.Listener }

func (l accepted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &client{Conn: c}, nil
}

// client is a connection without anything that a server may want of it.
type client struct {
	net.Conn
	unread []byte
	closed atomic.Bool // Busy, Idle and Last say so
	gone   atomic.Bool
}

func (c *client) Busy() bool      { return !c.closed.Load() }
func (c *client) Idle() bool      { return !c.closed.Load() }
func (c *client) Last() bool      { return c.closed.Load() }
func (c *client) Gone()           { c.gone.Store(true) }
func (c *client) Unread(b []byte) { c.unread = b }

func (c *client) Read(p []byte) (int, error) {
	if len(c.unread) > 0 {
		n := copy(p, c.unread)
		c.unread = c.unread[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// both are two servers of one handler: one is net/http alone, the other has plain
// requests served here. handed counts the connections that it left to net/http,
// passed the requests.
type both struct {
	alone, plain   string
	handed, passed atomic.Int64
	server         *Server
	log            lines
}

// lines is a log.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func serving(t *testing.T, h http.HandlerFunc, with ...func(*Server)) *both {
	t.Helper()
	b := &both{}
	listen := func() net.Listener {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	start := func(l net.Listener, h http.Handler) {
		srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0),
			ConnState: func(c net.Conn, state http.ConnState) {
				if _, ok := c.(*client); ok && state == http.StateNew {
					b.handed.Add(1)
				}
			}}
		go srv.Serve(l)
		t.Cleanup(func() { srv.Close() })
	}
	l := listen()
	b.alone = l.Addr().String()
	start(l, h)
	l = listen()
	b.plain = l.Addr().String()
	b.server = &Server{Handler: h, HeaderTimeout: time.Minute, Logger: slog.New(slog.NewTextHandler(&b.log, nil))}
	for _, set := range with {
		set(b.server)
	}
	start(b.server.Listener(accepted{l}), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.passed.Add(1)
		h(w, r)
	}))
	return b
}

// answers sends bytes to a server and returns its answers as they would be
// written, up to the end of the connection or to as many as asked for.
func answers(t *testing.T, addr, text string, most int, more ...string) (all []string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute)) // rather than wait for ever
	go func() {                                    // a server may hang up before all of it
		for _, part := range append([]string{text}, more...) {
			_, _ = io.WriteString(c, part)
		}
	}()
	from := bufio.NewReader(c)
	method, _, _ := strings.Cut(strings.Join(append([]string{text}, more...), ""), " ")
	for len(all) < most {
		res, err := http.ReadResponse(from, &http.Request{Method: method})
		if err != nil {
			return append(all, "end")
		}
		body, err := io.ReadAll(res.Body)
		res.Header.Del("Date")
		var b strings.Builder
		fmt.Fprintf(&b, "%s close=%t coding=%q length=%d %v\n", res.Status, res.Close, res.TransferEncoding, res.ContentLength, err)
		_ = res.Header.Write(&b)
		b.Write(body)
		all = append(all, b.String())
	}
	return all
}

// echo answers with what it has been asked.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	h := r.Header.Clone()
	h.Del("Date")
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s %s path=%q raw=%q query=%q host=%q length=%d coding=%v close=%t from=%t at=%t %v\n", r.Method, r.RequestURI, r.Proto,
		r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.Host, r.ContentLength, r.TransferEncoding, r.Close, strings.HasPrefix(r.RemoteAddr, "127.0.0.1:"), addr != nil, err)
	_ = h.Write(&b)
	b.Write(body)
	w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	_, _ = w.Write(b.Bytes())
}

const host = "Host: example.org\r\n"

// requests are such as may come, and whether they are plain.
var requests = []struct {
	text  string
	plain bool
}{
	{"GET / HTTP/1.1\r\n" + host + "\r\n", true},
	{"GET /a/b-c_d.e~f?x=1&y=%20z HTTP/1.1\r\n" + host + "\r\n", true},
	{"GET /a?b?c HTTP/1.1\r\n" + host + "\r\n", true},
	{"GET /a? HTTP/1.1\r\n" + host + "\r\n", true},
	{"GET /a%2Fb/%C3%BC/'(x)':@! HTTP/1.1\r\n" + host + "\r\n", true},
	{"GET /a:b/c=d HTTP/1.1\r\n" + host + "\r\n", true},
	{"HEAD /a HTTP/1.1\r\n" + host + "\r\n", true},
	{"DELETE /a HTTP/1.1\r\n" + host + "Content-Length: 0\r\n\r\n", true},
	{"OPTIONS /a HTTP/1.1\r\n" + host + "Origin: http://a.example\r\n\r\n", true},
	{"POST /a HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\n{}", true},
	{"PUT /a HTTP/1.1\r\n" + host + "content-length: 2\r\ncontent-type: application/json\r\n\r\n{}", true},
	{"PATCH /a HTTP/1.1\r\n" + host + "Content-Length: 5000\r\n\r\n" + strings.Repeat("x", 5000), true},
	{"POST /a HTTP/1.1\r\n" + host + "Content-Length: 65536\r\n\r\n" + strings.Repeat("x", 65536), true},
	{"GET /a HTTP/1.1\r\nhost: [::1]:80\r\nX-A:1\r\nx-a:  2 \t\r\nX-B:\r\nX-C: \xfc\r\nConnection: Keep-Alive\r\n\r\n", true},
	{"GET /a HTTP/1.1\r\n" + host + strings.Repeat("X-Many: 1\r\n", 20) + "A: 1\r\nB: 1\r\nC: 1\r\nD: 1\r\nE: 1\r\nF: 1\r\nG: 1\r\nI: 1\r\nJ: 1\r\nK: 1\r\n\r\n", true},

	{"POST /a HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\n{}\r\n", true},
	{"POST /a HTTP/1.1\r\n" + host + "\r\n\n\r", true},

	{"GET /a HTTP/1.0\r\n" + host + "\r\n", false},
	{"PUT /a HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\n{}\r\n", false},
	{"POST /a HTTP/1.1\r\n" + host + "Content-Length: 2\r\n\r\n{}\r\n\r\n\r\n", false},
	{"GET /a HTTP/1.1\n" + "Host: a\n\n", false},
	{"GET /a HTTP/1.1\r\n" + host + "X-A: 1\nX-B: 2\r\n\r\n", false},
	{"GET /a HTTP/1.1\r\n" + host + "X-A: 1\r\n folded\r\n\r\n", false},
	{"GET  /a HTTP/1.1\r\n" + host + "\r\n", false},
	{"GET /a  HTTP/1.1\r\n" + host + "\r\n", false},
	{"GET //a HTTP/1.1\r\n" + host + "\r\n", false},
	{"GET /a b HTTP/1.1\r\n" + host + "\r\n", false},
	{"GET /\xfc HTTP/1.1\r\n" + host + "\r\n", false},
	{"GET /%zz HTTP/1.1\r\n" + host + "\r\n", false},
	{"GET http://example.org/a HTTP/1.1\r\n" + host + "\r\n", false},
	{"OPTIONS * HTTP/1.1\r\n" + host + "\r\n", false},
	{"TRACE /a HTTP/1.1\r\n" + host + "\r\n", false},
	{"GET /a HTTP/1.1\r\n\r\n", false},
	{"GET /a HTTP/1.1\r\nHost:\r\n\r\n", false},
	{"GET /a HTTP/1.1\r\n" + host + host + "\r\n", false},
	{"GET /a HTTP/1.1\r\nHost:\r\n" + host + "\r\n", false},
	{"GET /a HTTP/1.1\r\n" + host + "Host: \r\n\r\n", false},
	{"GET /a HTTP/1.1\r\nHost: a/b\r\n\r\n", false},
	{"GET /a HTTP/1.1\r\n" + host + "X A: 1\r\n\r\n", false},
	{"GET /a HTTP/1.1\r\n" + host + "X-A : 1\r\n\r\n", false},
	{"GET /a HTTP/1.1\r\n" + host + ": 1\r\n\r\n", false},
	{"GET /a HTTP/1.1\r\n" + host + "X-A\r\n\r\n", false},
	{"GET /a HTTP/1.1\r\n" + host + "X-A: \x00\r\n\r\n", false},
	{"GET /a HTTP/1.1\r\n" + host + "X-A: 1\r2\r\n\r\n", false},
	{"GET /a HTTP/1.1\r\n" + host + "Pragma: no-cache\r\n\r\n", false},
	{"GET /a HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", false},
	{"GET /a HTTP/1.1\r\n" + host + "Connection: keep-alive, x\r\n\r\n", false},
	{"GET /a HTTP/1.1\r\n" + host + "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n", false},
	{"POST /a HTTP/1.1\r\n" + host + "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", false},
	{"POST /a HTTP/1.1\r\n" + host + "Content-Length: 2, 2\r\n\r\n{}", false},
	{"POST /a HTTP/1.1\r\n" + host + "Content-Length: +2\r\n\r\n{}", false},
	{"POST /a HTTP/1.1\r\n" + host + "Content-Length: 0x2\r\n\r\n{}", false},
	{"POST /a HTTP/1.1\r\n" + host + "Content-Length:\r\n\r\n{}", false},
	{"POST /a HTTP/1.1\r\n" + host + "Content-Length: 65537\r\n\r\n" + strings.Repeat("x", 65537), false},
	{"POST /a HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", false},
	{"POST /a HTTP/1.1\r\n" + host + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", false},
	{"POST /a HTTP/1.1\r\n" + host + "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", false},
	{"GET /a HTTP/1.1\r\n" + host + "X-Long: " + strings.Repeat("x", room) + "\r\n\r\n", false},
	{"GET /" + strings.Repeat("x", room) + " HTTP/1.1\r\n" + host + "\r\n", false},
	{"\r\nGET /a HTTP/1.1\r\n" + host + "\r\n", false},
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", false},
	{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", false},
}

// Whatever comes, and whatever comes after it, is answered as net/http alone
// answers it.
func TestRequestsAreAnsweredAlike(t *testing.T) {
	const next = "GET /next HTTP/1.1\r\n" + host + "\r\n"
	for _, c := range requests {
		b := serving(t, echo)
		want := answers(t, b.alone, c.text+next, 2)
		more := []string{next}
		if strings.Contains(want[0], "close=true") {
			more = nil // who sends on to who has hung up may lose the answer
		}
		got := answers(t, b.plain, c.text, 2, more...)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%.80q: net/http and we (-, +):\n%s", c.text, d)
		}
		if plain := b.handed.Load() == 0; plain != c.plain && len(want) == len(got) {
			t.Errorf("%.80q: plain is %t, want %t", c.text, plain, c.plain)
		}
	}
}

// The same requests, in pieces.
func TestRequestsInPieces(t *testing.T) {
	for _, c := range requests[:15] {
		for _, at := range []int{1, 10, bytes.Index([]byte(c.text), headEnd) + 2, bytes.Index([]byte(c.text), headEnd) + 4, len(c.text) - 1} {
			if at >= len(c.text) {
				continue
			}
			b := serving(t, echo)
			want := answers(t, b.alone, c.text, 1)
			got := answers(t, b.plain, c.text[:at], 1, c.text[at:])
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%.60q, cut at %d: net/http and we (-, +):\n%s", c.text, at, d)
			}
		}
	}
}

// Whoever takes their time is net/http's, with what they have sent.
func TestWhoIsSlowIsPassedOn(t *testing.T) {
	const text = "POST /a HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\nbody"
	for _, at := range []int{5, 30, len(text) - 2} {
		b := serving(t, echo, func(s *Server) { s.patience = 1 })
		conn := dial(t, b.plain)
		conn.send(text[:at])
		for b.handed.Load() == 0 {
			runtime.Gosched()
		}
		conn.send(text[at:])
		if got := conn.answer(); !strings.HasSuffix(got, "body") {
			t.Errorf("cut at %d: %s", at, got)
		}
	}
}

// peer is one connection of a client, and what is read from it.
type peer struct {
	t *testing.T
	net.Conn
	from *bufio.Reader
}

func dial(t *testing.T, addr string) *peer {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute)) // rather than wait for ever
	return &peer{t, c, bufio.NewReader(c)}
}

func (p *peer) send(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.Conn, text); err != nil {
		p.t.Fatal(err)
	}
}

// answer is the status and the body of the next answer; "end" if there is none.
func (p *peer) answer() string {
	p.t.Helper()
	res, err := http.ReadResponse(p.from, nil)
	if err != nil {
		return "end"
	}
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Sprint(res.Status, " ", string(body), " ", err)
	}
	if res.Close {
		return res.Status + ", close " + string(body)
	}
	return res.Status + " " + string(body)
}

// handlers answer in all the ways there are.
var handlers = map[string]http.HandlerFunc{
	"nothing":        func(w http.ResponseWriter, r *http.Request) {},
	"a status":       func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusTeapot) },
	"no content":     func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(http.StatusNoContent) },
	"an odd status":  func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(299); _, _ = io.WriteString(w, "x") },
	"two statuses":   func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(201); w.WriteHeader(500) },
	"a header late":  func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(201); w.Header().Set("X-Late", "1") },
	"a type guessed": func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "<html>") },
	"no type": func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Content-Type"] = nil
		_, _ = io.WriteString(w, "<html>")
	},
	"a coding": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		_, _ = io.WriteString(w, "\x1f\x8b")
	},
	"not modified": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Etag", `"1"`)
		w.WriteHeader(http.StatusNotModified)
		if _, err := io.WriteString(w, "x"); !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	},
	"no content, of a length": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusNoContent)
	},
	"not modified, of a length": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(http.StatusNotModified)
	},
	"hints, of a length": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		w.WriteHeader(http.StatusEarlyHints)
		_, _ = io.WriteString(w, "hello")
	},
	"a status that is none": func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(0) },
	"a length": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hello")
	},
	"more than its length": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hello")
		if n, err := io.WriteString(w, "more"); n != 0 || !errors.Is(err, http.ErrContentLength) {
			panic(err)
		}
	},
	"less than its length": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hell")
	},
	"lines in a header": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Split", "a\r\nSet-Cookie: b=c\r\n\r\nbody")
		w.Header().Set("X-Bad\r\nName", "a")
		w.Header().Set("X-Blank", "  a b\t ")
	},
	"many headers": func(w http.ResponseWriter, r *http.Request) {
		for i := range 40 {
			w.Header().Add(fmt.Sprintf("X-%d", i), strings.Repeat("x", i))
			w.Header().Add(fmt.Sprintf("X-%d", i), "")
		}
	},
	"a date of its own": func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Date", "today") },
	"the last": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, "bye")
	},
	"parts": func(w http.ResponseWriter, r *http.Request) {
		for range 3 {
			_, _ = io.WriteString(w, "part")
			w.(http.Flusher).Flush()
		}
		w.(http.Flusher).Flush()
	},
	"a header first": func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).Flush(); err != nil {
			panic(err)
		}
		_, _ = io.WriteString(w, "body")
	},
	"parts of a length": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "8")
		for range 2 {
			_, _ = io.WriteString(w, "part")
			w.(http.Flusher).Flush()
		}
	},
	"much": func(w http.ResponseWriter, r *http.Request) {
		for i := range 3000 {
			_, _ = fmt.Fprintf(w, "line %d of many\n", i)
		}
	},
	"much at once": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "200000")
		_, _ = w.Write(bytes.Repeat([]byte("x"), 200_000))
	},
	"much at once, of no length": func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(bytes.Repeat([]byte("x"), 200_000))
	},
	"hints": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</a>")
		w.WriteHeader(http.StatusEarlyHints)
		w.Header().Del("Link")
		_, _ = io.WriteString(w, "hello")
	},
	"a panic": func(w http.ResponseWriter, r *http.Request) { panic("of a handler") },
	"an abort": func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "8")
		_, _ = io.WriteString(w, "part")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	},
	"a body unread": func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, "hello") },
	"a body by parts": func(w http.ResponseWriter, r *http.Request) {
		var b [1]byte
		_, err := io.ReadFull(r.Body, b[:])
		cerr := r.Body.Close()
		n, again := r.Body.Read(b[:])
		fmt.Fprint(w, string(b[:]), err == nil, cerr, n, again != nil)
	},
}

// Whatever a handler does is sent as net/http alone would send it.
func TestHandlersAreServedAlike(t *testing.T) {
	for name, h := range handlers {
		for _, method := range []string{"GET", "HEAD", "POST"} {
			if method == "HEAD" && strings.Contains(name, "much") {
				continue // net/http says a length or not as its buffers have it
			}
			text := method + " /a HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\nbody"
			b := serving(t, h)
			want, got := answers(t, b.alone, text+text, 2), answers(t, b.plain, text+text, 2)
			if d := cmp.Diff(want, got); d != "" {
				t.Errorf("%s, %s: net/http and we (-, +):\n%s", name, method, d)
			}
			if b.passed.Load() > 0 {
				t.Errorf("%s, %s: was left to net/http", name, method)
			}
			if name == "a panic" && !strings.Contains(b.log.String(), "of a handler") {
				t.Errorf("a panic is logged as %q", b.log.String())
			}
		}
	}
}

// A request's context is done with the request, and when the client has gone, for
// whoever asks and however.
func TestTheContextOfARequest(t *testing.T) {
	type key struct{}
	derived := map[string]func(context.Context) context.Context{
		"itself": func(ctx context.Context) context.Context { return ctx },
		"a child": func(ctx context.Context) context.Context {
			child, cancel := context.WithCancel(context.WithValue(ctx, key{}, 1))
			context.AfterFunc(child, cancel)
			return child
		},
	}
	for name, derive := range derived {
		kept := make(chan context.Context, 1)
		b := serving(t, func(w http.ResponseWriter, r *http.Request) {
			ctx := derive(r.Context())
			if r.URL.Path == "/wait" {
				<-ctx.Done()
			}
			if err := ctx.Err(); (err != nil) != (r.URL.Path == "/wait") {
				panic(err)
			}
			kept <- ctx
		})
		c := dial(t, b.plain)
		c.send("GET /wait HTTP/1.1\r\n" + host + "\r\n")
		c.Close()
		<-kept
		c = dial(t, b.plain)
		c.send("GET / HTTP/1.1\r\n" + host + "\r\n")
		if got := c.answer(); got != "200 OK " {
			t.Errorf("%s: %q", name, got)
		}
		ctx := <-kept
		if <-ctx.Done(); !errors.Is(ctx.Err(), context.Canceled) {
			t.Errorf("%s, after the request: %v", name, ctx.Err())
		}
	}
}

// gone waits until a request's client is seen to go, and says what its context
// says of that.
func gone(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(10 * time.Second):
		return errors.New("the client is not seen to go")
	}
}

// A request of whatever size ends when its client goes.
func TestTheContextOfALongRequest(t *testing.T) {
	for _, size := range []int{0, room - 1000, room, 10_000, maxBody} {
		ended := make(chan error, 1)
		b := serving(t, func(w http.ResponseWriter, r *http.Request) {
			ended <- gone(r.Context())
		})
		c := dial(t, b.plain)
		head := fmt.Sprintf("PUT / HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n", host, size)
		if size == room { // all of what is read at once
			size = room - len(head)
			head = fmt.Sprintf("PUT / HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n", host, size)
		}
		c.send(head + strings.Repeat("x", size))
		c.Close()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("a body of %d bytes: %v", size, err)
		}
		if b.passed.Load() > 0 {
			t.Errorf("a body of %d bytes: was left to net/http", size)
		}
	}
}

// What bounds the time that a request may take to come bounds nothing once it has.
func TestTheContextOfARequestThatTakesItsTime(t *testing.T) {
	b := serving(t, func(w http.ResponseWriter, r *http.Request) {
		control := http.NewResponseController(w)
		if err := control.SetReadDeadline(time.Now().Add(30 * time.Millisecond)); err != nil {
			t.Error(err)
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			t.Error(err)
		}
		select {
		case <-r.Context().Done():
			_, _ = io.WriteString(w, "the client is taken for gone")
		case <-time.After(300 * time.Millisecond):
		}
	}, func(s *Server) { s.HeaderTimeout, s.IdleTimeout = 100*time.Millisecond, time.Minute })
	for name, addr := range map[string]string{"net/http": b.alone, "we": b.plain} {
		c := dial(t, addr)
		for range 2 {
			c.send("POST / HTTP/1.1\r\n" + host + "Content-Length: 4\r\n\r\nbody")
			if got := c.answer(); got != "200 OK " {
				t.Errorf("%s: %q", name, got)
			}
		}
	}
	if b.passed.Load() > 0 {
		t.Error("was left to net/http")
	}
}

// Who does not take what is written is gone, whatever else they have sent.
func TestTheContextOfAnAnswerThatIsNotTaken(t *testing.T) {
	for _, asks := range []bool{false, true} {
		ended := make(chan error, 1)
		b := serving(t, func(w http.ResponseWriter, r *http.Request) {
			if asks {
				_ = r.Context().Done()
			}
			control := http.NewResponseController(w)
			_ = control.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
			var err error
			for some := make([]byte, 1<<20); err == nil; err = control.Flush() {
				_, _ = w.Write(some)
			}
			ended <- gone(r.Context())
		})
		c := dial(t, b.plain)
		c.send("GET / HTTP/1.1\r\n" + host + "\r\nG")
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("asked before: %t: %v", asks, err)
		}
	}
}

// What comes while a handler waits for its client to go is the next request, in
// whatever pieces.
func TestRequestsThatComeMeanwhile(t *testing.T) {
	waits, go_ := make(chan bool), make(chan bool)
	b := serving(t, func(w http.ResponseWriter, r *http.Request) {
		done := r.Context().Done()
		if r.URL.Path == "/wait" {
			waits <- true
			<-go_
		}
		select {
		case <-done:
			panic("the client is there")
		default:
		}
		_, _ = io.WriteString(w, r.URL.Path)
	})
	next := "GET /next HTTP/1.1\r\n" + host + "\r\n"
	for _, at := range []int{0, 1, 20, len(next)} {
		c := dial(t, b.plain)
		for range 3 {
			c.send("GET /wait HTTP/1.1\r\n" + host + "\r\n")
			<-waits
			c.send(next[:at])
			go_ <- true
			if got := c.answer(); got != "200 OK /wait" {
				t.Fatalf("cut at %d: %q", at, got)
			}
			c.send(next[at:])
			if got := c.answer(); got != "200 OK /next" {
				t.Fatalf("the next, cut at %d: %q", at, got)
			}
		}
	}
}

// A connection that is taken away with a request on it is as if that had not
// come, and one that is to have no other ends after the answer, which says so.
func TestConnectionsThatAreClosed(t *testing.T) {
	var served atomic.Int64
	var c *client
	b := serving(t, func(w http.ResponseWriter, r *http.Request) {
		served.Add(1)
		if r.URL.Path == "/last" {
			c.closed.Store(true)
		}
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for path, want := range map[string]string{"/last": "200 OK, close ", "/never": "end"} {
		p := dial(t, l.Addr().String())
		conn, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		c = &client{Conn: conn}
		c.closed.Store(path == "/never")
		ended := make(chan struct{})
		before := served.Load()
		go func() {
			b.server.serve(c, &leftover{closed: make(chan struct{})})
			close(ended)
		}()
		p.send("GET " + path + " HTTP/1.1\r\n" + host + "\r\n")
		if got := p.answer(); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
		<-ended
		if !c.gone.Load() {
			t.Errorf("%s: the connection is not said to have gone", path)
		}
		if n := served.Load() - before; (n == 1) != (path == "/last") {
			t.Errorf("%s: served %d times", path, n)
		}
	}
}

// Failures to take connections in are told of by Accept, and end nothing.
func TestFailuresToAccept(t *testing.T) {
	failing := &failingListener{errs: make(chan error)}
	l := (&Server{}).Listener(failing)
	for _, err := range []error{errors.New("one"), errors.New("two")} {
		failing.errs <- err
		if _, got := l.Accept(); !errors.Is(got, err) {
			t.Errorf("got %v, want %v", got, err)
		}
	}
	failing.errs <- net.ErrClosed // below: who is connected may have more to say
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener: %v", err)
	}
}

type failingListener struct {
	net.Listener
	errs chan error
}

func (l *failingListener) Accept() (net.Conn, error) { return nil, <-l.errs }
func (l *failingListener) Close() error              { return nil }

// Whatever is taken for plain is read as net/http reads it.
func FuzzParse(f *testing.F) {
	for _, c := range requests {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		end := bytes.Index(b, headEnd)
		if end < 0 {
			return
		}
		e := parse(string(b[:end+2]))
		if e == nil {
			return
		}
		want, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			t.Fatalf("net/http refuses it: %v", err)
		}
		got := e.request
		if d := cmp.Diff(want, got, cmpopts.IgnoreUnexported(http.Request{}), cmpopts.IgnoreFields(http.Request{}, "Body")); d != "" {
			t.Errorf("net/http and we (-, +):\n%s", d)
		}
	})
}

package nexus

import (
	"bufio"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"
)

func TestAClosingListenerTakesInWhoHasConnected(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := drain(tcp.(*net.TCPListener), newConnections(10, slog.New(slog.DiscardHandler)))
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := client.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	for range 2 { // http.Server closes a listener twice
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	served, err := l.Accept()
	if err != nil {
		t.Fatalf("who connected before the listener closed is turned away: %v", err)
	}
	defer served.Close()
	if _, err := io.ReadFull(served, make([]byte, 1)); err != nil {
		t.Error(err)
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a closed listener: %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("the port is still open: %v", err)
	}
}

// peer is one connection of a client, and what is read from it.
type peer struct {
	t *testing.T
	net.Conn
	from *bufio.Reader
}

func connect(t *testing.T, at string) *peer {
	t.Helper()
	c, err := net.Dial("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &peer{t, c, bufio.NewReader(c)}
}

func (c *peer) send(text string) {
	c.t.Helper()
	if _, err := io.WriteString(c, text); err != nil {
		c.t.Fatal(err)
	}
}

// answer is the status of the next answer, with "close" if it is the last; "" at
// the end of the connection.
func (c *peer) answer() string {
	_ = c.SetReadDeadline(time.Now().Add(time.Minute)) // rather than wait for ever
	res, err := http.ReadResponse(c.from, nil)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Fatal("neither an answer nor an end")
	}
	if err != nil {
		return ""
	}
	_, _ = io.Copy(io.Discard, res.Body)
	if res.Close {
		return res.Status + ", close"
	}
	return res.Status
}

// ported is a server on a free port with as many connections as most, and with
// what is plain served before it.
func ported(t *testing.T, most int) (srv *http.Server, l *drained, conns *connections) {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns = newConnections(most, slog.New(slog.DiscardHandler))
	l = drain(tcp.(*net.TCPListener), conns)
	srv = &http.Server{ConnState: conns.note, Handler: conns.last(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}
	}))}
	go srv.Serve(plainly(srv, srv.Handler, slog.New(slog.DiscardHandler)).Listener(l))
	t.Cleanup(func() { srv.Close() })
	return srv, l, conns
}

const get = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

func TestConnectionsLeaveFilesForTheRest(t *testing.T) {
	for files, want := range map[uint64]int{
		64: 32, 100: 50, 128: 64, 256: 64, 320: 64, 321: 65, 1024: 768, 20_000: 16_384, 1 << 63: 16_384, // which may mean that there is no limit
	} {
		if got := connectionsOf(files); got != want {
			t.Errorf("of %d files %d may be connections, want %d", files, got, want)
		}
	}
}

// Who has a connection open when the server ends is served on it once more, and
// told that that is the last answer.
func TestAnEndServesWhoIsConnected(t *testing.T) {
	srv, l, conns := ported(t, 10)
	kept, fresh := connect(t, l.Addr().String()), connect(t, l.Addr().String())
	kept.send(get)
	if got := kept.answer(); got != "200 OK" {
		t.Fatalf("before the end: %q", got)
	}
	settled := make(chan struct{})
	go func() {
		settle(t.Context(), time.Hour, conns, []*drained{l})
		close(settled)
	}()
	for !conns.ending.Load() {
		runtime.Gosched()
	}
	for name, c := range map[string]*peer{"kept open": kept, "that has sent nothing yet": fresh} {
		c.send(get)
		if got := c.answer(); got != "200 OK, close" {
			t.Errorf("a connection %s: %q", name, got)
		}
	}
	<-settled // at once: nobody is left
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
}

// Who says nothing holds up the end for a while only.
func TestAnEndHangsUpOnWhoSaysNothing(t *testing.T) {
	srv, l, conns := ported(t, 10)
	quiet := connect(t, l.Addr().String())
	quiet.send(get)
	quiet.answer()
	settle(t.Context(), time.Millisecond, conns, []*drained{l})
	if err := (&Server{conns: conns}).shutdown(t.Context(), []*http.Server{srv}); err != nil {
		t.Error(err)
	}
	if got := quiet.answer(); got != "" {
		t.Errorf("got %q", got)
	}
}

// idle is how many connections are idle.
func (cs *connections) idle() (n int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for c := range cs.open {
		if c.idle.Load() > 0 {
			n++
		}
	}
	return n
}

// When there are as many connections as there may be, the one that has been
// idle longest makes room; where none is idle, a new one is turned away.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	const most = 4
	_, l, conns := ported(t, most)
	var idle []*peer
	for range most {
		c := connect(t, l.Addr().String())
		c.send(get)
		if got := c.answer(); got != "200 OK" {
			t.Fatal(got)
		}
		idle = append(idle, c)
	}
	for conns.idle() < most { // a server notes it once it has answered
		runtime.Gosched()
	}
	var busy []*peer
	for range most {
		c := connect(t, l.Addr().String())
		c.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
		if line, err := c.from.ReadString('\n'); line != "HTTP/1.1 200 OK\r\n" {
			t.Fatalf("in place of one that is idle: %q, %v", line, err)
		}
		busy = append(busy, c)
	}
	for i, c := range idle {
		if got := c.answer(); got != "" {
			t.Errorf("idle connection %d: %q", i, got)
		}
	}
	if got := connect(t, l.Addr().String()).answer(); got != "503 Service Unavailable, close" {
		t.Errorf("where all are at work: %q", got)
	}
	busy[0].Close()
	for { // until the server has seen that
		c := connect(t, l.Addr().String())
		if c.send(get); c.answer() == "200 OK" {
			break
		}
	}
}

// Who sends a header that never ends is idle too, also on a connection that has
// been served, and keeps nobody out.
func TestHeadersThatNeverEndKeepNobodyOut(t *testing.T) {
	const most = 4
	_, l, conns := ported(t, most)
	var slow []*peer
	for i := range most {
		c := connect(t, l.Addr().String())
		if i%2 == 1 {
			c.send(get)
			c.answer()
		}
		c.send("GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		slow = append(slow, c)
	}
	for conns.idle() < most { // a server notes it once it has answered
		runtime.Gosched()
	}
	for range most {
		c := connect(t, l.Addr().String())
		if c.send(get); c.answer() != "200 OK" {
			t.Error("who says what they want is turned away")
		}
	}
	for i, c := range slow {
		if got := c.answer(); got != "" {
			t.Errorf("slow connection %d: %q", i, got)
		}
	}
}

// A request that has been read from a connection that is taken away is as if it
// had not come: nobody could be told what it has done.
func TestWhatIsReadOfATakenConnectionIsNotBegun(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	connect(t, tcp.Addr().String())
	accepted, err := tcp.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conns := newConnections(1, slog.New(slog.DiscardHandler))
	c := conns.admit(accepted.(*net.TCPConn))
	c.Unread([]byte("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")) // as what is not plain comes to net/http
	conns.mu.Lock()
	conns.evict()
	conns.mu.Unlock()

	gone := make(chan struct{})
	srv := &http.Server{
		ConnState: func(nc net.Conn, state http.ConnState) {
			if state == http.StateClosed {
				close(gone)
			}
			conns.note(nc, state)
		},
		Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the request is served") }),
	}
	go srv.Serve(&one{c: c})
	defer srv.Close()
	<-gone
}

// one is a listener of one connection.
type one struct {
	net.Listener
	c net.Conn
}

func (l *one) Accept() (net.Conn, error) {
	c := l.c
	if l.c = nil; c == nil {
		return nil, net.ErrClosed
	}
	return c, nil
}

func (l *one) Close() error { return nil }

package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// memory is a connection of a client that has sent all it ever will.
type memory struct {
	from *bytes.Reader
	into bytes.Buffer
	once sync.Once
	gone chan struct{}
	mu   sync.Mutex
}

func (m *memory) Read(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.from.Read(p)
}
func (m *memory) Write(p []byte) (int, error)      { return m.into.Write(p) }
func (m *memory) Close() error                     { m.once.Do(func() { close(m.gone) }); return nil }
func (m *memory) LocalAddr() net.Addr              { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 80} }
func (m *memory) RemoteAddr() net.Addr             { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 81} }
func (m *memory) SetDeadline(time.Time) error      { return nil }
func (m *memory) SetReadDeadline(time.Time) error  { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }

// dialed is a listener of connections that are made to it in memory.
type dialed chan net.Conn

func (d dialed) Accept() (net.Conn, error) {
	c, ok := <-d
	if !ok {
		return nil, net.ErrClosed
	}
	return c, nil
}
func (d dialed) Close() error   { return nil }
func (d dialed) Addr() net.Addr { return &net.TCPAddr{} }

// said sends text to a server and returns its answers, each as it would be
// written, but for what no two servers send alike.
func said(t *testing.T, l dialed, wrap func(net.Conn) net.Conn, text []byte) (all []string) {
	m := &memory{from: bytes.NewReader(text), gone: make(chan struct{})}
	l <- wrap(m)
	select {
	case <-m.gone:
	case <-time.After(10 * time.Second):
		t.Fatalf("%q: the connection stays open", text)
	}
	from := bufio.NewReader(&m.into)
	for {
		res, err := http.ReadResponse(from, &http.Request{Method: http.MethodGet})
		if err != nil {
			if !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
				all = append(all, err.Error())
			}
			return all
		}
		res.Header.Del("Date")
		body, _ := io.ReadAll(res.Body) // what lacks is seen
		var b bytes.Buffer
		b.WriteString(res.Status + "\n")
		_ = res.Header.Write(&b)
		b.Write(body)
		all = append(all, b.String())
	}
}

// Whatever bytes come on a connection, they are the same requests here as to
// net/http, and as many.
func FuzzServe(f *testing.F) {
	for _, c := range requests {
		f.Add([]byte(c.text + "GET /next HTTP/1.1\r\n" + host + "\r\n"))
	}
	echoed := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.Header().Set("X-Head", r.RequestURI)
			w.Header().Set("Content-Length", "0") // so that answers can be told apart
			return
		}
		echo(w, r)
	})
	alone, plain := make(dialed), make(dialed)
	quiet := slog.NewLogLogger(slog.DiscardHandler, 0)
	go (&http.Server{Handler: echoed, ErrorLog: quiet}).Serve(alone)
	s := &Server{Handler: echoed, Logger: slog.New(slog.DiscardHandler)}
	go (&http.Server{Handler: echoed, ErrorLog: quiet}).Serve(s.Listener(plain))
	f.Fuzz(func(t *testing.T, text []byte) {
		want := said(t, alone, func(c net.Conn) net.Conn { return c }, text)
		got := said(t, plain, func(c net.Conn) net.Conn { return &client{Conn: c} }, text)
		if len(got) == len(want)+1 && len(want) > 0 && strings.HasPrefix(got[len(want)], "400 ") {
			got = got[:len(want)] // to who has closed after less than four bytes net/http says nothing, but on a new connection
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%q: net/http and we (-, +):\n%s", text, d)
		}
	})
}

package front

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
)

func handler(log *bytes.Buffer, o Options, next http.HandlerFunc) *Handler {
	o.Logger = slog.New(slog.NewTextHandler(log, nil))
	return New(next, o)
}

func TestAPanicBecomesAProblem(t *testing.T) {
	var log bytes.Buffer
	h := handler(&log, Options{}, func(http.ResponseWriter, *http.Request) { panic("the secret cause") })
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("X-Request-ID", "r1")
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	const want = `{"type":"urn:flowctl:problem:internal","title":"Internal Server Error","status":500,"detail":"something went wrong inside the server","code":"internal","request_id":"r1"}`
	if w.Code != 500 || w.Body.String() != want {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if !strings.Contains(log.String(), "the secret cause") || !strings.Contains(log.String(), "request_id=r1") {
		t.Errorf("the log lacks the cause or the request: %s", &log)
	}
}

func TestAPanicAfterHalfAnAnswerDropsTheConnection(t *testing.T) {
	var log bytes.Buffer
	srv := httptest.NewServer(handler(&log, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		w.Write([]byte("half"))
		panic("then this")
	}))
	defer srv.Close()
	res, err := http.Get(srv.URL)
	if err == nil {
		var body bytes.Buffer
		_, err = body.ReadFrom(res.Body)
		res.Body.Close()
	}
	if err == nil {
		t.Error("the client takes half an answer for a whole one")
	}
}

// claims is a body that is shorter than it says.
type claims struct{ room int }

func (c *claims) Read(p []byte) (int, error) {
	c.room = max(c.room, len(p))
	return 0, io.ErrUnexpectedEOF
}

func TestABodyGetsLittleRoomForWhatItOnlyClaims(t *testing.T) {
	var log bytes.Buffer
	var got error
	h := handler(&log, Options{MaxBody: 1 << 30}, func(w http.ResponseWriter, _ *http.Request) {
		_, got = w.(*Exchange).Body()
	})
	body := &claims{}
	r := httptest.NewRequest("POST", "/", body)
	r.ContentLength = 1 << 30
	h.ServeHTTP(httptest.NewRecorder(), r)
	if e := dataflow.AsError(got); e.Code != "cancelled" || body.room > maxAhead+1 {
		t.Errorf("%v; room for %d bytes", got, body.room)
	}
}

// untaken is a writer whose client is gone.
type untaken struct{ *httptest.ResponseRecorder }

func (untaken) Write([]byte) (int, error) {
	return 0, &net.OpError{Op: "write", Err: syscall.ECONNRESET}
}

func TestAClientThatTakesNoAnswerIsNoFaultOfTheServer(t *testing.T) {
	var log bytes.Buffer
	h := handler(&log, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		_, err := w.Write([]byte("a part"))
		w.(*Exchange).LogFault(err)
	})
	h.ServeHTTP(untaken{httptest.NewRecorder()}, httptest.NewRequest("GET", "/", nil))
	if got := log.String(); strings.Contains(got, "level=ERROR") || !strings.Contains(got, "code=cancelled") {
		t.Errorf("the log: %s", got)
	}
}

func TestLoopbackAllowsNamesOfThisMachineOnly(t *testing.T) {
	var log bytes.Buffer
	ok := func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }
	tests := []struct {
		origins []string
		host    string
		want    int
	}{
		{nil, "localhost:8000", 204},
		{nil, "LocalHost", 204},
		{nil, "shop.localhost:8000", 204},
		{nil, "127.0.0.1:8000", 204},
		{nil, "127.0.0.2", 204},
		{nil, "[::1]:8000", 204},
		{nil, "[::1]", 204},
		{nil, "evil.example:8000", 421},
		{nil, "192.168.0.1", 421},
		{nil, "localhost.evil.example", 421},
		{nil, "", 421},
		{[]string{"https://shop.example"}, "shop.example", 204},
		{[]string{"https://shop.example"}, "other.example", 421},
		{[]string{"*"}, "any.example", 204},
	}
	for _, tt := range tests {
		h := Loopback(handler(&log, Options{Origins: tt.origins}, ok))
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = tt.host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("Host %q with origins %q: %d, want %d", tt.host, tt.origins, w.Code, tt.want)
		}
	}
}

package front

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/flowctl/flowctl/dataflow"
)

func TestWhoTakesGzip(t *testing.T) {
	tests := []struct {
		accept []string
		want   bool
	}{
		{nil, false},
		{[]string{""}, false},
		{[]string{"gzip"}, true},
		{[]string{"GZIP"}, true},
		{[]string{"x-gzip"}, true},
		{[]string{"br, gzip;q=0.5"}, true},
		{[]string{"br", "gzip"}, true},
		{[]string{"gzip;q=0"}, false},
		{[]string{"gzip; Q=0.000, *"}, false},
		{[]string{"*"}, true},
		{[]string{"*;q=0"}, false},
		{[]string{"identity, br"}, false},
	}
	for _, tt := range tests {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["Accept-Encoding"] = tt.accept
		if got := AcceptsGzip(r); got != tt.want {
			t.Errorf("%q: %v, want %v", tt.accept, got, tt.want)
		}
	}
}

// sent answers a request with text, under a tag if that is not "".
func sent(t *testing.T, text, tag, method string, headers ...string) *http.Response {
	t.Helper()
	var log bytes.Buffer
	h := handler(&log, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		x := w.(*Exchange)
		x.Out = append(x.Out, text...)
		if tag == "" {
			x.Send(http.StatusCreated)
		} else {
			x.SendTagged(tag)
		}
	})
	r := httptest.NewRequest(method, "/", nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result()
}

func TestALargeAnswerIsPackedForWhoTakesThat(t *testing.T) {
	large, small := strings.Repeat(`{"a":1},`, 1000), `{"a":1}`
	tests := []struct {
		name, text, tag, accept string
		coding, vary, etag      string
	}{
		{"packed", large, "", "gzip", "gzip", "Accept-Encoding", ""},
		{"not asked for", large, "", "", "", "Accept-Encoding", ""},
		{"small", small, "", "gzip", "", "", ""},
		{"a strong tag is another", large, `"5"`, "gzip", "gzip", "Accept-Encoding", `"5-gzip"`},
		{"and stays", large, `"5"`, "br", "", "Accept-Encoding", `"5"`},
		{"a weak tag is the same", large, `W/"5"`, "gzip", "gzip", "Accept-Encoding", `W/"5"`},
		{"that of what is small too", small, `"5"`, "gzip", "", "", `"5"`},
	}
	for _, tt := range tests {
		for _, method := range []string{"GET", "HEAD"} {
			res := sent(t, tt.text, tt.tag, method, "Accept-Encoding", tt.accept)
			body, _ := io.ReadAll(res.Body)
			h := res.Header
			if h.Get("Content-Encoding") != tt.coding || strings.Join(h["Vary"], ",") != tt.vary || h.Get("ETag") != tt.etag {
				t.Errorf("%s, %s: %v", tt.name, method, h)
			}
			if method == "HEAD" {
				continue
			}
			if head := sent(t, tt.text, tt.tag, "HEAD", "Accept-Encoding", tt.accept); head.Header.Get("Content-Length") != h.Get("Content-Length") {
				t.Errorf("%s: HEAD says %s bytes, GET %s", tt.name, head.Header.Get("Content-Length"), h.Get("Content-Length"))
			}
			if tt.coding == "gzip" {
				z, err := gzip.NewReader(bytes.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				body, _ = io.ReadAll(z)
			}
			if string(body) != tt.text {
				t.Errorf("%s: the answer is not what was sent", tt.name)
			}
		}
	}
}

func TestWhoHasTheAnswerIsToldSo(t *testing.T) {
	large := strings.Repeat(`{"a":1},`, 1000)
	tests := []struct {
		tag, known string
		want       int
		etag       string
	}{
		{`"5"`, `"5"`, 304, `"5"`},
		{`"5"`, `W/"5"`, 304, `"5"`},
		{`"5"`, `"5-gzip"`, 304, `"5-gzip"`},
		{`"5"`, `"4", "5-gzip"`, 304, `"5-gzip"`},
		{`"5"`, `*`, 304, `"5"`},
		{`"5"`, `"55"`, 200, `"5"`},
		{`"5"`, `5`, 200, `"5"`},
		{`W/"5"`, `W/"5"`, 304, `W/"5"`},
		{`W/"5"`, `"5"`, 304, `W/"5"`},
		{`W/"5"`, `W/"6"`, 200, `W/"5"`},
	}
	for _, tt := range tests {
		res := sent(t, large, tt.tag, "GET", "If-None-Match", tt.known)
		body, _ := io.ReadAll(res.Body)
		if res.StatusCode != tt.want || res.Header.Get("ETag") != tt.etag || res.Header.Get("Vary") != "Accept-Encoding" || (len(body) == 0) != (tt.want == 304) {
			t.Errorf("tag %s, If-None-Match %s: %d %v, %d bytes", tt.tag, tt.known, res.StatusCode, res.Header, len(body))
		}
	}
}

func pack(t *testing.T, text []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestAPackedBodyIsReadWithinBounds(t *testing.T) {
	text := []byte(strings.Repeat("some text, ", 50))
	good := pack(t, text)
	flipped := bytes.Clone(good)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	const limit = 64 << 10
	tests := []struct {
		name   string
		coding string
		body   []byte
		code   string // "": the text comes out
	}{
		{"packed", "gzip", good, ""},
		{"in two members", "gzip", append(pack(t, text[:100]), pack(t, text[100:])...), ""},
		{"by its old name", "X-Gzip", good, ""},
		{"as it is", "identity", text, ""},
		{"cut off", "gzip", good[:len(good)-9], "malformed_request"},
		{"cut off in the head", "gzip", good[:5], "malformed_request"},
		{"not packed", "gzip", text, "malformed_request"},
		{"altered", "gzip", flipped, "malformed_request"},
		{"something behind it", "gzip", append(bytes.Clone(good), "more"...), "malformed_request"},
		{"a bomb", "gzip", pack(t, make([]byte, 40*limit)), "body_too_large"},
		{"a bomb of nothing", "gzip", bytes.Repeat(pack(t, nil), limit), "body_too_large"},
		{"packed by what is not known", "br", good, "unsupported_media_type"},
		{"packed twice", "gzip, gzip", good, "unsupported_media_type"},
	}
	for _, tt := range tests {
		for _, known := range []bool{true, false} { // its length
			var log bytes.Buffer
			var got []byte
			var err error
			room := 0
			h := handler(&log, Options{MaxBody: limit}, func(w http.ResponseWriter, _ *http.Request) {
				x := w.(*Exchange)
				got, err = x.Body()
				got, room = bytes.Clone(got), cap(x.body)
				if err != nil {
					x.Fail(err)
				}
			})
			r := httptest.NewRequest("POST", "/", bytes.NewReader(tt.body))
			if !known {
				r.ContentLength = -1
			}
			r.Header.Set("Content-Encoding", tt.coding)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			switch {
			case tt.code == "" && (err != nil || string(got) != string(text)):
				t.Errorf("%s: %v, %d bytes", tt.name, err, len(got))
			case tt.code != "" && (err == nil || dataflow.AsError(err).Code != tt.code):
				t.Errorf("%s: %v, want %s", tt.name, err, tt.code)
			case (w.Header().Get("Accept-Encoding") != "") != (tt.code == "unsupported_media_type"):
				t.Errorf("%s: %v", tt.name, w.Header())
			case room > 4*limit:
				t.Errorf("%s: %d bytes of room", tt.name, room)
			}
		}
	}
}

// What a few bytes unpack to is not taken, however much may be sent as it is.
func TestABombIsNotUnpacked(t *testing.T) {
	var rows bytes.Buffer
	for i := 0; rows.Len() < 3<<20; i++ {
		fmt.Fprintf(&rows, `{"id":%d,"status":"active","amount":"0.00","country":"DE","created_at":"2026-01-31T12:00:00Z","updated_at":"2026-01-31T12:00:00Z","category":"standard","children":[],"meta":{"source":"import","version":1}}`+"\n", i)
	}
	const bomb = "the body unpacks to more than 250 times its size"
	for _, tt := range []struct {
		name, coding string
		body         []byte
		want         string // "": it is taken
	}{
		{"a million of one byte", "gzip", pack(t, make([]byte, 1<<20)), ""},
		{"and some more", "gzip", pack(t, make([]byte, 3<<20)), bomb},
		{"blank lines", "gzip", pack(t, bytes.Repeat([]byte("\n"), 100<<20)), bomb},
		{"behind an honest beginning", "gzip", append(pack(t, rows.Bytes()), pack(t, make([]byte, 100<<20))...), bomb},
		{"as it is", "identity", make([]byte, 100<<20), ""},
		{"rows that are much alike", "gzip", pack(t, rows.Bytes()), ""},
	} {
		var log bytes.Buffer
		var size int64
		var err error
		h := handler(&log, Options{MaxBody: 1 << 30}, func(w http.ResponseWriter, _ *http.Request) {
			var b io.ReadCloser
			if b, err = w.(*Exchange).Stream(1<<30, time.Minute, nil); err == nil {
				size, err = io.Copy(io.Discard, b)
				b.Close()
			}
		})
		r := httptest.NewRequest("POST", "/", bytes.NewReader(tt.body))
		r.Header.Set("Content-Encoding", tt.coding)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		switch {
		case tt.want == "" && err != nil:
			t.Errorf("%s: %v", tt.name, err)
		case tt.want == "":
		case err == nil || dataflow.AsError(err).Message != tt.want || dataflow.AsError(err).Code != "body_too_large":
			t.Errorf("%s: %v, want %s", tt.name, err, tt.want)
		case size > 256*int64(len(tt.body))+2<<20 || w.Header().Get("Connection") != "close":
			t.Errorf("%s: %d bytes came out, %v", tt.name, size, w.Header())
		}
	}
}

func TestAClientThatVanishesWhileItSendsIsNoBrokenBody(t *testing.T) {
	text := pack(t, []byte(strings.Repeat("some text, ", 50)))
	var log bytes.Buffer
	var err error
	h := handler(&log, Options{MaxBody: 1 << 20}, func(w http.ResponseWriter, _ *http.Request) { _, err = w.(*Exchange).Body() })
	r := httptest.NewRequest("POST", "/", io.MultiReader(bytes.NewReader(text[:20]), iotest.ErrReader(io.ErrUnexpectedEOF)))
	r.Header.Set("Content-Encoding", "gzip")
	h.ServeHTTP(httptest.NewRecorder(), r)
	if dataflow.AsError(err).Code != "cancelled" {
		t.Error(err)
	}
}

func BenchmarkPacking(b *testing.B) {
	var log bytes.Buffer
	text := bytes.Repeat([]byte(`{"id":17,"email":"ada@example.org","name":"Ada","created_at":"2026-01-31T12:00:00Z"},`), 120) // 10 KB
	h := handler(&log, Options{}, func(w http.ResponseWriter, _ *http.Request) {
		x := w.(*Exchange)
		x.Out = append(x.Out, text...)
		x.Send(http.StatusOK)
	})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	for b.Loop() {
		log.Reset()
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
}

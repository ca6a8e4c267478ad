package nexus_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
)

// raw sends bytes on a connection of their own and returns the statuses of the
// answers, up to the end of the connection, or to as many as there should be.
func raw(t *testing.T, url, text string, most int) string {
	t.Helper()
	addr := strings.TrimPrefix(url, "http://")
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	go func() { _, _ = io.WriteString(c, strings.ReplaceAll(text, "{host}", addr)) }() // a server may hang up before all of it
	from := bufio.NewReader(c)
	var all []string
	for len(all) < most {
		res, err := http.ReadResponse(from, nil)
		if err != nil {
			break
		}
		_, _ = io.Copy(io.Discard, res.Body)
		if all = append(all, fmt.Sprint(res.StatusCode)); res.Close {
			break
		}
	}
	return strings.Join(all, " ")
}

// What two readers could read in two ways is refused, and the connection with
// it: nothing is smuggled in behind.
func TestRequestsThatAreNotPlain(t *testing.T) {
	srv, _ := started(t, build(t, shop(t), nexus.Options{}), time.Minute)
	api, _ := srv.URLs()
	const hidden = "GET /health/live HTTP/1.1\r\nHost: {host}\r\n\r\n"
	long := strings.Repeat("x", 64<<10)
	post := func(headers, body string) string {
		return "POST /api/customers HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n" + headers + "\r\n" + body
	}
	for name, c := range map[string]struct{ request, want string }{
		"plain":                          {hidden, "200"},
		"two in a row":                   {hidden + hidden, "200 200"},
		"two lengths":                    {post("Content-Length: 2\r\nContent-Length: 3\r\n", "{}"+hidden), "400"},
		"two lengths in one":             {post("Content-Length: 2, 3\r\n", "{}"+hidden), "400"},
		"a length with a sign":           {post("Content-Length: +2\r\n", "{}"+hidden), "400"},
		"a length below nothing":         {post("Content-Length: -1\r\n", "{}"+hidden), "400"},
		"a length beyond all":            {post("Content-Length: 99999999999999999999\r\n", "{}"+hidden), "400"},
		"an unknown coding":              {post("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"+hidden), "501"},
		"a coding with a tab":            {post("Transfer-Encoding:\x0bchunked\r\n", "0\r\n\r\n"+hidden), "400"},
		"two codings":                    {post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", "0\r\n\r\n"+hidden), "501"},
		"a chunk of no size":             {post("Transfer-Encoding: chunked\r\n", "x\r\n{}\r\n0\r\n\r\n"+hidden), "400"},
		"a blank before a colon":         {post("Content-Length : 2\r\n", "{}"+hidden), "400"},
		"a null byte in a header":        {"GET /health/live HTTP/1.1\r\nHost: {host}\r\nX-A: a\x00b\r\n\r\n" + hidden, "400"},
		"a null byte in the path":        {"GET /health/live\x00 HTTP/1.1\r\nHost: {host}\r\n\r\n" + hidden, "400"},
		"no host":                        {"GET /health/live HTTP/1.1\r\n\r\n" + hidden, "400"},
		"two hosts":                      {"GET /health/live HTTP/1.1\r\nHost: {host}\r\nHost: evil.example\r\n\r\n" + hidden, "400"},
		"a host with a path":             {"GET /health/live HTTP/1.1\r\nHost: {host}/x\r\n\r\n" + hidden, "400"},
		"a host of another's":            {"GET /health/live HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", "421"},
		"another host in the target":     {"GET http://evil.example/health/live HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", "421"},
		"a header that is too long":      {"GET /health/live HTTP/1.1\r\nHost: {host}\r\nX-A: " + long + "\r\n\r\n" + hidden, "431"},
		"a path that is too long":        {"GET /" + long + " HTTP/1.1\r\nHost: {host}\r\n\r\n" + hidden, "431"},
		"another version":                {"GET /health/live HTTP/3.7\r\nHost: {host}\r\n\r\n" + hidden, "505"},
		"the start of HTTP/2":            {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "421"},
		"a tunnel":                       {"CONNECT evil.example:25 HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", "421"},
		"a trace":                        {"TRACE /api/customers HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", "405"},
		"a method of its own":            {"SUBSCRIBE /api/customers HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", "405"},
		"up and down":                    {"GET /api/../api/customers HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", "404"},
		"an encoded slash":               {"GET /api%2Fcustomers HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", "404"},
		"an encoded way up":              {"GET /docs/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", "404"},
		"an encoded null byte":           {"GET /api/products/a%00b HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", "404"},
		"an escape that is none":         {"GET /api/products/%zz HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", "400"},
		"two slashes":                    {"GET //api/customers HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", "404"},
		"a backslash":                    {"GET /api\\customers HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n", "404"},
		"a body longer than it says":     {post("Content-Length: 2\r\n", "{}"+hidden), "422 200"},
		"a method of another's choosing": {"POST /api/customers/1 HTTP/1.1\r\nHost: {host}\r\nX-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "404"},
		"a path of another's choosing":   {"GET /nowhere HTTP/1.1\r\nHost: {host}\r\nX-Original-URL: /api/customers\r\nX-Rewrite-URL: /api/customers\r\nConnection: close\r\n\r\n", "404"},
	} {
		most := 1 + strings.Count(c.want, " ")
		if !strings.HasSuffix(c.want, "200") { // the connection ends, before what is hidden behind
			most++
		}
		got := raw(t, api, c.request, most)
		if got != c.want {
			t.Errorf("%s: answered with %q, want %q", name, got, c.want)
		}
	}
}

// Who is answered before all of a request has come can send the rest: a connection
// that is reset takes the answer with it, and a proxy tells its client then that
// there is none (502).
func TestWhoIsAnsweredEarlyIsHeardOut(t *testing.T) {
	srv, _ := started(t, build(t, shop(t), nexus.Options{}), time.Minute)
	api, mcp := srv.URLs()
	const size = 4 << 20 // of which the system takes in no more than a part by itself
	length := fmt.Sprintf("Content-Length: %d\r\n", size)
	for name, c := range map[string]struct{ url, start, want string }{
		"a path that is not served":  {api, "POST /nowhere HTTP/1.0\r\nHost: {host}\r\n" + length, "404"},
		"a method that is not":       {api, "DELETE /api/customers HTTP/1.0\r\nHost: {host}\r\n" + length, "405"},
		"a host that is another's":   {api, "POST /api/customers HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n" + length, "421"},
		"a connection that is kept":  {api, "POST /nowhere HTTP/1.1\r\nHost: {host}\r\n" + length, "404"},
		"a body that is too long":    {api, "POST /api/customers HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n" + length, "413"},
		"a file of an unknown kind":  {api, "POST /api/customers/import HTTP/1.0\r\nHost: {host}\r\nContent-Type: text/nothing\r\n" + length, "415"},
		"a host that is not an MCPs": {mcp, "POST /mcp HTTP/1.0\r\nHost: evil.example\r\n" + length, "421"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr, _, _ := strings.Cut(strings.TrimPrefix(c.url, "http://"), "/")
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(time.Minute)) // rather than wait for ever
			body := make([]byte, size)
			begun := len(body) / 8 // more than net/http reads by itself
			if _, err := io.WriteString(conn, strings.ReplaceAll(c.start, "{host}", addr)+"\r\n"); err != nil {
				t.Fatal(err)
			}
			if _, err := conn.Write(body[:begun]); err != nil {
				t.Fatal(err)
			}
			from := bufio.NewReader(conn)
			res, err := http.ReadResponse(from, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, res.Body); err != nil || fmt.Sprint(res.StatusCode) != c.want {
				t.Errorf("answered with %d, %v, want %s", res.StatusCode, err, c.want)
			}
			// net/http waits for half a second at most.
			_ = conn.SetReadDeadline(time.Now().Add(600 * time.Millisecond))
			if _, err := from.Peek(1); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("behind the answer comes %v", err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			if _, err := conn.Write(body[begun:]); err != nil {
				t.Errorf("the rest: %v", err)
			}
			if more, err := io.ReadAll(from); err != nil || len(more) > 0 {
				t.Errorf("behind the answer: %q, %v", more, err)
			}
		})
	}
}

// A length beside chunks is one of RFC 9112's ways to smuggle (6.3): the chunks
// count, and the connection ends with the answer.
func TestALengthBesideChunks(t *testing.T) {
	srv, _ := started(t, build(t, shop(t), nexus.Options{}), time.Minute)
	api, _ := srv.URLs()
	body := `{"email":"a@example.org","name":"A"}`
	got := raw(t, api, fmt.Sprintf("POST /api/customers HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\nGET /health/live HTTP/1.1\r\nHost: {host}\r\n\r\n", len(body), body), 2)
	if got != "201" {
		t.Errorf("answered with %q, want 201 and the end", got)
	}
}

// A header that may be there once is refused twice: which of them counts would
// be a matter of taste. What proxies add is not believed.
func TestHeadersThatSayTwoThings(t *testing.T) {
	s := newServer(t, nil)
	s.do("POST /api/customers\n\n" + `{"email":"ada@example.org","name":"Ada"}`)
	for name, c := range map[string]struct {
		request string
		want    int
	}{
		"Idempotency-Key": {"POST /api/customers\nIdempotency-Key: a\nIdempotency-Key: b\n\n" + `{"email":"b@example.org","name":"B"}`, 400},
		"If-Match":        {"PATCH /api/customers/1\nIf-Match: \"1\"\nIf-Match: \"x\"\n\n" + `{"name":"B"}`, 412},
		"X-Tenant-ID":     {"GET /api/invoices\nX-Tenant-ID: a\nX-Tenant-ID: b", 400},
		"Content-Type":    {"POST /api/customers\nContent-Type: text/csv\n\n" + `{"email":"b@example.org","name":"B"}`, 415},
		"Last-Event-ID":   {"GET /api/customers/events\nAccept: text/event-stream\nLast-Event-ID: ' OR 1=1", 404},
	} {
		if got := s.do(c.request).StatusCode; got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
	plain := s.ask("GET /api/customers?limit=1&count=exact")
	proxied := s.ask("GET /api/customers?limit=1&count=exact\nX-Forwarded-For: 127.0.0.1\nX-Forwarded-Host: evil.example\nX-Forwarded-Proto: https\nX-Forwarded-Prefix: /evil\nForwarded: for=127.0.0.1;host=evil.example\nX-Real-IP: 127.0.0.1\nX-Forwarded-User: admin\nX-Remote-User: admin")
	if plain != proxied {
		t.Errorf("with headers of a proxy:\n%s\nwithout:\n%s", proxied, plain)
	}
}

// JSON that is made to be costly is refused at the cost of reading it.
func TestJSONThatIsMadeToHurt(t *testing.T) {
	s := newServer(t, nil)
	deep := func(open, close string) string { return strings.Repeat(open, 200_000) + strings.Repeat(close, 200_000) }
	for name, body := range map[string]string{
		"deep lists":             deep("[", "]"),
		"deep objects":           deep(`{"a":`, `}`),
		"deep, and never closed": strings.Repeat("[", 400_000),
		"deep in a field":        `{"name":` + strings.Repeat("[", 200_000) + strings.Repeat("]", 200_000) + `}`,
		"a number without end":   `{"email":"a@example.org","name":` + strings.Repeat("9", 500_000) + `}`,
		"a vast exponent":        `{"email":"a@example.org","name":1e999999999}`,
		"a field twice":          `{"email":"a@example.org","name":"A","name":"B"}`,
		"no UTF-8":               "{\"email\":\"a@example.org\",\"name\":\"\xff\xfe\"}",
		"half a surrogate":       `{"email":"a@example.org","name":"\ud800"}`,
		"a null byte":            "{\"email\":\"a@example.org\",\"name\":\"\x00\"}",
		"two values":             `{"email":"a@example.org","name":"A"}{"email":"b@example.org","name":"B"}`,
		"many unknown fields":    `{` + strings.Repeat(`"x":1,`, 50_000) + `"email":"a@example.org","name":"A"}`,
	} {
		for _, path := range []string{"/api/customers", "/api/customers/bulk_create", "/api/batch", "/api/customers/aggregate", "/workflows/find_customer/execute"} {
			r := parseRequest(t, "POST "+path+"\n\n"+body)
			w := httptest.NewRecorder()
			s.api.ServeHTTP(w, r)
			if w.Code < 400 || w.Code >= 500 {
				t.Errorf("%s at %s: %d %.200s", name, path, w.Code, w.Body)
			}
			if w.Body.Len() > 64<<10 {
				t.Errorf("%s at %s: an answer of %d bytes", name, path, w.Body.Len())
			}
		}
		r := parseRequest(t, "POST /mcp\nAccept: application/json, text/event-stream\n\n"+body)
		w := httptest.NewRecorder()
		s.gen.MCP().ServeHTTP(w, r)
		if w.Code >= 500 || !strings.Contains(w.Body.String(), `"error":{"code":-32`) {
			t.Errorf("%s at MCP: %d %.200s", name, w.Code, w.Body)
		}
	}
}

// Whatever is answered, and by whom, browsers are told to take it for nothing
// else, to put it into no page, and to keep nothing of it that is one caller's.
func TestEveryAnswerHasItsHeaders(t *testing.T) {
	s := newServer(t, func(app *dataflow.App) {
		app.Server.Monitoring, app.Server.MCPCard = true, true
		for _, e := range app.Exposures {
			e.Events = true
		}
	})
	s.do("POST /api/customers\n\n" + `{"email":"ada@example.org","name":"Ada"}`)
	for _, request := range []string{
		"GET /", "GET /\nAccept: text/html", "GET /docs", "GET /docs/", "GET /docs/nowhere", "GET /openapi.json", "GET /metrics",
		"GET /health/live", "GET /health/ready", "GET /nowhere", "GET /_flow/status", "GET /workflows", "GET /runs", "GET /runs/x",
		"GET /api/customers", "HEAD /api/customers", "GET /api/customers/1", "GET /api/customers/2", "GET /api/customers/count", "OPTIONS /api/customers",
		"GET /api/customers\nAccept: text/csv", "GET /api/customers\nAccept: application/x-ndjson", "GET /api/customers\nAccept: image/png",
		"HEAD /api/customers/events\nAccept: text/event-stream", "DELETE /api/customers", "POST /api/customers\n\n{}", "PATCH /api/customers/1\nIf-Match: *\n\n" + `{"name":"B"}`,
		"POST /api/batch\n\n{}", "POST /workflows/find_customer/execute\n\n{}", "POST /workflows/crash/execute\n\n{}", "GET /api/customers\nOrigin: https://evil.example",
	} {
		checkHeaders(t, request, s.do(request))
	}
	for _, request := range []string{"GET /mcp", "POST /mcp\n\n{}", "DELETE /mcp", "PUT /mcp", "GET /mcp/nowhere", "POST /mcp\nOrigin: https://evil.example\n\n{}",
		"POST /mcp\n\n" + `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"find_records","arguments":{"model":"Customer"}}}`, "GET /.well-known/mcp.json"} {
		w := httptest.NewRecorder()
		s.gen.MCP().ServeHTTP(w, parseRequest(t, request))
		checkHeaders(t, request, w.Result())
	}
}

func checkHeaders(t *testing.T, request string, res *http.Response) {
	t.Helper()
	h := res.Header
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"} {
		if got := h.Get(name); got != want {
			t.Errorf("%q: %s is %q, want %q", request, name, got, want)
		}
	}
	policy := h.Get("Content-Security-Policy")
	if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe-eval") {
		t.Errorf("%q: the policy is %q", request, policy)
	}
	if kept := h.Get("Cache-Control"); res.ContentLength != 0 && kept == "" && (strings.HasPrefix(request, "GET") || strings.Contains(request, "/mcp")) {
		t.Errorf("%q: nothing says whether it may be kept (%d)", request, res.StatusCode)
	}
}

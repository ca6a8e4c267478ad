package nexus_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
)

func TestBodyTooLarge(t *testing.T) {
	s := newServer(t, func(app *dataflow.App) { app.Server.MaxBody = 64 })
	const want = `413
Cache-Control: no-store
Connection: close
Content-Type: application/problem+json

{"type":"urn:flowctl:problem:body_too_large","title":"Request Entity Too Large","status":413,"detail":"the body is larger than 64 bytes","code":"body_too_large","hint":"send less at a time, or raise max_body of Nexus(...)","request_id":"r1"}`
	body := `{"email":"ada@example.org","name":"` + strings.Repeat("x", 64) + `"}`
	r := parseRequest(t, "POST /api/customers\n\n"+body)
	for name, length := range map[string]int64{"announced": r.ContentLength, "in chunks": -1} {
		r := parseRequest(t, "POST /api/customers\n\n"+body)
		r.ContentLength = length
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, r)
		if got := render(w.Result()); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, want)
		}
	}
	r = parseRequest(t, "POST /api/customers\n\n"+`{"email":"a@example.org","name":"x"}`)
	r.ContentLength = -1
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, r)
	if w.Code != http.StatusCreated {
		t.Errorf("a body that fits, in chunks: %d %s", w.Code, w.Body)
	}
}

func TestRequestTimeout(t *testing.T) {
	s := newServer(t, func(app *dataflow.App) { app.Server.RequestTimeout = 2 * time.Second })
	got := s.ask("POST /workflows/hang/execute")
	const want = `504
Cache-Control: no-store
Content-Type: application/problem+json

{"type":"urn:flowctl:problem:timeout","title":"Gateway Timeout","status":504,"detail":"the request ran out of its time","code":"timeout","workflow":"hang","location":"app.star:30:1","request_id":"r1"}`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRateLimit(t *testing.T) {
	s := newServer(t, func(app *dataflow.App) { app.Server.RateLimit, app.Server.Monitoring = 2, true })
	from := func(addr, path string) *http.Response {
		r := parseRequest(t, "GET "+path)
		r.RemoteAddr = addr
		w := httptest.NewRecorder()
		s.api.ServeHTTP(w, r)
		return w.Result()
	}
	for range 2 {
		if res := from("192.0.2.1:1000", "/api/customers"); res.StatusCode != http.StatusOK {
			t.Fatalf("within the limit: %s", render(res))
		}
	}
	res := from("192.0.2.1:2000", "/api/customers")
	after := res.Header.Get("Retry-After")
	res.Header.Del("Retry-After")
	const want = `429
Cache-Control: no-store
Content-Type: application/problem+json
Ratelimit: "address";r=0;t=30
Ratelimit-Policy: "address";q=2;w=60

{"type":"urn:flowctl:problem:rate_limited","title":"Too Many Requests","status":429,"detail":"too many requests from this address: 2 in a minute are allowed","code":"rate_limited","hint":"try again in 30 seconds","request_id":"r1"}`
	if got := render(res); got != want || after != "30" {
		t.Errorf("Retry-After: %s, want 30\n%s\nwant\n%s", after, got, want)
	}
	if res := from("192.0.2.1:1000", "/health/live"); res.StatusCode != http.StatusOK {
		t.Errorf("a probe is limited: %s", render(res))
	}
	if res := from("192.0.2.2:1000", "/api/customers"); res.StatusCode != http.StatusOK {
		t.Errorf("another address is limited: %s", render(res))
	}
	r := parseRequest(t, "GET /api/customers\nX-Forwarded-For: 198.51.100.7")
	r.RemoteAddr = "192.0.2.1:1000"
	w := httptest.NewRecorder()
	s.api.ServeHTTP(w, r)
	if w.Code != http.StatusTooManyRequests {
		t.Errorf("a forwarding header lifts the limit: %d", w.Code)
	}
	metrics, err := io.ReadAll(from("192.0.2.3:1000", "/metrics").Body)
	if want := `flowctl_rate_limited_total{policy="address"} 2`; err != nil || !strings.Contains(string(metrics), "\n"+want+"\n") {
		t.Errorf("the metrics don't say %s, %v:\n%s", want, err, metrics)
	}
}

func TestCrossOrigin(t *testing.T) {
	s := newServer(t, func(app *dataflow.App) { app.Server.CORSOrigins = []string{"https://shop.example"} })
	s.run([]exchange{
		{"preflight", "OPTIONS /api/customers\nOrigin: https://shop.example\nAccess-Control-Request-Method: POST", `204
Access-Control-Allow-Headers: Accept, Content-Type, Content-Encoding, Authorization, X-API-Key, If-Match, If-None-Match, Idempotency-Key, Prefer, X-Request-ID, X-Tenant-ID, Traceparent, Tracestate, Mcp-Session-Id, Mcp-Protocol-Version, Mcp-Method, Mcp-Name, Last-Event-ID
Access-Control-Allow-Methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS
Access-Control-Allow-Origin: https://shop.example
Access-Control-Max-Age: 600
Vary: Origin`},
		{"request", "GET /health/live\nOrigin: https://shop.example", `200
Access-Control-Allow-Origin: https://shop.example
Access-Control-Expose-Headers: ETag, Link, Location, Retry-After, RateLimit, RateLimit-Policy, WWW-Authenticate, Preference-Applied, Idempotent-Replayed, X-Request-ID, X-Flowctl-Stale, Allow, Accept-Post, Content-Disposition, Mcp-Session-Id
Cache-Control: no-store
Content-Type: application/json
Vary: Origin

{"status":"live"}`},
		{"preflight of another", "OPTIONS /api/customers\nOrigin: https://evil.example\nAccess-Control-Request-Method: POST", `403
Cache-Control: no-store
Content-Type: application/problem+json
Vary: Origin

{"type":"urn:flowctl:problem:origin_not_allowed","title":"Forbidden","status":403,"detail":"pages of this origin may not call the server","code":"origin_not_allowed","hint":"to allow them, add the origin to cors_origins of Nexus(...)","request_id":"r1"}`},
	})
	s = newServer(t, func(app *dataflow.App) { app.Server.CORSOrigins = []string{"*"} })
	if got := s.do("GET /health/live\nOrigin: https://any.example").Header.Get("Access-Control-Allow-Origin"); got != "*" {
		t.Errorf("with every origin allowed, Access-Control-Allow-Origin is %q", got)
	}
}

func TestRequestIDs(t *testing.T) {
	s := newServer(t, nil)
	seen := map[string]bool{}
	for _, sent := range []string{"-", "a b", strings.Repeat("x", 200), "<script>"} {
		got := s.do("GET /health/live\nX-Request-ID: -\nX-Request-ID: " + sent).Header.Get("X-Request-Id")
		if got == "" || got == sent || seen[got] {
			t.Errorf("sent %q, got %q: want a new id", sent, got)
		}
		seen[got] = true
	}
	if got := s.do("GET /health/live\nX-Request-ID: -\nX-Request-ID: trace_1.a-B").Header.Get("X-Request-Id"); got != "trace_1.a-B" {
		t.Errorf("the caller's id became %q", got)
	}
}

// The log has what is needed to find a request and its cause, and nothing that
// a row or a query holds.
func TestLog(t *testing.T) {
	s := newServer(t, nil)
	s.do("POST /api/customers\n\n" + `{"email":"ada@example.org","name":"Secret"}`)
	s.do("GET /api/customers?email=ada@example.org")
	s.do("GET /api/products/secret-id")
	s.do("POST /workflows/crash/execute")
	log := s.log.String()
	for _, want := range []string{
		`method=POST route=/api/{model} status=201`,
		`method=GET route=/api/{model} status=200`,
		`method=GET route=/api/{model}/{id} status=404`,
		`level=ERROR msg="request failed" request_id=r1 method=POST route=/workflows/{name}/execute code=internal workflow=crash`,
		`request_id=r1`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %s", want)
		}
	}
	for _, secret := range []string{"ada@example.org", "Secret", "secret-id"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
	if t.Failed() {
		t.Log(log)
	}
}

// A body that does not end must not hold on for ever.
func TestSlowBody(t *testing.T) {
	s := newServer(t, func(app *dataflow.App) { app.Server.RequestTimeout = 2 * time.Second })
	srv := httptest.NewServer(s.api)
	defer srv.Close()
	pr, pw := io.Pipe()
	defer pw.Close()
	r, err := http.NewRequest("POST", srv.URL+"/api/customers", pr)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	go pw.Write([]byte(`{"email":`)) // the server gives up while it waits for more
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestTimeout {
		t.Errorf("got %d, want 408", res.StatusCode)
	}
}

// A function of the app that fails while the answer is made must not make a
// write that is done look as if it were not.
func TestAWriteThatCantBeShownIsDone(t *testing.T) {
	s := newServer(t, func(app *dataflow.App) {
		m := apptest.Model(app.Databases[0], "Label", "labels", func(m *dataflow.Model) {
			m.Computed = []dataflow.Computed{{Name: "broken", Func: &apptest.Func{ID: "broken", Args: []dataflow.Param{{Name: "row", Required: true}},
				Run: func(context.Context, []any, *dataflow.Object) (any, error) {
					return nil, &dataflow.Error{Code: "function_failed", Status: dataflow.StatusInternal, Message: "broken failed"}
				}}}}
		}, apptest.Field("text", dataflow.String))
		app.Exposures = append(app.Exposures, apptest.Expose(m))
	})
	s.run([]exchange{
		{"create", "POST /api/labels\n\n" + `{"text":"x"}`, "201\nLocation: /api/labels/1"},
		{"patch", "PATCH /api/labels/1\n\n" + `{"text":"y"}`, "204"},
		{"it is there", "GET /api/labels/1?fields=text", "200\nCache-Control: private, no-cache\nContent-Type: application/json\n\n" + `{"id":1,"text":"y"}`},
		{"with a key, all or nothing", "POST /api/labels\nIdempotency-Key: k\n\n" + `{"text":"x"}`, `500
Cache-Control: no-store
Content-Type: application/problem+json

{"type":"urn:flowctl:problem:function_failed","title":"Internal Server Error","status":500,"detail":"broken failed","code":"function_failed","request_id":"r1"}`},
		{"so it is not there", "GET /api/labels/2?fields=text", `404
Cache-Control: no-store
Content-Type: application/problem+json

{"type":"urn:flowctl:problem:not_found","title":"Not Found","status":404,"detail":"there is no Label with the id 2","code":"not_found","model":"Label","request_id":"r1"}`},
	})
	if got := strings.Count(s.log.String(), "code=function_failed"); got != 3 {
		t.Errorf("the failure is logged %d times, want 3", got)
	}
}

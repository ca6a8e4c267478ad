package nexus_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
)

// followed is the shop with the events of its models served.
func followed(url string) *dataflow.App {
	app := apptest.Shop(url)
	for _, e := range app.Exposures {
		e.Events = true
	}
	return app
}

// site is an app that is served over a real network.
type site struct {
	t    *testing.T
	gen  *nexus.Generation
	http *httptest.Server
}

func serveSite(t *testing.T, app *dataflow.App) *site {
	t.Helper()
	gen, ds := nexus.Build(t.Context(), app, nexus.Options{})
	if gen == nil {
		t.Fatal(diagnostics(ds))
	}
	gen.Work()
	s := &site{t, gen, httptest.NewServer(gen.API())}
	t.Cleanup(s.close)
	return s
}

// close ends the streams with the generation, as a reload does.
func (s *site) close() {
	if err := s.gen.Close(); err != nil {
		s.t.Error(err)
	}
	s.http.Close()
}

func (s *site) ask(method, path, body string, headers ...string) string {
	s.t.Helper()
	media := ""
	if body != "" {
		media = "application/json"
	}
	return s.send(method, path, media, strings.NewReader(body), headers...)
}

// send sends a body of some media type, "" for none, and returns the answer.
func (s *site) send(method, path, media string, body io.Reader, headers ...string) string {
	s.t.Helper()
	req, _ := http.NewRequest(method, s.http.URL+path, body)
	if media != "" {
		req.Header.Set("Content-Type", media)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Error(err)
		return ""
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return fmt.Sprintf("%d %s", res.StatusCode, text)
}

// listener follows a stream, and comes again where it ends.
type listener struct {
	t      *testing.T
	res    *http.Response
	lines  *bufio.Scanner
	lastID string
	first  string // what it was told at once
}

func (s *site) listen(path, lastID string, headers ...string) *listener {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	req, _ := http.NewRequestWithContext(ctx, "GET", s.http.URL+path, nil)
	req.Header.Set("Accept", "text/event-stream")
	if lastID != "" {
		req.Header.Set("Last-Event-ID", lastID)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { cancel(); res.Body.Close() })
	if got := res.Header.Get("Content-Type"); got != "text/event-stream" {
		text, _ := io.ReadAll(res.Body)
		s.t.Fatalf("%s: %s %s", path, res.Status, text)
	}
	l := &listener{t: s.t, res: res, lines: bufio.NewScanner(res.Body), lastID: lastID}
	l.lines.Buffer(nil, 1<<20)
	_, l.first, _ = l.block() // which says where it starts
	return l
}

// block reads up to the next empty line.
func (l *listener) block() (event, data string, ok bool) {
	for l.lines.Scan() {
		name, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch name {
		case "":
			return event, data, true
		case "id":
			l.lastID = value
		case "event":
			event = value
		case "data":
			data = value
		}
	}
	return "", "", false
}

// next returns the next event, "" at the end of the stream.
func (l *listener) next() string {
	for {
		event, data, ok := l.block()
		if !ok || event != "" {
			return data
		}
	}
}

func (l *listener) want(events ...string) {
	l.t.Helper()
	for _, want := range events {
		got := l.next()
		if !strings.HasPrefix(got, want) {
			l.t.Fatalf("got %s, want %s", got, want)
		}
	}
}

func TestChangesAreStreamed(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		s := serveSite(t, followed(url))
		all := s.listen("/api/orders/events", "")
		paid := s.listen("/api/orders/events?status=paid&fields=total", "")
		acme := s.listen("/api/invoices/events", "", "X-Tenant-ID", "acme")
		s.ask("POST", "/api/customers", `{"email":"ada@example.org","name":"Ada"}`)
		s.ask("POST", "/api/orders", `{"customer":1,"total":"9.50"}`)
		s.ask("PATCH", "/api/orders/1", `{"status":"paid"}`, "If-Match", "*")
		s.ask("PATCH", "/api/orders/1", `{"total":"10"}`, "If-Match", "*")
		s.ask("PATCH", "/api/orders/1", `{"status":"shipped"}`, "If-Match", "*")
		s.ask("DELETE", "/api/orders/1", "", "If-Match", "*")
		s.ask("POST", "/api/invoices", `{"number":"theirs"}`, "X-Tenant-ID", "other")
		s.ask("POST", "/api/invoices", `{"number":"ours"}`, "X-Tenant-ID", "acme")
		all.want(`{"event":"created","id":1,"record":{"id":1,"customer":1,"status":"new","total":"9.50","note":null,"version":1,`,
			`{"event":"updated","id":1,"record":{"id":1,"customer":1,"status":"paid"`, `{"event":"updated","id":1`, `{"event":"updated","id":1`, `{"event":"deleted","id":1}`)
		// A row comes into the view, changes in it, and leaves it.
		paid.want(`{"event":"created","id":1,"record":{"id":1,"total":"9.50"}}`, `{"event":"updated","id":1,"record":{"id":1,"total":"10.00"}}`, `{"event":"deleted","id":1}`)
		acme.want(`{"event":"created","id":2,"record":{"id":2,"number":"ours","tenant_id":"acme"`)
		// Rows that go along with others are told of too, and what was undone is not.
		s.ask("POST", "/api/orders", `{"customer":1,"total":"1"}`, "Prefer", "tx=rollback")
		s.ask("POST", "/workflows/refuse/execute", "")
		s.ask("POST", "/api/orders/bulk_create", `{"data":[{"customer":1,"total":"1"},{"customer":1,"total":"2"}]}`)
		s.ask("POST", "/api/orders/bulk_delete", `{"filter":{"total":1}}`)
		one, two := all.next(), all.next()
		if !strings.Contains(one, `"total":"1.00"`) || !strings.Contains(two, `"total":"2.00"`) {
			t.Errorf("got %s and %s", one, two)
		}
		all.want(`{"event":"deleted"`)
	})
}

// However often a client is cut off, and whoever serves it then, it hears of each
// change once, and of those of one row in their order.
func TestAStreamIsResumedExactly(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		first, second := serveSite(t, followed(url)), serveSite(t, followed(url)) // two processes, as far as the database can tell
		const writers, each = 6, 40
		start := first.listen("/api/products/events", "")
		lastID := start.lastID
		var wg sync.WaitGroup
		for w := range writers {
			site := []*site{first, second}[w%2]
			wg.Go(func() {
				id := fmt.Sprintf("p%d", w)
				if got := site.ask("POST", "/api/products", `{"id":"`+id+`","name":"x","stock":0}`); !strings.HasPrefix(got, "201") {
					t.Error(got)
				}
				for n := 1; n < each; n++ {
					// Some transactions touch another row first, and so get ahead in all
					// but the order in which they are committed.
					other := (w + n) % writers
					body := fmt.Sprintf(`{"operations":[{"model":"products","op":"upsert","args":{"where":{"id":"q%d-%d"},"create":{"name":"y","stock":1}}},{"model":"products","op":"update","args":{"id":"%s","fields":{"stock":%d}}}]}`, other, n%3, id, n)
					for {
						got := site.ask("POST", "/api/batch", body)
						if strings.HasPrefix(got, "200") {
							break
						}
						if !strings.HasPrefix(got, "503") {
							t.Error(got)
							return
						}
					}
				}
			})
		}
		stock := map[string]int{}
		seen := map[string]bool{}
		for total, cut := 0, 0; total < writers*each; cut++ {
			l := []*site{second, first}[cut%2].listen("/api/products/events?id[$startswith]=p", lastID)
			for range 1 + cut%17 {
				data := l.next()
				if seen[l.lastID] {
					t.Fatalf("%s came twice: %s", l.lastID, data)
				}
				seen[l.lastID] = true
				var id string
				var n int
				at := strings.Index(data, `"stock":`)
				if _, err := fmt.Sscanf(data[strings.Index(data, `"id":"`):], `"id":"%2s"`, &id); err != nil || at < 0 {
					t.Fatalf("%v: %s", err, data)
				}
				if _, err := fmt.Sscanf(data[at:], `"stock":%d`, &n); err != nil {
					t.Fatal(err)
				}
				if want, known := stock[id]; n != want+1 && (known || n != 0) {
					t.Fatalf("%s has %d after %d", id, n, want)
				}
				stock[id] = n
				if total++; total == writers*each {
					break
				}
			}
			lastID = l.lastID
			l.res.Body.Close()
		}
		wg.Wait()
		for id, n := range stock {
			if n != each-1 {
				t.Errorf("%s ends with %d", id, n)
			}
		}
	})
}

// A restart is to a stream as if its client had been cut off.
func TestAStreamIsResumedAfterARestart(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		s := serveSite(t, followed(url))
		l := s.listen("/api/customers/events", "")
		s.ask("POST", "/api/customers", `{"email":"a@example.org","name":"A"}`)
		l.want(`{"event":"created","id":1`)
		s.close() // which ends the stream
		if got := l.next(); got != "" {
			t.Errorf("after the end: %s", got)
		}
		again := serveSite(t, followed(url))
		again.ask("POST", "/api/customers", `{"email":"b@example.org","name":"B"}`)
		again.listen("/api/customers/events", l.lastID).want(`{"event":"created","id":2`)
	})
}

func TestAStreamThatCanNotBe(t *testing.T) {
	s := serveSite(t, followed("sqlite:"+filepath.Join(t.TempDir(), "shop.db")))
	for request, want := range map[string]string{
		"/api/orders/events?customer.name=Ada":   "not_filterable",
		"/api/orders/events?statsu=new":          `did you mean \"status\"?`,
		"/api/orders/events?limit=3":             `unknown_parameter`,
		"/api/orders/events?status=nwe":          "not_in_enum",
		"/api/orders/events?fields=nope":         "unknown_field",
		"/api/orders/events?fields=customer.id":  "unknown_field",
		"/api/invoices/events":                   "tenant_required",
		"/api/orders/events?total%22%20or%201=1": "unknown_parameter",
	} {
		if got := s.ask("GET", request, "", "Accept", "text/event-stream"); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", request, got, want)
		}
	}
	if got := s.ask("GET", "/api/orders/events", "", "Last-Event-ID", "1; drop table orders"); !strings.HasPrefix(got, "400") {
		t.Error(got)
	}
	// A row may have the id of the stream, and what asks for no stream is about it.
	if got := s.ask("POST", "/api/products", `{"id":"events","name":"x","stock":3}`); !strings.HasPrefix(got, "201") {
		t.Fatal(got)
	}
	for _, r := range [][3]string{{"GET", "", `200 {"id":"events"`}, {"PATCH", `{"stock":4}`, "200 {"}, {"DELETE", "", "204"}} {
		if got := s.ask(r[0], "/api/products/events", r[1]); !strings.HasPrefix(got, r[2]) {
			t.Errorf("%s: %s, want %s", r[0], got, r[2])
		}
	}
	// An id that is not of this database, or of what is not kept any more.
	l := s.listen("/api/customers/events", "999-1")
	if !strings.HasPrefix(l.first, `{"event":"reset"`) {
		t.Errorf("got %s", l.first)
	}
	s.ask("POST", "/api/customers", `{"email":"a@example.org","name":"A"}`)
	l.want(`{"event":"created","id":1`)
}

// Rows and fields that rules hide are in no event, and a row that a caller may
// not see any more leaves its view.
func TestRulesHoldForEvents(t *testing.T) {
	app := followed("sqlite:" + filepath.Join(t.TempDir(), "shop.db"))
	m := app.Databases[0].Models[0]
	name, _ := m.FieldIndex("name")
	anyone := dataflow.Grant{Who: dataflow.WhoAnyone}
	open := &dataflow.Rule{Grants: []dataflow.Grant{anyone}}
	public := anyone
	public.Where = &dataflow.CondCompare{Op: dataflow.CompareNotEqual, Left: dataflow.FieldTerm{name}, Right: dataflow.Literal{Value: "secret"}}
	email, _ := m.FieldIndex("email")
	m.Access = &dataflow.Access{Read: &dataflow.Rule{Grants: []dataflow.Grant{public}}, Create: open, Update: open, Delete: open,
		Fields: []dataflow.FieldAccess{{Field: email, Read: &dataflow.Rule{}, Write: open}}}
	s := serveSite(t, app)
	l := s.listen("/api/customers/events", "")
	s.ask("POST", "/api/customers", `{"email":"a@example.org","name":"secret"}`)
	s.ask("POST", "/api/customers", `{"email":"b@example.org","name":"open"}`)
	if got, want := l.next(), `{"event":"created","id":2,"record":{"id":2,"name":"open","created_at":`; !strings.HasPrefix(got, want) {
		t.Errorf("got %s, want %s", got, want)
	}
	s.ask("PATCH", "/api/customers/2", `{"name":"secret"}`)
	l.want(`{"event":"deleted","id":2}`)
	if got := s.ask("GET", "/api/customers/events?email=a@example.org", "", "Accept", "text/event-stream"); !strings.HasPrefix(got, "422") {
		t.Errorf("a filter on what is hidden: %s", got)
	}
	if got := s.ask("GET", "/api/customers/events", "", "Accept", "application/json"); !strings.HasPrefix(got, "406") {
		t.Errorf("a stream to who takes none: %s", got)
	}
	if got := s.ask("POST", "/api/batch", `{"operations":[{"id":"c","model":"customers","op":"list"},{"model":"customers","op":"create","args":{"email":"x@example.org","name":{"$ref":"c.records.0.email"}}}]}`); !strings.Contains(got, "unknown_reference") || strings.Contains(got, `"hint":"one of id, email`) {
		t.Errorf("a reference to what is hidden: %s", got)
	}
}

// A run that is forgotten while somebody follows it: the stream says that coming
// again is of no use.
func TestAFollowedRunIsForgotten(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, at string) {
		s := serveSite(t, apptest.Shop(at))
		var begun struct {
			Run string `json:"run_id"`
		}
		_, body, _ := strings.Cut(s.ask(http.MethodPost, "/workflows/approve/execute", `{"inputs":{"id":1}}`), " ")
		if err := json.Unmarshal([]byte(body), &begun); err != nil {
			t.Fatal(body, err)
		}
		c := dial(t, s.http.URL, "GET /runs/"+begun.Run+"/events HTTP/1.1\r\nHost: {host}\r\n\r\n")
		c.until(t, "event: waiting")
		const forget = "DELETE FROM _flow_runs" // as when it has ended and is forgotten between two looks
		if file, ok := strings.CutPrefix(at, "sqlite:"); ok {
			selectSQLite(t, file, forget)
		} else {
			pgtest.Exec(t, at, forget)
		}
		c.until(t, "event: ended")
		c.until(t, `data: {"event":"ended","code":"not_found","reason":"there is no run \"`+begun.Run+`\""}`)
	})
}

package nexus_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
)

// A workflow that is not durable is run later as a durable one is: it is kept,
// and what it gives, or why it failed, is found where the answer says. What it
// does is all or nothing as ever.
func TestAnyWorkflowCanBeRunLater(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		s := serveSite(t, apptest.Shop(url))
		for _, tt := range []struct{ workflow, inputs, status, has string }{
			{"place_order", `{"email":"ada@example.org","total":"1.50"}`, "completed", `"total":"1.50"`},
			{"find_customer", `{"id":1}`, "completed", `"email":"ada@example.org"`},
			{"find_customer", `{"id":99}`, "failed", `not_found`},
			{"refuse", `{}`, "failed", "not today"},
		} {
			req, _ := http.NewRequest("POST", s.http.URL+"/workflows/"+tt.workflow+"/execute", strings.NewReader(`{"inputs":`+tt.inputs+`}`))
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Prefer", "respond-async")
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			run := res.Header.Get("Location")
			if res.StatusCode != http.StatusAccepted || run == "" || res.Header.Get("Preference-Applied") != "respond-async" {
				t.Fatalf("%s: %d %v", tt.workflow, res.StatusCode, res.Header)
			}
			s.ends(run)
			_, text, _ := strings.Cut(s.ask("GET", run, ""), " ")
			var got struct{ Status string }
			if err := json.Unmarshal([]byte(text), &got); err != nil || got.Status != tt.status || !strings.Contains(text, tt.has) {
				t.Errorf("%s: %s", tt.workflow, text)
			}
		}
		for path, want := range map[string]string{"/api/orders/count": `200 {"count":1}`, "/api/products/count": `200 {"count":0}`} {
			if got := s.ask("POST", path, ""); got != want {
				t.Errorf("%s: %s", path, got)
			}
		}
	})
}

// Where runs are not kept, the preference is passed over, and the answer does not
// say that it was honoured (RFC 7240, 2).
func TestWhereRunsAreNotKeptTheAnswerIsThatOfTheRun(t *testing.T) {
	no := false
	for name, change := range map[string]func(*dataflow.App){
		"in the app":   func(app *dataflow.App) { app.Server.NotDurable, app.Workflows = true, app.Workflows[:5] },
		"the workflow": func(app *dataflow.App) { app.Workflows[0].Durable = &no },
	} {
		s := newServer(t, change)
		res := s.do("POST /workflows/place_order/execute\nPrefer: respond-async\n\n" + `{"inputs":{"email":"ada@example.org","total":"1.50"}}`)
		if res.StatusCode != http.StatusOK || res.Header["Preference-Applied"] != nil || res.Header["Location"] != nil {
			t.Errorf("%s: %s", name, render(res))
		}
	}
}

// A request with a key is the same one whatever its Prefer header says: it is
// answered with what the first came to, at once or later, and is not done again.
func TestAKeyIsGoodForWhateverIsPreferred(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		s := serveSite(t, apptest.Shop(url))
		const later = "respond-async"
		orders := 0
		for _, tt := range []struct {
			name, path, body string
			prefer           [2]string
			want             string // how the second answer begins
			orders           int
		}{
			{"at once, then later", "/workflows/place_order/execute", `{"inputs":{"email":"ada@example.org","total":1}}`, [2]string{"", later}, `200 {"outputs":`, 1},
			{"later, then at once", "/workflows/place_order/execute", `{"inputs":{"email":"ada@example.org","total":2}}`, [2]string{later, ""}, `200 {"outputs":`, 1},
			{"durable, at once, then later", "/workflows/keep_order/execute", `{"inputs":{"email":"ada@example.org","total":3}}`, [2]string{"", later}, `200 {"outputs":`, 1},
			{"durable, later, then at once", "/workflows/keep_order/execute", `{"inputs":{"email":"ada@example.org","total":4}}`, [2]string{later, ""}, `200 {"outputs":`, 1},
			{"waits, at once, then later", "/workflows/approve/execute", `{"inputs":{"id":1}}`, [2]string{"", later}, `202 {"run_id":`, 0},
			{"waits, later, then at once", "/workflows/approve/execute", `{"inputs":{"id":2}}`, [2]string{later, ""}, `202 {"run_id":`, 0},
			{"fails later, then at once", "/workflows/refuse/execute", `{"inputs":{}}`, [2]string{later, ""}, `422 {"type":"urn:flowctl:problem:rejected"`, 0},
			{"a row, shown and not", "/api/customers", `{"email":"bob@example.org","name":"Bob"}`, [2]string{"", "return=minimal"}, `201 {"id":`, 0},
			{"a row, not shown and shown", "/api/customers", `{"email":"cat@example.org","name":"Cat"}`, [2]string{"return=minimal", ""}, "201 ", 0},
			{"done, then tried out", "/api/customers", `{"email":"dan@example.org","name":"Dan"}`, [2]string{"", "tx=rollback"}, `201 {"id":`, 0},
		} {
			res, _ := s.keyed(tt.path, tt.body, tt.name, tt.prefer[0])
			if run := res.Header.Get("Location"); strings.HasPrefix(run, "/runs/") && !strings.HasPrefix(tt.name, "waits") {
				s.ends(run)
			}
			res, text := s.keyed(tt.path, tt.body, tt.name, tt.prefer[1])
			if got := res.Status[:4] + text; !strings.HasPrefix(got, tt.want) || res.Header.Get("Idempotent-Replayed") != "true" {
				t.Errorf("%s: %s %v", tt.name, got, res.Header)
			}
			if res, text = s.keyed(tt.path, tt.body+" ", tt.name, tt.prefer[1]); !strings.Contains(text, "idempotency_key_reused") {
				t.Errorf("%s, with another body: %s %s", tt.name, res.Status, text)
			}
			orders += tt.orders
			if got, want := s.ask("POST", "/api/orders/count", ""), fmt.Sprintf(`200 {"count":%d}`, orders); got != want {
				t.Errorf("%s: %s, want %s", tt.name, got, want)
			}
		}
	})
}

// Of requests that come at the same time, some of which want to be answered at
// once and some later, one is done.
func TestOneKeyAtOnceAndLaterOneEffect(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		s := serveSite(t, apptest.Shop(url))
		const rounds = 10
		for round := range rounds {
			var wg sync.WaitGroup
			for i := range 12 {
				wg.Go(func() {
					res, text := s.keyed("/workflows/place_order/execute", `{"inputs":{"email":"ada@example.org","total":1}}`,
						fmt.Sprint("k", round), []string{"", "respond-async"}[i%2])
					switch {
					case res.StatusCode == http.StatusOK, res.StatusCode == http.StatusAccepted:
					case strings.Contains(text, "idempotency_in_flight"):
					default:
						t.Errorf("%s %s", res.Status, text)
					}
				})
			}
			wg.Wait()
			res, text := s.keyed("/workflows/place_order/execute", `{"inputs":{"email":"ada@example.org","total":1}}`, fmt.Sprint("k", round), "")
			if run := res.Header.Get("Location"); run != "" {
				s.ends(run)
			} else if res.StatusCode != http.StatusOK {
				t.Errorf("%s %s", res.Status, text)
			}
		}
		if got, want := s.ask("POST", "/api/orders/count", ""), fmt.Sprintf(`200 {"count":%d}`, rounds); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	})
}

// keyed sends a request with an Idempotency-Key.
func (s *site) keyed(path, body, key, prefer string) (*http.Response, string) {
	s.t.Helper()
	req, _ := http.NewRequest("POST", s.http.URL+path, strings.NewReader(body))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("Idempotency-Key", key)
	if prefer != "" {
		req.Header.Set("Prefer", prefer)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res, string(text)
}

// ends waits for a run to end.
func (s *site) ends(run string) {
	s.t.Helper()
	res, err := http.Get(s.http.URL + run + "/events") // which end with the run
	if err != nil {
		s.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, res.Body)
	res.Body.Close()
}

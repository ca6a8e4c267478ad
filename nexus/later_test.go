package nexus_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
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
			if res, err = http.Get(s.http.URL + run + "/events"); err != nil { // which end with the run
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
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

package nexus_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
)

// Requests with one key that come at the same time have one effect, and all
// get its answer.
func TestOneKeyManyRequestsOneEffect(t *testing.T) {
	s := newServer(t, nil)
	for _, request := range []string{
		"POST /api/customers\nIdempotency-Key: k\n\n" + `{"email":"ada@example.org","name":"Ada"}`,
		"POST /workflows/place_order/execute\nIdempotency-Key: w\n\n" + `{"inputs":{"email":"bob@example.org","total":1}}`,
	} {
		const n = 20
		answers := make([]*httptest.ResponseRecorder, n)
		var wg sync.WaitGroup
		for i := range n {
			r := parseRequest(t, request)
			answers[i] = httptest.NewRecorder()
			wg.Go(func() { s.api.ServeHTTP(answers[i], r) })
		}
		wg.Wait()
		first := 0
		for _, a := range answers {
			if a.Code >= 300 || a.Body.String() != answers[0].Body.String() {
				t.Errorf("%d %s, want %s", a.Code, a.Body, answers[0].Body)
			}
			if a.Header().Get("Idempotent-Replayed") == "" {
				first++
			}
		}
		if first != 1 {
			t.Errorf("%d requests had an effect, want 1", first)
		}
	}
	for path, want := range map[string]string{"/api/customers/count": `{"count":2}`, "/api/orders/count": `{"count":1}`} {
		if got := s.ask("POST " + path); !strings.HasSuffix(got, want) {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// What is done outside of any transaction can't be promised to happen once, so
// a key for it is refused rather than ignored.
func TestAKeyForWhatIsOnlyOutsideIsRefused(t *testing.T) {
	var calls int
	outside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls++ }))
	defer outside.Close()
	s := newServer(t, func(app *dataflow.App) {
		app.Workflows = append(app.Workflows, apptest.Workflow("call", nil,
			apptest.Node("HTTPRequestNode", "call", dataflow.ObjectOf("url", outside.URL))))
	})
	s.run([]exchange{{"with a key", "POST /workflows/call/execute\nIdempotency-Key: k", `422
Cache-Control: no-store
Content-Type: application/problem+json

{"type":"urn:flowctl:problem:idempotency_unsupported","title":"Unprocessable Entity","status":422,"detail":"the workflow writes to no database, so an Idempotency-Key can't be kept with what it does","code":"idempotency_unsupported","hint":"leave the header out","workflow":"call","request_id":"r1"}`}})
	if calls != 0 {
		t.Errorf("%d calls were made", calls)
	}
	if res := s.do("POST /workflows/call/execute"); res.StatusCode != http.StatusOK || calls != 1 {
		t.Errorf("without a key: %s and %d calls", render(res), calls)
	}
}

// A key is kept with the run even where only the run can tell to which database
// it writes.
func TestAKeyForAHandler(t *testing.T) {
	s := newServer(t, func(app *dataflow.App) {
		product := app.Databases[0].Models[2]
		for _, name := range []string{"add", "nothing"} {
			app.Workflows = append(app.Workflows, apptest.Handler(name, nil, func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
				if name == "nothing" {
					return dataflow.ObjectOf("run", h.Info().RunID), nil
				}
				return h.Run(ctx, dataflow.Op{Model: product, Kind: dataflow.OpCreate}, dataflow.ObjectOf("id", h.Info().RunID, "name", "x", "stock", int64(1)))
			}))
		}
	})
	for _, name := range []string{"add", "nothing"} {
		request := "POST /workflows/" + name + "/execute\nIdempotency-Key: " + name
		first, second := s.ask(request), s.ask(request)
		if want := strings.Replace(first, "\n\n", "\nIdempotent-Replayed: true\n\n", 1); second != want {
			t.Errorf("again:\n%s\nwant\n%s", second, want)
		}
	}
	if got := s.ask("POST /api/products/count"); !strings.HasSuffix(got, `{"count":1}`) {
		t.Errorf("%s, want one", got)
	}
}

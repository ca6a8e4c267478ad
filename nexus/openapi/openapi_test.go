package openapi_test

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
	"github.com/flowctl/flowctl/nexus/rest"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
)

func serve(t *testing.T) http.Handler {
	t.Helper()
	app := apptest.Shop("sqlite:" + filepath.Join(t.TempDir(), "shop.db"))
	app.Server.Monitoring = true
	gen, ds := nexus.Build(t.Context(), app, nexus.Options{Now: apptest.Clock(), NewID: apptest.IDs()})
	if gen == nil {
		t.Fatal(ds)
	}
	t.Cleanup(func() { gen.Close() })
	return gen.API()
}

func document(t *testing.T, api http.Handler) []byte {
	t.Helper()
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("GET /openapi.json: %d %s", w.Code, w.Body)
	}
	return w.Body.Bytes()
}

func TestDocumentIsValid(t *testing.T) {
	text := document(t, serve(t))
	var any map[string]any
	if err := json.Unmarshal(text, &any); err != nil {
		t.Fatal(err)
	}
	doc, err := libopenapi.NewDocument(text)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if ok, errs := v.ValidateDocument(); !ok {
		for _, e := range errs {
			t.Error(e.Message, e.Reason)
			for _, s := range e.SchemaValidationErrors {
				t.Error(s.FieldPath, s.Reason)
			}
		}
	}
	loaded, err := openapi3.NewLoader().LoadFromData(text)
	if err != nil {
		t.Fatal("kin-openapi: ", err)
	}
	if err := loaded.Validate(t.Context()); err != nil {
		t.Error("kin-openapi: ", err)
	}
}

// Every kind of answer of a real app must fit what the document says of it,
// and every request it takes must fit too.
func TestAnswersFitTheDocument(t *testing.T) {
	api := serve(t)
	doc, err := libopenapi.NewDocument(document(t, api))
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	described := parse(t, document(t, api))
	requests := []struct {
		request string
		status  int
	}{
		{"POST /api/customers\n" + `{"email":"ada@example.org","name":"Ada"}`, 201},
		{"POST /api/customers\n" + `{"email":"ada@example.org","name":"Ada"}`, 409},
		{"GET /api/customers/1", 200},
		{"GET /api/customers/9", 404},
		{"GET /api/customers?count=true&limit=1", 200},
		{"GET /api/customers?email=ada@example.org", 200},
		{"PATCH /api/customers/1\n" + `{"name":"Ada L."}`, 200},
		{"PUT /api/customers/1\n" + `{"email":"ada@example.com","name":"Ada"}`, 200},
		{"POST /api/customers/upsert\n" + `{"where":{"email":"b@example.org"},"create":{"name":"B"},"update":{"name":"C"}}`, 201},
		{"POST /api/customers/upsert\n" + `{"where":{"email":"b@example.org"},"create":{"name":"B"},"update":{"name":"C"}}`, 200},
		{"POST /api/customers/count\n" + `{"filter":{"name":"B"}}`, 200},
		{"POST /api/orders\n" + `{"customer":1,"total":"10.5"}`, 201},
		{"POST /api/orders\n" + `{"customer":1,"total":7,"status":"paid","note":null}`, 201},
		{"GET /api/orders?limit=1&count=true", 200},
		{"GET /api/orders/1", 200},
		{"GET /api/orders/1?expand=customer", 200},
		{"GET /api/customers?expand=orders.customer", 200},
		{"POST /api/orders/aggregate\n" + `{"group_by":["status"],"aggregates":{"n":{"$count":true},"sum":{"$sum":"total"}}}`, 200},
		{"POST /api/products/bulk_create\n" + `{"data":[{"id":"a","name":"A","stock":1}],"return_ids":true}`, 200},
		{"POST /api/products/bulk_create\n" + `{"data":[{"id":"a","name":"A","stock":1},{"id":"b","name":"B","stock":1}],"on_error":"skip"}`, 200},
		{"POST /api/products/bulk_update\n" + `{"filter":{"stock":1},"fields":{"stock":2}}`, 200},
		{"POST /api/products/bulk_update\n" + `{"data":[{"id":"a","stock":5}]}`, 200},
		{"POST /api/products/bulk_upsert\n" + `{"data":[{"id":"a","name":"A","stock":3}],"conflict_on":["id"]}`, 200},
		{"POST /api/products/bulk_delete\n" + `{"ids":["a","zz"]}`, 200},
		{"DELETE /api/customers/2", 204},
		{"GET /workflows", 200},
		{"GET /workflows/place_order", 200},
		{"POST /workflows/place_order/execute\n" + `{"inputs":{"email":"ada@example.org","total":"1.50"}}`, 200},
		{"POST /workflows/find_customer/execute\n" + `{"inputs":{"id":99}}`, 404},
		{"POST /workflows/refuse/execute\n" + `{}`, 422},
		{"GET /", 200},
		{"GET /health/live", 200},
		{"GET /health/ready", 200},
		{"GET /openapi.json", 200},
		{"GET /_flow/status", 404},
		{"GET /metrics", 200},
		{"GET /docs/nothing", 404},
		{"GET /runs", 200},
		{"GET /runs?status=waiting&limit=1", 200},
		{"GET /runs/nothing", 404},
		{"GET /runs/nothing/events", 404},
		{"POST /workflows/keep_order/execute\n" + `{"inputs":{"email":"ada@example.org","total":"1.50"}}`, 200},
		{"POST /workflows/approve/execute\nPrefer: respond-async\n" + `{"inputs":{"id":1}}`, 202},
		{"GET /runs?workflow=approve", 200},
		{"GET /runs/{run}", 200},
		{"POST /runs/{run}/signal\n" + `{"name":"approval","payload":{"by":"Ada"}}`, 202},
		{"POST /runs/{run}/cancel\n{}", 202},
		{"POST /runs/{run}/retry\n{}", 409},
		{"POST /workflows/find_customer/execute\n" + `{"inputs":{"id":1}}`, 200},
		{"POST /workflows/crash/execute\n{}", 500},
		{"POST /api/batch\n" + `{"operations":[{"id":"a","model":"customers","op":"count"}]}`, 200},
		{"POST /api/batch\nPrefer: return=minimal\n" + `{"operations":[{"model":"customers","op":"count","args":{}}]}`, 204},
		{"GET /api/orders/1?fields=status", 200},
		{"GET /api/orders?fields=id,total&expand=customer", 200},
		{"GET /api/orders/1\nIf-None-Match: \"1\"", 304},
		{"PATCH /api/orders/1\nIf-Match: \"1\"\n" + `{"note":"x"}`, 200},
		{"PATCH /api/orders/1\nIf-Match: \"1\"\n" + `{"note":"y"}`, 412},
		{"PATCH /api/orders/1\nIf-Match: *\nPrefer: return=minimal\n" + `{"note":"z"}`, 204},
		{"PATCH /api/orders/99\nIf-Match: *\n" + `{"note":"z"}`, 404},
		{"PUT /api/orders/1\nIf-Match: *\n" + `{"customer":1,"total":"1"}`, 200},
		{"DELETE /api/orders/2\nIf-Match: *\nPrefer: return=representation", 200},
		{"POST /api/orders/upsert\n" + `{"where":{"id":1},"update":{"note":"up"}}`, 200},
		{"POST /api/customers\nIdempotency-Key: k\n" + `{"email":"k@example.org","name":"K"}`, 201},
		{"POST /api/customers\nIdempotency-Key: k\n" + `{"email":"k@example.org","name":"K"}`, 201},
		{"POST /api/customers\nPrefer: tx=rollback\n" + `{"email":"r@example.org","name":"R"}`, 201},
		{"POST /api/products/bulk_update\nPrefer: max-affected=0\n" + `{"filter":{"stock":1},"fields":{"stock":2}}`, 200},
		{"POST /api/invoices\nX-Tenant-ID: t\n" + `{"number":"1"}`, 201},
		{"GET /api/invoices\nX-Tenant-ID: t", 200},
		{"POST /api/customers/import\nContent-Type: text/csv\nemail,name\ni@example.org,I\n", 200},
		{"POST /api/customers/import?on_error=skip\nContent-Type: text/csv\nemail,name\ni@example.org,I\n", 200},
		{"POST /api/customers/import\nContent-Type: text/csv\nemail,nmae\ni@example.org,I\n", 422},
		{"POST /api/customers/import?mode=upsert&conflict_on=email\nContent-Type: text/csv\nemail,name\ni@example.org,J\n", 200},
		{"GET /api/customers\nPrefer: count=exact", 200},
		{"GET /api/customers?limit=1", 200},
		{"GET /api/customers?limit=1\nIf-None-Match: *", 304},
		{"GET /workflows\nIf-None-Match: *", 304},
		{"GET /api/customers?limit=1&offset=1", 200},
		{"PUT /api/products/new\nIf-None-Match: *\n" + `{"name":"New","stock":1}`, 201},
		{"PUT /api/products/new\nIf-None-Match: *\n" + `{"name":"New","stock":1}`, 412},
		{"POST /workflows/find_customer/execute\nPrefer: respond-async\n" + `{"inputs":{"id":1}}`, 202},
		{"GET /workflows/place_order\nIf-None-Match: *", 304},
		{"GET /runs\nIf-None-Match: *", 304},
		{"GET /\nIf-None-Match: *", 304},
		{"GET /workflows\nAccept-Encoding: gzip", 200},
		{"GET /api/customers\nAccept: text/csv;q=0, text/html", 406},
		{"GET /api/customers\nOrigin: https://elsewhere.example", 403},
	}
	run := ""
	for _, rq := range requests {
		head, body, _ := strings.Cut(strings.ReplaceAll(rq.request, "{run}", run), "\n")
		method, target, _ := strings.Cut(head, " ")
		var headers [][2]string
		for body != "" && body[0] != '{' {
			line, rest, _ := strings.Cut(body, "\n")
			name, value, ok := strings.Cut(line, ": ")
			if !ok {
				break
			}
			headers, body = append(headers, [2]string{name, value}), rest
		}
		build := func() *http.Request {
			r := httptest.NewRequest(method, target, strings.NewReader(body))
			if body == "" {
				r = httptest.NewRequest(method, target, nil)
			} else {
				r.Header.Set("Content-Type", "application/json")
			}
			for _, h := range headers {
				r.Header.Set(h[0], h[1])
			}
			return r
		}
		if ok, errs := v.ValidateHttpRequest(build()); !ok {
			for _, e := range errs {
				t.Errorf("%s: request: %s: %s %v", rq.request, e.Message, e.Reason, e.SchemaValidationErrors)
			}
		}
		w := httptest.NewRecorder()
		api.ServeHTTP(w, build())
		if w.Code != rq.status {
			t.Errorf("%s: %d, want %d: %s", rq.request, w.Code, rq.status, w.Body)
		}
		if at, ok := strings.CutPrefix(w.Header().Get("Location"), "/runs/"); ok {
			run = at
		}
		res := w.Result()
		known := described.headers(t, method, target, w.Code)
		for name := range res.Header {
			if !slices.Contains(known, strings.ToLower(name)) {
				t.Errorf("%s: %d: the document does not tell of the header %s", rq.request, w.Code, name)
			}
		}
		res.Body = nopCloser{bytes.NewReader(w.Body.Bytes())}
		if ok, errs := v.ValidateHttpResponse(build(), res); !ok {
			for _, e := range errs {
				t.Errorf("%s: answer: %s: %s %v\n%s", rq.request, e.Message, e.Reason, e.SchemaValidationErrors, w.Body)
			}
		}
	}
}

type nopCloser struct{ *bytes.Reader }

func (nopCloser) Close() error { return nil }

// The checks above mean something only if they can fail.
func TestValidatorRefusesWhatDoesNotFit(t *testing.T) {
	api := serve(t)
	doc, err := libopenapi.NewDocument(document(t, api))
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	r := httptest.NewRequest("POST", "/api/customers", strings.NewReader(`{"email":"ada@example.org","nmae":"Ada"}`))
	r.Header.Set("Content-Type", "application/json")
	if ok, _ := v.ValidateHttpRequest(r); ok {
		t.Error("an unknown field fits")
	}
	r = httptest.NewRequest("GET", "/api/customers/1", nil)
	w := httptest.NewRecorder()
	w.Header().Set("Content-Type", "application/json")
	w.WriteString(`{"id":"1"}`)
	if ok, _ := v.ValidateHttpResponse(r, w.Result()); ok {
		t.Error("half a row with an id of another type fits")
	}
}

// The document describes what is served: no less, and no more.
func TestDocumentDescribesWhatIsServed(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
		}
	}
	if err := json.Unmarshal(document(t, serve(t)), &doc); err != nil {
		t.Fatal(err)
	}
	var got []string
	ids := map[string]bool{}
	for path, item := range doc.Paths {
		for method, op := range item {
			got = append(got, strings.ToUpper(method)+" "+path)
			if ids[op.OperationID] || op.OperationID == "" {
				t.Errorf("%s %s: the operation id %q is empty or taken", method, path, op.OperationID)
			}
			ids[op.OperationID] = true
		}
	}
	var want []string
	for _, m := range []string{"customers", "orders", "products"} {
		for _, op := range []string{"GET ", "POST ", "GET /{id}", "PATCH /{id}", "PUT /{id}", "DELETE /{id}", "POST /upsert", "POST /count",
			"POST /import", "POST /bulk_create", "POST /bulk_update", "POST /bulk_delete", "POST /bulk_upsert", "POST /aggregate"} {
			method, suffix, _ := strings.Cut(op, " ")
			want = append(want, method+" /api/"+m+suffix)
		}
	}
	want = append(want, "GET /runs", "GET /runs/{id}", "GET /runs/{id}/events",
		"POST /runs/{id}/signal", "POST /runs/{id}/cancel", "POST /runs/{id}/retry")
	want = append(want, "GET /api/invoices", "POST /api/invoices", "POST /api/invoices/aggregate", "POST /api/batch", "GET /_flow/status", "GET /metrics", "GET /docs", "GET /docs/{file}",
		"GET /", "GET /health/live", "GET /health/ready", "GET /openapi.json", "GET /workflows")
	for _, wf := range []string{"place_order", "find_customer", "refuse", "crash", "hang", "keep_order", "approve"} {
		want = append(want, "GET /workflows/"+wf, "POST /workflows/"+wf+"/execute")
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-served +described)\n%s", diff)
	}
}

// described is a document as these tests look at it.
type described struct {
	Paths      map[string]map[string]describedOperation
	Components struct{ Responses map[string]describedResponse }
}

type describedOperation struct {
	OperationID string `json:"operationId"`
	Responses   map[string]describedResponse
}

type describedResponse struct {
	Ref     string `json:"$ref"`
	Headers map[string]any
}

func parse(t *testing.T, text []byte) *described {
	t.Helper()
	d := new(described)
	if err := json.Unmarshal(text, d); err != nil {
		t.Fatal(err)
	}
	return d
}

// operation finds what the document says of a request. Paths that are written
// out go before those with a parameter.
func (d *described) operation(t *testing.T, method, target string) describedOperation {
	t.Helper()
	path, _, _ := strings.Cut(target, "?")
	best, found := math.MinInt, describedOperation{}
	for pattern, item := range d.Paths {
		op, ok := item[strings.ToLower(method)]
		if ok && matches(pattern, path) {
			if plain := -strings.Count(pattern, "{"); plain > best {
				best, found = plain, op
			}
		}
	}
	if found.Responses == nil {
		t.Errorf("the document does not tell of %s %s", method, path)
	}
	return found
}

func matches(pattern, path string) bool {
	want, got := strings.Split(pattern, "/"), strings.Split(path, "/")
	return slices.EqualFunc(want, got, func(w, g string) bool { return w == g || strings.HasPrefix(w, "{") && g != "" })
}

// headers are those that an answer may have, in lower case: the ones described,
// and the ones that HTTP, not the API, puts there.
func (d *described) headers(t *testing.T, method, target string, status int) []string {
	t.Helper()
	names := []string{"content-type", "content-length", "date", "vary", "x-content-type-options", "content-security-policy",
		"referrer-policy", "access-control-allow-origin", "access-control-expose-headers"}
	op := d.operation(t, method, target)
	r, ok := op.Responses[strconv.Itoa(status)]
	if !ok {
		r = op.Responses["default"]
	}
	if name, ok := strings.CutPrefix(r.Ref, "#/components/responses/"); ok {
		r = d.Components.Responses[name]
	}
	for name := range r.Headers {
		names = append(names, strings.ToLower(name))
	}
	return names
}

// Every route is described, with each of its methods; and what is described is
// served: OPTIONS says so.
func TestRoutesAndDocumentAgree(t *testing.T) {
	api := serve(t)
	doc := parse(t, document(t, api))
	for _, rt := range rest.Routes() {
		pattern := strings.NewReplacer("{model}", "customers", "{name}", "place_order", "{action}", "cancel").Replace(rt.Pattern)
		for _, method := range rt.Methods {
			if method != http.MethodHead && method != http.MethodOptions {
				target := pattern
				if rt.Pattern == "/api/{model}/{id}" && method == http.MethodPost {
					target = "/api/customers/count"
				}
				doc.operation(t, method, target)
			}
		}
	}
	for path, item := range doc.Paths {
		target := strings.NewReplacer("{id}", "1", "{file}", "docs.css").Replace(path)
		r := httptest.NewRequest("OPTIONS", target, nil)
		r.Header.Set("X-Tenant-ID", "t")
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		allowed := strings.Split(w.Header().Get("Allow"), ", ")
		for method := range item {
			if !slices.Contains(allowed, strings.ToUpper(method)) {
				t.Errorf("%s %s is described, and OPTIONS %s allows %v", method, path, target, allowed)
			}
		}
	}
}

// What a client has already is not sent again.
func TestDocumentHasAnETag(t *testing.T) {
	api := serve(t)
	w := httptest.NewRecorder()
	api.ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	r := httptest.NewRequest("GET", "/openapi.json", nil)
	r.Header.Set("If-None-Match", w.Header().Get("ETag"))
	w = httptest.NewRecorder()
	api.ServeHTTP(w, r)
	if w.Code != http.StatusNotModified || w.Body.Len() > 0 {
		t.Errorf("got %d with %d bytes, want 304 with none", w.Code, w.Body.Len())
	}
}

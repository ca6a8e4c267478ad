package nexus_test

import (
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
)

// Whatever a query string holds, it is answered or refused; it never breaks
// anything.
func FuzzQueryString(f *testing.F) {
	for _, raw := range []string{
		"status=new", "total[$gte]=1&total[$lt]=9", "filter={\"status\":\"new\"}", "sort=-id,total", "fields=id&limit=1&count=true",
		"cursor=AT7SWalbIjMuNTAiLDNd&sort=-total", "[=]", "a[", "a]", "[$eq]=1", "customer..email=x", "customer.=1", ".=1", "%", "=", "&&", "total[$in]=[", "note[$regex]=(",
		"note[$between]=", "total=1e999999999", "total[$gte]=-0.000", "created_at=2026-02-30T00:00:00Z", "id=99999999999999999999", "note=%00", "note=\xff", "fields=", "sort=", "sort=,", "limit=+1", "offset=9007199254740993",
	} {
		f.Add(raw)
	}
	gen, ds := nexus.Build(f.Context(), apptest.Shop("sqlite:"+filepath.Join(f.TempDir(), "shop.db")), nexus.Options{})
	if gen == nil {
		f.Fatal(diagnostics(ds))
	}
	defer gen.Close()
	api := gen.API()
	send(api, "POST", "/api/customers", `{"email":"ada@example.org","name":"Ada"}`)
	send(api, "POST", "/api/orders", `{"customer":1,"total":"3.50"}`)
	f.Fuzz(func(t *testing.T, raw string) {
		r := httptest.NewRequest("GET", "/api/orders", nil)
		r.URL.RawQuery = raw
		w := httptest.NewRecorder()
		api.ServeHTTP(w, r)
		if w.Code != 200 && w.Code != 422 {
			t.Errorf("%q: %d %s", raw, w.Code, w.Body)
		}
	})
}

// The same for bodies.
func FuzzBody(f *testing.F) {
	for _, body := range []string{
		`{"customer":1,"total":1}`, `{"customer":1,"total":"1.50","note":null}`, `{`, `[]`, `null`, `{"total":1e400}`, `{"customer":1.0,"total":-0}`,
		`{"note":"\ud800"}`, `{"note":"\u0000","customer":1,"total":1}`, "{\"note\":\"\xff\"}", `{"":1}`, strings.Repeat("[", 100), `{"id":1,"version":2}`,
	} {
		f.Add(body)
	}
	gen, ds := nexus.Build(f.Context(), apptest.Shop("sqlite:"+filepath.Join(f.TempDir(), "shop.db")), nexus.Options{})
	if gen == nil {
		f.Fatal(diagnostics(ds))
	}
	defer gen.Close()
	api := gen.API()
	send(api, "POST", "/api/customers", `{"email":"ada@example.org","name":"Ada"}`)
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range []string{"/api/orders", "/api/orders/bulk_create", "/api/orders/upsert", "/api/orders/count", "/workflows/place_order/execute"} {
			r := httptest.NewRequest("POST", path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			api.ServeHTTP(w, r)
			if w.Code >= 500 {
				t.Errorf("%s %q: %d %s", path, body, w.Code, w.Body)
			}
		}
	})
}

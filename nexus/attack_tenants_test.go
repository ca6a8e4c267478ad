package nexus_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
)

// rented is the shop with a model of tenants, every operation of which is served,
// and one that refers to it.
func rented(url string) *dataflow.App {
	app := apptest.Shop(url)
	db := app.Databases[0]
	tenants := func(m *dataflow.Model) { m.MultiTenant = true }
	flat := apptest.Model(db, "Flat", "flats", tenants, apptest.Field("name", dataflow.String))
	bill := apptest.Model(db, "Bill", "bills", tenants, apptest.Field("flat", &dataflow.Type{Kind: dataflow.KindRef, Model: flat}), apptest.Field("sum", dataflow.Int))
	for _, m := range []*dataflow.Model{flat, bill} {
		e := apptest.Expose(m)
		app.Exposures = append(app.Exposures, e)
	}
	return app
}

// twin is an app with rows of one tenant and, or not, rows of another, whose ids
// come after them.
func twin(t *testing.T, url string, both bool) (ask func(method, path, body string, header ...string) string) {
	gen := build(t, rented(url), nexus.Options{Now: apptest.Clock(), NewID: apptest.IDs()})
	api, agents := gen.API(), gen.MCP()
	asked := func(tenant, method, path, body string, header ...string) string {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("X-Tenant-ID", tenant)
		r.Header.Set("X-Request-ID", "r1")
		r.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		w := httptest.NewRecorder()
		if strings.HasPrefix(path, "/mcp") {
			agents.ServeHTTP(w, r)
		} else {
			api.ServeHTTP(w, r)
		}
		return render(w.Result())
	}
	must := func(tenant, path, body string, header ...string) {
		t.Helper()
		if got := asked(tenant, "POST", path, body, header...); !strings.HasPrefix(got, "20") {
			t.Fatal(got)
		}
	}
	must("acme", "/api/flats", `{"name":"one"}`)
	must("acme", "/api/bills", `{"flat":1,"sum":10}`)
	if both {
		must("other", "/api/flats", `{"name":"theirs"}`, "Idempotency-Key", "shared")
		must("other", "/api/bills", `{"flat":2,"sum":77}`)
	}
	return func(method, path, body string, header ...string) string {
		return asked("acme", method, path, body, header...)
	}
}

// Whatever one tenant asks, in whatever way, no answer tells whether there are
// rows of another.
func TestRowsOfOtherTenantsMakeNoDifference(t *testing.T) {
	onEachEngine(t, func(t *testing.T, url string) {
		ask := twin(t, url, true)
		// The same engine without the other tenant is another database, of SQLite
		// always: both answer alike.
		without := twin(t, "sqlite:"+t.TempDir()+"/alone.db", false)
		batch := func(op string) string { return `{"operations":[` + op + `]}` }
		call := func(tool, arguments string) string {
			return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, tool, arguments)
		}
		for _, q := range []struct {
			method, path, body string
			header             []string
		}{
			{"GET", "/api/flats/2", "", nil},
			{"GET", "/api/flats", "", nil},
			{"GET", "/api/flats?count=exact&sort=-id", "", nil},
			{"GET", "/api/flats?id%5B$in%5D=1,2&count=exact", "", nil},
			{"GET", "/api/flats?name=theirs", "", nil},
			{"GET", "/api/flats", "", []string{"Accept", "text/csv"}},
			{"GET", "/api/bills", "", []string{"Accept", "application/x-ndjson"}},
			{"GET", "/api/bills?expand=flat&flat=2", "", nil},
			{"GET", "/api/bills?flat.name=theirs", "", nil},
			{"GET", "/api/flats?expand=bills", "", nil},
			{"POST", "/api/bills/count", `{"filter":{"flat":2}}`, nil},
			{"POST", "/api/bills/aggregate", `{"group_by":["flat"],"aggregates":{"n":{"$count":true},"s":{"$sum":"sum"}}}`, nil},
			{"PATCH", "/api/flats/2", `{"name":"mine"}`, nil},
			{"PUT", "/api/flats/2", `{"name":"mine"}`, nil},
			{"DELETE", "/api/flats/2", "", nil},
			{"PATCH", "/api/bills/1", `{"flat":2}`, nil},
			{"PATCH", "/api/flats/1", `{"tenant_id":"other"}`, nil},
			{"POST", "/api/flats", `{"name":"x","tenant_id":"other"}`, nil},
			{"POST", "/api/flats", `{"name":"x","id":2}`, nil},
			{"POST", "/api/bills", `{"flat":2,"sum":1}`, nil},
			{"POST", "/api/bills/bulk_create", `{"data":[{"flat":1,"sum":1},{"flat":2,"sum":1}]}`, nil},
			{"POST", "/api/bills/bulk_update", `{"filter":{"flat":2},"fields":{"sum":0}}`, nil},
			{"POST", "/api/flats/bulk_delete", `{"filter":{"id":{"$in":[2]}}}`, nil},
			{"POST", "/api/flats/bulk_delete", `{"ids":[2]}`, nil},
			{"POST", "/api/flats/upsert", `{"where":{"id":2},"update":{"name":"mine"},"create":{"name":"x"}}`, nil},
			{"POST", "/api/batch", batch(`{"op":"read","model":"flats","args":{"id":2}}`), nil},
			{"POST", "/api/batch", batch(`{"op":"update","model":"flats","args":{"id":2,"fields":{"name":"mine"}}}`), nil},
			{"POST", "/api/batch", batch(`{"op":"create","model":"bills","args":{"flat":2,"sum":1}}`), nil},
			{"POST", "/api/batch", batch(`{"op":"delete","model":"flats","args":{"id":2}}`), nil},
			{"POST", "/api/bills", `{"flat":2,"sum":1}`, []string{"Idempotency-Key", "shared"}},
			{"POST", "/mcp", call("get_record", `{"model":"Flat","id":2}`), nil},
			{"POST", "/mcp", call("find_records", `{"model":"Flat"}`), nil},
			{"POST", "/mcp", call("count_records", `{"model":"Bill","filter":{"flat":2}}`), nil},
			{"POST", "/mcp", call("update_records", `{"model":"Flat","filter":{"id":2},"fields":{"name":"mine"}}`), nil},
			{"POST", "/mcp", call("create_records", `{"model":"Bill","records":[{"flat":2,"sum":1}]}`), nil},
			{"POST", "/mcp", call("delete_records", `{"model":"Flat","ids":[2]}`), nil},
		} {
			got, want := ask(q.method, q.path, q.body, q.header...), without(q.method, q.path, q.body, q.header...)
			if got != want {
				t.Errorf("%s %s %s: with another tenant's rows\n%s\nwithout\n%s", q.method, q.path, q.body, got, want)
			}
			if strings.HasPrefix(got, "422") && !strings.Contains(got, "read_only") {
				t.Errorf("%s %s %s asks for nothing: %s", q.method, q.path, q.body, got)
			}
			if strings.Contains(got, "theirs") && !strings.Contains(q.path+q.body, "theirs") || strings.Contains(got, "77") {
				t.Errorf("%s %s %s: %s", q.method, q.path, q.body, got)
			}
		}
	})
}

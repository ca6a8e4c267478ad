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
	safe := apptest.Model(db, "Safe", "safes", func(m *dataflow.Model) { m.MultiTenant, m.Versioned = true, true }, apptest.Field("name", dataflow.String))
	for _, m := range []*dataflow.Model{flat, bill, safe} {
		e := apptest.Expose(m)
		e.Events = true
		app.Exposures = append(app.Exposures, e)
	}
	return app
}

// given is what the other tenant was answered with: what it could let slip.
type given struct{ cursor, run, list string }

// twin is an app with rows of one tenant and, or not, rows of another, whose ids
// come after them.
func twin(t *testing.T, url string, both bool) (ask func(method, path, body string, header ...string) string, other given) {
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
	must := func(tenant, path, body string, header ...string) string {
		t.Helper()
		method := "POST"
		if body == "" {
			method = "GET"
		}
		got := asked(tenant, method, path, body, header...)
		if !strings.HasPrefix(got, "20") {
			t.Fatal(got)
		}
		return got
	}
	must("acme", "/api/flats", `{"name":"one"}`)
	must("acme", "/api/bills", `{"flat":1,"sum":10}`)
	if both {
		must("other", "/api/flats", `{"name":"theirs"}`, "Idempotency-Key", "shared")
		must("other", "/api/bills", `{"flat":2,"sum":8088}`)
		must("other", "/api/safes", `{"name":"theirs"}`)
		must("other", "/api/safes", `{"name":"theirs"}`)
		other.cursor = part(must("other", "/api/safes?limit=1", ""), `"next_cursor":"`)
		other.list = part(must("other", "/api/safes", ""), `Etag: W/"`)
		other.run = part(must("other", "/workflows/approve/execute", `{"inputs":{"id":1}}`), `"run_id":"`)
	}
	return func(method, path, body string, header ...string) string {
		return asked("acme", method, path, body, header...)
	}, other
}

// part is what follows some text up to the next quote.
func part(answer, after string) string {
	_, rest, _ := strings.Cut(answer, after)
	text, _, _ := strings.Cut(rest, `"`)
	return text
}

// Whatever one tenant asks, in whatever way, no answer tells whether there are
// rows of another.
func TestRowsOfOtherTenantsMakeNoDifference(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		ask, slip := twin(t, url, true)
		if slip.cursor == "" || slip.run == "" || slip.list == "" {
			t.Fatalf("%+v", slip)
		}
		// The same engine without the other tenant is another database, of SQLite
		// always: both answer alike.
		without, _ := twin(t, "sqlite:"+t.TempDir()+"/alone.db", false)
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
			// With what the other was given, and could have let slip.
			{"GET", "/api/safes?cursor=" + slip.cursor, "", nil},
			{"GET", "/api/safes?limit=1&count=exact&cursor=" + slip.cursor, "", nil},
			{"POST", "/mcp", call("find_records", `{"model":"Safe","cursor":"`+slip.cursor+`"}`), nil},
			{"GET", "/api/safes", "", []string{"If-None-Match", `W/"` + slip.list + `"`}},
			{"GET", "/api/safes/1", "", []string{"If-None-Match", `"1"`}},
			{"PATCH", "/api/safes/1", `{"name":"mine"}`, []string{"If-Match", `"1"`}},
			{"PATCH", "/api/safes/1", `{"name":"mine"}`, []string{"If-Match", `"2"`}},
			{"PATCH", "/api/safes/1", `{"name":"mine"}`, nil},
			{"PUT", "/api/safes/1", `{"name":"mine"}`, []string{"If-Match", "*"}},
			{"DELETE", "/api/safes/1", "", []string{"If-Match", `"1"`}},
			{"POST", "/api/batch", batch(`{"op":"update","model":"safes","args":{"id":1,"version":1,"fields":{"name":"mine"}}}`), nil},
			{"POST", "/mcp", call("update_records", `{"model":"Safe","ids":[1],"version":1,"fields":{"name":"mine"}}`), nil},
			{"GET", "/runs", "", nil},
			{"GET", "/runs?cursor=" + slip.run, "", nil},
			{"GET", "/runs?parent=" + slip.run, "", nil},
			{"GET", "/runs/" + slip.run, "", nil},
			{"GET", "/runs/" + slip.run + "/events", "", nil},
			{"POST", "/runs/" + slip.run + "/cancel", "", nil},
			{"POST", "/runs/" + slip.run + "/retry", "", nil},
			{"POST", "/runs/" + slip.run + "/signal", `{"name":"approval"}`, nil},
			{"POST", "/mcp", call("get_run", `{"run_id":"`+slip.run+`"}`), nil},
			{"POST", "/mcp", call("signal_run", `{"run_id":"`+slip.run+`","name":"approval"}`), nil},
			{"POST", "/mcp", call("list_runs", `{"cursor":"`+slip.run+`"}`), nil},
			{"POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"resources/read","params":{"uri":"flowctl://models/Safe/records/1"}}`, nil},
			{"POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/resource","uri":"flowctl://models/{model}/records/{id}"},"argument":{"name":"id","value":""},"context":{"arguments":{"model":"Safe"}}}}`, nil},
		} {
			got, want := ask(q.method, q.path, q.body, q.header...), without(q.method, q.path, q.body, q.header...)
			if got != want {
				t.Errorf("%s %s %s: with another tenant's rows\n%s\nwithout\n%s", q.method, q.path, q.body, got, want)
			}
			if strings.HasPrefix(got, "422") && !strings.Contains(got, "read_only") && !strings.Contains(q.path, "/runs?") {
				t.Errorf("%s %s %s asks for nothing: %s", q.method, q.path, q.body, got)
			}
			if strings.Contains(got, "theirs") && !strings.Contains(q.path+q.body, "theirs") || strings.Contains(got, "8088") {
				t.Errorf("%s %s %s: %s", q.method, q.path, q.body, got)
			}
		}
		// A cursor that was changed on the way leads to rows of one's own, or nowhere.
		for i := range len(slip.cursor) {
			for _, c := range "A9" {
				got := ask("GET", "/api/safes?cursor="+slip.cursor[:i]+string(c)+slip.cursor[i+1:], "")
				if strings.Contains(got, "theirs") || !strings.HasPrefix(got, "200") && !strings.HasPrefix(got, "422") {
					t.Errorf("a cursor with %c at %d: %s", c, i, got)
				}
			}
		}
	})
}

// Whoever comes with a place in the feed that another was given, or that nobody
// was, hears of their own rows alone.
func TestAPlaceOfAnothersStream(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		s := serveSite(t, rented(url))
		theirs := s.listen("/api/flats/events", "", "X-Tenant-ID", "other")
		s.ask("POST", "/api/flats", `{"name":"theirs"}`, "X-Tenant-ID", "other")
		theirs.want(`{"event":"created","id":1,`)
		s.ask("POST", "/api/flats", `{"name":"theirs"}`, "X-Tenant-ID", "other")
		theirs.want(`{"event":"created","id":2,`)
		var ours []*listener
		for _, place := range []string{theirs.lastID, "0", "0-0", "1-0"} {
			ours = append(ours, s.listen("/api/flats/events", place, "X-Tenant-ID", "acme"))
		}
		s.ask("POST", "/api/flats", `{"name":"mine"}`, "X-Tenant-ID", "acme")
		for _, l := range ours {
			l.want(`{"event":"created","id":3,`)
		}
		for _, place := range []string{"1-", "-1", "1-2-3", "0x1", "1-99999999999999999999", "' OR 1=1"} {
			if got := s.ask("GET", "/api/flats/events", "", "X-Tenant-ID", "acme", "Accept", "text/event-stream", "Last-Event-ID", place); !strings.HasPrefix(got, "400") {
				t.Errorf("%q: %s", place, got)
			}
		}
	})
}

package nexus_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
	"github.com/google/go-cmp/cmp"
)

// guarded is an app with a model that has fields of each kind that callers may
// not write, and workflows that hand all that they are given to it.
func guarded(url string) *dataflow.App {
	app := apptest.Shop(url)
	db := app.Databases[0]
	json := &dataflow.Type{Kind: dataflow.KindJSON}
	owner := apptest.Model(db, "Owner", "owners", nil, apptest.Field("name", dataflow.String))
	m := apptest.Model(db, "Account", "accounts", func(m *dataflow.Model) {
		m.MultiTenant, m.Versioned, m.SoftDelete = true, true, true
		m.Computed = []dataflow.Computed{{Name: "twice", Func: &apptest.Func{ID: "twice", Args: []dataflow.Param{{Name: "row"}},
			Run: func(context.Context, []any, *dataflow.Object) (any, error) { return int64(2), nil }}}}
	}, apptest.Field("name", dataflow.String, apptest.Unique), apptest.Field("hidden", dataflow.String, apptest.Default("kept")), apptest.Field("shown", dataflow.String, apptest.Default("kept")),
		apptest.Field("owner", &dataflow.Type{Kind: dataflow.KindRef, Model: owner}, apptest.Optional))
	anyone := &dataflow.Rule{Grants: []dataflow.Grant{{Who: dataflow.WhoAnyone}}}
	hidden, _ := m.FieldIndex("hidden")
	shown, _ := m.FieldIndex("shown")
	m.Access = &dataflow.Access{Read: anyone, Create: anyone, Update: anyone, Delete: anyone,
		Fields: []dataflow.FieldAccess{{Field: hidden, Read: &dataflow.Rule{}}, {Field: shown, Read: anyone, Write: &dataflow.Rule{}}}}
	app.Exposures = append(app.Exposures, apptest.Expose(m), apptest.Expose(owner))
	o, in := dataflow.ObjectOf, func(name string) []*dataflow.Field { return []*dataflow.Field{apptest.Field(name, json)} }
	app.Workflows = append(app.Workflows,
		apptest.Workflow("change", in("fields"), apptest.Node("AccountUpdateNode", "n", o("id", int64(1), "fields", "${input.fields}"))),
		apptest.Workflow("change_all", in("fields"), apptest.Node("AccountBulkUpdateNode", "n", o("confirm_all", true, "fields", "${input.fields}"))),
		apptest.Workflow("put", in("create"), apptest.Node("AccountUpsertNode", "n", o("where", o("name", "new"), "create", "${input.create}"))),
		apptest.Workflow("put_again", in("update"), apptest.Node("AccountUpsertNode", "n", o("where", o("name", "ada"), "update", "${input.update}"))),
		apptest.Workflow("add_all", in("data"), apptest.Node("AccountBulkCreateNode", "n", o("data", "${input.data}"))),
		apptest.Handler("add", []*dataflow.Field{apptest.Field("all", &dataflow.Type{Kind: dataflow.KindObject})}, func(ctx context.Context, h dataflow.Handler, in *dataflow.Object) (any, error) {
			all, _ := in.Get("all")
			return h.Run(ctx, dataflow.Op{Model: m, Kind: dataflow.OpCreate}, all.(*dataflow.Object))
		}))
	return app
}

// Whoever writes a row writes the fields that are theirs to write, on whatever
// channel: what the runtime keeps, what is hidden from them or is not to be
// written by them, what is worked out, and what there is not, is refused by name,
// and nothing of the request is done.
func TestFieldsThatAreNotACallersToWrite(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, url string) {
		gen := build(t, guarded(url), nexus.Options{})
		ask := func(try string) string {
			line, headers, _ := strings.Cut(try, "\n")
			method, rest, _ := strings.Cut(line, " ")
			path, body, _ := strings.Cut(rest, " ")
			r := httptest.NewRequest(method, path, strings.NewReader(strings.ReplaceAll(body, `\n`, "\n")))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Tenant-ID", "acme")
			r.Header.Set("If-Match", "*")
			for h := range strings.SplitSeq(headers, "\n") {
				if name, value, ok := strings.Cut(h, ": "); ok {
					r.Header.Set(name, value)
				}
			}
			w := httptest.NewRecorder()
			if path == "/mcp" {
				gen.MCP().ServeHTTP(w, r)
			} else {
				gen.API().ServeHTTP(w, r)
			}
			return fmt.Sprintf("%d %s", w.Code, w.Body)
		}
		for _, try := range []string{`POST /api/owners {"name":"o"}`, `POST /api/accounts {"name":"ada","owner":1}`} {
			if got := ask(try); !strings.HasPrefix(got, "201") {
				t.Fatal(got)
			}
		}
		call := func(tool, arguments string) string {
			return `POST /mcp {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"` + tool + `","arguments":{"model":"Account",` + arguments + `}}}`
		}
		run := func(name, inputs string) string {
			return "POST /workflows/" + name + "/execute {\"inputs\":" + inputs + "}"
		}
		batch := func(op, args string) string {
			return `POST /api/batch {"operations":[{"op":"` + op + `","model":"accounts","args":` + args + `}]}`
		}
		// {f} is a field with its value, as JSON; {n} its name in CSV, {v} its value there.
		callers := []string{
			`POST /api/accounts {"name":"x",{f}}`, `POST /api/accounts {{f},"name":"x"}`, `PATCH /api/accounts/1 {{f}}`,
			"POST /api/accounts {\"name\":\"x\",{f}}\nPrefer: tx=rollback", "PATCH /api/accounts/1 {{f}}\nPrefer: tx=rollback", "PUT /api/accounts/1 {\"name\":\"ada\",{f}}\nPrefer: tx=rollback",
			`POST /api/accounts/upsert {"where":{"name":"new"},"create":{{f}}}`, `POST /api/accounts/upsert {"where":{"name":"ada"},"update":{{f}}}`, `POST /api/accounts/upsert {"where":{"name":"ada"},"create":{{f}}}`,
			`POST /api/accounts/bulk_create {"data":[{"name":"x"},{"name":"y",{f}}]}`, `POST /api/accounts/bulk_create {"data":[{"name":"y",{f}}],"on_error":"fail"}`,
			`POST /api/accounts/bulk_update {"ids":[1],"fields":{{f}}}`, `POST /api/accounts/bulk_update {"filter":{"name":"ada"},"fields":{"owner":null,{f}}}`, `POST /api/accounts/bulk_update {"data":[{"id":1,{f}}]}`,
			`POST /api/accounts/bulk_upsert {"data":[{"name":"ada",{f}}],"conflict_on":["name"]}`, `POST /api/accounts/bulk_upsert {"data":[{"name":"z",{f}}],"conflict_on":["name"]}`,
			batch("create", `{"name":"x",{f}}`), batch("update", `{"id":1,"version":null,"fields":{{f}}}`), batch("upsert", `{"where":{"name":"ada"},"update":{{f}}}`), batch("bulk_create", `{"data":[{"name":"x",{f}}]}`),
			"POST /api/accounts/import name,{n}\\nx,{v}\nContent-Type: text/csv", "POST /api/accounts/import?mode=upsert&conflict_on=name name,{n}\\nada,{v}\nContent-Type: text/csv",
			"POST /api/accounts/import {\"name\":\"x\",{f}}\nContent-Type: application/x-ndjson", "POST /api/accounts/import?mode=upsert&conflict_on=name {\"name\":\"ada\",{f}}\nContent-Type: application/x-ndjson",
			call("create_records", `"records":[{"name":"x",{f}}]`), call("create_records", `"dry_run":true,"records":[{"name":"x",{f}}]`), call("update_records", `"ids":[1],"fields":{{f}}`), call("update_records", `"filter":{"name":"ada"},"fields":{{f}}`),
			call("update_records", `"records":[{"id":1,{f}}]`), call("update_records", `"dry_run":true,"ids":[1],"fields":{{f}}`), call("upsert_records", `"conflict_on":["name"],"records":[{"name":"ada",{f}}]`), call("upsert_records", `"conflict_on":["name"],"records":[{"name":"z",{f}}]`),
		}
		workflows := []string{run("change", `{"fields":{{f}}}`), run("change_all", `{"fields":{{f}}}`), run("put", `{"create":{{f}}}`), run("put_again", `{"update":{{f}}}`), run("add_all", `{"data":[{"name":"x",{f}}]}`), run("add", `{"all":{"name":"x",{f}}}`),
			run("add", `{"all":{"name":"x"},{f}}`), run("change", `{"fields":{"name":"ada"},{f}}`)}
		before := snapshot(t, url)
		for _, f := range []struct {
			name, value string
			app         bool // the app's own workflows may write it
		}{
			{"id", "77", false}, {"version", "9", false}, {"created_at", `"2001-01-01T00:00:00Z"`, false}, {"tenant_id", `"other"`, false}, {"tenant_id", `"acme"`, false}, {"deleted_at", "null", false},
			{"hidden", `"mine"`, true}, {"shown", `"mine"`, true}, {"twice", "4", false}, {"NAME", `"y"`, false}, {"name ", `"y"`, false}, {"ten\\u0061nt_id", `"other"`, false},
			{"owner", `{"id":1,"name":"y"}`, false}, {"owner.name", `"y"`, false}, {"nothing", "1", false}, {"__proto__", `{"tenant_id":"other"}`, false},
		} {
			tries := callers
			if !f.app {
				tries = append(tries[:len(tries):len(tries)], workflows...)
			}
			for _, try := range tries {
				text := strings.NewReplacer("{f}", `"`+f.name+`":`+f.value, "{n}", strings.ReplaceAll(f.name, `\u0061`, "a"), "{v}", `"`+strings.ReplaceAll(strings.Trim(f.value, `"`), `"`, `""`)+`"`).Replace(try)
				got := ask(text)
				if strings.HasPrefix(try, "PUT") && slices.Contains([]string{`"acme"`, "null", "4"}, f.value) && strings.HasPrefix(got, "200") {
					continue // what a GET gave may be sent back as it was
				}
				refused := strings.HasPrefix(got, "422") || strings.HasPrefix(got, "400") || strings.Contains(got, `"isError":true`)
				if !refused || strings.Contains(got, `"internal"`) {
					t.Errorf("%s\n\tis answered with %s", text, got)
				}
			}
		}
		if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(snapshot(t, url), "\n")); diff != "" {
			t.Errorf("the database has changed (-before +after)\n%s", diff)
		}
	})
}

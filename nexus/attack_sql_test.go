package nexus_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// hostile are words that mean something to an engine, to its search or its
// patterns, or to what reads them on the way there. None is found in a row.
var hostile = []string{
	"' OR '1'='1' --", `"); DROP TABLE things; SELECT ("`, `x' UNION SELECT digest FROM _flow_keys /* $1 ? :a @a $$ %s ${input.a}`, "name\"`[name]\\'",
	`100\%_ NEAR(a b) OR name:x*`, `"a & !b | (c <-> d $."a"[0]->>'b'`, `(a+)+$[[:alpha:]]\y(?=a){1000}`, "\x00", "\u202e\ufeffʼ\r\n9223372036854775808",
}

// databaseWords are what an engine says of SQL that it can't run. A caller must
// never read them.
var databaseWords = []string{"SQLSTATE", "syntax error", "SQL logic", "sqlite", "SQLITE", "no such column", "no such table", "unterminated", "malformed MATCH", "fts5", "tsquery",
	"invalid input syntax", "does not exist", "unrecognized token", "invalid byte sequence", "cannot cast", "operator is not", "invalid regular expression", "unsupported Unicode", "bad JSON path"}

// everything is an app with a field of each type, in whatever role there is for
// fields, and with workflows that hand what callers say to nodes of each kind.
func everything(url string) *dataflow.App {
	app := apptest.Shop(url)
	db := app.Databases[0]
	searchable := func(f *dataflow.Field) { f.Searchable = true }
	kind := func(k dataflow.Kind) *dataflow.Type { return &dataflow.Type{Kind: k} }
	owner := apptest.Model(db, "Owner", "owners", func(m *dataflow.Model) { m.MultiTenant = true },
		apptest.Field("name", dataflow.String, apptest.Optional))
	thing := apptest.Model(db, "Thing", "things", func(m *dataflow.Model) { m.MultiTenant, m.SoftDelete, m.Versioned, m.AuditLog = true, true, true, true },
		apptest.Field("name", dataflow.String, searchable),
		apptest.Field("code", dataflow.String, apptest.Optional, apptest.Unique),
		apptest.Field("n", dataflow.Int, apptest.Optional), apptest.Field("f", kind(dataflow.KindFloat), apptest.Optional),
		apptest.Field("yes", dataflow.Bool, apptest.Optional), apptest.Field("d", &dataflow.Type{Kind: dataflow.KindDecimal, Precision: 12, Scale: 2}, apptest.Optional),
		apptest.Field("at", dataflow.DateTime, apptest.Optional), apptest.Field("day", kind(dataflow.KindDate), apptest.Optional), apptest.Field("hour", kind(dataflow.KindTime), apptest.Optional),
		apptest.Field("u", kind(dataflow.KindUUID), apptest.Optional), apptest.Field("j", kind(dataflow.KindJSON), apptest.Optional), apptest.Field("b", kind(dataflow.KindBytes), apptest.Optional),
		apptest.Field("e", &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"one", "two"}}, apptest.Optional),
		apptest.Field("l", dataflow.ListOf(dataflow.String), apptest.Optional),
		apptest.Field("owner", &dataflow.Type{Kind: dataflow.KindRef, Model: owner}, apptest.Optional))
	label := apptest.Model(db, "Label", "labels", func(m *dataflow.Model) { m.ClientID = true },
		apptest.Field("id", dataflow.String), apptest.Field("text", dataflow.String, apptest.Optional))
	for _, m := range []*dataflow.Model{owner, thing, label} {
		e := apptest.Expose(m)
		e.Events = true
		app.Exposures = append(app.Exposures, e)
	}
	input := func(names ...string) (fields []*dataflow.Field) {
		for _, n := range names {
			fields = append(fields, apptest.Field(n, dataflow.String))
		}
		return fields
	}
	o := dataflow.ObjectOf
	app.Workflows = append(app.Workflows,
		apptest.Workflow("sql", input("a"), apptest.Node("SQLQueryNode", "q", o("sql", "SELECT name FROM things WHERE name = :a -- '", "params", o("a", "${input.a}")))),
		apptest.Workflow("sql_in", []*dataflow.Field{apptest.Field("a", dataflow.ListOf(dataflow.String))},
			apptest.Node("SQLQueryNode", "q", o("sql", "SELECT name FROM things WHERE name IN (:a)", "params", o("a", "${input.a}")))),
		apptest.Workflow("sql_write", input("a"), apptest.Node("SQLQueryNode", "q", o("sql", "UPDATE things SET name = 'x' WHERE name = $1", "params", []any{"${input.a}"}, "write", true))),
		apptest.Workflow("inside", input("a"), apptest.Node("LabelListNode", "l", o("filter", o("text", "<${input.a}>")))),
		apptest.Workflow("like", input("a"), apptest.Node("LabelListNode", "l", o("filter", o("text", o("$contains", "${input.a}"))))),
		apptest.Workflow("ordered", input("a"), apptest.Node("ThingListNode", "l", o("sort", "${input.a}"))),
		apptest.Workflow("filtered", []*dataflow.Field{apptest.Field("a", kind(dataflow.KindJSON))}, apptest.Node("ThingListNode", "l", o("filter", "${input.a}"))),
		apptest.Workflow("searched", input("a"), apptest.Node("ThingListNode", "l", o("search", "${input.a}"))),
	)
	app.Prompts = append(app.Prompts, &dataflow.Prompt{Name: "ask", Args: input("a"), Text: "Say what is asked."})
	return app
}

// snapshot is all that a database holds, its schema too, but for rows of the
// tables left out.
func snapshot(t *testing.T, at string, without ...string) string {
	t.Helper()
	engine, file, _ := strings.Cut(at, ":")
	ask := func(sql string) []string { return selectSQLite(t, file, sql) }
	schema := "SELECT type || ' ' || name || ' ' || coalesce(sql, '') FROM sqlite_master WHERE name NOT LIKE '%\\_fts\\_%' ESCAPE '\\' ORDER BY 1"
	tables := "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1"
	rows := func(table string) []string { return rowsSQLite(t, file, table) }
	if engine != "sqlite" {
		c, err := pgx.Connect(t.Context(), at)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close(context.Background())
		ask = func(sql string) []string {
			found, err := c.Query(t.Context(), sql)
			if err != nil {
				t.Fatal(err)
			}
			texts, err := pgx.CollectRows(found, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			return texts
		}
		const mine = "NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"
		schema = `SELECT table_schema || '.' || table_name || '.' || column_name || ' ' || data_type || is_nullable FROM information_schema.columns WHERE table_schema ` + mine +
			` UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname ` + mine + ` UNION ALL SELECT rolname || rolsuper FROM pg_roles UNION ALL SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace ORDER BY 1`
		tables = "SELECT tablename::text FROM pg_tables WHERE schemaname " + mine + " ORDER BY 1"
		rows = func(table string) []string {
			name := pgx.Identifier{table}.Sanitize()
			return ask("SELECT " + name + "::text FROM " + name + " ORDER BY 1")
		}
	}
	all := ask(schema)
	for _, table := range ask(tables) {
		if slices.Contains(without, table) || strings.Contains(table, "_fts_") {
			continue
		}
		for _, row := range rows(table) {
			all = append(all, table+": "+row)
		}
	}
	return strings.Join(all, "\n")
}

func selectSQLite(t *testing.T, file, sql string) (texts []string) {
	t.Helper()
	c, err := sqlite.OpenConn(file, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	err = sqlitex.Execute(c, sql, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
		var row []string
		for i := range s.ColumnCount() {
			row = append(row, s.ColumnText(i))
		}
		texts = append(texts, strings.Join(row, "|"))
		return nil
	}})
	if err != nil {
		t.Fatal(sql, err)
	}
	return texts
}

func rowsSQLite(t *testing.T, file, table string) []string {
	rows := selectSQLite(t, file, `SELECT * FROM "`+table+`"`)
	slices.Sort(rows)
	return rows
}

func jsonText(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// tries are requests in which a word may stand anywhere that a caller can write:
// {q} is the word in an address, {p} in a path, {j} as JSON, {s} within a text of
// JSON, {c} within a cell of CSV, {r} as it is. Behind a name and a line break
// stand headers. What they write they undo.
func tries() []string {
	const undo = "\nPrefer: tx=rollback"
	var all []string
	add := func(more string, tries ...string) {
		for _, t := range tries {
			line, headers, _ := strings.Cut(t, "\n")
			if headers != "" {
				headers = "\n" + headers
			}
			all = append(all, line+headers+more)
		}
	}
	for _, f := range []string{"id", "name", "n", "d", "at", "u", "j", "b", "l", "owner", "owner.name", "deleted_at"} {
		for _, op := range []string{"$eq", "$in", "$gte", "$like", "$contains", "$regex"} {
			if f == "name" || f == "j" || op == "$eq" || op == "$contains" {
				add("", "GET /api/things?"+f+"["+op+"]={q}", `POST /api/things/count {"filter":{"`+f+`":{"`+op+`":{j}}}}`)
			}
		}
		add("", "GET /api/things?"+f+"={q}", "GET /api/things?sort="+f+"{q}", "GET /api/things?"+f+"[{q}]=1", "GET /api/things?"+f+"{q}=1")
	}
	add("", "GET /api/things?{q}=1", "GET /api/things?sort={q}", "GET /api/things?fields={q}", "GET /api/things?fields=name,owner.{q}", "GET /api/things?expand={q}", "GET /api/things?expand=owner.{q}",
		"GET /api/things?search={q}", "GET /api/things?cursor={q}", "GET /api/things?limit={q}", "GET /api/things?count={q}", "GET /api/things?include_deleted={q}", "GET /api/things?filter={q}",
		"GET /api/things?name={q}\nAccept: text/csv", "GET /api/things?sort={q}\nAccept: application/x-ndjson",
		"GET /api/things/{p}", "GET /api/labels/{p}", "GET /api/{p}", "POST /api/things/{p} {}", "PATCH /api/labels/{p} {}", "DELETE /api/labels/{p}-", "GET /workflows/{p}", "POST /workflows/{p}/execute {}", "GET /docs/{p}", "POST /mcp/{p} {}",
		"GET /runs?{q}=1", "GET /runs?status={q}", "GET /runs?workflow={q}", "GET /runs?parent={q}", "GET /runs?cursor={q}", "GET /runs/{p}", "GET /runs/{p}/events", "POST /runs/{p}/cancel {}", "POST /runs/{p}/signal {\"name\":{j}}", "POST /runs/{run}/{p} {}", "POST /runs/{run}/signal {\"name\":{j},\"payload\":{j}}",
		"HEAD /api/things/events\nAccept: text/event-stream\nLast-Event-Id: {r}", "HEAD /api/things/events?name={q}\nAccept: text/event-stream", "HEAD /api/things/events?{q}=1\nAccept: text/event-stream")
	for _, c := range []string{`"group_by":{j}`, `"group_by":["owner."+{j}]`, `"group_by":"name","aggregates":{{j}:{"$count":true}},"having":{{j}:{"$gt":0}},"sort":{j}`, `"aggregates":{"n":{"$sum":{j}}}`,
		`"aggregates":{"n":{{j}:"n"}}`, `"group_by":"name","aggregates":{"n":{"$max":"name"}},"having":{"n":{"$gt":{j}}}`, `"filter":{"name":{j}},"search":{j}`, `{j}:1`} {
		add("", "POST /api/things/aggregate {"+c+"}")
	}
	for _, c := range []string{`{j}`, `{{j}:1}`, `{"name":{{j}:1}}`, `{"j":{{j}:{j}}}`, `{"j.{s}":{j}}`, `{"$or":[{"name":{j}},{"l":{"$contains":{j}}}]}`} {
		add("", `POST /api/things/count {"filter":`+c+`}`, "POST /workflows/filtered/execute {\"inputs\":{\"a\":"+c+"}}")
	}
	for _, h := range []string{"Accept", "X-Tenant-Id", "Traceparent", "X-Request-Id", "Prefer", "If-None-Match", "Origin", "Accept-Encoding", "Authorization", "X-Api-Key"} {
		add("", "GET /api/things\n"+h+": {r}")
	}
	add(undo, "POST /api/labels {\"id\":\"k\"}\nIdempotency-Key: {r}", "PATCH /api/things/1 {\"n\":1}\nIf-Match: {r}", "PATCH /api/things/1 {\"n\":1}\nIf-Match: \"{r}\"", "POST /api/labels {\"id\":\"k\"}\nContent-Type: {r}", "POST /api/labels {\"id\":\"k\"}\nContent-Encoding: {r}",
		`POST /api/labels {{j}:1}`, `PUT /api/labels/{p} {"text":{j}}`)
	for _, f := range []string{"name", "code", "d", "u", "j", "b", "l", "owner", "tenant_id"} {
		add(undo, `POST /api/things {"name":"x","`+f+`":{j}}`, `PATCH /api/things/1 {"`+f+`":{j}}`+"\nIf-Match: *",
			`POST /api/things/bulk_update {"filter":{"`+f+`":{j}},"fields":{"`+f+`":{j}}}`, `POST /api/things/upsert {"where":{"`+f+`":{j}},"create":{"name":"x"}}`,
			`POST /api/things/bulk_upsert {"data":[{"name":"x","code":"z","`+f+`":{j}}],"conflict_on":["code"]}`, `POST /api/batch {"operations":[{"op":"create","model":"things","args":{"name":"x","`+f+`":{j}}}]}`,
			"POST /api/things/import n,"+f+"\\n1,\"{c}\"\nContent-Type: text/csv", "POST /api/things/import "+`{"name":"x","`+f+`":{j}}`+"\nContent-Type: application/x-ndjson")
	}
	add(undo, `POST /api/things/bulk_upsert {"data":[{"name":"x","code":"z"}],"conflict_on":[{j}]}`, `POST /api/things/bulk_create {"data":[{"name":"x"}],"on_error":{j}}`, `POST /api/things/bulk_delete {"ids":[{j}]}`,
		`POST /api/things/bulk_delete {"filter":{{j}:{j}}}`, `POST /api/things/bulk_update {"data":[{"id":{j},"n":1}]}`, `POST /api/things/upsert {"where":{{j}:1}}`,
		`POST /api/batch {"operations":[{"op":{j},"model":"things"}]}`, `POST /api/batch {"operations":[{"op":"list","model":{j}}]}`, `POST /api/batch {"operations":[{"op":"list","model":"things","args":{"sort":{j},"filter":{{j}:{j}}}}]}`,
		`POST /api/batch {"operations":[{"id":{j},"op":"count","model":"things","args":{}},{"op":"read","model":"things","args":{"id":{"$ref":"{s}.count"}}}]}`)
	for _, q := range []string{"mode={q}", "mode=upsert&conflict_on={q}", "ignore={q}", "on_error={q}", "{q}=1"} {
		add(undo, "POST /api/things/import?"+q+" name,code\\nX,Y\nContent-Type: text/csv")
	}
	add(undo, "POST /api/things/import name,\"{c}\"\\nX,Y\nContent-Type: text/csv", "POST /api/things/import {{j}:1}\nContent-Type: application/x-ndjson", "POST /api/things/import {r}\nContent-Type: text/csv", "POST /api/things/import {r}\nContent-Type: application/x-ndjson")
	for _, wf := range []string{"sql", "sql_write", "inside", "like", "ordered", "searched"} {
		add("", `POST /workflows/`+wf+`/execute {"inputs":{"a":{j}}}`)
	}
	add("", `POST /workflows/sql_in/execute {"inputs":{"a":[{j},{j}]}}`, `POST /workflows/sql/execute {"inputs":{{j}:1}}`, `POST /workflows/find_customer/execute {"inputs":{"id":{j}}}`)
	for _, c := range [][2]string{{"describe_models", `"models":[{j}]`}, {"find_records", `"model":{j}`}, {"find_records", `"model":"Thing","filter":{{j}:{j}}`}, {"find_records", `"model":"Thing","filter":{"name":{j}}`}, {"find_records", `"model":"Thing","sort":{j}`},
		{"find_records", `"model":"Thing","cursor":{j}`}, {"find_records", `"model":"Thing","fields":[{j}]`}, {"find_records", `"model":"Thing","expand":{j}`}, {"find_records", `"model":"Thing","search":{j}`}, {"find_records", `{j}:1`},
		{"get_record", `"model":"Thing","id":{j}`}, {"get_record", `"model":"Label","id":{j}`}, {"count_records", `"model":"Thing","group_by":{j}`}, {"count_records", `"model":"Thing","aggregates":{{j}:{"$max":"name"}},"group_by":"name","having":{{j}:{j}},"sort":{j}`},
		{"create_records", `"model":"Thing","dry_run":true,"records":[{"name":{j},{j}:1}]`}, {"create_records", `"model":"Thing","dry_run":true,"records":[{"name":{j},"j":{j}}]`}, {"update_records", `"model":"Thing","dry_run":true,"filter":{"name":{j}},"fields":{"name":{j}}`}, {"update_records", `"model":"Thing","dry_run":true,"records":[{"id":{j}}]`},
		{"upsert_records", `"model":"Thing","dry_run":true,"records":[{"name":"x","code":{j}}],"conflict_on":["code"]`}, {"upsert_records", `"model":"Thing","dry_run":true,"records":[{"name":"x"}],"conflict_on":[{j}]`}, {"delete_records", `"model":"Thing","dry_run":true,"ids":[{j}]`}, {"delete_records", `"model":"Label","dry_run":true,"filter":{"id":{j}}`},
		{"sql", `"a":{j}`}, {"searched", `"a":{j}`}, {"{s}", ``}, {"get_run", `"run_id":{j}`}, {"cancel_run", `"run_id":{j}`}, {"signal_run", `"run_id":"{run}","name":{j}`}, {"list_runs", `"cursor":{j}`}, {"list_runs", `"workflow":{j}`}} {
		add("", `POST /mcp {"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+c[0]+`","arguments":{`+c[1]+`}}}`)
	}
	const template = `{"ref":{"type":"ref/resource","uri":"flowctl://models/{model}/records/{id}"},"argument":{"name":"`
	for _, c := range [][2]string{{"resources/read", `{"uri":{j}}`}, {"resources/read", `{"uri":"flowctl://models/{s}"}`}, {"resources/read", `{"uri":"flowctl://models/Label/records/{s}"}`}, {"resources/read", `{"uri":"flowctl://models/Thing/records/{s}"}`},
		{"prompts/get", `{"name":{j}}`}, {"prompts/get", `{"name":"ask","arguments":{"a":{j}}}`}, {"completion/complete", `{"ref":{"type":"ref/prompt","name":"ask"},"argument":{"name":{j},"value":{j}}}`},
		{"completion/complete", template + `id","value":{j}},"context":{"arguments":{"model":"Label"}}}`}, {"completion/complete", template + `id","value":{j}},"context":{"arguments":{"model":"Thing"}}}`}, {"completion/complete", template + `id","value":"a"},"context":{"arguments":{"model":{j}}}}`},
		{"completion/complete", template + `model","value":{j}}}`}, {"tools/list", `{"cursor":{j}}`}, {"resources/list", `{"cursor":{j}}`}, {"{s}", `{}`}} {
		add("", `POST /mcp {"jsonrpc":"2.0","id":1,"method":"`+c[0]+`","params":`+c[1]+`}`)
	}
	return all
}

// fill is a request of a try: in it a word stands in its places.
func fill(try, word, run string) *http.Request {
	within := jsonText(word)
	line, headers, _ := strings.Cut(try, "\n")
	line = strings.NewReplacer("{q}", url.QueryEscape(word), "{p}", url.PathEscape(word), "{j}", within, "{s}", within[1:len(within)-1], "{c}", strings.ReplaceAll(word, `"`, `""`), "{r}", word, "{run}", run, `\n`, "\n").Replace(line)
	method, rest, _ := strings.Cut(line, " ")
	target, body, _ := strings.Cut(rest, " ")
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("X-Tenant-ID", "acme")
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for h := range strings.SplitSeq(headers, "\n") {
		if name, value, ok := strings.Cut(h, ": "); ok {
			r.Header[name] = []string{strings.ReplaceAll(value, "{r}", word)}
		}
	}
	return r
}

// faults tells what an answer must not be: a failure, or one that has words of
// the engine or rows that the word does not stand for.
func faults(w *httptest.ResponseRecorder, word string) string {
	answer := w.Body.String()
	switch kind := w.Code / 100; {
	case kind == 4 && !strings.Contains(answer, `"code":`) && w.Body.Len() > 0:
		return "no problem is told"
	case kind != 2 && kind != 4:
		return "it fails"
	}
	for _, bad := range slices.Concat(databaseWords, []string{`"code":"internal"`, `"code":-32603`, `"code":"statement"`, `"code":"storage`, "theirs"}) {
		if strings.Contains(answer, bad) && !strings.Contains(word, bad) {
			return "it says " + bad
		}
	}
	return ""
}

// Whatever a caller writes, wherever, is a value or is refused: it is never read
// as SQL, as a pattern or a path that it is not, no answer has words of the
// engine, and nothing in the database has changed.
func TestWhatCallersWriteIsNeverSQL(t *testing.T) {
	apptest.OnEachEngine(t, func(t *testing.T, at string) {
		gen := build(t, everything(at), nexus.Options{})
		send := func(r *http.Request) *httptest.ResponseRecorder {
			w := httptest.NewRecorder()
			if strings.HasPrefix(r.URL.Path, "/mcp") {
				gen.MCP().ServeHTTP(w, r)
			} else {
				gen.API().ServeHTTP(w, r)
			}
			return w
		}
		must := func(try, word string) string {
			t.Helper()
			w := send(fill(try, word, ""))
			if w.Code/100 != 2 {
				t.Fatalf("%s with %q: %d %s", try, word, w.Code, w.Body)
			}
			return w.Body.String()
		}
		must(`POST /api/owners {"name":"ada"}`, "")
		must(`POST /api/things {"name":"kettle","code":"k","n":1,"f":1.5,"yes":true,"d":"1.50","at":"2026-01-31T09:30:00Z","day":"2026-01-31","hour":"09:30:00","u":"01890a5d-ac96-774b-bcce-000000000001","j":{"a":1},"b":"aGk=","e":"one","l":["x"],"owner":1}`, "")
		must("POST /api/things {\"name\":\"theirs\",\"code\":\"t\"}\nX-Tenant-Id: other", "")
		var begun struct {
			ID string `json:"run_id"`
		}
		if err := json.Unmarshal([]byte(must("POST /workflows/approve/execute {\"inputs\":{\"id\":1}}\nPrefer: respond-async", "")), &begun); err != nil || begun.ID == "" {
			t.Fatal(begun, err)
		}
		before := snapshot(t, at, "_flow_executors")
		for _, try := range tries() {
			for _, word := range hostile {
				w := send(fill(try, word, begun.ID))
				if why := faults(w, word); why != "" {
					t.Errorf("%s with %q: %s: %d %.500s", try, word, why, w.Code, w.Body)
				}
			}
		}
		for _, word := range hostile { // of which no row has any
			for _, op := range []string{"$eq", "$in", "$contains", "$startswith", "$endswith"} {
				if w := send(fill("GET /api/things?count=exact&name["+op+"]={q}", word, "")); w.Code != 422 && !strings.Contains(w.Body.String(), `"total":0`) {
					t.Errorf("%s %q: %s", op, word, w.Body)
				}
			}
		}
		if diff := cmp.Diff(strings.Split(before, "\n"), strings.Split(snapshot(t, at, "_flow_executors"), "\n")); diff != "" {
			t.Errorf("the database has changed (-before +after)\n%s", diff)
		}
		// What can be stored is stored as it is, and found by what it is.
		for _, word := range hostile {
			w := send(fill(`POST /api/labels {"id":{j},"text":{j}}`, word, ""))
			if strings.Contains(word, "\x00") {
				if w.Code != 422 {
					t.Errorf("%q: %d %s", word, w.Code, w.Body)
				}
				continue
			}
			var got struct{ ID, Text string }
			if text := must("GET /api/labels/{p}", word); json.Unmarshal([]byte(text), &got) != nil || got.ID != word || got.Text != word {
				t.Errorf("%q is kept as %s", word, text)
			}
			for _, op := range []string{"$eq", "$in", "$contains", "$startswith", "$endswith"} {
				if op == "$in" && strings.Contains(word, ",") { // which separates
					continue
				}
				if text := must("GET /api/labels?count=exact&fields=id&text["+op+"]={q}", word); !strings.Contains(text, `"total":1`) {
					t.Errorf("%s %q: %s", op, word, text)
				}
			}
		}
	})
}

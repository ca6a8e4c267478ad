package access_test

import (
	"context"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

func dataflowJSON(v any) []byte { return codec.AppendValue(nil, v) }

// list is the result of a list whose only page these records are.
func list(records ...string) string {
	n := string(dataflowJSON(int64(len(records))))
	return `{"records":[` + strings.Join(records, ",") + `],"count":` + n + `,"total":null,"limit":100,"offset":0,"next_cursor":null,"has_more":false}`
}

func (a *app) get(model string, id any, fields ...int) (string, error) {
	out, _, err := a.models[model].GetJSON(context.Background(), a.store, a.caller, id, fields, nil)
	return string(out), err
}

func (a *app) getJSON(model string, id any, fields ...int) string {
	a.t.Helper()
	out, err := a.get(model, id, fields...)
	if err != nil {
		a.t.Fatal(err)
	}
	return out
}

func (a *app) write(f func(tx store.Tx) error) error {
	return a.store.Write(context.Background(), f)
}

func (a *app) updateJSON(model string, id any, body string, version *int64, replace bool) (string, error) {
	var out []byte
	err := a.write(func(tx store.Tx) error {
		row, err := a.models[model].UpdateJSON(context.Background(), tx, a.caller, id, []byte(body), version, replace)
		if err == nil {
			out, err = row.AppendJSON(context.Background(), nil)
		}
		return err
	})
	return string(out), err
}

func TestBodiesBecomeRows(t *testing.T) {
	a := open(t, note(versioned))
	m, ctx := a.models["Note"], context.Background()
	row, err := m.NewRow(ctx, a.caller, []byte(`{"title": "a"}`))
	if err != nil {
		t.Fatal(err)
	}
	var w *access.Written
	if err := a.write(func(tx store.Tx) (err error) {
		w, err = m.Insert(ctx, tx, a.caller, row)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	out, err := w.AppendJSON(ctx, []byte("x"))
	want := `{"id":1,"title":"a","body":null,"stars":3,"version":1,"created_at":"` + at("00.000000") + `","updated_at":"` + at("00.000000") + `"}`
	if err != nil || string(out) != "x"+want {
		t.Error(string(out), err)
	}
	got, version, err := m.GetJSON(ctx, a.store, a.caller, int64(1), nil, nil)
	if err != nil || version != 1 || string(got) != want {
		t.Error(string(got), version, err)
	}
	if got := a.getJSON("Note", int64(1), 2, 1); got != `{"id":1,"body":null,"title":"a"}` {
		t.Error(got)
	}
	_, err = m.NewRow(ctx, a.caller, []byte(`{"title": `))
	wantError(t, err, "malformed_json", ` malformed_json: it ends where a value should be (line 1, column 11)`)
	_, err = m.NewRow(ctx, a.caller, []byte(`[]`))
	wantError(t, err, "invalid", ` wrong_type: must be an object, not a list`)
}

func TestPatchAndPut(t *testing.T) {
	a := open(t, note(versioned, field("code", dataflow.String, opt, immutable)))
	a.do("Note.create", `{"title": "a", "body": "b", "stars": 5, "code": "x"}`)
	two := int64(2)
	got, err := a.updateJSON("Note", int64(1), `{"title": "b"}`, nil, false)
	if err != nil || !strings.HasPrefix(got, `{"id":1,"title":"b","body":"b","stars":5,"code":"x","version":2,`) {
		t.Error(got, err)
	}
	got, err = a.updateJSON("Note", int64(1), `{"title": "c"}`, &two, true)
	if err != nil || !strings.HasPrefix(got, `{"id":1,"title":"c","body":null,"stars":3,"code":"x","version":3,`) {
		t.Error(got, err)
	}
	_, err = a.updateJSON("Note", int64(1), `{"title": "d"}`, &two, false)
	wantError(t, err, "version_mismatch")
	_, err = a.updateJSON("Note", int64(1), `{"code": "y"}`, nil, true)
	wantError(t, err, "invalid", `/title required: "title" is required`, `/code immutable: "code" is fixed once the row is created [leave it out]`)
	_, err = a.updateJSON("Note", int64(1), `{"id": 1, "version": 3}`, nil, false)
	wantError(t, err, "invalid",
		`/id read_only: "id" is written by the runtime [leave it out]`, `/version read_only: "version" is written by the runtime [leave it out]`)
	_, err = a.updateJSON("Note", int64(9), `{}`, nil, false)
	wantError(t, err, "not_found")
}

func TestPutTakesARowAsItWasRead(t *testing.T) {
	a := open(t, note(versioned, computed("big", func(*dataflow.Object) (any, error) { return true, nil })))
	a.do("Note.create", `{"title": "a", "stars": 5}`)
	read := a.getJSON("Note", int64(1))
	got, err := a.updateJSON("Note", int64(1), strings.Replace(read, `"title":"a"`, `"title":"b"`, 1), nil, true)
	if err != nil || !strings.HasPrefix(got, `{"id":1,"title":"b","body":null,"stars":5,"version":2,`) {
		t.Error(got, err)
	}
	_, err = a.updateJSON("Note", int64(1), strings.Replace(read, `"id":1`, `"id":2`, 1), nil, true)
	wantError(t, err, "invalid",
		`/id read_only: "id" is written by the runtime [leave it out]`,
		`/version read_only: "version" is written by the runtime [leave it out]`,
		`/updated_at read_only: "updated_at" is written by the runtime [leave it out]`)
}

// A computed value is passed over where it is what was read, however a client
// writes it down, and refused where it would be lost without a word.
func TestPutTakesComputedValuesAsTheyWereRead(t *testing.T) {
	a := open(t, note(
		computed("twice", func(row *dataflow.Object) (any, error) {
			v, _ := row.Get("stars")
			return float64(2 * v.(int64)), nil
		}),
		computed("about", func(row *dataflow.Object) (any, error) {
			v, _ := row.Get("title")
			return dataflow.ObjectOf("title", v, "list", []any{int64(1), nil, "x"}), nil
		})))
	a.do("Note.create", `{"title": "a", "stars": 5}`)
	for _, body := range []string{
		`{"title": "a", "stars": 5, "twice": 10.0, "about": {"title": "a", "list": [1, null, "x"]}}`,
		`{"about": {"list": [1.0, null, "x"], "title": "a"}, "twice": 10, "title": "a", "stars": 5}`,
		`{"title": "a", "stars": 5, "twice": 1e1}`,
	} {
		if got, err := a.updateJSON("Note", int64(1), body, nil, true); err != nil {
			t.Error(body, got, err)
		}
	}
	_, err := a.updateJSON("Note", int64(1), `{"title": "a", "twice": 11, "about": {"title": "a", "list": [1, null, "y"]}, "strs": 1}`, nil, true)
	wantError(t, err, "invalid", `/strs unknown_field: there is no field "strs" [did you mean "stars"?]`,
		`/twice read_only: "twice" is worked out by the app, and is not this [leave it out, or send what was read]`,
		`/about read_only: "about" is worked out by the app, and is not this [leave it out, or send what was read]`)
	_, err = a.updateJSON("Note", int64(1), `{"twice": 10}`, nil, false)
	wantError(t, err, "invalid", `/twice read_only: "twice" is worked out by the app and can't be set [leave it out]`)
}

// A store may run a transaction again after undoing it.
func TestInsertCanBeRunAgain(t *testing.T) {
	a := open(t, note()).alone()
	m, ctx := a.models["Note"], context.Background()
	row, err := m.NewRow(ctx, a.caller, []byte(`{"title": "again"}`))
	if err != nil {
		t.Fatal(err)
	}
	insert := func(fail error) error {
		return a.write(func(tx store.Tx) error {
			if _, err := m.Insert(ctx, tx, a.caller, row); err != nil {
				return err
			}
			return fail
		})
	}
	if err := insert(rejected("undone")); err == nil {
		t.Fatal("it was not undone")
	}
	a.do("Note.create", `{"title": "first"}`) // takes the id of the attempt
	if err := insert(nil); err != nil {
		t.Fatal(err)
	}
	if id := row.Vals()[0]; id != int64(2) {
		t.Error(id)
	}
}

func TestListJSONIsTheRecords(t *testing.T) {
	twice := computed("twice", func(row *dataflow.Object) (any, error) {
		n, _ := row.Get("stars")
		return n.(int64) * 2, nil
	})
	for name, m := range map[string]*dataflow.Model{"plain": note(), "computed": note(twice)} {
		t.Run(name, func(t *testing.T) {
			a := open(t, m)
			for _, s := range []string{"a", "b", "c"} {
				a.do("Note.create", `{"title": "`+s+`"}`)
			}
			q := access.ListQuery{Sort: []query.Order{{Field: 1, Desc: true}}, Limit: 2, Fields: []int{1}, Count: true}
			out, page, err := a.models["Note"].ListJSON(context.Background(), a.store, a.caller, q, nil)
			if err != nil || string(out) != `[{"id":3,"title":"c"},{"id":2,"title":"b"}]` || !page.HasMore || page.Total != 3 || page.Count != 2 {
				t.Error(string(out), page, err)
			}
			q.Cursor, q.Fields = page.NextCursor, nil
			out, page, err = a.models["Note"].ListJSON(context.Background(), a.store, a.caller, q, nil)
			if err != nil || !strings.HasPrefix(string(out), `[{"id":1,"title":"a",`) || page.HasMore || page.Total != 3 || page.NextCursor != "" {
				t.Error(string(out), page, err)
			}
			if hasTwice := strings.Contains(string(out), `"twice":6`); hasTwice != (name == "computed") {
				t.Error(string(out))
			}
		})
	}
}

func TestParseID(t *testing.T) {
	a := open(t, note())
	id, err := a.models["Note"].ParseID("12")
	if id != int64(12) || err != nil {
		t.Error(id, err)
	}
	for _, other := range []string{"../x", "", "12.0", "+12", "012", "1.2e1", "0x0c", " 12", "-0"} {
		_, err = a.models["Note"].ParseID(other)
		wantError(t, err, "not_found")
	}
}

func TestWritingNeedsATransaction(t *testing.T) {
	a := open(t, note())
	_, err := a.models["Note"].Do(context.Background(), reader{a.store}, a.caller, dataflow.OpCreate, dataflow.ObjectOf("title", "a"))
	wantError(t, err, "internal")
}

// reader is a store that is no transaction.
type reader struct{ store.Reader }

func TestRepliesAreKeptByKey(t *testing.T) {
	a := open(t, note())
	ctx := context.Background()
	r := access.NewReplies(a.db, a.options(), 1<<40)
	want := access.Reply{Request: "POST /api/notes", Status: 201, Header: dataflow.ObjectOf("Location", "/x"), Body: []byte("{}")}
	if got, err := r.Find(ctx, a.store, "k"); got != nil || err != nil {
		t.Fatal(got, err)
	}
	save := func() error { return a.write(func(tx store.Tx) error { return r.Save(ctx, tx, "k", &want) }) }
	if err := save(); err != nil {
		t.Fatal(err)
	}
	got, err := r.Find(ctx, a.store, "k")
	if err != nil || got == nil || got.Status != 201 || got.Request != want.Request || string(got.Body) != "{}" ||
		string(dataflowJSON(got.Header)) != `{"Location":"/x"}` {
		t.Errorf("%+v %v", got, err)
	}
	wantError(t, save(), "unique_violation", "/id unique: another _flow_idempotency has this id")
	a.now = a.now.Add(1 << 41)
	if got, err := r.Find(ctx, a.store, "k"); got != nil || err != nil {
		t.Errorf("%+v %v", got, err)
	}
	if err := save(); err != nil {
		t.Error("a key is free again once its time is over:", err)
	}
}

// audit returns the audit log.
func (a *app) audit() []*dataflow.Object {
	a.t.Helper()
	var rows []*dataflow.Object
	q := &query.Select{Model: access.SystemModels(a.db)[0], Order: []query.Order{{Field: 0}}}
	err := a.store.Select(context.Background(), q, func(r store.Row) error {
		rows = append(rows, r.Object())
		return nil
	})
	if err != nil {
		a.t.Fatal(err)
	}
	return rows
}

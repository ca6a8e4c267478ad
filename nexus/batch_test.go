package nexus_test

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/internal/apptest"
)

// What looks like a reference is data within a json field.
func TestJSONInABatchIsData(t *testing.T) {
	s := newServer(t, func(app *dataflow.App) {
		doc := apptest.Model(app.Databases[0], "Doc", "docs", nil, apptest.Field("body", dataflow.JSON), apptest.Field("title", dataflow.String))
		app.Exposures = append(app.Exposures, apptest.Expose(doc))
	})
	const schema = `{"$ref":"#/definitions/x"}`
	for _, args := range []string{
		`"op":"create","args":{"title":"t","body":` + schema + `}`,
		`"op":"bulk_create","args":{"data":[{"title":"t","body":` + schema + `}]}`,
		`"op":"upsert","args":{"where":{"title":"t2"},"create":{"body":` + schema + `}}`,
		`"op":"update","args":{"id":1,"fields":{"body":` + schema + `}}`,
		`"op":"bulk_update","args":{"ids":[1],"fields":{"body":` + schema + `}}`,
		`"op":"bulk_update","args":{"data":[{"id":1,"body":` + schema + `}]}`,
	} {
		if got := s.do("POST /api/batch\n\n" + `{"operations":[{"model":"docs",` + args + `}]}`); got.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", args, render(got))
		}
	}
	got := s.ask("POST /api/batch\n\n" + `{"operations":[{"id":"d","model":"docs","op":"read","args":{"id":1}},` +
		`{"id":"e","model":"docs","op":"create","args":{"title":"copy","body":[` + schema + `]}},{"model":"docs","op":"list","args":{"fields":["body"],"sort":"id"}}]}`)
	if strings.Count(got, schema) != 1+1+4 {
		t.Errorf("got %s", got)
	}
}

// No transaction spans two databases, so no batch does.
func TestABatchIsOfOneDatabase(t *testing.T) {
	s := newServer(t, func(app *dataflow.App) {
		db := &dataflow.Database{Name: "other", URL: "sqlite:" + filepath.Join(t.TempDir(), "other.db"), Options: dataflow.DatabaseOptions{AutoMigrate: true}}
		far := apptest.Model(db, "Far", "far", nil, apptest.Field("name", dataflow.String))
		app.Databases = append(app.Databases, db)
		app.Exposures = append(app.Exposures, apptest.Expose(far))
	})
	s.run([]exchange{{"two databases", "POST /api/batch\n\n" + `{"operations":[{"model":"customers","op":"create","args":{"email":"a@example.org","name":"A"}},{"model":"far","op":"create","args":{"name":"x"}}]}`, `422
Cache-Control: no-store
Content-Type: application/problem+json

{"type":"urn:flowctl:problem:invalid","title":"Unprocessable Entity","status":422,"detail":"the input has a problem","code":"invalid","request_id":"r1","errors":[{"code":"several_databases","pointer":"/operations/1/model","detail":"far is in the database other, and the operations before are in db: no transaction spans two","hint":"send a batch for each database"}]}`},
		{"nothing of it", "POST /api/customers/count", "200\nContent-Type: application/json\n\n" + `{"count":0}`}})
}

func TestABatchIsBounded(t *testing.T) {
	s := newServer(t, func(app *dataflow.App) { app.Server.MaxBody = 64 << 20 })
	const op = `{"model":"customers","op":"count"}`
	body := func(n int) string {
		return "POST /api/batch\n\n" + `{"operations":[` + strings.TrimSuffix(strings.Repeat(op+",", n), ",") + `]}`
	}
	if got := s.do(body(100)); got.StatusCode != http.StatusOK {
		t.Errorf("100: %s", render(got))
	}
	for _, n := range []int{101, 1_000_000} {
		if got := s.ask(body(n)); !strings.Contains(got, `"errors":[{"code":"too_long","pointer":"/operations"`) || len(got) > 1000 {
			t.Errorf("%d: %.1000s", n, got)
		}
	}
	deep := `{"operations":[{"model":"customers","op":"create","args":` + strings.Repeat(`{"a":`, 200) + "1" + strings.Repeat("}", 200) + `}]}`
	if got := s.ask("POST /api/batch\n\n" + deep); !strings.Contains(got, "too_deep") {
		t.Errorf("deep: %s", got)
	}
}

func TestABatchSaysWhatIsWrongWithAllButFails(t *testing.T) {
	s := newServer(t, nil)
	got := s.ask("POST /api/batch\n\n" + `{"operations":[{"model":"customers","op":"list","args":{"filter":{"nme":1}}},{"model":"orders","op":"list","args":{"sort":"x"}}]}`)
	for _, want := range []string{`"/operations/0/args/filter/nme"`, `"/operations/1/args/sort"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is not in %s", want, got)
		}
	}
}

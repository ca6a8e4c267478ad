package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sampled are the examples of the bodies of POST in the document of an app: a
// line for each of the paths that have one.
func sampled(t *testing.T, app string) string {
	t.Helper()
	var out, errs bytes.Buffer
	w := &world{in: strings.NewReader(""), out: &out, err: &errs, env: os.LookupEnv}
	if code := run(context.Background(), []string{"openapi", app}, w); code != exitOK {
		t.Fatalf("openapi %s: exit %d\n%s", app, code, errs.String())
	}
	var doc struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct{ Example json.RawMessage }
			}
		}
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	var lines []string
	for path, methods := range doc.Paths {
		text := methods["post"].RequestBody.Content["application/json"].Example
		if len(text) == 0 || strings.Count(path, "/") > 2 && !strings.HasSuffix(path, "/execute") {
			continue
		}
		var b bytes.Buffer
		if err := json.Compact(&b, text); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, path+" "+b.String())
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

// What a field is called says what may stand in it; what it allows decides.
func TestExamplesAreWhatOneWouldSend(t *testing.T) {
	const strict = `
db = DataFlow(database_url = "sqlite:app.db")
Team = db.model("Team", {"id": str, "name": str, "city": field(str, max_length = 3), "code": field(str, pattern = "^T[0-9]{3}$")})
Person = db.model("Person", {
    "name": field(str, min_length = 30),
    "billing_email": str,
    "team": ref(Team),
    "age": field(int, ge = 40, lt = 50),
    "price": decimal(4, 0),
    "rate": float,
    "due": date,
    "tags": list(str),
    "whatever_it_is": str,
    "status": enum("new", "old"),
    "qty": field(int, ge = 7, le = 7),
})
app = Nexus()
app.expose(Team, Person)
app.start()
`
	file := filepath.Join(t.TempDir(), "app.star")
	written(t, file, strict)
	for app, want := range map[string]string{
		file: `/api/batch {"operations":[{"id":"a","model":"teams","op":"list","args":{}}]}
/api/people {"name":"namexxxxxxxxxxxxxxxxxxxxxxxxxx","billing_email":"ada@example.org","team":"team-1","age":40,"price":"20","rate":0.2,"due":"2026-02-28","tags":["new"],"whatever_it_is":"whatever it is","status":"new","qty":7}
/api/teams {"id":"team-1","name":"Support","city":"cit","code":"T111"}
`,
		"../../examples/shop/app.star": `/api/batch {"operations":[{"id":"a","model":"customers","op":"list","args":{}}]}
/api/customers {"email":"ada@example.org","name":"Ada Lovelace"}
/api/products {"sku":"MUG-01","name":"Coffee mug","price":"19.90"}
/workflows/buy/execute {"inputs":{"email":"ada@example.org","sku":"MUG-01"}}
/workflows/cancel_order/execute {"inputs":{"order":1}}
/workflows/move_order/execute {"inputs":{"order":1,"to":"paid"}}
/workflows/place_order/execute {"inputs":{"email":"ada@example.org","lines":[{"sku":"MUG-01","qty":1}]}}
/workflows/restock/execute {"inputs":{"sku":"MUG-01","qty":2}}
`,
		"../../examples/helpdesk/app.star": `/api/articles {"title":"How to get started","text":"Most orders arrive within three days."}
/api/batch {"operations":[{"id":"a","model":"articles","op":"list","args":{}}]}
/api/tickets {"owner":"ada","subject":"A question about my order"}
/workflows/close/execute {"inputs":{"ticket":1}}
`,
	} {
		if diff := cmp.Diff(want, sampled(t, app)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", app, diff)
		}
	}
}

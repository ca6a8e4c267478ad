package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
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

// ruledApp has rows that the fields alone do not describe.
const ruledApp = `
db = DataFlow(database_url = env("DATABASE_URL", default = "sqlite:app.db"))

def whole(row):
    out = {}
    if row.until <= row.since:
        out["until"] = "must come after since"
    if not (row.phone or row.mail):
        out["mail"] = "one of phone and mail is needed"
    if row.amount % 25 != 0:
        out["amount"] = "comes in packs of 25"
    return out

def coded(row):
    if not row.code.startswith("AB") or len(row.code) != 8:
        return "the code is AB and six digits"

def tidy(row):
    return {"name": row.name.strip().lower(), "slug": row.name.lower().replace(" ", "-")}

def never(row):
    return "nothing is good enough"

def kept(row):
    if row.kind == "a":
        fail("no more of kind a")

Order = db.model("Order", {"since": date, "until": date, "phone": field(str, optional = True), "mail": field(str, optional = True), "amount": int}, validate = whole)
Part = db.model("Part", {"code": str, "label": field(str, unique = True)}, validate = coded)
Page = db.model("Page", {"name": str, "slug": field(str, optional = True)}, before_create = tidy)
Odd = db.model("Odd", {"n": int}, validate = never)
Thing = db.model("Thing", {"kind": enum("a", "b")}, validate = kept)
app = Nexus()
app.expose(Order, Part, Page, Odd, Thing)
app.start()
`

// What an app's own rules refuse is no example, and where all that is tried is
// refused there is none.
func TestExamplesPassTheRulesOfTheApp(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.star")
	written(t, file, ruledApp)
	want := `/api/batch {"operations":[{"id":"a","model":"orders","op":"list","args":{}}]}
/api/orders {"since":"2026-01-31","until":"2026-02-28","amount":25,"mail":"ada@example.org"}
/api/pages {"name":"First page"}
/api/parts {"code":"ABCDEFGH","label":"new"}
/api/things {"kind":"b"}
`
	if diff := cmp.Diff(want, sampled(t, file)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// posted is an example of what may be posted.
type posted struct{ path, media, body string }

// allPosted are the examples of bodies of POST in the document of a server.
func allPosted(t *testing.T, s *exampleServer) (all []posted) {
	t.Helper()
	var doc struct {
		Paths map[string]map[string]struct {
			RequestBody struct {
				Content map[string]struct{ Example json.RawMessage }
			}
		}
	}
	if code, text := s.ask(t, "GET", "/openapi.json", nil, ""); code != http.StatusOK || json.Unmarshal([]byte(text), &doc) != nil {
		t.Fatal(code, text)
	}
	for path, methods := range doc.Paths {
		for media, c := range methods["post"].RequestBody.Content {
			body := string(c.Example)
			if body == "" || strings.HasPrefix(path, "/runs/") { // of which there is none yet
				continue
			}
			var text string
			if json.Unmarshal(c.Example, &text) == nil { // a file
				body = text
			}
			all = append(all, posted{path, media, body})
		}
	}
	slices.SortFunc(all, func(a, b posted) int { return strings.Compare(a.path+a.media, b.path+b.media) })
	return all
}

type exampleServer struct{ url, key string }

func (s *exampleServer) ask(t *testing.T, method, path string, header http.Header, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	if s.key != "" {
		req.Header.Set("X-API-Key", s.key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// serveExamples serves an app to a caller who may do all of it.
func serveExamples(t *testing.T, app string, env ...string) *exampleServer {
	t.Helper()
	text, err := os.ReadFile(app)
	if err != nil {
		t.Fatal(err)
	}
	s := &exampleServer{}
	if strings.Contains(string(text), "enable_auth") {
		args := []string{"keys", "create", app, "tester", "--user", "ada"}
		for _, m := range regexp.MustCompile(`role\("(\w+)"`).FindAllStringSubmatch(string(text), -1) {
			args = append(args, "--role", m[1])
		}
		cmd := flowctlRun(t, app, env...)
		cmd.Args = append(cmd.Args[:1], args...)
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		s.key = strings.TrimSpace(string(out))
	}
	s.url = serveApp(t, app, env...).api
	return s
}

// creates reports whether an example is of a row to create.
func (p posted) creates() bool {
	return strings.HasPrefix(p.path, "/api/") && strings.Count(p.path, "/") == 2 && p.path != "/api/batch"
}

// post posts an example, for trial if it can be: what it is answered with, "" if it
// is taken.
func (s *exampleServer) post(t *testing.T, p posted, trial bool) string {
	t.Helper()
	header := http.Header{"Content-Type": {p.media}}
	if trial && strings.HasPrefix(p.path, "/api/") {
		header.Set("Prefer", "tx=rollback")
	}
	if code, text := s.ask(t, "POST", p.path, header, p.body); code/100 != 2 {
		return fmt.Sprint(code, " ", text)
	}
	return ""
}

// postAll creates the rows, which may refer to each other, and tries all else. It
// returns what was not taken.
func (s *exampleServer) postAll(t *testing.T, all []posted) (refused []posted) {
	t.Helper()
	left := slices.Clone(all)
	for _, creates := range []bool{true, false} {
		for progress := true; progress; {
			n := len(left)
			left = slices.DeleteFunc(left, func(p posted) bool { return p.creates() == creates && s.post(t, p, !creates) == "" })
			progress = len(left) < n
		}
	}
	return left
}

// postFirst posts an example where nothing else has been, and again after each of
// the others: those that create rows, and then all that can't be tried.
func (s *exampleServer) postFirst(t *testing.T, p posted, others []posted) (why string) {
	t.Helper()
	if why = s.post(t, p, true); why == "" {
		return ""
	}
	done := map[posted]bool{p: true}
	for _, creates := range []bool{true, false} {
		for progress := true; progress; {
			progress = false
			for _, other := range others {
				if done[other] || other.creates() != creates || !creates && strings.HasPrefix(other.path, "/api/") || s.post(t, other, false) != "" {
					continue
				}
				done[other], progress = true, true
				if why = s.post(t, p, true); why == "" {
					return ""
				}
			}
		}
	}
	return why
}

// unknowable is what no example can know of a workflow: by its path, what it is
// answered with.
var unknowable = map[string]string{
	"/workflows/refuse/execute":      `"code":"rejected"`, // which is all it does
	"/workflows/give_up/execute":     `"code":"rejected"`,
	"/workflows/place_order/execute": `"detail":"no Product matches the filter"`, // those there are come from a file
}

// Whoever posts what the document shows is not refused.
func TestExamplesAreTaken(t *testing.T) {
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"id": 1}`)
	}))
	t.Cleanup(outside.Close)
	ruled := filepath.Join(t.TempDir(), "app.star")
	written(t, ruled, ruledApp)
	apps := []string{ruled, "../../testdata/client/app.star"}
	for _, name := range []string{"approval/app", "helpdesk/app", "kailash_port/app", "ported/app", "shop/app"} {
		apps = append(apps, "../../examples/"+name+".star")
	}
	onEachEngine(t, func(t *testing.T, empty func(*testing.T) string) {
		for _, app := range apps {
			t.Run(filepath.Base(filepath.Dir(app))+"_"+filepath.Base(app), func(t *testing.T) {
				serve := func() *exampleServer {
					return serveExamples(t, app, "DATABASE_URL="+empty(t), "MAIL_URL="+outside.URL, "BANK_URL="+outside.URL)
				}
				s := serve()
				all := allPosted(t, s)
				if len(all) < 2 {
					t.Fatalf("there are no examples: %v", all)
				}
				for _, p := range s.postAll(t, all) {
					why := serve().postFirst(t, p, all)
					switch {
					case why == "", unknowable[p.path] != "" && strings.Contains(why, unknowable[p.path]):
					case strings.Contains(why, `"code":"forbidden"`): // which the document does not tell
					default:
						t.Errorf("POST %s %s\nis answered with %s", p.path, p.body, why)
					}
				}
			})
		}
	})
}

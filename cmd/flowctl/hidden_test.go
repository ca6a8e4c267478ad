package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mark3labs/mcp-go/mcp"
)

// hidingApp has a model, a workflow, fields and relations that only a boss may
// use, and a model that is not served.
const hidingApp = `db = DataFlow(database_url = env("DATABASE_URL"))
Payroll = db.model("Payroll", {"grossly": int}, access = {"read": role("boss"), "create": role("boss"), "update": role("boss"), "delete": role("boss")})
Vault = db.model("Vault", {"combination": str})
Person = db.model("Person", {
    "name": str,
    "salary": field(int, optional = True),
    "pin": field(str, optional = True),
    "income": ref(Payroll, optional = True),
    "safe": ref(Vault, optional = True),
}, computed = {"yearly": lambda row: (row.salary or 0) * 12}, access = {
    "read": signed_in(), "create": signed_in(),
    "update": role("boss"), "delete": role("boss"),
    "fields": {
        "salary": {"read": role("boss"), "write": role("boss")},
        "pin": {"read": nobody(), "write": signed_in()},
        "yearly": {"read": role("boss")},
    },
})
Bonus = db.model("Bonus", {"person": ref(Person)}, access = {"read": role("boss")})

def disburse(ctx):
    return ctx.wait_signal("go")

app = Nexus(enable_auth = True, enable_monitoring = True)
app.expose(Payroll)
app.expose(Person, Bonus)
app.handler("disburse", disburse, durable = True, access = role("boss"))
app.handler("greet", lambda ctx: ctx.wait_signal("go"), durable = True)
app.start()
`

// hidingServer is a served app, with a caller who may do all of it and one who
// may do little.
type hidingServer struct {
	t           *testing.T
	api, mcp    string
	boss, guest string
}

func serveHiding(t *testing.T, database string) *hidingServer {
	t.Helper()
	app := filepath.Join(t.TempDir(), "app.star")
	if err := os.WriteFile(app, []byte(hidingApp), 0o644); err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath("flowctl")
	if err != nil {
		t.Fatal(err)
	}
	key := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(path, append([]string{"keys", "create", app}, args...)...)
		cmd.Env = append(os.Environ(), database)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("flowctl keys create: %v\n%s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	s := &hidingServer{t: t, boss: key("boss", "--role", "boss", "--role", "metrics"), guest: key("guest")}
	p := serveApp(t, app, database)
	s.api, s.mcp = p.api, p.mcp
	return s
}

// ask sends "METHOD path body" over REST, or "mcp/set method params" over MCP,
// and returns the answer without what tells two requests apart.
func (s *hidingServer) ask(key, request string) string {
	s.t.Helper()
	method, rest, _ := strings.Cut(request, " ")
	path, body, _ := strings.Cut(rest, " ")
	at, header := s.api+path, http.Header{"X-Api-Key": {key}}
	if set, ok := strings.CutPrefix(method, "mcp"); ok {
		var params map[string]any
		if err := json.Unmarshal([]byte(body), &params); err != nil {
			s.t.Fatalf("%s: %v", request, err)
		}
		params["_meta"] = map[string]any{"io.modelcontextprotocol/protocolVersion": mcp.ProtocolVersion20260728, "io.modelcontextprotocol/clientCapabilities": map[string]any{}}
		text, err := json.Marshal(map[string]any{"jsonrpc": "2.0", "id": 1, "method": path, "params": params})
		if err != nil {
			s.t.Fatal(err)
		}
		header.Set("Mcp-Protocol-Version", mcp.ProtocolVersion20260728)
		header.Set("Mcp-Method", path)
		for _, name := range []string{"name", "uri"} {
			if v, ok := params[name].(string); ok {
				header.Set("Mcp-Name", v)
			}
		}
		header.Set("Accept", "application/json, text/event-stream")
		method, at, body = "POST", s.mcp+set, string(text)
	}
	req, err := http.NewRequest(method, at, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header = header
	if body != "" && header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if strings.Contains(at, "/import") {
		req.Header.Set("Content-Type", "text/csv")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	var o map[string]any
	if json.Unmarshal(text, &o) == nil {
		delete(o, "request_id")
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(o); err != nil {
			s.t.Fatal(err)
		}
		text = b.Bytes()
	}
	return fmt.Sprint(res.StatusCode, " ", string(text))
}

// Whoever gets a name wrong is told the nearest that they may use. The names of
// what they may not are for those who may.
func TestWhatACallerMayNotUseIsNotSuggested(t *testing.T) {
	onEachEngine(t, func(t *testing.T, empty func(*testing.T) string) {
		s := serveHiding(t, "DATABASE_URL="+empty(t))
		for _, c := range []struct{ request, hidden string }{
			{"GET /api/payrols", "payrolls"},
			{"GET /api/payroll", "payrolls"}, // by the model's name
			{"GET /payrolls/", "/api/payrolls"},
			{"GET /disburse", "/workflows/disburse"},
			{"GET /api/payrolls/", `"did you mean /api/payrolls?"`},
			{"GET /metric", "/metrics"},
			{"GET /workflows/disburze", "disburse"},
			{"POST /workflows/disburze/execute {}", "disburse"},
			{"POST /api/payrolls/bulk_creat {}", "bulk_create"},
			{"POST /api/people/bulk_updat {}", "bulk_update"},
			{`POST /api/batch {"operations":[{"model":"payrols","op":"list"}]}`, "payrolls"},
			{`POST /api/batch {"operations":[{"model":"payroll","op":"list"}]}`, "payrolls"},
			{`POST /api/batch {"operations":[{"model":"people","op":"updat"}]}`, `"update`},
			{`POST /api/batch {"operations":[{"model":"payrolls","op":"lisd"}]}`, `did you mean`},
			{`POST /api/batch {"operations":[{"id":"a","model":"people","op":"list"},{"model":"people","op":"read","args":{"id":{"$ref":"a.records.0.salari"}}}]}`, "salary"},
			{`POST /api/batch {"operations":[{"id":"a","model":"payrolls","op":"list"},{"model":"people","op":"read","args":{"id":{"$ref":"a.records.0.grosly"}}}]}`, "grossly"},
			{"GET /api/people?salari=1", "salary"},
			{"GET /api/people?fields=salari", "salary"},
			{"GET /api/people?fields=yearli", "yearly"},
			{"GET /api/people?sort=salari", "salary"},
			{"GET /api/people?salari[gt]=1", "salary"},
			{"GET /api/people?salary__gt=1", "salary[$gt]"},
			{"GET /api/people?income.grosly=1", "grossly"},
			{"GET /api/people?filter=%7B%22salari%22:1%7D", "salary"},
			{"GET /api/people?filter=%7B%22income.grosly%22:1%7D", "grossly"},
			{"GET /api/people?expand=bonusses", "bonuses"},
			{"GET /api/people?expand=incom", "income"},
			{"GET /api/people?fields=name,incom.grossly", `did you mean \"income\"`},
			{"GET /api/people?fields=name,income.grosly", "did you mean"},
			{`POST /api/people/aggregate {"aggregates":{"s":{"$sum":"salari"}}}`, "salary"},
			{`POST /api/people/aggregate {"group_by":"income.grosly"}`, "grossly"},
			{`POST /api/people/upsert {"where":{"salari":1},"create":{"name":"x"}}`, "salary"},
			{`POST /api/people/bulk_upsert {"conflict_on":["salari"],"data":[{"name":"x"}]}`, "salary"},
			{`POST /api/people {"name":"x","salari":1}`, "salary"},
			{"POST /api/people/import name,salari\nx,1\n", "salary"},
			{`mcp tools/call {"name":"payrolls_lisd"}`, "payrolls_list"},
			{`mcp tools/call {"name":"disburze"}`, "disburse"},
			{`mcp/people tools/call {"name":"disburse"}`, "/mcp has it"},
			{`mcp/payrols tools/list {}`, "payrolls"},
			{`mcp/payrolls/readonyl tools/list {}`, "payrolls/readonly"},
			{`mcp/zzzzzzzzz tools/list {}`, "payrolls"},
			{`mcp/generic tools/call {"name":"find_records","arguments":{"model":"Payrol"}}`, "Payroll"},
			{`mcp/generic tools/call {"name":"find_records","arguments":{"model":"payrolls"}}`, "Payroll"},
			{`mcp/generic tools/call {"name":"find_records","arguments":{"model":"zzzzzzzz"}}`, "Payroll"},
			{`mcp/generic tools/call {"name":"describe_models","arguments":{"models":["Payrol"]}}`, "Payroll"},
			{`mcp/generic tools/call {"name":"describe_models","arguments":{}}`, `\"model\":\"Payroll\"`},
			{`mcp/generic tools/call {"name":"describe_models","arguments":{"models":["Person"]}}`, "salary"},
			{`mcp/generic tools/call {"name":"describe_models","arguments":{"models":["Person"]}}`, "yearly"},
			{`mcp/generic tools/call {"name":"find_records","arguments":{"model":"Person","filter":{"salari":1}}}`, "salary"},
			{`mcp/generic tools/call {"name":"find_records","arguments":{"model":"Person","expand":"bonusses"}}`, "bonuses"},
			{`mcp tools/call {"name":"list_runs","arguments":{"workflow":"disburze"}}`, "disburse"},
			{`mcp resources/read {"uri":"flowctl://models/Payrol"}`, "Payroll"},
			{`mcp resources/read {"uri":"flowctl://models/Payrol/records/1"}`, "Payroll"},
			{`mcp completion/complete {"ref":{"type":"ref/resource","uri":"flowctl://models/{model}"},"argument":{"name":"model","value":""}}`, "Payroll"},
		} {
			if got := s.ask(s.boss, c.request); !strings.Contains(got, c.hidden) {
				t.Errorf("%s\nwho may use it is not told of %s: %s", c.request, c.hidden, got)
			}
			echoed := strings.Count(c.request, c.hidden)
			if got := s.ask(s.guest, c.request); strings.Count(got, c.hidden) > echoed {
				t.Errorf("%s\nwho may not use it is told of %s: %s", c.request, c.hidden, got)
			}
		}
	})
}

// What a caller may not see is answered as what is not there, word for word.
func TestWhatIsHiddenIsAnsweredAsWhatIsNotThere(t *testing.T) {
	onEachEngine(t, func(t *testing.T, empty func(*testing.T) string) {
		s := serveHiding(t, "DATABASE_URL="+empty(t))
		for _, c := range []struct{ hidden, missing, request string }{
			{"salary", "zzzzzz", "GET /api/people?NAME=1"},
			{"salary", "zzzzzz", "GET /api/people?NAME[gt]=1"},
			{"salary", "zzzzzz", "GET /api/people?NAME__gt=1"},
			{"salary", "zzzzzz", "GET /api/people?NAME.x=1"},
			{"salary", "zzzzzz", "GET /api/people?fields=NAME"},
			{"salary", "zzzzzz", "GET /api/people?sort=NAME"},
			{"salary", "zzzzzz", "GET /api/people?expand=NAME"},
			{"salary", "zzzzzz", "GET /api/people?filter=%7B%22NAME%22:1%7D"},
			{"yearly", "zzzzzz", "GET /api/people?filter=%7B%22NAME%22:1%7D"},
			{"yearly", "zzzzzz", "GET /api/people?sort=NAME"},
			{"yearly", "zzzzzz", "GET /api/people?fields=NAME"},
			{"safe.combination", "safe.zzzzzzzzzzz", "GET /api/people?NAME=1"},
			{"safe.combination", "safe.zzzzzzzzzzz", "GET /api/people?filter=%7B%22NAME%22:1%7D"},
			{"safe", "zzzz", "GET /api/people?expand=NAME"},
			{"salary", "zzzzzz", `POST /api/people {"name":"x","NAME":1}`},
			{"yearly", "zzzzzz", `POST /api/people {"name":"x","NAME":1}`},
			{"salary", "zzzzzz", `POST /api/people/aggregate {"group_by":"NAME"}`},
			{"salary", "zzzzzz", `POST /api/people/aggregate {"aggregates":{"s":{"$sum":"NAME"}}}`},
			{"salary", "zzzzzz", `POST /api/people/count {"filter":{"$or":[{"NAME":1}]}}`},
			{"salary", "zzzzzz", `POST /api/people/bulk_create {"data":[{"name":"x","NAME":1}]}`},
			{"salary", "zzzzzz", "POST /api/people/import name,NAME\nx,1\n"},
			{"salary", "zzzzzz", `POST /api/batch {"operations":[{"id":"a","model":"people","op":"list"},{"model":"people","op":"read","args":{"id":{"$ref":"a.records.0.NAME"}}}]}`},
			{"vaults", "zzzzzz", "GET /api/NAME"},
			{"vaults", "zzzzzz", "GET /api/NAME/1"},
			{"vaults", "zzzzzz", "GET /api/NAME/events"},
			{"Vault", "Zzzzz", "GET /api/NAME"},
			{"vaults", "zzzzzz", `POST /api/batch {"operations":[{"model":"NAME","op":"list"}]}`},
			{"disburse", "zzzzzzzz", "GET /runs?workflow=NAME"},
			{"disburse", "zzzzzzzz", `mcp tools/call {"name":"list_runs","arguments":{"workflow":"NAME"}}`},
			{"Vault", "Zzzzz", `mcp/generic tools/call {"name":"find_records","arguments":{"model":"NAME"}}`},
			{"payrolls", "zzzzzzzz", `mcp/generic tools/call {"name":"find_records","arguments":{"model":"NAME"}}`},
			{"Payroll", "Zzzzzzz", `mcp/generic tools/call {"name":"describe_models","arguments":{"models":["NAME"]}}`},
			{"salary", "zzzzzz", `mcp/generic tools/call {"name":"find_records","arguments":{"model":"Person","filter":{"NAME":1}}}`},
			{"salary", "zzzzzz", `mcp/generic tools/call {"name":"create_records","arguments":{"model":"Person","records":[{"name":"x","NAME":1}]}}`},
			{"salary", "zzzzzz", `mcp tools/call {"name":"people_create","arguments":{"name":"x","NAME":1}}`},
			{"vaults_list", "zzzzzz_list", `mcp tools/call {"name":"NAME"}`},
			{"Vault", "Zzzzz", `mcp resources/read {"uri":"flowctl://models/NAME"}`},
			{"Vault", "Zzzzz", `mcp resources/read {"uri":"flowctl://models/NAME/records/1"}`},
			{"Payroll", "Paydoll", `mcp resources/read {"uri":"flowctl://models/NAME/records/1"}`},
			{"vaults", "zzzzzz", `mcp/NAME tools/list {}`},
		} {
			hidden := s.ask(s.guest, strings.ReplaceAll(c.request, "NAME", c.hidden))
			missing := s.ask(s.guest, strings.ReplaceAll(c.request, "NAME", c.missing))
			// A path is refused by its first part where that is what is wrong.
			for _, name := range []string{c.missing, strings.TrimPrefix(c.missing, "safe.")} {
				missing = strings.ReplaceAll(missing, name, strings.TrimPrefix(c.hidden, strings.TrimSuffix(c.missing, name)))
			}
			if hidden != missing {
				t.Errorf("%s\nhidden:  %s\nmissing: %s", c.request, hidden, missing)
			}
			if ok := strings.HasPrefix(hidden, "20") && !strings.Contains(hidden, `"isError":true`); ok && !strings.Contains(c.request, "workflow") {
				t.Errorf("%s\nis answered with %s", c.request, hidden)
			}
		}
	})
}

package check_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/check"
	"github.com/flowctl/flowctl/stdlib"
)

// shapes are other ways to write what rules are about, and what only looks so:
// none marks those of which the rule says nothing.
var shapes = []struct {
	name, code string
	none       bool
	text       string
	beside     map[string]string // other files
}{
	{name: "load renamed", code: "FC801", none: true, text: `load("@stdlib//json.star", j = "json")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return j.encode({"n": n})

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "load hides", code: "FC801", text: `load("@stdlib//json.star", "json")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return json.encode({"n": n})

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "problem text under password", code: "FC510", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    if n:
        return {"password": "required", "token": "too_short"}
    return {"x": n}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "secret in dict", code: "FC510", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return {"api_key": "9f8a7b6c5d4e3f2a1b0c", "n": n}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "read in helper in loop", code: "FC362", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return [look(ctx, x) for x in xs]

def look(ctx, x):
    return ctx.run(Thing.read, id = x).name

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "call after write in loop", code: "FC437", text: `load("@stdlib//http.star", "http")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    for x in xs:
        http.post(ctx, "https://a.example/x", json = {"x": x})
        ctx.run(Thing.update, id = x, fields = {"status": "paid"})

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "call after loop of writes", code: "FC437", text: `load("@stdlib//http.star", "http")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    for x in xs:
        ctx.run(Thing.update, id = x, fields = {"status": "paid"})
    http.post(ctx, "https://a.example/x", json = {"x": n})

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "call in if cond", code: "FC437", text: `load("@stdlib//http.star", "http")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    ctx.run(Thing.update, id = n, fields = {"status": "paid"})
    if http.post(ctx, "https://a.example/x").status == 201:
        return 1
    return 2

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "call in helper", code: "FC437", text: `load("@stdlib//http.star", "http")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    ctx.run(Thing.update, id = n, fields = {"status": "paid"})
    tell(ctx, n)

def tell(ctx, n):
    return http.post(ctx, "https://a.example/x", json = {"n": n})

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "call before write", code: "FC437", none: true, text: `load("@stdlib//http.star", "http")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    a = http.get(ctx, "https://a.example/x")
    ctx.run(Thing.update, id = n, fields = {"name": a.body})

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "read only durable", code: "FC431", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    ctx.sleep("1h")
    return row.name

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)}, durable = True)
app.start()
`},
	{name: "list by unique", code: "FC360", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    rows = ctx.run(Thing.list, filter = {"name": name}).records
    return rows

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "list by id", code: "FC360", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    rows = ctx.run(Thing.list, filter = {"id": n}).records
    return rows

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "search narrows", code: "FC361", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int, "name": field(str, searchable = True)})

def do(ctx, w):
    return ctx.run(Thing.list, search = w, filter = {"n": 1}, limit = 5).records

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"w": str}, read_only = True)
app.start()
`},
	{name: "composite unique leads", code: "FC361", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int, "m": int}, unique = [["n", "m"]])

def do(ctx, n):
    return ctx.run(Thing.list, filter = {"n": n}, limit = 5).records

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int}, read_only = True)
app.start()
`},
	{name: "partial index", code: "FC236", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "m": int}, indexes = [index("n", "m", where = {"m": 1})])
app = Nexus()
app.expose(Thing)
app.start()
`},
	{name: "full index", code: "FC236", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "m": int}, indexes = [index("n", "m")])
app = Nexus()
app.expose(Thing)
app.start()
`},
	{name: "roles by number", code: "FC275", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
app = Nexus(enable_auth = True)
Thing = db.model("Thing", {"n": int}, access = {"read": role("tier1"), "create": role("tier1"), "update": role("tier2")})
app.expose(Thing)
app.start()
`},
	{name: "hidden secret", code: "FC516", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
app = Nexus(enable_auth = True)
Thing = db.model("Thing", {"n": int, "token": str}, access = {"read": signed_in(), "create": signed_in(), "fields": {"token": {"read": nobody(), "write": signed_in()}}})
app.expose(Thing)
app.start()
`},
	{name: "state of address", code: "FC243", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Address = db.model("Address", {"street": str, "city": str, "state": str, "zip": str})
app = Nexus()
app.expose(Address)
app.start()
`},
	{name: "singular Alias", code: "FC805", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
X = db.model("Alias", {"n": int})
app = Nexus()
app.expose(X)
app.start()
`},
	{name: "singular TimeSeries", code: "FC805", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
X = db.model("TimeSeries", {"n": int})
app = Nexus()
app.expose(X)
app.start()
`},
	{name: "singular Canvas", code: "FC805", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
X = db.model("Canvas", {"n": int})
app = Nexus()
app.expose(X)
app.start()
`},
	{name: "singular Lens", code: "FC805", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
X = db.model("Lens", {"n": int})
app = Nexus()
app.expose(X)
app.start()
`},
	{name: "singular Species", code: "FC805", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
X = db.model("Species", {"n": int})
app = Nexus()
app.expose(X)
app.start()
`},
	{name: "singular Sms", code: "FC805", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
X = db.model("Sms", {"n": int})
app = Nexus()
app.expose(X)
app.start()
`},
	{name: "printed whether", code: "FC521", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    print("has token", token != None, bool(token), len(token))
    return n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "log node", code: "FC521", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    ctx.run("LogNode", message = "token " + token)
    return n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "log of attr", code: "FC521", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"token": str})

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    print("x", row.token)
    return n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "sql by name", code: "FC432", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    sql = "SELECT * FROM things WHERE name = '%s'" % name
    return ctx.run("SQLQueryNode", sql = sql).rows

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "sql fine by name", code: "FC432", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    sql = "SELECT * FROM things " + "WHERE name = :name"
    return ctx.run("SQLQueryNode", sql = sql, params = {"name": name}).rows

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "sql past rules in handler", code: "FC368", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return ctx.run("SQLQueryNode", sql = "SELECT n FROM things").rows

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "int keys twice", code: "FC133", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return {1: "a", 2: "b", 1: "c"}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "const loaded mutated", code: "FC135", text: `load("lib.star", "SEEN")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    SEEN.append(n)
    return n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`, beside: map[string]string{"lib.star": `SEEN = []
`}},
	{name: "nested mutated", code: "FC135", text: `CONF = {"a": {"b": 1}}
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    CONF["a"]["b"] = n
    return n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "comprehension mutated", code: "FC135", text: `CONF = [x for x in range(3)]
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    CONF.append(n)
    return n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "local copy", code: "FC135", none: true, text: `CONF = [x for x in range(3)]
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    CONF2 = list(CONF)
    CONF2.append(n)
    return CONF2

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "validate cond", code: "FC238", text: `db = DataFlow(database_url = "sqlite:app.db")
def ok(row):
    return True if row.n > 0 else False
Thing = db.model("Thing", {"n": int}, validate = ok)
app = Nexus()
app.expose(Thing)
app.start()
`},
	{name: "read only helper writes", code: "FC436", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return save(ctx, n)

def save(ctx, n):
    return ctx.run(Thing.update, id = n, fields = {"n": n})

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)}, read_only = True)
app.start()
`},
	{name: "name used by flow", code: "FC131", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return price(n)

def price(n):
    return n

def other(n):
    return n

app = Nexus(auto_discovery = True)
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`, beside: map[string]string{"more.flow.star": `load("app.star", "other")
wf = WorkflowBuilder("more", input = {"n": int})
a = wf.add_node("StarlarkNode", "a", {"fn": other, "n": wf.input.n})
w = wf.build(output = {"a": a.result})
`}},
	{name: "anchored group", code: "FC242", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(str, pattern = "(^a+$)")})
app = Nexus()
app.expose(Thing)
app.start()
`},
	{name: "switch on node enum", code: "FC366", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"status": enum("new", "paid")})
wf = WorkflowBuilder("w", input = {"id": int})
r = wf.add_node(Thing.read, "r", {"id": wf.input.id})
s = wf.add_node("SwitchNode", "s", {"value": r.status, "cases": ["new", "payd"]})
l = wf.add_node("LogNode", "l", {"message": "x"})
wf.add_connection(s, "case_new", l, "when")
app = Nexus()
app.register("w", wf.build())
app.expose(Thing)
app.start()
`},
}

func TestShapesOfWhatRulesAreAbout(t *testing.T) {
	for _, tt := range shapes {
		t.Run(tt.code+" "+tt.name, func(t *testing.T) {
			files := fstest.MapFS{"app.star": {Data: []byte(tt.text)}}
			for name, text := range tt.beside {
				files[name] = &fstest.MapFile{Data: []byte(text)}
			}
			var sources check.Sources
			app, ds := starlark.Load(context.Background(), "app.star", starlark.Options{FS: files, Modules: stdlib.Modules(), Read: sources.Add})
			ds = check.Run(app, sources, ds)
			fires := slices.ContainsFunc(ds, func(d dataflow.Diagnostic) bool { return d.Code == tt.code })
			if fires == tt.none {
				t.Errorf("it fires: %v\n%s\n%s", fires, show(ds), tt.text)
			}
			for _, d := range ds {
				if d.Severity == dataflow.SeverityError && d.Code != tt.code && strings.Contains(d.Span.File, "app") {
					t.Errorf("another is an error: %s", show([]dataflow.Diagnostic{d}))
				}
			}
		})
	}
}

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
	{name: "load a module that is a type too", code: "FC801", none: true, text: `load("@stdlib//json.star", "json")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return json.encode({"n": n})

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "load hides", code: "FC801", text: `load("@stdlib//random.star", "int")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(str, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return {"n": int(ctx, 1, n)}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": field(str), "name": str, "token": str, "xs": list(str, max_length = 9)})
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
	{name: "declared by a helper that a handler calls", code: "FC446", text: oneModel + `def site():
    return env("SITE", default = "main")

def do(ctx, n, name):
    return ctx.run(Thing.create, n = n, name = name + site())

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str})
app.start()
`},
	{name: "declared by a helper while the file is loaded", code: "FC446", none: true, text: oneModel + `def site(name = env("NAME", default = "main")):
    return env("SITE", default = name)

SITE = site()
SITES = {"a": site(), "b": [site()]}

def do(ctx, n, name, more = env("MORE", default = "")):
    return ctx.run(Thing.create, n = n, name = name + SITE + SITES["a"] + more)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str})
app.start()
`},
	{name: "declared by a function of a node", code: "FC446", text: oneModel + `wf = WorkflowBuilder("w", input = {"n": int})
wf.add_node("StarlarkNode", "f", {"fn": lambda n: {"n": n, "id": uuid("x")}, "n": wf.input.n})
wf.add_node(Thing.create, "t", {"n": "${f.n}", "name": "${f.id}"})
app = Nexus()
app.expose(Thing)
app.register("w", wf.build())
app.start()
`},
	{name: "second database of a helper", code: "FC445", text: twoDatabases + `def do(ctx, n):
    book(ctx, n)
    maybe(ctx, n)

app = Nexus()
app.expose(Thing, Entry)
app.handler("do", do, input = {"n": int}, durable = True)
app.start()
`},
	{name: "second database of a helper's branch", code: "FC445", none: true, text: twoDatabases + `def do(ctx, n):
    maybe(ctx, n)
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.expose(Thing, Entry)
app.handler("do", do, input = {"n": int}, durable = True)
app.start()
`},
	{name: "second database of what is not durable", code: "FC445", none: true, text: twoDatabases + `def do(ctx, n):
    book(ctx, n)

app = Nexus()
app.expose(Thing, Entry)
app.handler("do", do, input = {"n": int})
app.start()
`},
	{name: "second database that is read", code: "FC445", none: true, text: twoDatabases + `def do(ctx, n):
    ctx.run(Thing.create, n = ctx.run(Entry.count).count)

app = Nexus()
app.expose(Thing, Entry)
app.handler("do", do, input = {"n": int}, durable = True)
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
	{name: "unused in nested fn", code: "FC132", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    def inner(a):
        b = a + 1
        return a
    return inner(n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "used in closure", code: "FC132", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    b = n + 1
    def inner():
        return b
    return inner()

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "used in lambda", code: "FC132", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    b = n + 1
    return sorted(xs, key = lambda x: x - b)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "tuple unpack", code: "FC132", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    a, b = n, 2
    return a

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "set in branch", code: "FC132", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    if n:
        b = 1
    return n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "loop var", code: "FC132", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    out = 0
    for x in xs:
        out += 1
    return out

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "default dict nested", code: "FC134", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return add(n)

def add(n, into = {}):
    into.setdefault("a", []).append(n)
    return into

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "default copied", code: "FC134", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return add(n)

def add(n, into = {}):
    into = dict(into)
    into["a"] = n
    return into

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "default passed always, but shared", code: "FC134", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return add(n, [])

def add(n, into = []):
    into.append(n)
    return into

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "dict during loop", code: "FC136", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    d = {"a": 1}
    for k in d:
        d[k] = n
    return d

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "over copy", code: "FC136", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    d = {"a": 1}
    for k in list(d):
        d[k] = n
    return d

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "over items", code: "FC136", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    d = {"a": 1}
    for k, v in d.items():
        d[k] = n
    return d

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "break after", code: "FC136", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    ys = [1, 2]
    for y in ys:
        if y == n:
            ys.remove(y)
            break
    return ys

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "lambda args", code: "FC140", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    f = add
    return add(n, b = 1, c = 2)

def add(a, b):
    return a + b

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "star args", code: "FC140", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return add(*[n, 1])

def add(a, b):
    return a + b

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "loaded fn", code: "FC140", text: `load("lib.star", "add")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return add(n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`, beside: map[string]string{"lib.star": `def add(a, b):
    return a + b
`}},
	{name: "shadowed by local", code: "FC140", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    add = lambda x: x
    return add(n)

def add(a, b):
    return a + b

def _u():
    return add(1, 2)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "multi-line format", code: "FC141", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return ("%s is %d and" +
        " %s") % (name, n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "format w percent", code: "FC141", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return "100%% of %s" % name

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "tuple var", code: "FC141", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    t = (name, n)
    return "%s and %s" % t

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "dict places", code: "FC141", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return "%(a)s" % {"a": n}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "braces escaped", code: "FC141", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return "{{x}} {}".format(n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "brace attr", code: "FC141", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return "{a.b}".format(a = n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "mutual", code: "FC142", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return even(n)

def even(n):
    return True if n == 0 else odd(n - 1)

def odd(n):
    return False if n == 0 else even(n - 1)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "across files", code: "FC142", text: `load("lib.star", "walk")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return walk(n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`, beside: map[string]string{"lib.star": `def walk(n):
    return [walk(i) for i in range(n)]
`}},
	{name: "text in for", code: "FC143", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    out = []
    for c in name:
        out.append(c)
    return out

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "text to list()", code: "FC143", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return list(name)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "text to sorted", code: "FC143", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return sorted(name)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "text to set", code: "FC143", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return len(set(name))

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "enumerate text", code: "FC143", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return [i for i, c in enumerate(name)]

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "len of text", code: "FC143", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return len(name)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "float in aggregate", code: "FC144", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"total": decimal(12, 2)})

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    return row.total + 0.5

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "decimal cmp float", code: "FC144", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"total": decimal(12, 2)})

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    return row.total > 0.5

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "decimal from float", code: "FC144", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return decimal(0.5) + n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "decimal of int", code: "FC144", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"total": decimal(12, 2)})

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    return row.total * 2

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "augmented", code: "FC144", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    t = decimal("0")
    for x in xs:
        t += 0.1
    return t

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "in list", code: "FC145", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    if row.status in ("new", "payd"):
        return 1
    return 2

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "in comprehension", code: "FC145", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return [r.name for r in ctx.run(Thing.list, limit = 5).records if r.status != "opne"]

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "dict get by status", code: "FC145", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    return {"new": 1, "payd": 2}[row.status]

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "lower", code: "FC145", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    return row.status.upper() == "NEW"

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "status through fn", code: "FC145", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return isnew(ctx.run(Thing.read, id = n))

def isnew(row):
    return row.status == "nwe"

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "attr in lambda", code: "FC146", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    rows = ctx.run(Thing.list, limit = 5).records
    return sorted(rows, key = lambda r: r.nmae)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "attr after merge", code: "FC146", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n) | {"extra": 1}
    return row["extra"]

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "record of input list", code: "FC146", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, lines):
    return [l.qyt for l in lines]

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"lines": list({"sku": str, "qty": int}, max_length = 5)})
app.start()
`},
	{name: "has in", code: "FC146", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    return row.note if "note" in row else None

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "upsert part", code: "FC147", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    w = {"nmae": name}
    return ctx.run(Thing.upsert, where = w, create = {"n": n, "name": name}, update = {})

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "filter built", code: "FC147", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    f = {}
    if n:
        f["nn"] = n
    return ctx.run(Thing.list, filter = f, limit = 3).records

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "fits by fn", code: "FC148", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return setst(ctx, n, "payed")

def setst(ctx, id, to):
    return ctx.run(Thing.update, id = id, fields = {"status": to})

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "limit too large", code: "FC148", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return ctx.run(Thing.list, limit = 100000).records

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "global counter", code: "FC149", text: `COUNT = 0
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    COUNT += 1
    return COUNT

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "set in loop before", code: "FC149", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    for x in xs:
        t = 0
        t += x
    return n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "float of input", code: "FC230", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"unit_price": field(float, optional = True)})
app = Nexus()
app.expose(Thing)
app.start()
`},
	{name: "price_factor", code: "FC230", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"price_factor": float, "cost_center_load": float})
app = Nexus()
app.expose(Thing)
app.start()
`},
	{name: "ts names", code: "FC232", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"starts_at": str, "format_date": str})
app = Nexus()
app.expose(Thing)
app.start()
`},
	{name: "combat", code: "FC232", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"combat": str, "candidate": str, "update": str})
app = Nexus()
app.expose(Thing)
app.start()
`},
	{name: "id uuid", code: "FC234", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"id": uuid})
Part = db.model("Part", {"thing_id": uuid})
app = Nexus()
app.expose(Thing, Part)
app.start()
`},
	{name: "external id", code: "FC234", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"thing_id": str, "stripe_id": str})
app = Nexus()
app.expose(Thing)
app.start()
`},
	{name: "when const tmpl", code: "FC365", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new"), "total": decimal(12, 2, default = "0")})
wf = WorkflowBuilder("w", input = {"n": int, "name": str, "big": bool})
wf.add_node("LogNode", "l", {"message": "x"}, when = True)
app = Nexus()
app.register("w", wf.build())
app.expose(Thing)
app.start()
`},
	{name: "node unused nested ref", code: "FC363", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new"), "total": decimal(12, 2, default = "0")})
wf = WorkflowBuilder("w", input = {"n": int, "name": str, "big": bool})
a = wf.add_node(Thing.list, "a", {"limit": 5})
wf.add_node("LogNode", "l", {"message": "n ${input.n}"})
app = Nexus()
app.register("w", wf.build(output = {}))
app.expose(Thing)
app.start()
`},
	{name: "node in fields", code: "FC363", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new"), "total": decimal(12, 2, default = "0")})
wf = WorkflowBuilder("w", input = {"n": int, "name": str, "big": bool})
a = wf.add_node(Thing.list, "a", {"limit": 5})
wf.add_node("LogNode", "l", {"message": "x", "fields": {"n": {"m": [a.count]}}})
wf.add_node("LogNode", "k", {"message": "n ${input.n}"})
app = Nexus()
app.register("w", wf.build(output = {}))
app.expose(Thing)
app.start()
`},
	{name: "input in when", code: "FC364", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new"), "total": decimal(12, 2, default = "0")})
wf = WorkflowBuilder("w", input = {"n": int, "name": str, "big": bool})
wf.add_node("LogNode", "l", {"message": "x ${input.n} ${input.name}"}, when = wf.input.big)
app = Nexus()
app.register("w", wf.build())
app.expose(Thing)
app.start()
`},
	{name: "input in map with", code: "FC364", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new"), "total": decimal(12, 2, default = "0")})
wf = WorkflowBuilder("w", input = {"n": int})
def f(x, k):
    return x + k
m = wf.add_node("MapNode", "m", {"items": [1, 2], "fn": f, "as": "x", "with": {"k": wf.input.n}})
app = Nexus()
app.register("w", wf.build())
app.expose(Thing)
app.start()
`},
	{name: "template foreign", code: "FC374", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new"), "total": decimal(12, 2, default = "0")})
wf = WorkflowBuilder("w", input = {"n": int, "name": str, "big": bool})
wf.add_node("LogNode", "l", {"message": "n is {{ input.n }} ${input.name} ${input.big}"})
app = Nexus()
app.register("w", wf.build())
app.expose(Thing)
app.start()
`},
	{name: "json braces", code: "FC374", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new"), "total": decimal(12, 2, default = "0")})
wf = WorkflowBuilder("w", input = {"n": int, "name": str, "big": bool})
wf.add_node("LogNode", "l", {"message": "{n} ${input.n} ${input.name} ${input.big}"})
app = Nexus()
app.register("w", wf.build())
app.expose(Thing)
app.start()
`},
	{name: "text and id", code: "FC152", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int, "name": str, "due": date, "at": datetime, "price": decimal(9, 2)})

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    return "no. " + row.id

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "text and str of id", code: "FC152", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int, "name": str, "due": date, "at": datetime, "price": decimal(9, 2)})

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    return "no. " + str(row.id)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "input text and number", code: "FC152", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return name + n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "in a comprehension", code: "FC152", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int, "name": str, "due": date, "at": datetime, "price": decimal(9, 2)})

def do(ctx, n, name, token, xs):
    return [r.due + 7 for r in ctx.run(Thing.list, limit = 3).records]

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "through a function", code: "FC152", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int, "name": str, "due": date, "at": datetime, "price": decimal(9, 2)})

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    return late(ctx, row)

def late(ctx, row):
    return row.due <= ctx.now()

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "days of it", code: "FC152", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int, "name": str, "due": date, "at": datetime, "price": decimal(9, 2)})

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    return (ctx.now().date - row.due).days > 3

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "equal to text", code: "FC152", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int, "name": str, "due": date, "at": datetime, "price": decimal(9, 2)})

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    return row.due == "2026-01-01"

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "enum equal to text", code: "FC152", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    return row.status == "new"

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "decimal and int", code: "FC152", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int, "name": str, "due": date, "at": datetime, "price": decimal(9, 2)})

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    return row.price + n > 5

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "either", code: "FC152", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    v = name if n else n
    return v + 1

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "text times", code: "FC152", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return "-" * n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "too few for the library", code: "FC140", text: `load("@stdlib//money.star", "percent", m = "money")
load("@stdlib//http.star", "http")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return percent(n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "too many for the library", code: "FC140", text: `load("@stdlib//money.star", "percent", m = "money")
load("@stdlib//http.star", "http")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return [percent(x, 1, 2) for x in xs]

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "a slip for the library", code: "FC140", text: `load("@stdlib//money.star", "percent", m = "money")
load("@stdlib//http.star", "http")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return m.percent(n, rte = 2)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "nothing for a call", code: "FC140", text: `load("@stdlib//money.star", "percent", m = "money")
load("@stdlib//http.star", "http")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return http.get(ctx).status

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "what the library takes", code: "FC140", none: true, text: `load("@stdlib//money.star", "percent", m = "money")
load("@stdlib//http.star", "http")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return [percent(n, 2), percent(*[n, 2]), percent(n, **{"rate": 2}), m.percent(rate = 1, amount = n), http.get(ctx, "https://a.example/x", timeout = 5)]

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "a name of its own", code: "FC140", none: true, text: `load("@stdlib//money.star", "percent", m = "money")
load("@stdlib//http.star", "http")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    percent = lambda a: a
    return percent(n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "asked for its type", code: "FC152", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return show(name)

def show(v):
    if type(v) == "int":
        return v + 1
    return v

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "asked within", code: "FC152", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return [show(x) for x in xs]

def show(v):
    return v + "!" if type(v) == "string" else str(v)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "parts of a text and a number", code: "FC152", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return name.split("-")[0] + n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "count and a text", code: "FC152", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return "n: " + len(xs)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "set anew", code: "FC152", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    v = name
    v = int(v)
    return v + 1

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "of two kinds", code: "FC152", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return [inc(n), inc(name)]

def inc(v):
    return v + v

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "part of a moment", code: "FC152", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"due": date, "at": datetime})

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    return row.at.date == row.due

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "secret header literal", code: "FC510", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new"), "total": decimal(12, 2, default = "0")})
wf = WorkflowBuilder("w", input = {"n": int, "name": str, "big": bool})
wf.add_node("HTTPRequestNode", "h", {"url": "https://a.example/x", "headers": {"Authorization": "Bearer abcdefgh12345678"}})
wf.add_node("LogNode", "l", {"message": "${input.n} ${input.name} ${input.big}"})
app = Nexus()
app.register("w", wf.build())
app.expose(Thing)
app.start()
`},
	{name: "secret header env", code: "FC510", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new"), "total": decimal(12, 2, default = "0")})
wf = WorkflowBuilder("w", input = {"n": int, "name": str, "big": bool})
wf.add_node("HTTPRequestNode", "h", {"url": "https://a.example/x", "headers": {"Authorization": "Bearer ${env.HOME}"}})
wf.add_node("LogNode", "l", {"message": "${input.n} ${input.name} ${input.big}"})
app = Nexus()
app.register("w", wf.build())
app.expose(Thing)
app.start()
`},
	{name: "env default secret", code: "FC510", text: `KEY = env("API_KEY", default = "sk_live_abcdef0123456789")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return KEY + name

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "field named token", code: "FC510", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"token": field(str, doc = "a_token_of_yours")})
app = Nexus()
app.expose(Thing)
app.start()
`},
	{name: "compare hmac in helper", code: "FC522", text: `load("@stdlib//crypto.star", "hmac_sha256")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    want = hmac_sha256("k", name)
    if not want == token:
        fail("no")
    return n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "compare in", code: "FC522", none: true, text: `load("@stdlib//crypto.star", "hmac_sha256", "equal")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    want = hmac_sha256("k", name)
    return equal(want, token)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "compare module", code: "FC522", text: `load("@stdlib//crypto.star", "crypto")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return crypto.hmac_sha256("k", name) == token

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "http const", code: "FC512", text: `URL = "http://rates.example.com"
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return URL + name

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "http message", code: "FC512", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    fail("write http:// or https://")

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "http check", code: "FC512", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return name.startswith("http://")

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "url of caller part", code: "FC518", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new"), "total": decimal(12, 2, default = "0")})
wf = WorkflowBuilder("w", input = {"n": int, "name": str, "big": bool})
wf.add_node("HTTPRequestNode", "h", {"url": "https://${input.name}/x"})
wf.add_node("LogNode", "l", {"message": "${input.n} ${input.big}"})
app = Nexus()
app.register("w", wf.build())
app.expose(Thing)
app.start()
`},
	{name: "url of caller handler", code: "FC518", text: `load("@stdlib//http.star", "http")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return http.get(ctx, name).body

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "url path of caller handler", code: "FC518", none: true, text: `load("@stdlib//http.star", "http")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return http.get(ctx, "https://a.example/%s" % name).body

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "filter of caller handler", code: "FC519", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, f):
    return ctx.run(Thing.bulk_delete, filter = f)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"f": json})
app.start()
`},
	{name: "filter part of caller", code: "FC519", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, f):
    return ctx.run(Thing.bulk_delete, filter = {"n": f})

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"f": int})
app.start()
`},
	{name: "fields of caller handler", code: "FC520", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, f):
    return ctx.run(Thing.update, id = 1, fields = f)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"f": json})
app.start()
`},
	{name: "fields of caller kwargs", code: "FC520", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, f):
    return ctx.run(Thing.create, **f)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"f": json})
app.start()
`},
	{name: "key in address handler", code: "FC517", text: `load("@stdlib//http.star", "http")
KEY = env("HOME", default = "")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return http.get(ctx, "https://a.example/x?api_key=" + KEY).body

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "page token", code: "FC517", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return "https://a.example/x?page_token=" + name

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "card", code: "FC514", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"cardNumber": str, "card_last4": str, "postcard_number": str})
app = Nexus()
app.expose(Thing)
app.start()
`},
	{name: "discard", code: "FC514", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"postcard_number": str, "card_type": str})
app = Nexus()
app.expose(Thing)
app.start()
`},
	{name: "password salted", code: "FC511", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"password_digest": str, "password_changed": bool})
app = Nexus()
app.expose(Thing, operations = ["create"])
app.start()
`},
	{name: "password opt", code: "FC511", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"admin_password": field(str, optional = True)})
app = Nexus()
app.expose(Thing)
app.start()
`},
	{name: "first of list var", code: "FC433", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    rows = ctx.run(Thing.list, filter = {"n": n}, limit = 1).records
    return rows[0].name

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "first of list guarded", code: "FC433", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    rows = ctx.run(Thing.list, filter = {"n": n}, limit = 1).records
    return rows[0].name if rows else None

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "first of list guarded if", code: "FC433", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    rows = ctx.run(Thing.list, filter = {"n": n}, limit = 1).records
    if not rows:
        fail("none")
    return rows[0].name

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "answer dropped", code: "FC434", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    ctx.run(Thing.count, filter = {"n": n})
    return n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "handler circle", code: "FC435", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return ctx.workflow("do", n = n, name = name, token = token, xs = xs)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "unknown workflow", code: "FC440", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return ctx.workflow("dou", n = n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "recursion via handler", code: "FC435", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return ctx.workflow("other", n = n)

def other(ctx, n):
    return ctx.workflow("do", n = n, name = "", token = "", xs = [])

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.handler("other", other, input = {"n": int})
app.start()
`},
	{name: "never reached after if", code: "FC803", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    if n:
        return 1
    else:
        fail("x")
    return 2

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "never reached for", code: "FC803", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    for x in xs:
        continue
        print(x)
    return 2

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "reached", code: "FC803", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    for x in xs:
        if x:
            break
    return 2

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "no effect attr", code: "FC804", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    row.name
    return n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "no effect cmp", code: "FC804", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    n == 3
    return n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "string in middle", code: "FC804", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    "a note"
    return n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "condition twice or", code: "FC808", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    if n == 1:
        a = 1
    elif n == 2:
        a = 2
    elif n == 1:
        a = 3
    else:
        a = 4
    return a

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "condition w call", code: "FC808", none: true, text: `load("@stdlib//random.star", "random")
db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    if random.int(ctx, 1, 2) == 1:
        return 1
    elif random.int(ctx, 1, 2) == 1:
        return 2
    return 3

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "itself attr", code: "FC807", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    row = ctx.run(Thing.read, id = n)
    return row.name == row.name

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "itself minus", code: "FC807", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return n - n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "itself idx", code: "FC807", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    return xs[0] == xs[1]

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "hides param", code: "FC801", none: true, text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    def f(list):
        return list
    return f(n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "hides for", code: "FC801", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    for str in xs:
        print(str)
    return n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "fail no reason empty", code: "FC806", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new")}, soft_delete = True)

def do(ctx, n, name, token, xs):
    if n:
        fail("")
    return n

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "name": str, "token": str, "xs": list(int, max_length = 9)})
app.start()
`},
	{name: "id of request input str", code: "FC376", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new"), "total": decimal(12, 2, default = "0")})
wf = WorkflowBuilder("w", input = {"n": int, "name": str, "big": bool})
wf.add_node(Thing.update, "u", {"id": wf.input.n, "fields": {"total": wf.input.name}})
wf.add_node("LogNode", "l", {"message": "x ${input.big}"})
app = Nexus()
app.register("w", wf.build())
app.expose(Thing)
app.start()
`},
	{name: "retry same starlark", code: "FC372", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new"), "total": decimal(12, 2, default = "0")})
wf = WorkflowBuilder("w", input = {"n": int, "name": str, "big": bool})
def f(n):
    return n
a = wf.add_node("StarlarkNode", "a", {"fn": f, "n": wf.input.n}, retry = retry(max = 2))
wf.add_node("LogNode", "l", {"message": "${input.big} ${input.name}"})
app = Nexus()
app.register("w", wf.build())
app.expose(Thing)
app.start()
`},
	{name: "map of queries op", code: "FC373", text: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": field(int, index = True), "name": field(str, unique = True), "status": enum("new", "paid", default = "new"), "total": decimal(12, 2, default = "0")})
wf = WorkflowBuilder("w", input = {"n": int, "name": str, "big": bool})
m = wf.add_node("MapNode", "m", {"items": [1, 2], "node": Thing.read, "as": "id"})
wf.add_node("LogNode", "l", {"message": "${input.n} ${input.big} ${input.name}"})
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

// oneModel begins a file.
const oneModel = `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int, "name": str})

`

// twoDatabases begins a file with a model in each of two, and what writes to the second.
const twoDatabases = `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})
books = DataFlow(database_url = "sqlite:books.db")
Entry = books.model("Entry", {"n": int})

def book(ctx, n):
    ctx.run(Entry.create, n = n)

def maybe(ctx, n):
    if n > 3:
        ctx.run(Entry.create, n = n)

`

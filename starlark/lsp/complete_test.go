package lsp

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// cursorIn is where the mark "‸" stands in a text, and the text without it.
func cursorIn(t testing.TB, text string) (string, position) {
	t.Helper()
	before, after, ok := strings.Cut(text, "‸")
	if !ok {
		t.Fatal("no cursor")
	}
	return before + after, positionOf(before, len(before))
}

// at are the parameters of a question about a place.
func at(name string, p position, more string) string {
	return fmt.Sprintf(`{"textDocument":{"uri":"DIR/%s"},"position":{"line":%d,"character":%d}%s}`, name, p.Line, p.Character, more)
}

// completed is what is offered at the mark, and the text once the first that
// has this label is chosen.
func (c *client) completed(name, text, label string) (labels []string, chosen string) {
	c.t.Helper()
	text, p := cursorIn(c.t, text)
	c.change(name, text)
	answer := c.ask("textDocument/completion", at(name, p, ""))
	var out struct{ Result completionList }
	if err := json.Unmarshal([]byte("{"+answer+"}"), &out); err != nil {
		c.t.Fatalf("%v\n%s", err, answer)
	}
	for _, item := range out.Result.Items {
		labels = append(labels, item.Label)
		if item.Label == label && chosen == "" {
			chosen = text[:offsetOf(text, item.TextEdit.Range.Start)] + item.TextEdit.NewText + text[offsetOf(text, item.TextEdit.Range.End):]
		}
	}
	return labels, chosen
}

// change replaces the text of an open document.
func (c *client) change(name, text string) {
	c.t.Helper()
	quoted, err := json.Marshal(text)
	if err != nil {
		c.t.Fatal(err)
	}
	c.tell("textDocument/didChange", fmt.Sprintf(`{"textDocument":{"uri":"DIR/%s","version":2},"contentChanges":[{"text":%s}]}`, name, quoted))
}

const app = `load("@stdlib//half.star", "half")
load("lib/prices.star", "net")

db = DataFlow(database_url = "sqlite:shop.db")

Customer = db.model("Customer", {"email": field(str, unique = True, format = "email", doc = "Where bills go."), "name": str})

Order = db.model("Order", {
    "customer": ref(Customer),
    "status": enum("new", "paid", default = "new"),
    "total": decimal(12, 2, ge = 0),
}, indexes = [index("status", "total")])

wf = WorkflowBuilder("place", input = {"email": str, "total": decimal(12, 2)})
who = wf.add_node("CustomerUpsertNode", "who", {"where": {"email": "${input.email}"}, "create": {"email": "${input.email}", "name": "😀 ${input.email}"}})
wf.add_node(Order.create, "order", {"customer": who.record.id, "total": "${input.total}"})
wf.add_node("LogNode", "said", {"message": "order ${order.id} of ${who.record.email}: ${order.total}"})

def report(ctx, low):
    """What there is."""
    rows = ctx.run(Order.list, filter = {"total": {"$lt": low}, "customer.email": {"$ne": ""}}, sort = "-total", limit = 10).records
    first = ctx.run(Order.read, id = 1)
    return {"sum": [row.total for row in rows], "first": half(first.total), "net": net(first.total)}

app = Nexus()
app.expose(Order, operations = ["list"])
app.handler("report", report, input = {"low": decimal(12, 2)}, read_only = True)
app.register("place", wf.build(output = {"id": "${order.id}"}))
app.start()
`

const prices = `"""Prices."""

def net(gross):
    return gross - gross / 6
`

func appFiles() map[string]string {
	return map[string]string{"app.star": app, "lib/prices.star": prices}
}

func TestTheAppOfTheTestsIsSound(t *testing.T) {
	c := ready(t, appFiles())
	same(t, `{"uri":"DIR/app.star","version":1,"diagnostics":[]}`, c.edit("app.star", app))
}

// insertBefore is the app with more before a line of it.
func insertBefore(line, text string) string { return strings.Replace(app, line, text+"\n"+line, 1) }

func TestCompletion(t *testing.T) {
	const start = "app = Nexus()"
	for _, tt := range []struct {
		name, text string // put before the line that makes the server
		offers     []string
		not        []string
		choose     string // of the offers, which then gives
		gives      string // the last line
	}{
		{"builtins", "x = Wor‸", []string{"WorkflowBuilder"}, []string{"DataFlow"}, "WorkflowBuilder", "x = WorkflowBuilder"},
		{"names of the file", "x = Cus‸", []string{"Customer"}, nil, "Customer", "x = Customer"},
		{"keyword arguments", "db2 = DataFlow(pool‸", []string{"pool_size =", "pooler ="}, []string{"host ="}, "pool_size =", "db2 = DataFlow(pool_size = "},
		{"keyword arguments of a type", "x = field(str, uni‸", []string{"unique ="}, nil, "unique =", "x = field(str, unique = "},
		{"methods of a database", "db.‸", []string{"model"}, []string{"add_node"}, "model", "db.model"},
		{"methods of the server and of a workflow", "wf.‸", []string{"add_node", "build", "input"}, nil, "", ""},
		{"operations", "wf.add_node(Order.b‸", []string{"bulk_create"}, []string{"read"}, "bulk_create", "wf.add_node(Order.bulk_create"},
		{"node types", `wf.add_node("OrderCr‸`, []string{"OrderCreateNode"}, []string{"LogNode"}, "OrderCreateNode", `wf.add_node("OrderCreateNode`},
		{"node types of no model", `wf.add_node("Lo‸")`, []string{"LogNode", "LoopNode"}, nil, "LogNode", `wf.add_node("LogNode")`},
		{"arguments of a node", `wf.add_node("OrderCreateNode", "o", {"to‸`, []string{"total"}, []string{"status"}, "total", `wf.add_node("OrderCreateNode", "o", {"total`},
		{"arguments of a node, unquoted", `wf.add_node("OrderListNode", "o", {‸})`, []string{"filter", "sort", "limit"}, nil, "filter", `wf.add_node("OrderListNode", "o", {"filter": })`},
		{"fields in a filter", `wf.add_node("OrderListNode", "o", {"filter": {"‸`, []string{"total", "status", "customer.email", "$or"}, []string{"filter"}, "", ""},
		{"operators", `wf.add_node("OrderListNode", "o", {"filter": {"total": {"$g‸`, []string{"$gt", "$gte"}, []string{"$lt", "$like"}, "$gte", `wf.add_node("OrderListNode", "o", {"filter": {"total": {"$gte`},
		{"values of an enum", `wf.add_node("OrderCreateNode", "o", {"status": "‸`, []string{"new", "paid"}, nil, "paid", `wf.add_node("OrderCreateNode", "o", {"status": "paid`},
		{"names of fields to sort by", `wf.add_node("OrderListNode", "o", {"sort": "-t‸`, []string{"total"}, []string{"filter"}, "total", `wf.add_node("OrderListNode", "o", {"sort": "-total`},
		{"roots of a template", `wf.add_node("LogNode", "l", {"message": "a ${‸`, []string{"who", "order", "said", "input", "env", "ctx"}, nil, "order", `wf.add_node("LogNode", "l", {"message": "a ${order`},
		{"a path in a template", `wf.add_node("LogNode", "l", {"message": "😀 ${order.‸`, []string{"total", "status", "id", "created_at"}, []string{"email"}, "total", `wf.add_node("LogNode", "l", {"message": "😀 ${order.total`},
		{"a path in a closed template", `wf.add_node("LogNode", "l", {"message": "a ${who.record.em‸} b"})`, []string{"email"}, nil, "email", `wf.add_node("LogNode", "l", {"message": "a ${who.record.email} b"})`},
		{"inputs in a template", `wf.add_node("LogNode", "l", {"message": "${input.‸`, []string{"email", "total"}, []string{"name"}, "", ""},
		{"text between templates", `wf.add_node("LogNode", "l", {"message": "${order.id} and ‸`, nil, []string{"order"}, "", ""},
		{"a path as a value", `wf.add_node("LogNode", "l", {"message": who.record.‸`, []string{"email", "name"}, []string{"total"}, "", ""},
		{"inputs as values", `wf.add_node("LogNode", "l", {"message": wf.input.‸`, []string{"email", "total"}, nil, "", ""},
		{"ends of a connection", `wf.add_connection("‸`, []string{"who", "order"}, nil, "", ""},
		{"outputs of a connection", `wf.add_connection("order", "‸`, []string{"total"}, []string{"email"}, "", ""},
		{"inputs of a connection", `wf.add_connection("order", "total", "said", "m‸`, []string{"message"}, nil, "", ""},
		{"modules", `load("@std‸`, []string{"@stdlib//half.star"}, nil, "", ""},
		{"files", `load("li‸`, []string{"lib/prices.star"}, []string{"app.star"}, "lib/prices.star", `load("lib/prices.star`},
		{"what a module has", `load("@stdlib//half.star", "‸`, []string{"half"}, nil, "", ""},
		{"what a file has", `load("lib/prices.star", "n‸`, []string{"net"}, nil, "net", `load("lib/prices.star", "net`},
		{"fields of an index", `X = db.model("Order", {}, indexes = [index("sta‸`, []string{"status"}, nil, "", ""},
		{"operations to serve", `app.expose(Order, operations = ["re‸`, []string{"read"}, []string{"list"}, "", ""},
		{"arguments of ctx.run", "def f(ctx):\n    x = 1\n    return ctx.run(Order.list, fi‸", []string{"filter ="}, nil, "filter =", "    return ctx.run(Order.list, filter = "},
		{"fields of rows in a function", "def f(ctx):\n    rows = ctx.run(Order.list).records\n    for row in rows:\n        if row.‸", []string{"total", "status"}, []string{"email"}, "total", "        if row.total"},
		{"behind a line that can't be read", "def f(ctx):\n    x = = 1\n    return ctx.‸", []string{"run", "now", "workflow"}, nil, "", ""},
		{"names of a function", "def f(ctx, quantity):\n    return quan‸", []string{"quantity"}, nil, "", ""},
		{"nothing in a comment", "# wf.‸", nil, []string{"add_node"}, "", ""},
		{"nothing in a string", `x = "wf.‸`, nil, []string{"add_node"}, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := ready(t, appFiles())
			c.edit("app.star", app)
			labels, chosen := c.completed("app.star", insertBefore(start, tt.text), tt.choose)
			for _, want := range tt.offers {
				if !slices.Contains(labels, want) {
					t.Errorf("%q is not offered: %.40q", want, labels)
				}
			}
			for _, bad := range tt.not {
				if slices.Contains(labels, bad) {
					t.Errorf("%q is offered: %.40q", bad, labels)
				}
			}
			if tt.choose != "" {
				lines := strings.Split(strings.Split(chosen, "\n"+start)[0], "\n")
				same(t, tt.gives, lines[len(lines)-1])
			}
		})
	}
}

func TestATestFileIsKnownToo(t *testing.T) {
	const tests = "load(\"app.star\", \"Order\")\n\ndef test_total(t):\n    order = t.run(Order.read, id = 1)\n    t.equal(order.total, 1)\n"
	files := appFiles()
	files["app_test.star"] = tests
	c := ready(t, files)
	same(t, `{"uri":"DIR/app_test.star","version":1,"diagnostics":[]}`, c.edit("app_test.star", tests))
	for _, tt := range []struct{ text, want string }{
		{tests + "    t.‸", "mock_http"},
		{tests + "    order.‸", "total"},
		{tests + "    t.workflow(\"‸", "place"},
		{tests + "    t.run(Order.list, fil‸", "filter ="},
	} {
		if labels, _ := c.completed("app_test.star", tt.text, ""); !slices.Contains(labels, tt.want) {
			t.Errorf("%q: %s is not offered: %q", tt.text, tt.want, labels)
		}
	}
}

package engine_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
)

var update = flag.Bool("update", false, "write the diagnostics found to testdata")

var identity = ft.Fn("identity", "x", func(a *dataflow.Object) (any, error) { v, _ := a.Get("x"); return v, nil })

// Each graph is refused with every diagnostic that testdata/name.txt holds,
// and no other.
func TestBadGraphs(t *testing.T) {
	who := func() *dataflow.Node { return ft.Node("CustomerReadNode", "who", ft.Obj("id", int64(1))) }
	type parts = []any
	graphs := []struct {
		name  string
		parts parts
	}{
		{"unknown_type", parts{
			ft.Node("OrderCreatNode", "a", nil), ft.Node("OrdreListNode", "b", nil), ft.Node("Starlark", "c", nil),
			ft.Node("Nonsense", "e", nil), ft.Node("Order.create", "h", nil), ft.Node("Order.creat", "i", nil),
			ft.Node("PythonCodeNode", "f", nil), ft.Node("EmbeddingGeneratorNode", "g", nil)}},
		{"unknown_config", parts{
			ft.Node("OrderCreateNode", "order", ft.Obj("custmer", 1, "total", "1", "created_at", "now", "customer", 1)),
			ft.Node("OrderUpdateNode", "change", ft.Obj("id", 1, "fields", ft.Obj("totl", "1", "version", 2), "status", "paid")),
			ft.Node("OrderListNode", "listed", ft.Obj("conditions", ft.Obj("id", 1)))}},
		{"missing_config", parts{
			ft.Node("OrderCreateNode", "order", ft.Obj("note", "x")), ft.Node("OrderReadNode", "read", nil),
			ft.Node("OrderUpdateNode", "change", ft.Obj("id", 1)), ft.Node("OrderBulkDeleteNode", "purge", nil),
			ft.Node("OrderReadNode", "both", ft.Obj("id", 1, "filter", ft.Obj("id", 2)))}},
		{"wrong_literals", parts{
			ft.Node("OrderCreateNode", "order", ft.Obj("customer", "one", "status", "payed", "total", "-1.005", "note", 7)),
			ft.Node("OrderListNode", "list", ft.Obj("limit", 5000, "count", "yes")),
			ft.Node("OrderBulkCreateNode", "bulk", ft.Obj("data", ft.List(ft.Obj("customer", 1, "total", "x"), ft.Obj("total", "1")))),
			ft.Node("ProductUpdateNode", "sku", ft.Obj("id", 1, "fields", ft.Obj("sku", "new", "stock", -1)))}},
		{"filters", parts{ft.In("name", dataflow.String), ft.In("from", dataflow.DateTime),
			ft.Node("OrderListNode", "a", ft.Obj("filter", ft.Obj("statuss", "new", "total", ft.Obj("$gt", "1", "$foo", 2), "customer.emial", "x"),
				"sort", "-createdat", "fields", ft.List("id", "totl"))),
			ft.Node("OrderListNode", "b", ft.Obj("filter", ft.Obj("id", "${input.name}", "customer.email", "${input.name}",
				"created_at", ft.Obj("$gte", "${input.from}", "$lt", "${input.nam}"), "total", ft.Obj("$in", "${input.name}")))),
			ft.Node("CustomerUpsertNode", "c", ft.Obj("where", ft.Obj("mail", "x", "name", "${input.from}")))}},
		{"references", parts{ft.In("email", dataflow.String), who(),
			ft.Node("CustomerCreateNode", "a", ft.Obj("email", "${input.emial}", "name", "${whoo.name}")),
			ft.Node("CustomerCreateNode", "b", ft.Obj("email", "${who.emial}", "name", "${inputs.email}")),
			ft.Node("CustomerCreateNode", "c", ft.Obj("email", "${ctx.tennant}", "name", "x ${who.name.first} y")),
			ft.Node("OrderReadNode", "o", ft.Obj("id", 1)),
			ft.Node("CustomerUpsertNode", "up", ft.Obj("where", ft.Obj("email", "x@y.z"))),
			ft.Node("CustomerCreateNode", "d", ft.Obj("email", "${o.customer.email}", "name", "${up.name}")),
			ft.Output{V: ft.Obj("x", "${who.nmae}", "y", "${b}")}}},
		{"mismatches", parts{ft.In("n", dataflow.Int), ft.In("s", dataflow.String), ft.In("tags", dataflow.ListOf(dataflow.Int)), who(),
			ft.Node("OrderCreateNode", "a", ft.Obj("customer", "${who}", "total", "${input.s}", "note", "${input.n}", "status", "${input.s}")),
			ft.Node("OrderCreateNode", "b", ft.Obj("customer", "${who.id}", "total", "${input.tags}", "status", "${input.n}")),
			ft.Node("OrderCreateNode", "c", ft.Obj("customer", "${a.id}", "total", "${input.n}", "note", "n = ${input.n}")),
			ft.Node("OrderCreateNode", "d", ft.Obj("customer", "${input.tags}", "total", "${who.created_at}")),
			ft.Node("OrderUpdateNode", "e", ft.Obj("id", "${input.s}", "fields", ft.Obj("total", "${who.email}", "customer", "${a.customer}"))),
			ft.Node("OrderBulkDeleteNode", "f", ft.Obj("ids", "${a.id}"))}},
		{"connections", parts{ft.In("n", dataflow.Int), who(),
			ft.Node("OrderCreateNode", "order", ft.Obj("total", "1")),
			ft.Node("CustomerUpsertNode", "up", ft.Obj("where", ft.Obj("email", "x@y.z"), "create", ft.Obj("name", "x"))),
			ft.Node("OrderListNode", "list", ft.Obj("filter", ft.Obj("status", "new"))),
			ft.Edge("whoo", "id", "order", "customer"), ft.Edge("who", "id", "ordr", "customer"),
			ft.Edge("who", "idd", "order", "customer"), ft.Edge("who", "id", "order", "custmer"),
			ft.Edge("who", "id", "order", "total"), ft.Edge("up", "id", "order", "note"),
			ft.Edge("who", "order", "id", "customer"), ft.Edge("order", "customer", "up", "record"),
			ft.Edge("who", "id", "list", "filter.status"), ft.Edge("who", "", "list", ""), ft.Edge("who", "id", "list", ""),
			ft.Edge("order", "filter", "list", "note"), ft.Edge("who", "a..b", "list", "limit"),
			ft.Node("OrderUpdateNode", "change", ft.Obj("id", 1, "fields", ft.Obj("note", "x"))), ft.Edge("who", "name", "change", "status"),
			ft.Node("WorkflowNode", "sub", ft.Obj("workflow", "callee", "inputs", ft.Obj("qty", 1))), ft.Edge("who", "email", "sub", "email"),
			ft.Edge("who", "email", "sub", "inputs.email")}},
		{"ways", parts{ft.In("n", dataflow.Int),
			ft.Node("SwitchNode", "sw", ft.Obj("value", "${input.n}", "cases", ft.List("1", "2"))),
			ft.Node("OrderListNode", "one", nil), ft.Edge("sw", "case_1", "one", "input"),
			ft.Node("OrderListNode", "two", nil), ft.Edge("sw", "case_2", "two", "when"),
			ft.Node("OrderListNode", "three", nil), ft.Edge("sw", "default", "three", "after"),
			ft.Node("MergeNode", "either", nil), ft.Edge("one", "records", "either", "a"), ft.Edge("two", "records", "either", "b"),
			ft.Node("StarlarkNode", "fine", ft.Obj("fn", identity, "x", "${either}")),
			ft.Node("StarlarkNode", "both", ft.Obj("fn", identity, "x", ft.List("${one.count}", "${two.count}"))),
			ft.Node("StarlarkNode", "same", ft.Obj("fn", identity, "x", ft.List("${one.count}", "${sw.case_1}"))),
			ft.Node("OrderListNode", "direct", nil), ft.Edge("sw", "case_1", "direct", "when"), ft.Edge("sw", "default", "direct", "input"),
			ft.Edge("input", "m", "two", "limit"), ft.Edge("input", "n", "one", "limit"),
			ft.Edge("one", "result", "either", "c"), ft.Edge("one", "count", "two", "after")}},
		{"cycles", parts{
			ft.Node("StarlarkNode", "c", ft.Obj("fn", identity, "x", "${b.result}")),
			ft.Node("StarlarkNode", "a", ft.Obj("fn", identity, "x", "${c.result}")),
			ft.Node("StarlarkNode", "b", ft.Obj("fn", identity, "x", "${a.result}")),
			ft.Node("StarlarkNode", "self", ft.Obj("fn", identity, "x", "${self.result}")),
			ft.Node("StarlarkNode", "free", ft.Obj("fn", identity, "x", 1))}},
		{"conditions", parts{ft.In("n", dataflow.Int), ft.In("yes", dataflow.Bool),
			ft.Node("StarlarkNode", "a", ft.Obj("fn", identity, "x", 1), ft.When("${input.n}")),
			ft.Node("StarlarkNode", "b", ft.Obj("fn", identity, "x", 1), ft.When("${input.n} > 3")),
			ft.Node("StarlarkNode", "c", ft.Obj("fn", identity, "x", 1), ft.When("${input.yes}")),
			ft.Edge("a", "result", "c", "when"),
			ft.Node("StarlarkNode", "d", ft.Obj("fn", identity, "x", 1), ft.OnError("skip"), ft.Compensate("nobody")),
			ft.Node("StarlarkNode", "e", ft.Obj("fn", identity, "x", 1), ft.Retry(1000, "upstraem"))}},
		{"failing", parts{ft.In("s", dataflow.String), who(),
			ft.Node("StarlarkNode", "a", ft.Obj("fn", identity, "x", "${sorry.result}"), ft.OnError(ft.Obj("goto", "sory"))),
			ft.Node("StarlarkNode", "b", ft.Obj("fn", identity, "x", 1), ft.OnError(ft.Obj("default", ft.Obj("x", "${after.result}")))),
			ft.Node("StarlarkNode", "after", ft.Obj("fn", identity, "x", "${b.result}")),
			ft.Node("StarlarkNode", "sorry", ft.Obj("fn", identity, "x", "${c.error.cod}")),
			ft.Node("HTTPRequestNode", "c", ft.Obj("url", "http://x"), ft.OnError(ft.Obj("goto", "sorry"))),
			ft.Node("StarlarkNode", "both", ft.Obj("fn", identity, "x", ft.List("${c.status}", "${c.error.code}"))),
			ft.Node("StarlarkNode", "d", ft.Obj("fn", identity, "x", 1), ft.OnError(ft.Obj("default", 1, "goto", "sorry"))),
			ft.Node("TransactionNode", "t", ft.Obj("nodes", ft.List("who")), ft.OnError("continue"))}},
		{"compensation", parts{who(),
			ft.Node("HTTPRequestNode", "charge", ft.Obj("url", "http://x"), ft.Compensate("refund")),
			ft.Node("HTTPRequestNode", "refund", ft.Obj("url", "http://x/${late.result}")),
			ft.Node("StarlarkNode", "late", ft.Obj("fn", identity, "x", "${charge.status}")),
			ft.Node("StarlarkNode", "later", ft.Obj("fn", identity, "x", "${refund.status}")),
			ft.Node("OrderCountNode", "count", nil, ft.Compensate("late")),
			ft.Node("HTTPRequestNode", "again", ft.Obj("url", "http://x"), ft.Compensate("refund"))}},
		{"pausing", parts{ft.In("s", dataflow.String), who(),
			ft.Node("OrderBulkDeleteNode", "n", ft.Obj("filter", ft.Obj("status", "new")), ft.Retry(1), func(n *dataflow.Node) { n.Retry.Backoff = 1 }),
			ft.Node("StarlarkNode", "early", ft.Obj("fn", identity, "x", 1), ft.Retry(1), func(n *dataflow.Node) { n.Retry.Backoff = 1 })}},
		{"targets", parts{ft.In("s", dataflow.String),
			ft.Node("MapNode", "a", ft.Obj("items", ft.List(1))),
			ft.Node("MapNode", "b", ft.Obj("items", ft.List(1), "fn", identity, "workflow", "callee")),
			ft.Node("MapNode", "c", ft.Obj("items", ft.List(1), "workflow", "calle", "parallel", 100)),
			ft.Node("MapNode", "d", ft.Obj("items", ft.List(1), "workflow", "callee", "as", "emial", "with", ft.Obj("qyt", 1))),
			ft.Node("MapNode", "e", ft.Obj("items", ft.List(1), "node", "MapNode")),
			ft.Node("MapNode", "e2", ft.Obj("items", ft.List(1), "node", "WaitNode", "as", "for")),
			ft.Node("MapNode", "f", ft.Obj("items", ft.List(1), "node", "${input.s}", "as", "${input.s}")),
			ft.Node("LoopNode", "g", ft.Obj("fn", identity, "until", 1, "max", 0)),
			ft.Node("LoopNode", "h", ft.Obj("fn", identity, "until", "done")),
			ft.Node("LoopNode", "h2", ft.Obj("state", ft.Obj("name", "x", "done", false), "until", "done", "max", 3, "node", "SignalNode")),
			ft.Node("CacheNode", "h3", ft.Obj("node", "WaitNode", "key", 1, "ttl", "1s", "with", ft.Obj("for", "1h"))),
			ft.Node("CacheNode", "i", ft.Obj("node", "OrderCountNode", "key", 1, "ttl", "soon")),
			ft.Node("CacheNode", "j", ft.Obj("node", "HTTPRequestNode", "key", 1, "ttl", "1s", "with", ft.Obj("url", "http://x", "method", "POST"))),
			ft.Node("FilterNode", "k", ft.Obj("items", ft.List())), ft.Node("FilterNode", "l", ft.Obj("items", ft.List(), "fn", identity, "field", "x")),
			ft.Node("CSVReaderNode", "m", ft.Obj("path", "../shop.db")), ft.Node("CSVReaderNode", "n", ft.Obj("path", "a", "text", "b", "header", false)),
			ft.Node("TextWriterNode", "o", ft.Obj("text", "x")), ft.Node("JSONWriterNode", "p", ft.Obj("path", "/etc/x", "value", 1))}},
		{"functions", parts{
			ft.Node("StarlarkNode", "a", ft.Obj("fn", "identity", "x", 1)),
			ft.Node("StarlarkNode", "b", ft.Obj("fn", identity, "xx", 1)),
			ft.Node("StarlarkNode", "c", ft.Obj("x", 1)),
			ft.Node("OrderListNode", "d", ft.Obj("limit", identity)), ft.Node("StarlarkNode", "e", ft.Obj("fn", identity)),
			ft.Node("StarlarkNode", "f", ft.Obj("ffn", identity))}},
		{"narrowed", parts{
			ft.Node("OrderReadNode", "one", ft.Obj("id", 1, "fields", ft.List("total", "customer"))),
			ft.Node("OrderListNode", "many", ft.Obj("fields", ft.List("status"))),
			ft.Output{V: ft.List("${one.id}", "${one.total}", "${one.note}", "${many.records[0].id}", "${many.records[0].total}", "${many.has_more}")}}},
		{"ids", parts{who(), who(), ft.Node("OrderListNode", "input", nil), ft.Node("OrderListNode", "a.b", nil)}},
		{"switches", parts{ft.In("s", dataflow.String), ft.In("b", dataflow.Bool),
			ft.Node("SwitchNode", "a", ft.Obj("condition", "${input.s} == 'x'")),
			ft.Node("SwitchNode", "b", ft.Obj("value", "${input.s}", "cases", ft.List("x", "x", nil))),
			ft.Node("SwitchNode", "c", ft.Obj("value", "${input.s}")),
			ft.Node("SwitchNode", "d", ft.Obj("condition", "${input.b}")),
			ft.Node("SwitchNode", "e", ft.Obj("input", 1, "condition_field", "x", "operator", "=", "value", 1)),
			ft.Node("StarlarkNode", "f", ft.Obj("fn", identity, "x", "${d.true_ouput}")),
			ft.Node("StarlarkNode", "g", ft.Obj("fn", identity, "x", "${b.case_y}"))}},
		{"merges", parts{ft.Node("MergeNode", "a", nil), ft.Node("MergeNode", "b", ft.Obj("inputs", "x", "strategy", "frist")),
			ft.Node("MergeNode", "c", ft.Obj("inputs", ft.List("${a.result}"), "strategy", "object"))}},
		{"scopes", parts{who(),
			ft.Node("TransactionNode", "t", ft.Obj("nodes", ft.List("who", "whoo", "t", "u"), "on_error", "ignore")),
			ft.Node("TransactionNode", "u", ft.Obj("nodes", ft.List("who"))),
			ft.Node("TransactionNode", "v", ft.Obj("nodes", ft.List("${who}")))}},
		{"http", parts{ft.Node("HTTPRequestNode", "a", ft.Obj("url", "ftp://x", "method", "FETCH", "json", ft.Obj(), "body", "x", "timeout", 0, "retries", 3)),
			ft.Node("HTTPRequestNode", "b", ft.Obj("url", "https://", "headers", ft.Obj("a b", "c")))}},
		{"called", parts{ft.In("s", dataflow.String),
			ft.Node("WorkflowNode", "a", ft.Obj("workflow", "plce")),
			ft.Node("WorkflowNode", "b", ft.Obj("workflow", "callee", "inputs", ft.Obj("emial", "x", "qty", "many"))),
			ft.Node("WorkflowNode", "c", ft.Obj("workflow", "callee", "inputs", ft.Obj("email", "x", "qty", "${input.s}"))),
			ft.Node("WorkflowNode", "d", ft.Obj("workflow", "${input.s}")),
			ft.Node("WorkflowNode", "e", ft.Obj("workflow", "w")),
			ft.Node("WorkflowNode", "f", ft.Obj("workflow", "callee", "inputs", ft.Obj("email", "${b.oops}", "qty", 1)))}},
	}
	for _, g := range graphs {
		t.Run(g.name, func(t *testing.T) {
			callee := ft.Workflow("callee", ft.In("email", dataflow.String), ft.In("qty", dataflow.Int),
				ft.Node("StarlarkNode", "n", ft.Obj("fn", identity, "x", "${input.qty}")), ft.Output{V: ft.Obj("n", "${n.result}")})
			s := ft.NewShop(ft.Workflow("w", g.parts...), callee)
			p, ds := engine.NewPlan(s.App, nodes.Types())
			if p != nil {
				t.Error("there is a plan")
			}
			compareFile(t, g.name, ft.Render(ds))
		})
	}
}

func compareFile(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%s\nwant\n%s", indent(got), indent(string(want)))
	}
}

func indent(s string) string { return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ") }

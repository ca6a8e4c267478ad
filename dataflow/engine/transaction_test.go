package engine_test

import (
	"context"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	ft "github.com/flowctl/flowctl/dataflow/engine/internal/flowtest"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/sqlite"
)

func reject(message string) *dataflow.Error {
	return &dataflow.Error{Code: "rejected", Status: dataflow.StatusRejected, Message: message}
}

var refuse = ft.Fn("refuse", "**x", func(*dataflow.Object) (any, error) { return nil, reject("no") })

func customer(id, email string) *dataflow.Node {
	return ft.Node("CustomerCreateNode", id, ft.Obj("email", email, "name", "x"))
}

func TestAScopeThatFailsAlone(t *testing.T) {
	part := func(policy string) *dataflow.Workflow {
		return ft.Workflow(policy,
			customer("first", "a@x.y"),
			ft.Node("TransactionNode", "part", ft.Obj("nodes", ft.List("second", "no"), "on_error", policy)),
			customer("second", "b@x.y"),
			ft.Node("StarlarkNode", "no", ft.Obj("fn", refuse, "x", "${second.id}")),
			ft.Node("StarlarkNode", "after", ft.Obj("fn", identity, "x", "${second.id}")),
			customer("last", "c@x.y"),
			ft.Output{V: ft.Obj("ok", "${part.ok}", "why", "${part.error.message}", "second", "${second.id}", "after", "${after.result}", "last", "${last.email}")})
	}
	s := openShop(t, part("continue"), part("rollback"))
	want := `{"ok":false,"why":"no","second":null,"after":null,"last":"c@x.y"}`
	if got := s.must("continue", nil); got != want {
		t.Errorf("outputs are %s, want %s", got, want)
	}
	if n := s.count(s.Customer); n != 2 {
		t.Errorf("%d customers, want those outside the scope: 2", n)
	}
	if e := s.refused("rollback", nil); e.Code != "unique_violation" || e.Node != "first" {
		t.Errorf("%+v", e)
	}
	fresh := openShop(t, part("rollback"))
	if e := fresh.refused("rollback", nil); e.Code != "rejected" || e.Node != "no" || e.Message != "no" {
		t.Errorf("%+v", e)
	}
	if n := fresh.count(fresh.Customer); n != 0 {
		t.Errorf("%d customers are left behind", n)
	}
}

func TestARetryInATransactionBeginsAfresh(t *testing.T) {
	tries := 0
	flaky := ft.HandlerFn(func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
		if _, err := h.RunNode(ctx, "CustomerCreateNode", ft.Obj("email", "a@x.y", "name", "x")); err != nil {
			return nil, err
		}
		if tries++; tries == 1 {
			return nil, &dataflow.Error{Code: "upstream", Status: dataflow.StatusUpstream, Message: "down"}
		}
		return tries, nil
	})
	s := openShop(t, ft.Handler("flaky", false, flaky), ft.Workflow("w",
		ft.Node("WorkflowNode", "call", ft.Obj("workflow", "flaky"), ft.Retry(2))))
	s.must("w", nil) // without a savepoint the second attempt would find the email taken
	if n := s.count(s.Customer); n != 1 || tries != 2 {
		t.Errorf("%d customers after %d tries", n, tries)
	}
}

// again is a store whose first Write is retried, as PostgreSQL asks for after
// a serialisation failure.
type again struct {
	store.Store
	writes int
}

func (a *again) Write(ctx context.Context, f func(store.Tx) error) error {
	a.writes++
	if a.writes == 1 {
		_ = a.Store.Write(ctx, func(tx store.Tx) error {
			if err := f(tx); err != nil {
				return err
			}
			return reject("serialisation failure")
		})
	}
	return a.Store.Write(ctx, f)
}

func TestARunIsReentrant(t *testing.T) {
	calls := map[string]int{}
	count := func(id string) *ft.Func {
		return ft.Fn("count", "**x", func(*dataflow.Object) (any, error) { calls[id]++; return id, nil })
	}
	s := ft.NewShop(ft.Workflow("w", ft.In("email", dataflow.String),
		ft.Node("StarlarkNode", "before", ft.Obj("fn", count("before"))),
		ft.Node("SwitchNode", "sw", ft.Obj("condition", true)),
		ft.Node("CustomerCreateNode", "c", ft.Obj("email", "${input.email}", "name", "${before.result}")),
		ft.Node("StarlarkNode", "inside", ft.Obj("fn", count("inside"), "x", "${c.id}")),
		ft.Node("StarlarkNode", "never", ft.Obj("fn", count("never"), "x", "${sw.false_output}", "y", "${c.id}"))))
	e := mustEngine(t, s.App, engine.Options{Stores: map[*dataflow.Database]store.Store{s.DB: &again{Store: ft.Open(t, sqlite.Opener{}, s.DB)}}})
	res, err := e.Run(context.Background(), engine.Request{Workflow: "w", Inputs: ft.Obj("email", "a@x.y")})
	if err != nil {
		t.Fatal(err)
	}
	if n, _ := e.Store(s.DB).Count(context.Background(), s.Customer, nil); n != 1 {
		t.Errorf("%d customers", n)
	}
	if calls["before"] != 1 || calls["inside"] != 2 || calls["never"] != 0 {
		t.Errorf("calls are %v: what ran before the transaction runs once", calls)
	}
	if out := asJSON(res.Outputs); !strings.Contains(out, `"inside":{"result":"inside"}`) || strings.Contains(out, "never") {
		t.Errorf("outputs are %s", out)
	}
}

// busy is a store that can't be written.
type busy struct{ store.Store }

func (busy) Write(context.Context, func(store.Tx) error) error {
	return &dataflow.Error{Code: "busy", Status: dataflow.StatusBusy, Message: "the database is locked"}
}

func TestATransactionThatCantBeOpenedIsTheWorkflowsError(t *testing.T) {
	s := ft.NewShop(addProduct())
	e := mustEngine(t, s.App, engine.Options{Stores: map[*dataflow.Database]store.Store{s.DB: busy{ft.Open(t, sqlite.Opener{}, s.DB)}}})
	_, err := run(t, e, "add_product", ft.Obj("sku", "tea", "stock", int64(1)))
	if err == nil || err.Code != "busy" || err.Workflow != "add_product" || err.Node != "" || err.Span.File != "add_product" {
		t.Errorf("%+v", err)
	}
}

func TestWorkflowsThatOnlyCallOutAreNestedSideBySide(t *testing.T) {
	call := newNode("CallNode", dataflow.EffectOutside, func(_ context.Context, c *engine.Call) (any, error) { return c.Key, nil })
	sub := ft.Workflow("sub", ft.Node("CallNode", "c", nil), ft.Output{V: ft.Obj("key", "${c}")})
	parts := []any{}
	for _, id := range []string{"x", "y", "z"} {
		parts = append(parts, ft.Node("WorkflowNode", id, ft.Obj("workflow", "sub")))
	}
	parts = append(parts, ft.Output{V: ft.List("${x.key}", "${y.key}", "${z.key}")})
	e := engineOf(t, engine.Options{NewID: func() string { return "run" }}, []*dataflow.Workflow{sub, ft.Workflow("w", parts...)}, call)
	if got, err := run(t, e, "w", nil); err != nil || got != `["run/x/c","run/y/c","run/z/c"]` {
		t.Errorf("keys are %s, %v", got, err)
	}
}

func TestANestedWorkflowJoinsTheTransaction(t *testing.T) {
	add := ft.Workflow("add", ft.In("mail", dataflow.String), ft.Node("CustomerCreateNode", "c", ft.Obj("email", "${input.mail}", "name", "x")),
		ft.Output{V: ft.Obj("id", "${c.id}")})
	outer := ft.Workflow("outer", ft.In("mail", dataflow.String), ft.In("fail", dataflow.Bool),
		ft.Node("WorkflowNode", "sub", ft.Obj("workflow", "add", "inputs", ft.Obj("mail", "${input.mail}"))),
		ft.Node("StarlarkNode", "no", ft.Obj("fn", refuse, "x", "${sub.id}"), ft.When("${input.fail}")),
		ft.Output{V: "${sub.id}"})
	s := openShop(t, add, outer)
	if got := s.must("outer", ft.Obj("mail", "a@x.y", "fail", false)); got != "1" {
		t.Errorf("output is %s", got)
	}
	if e := s.refused("outer", ft.Obj("mail", "b@x.y", "fail", true)); e.Node != "no" || s.count(s.Customer) != 1 {
		t.Errorf("%+v; %d customers", e, s.count(s.Customer))
	}
	// A problem deep inside points to the input of the workflow that was asked for.
	e := s.refused("outer", ft.Obj("mail", "not an address", "fail", false))
	if e.Workflow != "add" || e.Node != "c" || len(e.Problems) != 1 || e.Problems[0].Pointer != "/mail" {
		t.Errorf("%+v", e)
	}
}

func TestHandlers(t *testing.T) {
	restock := ft.HandlerFn(func(ctx context.Context, h dataflow.Handler, in *dataflow.Object) (any, error) {
		sku, _ := in.Get("sku")
		p, err := h.RunNode(ctx, "ProductReadNode", ft.Obj("filter", ft.Obj("sku", sku)))
		if err != nil {
			return nil, err
		}
		id, _ := p.(*dataflow.Object).Get("id")
		stock, _ := p.(*dataflow.Object).Get("stock")
		qty, _ := in.Get("qty")
		if p, err = h.RunNode(ctx, "ProductUpdateNode", ft.Obj("id", id, "fields", ft.Obj("stock", stock.(int64)+qty.(int64)))); err != nil {
			return nil, err
		}
		if qty.(int64) == 13 {
			return nil, reject("unlucky")
		}
		left, _ := p.(*dataflow.Object).Get("stock")
		return left, nil
	})
	swallow := ft.HandlerFn(func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
		for range 2 {
			_, _ = h.RunNode(ctx, "CustomerCreateNode", ft.Obj("email", "a@x.y", "name", "x"))
		}
		return "fine", nil
	})
	peek := ft.HandlerFn(func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
		return h.Workflow(ctx, "add_product", ft.Obj("sku", "x", "stock", int64(1)))
	})
	var loop *dataflow.Workflow
	again := ft.HandlerFn(func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
		return h.Workflow(ctx, "loop", nil)
	})
	loop = ft.Handler("loop", true, again)
	s := openShop(t, addProduct(), loop,
		ft.Handler("restock", false, restock, ft.In("sku", dataflow.String), ft.In("qty", dataflow.Int)),
		ft.Handler("swallow", false, swallow), ft.Handler("peek", true, peek))
	s.must("add_product", ft.Obj("sku", "tea", "stock", int64(1)))
	if got := s.must("restock", ft.Obj("sku", "tea", "qty", int64(4))); got != "5" {
		t.Errorf("stock is %s, want 5", got)
	}
	if e := s.refused("restock", ft.Obj("sku", "tea", "qty", int64(13))); e.Code != "rejected" || e.Workflow != "restock" {
		t.Errorf("%+v", e)
	}
	if got := s.must("restock", ft.Obj("sku", "tea", "qty", int64(0))); got != "5" {
		t.Errorf("stock is %s after a failed call, want 5", got)
	}
	e := s.refused("restock", ft.Obj("sku", "tea", "qty", int64(-9)))
	if len(e.Problems) != 1 || e.Problems[0].Pointer != "" || !strings.HasPrefix(e.Problems[0].Detail, "Product.update: fields.stock: ") {
		t.Errorf("%+v: a handler's own arguments are no part of its caller's input", e)
	}
	if e := s.refused("swallow", nil); e.Code != "unique_violation" || s.count(s.Customer) != 0 {
		t.Errorf("%+v: a failure can't be passed over", e)
	}
	if e := s.refused("peek", nil); e.Code != "read_only_workflow" || e.Message != "peek is declared read_only, so Product.create can't run in it" {
		t.Errorf("%+v", e)
	}
	if e := s.refused("loop", nil); e.Code != "recursion" {
		t.Errorf("%+v", e)
	}
}

func TestBranches(t *testing.T) {
	wf := ft.Workflow("w", ft.In("kind", dataflow.String),
		ft.Node("SwitchNode", "sw", ft.Obj("value", "${input.kind}", "cases", ft.List("a", "b"), "input", ft.Obj("k", "${input.kind}"))),
		ft.Node("StarlarkNode", "a", ft.Obj("fn", identity, "x", "${sw.case_a.k}")),
		ft.Node("StarlarkNode", "b", ft.Obj("fn", identity)),
		ft.Edge("sw", "case_b", "b", "x"),
		ft.Node("StarlarkNode", "b2", ft.Obj("fn", identity, "x", "${b.k}")),
		ft.Node("CustomerCreateNode", "only_a", ft.Obj("email", "a@x.y", "name", "x")),
		ft.Edge("sw", "case_a", "only_a", "when"),
		ft.Node("StarlarkNode", "other", ft.Obj("fn", identity, "x", "${sw.default}")),
		ft.Node("MergeNode", "m", ft.Obj("inputs", ft.List("${a.result}", "${b2.result}"))),
		ft.Output{V: ft.Obj("m", "${m.result}", "a", "${a.result}", "only_a", "${only_a.email}", "other", "${other.k}")})
	s := openShop(t, wf)
	for kind, want := range map[string]string{
		"a": `{"m":"a","a":"a","only_a":"a@x.y","other":null}`,
		"b": `{"m":"b","a":null,"only_a":null,"other":null}`,
		"c": `{"m":null,"a":null,"only_a":null,"other":"c"}`,
	} {
		if got := s.must("w", ft.Obj("kind", kind)); got != want {
			t.Errorf("%s: %s, want %s", kind, got, want)
		}
	}
}

func TestADatabaseThatOnlyTheRunKnows(t *testing.T) {
	s := ft.NewShop()
	other := &dataflow.Database{Name: "log", URL: "sqlite::memory:", Options: dataflow.DatabaseOptions{AutoMigrate: true}}
	entry := ft.Model(other, "Entry", "entries", &dataflow.Field{Name: "text", Type: dataflow.String})
	s.App.Databases = append(s.App.Databases, other)
	calls := 0
	write := func(op dataflow.Op, args *dataflow.Object, then ...string) *ft.Func {
		return ft.HandlerFn(func(ctx context.Context, h dataflow.Handler, _ *dataflow.Object) (any, error) {
			calls++
			out, err := h.Run(ctx, op, args)
			for _, next := range then {
				if err == nil {
					out, err = h.Workflow(ctx, next, nil)
				}
			}
			return out, err
		})
	}
	s.App.Workflows = []*dataflow.Workflow{
		ft.Handler("note", false, write(dataflow.Op{Model: entry, Kind: dataflow.OpCreate}, ft.Obj("text", "x"))),
		ft.Handler("join", false, write(dataflow.Op{Model: s.Customer, Kind: dataflow.OpCreate}, ft.Obj("email", "a@x.y", "name", "x"))),
		ft.Handler("both", false, write(dataflow.Op{Model: entry, Kind: dataflow.OpCreate}, ft.Obj("text", "y"), "join")),
		ft.Handler("count", false, write(dataflow.Op{Model: entry, Kind: dataflow.OpCount}, nil, "note")),
	}
	e := mustEngine(t, s.App, engine.Options{Stores: map[*dataflow.Database]store.Store{
		s.DB: ft.Open(t, sqlite.Opener{}, s.DB), other: ft.Open(t, sqlite.Opener{}, other)}})
	rows := func(m *dataflow.Model) int64 {
		n, err := e.Store(m.Database).Count(context.Background(), m, nil)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	for _, name := range []string{"note", "join", "count"} {
		if _, err := run(t, e, name, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if rows(entry) != 2 || rows(s.Customer) != 1 {
		t.Errorf("%d entries, %d customers", rows(entry), rows(s.Customer))
	}
	if _, err := run(t, e, "both", nil); err == nil || err.Code != "second_database" || rows(entry) != 2 {
		t.Errorf("both: %+v, %d entries", err, rows(entry))
	}
}

func TestAGraphStaysOnOneDatabase(t *testing.T) {
	s := ft.NewShop()
	other := &dataflow.Database{Name: "log", URL: "sqlite::memory:"}
	same := ft.Model(other, "Customer", "customers", &dataflow.Field{Name: "name", Type: dataflow.String})
	s.App.Databases = append(s.App.Databases, other)
	s.App.Workflows = []*dataflow.Workflow{
		ft.Workflow("ambiguous", ft.Node("CustomerListNode", "a", nil)),
		ft.Workflow("two", ft.Node("OrderBulkDeleteNode", "a", ft.Obj("confirm_all", true)),
			ft.Node(dataflow.Op{Model: same, Kind: dataflow.OpCreate}, "b", ft.Obj("name", "x"))),
		ft.Workflow("reads", ft.Node("OrderBulkDeleteNode", "a", ft.Obj("confirm_all", true)),
			ft.Node(dataflow.Op{Model: same, Kind: dataflow.OpList}, "b", nil)),
		ft.Workflow("ping", ft.Node("WorkflowNode", "x", ft.Obj("workflow", "pong"))),
		ft.Workflow("pong", ft.Node("WorkflowNode", "y", ft.Obj("workflow", "ping"))),
		ft.Workflow("slow", ft.Node("OrderReadNode", "o", ft.Obj("id", 1)),
			ft.Node("HTTPRequestNode", "call", ft.Obj("url", "https://example.com/${o.id}")),
			ft.Node("OrderUpdateNode", "u", ft.Obj("id", 1, "fields", ft.Obj("note", "${call.body}")))),
	}
	s.App.Workflows[5].Durable = new(bool)
	_, ds := engine.NewPlan(s.App, nodes.Types())
	compareFile(t, "apps", ft.Render(ds))
}

func TestDescribe(t *testing.T) {
	wf := placeOrder()
	s := openShop(t, wf, ft.Workflow("calls", ft.In("u", dataflow.String),
		ft.Node("OrderListNode", "list", nil),
		ft.Node("HTTPRequestNode", "call", ft.Obj("url", "${input.u}")),
		ft.Node("OrderCreateNode", "add", ft.Obj("customer", 1, "total", 1, "note", "${call.body}"))))
	d := s.Describe("place_order")
	if got, want := stages(d), "who product | take order | lower"; got != want {
		t.Errorf("stages are %s, want %s", got, want)
	}
	if got := strings.Join(d.Transaction, " "); got != "who product take lower order" || d.Effect != dataflow.EffectWrite || d.ReadOnly {
		t.Errorf("transaction is %s, effect %d", got, d.Effect)
	}
	if got := strings.Join(d.Output.AttrNames(), " "); got != "order note left by" {
		t.Errorf("outputs are %s", got)
	}
	d = s.Describe("calls")
	if got := strings.Join(d.Transaction, " "); got != "list add" || d.Effect != dataflow.EffectOutside {
		t.Errorf("transaction is %s: the call runs before it; effect %d", got, d.Effect)
	}
	if s.Describe("nope") != nil || s.OutputType("nope") != nil || s.ReadOnly("nope") {
		t.Error("an unknown workflow is described")
	}
}

func stages(d *engine.Description) string {
	var all []string
	for _, st := range d.Stages {
		all = append(all, strings.Join(st, " "))
	}
	return strings.Join(all, " | ")
}

// A run that is tried out has the outputs that it would have had, and leaves
// nothing; what it would fail of it fails of.
func TestADryRunKeepsNothing(t *testing.T) {
	s := openShop(t, ft.Workflow("join", ft.In("email", dataflow.String),
		ft.Node("CustomerCreateNode", "who", ft.Obj("email", "${input.email}", "name", "x")),
		ft.Output{V: ft.Obj("email", "${who.email}")}))
	try := func(email string, dry bool) (any, error) {
		res, err := s.Engine.Run(t.Context(), engine.Request{Workflow: "join", Inputs: ft.Obj("email", email), DryRun: dry})
		if err != nil {
			return nil, err
		}
		v, _ := res.Outputs.(*dataflow.Object).Get("email")
		return v, nil
	}
	for i, dry := range []bool{true, true, false} {
		if got, err := try("a@x.y", dry); got != "a@x.y" || err != nil {
			t.Errorf("%v %v", got, err)
		}
		if n := s.count(s.Customer); n != int64(i/2) {
			t.Errorf("%d customers after run %d", n, i)
		}
	}
	if _, err := try("a@x.y", true); dataflow.AsError(err).Code != "unique_violation" {
		t.Errorf("got %v", err)
	}
}

// loose notes the questions that are not of one snapshot.
type loose struct {
	store.Store
	asked []string
}

func (l *loose) Get(ctx context.Context, m *dataflow.Model, id any, fields []int, f func(store.Row) error) (bool, error) {
	l.asked = append(l.asked, m.Name)
	return l.Store.Get(ctx, m, id, fields, f)
}

func (l *loose) Select(ctx context.Context, q *query.Select, f func(store.Row) error) error {
	l.asked = append(l.asked, q.Model.Name)
	return l.Store.Select(ctx, q, f)
}

// TestWhatAReadShowsIsOfOneMoment: where the fields are not known before the
// run, they may be of other rows.
func TestWhatAReadShowsIsOfOneMoment(t *testing.T) {
	show := ft.List("note", "customer.name")
	pick := ft.Node("StarlarkNode", "pick", ft.Obj("fn", ft.Fn("show", "**x", func(*dataflow.Object) (any, error) { return show, nil })))
	read := func(fields any) *dataflow.Node {
		return ft.Node("OrderReadNode", "order", ft.Obj("id", "${input.id}", "fields", fields))
	}
	tests := map[string][]any{
		"as it stands":      {read(show)},
		"by a reference":    {read("${input.show}")},
		"within the list":   {read(ft.List("note", "${input.show[1]}"))},
		"by a whole result": {pick, read("${pick.result}")},
		"by a connection":   {pick, ft.Node("OrderReadNode", "order", ft.Obj("id", "${input.id}")), ft.Edge("pick", "result", "order", "fields")},
	}
	for name, parts := range tests {
		t.Run(name, func(t *testing.T) {
			s := ft.NewShop(ft.Workflow("w", append(parts, ft.In("id", dataflow.Int), ft.In("show", dataflow.Any), ft.Output{V: "${order}"})...),
				ft.Workflow("fill", customer("c", "a@x.y"), ft.Node("OrderCreateNode", "o", ft.Obj("customer", "${c.id}", "total", "1", "note", "n"))))
			st := &loose{Store: ft.Open(t, sqlite.Opener{}, s.DB)}
			e := mustEngine(t, s.App, engine.Options{Stores: map[*dataflow.Database]store.Store{s.DB: st}})
			if _, err := run(t, e, "fill", nil); err != nil {
				t.Fatalf("%+v", err)
			}
			st.asked = nil
			out, err := run(t, e, "w", ft.Obj("id", int64(1), "show", show))
			if err != nil || out != `{"id":1,"customer":{"id":1,"name":"x"},"note":"n"}` {
				t.Errorf("%s, %+v", out, err)
			}
			if len(st.asked) > 0 {
				t.Errorf("it has asked for %v outside a snapshot", st.asked)
			}
		})
	}
}

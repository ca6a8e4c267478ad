package access_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// openShop has customers, their orders with lines, and products.
func openShop(t *testing.T, set ...option) *app {
	customer := model("Customer", "customers", append([]option{field("name", dataflow.String), softDelete}, set...)...)
	order := model("Order", "orders", append([]option{
		field("customer", ref(customer), opt),
		field("payer", ref(customer), opt),
		field("note", dataflow.String, opt),
		computed("loud", func(row *dataflow.Object) (any, error) {
			note, _ := row.Get("note")
			s, _ := note.(string)
			return strings.ToUpper(s), nil
		}),
	}, set...)...)
	product := model("Product", "products", append([]option{field("name", dataflow.String), clientID(dataflow.KindString)}, set...)...)
	line := model("Line", "lines", append([]option{field("order", ref(order)), field("product", ref(product), opt), softDelete}, set...)...)
	return open(t, customer, order, product, line)
}

func (a *app) fill() *app {
	a.do("Customer.create", `{"name": "Ann"}`)
	a.do("Customer.create", `{"name": "Bob"}`)
	a.do("Product.create", `{"id": "p", "name": "Pen"}`)
	a.do("Order.create", `{"customer": 1, "payer": 2, "note": "x"}`)
	a.do("Order.create", `{"customer": 1}`)
	a.do("Line.bulk_create", `{"data": [{"order": 1, "product": "p"}, {"order": 1}, {"order": 2, "product": "p"}]}`)
	return a
}

// pick are the arguments of a list that leave the times out of its answer.
const pick = `"fields": ["id", "note", "loud"], `

func TestExpand(t *testing.T) {
	a := openShop(t).fill()
	const (
		ann = `{"id":1,"name":"Ann","deleted_at":null,"created_at":"2026-01-31T12:00:00.000000Z","updated_at":"2026-01-31T12:00:00.000000Z"}`
		pen = `{"id":"p","name":"Pen","created_at":"2026-01-31T12:00:00.000000Z","updated_at":"2026-01-31T12:00:00.000000Z"}`
	)
	tail := func(micro int) string { // rows of one bulk have times of their own
		at := fmt.Sprintf(`"2026-01-31T12:00:00.%06dZ"`, micro)
		return `"deleted_at":null,"created_at":` + at + `,"updated_at":` + at + `}`
	}
	rows := func(s string) string { return `{"records":[` + s + `],"has_more":false}` }
	page := func(s string) string {
		return `{"records":[` + s + `],"count":2,"total":null,"limit":100,"offset":0,"next_cursor":null,"has_more":false}`
	}
	a.want("Order.list", `{`+pick+`"expand": "customer"}`, page(
		`{"id":1,"customer":`+ann+`,"note":"x","loud":"X"},{"id":2,"customer":`+ann+`,"note":null,"loud":""}`))
	a.want("Order.list", `{`+pick+`"expand": ["lines.product", "lines"]}`, page(
		`{"id":1,"note":"x","loud":"X","lines":`+rows(`{"id":1,"order":1,"product":`+pen+`,`+tail(0)+`,{"id":2,"order":1,"product":null,`+tail(1))+`},`+
			`{"id":2,"note":null,"loud":"","lines":`+rows(`{"id":3,"order":2,"product":`+pen+`,`+tail(2))+`}`))
	a.want("Customer.list", `{"fields": ["name"], "expand": "orders_by_payer"}`, page(
		`{"id":1,"name":"Ann","orders_by_payer":`+rows(``)+`},`+
			`{"id":2,"name":"Bob","orders_by_payer":`+rows(`{"id":1,"customer":1,"payer":2,"note":"x",`+strings.TrimSuffix(strings.TrimPrefix(tail(0), `"deleted_at":null,`), `}`)+`,"loud":"X"}`)+`}`))
	a.want("Order.read", `{"id": 2, "fields": ["note"], "expand": "customer,lines"}`,
		`{"id":2,"customer":`+ann+`,"note":null,"lines":`+rows(`{"id":3,"order":2,"product":"p",`+tail(2))+`}`)

	// What is deleted softly is not there, unless it is asked for.
	a.do("Customer.delete", `{"id": 2}`)
	a.do("Line.delete", `{"id": 3}`)
	a.want("Order.read", `{"id": 1, "fields": ["note"], "expand": "payer"}`, `{"id":1,"payer":null,"note":"x"}`)
	a.want("Order.read", `{"id": 2, "fields": ["note"], "expand": "lines"}`, `{"id":2,"note":null,"lines":`+rows(``)+`}`)
	if got := a.do("Customer.list", `{"filter": {"id": 2}, "include_deleted": true, "fields": ["name"], "expand": "orders_by_payer.payer"}`); !strings.Contains(got, `"payer":{"id":2,"name":"Bob"`) {
		t.Errorf("a deleted row that is asked for is not expanded: %s", got)
	}
}

// A field behind a relation expands it, and of its rows shows only what is
// named: the id besides, and nothing that was only needed to find them.
func TestFieldsBehindRelations(t *testing.T) {
	a := openShop(t).fill()
	page := func(s string, n int) string {
		return fmt.Sprintf(`{"records":[%s],"count":%d,"total":null,"limit":100,"offset":0,"next_cursor":null,"has_more":false}`, s, n)
	}
	rows := func(s string) string { return `{"records":[` + s + `],"has_more":false}` }
	a.want("Order.list", `{"fields": ["note", "customer.name", "lines.product.name"]}`, page(
		`{"id":1,"customer":{"id":1,"name":"Ann"},"note":"x","lines":`+rows(`{"id":1,"product":{"id":"p","name":"Pen"}},{"id":2,"product":null}`)+`},`+
			`{"id":2,"customer":{"id":1,"name":"Ann"},"note":null,"lines":`+rows(`{"id":3,"product":{"id":"p","name":"Pen"}}`)+`}`, 2))
	// Nothing of the rows themselves is asked for; a computed value is.
	a.want("Customer.list", `{"fields": ["orders_by_payer.loud"]}`, page(
		`{"id":1,"orders_by_payer":`+rows(``)+`},{"id":2,"orders_by_payer":`+rows(`{"id":1,"loud":"X"}`)+`}`, 2))
	// What is expanded whole stays so, but for what is picked out of it.
	a.want("Line.read", `{"id": 1, "fields": ["order.customer.name"], "expand": "order.payer"}`,
		strings.NewReplacer("AT", `"2026-01-31T12:00:00.000000Z"`, "LATER", `"2026-01-31T12:00:00.000001Z"`).Replace(
			`{"id":1,"order":{"id":1,"customer":{"id":1,"name":"Ann"},"payer":{"id":2,"name":"Bob","deleted_at":null,"created_at":LATER,"updated_at":LATER},"note":"x","created_at":AT,"updated_at":AT,"loud":"X"}}`))
	// The field that refers is there if it is asked for, or expanded in its turn.
	a.want("Product.read", `{"id": "p", "fields": ["lines.order"]}`, `{"id":"p","lines":`+rows(`{"id":1,"order":1},{"id":3,"order":2}`)+`}`)
	a.want("Product.read", `{"id": "p", "fields": ["lines.product.name"]}`,
		`{"id":"p","lines":`+rows(`{"id":1,"product":{"id":"p","name":"Pen"}},{"id":3,"product":{"id":"p","name":"Pen"}}`)+`}`)
	a.fails("Order.list", `{"fields": ["customer.nme", "custmer.name", "note.x", "a.b.c.d.e", ".", "customer."]}`, "invalid",
		`/fields/0 unknown_field: Customer has no field "nme" [did you mean "name"?]`,
		`/fields/1 unknown_field: Order has no relation "custmer" [did you mean "customer"?]`,
		`/fields/2 unknown_field: Order has no relation "note" [there are customer, payer, lines]`,
		`/fields/3 too_deep: "a.b.c.d" goes through more than 3 relations`,
		`/fields/4 unknown_field: Order has no relation "" [there are customer, payer, lines]`,
		`/fields/5 unknown_field: Customer has no field "" [there are id, name, deleted_at, created_at, updated_at]`)
}

func TestExpandKeepsTenantsApart(t *testing.T) {
	a := openShop(t, multiTenant)
	a.as("x").fill()
	a.as("y").do("Customer.create", `{"name": "Cid"}`)
	a.as("y").do("Order.create", `{"customer": 3}`)
	if got := a.as("y").do("Order.list", `{"expand": "customer,lines"}`); !strings.Contains(got, `"customer":{"id":3`) || strings.Contains(got, "Ann") {
		t.Errorf("got %s", got)
	}
	a.fails("Order.list", `{"expand": "customer"}`, "tenant_required")
	// A reference across tenants, which only another program can have written,
	// shows nothing.
	a.alone()
	m := a.models["Order"].Declared()
	customer, _ := m.FieldIndex("customer")
	if err := a.store.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Update(t.Context(), &query.Update{Model: m, Bump: -1, Set: []query.Assign{{Field: customer, Value: int64(1)}}})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	a.as("y").want("Order.read", `{"id": 3, "fields": ["id"], "expand": "customer"}`, `{"id":3,"customer":null}`)
}

func TestExpandRefuses(t *testing.T) {
	a := openShop(t)
	for _, test := range []struct {
		args     string
		problems []string
	}{
		{`{"expand": ["custmer", "note", "lines.produc", "orders", "customer.orders_by_customer.lines.product", 1]}`, []string{
			`/expand/0 unknown_field: Order has no relation "custmer" [did you mean "customer"?]`,
			`/expand/1 unknown_field: Order has no relation "note" [there are customer, payer, lines]`,
			`/expand/2 unknown_field: Line has no relation "produc" [did you mean "product"?]`,
			`/expand/3 unknown_field: Order has no relation "orders" [there are customer, payer, lines]`,
			`/expand/4 too_deep: "customer.orders_by_customer.lines.product" goes through more than 3 relations`,
			`/expand/5 wrong_type: must be the name of a relation`,
		}},
		{`{"expand": {"customer": true}, "filter": {"nte": 1}}`, []string{
			`/filter/nte unknown_field: Order has no field "nte" [did you mean "note"?]`,
			`/expand wrong_type: expand must be a name or a list of names`,
		}},
	} {
		a.fails("Order.list", test.args, "invalid", test.problems...)
	}
	a.caller = access.Caller{Sees: func(m *dataflow.Model) bool { return m.Name != "Customer" && m.Name != "Line" }}
	a.fails("Order.list", `{"expand": "customer,lines"}`, "invalid",
		`/expand unknown_field: Order has no relation "customer" [there is nothing to expand]`,
		`/expand unknown_field: Order has no relation "lines" [there is nothing to expand]`)
}

func TestExpandIsBounded(t *testing.T) {
	a := openShop(t)
	lines := func(order, n int) {
		rows := make([]string, n)
		for i := range rows {
			rows[i] = fmt.Sprintf(`{"order": %d}`, order)
		}
		a.do("Line.bulk_create", `{"data": [`+strings.Join(rows, ",")+`]}`)
	}
	for i := 1; i <= 4; i++ {
		a.do("Order.create", `{}`)
	}
	lines(1, access.ExpandLimit+1)
	lines(2, 3)
	lines(3, access.ExpandLimit)
	counted := &counter{Reader: a.store}
	v, err := a.models["Order"].Do(t.Context(), counted, a.caller, dataflow.OpList, dataflow.ObjectOf("expand", "lines"))
	if err != nil {
		t.Fatal(err)
	}
	records, _ := v.(*dataflow.Object).Get("records")
	var got []string
	for _, row := range records.([]any) {
		list, _ := row.(*dataflow.Object).Get("lines")
		rows, _ := list.(*dataflow.Object).Get("records")
		more, _ := list.(*dataflow.Object).Get("has_more")
		got = append(got, fmt.Sprint(len(rows.([]any)), more))
	}
	if want := "100 true, 3 false, 100 false, 0 false"; strings.Join(got, ", ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	if counted.selects != 3 { // the page, the lines, and again behind the order that has too many
		t.Errorf("the store was asked %d times", counted.selects)
	}

	for i := range 110 {
		a.do("Order.create", `{}`)
		lines(5+i, access.ExpandLimit)
	}
	a.fails("Order.list", `{"limit": 200, "expand": "lines"}`, "invalid",
		`/expand too_large: more than 10000 rows would come with those asked for [ask for fewer at once, by limit, or expand less]`)
}

// TestExpandAsksOncePerRelation holds expansion to one question for each
// relation, however many rows there are.
func TestExpandAsksOncePerRelation(t *testing.T) {
	a := openShop(t).fill()
	counted := &counter{Reader: a.store}
	args := dataflow.ObjectOf("expand", []any{"customer", "payer", "lines.product"})
	if _, err := a.models["Order"].Do(t.Context(), counted, a.caller, dataflow.OpList, args); err != nil {
		t.Fatal(err)
	}
	if counted.selects != 5 {
		t.Errorf("the store was asked %d times, want once for the page and each of 4 relations", counted.selects)
	}
}

// counter counts what a store is asked.
type counter struct {
	store.Reader
	selects int
}

func (c *counter) Select(ctx context.Context, q *query.Select, f func(store.Row) error) error {
	c.selects++
	return c.Reader.Select(ctx, q, f)
}

// TestRandomExpand holds expansion to the same rows, read one by one.
func TestRandomExpand(t *testing.T) {
	a := openShop(t)
	rng := rand.New(rand.NewPCG(2026, 1))
	for range 5 {
		a.do("Customer.create", `{"name": "x"}`)
	}
	maybe := func(n int) string {
		if i := rng.IntN(n + 1); i > 0 {
			return fmt.Sprint(i)
		}
		return "null"
	}
	for range 40 {
		a.do("Order.create", fmt.Sprintf(`{"customer": %s, "payer": %s}`, maybe(5), maybe(5)))
	}
	for range 100 {
		a.do("Line.create", fmt.Sprintf(`{"order": %d}`, 1+rng.IntN(40)))
	}
	a.do("Customer.delete", `{"id": 3}`)
	for range 10 {
		a.do("Line.delete", fmt.Sprintf(`{"filter": {"id": {"$in": [%d]}}}`, a.anyLine(rng)))
	}
	list := a.object("Order.list", `{"expand": ["customer", "payer.orders_by_payer", "lines"]}`)
	records, _ := list.Get("records")
	for _, row := range records.([]any) {
		row := row.(*dataflow.Object)
		id, _ := row.Get("id")
		plain := a.object("Order.read", fmt.Sprintf(`{"id": %d}`, id))
		for name, v := range row.All {
			switch name {
			case "customer", "payer":
				want := "null"
				if ref, _ := plain.Get(name); ref != nil && ref != int64(3) {
					target := a.object("Customer.read", fmt.Sprintf(`{"id": %d}`, ref))
					if name == "payer" {
						target.Set("orders_by_payer", a.related("Order", "payer", ref))
					}
					want = text(target)
				}
				if text(v) != want {
					t.Errorf("order %d: %s is %s, want %s", id, name, text(v), want)
				}
			case "lines":
				if want := text(a.related("Line", "order", id)); text(v) != want {
					t.Errorf("order %d: lines are %s, want %s", id, text(v), want)
				}
			default:
				if want, _ := plain.Get(name); text(v) != text(want) {
					t.Errorf("order %d: %s is %s, want %s", id, name, text(v), text(want))
				}
			}
		}
	}
}

func text(v any) string { return string(codec.AppendValue(nil, v)) }

// object is do for results that are looked into.
func (a *app) object(op, args string) *dataflow.Object {
	a.t.Helper()
	v, err := a.try(op, args)
	if err != nil {
		a.t.Fatalf("%s %s: %v", op, args, err)
	}
	return v.(*dataflow.Object)
}

// related are the rows that refer to a row, as an expansion has them.
func (a *app) related(model, field string, id any) *dataflow.Object {
	a.t.Helper()
	list := a.object(model+".list", fmt.Sprintf(`{"filter": {%q: %d}}`, field, id))
	records, _ := list.Get("records")
	return dataflow.ObjectOf("records", records, "has_more", false)
}

// anyLine is the id of a line that is there.
func (a *app) anyLine(rng *rand.Rand) any {
	records, _ := a.object("Line.list", `{}`).Get("records")
	rows := records.([]any)
	id, _ := rows[rng.IntN(len(rows))].(*dataflow.Object).Get("id")
	return id
}

package access_test

import (
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
)

// sales are models for aggregates: orders of customers, both deleted softly,
// and of tenants if multi is set.
func sales(set ...option) (customer, order *dataflow.Model) {
	customer = model("Customer", "customers", append([]option{field("name", dataflow.String), softDelete}, set...)...)
	order = model("Order", "orders", append([]option{
		field("customer", ref(customer), opt),
		field("status", &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"new", "paid"}}),
		field("net", money()),
		field("tags", dataflow.ListOf(dataflow.String), opt),
		computed("gross", func(*dataflow.Object) (any, error) { return int64(1), nil }), softDelete,
	}, set...)...)
	return customer, order
}

func openSales(t *testing.T, set ...option) *app {
	customer, order := sales(set...)
	return open(t, customer, order)
}

func TestAggregate(t *testing.T) {
	a := openSales(t)
	a.do("Customer.create", `{"name": "Ann"}`)
	a.do("Customer.create", `{"name": "Bob"}`)
	for _, row := range []string{
		`{"customer": 1, "status": "new", "net": "10.00"}`,
		`{"customer": 1, "status": "paid", "net": "0.10"}`,
		`{"customer": 2, "status": "paid", "net": "0.20"}`,
		`{"status": "paid", "net": "5"}`,
		`{"customer": 2, "status": "paid", "net": "1000"}`,
	} {
		a.do("Order.create", row)
	}
	a.do("Order.delete", `{"id": 5}`)

	a.want("Order.aggregate", `{"group_by": "status", "aggregates": {"n": {"$count": true}, "net": {"$sum": "net"}, "mean": {"$avg": "net"}}}`,
		`{"groups":[{"status":"new","n":1,"net":"10.00","mean":"10.00000000"},{"status":"paid","n":3,"net":"5.30","mean":"1.76666667"}],"count":2,"has_more":false}`)
	a.want("Order.aggregate", `{"aggregates": {"net": {"$sum": "net"}}, "include_deleted": true}`,
		`{"groups":[{"net":"1015.30"}],"count":1,"has_more":false}`)
	a.want("Order.aggregate", `{"filter": {"customer.name": "Ann"}, "group_by": ["customer.name", "status"], "aggregates": {"n": {"$count": true}}, "sort": "-status", "limit": 1}`,
		`{"groups":[{"customer.name":"Ann","status":"paid","n":1}],"count":1,"has_more":true}`)
	a.want("Order.aggregate", `{"filter": {"net": {"$gt": 5000}}, "aggregates": {"n": {"$count": true}, "max": {"$max": "net"}}}`,
		`{"groups":[{"n":0,"max":null}],"count":1,"has_more":false}`)

	// A customer that was deleted is not shown, though its orders count.
	a.do("Customer.delete", `{"id": 2}`)
	a.want("Order.aggregate", `{"group_by": "customer.name", "aggregates": {"n": {"$count": true}}}`,
		`{"groups":[{"customer.name":"Ann","n":2},{"customer.name":null,"n":2}],"count":2,"has_more":false}`)
	a.want("Order.aggregate", `{"group_by": "customer.name", "aggregates": {"n": {"$count": true}}, "include_deleted": true}`,
		`{"groups":[{"customer.name":"Ann","n":2},{"customer.name":"Bob","n":2},{"customer.name":null,"n":1}],"count":3,"has_more":false}`)
}

func TestAggregateKeepsTenantsApart(t *testing.T) {
	a := openSales(t, multiTenant)
	a.fails("Order.aggregate", `{"aggregates": {"n": {"$count": true}}}`, "tenant_required")
	a.as("x").do("Order.create", `{"status": "new", "net": "1"}`)
	a.as("y").do("Order.create", `{"status": "new", "net": "2"}`)
	a.as("x").want("Order.aggregate", `{"aggregates": {"net": {"$sum": "net"}}}`, `{"groups":[{"net":"1.00"}],"count":1,"has_more":false}`)
	a.as("z").want("Order.aggregate", `{"group_by": "tenant_id"}`, `{"groups":[],"count":0,"has_more":false}`)
}

func TestAggregateRefuses(t *testing.T) {
	a := openSales(t)
	for _, test := range []struct {
		args     string
		problems []string
	}{
		{`{}`, []string{`/aggregates required: say what to work out, or what to group by [write {"n": {"$count": true}}]`}},
		{`{"group_by": ["statsu", "gross", "tags", "status", "status", "customer.nam", "status.x", 1]}`, []string{
			`/group_by/0 unknown_field: Order has no field "statsu" [did you mean "status"?]`,
			`/group_by/1 not_filterable: Order.gross is computed when a row is read, so the database can't look for it [filter on the fields it is worked out from]`,
			`/group_by/2 not_filterable: tags is list(str): rows can't be grouped by it`,
			`/group_by/4 duplicate_key: group_by names status twice`,
			`/group_by/5 unknown_field: Customer has no field "nam" [did you mean "name"?]`,
			`/group_by/6 unknown_field: Order.status is enum("new", "paid"), not a reference, so nothing can follow it`,
			`/group_by/7 wrong_type: must be the name of a field, not a number`,
		}},
		{`{"group_by": "status", "aggregates": {"a": {"$summ": "net"}, "b": {"$sum": "status"}, "c": {"$sum": "nett"}, "d": {"$sum": "gross"}, "e": {"$sum": true},
			"f": {"$count": 1}, "g": "net", "h": {"$sum": "net", "$avg": "net"}, "i": {"$sum": "customer"}, "j": {"$max": "tags"}, "status": {"$count": true}, "1x": {"$count": true}}}`, []string{
			`/aggregates/a/$summ unknown_operator: there is no function "$summ" [did you mean "$sum"?]`,
			`/aggregates/b/$sum unknown_operator: $sum can't be used on status, which is enum("new", "paid")`,
			`/aggregates/c/$sum unknown_field: Order has no field "nett" [did you mean "net"?]`,
			`/aggregates/d/$sum not_filterable: Order.gross is computed when a row is read, so the database can't look for it [filter on the fields it is worked out from]`,
			`/aggregates/e/$sum wrong_type: $sum takes the name of a field, not a boolean`,
			`/aggregates/f/$count wrong_type: $count takes true or the name of a field, not a number [true counts rows, a field's name its values that are not null]`,
			`/aggregates/g wrong_type: an aggregate is an object of one function: $count $count_distinct $sum $avg $min $max [write {"$sum": "field"}]`,
			`/aggregates/h wrong_type: an aggregate is an object of one function: $count $count_distinct $sum $avg $min $max [write {"$sum": "field"}]`,
			`/aggregates/i/$sum unknown_operator: $sum can't be used on customer, which is ref(Customer)`,
			`/aggregates/j/$max unknown_operator: $max can't be used on tags, which is list(str)`,
			`/aggregates/status duplicate_key: status is a key of the groups already [give it another name]`,
			`/aggregates/1x format: an aggregate's name has letters, digits and _, at most 60`,
		}},
		{`{"aggregates": {"net": {"$sum": "net"}}, "having": {"nt": 1, "net": "x"}, "sort": ["-nett", "net", "net"], "filter": {"statuss": 1}}`, []string{
			`/filter/statuss unknown_field: Order has no field "statuss" [did you mean "status"?]`,
			`/having/nt unknown_field: the result has no field "nt" [did you mean "net"?]`,
			`/having/net format: must be a decimal number`,
			`/sort/0 unknown_field: the result has no field "nett" [did you mean "net"?]`,
			`/sort/2 duplicate_key: the sort names net twice`,
		}},
		{`{"aggregates": {"n": {"$count": true}}, "limit": 0, "groupby": "status"}`, []string{
			`/limit too_small: must be at least 1`,
			`/groupby unknown_parameter: aggregate has no such parameter [did you mean "group_by"?]`,
		}},
		{`{"aggregates": {"n": {"$count": true}}, "limit": 1001}`, []string{`/limit too_large: must be at most 1000`}},
		{`{"aggregates": []}`, []string{`/aggregates wrong_type: must be an object, not a list`}},
	} {
		a.fails("Order.aggregate", test.args, "invalid", test.problems...)
	}
}

// TestAggregateShowsWhatIsServed checks that groups show nothing of a model
// that the caller may not see.
func TestAggregateShowsWhatIsServed(t *testing.T) {
	a := openSales(t)
	a.caller = access.Caller{Sees: func(m *dataflow.Model) bool { return m.Name != "Customer" }}
	a.fails("Order.aggregate", `{"group_by": "customer.name"}`, "invalid", `/group_by unknown_field: Order has no field "customer.name"`)
	a.want("Order.aggregate", `{"group_by": "customer"}`, `{"groups":[],"count":0,"has_more":false}`)
}

func TestAggregateOverflow(t *testing.T) {
	a := open(t, model("Counter", "counters", field("n", dataflow.Int)))
	a.do("Counter.bulk_create", `{"data": [{"n": 9223372036854775807}, {"n": 1}]}`)
	a.fails("Counter.aggregate", `{"aggregates": {"sum": {"$sum": "n"}}}`, "overflow")
}

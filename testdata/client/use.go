// Command use tries the generated client on a server.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"example.org/use/client"
)

func check(ok bool, what ...any) {
	if !ok {
		panic(fmt.Sprint(what...))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func refused(code string, err error) *client.Problem {
	check(client.IsCode(err, code), "want ", code, ", got ", err)
	var p *client.Problem
	errors.As(err, &p)
	return p
}

func main() {
	ctx := context.Background()
	url := os.Args[1]
	c := client.New(client.Options{URL: url})

	// Rows.
	ada := must(c.Customers.Create(ctx, client.CustomerCreate{Email: "ada@example.org", Name: "Ada"}))
	const huge = 9007199254740993
	order := must(c.Orders.Create(ctx, client.OrderCreate{Customer: ada.ID, Total: "12345678901234567890.0123456789", Serial: client.Set[int64](huge),
		Due: client.Set("2026-01-31"), Seen: client.Set(time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)), Label: client.Set([]byte{0, 1, 255}),
		Extra: client.Set[any](map[string]any{"a": []int{1, huge}})}))
	check(order.Total == "12345678901234567890.0123456789", order.Total)
	check(*order.Serial == huge && *order.Due == "2026-01-31" && order.Stars == 3 && slices.Equal(*order.Label, []byte{0, 1, 255}), order)
	check(reflect.DeepEqual(must(c.Orders.Read(ctx, order.ID)), order), "a row is not as it was created")
	f := client.And(client.OrderFields.Serial.Eq(huge), client.Field[string]("customer.email").Eq("ada@example.org"),
		client.Or(client.OrderFields.Status.In("new"), client.OrderFields.Stars.Gte(4)), client.Not(client.OrderFields.Due.IsNull(true)))
	check(*must(c.Orders.List(ctx, client.Query{Filter: f, Count: true})).Total == 1, "the filter finds another number")

	// Changes need the version that was read.
	paid := must(c.Orders.Update(ctx, order.ID, client.Version(order.Version), client.OrderUpdate{Status: client.Set("paid"), Due: client.Null[string]()}))
	check(paid.Due == nil && paid.Status == "paid", paid)
	_, err := c.Orders.Update(ctx, order.ID, client.Version(order.Version), client.OrderUpdate{Stars: client.Set[int64](1)})
	check(refused("version_mismatch", err).Status == 412)
	replaced := must(c.Orders.Replace(ctx, order.ID, client.AnyVersion, client.OrderReplace{Customer: ada.ID, Total: "1"}))
	check(replaced.Total == "1.0000000000" && replaced.Status == "new", replaced)
	var view struct{ Customer client.Customer }
	check(c.Orders.View(ctx, order.ID, nil, []string{"customer"}, &view) == nil && view.Customer.Email == "ada@example.org", view)

	// Pages.
	many := client.BulkCreate[client.CustomerCreate]{ReturnIDs: true}
	for i := range 25 {
		many.Data = append(many.Data, client.CustomerCreate{Email: fmt.Sprintf("c%d@example.org", i), Name: fmt.Sprint("C", i)})
	}
	check(len(must(c.Customers.BulkCreate(ctx, many)).IDs) == 25, "ids are missing")
	n := 0
	for row, err := range c.Customers.Each(ctx, client.Query{Filter: client.CustomerFields.Email.HasPrefix("c"), Limit: 10, Sort: []string{"-email"}}) {
		check(err == nil && row.Name != "", err)
		n++
	}
	check(n == 25, n)
	check(must(c.Customers.Count(ctx, client.CustomerFields.Name.In("C1", "C2"))) == 2)
	check(must(c.Customers.List(ctx, client.Query{Search: "Ada"})).Records[0].ID == ada.ID)

	// Doing once what is asked for twice; doing nothing.
	once := must(c.Customers.Create(ctx, client.CustomerCreate{Email: "once@example.org", Name: "Once"}, client.Once("once")))
	check(must(c.Customers.Create(ctx, client.CustomerCreate{Email: "once@example.org", Name: "Once"}, client.Once("once"))) == once)
	must(c.Customers.Create(ctx, client.CustomerCreate{Email: "dry@example.org", Name: "Dry"}, client.DryRun()))
	check(must(c.Customers.Count(ctx, client.CustomerFields.Email.Eq("dry@example.org"))) == 0)

	// The rest of the eleven.
	up := must(c.Customers.Upsert(ctx, client.Upsert[client.CustomerUpdate]{Where: map[string]any{"email": "up@example.org"}, Create: map[string]any{"name": "Up"},
		Update: &client.CustomerUpdate{Name: client.Set("Upped")}}))
	check(up.Created && up.Action == "created" && up.Record.Name == "Up", up)
	check(must(c.Customers.BulkUpdate(ctx, client.BulkUpdate[client.CustomerUpdate, int64]{Filter: client.CustomerFields.Name.Eq("C1"),
		Fields: &client.CustomerUpdate{Name: client.Set("D1")}})).Updated == 1)
	check(must(c.Customers.BulkUpsert(ctx, client.BulkUpsert[client.CustomerCreate]{Data: []client.CustomerCreate{{Email: "c2@example.org", Name: "E2"}},
		ConflictOn: []string{"email"}})).Updated == 1)
	all := client.BulkDelete[int64]{Filter: client.CustomerFields.Email.HasPrefix("c")}
	_, err = c.Customers.BulkDelete(ctx, all, client.MaxAffected(3))
	refused("max_affected", err)
	check(must(c.Customers.BulkDelete(ctx, all)).Deleted == 25)
	groups := must(c.Orders.Aggregate(ctx, client.Aggregate{GroupBy: []string{"status"}, Aggregates: map[string]map[string]any{"n": {"$count": true}}}))
	check(len(groups) == 1 && string(groups[0]["n"]) == "1", groups)

	// Problems.
	_, err = c.Customers.Create(ctx, client.CustomerCreate{Email: "no"})
	check(len(refused("invalid", err).Errors) == 2, err)
	_, err = c.Customers.Read(ctx, 987654)
	refused("not_found", err)
	_, err = c.Customers.Create(ctx, client.CustomerCreate{Email: "ada@example.org", Name: "Two"})
	refused("unique_violation", err)

	// Words of the language.
	k := must(c.Classes.Create(ctx, client.ClassCreate{ID: "a/b ?", Type: "t", Import: client.Set("i")}))
	check(k.Constructor == 1 && !k.None && *must(c.Classes.Read(ctx, "a/b ?")).Import == "i", k)
	check(c.Classes.Delete(ctx, "a/b ?") == nil)
	_, err = c.Classes.Read(ctx, "a/b ?")
	refused("not_found", err)

	// Workflows.
	placed := must(c.Workflows.PlaceOrder(ctx, client.PlaceOrderInputs{Email: "bob@example.org", Total: "0.1000000001"}, client.Once("place")))
	check(placed.Total == "0.1000000001" && placed.Row.Status == "new", placed)
	sum := must(c.Workflows.AddLines(ctx, client.AddLinesInputs{Lines: []client.AddLinesInputsLinesItem{
		{Sku: "a", Price: "0.10", Qty: client.Set[int64](3)}, {Sku: "b", Price: "0.20"}}}))
	check(strings.Contains(string(sum), `"total":"0.50"`), string(sum))
	_, err = c.Workflows.Refuse(ctx, client.RefuseInputs{Why: "not today"})
	check(strings.Contains(refused("rejected", err).Detail, "not today"))

	// Durable runs.
	run := must(c.Workflows.StartApprove(ctx, client.ApproveInputs{Order: placed.Order}))
	last := ""
	for r, err := range c.Runs.Events(ctx, run) {
		check(err == nil, err)
		if last = r.Status; last == "waiting" {
			must(c.Runs.Signal(ctx, run, "approval", map[string]any{"by": "ada"}))
		}
	}
	check(last == "completed", last)
	var out client.ApproveOutputs
	check(c.Runs.Wait(ctx, run, &out) == nil && out.Status == "paid", out)
	check(must(c.Runs.List(ctx, client.RunQuery{Workflow: "approve", Limit: 5})).Runs[0].RunID == run)
	lost := must(c.Workflows.StartApprove(ctx, client.ApproveInputs{Order: placed.Order}))
	must(c.Runs.Cancel(ctx, lost))
	refused("run_cancelled", c.Runs.Wait(ctx, lost, &out))

	// Trying again, and what is sent along.
	var sent []http.Header
	var waits []time.Duration
	busy := client.New(client.Options{URL: url, Key: client.Key("secret"), Tenant: "t",
		Sleep: func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil },
		HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			sent = append(sent, r.Header.Clone())
			if len(sent) < 3 {
				return &http.Response{StatusCode: []int{503, 429}[len(sent)-1], Status: "busy", Header: http.Header{"Retry-After": {"7"}}, Body: io.NopCloser(strings.NewReader("<html>"))}, nil
			}
			r.Header.Del("Authorization")
			return http.DefaultTransport.RoundTrip(r)
		})}})
	must(busy.Customers.List(ctx, client.Query{Limit: 1}))
	check(slices.Equal(waits, []time.Duration{7 * time.Second, 7 * time.Second}), waits)
	check(sent[0].Get("Authorization") == "Bearer secret" && sent[0].Get("X-Tenant-ID") == "t", sent[0])
	fmt.Println("ok")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

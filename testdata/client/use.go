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
	"regexp"
	"slices"
	"strings"
	"testing/iotest"
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

	// Some fields, and rows of other models in a row.
	view := must(c.Orders.View(ctx, order.ID, client.Show{Fields: []string{"status", "customer.name"}}))
	check(*view.Status == "new" && view.Total == nil && view.Customer.ID == ada.ID && *view.Customer.Row.Name == "Ada" && view.Customer.Row.Email == nil, view)
	plain := must(c.Orders.View(ctx, order.ID, client.Show{Fields: []string{"customer"}}))
	check(plain.Customer.ID == ada.ID && plain.Customer.Row == nil, plain)
	back := must(c.Customers.ListViews(ctx, client.Query{Filter: client.CustomerFields.ID.Eq(ada.ID)}, client.Show{Expand: []string{"orders.customer"}}))
	check(*back.Records[0].Orders.Records[0].Customer.Row.Email == "ada@example.org" && !back.Records[0].Orders.HasMore, back)
	_, err = c.Orders.View(ctx, order.ID, client.Show{Expand: []string{"customr"}})
	check(refused("invalid", err).Errors[0].Pointer == "/expand", err)
	for v, err := range c.Orders.EachView(ctx, client.Query{Limit: 1}, client.Show{Expand: []string{"customer"}}) {
		check(err == nil && *v.Customer.Row.Name == "Ada", err)
	}

	// What has been read is not read again while it is as it was.
	first := must(c.Orders.ReadIfChanged(ctx, order.ID, ""))
	check(first.Value.ID == order.ID && must(c.Orders.ReadIfChanged(ctx, order.ID, first.ETag)) == nil, first)
	page := must(c.Orders.ListIfChanged(ctx, client.Query{Limit: 2}, ""))
	check(page.Value.Count == 1 && must(c.Orders.ListIfChanged(ctx, client.Query{Limit: 2}, page.ETag)) == nil, page)
	check(must(c.Orders.ListIfChanged(ctx, client.Query{Limit: 3}, page.ETag)).Value.Limit == 3)

	// Several operations at once, which refer to each other.
	b := c.Batch()
	bea := b.Customers.Create(client.CustomerCreate{Email: "bea@example.org", Name: "Bea"})
	beas := b.Orders.Create(client.OrderCreate{Total: "2.5", Serial: client.Set[int64](huge)}, client.From("customer", bea.Ref("id")))
	moved := b.Orders.Update(0, client.AnyVersion, client.OrderUpdate{Status: client.Set("shipped")}, client.From("id", beas.Ref("id")), client.From("version", beas.Ref("version")))
	both := b.Orders.List(client.Query{Filter: client.Filter{"customer": bea.Ref("id")}, Count: true})
	whose := b.Orders.View(0, client.Show{Fields: []string{"stars", "customer.name"}}, client.From("id", beas.Ref("id")))
	within := b.Orders.ListViews(client.Query{Filter: client.Filter{"customer": bea.Ref("id")}}, client.Show{Expand: []string{"customer"}})
	check(b.Send(ctx, client.Once("batch")) == nil)
	check(whose.Result.ID == beas.Result.ID && *whose.Result.Stars == 3 && whose.Result.Total == nil && *whose.Result.Customer.Row.Name == "Bea" && whose.Result.Customer.Row.Email == nil, whose)
	check(*within.Result.Records[0].Customer.Row.Email == "bea@example.org" && *within.Result.Records[0].Serial == huge, within)
	check(moved.Result.Status == "shipped" && beas.Result.Customer == bea.Result.ID && *beas.Result.Serial == huge && *both.Result.Total == 1, moved, beas, both)
	check(b.Send(ctx) != nil, "a batch is done once")
	bad := c.Batch()
	bad.Customers.Create(client.CustomerCreate{Email: "half@example.org", Name: "Half"})
	bad.Customers.Create(client.CustomerCreate{Email: "no", Name: "N"})
	check(refused("invalid", bad.Send(ctx)).Errors[0].Pointer == "/operations/1/args/email")
	check(must(c.Customers.Count(ctx, client.CustomerFields.Email.Eq("half@example.org"))) == 0, "a batch is done whole or not at all")

	// What is counted, by itself and in a batch: words to look for, and what is deleted softly.
	b = c.Batch()
	b.Memos.BulkCreate(client.BulkCreate[client.MemoCreate]{Data: []client.MemoCreate{{Text: "green tea"}, {Text: "black tea"}, {Text: "coffee"}}})
	teas := b.Memos.CountOf(client.CountQuery{Search: "tea"})
	check(b.Send(ctx) == nil && teas.Result.Count == 2, teas)
	check(must(c.Memos.BulkDelete(ctx, client.BulkDelete[int64]{Filter: client.MemoFields.Text.Eq("black tea")})).Deleted == 1)
	b = c.Batch()
	left, all3 := b.Memos.Count(nil), b.Memos.CountOf(client.CountQuery{IncludeDeleted: true})
	green := b.Memos.CountOf(client.CountQuery{Filter: client.MemoFields.Text.HasPrefix("g"), Search: "tea", IncludeDeleted: true})
	sums := b.Memos.Aggregate(client.Aggregate{Aggregates: map[string]map[string]any{"n": {"$count": true}}, Search: "tea", IncludeDeleted: true})
	check(b.Send(ctx) == nil && left.Result.Count == 2 && all3.Result.Count == 3 && green.Result.Count == 1 && string(sums.Result.Groups[0]["n"]) == "2", left, all3, green, sums)
	check(must(c.Memos.CountOf(ctx, client.CountQuery{Search: "tea"})) == 1 && must(c.Memos.CountOf(ctx, client.CountQuery{IncludeDeleted: true})) == 3)
	lost := c.Batch()
	lost.Customers.BulkCreate(client.BulkCreate[client.CustomerCreate]{}, client.From("data.0.name", bea.Ref("name")))
	check(strings.Contains(fmt.Sprint(lost.Send(ctx)), `operation 0 of the batch, bulk_create of customers: "data.0.name" leads nowhere`))
	gone := c.Batch()
	gone.Orders.Delete(beas.Result.ID, client.Version(moved.Result.Version))
	gone.Customers.Delete(bea.Result.ID)
	refused("max_affected", gone.Send(ctx, client.MaxAffected(1)))
	check(gone.Send(ctx) == nil)

	// What happens to rows, as it happens; and later on, from where one was.
	listen, enough := context.WithCancel(ctx)
	var heard []string
	from := ""
	ring := make(chan struct{})
	go func() { // the stream is open once it says so; until then the change is made again and again
		for {
			select {
			case <-ring:
				return
			case <-time.After(100 * time.Millisecond):
				must(c.Orders.Update(ctx, order.ID, client.AnyVersion, client.OrderUpdate{Stars: client.Set[int64](4)}))
			}
		}
	}()
	for e, err := range c.Orders.Events(listen, client.EventQuery{Filter: client.OrderFields.Customer.Eq(ada.ID)}) {
		if err != nil {
			check(errors.Is(err, context.Canceled), err)
			break
		}
		if len(heard) == 0 {
			check(e.Event == "updated" && e.ID == order.ID && e.Record.Stars == 4, e)
			heard, from = append(heard, e.Event), e.EventID
			close(ring)
			enough()
		}
	}
	tmp := must(c.Orders.Create(ctx, client.OrderCreate{Customer: ada.ID, Total: "3", Serial: client.Set[int64](huge)}))
	check(c.Orders.Delete(ctx, tmp.ID, client.Version(tmp.Version)) == nil)
	for e, err := range c.Orders.Events(ctx, client.EventQuery{Filter: client.OrderFields.Serial.Eq(huge), LastEventID: from}) {
		check(err == nil && (e.Event == "deleted") == (e.Record == nil), err, e)
		if heard = append(heard, e.Event); e.Event == "deleted" {
			break
		}
	}
	check(slices.Equal(heard, []string{"updated", "created", "deleted"}), heard)
	for e, err := range c.Orders.EventViews(ctx, client.EventQuery{Filter: client.OrderFields.Serial.Eq(huge), Fields: []string{"stars"}, LastEventID: from}) {
		check(err == nil && e.Event == "created" && *e.Record.Stars == 3 && e.Record.Total == nil, err, e)
		break
	}
	for _, err := range c.Orders.Events(ctx, client.EventQuery{Filter: client.Field[string]("customer.email").Eq("x")}) {
		refused("invalid", err)
	}

	// Files of rows.
	const csv = "email,name\nf1@example.org,F1\nf2@example.org,\"F, 2\"\n"
	check(must(c.Customers.Import(ctx, strings.NewReader(csv), client.CSV, client.ImportOptions{}, client.DryRun())).Inserted == 2)
	check(must(c.Customers.Import(ctx, io.MultiReader(strings.NewReader(csv)), client.CSV, client.ImportOptions{Gzip: true}, client.Once("file"))).Inserted == 2)
	check(must(c.Customers.Import(ctx, strings.NewReader(csv), client.CSV, client.ImportOptions{Upsert: true, ConflictOn: []string{"email"}})).Updated == 2)
	_, err = c.Customers.Import(ctx, strings.NewReader("email,name\nf3@example.org,F3\nno,\n"), client.CSV, client.ImportOptions{})
	check(refused("invalid", err).Errors[0].Line == 3, err)
	skipped := must(c.Customers.ImportRows(ctx, func(yield func(client.CustomerCreate) bool) {
		for i := range 3000 {
			row := client.CustomerCreate{Email: fmt.Sprintf("l%d@example.org", i), Name: "L"}
			if i == 7 {
				row.Email = "no"
			}
			if !yield(row) {
				return
			}
		}
	}, client.ImportOptions{Skip: true}))
	check(skipped.Processed == 3000 && skipped.Inserted == 2999 && skipped.Skipped == 1 && skipped.Errors[0].Line == 8, skipped)
	var file strings.Builder
	q := client.ExportQuery{Filter: client.CustomerFields.Email.HasPrefix("f"), Sort: []string{"email"}, Fields: []string{"email", "name"}}
	check(c.Customers.Export(ctx, &file, client.CSV, q) == nil)
	check(regexp.MustCompile(`(?m)^[^,]*,`).ReplaceAllString(strings.ReplaceAll(file.String(), "\r", ""), "") == csv, file.String())
	rows := 0
	for row, err := range c.Customers.ExportRows(ctx, client.ExportQuery{Filter: client.CustomerFields.Email.HasPrefix("l")}) {
		check(err == nil && row.Name == "L", err)
		rows++
	}
	check(rows == 2999, rows)
	for row, err := range c.Customers.ExportViews(ctx, client.ExportQuery{Filter: client.CustomerFields.Email.Eq("f1@example.org"), Fields: []string{"name"}}) {
		check(err == nil && row.ID != 0 && *row.Name == "F1" && row.Email == nil && row.CreatedAt == nil, err, row)
	}
	check(refused("invalid", c.Customers.Export(ctx, io.Discard, client.NDJSON, client.ExportQuery{Sort: []string{"nmae"}})).Errors[0].Pointer == "/sort")
	must(c.Customers.BulkDelete(ctx, client.BulkDelete[int64]{Filter: client.Or(client.CustomerFields.Email.HasPrefix("l"), client.CustomerFields.Email.HasPrefix("f"))}))

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
	check(strings.Contains(err.Error(), "; /email: ") && strings.Contains(err.Error(), "; /name: "), err)
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
	called := must(c.Workflows.StartApprove(ctx, client.ApproveInputs{Order: placed.Order}))
	must(c.Runs.Cancel(ctx, called))
	check(refused("run_cancelled", c.Runs.Wait(ctx, called, &out)).RunID == called)
	_, err = c.Workflows.GiveUp(ctx, client.GiveUpInputs{Why: "no more"})
	check(must(c.Runs.Show(ctx, refused("rejected", err).RunID)).Status == "failed")
	later := must(c.Workflows.StartPlaceOrder(ctx, client.PlaceOrderInputs{Email: "cyd@example.org", Total: "4"}, client.Once("later")))
	check(must(c.Workflows.StartPlaceOrder(ctx, client.PlaceOrderInputs{Email: "cyd@example.org", Total: "4"}, client.Once("later"))) == later)
	var order4 client.PlaceOrderOutputs
	check(c.Runs.Wait(ctx, later, &order4) == nil && order4.Total == "4.0000000000", order4)

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
	played(ctx)
	fmt.Println("ok")
}

// played tries the client on a server that answers with what it is told to.
func played(ctx context.Context) {
	var asked []http.Header
	var bodies []string
	var waits []time.Duration
	plays := func(answers ...any) *client.Client {
		asked, bodies, waits = nil, nil, nil
		return client.New(client.Options{AutoKeys: true,
			Sleep: func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil },
			HTTP: &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
				asked = append(asked, r.Header.Clone())
				a := answers[0]
				answers = answers[1:]
				if err, ok := a.(error); ok {
					r.Body.Close()
					return nil, err
				}
				if r.Body != nil {
					bodies = append(bodies, string(must(io.ReadAll(r.Body))))
				}
				res := a.(http.Response)
				return &res, nil
			})}})
	}
	says := func(status int, text string) http.Response {
		return http.Response{StatusCode: status, Body: io.NopCloser(io.MultiReader(strings.NewReader(text), iotest.ErrReader(io.ErrUnexpectedEOF)))}
	}
	whole := func(status int, text string) http.Response {
		return http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(text))}
	}

	// A stream that is cut off is begun again where it was, after ever longer waits.
	busy := whole(503, "")
	cut := plays(says(200, "retry: 100\nid: 1\n\nevent: created\nid: 2\ndata: {\"event\":\"created\",\"id\":1}\n\nid: 3\n\nevent: upd"), busy, busy, busy, busy,
		says(200, "retry: 100\r\nid: 3\r\n\r\nevent: ended\ndata: {\"code\":\"unauthorized\",\"reason\":\"the key is revoked\"}\n\n"))
	var told []string
	for e, err := range cut.Orders.Events(ctx, client.EventQuery{}) {
		if err != nil {
			check(refused("unauthorized", err).Detail == "the key is revoked")
			break
		}
		told = append(told, e.Event+e.EventID)
	}
	check(slices.Equal(told, []string{"created2"}), told)
	var ids []string
	for _, h := range asked {
		ids = append(ids, h.Get("Last-Event-ID"))
	}
	check(slices.Equal(ids, []string{"", "3", "3", "3", "3", "3"}), ids)
	const ms = time.Millisecond
	check(slices.Equal(waits, []time.Duration{100 * ms, 500 * ms, 1000 * ms, 2000 * ms, 200 * ms}), waits)

	// With keys of its own a write is sent again too, with the same key; a file that can't be read again is not.
	gone := errors.New("connection lost")
	must(plays(gone, whole(409, `{"code":"idempotency_in_flight"}`), whole(200, "{}")).Customers.Create(ctx, client.CustomerCreate{}))
	check(len(asked) == 3 && asked[0].Get("Idempotency-Key") != "" && asked[0].Get("Idempotency-Key") == asked[2].Get("Idempotency-Key"), asked)
	check(must(plays(gone, whole(200, `{"count":1}`)).Customers.Count(ctx, nil)) == 1)
	_, err := plays(gone).Customers.Import(ctx, io.MultiReader(strings.NewReader("id")), client.CSV, client.ImportOptions{})
	check(errors.Is(err, gone), err)
	must(plays(busy, gone, whole(200, "{}")).Customers.Import(ctx, strings.NewReader("id\n1\n"), client.CSV, client.ImportOptions{}))
	check(slices.Equal(bodies, []string{"id\n1\n", "id\n1\n"}), bodies)

	// A file that is broken off is no whole one.
	broken := says(200, `{"id":1}`)
	check(errors.Is(plays(broken).Customers.Export(ctx, io.Discard, client.CSV, client.ExportQuery{}), io.ErrUnexpectedEOF))
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

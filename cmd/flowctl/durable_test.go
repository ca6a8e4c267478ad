//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// eachEngine runs a test on an empty database of each engine.
func eachEngine(t *testing.T, test func(t *testing.T, url string)) {
	t.Run("sqlite", func(t *testing.T) { test(t, "sqlite:"+filepath.Join(t.TempDir(), "app.db")) })
	t.Run("postgres", func(t *testing.T) {
		if err := pgtest.Missing(); err != nil {
			t.Skipf("SKIPPED, NOT TESTED: %v", err)
		}
		test(t, pgtest.URL(t))
	})
}

// bank is an app that moves money: a debit, a call to a service, a rest, and a
// credit; once as a graph, once as a handler.
const bank = `
db = DataFlow(database_url = env("DATABASE_URL"))
SERVICE = env("SERVICE")
Entry = db.model("Entry", {"transfer": str, "amount": int, "kind": str})

wf = WorkflowBuilder("move", input = {"transfer": str, "amount": int}, durable = True)
wf.add_node(Entry.create, "debit", {"transfer": wf.input.transfer, "amount": wf.input.amount, "kind": "debit"})
wf.add_node("HTTPRequestNode", "call", {"url": SERVICE, "method": "POST", "json": {"debit": "${debit.id}"}},
            retry = retry(max = 20, backoff = "20ms"))
wf.add_node("WaitNode", "rest", {"for": 20})
wf.add_node("StarlarkNode", "negative", {"fn": lambda amount: {"amount": -amount}, "amount": wf.input.amount})
wf.add_node(Entry.create, "credit", {"transfer": "${input.transfer}", "amount": "${negative.amount}", "kind": "credit"})

def move(ctx, transfer, amount):
    ctx.run(Entry.create, transfer = transfer, amount = amount, kind = "debit")
    ctx.run("HTTPRequestNode", url = SERVICE, method = "POST", json = {"at": str(ctx.now())})
    ctx.sleep(20)
    e = ctx.run(Entry.create, transfer = transfer, amount = -amount, kind = "credit")
    return {"credit": e.id}

app = Nexus(name = "bank")
app.register("move", wf.build(output = {"credit": "${credit.id}"}))
app.handler("move_handler", move, input = {"transfer": str, "amount": int}, durable = True)
app.expose(Entry)
app.start()
`

// keyService answers calls, counts how often each Idempotency-Key came, and
// tells of each call.
type keyService struct {
	*httptest.Server
	mu     sync.Mutex
	keys   map[string]int
	called chan struct{}
}

func newKeyService(t *testing.T) *keyService {
	s := &keyService{keys: map[string]int{}, called: make(chan struct{}, 10_000)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.keys[r.Header.Get("Idempotency-Key")]++
		s.mu.Unlock()
		s.called <- struct{}{}
		fmt.Fprint(w, `{"ok": true}`)
	}))
	t.Cleanup(s.Close)
	return s
}

// Whenever the process is killed: every transfer that was acknowledged is done,
// none is done twice, and no money comes or goes.
func TestKilledRunsGoOn(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		const transfers = 150
		service := newKeyService(t)
		app := writeApp(t, bank)
		env := []string{"DATABASE_URL=" + url, "SERVICE=" + service.URL}
		c := newClient(t, transfers)
		p := serveApp(t, app, env...)
		var mu sync.Mutex
		acknowledged := map[string]string{} // run by transfer
		var clients sync.WaitGroup
		restarted := make(chan struct{}) // closed when p is another
		server := func() (string, chan struct{}) {
			mu.Lock()
			defer mu.Unlock()
			return p.api, restarted
		}
		start := func(name string, i int) {
			clients.Go(func() {
				workflow := []string{"move", "move_handler"}[i%2]
				body := fmt.Sprintf(`{"inputs": {"transfer": %q, "amount": %d}}`, name, 1+i)
				for { // the same request, until somebody has heard it
					api, again := server()
					a, err := ask(c, http.MethodPost, api+"/workflows/"+workflow+"/execute", body, name)
					if err == nil && (a.status == 200 || a.status == 202) {
						var r struct {
							Run string `json:"run_id"`
						}
						if err := json.Unmarshal([]byte(a.body), &r); err != nil {
							t.Error(err)
						}
						mu.Lock()
						acknowledged[name] = r.Run
						mu.Unlock()
						return
					}
					if err == nil && a.status != 503 {
						t.Errorf("%s: %v", name, a)
						return
					}
					select {
					case <-again:
					case <-time.After(100 * time.Millisecond): // it is the same one, which had no room
					}
				}
			})
		}
		for i := range transfers {
			start(fmt.Sprint("t", i), i)
		}
		kills := 3
		if testing.Short() {
			kills = 1
		}
		end := time.Now().Add(killTime(t)) // zero: three kills
		for k := 0; k < kills || time.Now().Before(end); k++ {
			if k >= kills { // the work so far is done: more of it
				clients.Wait()
				awaitRuns(t, c, p.api, acknowledged)
				for i := range transfers {
					start(fmt.Sprint("k", k, "t", i), i)
				}
			}
			for range 1 + rand.IntN(transfers/kills) {
				<-service.called
			}
			if err := p.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-p.exited
			next := serveApp(t, app, env...)
			mu.Lock()
			p = next
			close(restarted)
			restarted = make(chan struct{})
			mu.Unlock()
		}
		clients.Wait()
		awaitRuns(t, c, p.api, acknowledged)
		checkLedger(t, c, p.api, acknowledged)
		service.mu.Lock()
		defer service.mu.Unlock()
		if len(service.keys) != len(acknowledged) {
			t.Errorf("the service saw %d keys, want %d", len(service.keys), len(acknowledged))
		}
		if service.keys[""] > 0 {
			t.Error("a call had no Idempotency-Key")
		}
	})
}

// killTime is for how long to go on killing: FLOWCTL_KILL_MINUTES=10 go test
// ./cmd/flowctl -run TestKilledRunsGoOn -timeout 0 does so for ten minutes on
// each engine.
func killTime(t *testing.T) time.Duration {
	text := os.Getenv("FLOWCTL_KILL_MINUTES")
	if text == "" {
		return 0
	}
	minutes, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatalf("FLOWCTL_KILL_MINUTES: %v", err)
	}
	return time.Duration(minutes * float64(time.Minute))
}

// awaitRuns waits until all runs have completed.
func awaitRuns(t *testing.T, c *http.Client, api string, runs map[string]string) {
	t.Helper()
	deadline := time.Now().Add(6 * patience)
	for name, id := range runs {
		for {
			var r struct {
				Status string          `json:"status"`
				Error  json.RawMessage `json:"error"`
			}
			code, err := get(c, api+"/runs/"+id, &r)
			if err != nil || code != 200 {
				t.Fatalf("%s: %d %v", name, code, err)
			}
			if r.Status == "completed" {
				break
			}
			if r.Status == "failed" || r.Status == "cancelled" || time.Now().After(deadline) {
				t.Fatalf("the run of %s is %s: %s", name, r.Status, r.Error)
			}
			followOnce(c, api, id)
		}
	}
}

// followOnce waits until a run has changed, or its stream has.
func followOnce(c *http.Client, api, id string) {
	res, err := c.Get(api + "/runs/" + id + "/events")
	if err != nil {
		return
	}
	defer res.Body.Close()
	var b [1]byte
	for n := 0; n < 2; { // the run as it is, and what is new
		if _, err := res.Body.Read(b[:]); err != nil {
			return
		}
		if b[0] == '\n' {
			n++
		}
	}
}

func checkLedger(t *testing.T, c *http.Client, api string, runs map[string]string) {
	t.Helper()
	var list struct {
		Records []struct {
			Transfer string `json:"transfer"`
			Kind     string `json:"kind"`
			Amount   int    `json:"amount"`
		} `json:"records"`
		More bool `json:"has_more"`
	}
	sum, seen := 0, map[string]int{}
	for offset := 0; offset == 0 || list.More; offset += 1000 {
		if code, err := get(c, fmt.Sprint(api, "/api/entries?sort=id&limit=1000&offset=", offset), &list); err != nil || code != 200 {
			t.Fatal(code, err)
		}
		for _, e := range list.Records {
			sum += e.Amount
			seen[e.Transfer+" "+e.Kind]++
		}
	}
	if sum != 0 {
		t.Errorf("%d of money came or went", sum)
	}
	for name := range runs {
		for _, kind := range []string{"debit", "credit"} {
			if n := seen[name+" "+kind]; n != 1 {
				t.Errorf("%s has %d %ss", name, n, kind)
			}
		}
	}
	if len(seen) != 2*len(runs) {
		t.Errorf("%d entries for %d transfers", len(seen), len(runs))
	}
}

// listening is an app in which one thing starts another.
const listening = `
db = DataFlow(database_url = env("DATABASE_URL"))
Order = db.model("Order", {"total": decimal(12, 2), "status": enum("new", "shipped", default = "new")}, soft_delete = True)
Seen = db.model("Seen", {"text": str})

seen = WorkflowBuilder("seen", input = {"id": int, "total": decimal(12, 2), "event": str, "record": json})
seen.add_node(Seen.create, "seen", {"text": "${input.event} ${input.id} ${input.total} ${input.record.status}"})

note = WorkflowBuilder("note", input = {"text": str})
note.add_node(Seen.create, "note", {"text": note.input.text})

ship = WorkflowBuilder("ship", input = {"id": int, "fail": bool})
ship.add_node(Order.update, "o", {"id": "${input.id}", "fields": {"status": "shipped"}})
ship.add_node("EmitNode", "told", {"event": "order_shipped", "data": {"text": "order ${input.id}"}})
ship.add_node("WorkflowNode", "go", {"workflow": "note", "inputs": {"text": "let go"}, "wait": False})
ship.add_node("StarlarkNode", "last", {"fn": lambda bad: fail("no") if bad else {}, "bad": "${input.fail}"})

def heard(ctx, text):
    ctx.run(Seen.create, text = "heard " + text)
    ctx.run("WorkflowNode", workflow = "note", inputs = {"text": "by a handler"}, wait = False)

def again(ctx, id):
    ctx.run(Order.update, id = id, fields = {"total": ctx.run(Order.read, id = id).total + 1})

app = Nexus(name = "listening")
app.register("seen", seen.build())
app.register("note", note.build())
app.register("ship", ship.build())
app.handler("heard", heard, input = {"text": str})
app.handler("again", again, input = {"id": int})
app.on("Order.created", "seen", where = {"total": {"$gte": 10}})
app.on("Order.updated", "seen", where = {"status": "shipped"})
app.on("Order.updated", "again", where = {"total": {"$gte": 1000}})
app.on("Order.deleted", "seen")
app.on("order_shipped", "heard")
app.schedule("@every 1s", "note", input = {"text": "tick"})
app.expose(Order, Seen)
app.start()
`

const listeningForParts = `
db = DataFlow(database_url = env("DATABASE_URL"))
Order = db.model("Order", {"total": decimal(20, 2), "note": field(str, optional = True)})
Seen = db.model("Seen", {"text": str})
row = {"id": int, "total": decimal(20, 2)}

def look(ctx, record, before, event):
    was = before.total if before != None else "nothing"
    ctx.run(Seen.create, text = "%s %s: %s was %s" % (event, " ".join(list(record)), record.total + decimal("1"), was))

app = Nexus()
app.handler("look", look, input = {"record": row, "before": field(row, optional = True), "event": str})
app.on("Order.created", "look")
app.on("Order.updated", "look")
app.expose(Order, Seen)
app.start()
`

// Who listens is given of the row what it asks for, exact; who writes the row is
// not told that the rest of it is unknown.
func TestAnEventGivesTheFieldsThatAreAskedFor(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		p := serveApp(t, writeApp(t, listeningForParts), "DATABASE_URL="+url)
		c := newClient(t, 1)
		must(t, c, "POST", p.api+"/api/orders", `{"total": "123456789012345678.90"}`, 201)
		must(t, c, "PATCH", p.api+"/api/orders/1", `{"total": "1.50", "note": "less"}`, 200)
		want := []string{"Order.created id total: 123456789012345679.90 was nothing", "Order.updated id total: 2.50 was 123456789012345678.90"}
		waitUntil(t, "both events are heard", func() bool {
			var list struct {
				Records []struct{ Text string }
			}
			if code, err := get(c, p.api+"/api/seens?sort=text", &list); err != nil || code != 200 {
				t.Fatal(code, err)
			}
			var got []string
			for _, r := range list.Records {
				got = append(got, r.Text)
			}
			return slices.Equal(got, want)
		})
	})
}

// What is told in a transaction is heard if and only if it is committed.
func TestEventsAndSchedules(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		p := serveApp(t, writeApp(t, listening), "DATABASE_URL="+url)
		c := newClient(t, 1)
		must(t, c, "POST", p.api+"/api/orders", `{"total": "5"}`, 201)
		must(t, c, "POST", p.api+"/api/orders/bulk_create", `{"data": [{"total": "15"}, {"total": "1"}, {"total": "30"}]}`, 200)
		must(t, c, "POST", p.api+"/workflows/ship/execute", `{"inputs": {"id": 1, "fail": true}}`, 422)
		must(t, c, "POST", p.api+"/workflows/ship/execute", `{"inputs": {"id": 2, "fail": false}}`, 200)
		must(t, c, "DELETE", p.api+"/api/orders/3", "", 204)
		must(t, c, "POST", p.api+"/api/orders/bulk_update", `{"ids": [1], "fields": {"total": "1000"}}`, 200)
		want := map[string]int{
			"Order.created 2 15.00 new": 1, "Order.created 4 30.00 new": 1, "Order.updated 2 15.00 shipped": 1,
			"Order.deleted 3 1.00 new": 1, "heard order 2": 1, "let go": 1, "by a handler": 1,
		}
		var got map[string]int
		waitUntil(t, "what was told is heard, and the clock has ticked", func() bool {
			var list struct {
				Records []struct{ Text string }
			}
			if code, err := get(c, p.api+"/api/seens?limit=1000", &list); err != nil || code != 200 {
				t.Fatal(code, err)
			}
			got = map[string]int{}
			for _, r := range list.Records {
				got[r.Text]++
			}
			ticked := got["tick"] > 1
			delete(got, "tick")
			return ticked && len(got) >= len(want)
		})
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		// What listens to what it does itself is stopped.
		waitUntil(t, "the loop has ended", func() bool {
			var list struct {
				Runs []struct {
					Error *struct{ Code string }
				}
			}
			if code, err := get(c, p.api+"/runs?workflow=again&status=failed", &list); err != nil || code != 200 {
				t.Fatal(code, err)
			}
			return len(list.Runs) == 1 && list.Runs[0].Error.Code == "event_loop"
		})
		var order struct{ Total string }
		if _, err := get(c, p.api+"/api/orders/1", &order); err != nil || order.Total != "1015.00" {
			t.Errorf("the total is %s: %v", order.Total, err)
		}
	})
}

// waitUntil asks until something is so.
func waitUntil(t *testing.T, what string, so func() bool) {
	t.Helper()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(3 * patience); !so(); <-again.C {
		if time.Now().After(deadline) {
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// guarded is an app that calls a service with a token: in a handler, and to undo
// what a workflow did that the handler ran.
const guarded = `
db = DataFlow(database_url = env("DATABASE_URL"))
SERVICE = env("SERVICE")
TOKEN = env("TOKEN")
Done = db.model("Done", {"name": str})

part = WorkflowBuilder("part", input = {"name": str})
part.add_node("HTTPRequestNode", "charge", {"url": SERVICE + "/charge", "method": "POST", "headers": {"X-Token": "${env.TOKEN}"}}, compensate = "refund")
part.add_node("HTTPRequestNode", "refund", {"url": SERVICE + "/refund", "method": "POST", "headers": {"X-Token": "${env.TOKEN}", "X-Name": "${input.name}"}})

def pay(ctx, name):
    ctx.run("HTTPRequestNode", url = SERVICE + "/" + name, method = "POST", headers = {"X-Token": TOKEN, "X-Name": name})
    ctx.workflow("part", name = name)
    if ctx.wait_signal("go"):
        fail("never mind")
    return ctx.run("HTTPRequestNode", url = SERVICE + "/" + name, method = "POST", headers = {"X-Token": TOKEN, "X-Name": name}).status

app = Nexus(name = "guarded")
app.register("part", part.build())
app.handler("pay", pay, input = {"name": str}, durable = True)
app.start()
`

// textOf is a text that an answer has under a name.
func textOf(t *testing.T, a answer, name string) string {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal([]byte(a.body), &body); err != nil {
		t.Fatal(err)
	}
	text, _ := body[name].(string)
	return text
}

// What a call is given in its headers is in no row of a run and shown to nobody.
// So a run goes on when the token has been changed, and undoes with the new one.
func TestTokensAreNotKeptWithARun(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		var mu sync.Mutex
		var heard []string
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			mu.Lock()
			defer mu.Unlock()
			heard = append(heard, fmt.Sprintf("%s %s %s", r.URL.Path, r.Header.Get("X-Token"), r.Header.Get("X-Name")))
			fmt.Fprint(w, "{}")
		}))
		t.Cleanup(service.Close)
		app, c := writeApp(t, guarded), newClient(t, 4)
		serve := func(token string) *serverProcess {
			return serveApp(t, app, "DATABASE_URL="+url, "SERVICE="+service.URL, "TOKEN="+token)
		}
		p := serve("token-of-old")
		ids := map[string]string{}
		for _, name := range []string{"ada", "bob"} {
			a := must(t, c, http.MethodPost, p.api+"/workflows/pay/execute", fmt.Sprintf(`{"inputs": {"name": %q}}`, name), 202)
			ids[name] = textOf(t, a, "run_id")
		}
		state := func(name string) string {
			a := must(t, c, http.MethodGet, p.api+"/runs/"+ids[name], "", 200)
			if strings.Contains(a.body, "token-of") {
				t.Errorf("the run shows its token: %s", a.body)
			}
			return textOf(t, a, "status")
		}
		for name := range ids {
			waitUntil(t, "the run waits", func() bool { return state(name) == "waiting" })
		}
		if code, err := p.stop(syscall.SIGTERM); code != 0 || err != nil {
			t.Fatal(code, err)
		}
		if kept := strings.Join(texts(t, url, `SELECT coalesce(CAST(input AS text), '') || ' ' || coalesce(CAST(result AS text), '') FROM _flow_steps`), "\n"); strings.Contains(kept, "token-of") || !strings.Contains(kept, "X-Name") {
			t.Errorf("kept with the steps:\n%s", kept)
		}
		p = serve("token-of-now")
		must(t, c, http.MethodPost, p.api+"/runs/"+ids["ada"]+"/signal", `{"name": "go", "payload": null}`, 202)
		must(t, c, http.MethodPost, p.api+"/runs/"+ids["bob"]+"/signal", `{"name": "go", "payload": true}`, 202)
		for name, end := range map[string]string{"ada": "completed", "bob": "failed"} {
			waitUntil(t, "the run of "+name+" is "+end, func() bool { return state(name) == end })
		}
		want := []string{"/ada token-of-now ada", "/ada token-of-old ada", "/bob token-of-old bob", "/charge token-of-old ", "/charge token-of-old ", "/refund token-of-now bob"}
		mu.Lock()
		defer mu.Unlock()
		slices.Sort(heard)
		if !slices.Equal(heard, want) {
			t.Errorf("the service heard\n%s", cmp.Diff(want, heard))
		}
	})
}

// bounded is an app whose runs wait for their turn.
const bounded = `
db = DataFlow(database_url = env("DATABASE_URL"))
SERVICE = env("SERVICE")
Done = db.model("Done", {"name": str})

def call(name):
    wf = WorkflowBuilder(name, input = {"who": str, "name": str}, durable = True)
    wf.add_node("HTTPRequestNode", "call", {"url": SERVICE + "/" + name + "/${input.who}"})
    wf.add_node(Done.create, "done", {"name": "${input.name} ${call.status}"})
    return wf.build()

app = Nexus(name = "bounded", request_timeout = "120s")
app.register("two", call("two"), concurrency = 2)
app.register("one_each", call("one_each"), concurrency = 1, limit_by = "who")
app.register("rated", call("rated"), rate = "3/1s")
app.expose(Done)
app.start()
`

// crowd is a service that knows how many calls to each path it had at a time,
// and when they came.
type crowd struct {
	*httptest.Server
	mu   sync.Mutex
	now  map[string]int
	most map[string]int
	at   map[string][]time.Time
}

func newCrowd(t *testing.T) *crowd {
	s := &crowd{now: map[string]int{}, most: map[string]int{}, at: map[string][]time.Time{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.now[r.URL.Path]++
		s.most[r.URL.Path] = max(s.most[r.URL.Path], s.now[r.URL.Path])
		s.at[r.URL.Path] = append(s.at[r.URL.Path], time.Now())
		s.mu.Unlock()
		<-time.After(15 * time.Millisecond) // long enough to meet others
		s.mu.Lock()
		s.now[r.URL.Path]--
		s.mu.Unlock()
		fmt.Fprint(w, `{}`)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestRunsWaitForTheirTurn(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		service := newCrowd(t)
		app := writeApp(t, bounded)
		p := serveApp(t, app, "DATABASE_URL="+url, "SERVICE="+service.URL)
		c := newClient(t, 40)
		began := time.Now()
		var clients sync.WaitGroup
		begin := func(workflow, who, name string) {
			clients.Go(func() {
				var a answer
				var err error
				for a.status = 503; err == nil && a.status == 503; { // it comes again if the server is too busy
					a, err = ask(c, http.MethodPost, p.api+"/workflows/"+workflow+"/execute", fmt.Sprintf(`{"inputs": {"who": %q, "name": %q}}`, who, name), "")
				}
				if err != nil || a.status != 200 {
					t.Errorf("%s: %v, %v", name, a, err)
				}
			})
		}
		for i := range 10 {
			begin("two", "x", fmt.Sprint("two", i))
			begin("one_each", "ada", fmt.Sprint("ada", i))
			begin("one_each", "bob", fmt.Sprint("bob", i))
		}
		for i := range 7 {
			begin("rated", "x", fmt.Sprint("rated", i))
		}
		clients.Wait()
		var done struct {
			Records []struct{ Name string }
		}
		if code, err := get(c, p.api+"/api/dones?limit=100", &done); err != nil || code != 200 || len(done.Records) != 37 {
			t.Errorf("%d runs did what they had to: %d %v", len(done.Records), code, err)
		}
		service.mu.Lock()
		defer service.mu.Unlock()
		for path, most := range map[string]int{"/two/x": 2, "/one_each/ada": 1, "/one_each/bob": 1} {
			if service.most[path] > most {
				t.Errorf("%s had %d calls at a time, and may have %d", path, service.most[path], most)
			}
		}
		at := service.at["/rated/x"]
		if len(at) != 7 {
			t.Errorf("%d calls of 7 runs", len(at))
		}
		for i, call := range at {
			// Three begin at once, and three in each second after that. How long a
			// run takes until it calls is of no matter, so that calls may be closer
			// than their beginnings, but never earlier.
			earliest := time.Duration(i/3)*time.Second - 100*time.Millisecond // two clocks
			if d := call.Sub(began); d < earliest {
				t.Errorf("call %d came after %s", i, d)
			}
		}
	})
}

// A run that waits goes on with the app it began with, whatever is served when
// it does.
func TestRunsFinishOnTheAppTheyBeganWith(t *testing.T) {
	const version = `
db = DataFlow(database_url = env("DATABASE_URL"))
Order = db.model("Order", {"by": field(str, optional = True)MORE})
wf = WorkflowBuilder("graph", input = {})
order = wf.add_node(Order.create, "order", {})
wf.add_node("SignalNode", "ok", {"name": "go"})
wf.add_node(Order.update, "done", {"id": order.id, "fields": {"by": "graph of NAME"}})
def handler(ctx):
    order = ctx.run(Order.create)
    ctx.wait_signal("go")
    ctx.run(Order.update, id = order.id, fields = {"by": "handler of NAME"})
app = Nexus(name = "versions")
app.register("graph", wf.build())
app.handler("handler", handler, durable = True)
app.expose(Order)
app.start()
`
	eachEngine(t, func(t *testing.T, url string) {
		c := newClient(t, 1)
		begin := func(p *serverProcess) (ids []string) {
			for _, name := range []string{"graph", "handler"} {
				a := must(t, c, "POST", p.api+"/workflows/"+name+"/execute", `{}`, 202)
				var r struct {
					Run string `json:"run_id"`
				}
				if err := json.Unmarshal([]byte(a.body), &r); err != nil {
					t.Fatal(err)
				}
				ids = append(ids, r.Run)
			}
			return ids
		}
		app := writeApp(t, strings.NewReplacer("MORE", "", "NAME", "one").Replace(version))
		p := serveApp(t, app, "DATABASE_URL="+url)
		old := begin(p)
		if err := p.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-p.exited
		later := strings.NewReplacer("MORE", `, "note": field(str, optional = True)`, "NAME", "two").Replace(version)
		if err := os.WriteFile(app, []byte(later), 0o644); err != nil {
			t.Fatal(err)
		}
		p = serveApp(t, app, "DATABASE_URL="+url)
		all := map[string]string{}
		for i, id := range append(old, begin(p)...) {
			must(t, c, "POST", p.api+"/runs/"+id+"/signal", `{"name": "go"}`, 202)
			all[fmt.Sprint(i)] = id
		}
		awaitRuns(t, c, p.api, all)
		var list struct {
			Records []struct{ By string }
		}
		if code, err := get(c, p.api+"/api/orders", &list); err != nil || code != 200 {
			t.Fatal(code, err)
		}
		var got []string
		for _, r := range list.Records {
			got = append(got, r.By)
		}
		if diff := cmp.Diff([]string{"graph of one", "handler of one", "graph of two", "handler of two"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// A process that stalls has its runs taken over, and does no harm when it goes
// on: its calls come back, and what it would write is refused.
func TestAProcessThatStallsDoesNoHarm(t *testing.T) {
	if err := pgtest.Missing(); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: %v", err)
	}
	const transfers = 20
	url := pgtest.URL(t)
	var mu sync.Mutex
	seen := map[string]bool{}
	held, release := make(chan struct{}, transfers), make(chan struct{})
	letGo := sync.OnceFunc(func() { close(release) })
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		key := r.Header.Get("Idempotency-Key")
		mu.Lock()
		first := !seen[key]
		seen[key] = true
		mu.Unlock()
		if first {
			held <- struct{}{}
			<-release
		}
		fmt.Fprint(w, `{"ok": true}`)
	}))
	t.Cleanup(func() { letGo(); service.Close() })
	app := writeApp(t, bank)
	env := []string{"DATABASE_URL=" + url, "SERVICE=" + service.URL}
	c := newClient(t, transfers)
	stalled := serveApp(t, app, env...)
	var clients sync.WaitGroup
	for i := range transfers {
		clients.Go(func() {
			workflow := []string{"move", "move_handler"}[i%2]
			body := fmt.Sprintf(`{"inputs": {"transfer": "t%d", "amount": %d}}`, i, 1+i)
			// What it is told is of no matter: the runs are looked at below.
			_, _ = ask(c, http.MethodPost, stalled.api+"/workflows/"+workflow+"/execute", body, "")
		})
	}
	for range transfers {
		<-held
	}
	if err := stalled.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	other := serveApp(t, app, env...)
	var list struct {
		Runs []struct {
			Run string `json:"run_id"`
		}
	}
	if code, err := get(c, other.api+"/runs?limit=100", &list); err != nil || code != 200 || len(list.Runs) != transfers {
		t.Fatal(code, err, len(list.Runs))
	}
	began := time.Now()
	names := map[string]string{}
	for i, r := range list.Runs {
		names[fmt.Sprint(i)] = r.Run
	}
	awaitRuns(t, c, other.api, names)
	t.Logf("taken over and done after %s", time.Since(began).Round(time.Millisecond))
	if err := stalled.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	letGo()
	clients.Wait() // what was under way there has ended, one way or the other
	runs := map[string]string{}
	for i := range transfers {
		runs[fmt.Sprint("t", i)] = ""
	}
	checkLedger(t, c, stalled.api, runs)
}

// nested is an app with a run that waits for another.
const nested = `
db = DataFlow(database_url = env("DATABASE_URL"))
Entry = db.model("Entry", {"what": str})

inner = WorkflowBuilder("inner")
inner.add_node("SignalNode", "go", {"name": "go"})
inner.add_node(Entry.create, "inner", {"what": "inner"})

outer = WorkflowBuilder("outer")
outer.add_node(Entry.create, "before", {"what": "before"})
outer.add_node("WorkflowNode", "sub", {"workflow": "inner"})
outer.add_node(Entry.create, "after", {"what": "after"})

app = Nexus(name = "nested")
app.register("inner", inner.build())
app.register("outer", outer.build())
app.expose(Entry)
app.start()
`

// A process that is stopped in the middle of a transaction, with rows locked,
// has its runs taken over all the same: PostgreSQL ends the transaction.
func TestAProcessThatStallsInATransactionIsTakenOver(t *testing.T) {
	if err := pgtest.Missing(); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: %v", err)
	}
	ctx := t.Context()
	url := pgtest.URL(t)
	app := writeApp(t, nested)
	c := newClient(t, 1)
	stalled := serveApp(t, app, "DATABASE_URL="+url)
	var r struct {
		Run string `json:"run_id"`
	}
	if err := json.Unmarshal([]byte(must(t, c, "POST", stalled.api+"/workflows/outer/execute", `{}`, 202).body), &r); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "the inner run waits too", func() bool {
		var inner struct{ Status string }
		code, err := get(c, stalled.api+"/runs/"+r.Run+"%2Fsub", &inner)
		return err == nil && code == 200 && inner.Status == "waiting"
	})
	// The end of the inner run waits for the row of the outer one, with its own
	// already written: there the process is stopped.
	db, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(ctx)
	tx, err := db.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var status string
	if err := tx.QueryRow(ctx, "SELECT status FROM _flow_runs WHERE id = $1 FOR UPDATE", r.Run).Scan(&status); err != nil || status != "waiting" {
		t.Fatal(status, err)
	}
	must(t, c, "POST", stalled.api+"/runs/"+r.Run+"%2Fsub/signal", `{"name": "go"}`, 202)
	waitUntil(t, "the process waits for the row", func() bool {
		n := 0
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pg_backend_pid() = ANY (pg_blocking_pids(pid))").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n > 0
	})
	if err := stalled.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := tx.Commit(ctx); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "a transaction of the stopped process stands open", func() bool {
		n := 0
		if err := db.QueryRow(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n > 0 // more, where it was about to do something else too
	})
	other := serveApp(t, app, "DATABASE_URL="+url)
	awaitRuns(t, c, other.api, map[string]string{"outer": r.Run})
	took := time.Since(began)
	t.Logf("taken over and done after %s", took.Round(time.Millisecond))
	if took > 3*time.Minute { // with locks that stay it is five
		t.Errorf("it took %s", took)
	}
	if err := stalled.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "it is ready again", func() bool {
		a, err := ask(c, "GET", stalled.api+"/health/ready", "", "")
		return err == nil && a.status == 200
	})
	var list struct{ Records []struct{ What string } }
	if code, err := get(c, stalled.api+"/api/entries?sort=id", &list); err != nil || code != 200 {
		t.Fatal(code, err)
	}
	var got []string
	for _, e := range list.Records {
		got = append(got, e.What)
	}
	if diff := cmp.Diff([]string{"before", "inner", "after"}, got); diff != "" {
		t.Error(diff)
	}
}

// beginLater begins a run that nobody waits for.
func beginLater(c *http.Client, url, body string, v any) (int, error) {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Prefer", "respond-async")
	res, err := c.Do(req)
	if err != nil {
		return 0, err
	}
	return read(res, v)
}

// Two processes share the runs of one database: each is done once, and each
// process does some. Nothing is answered until both have called, and there are
// more runs than one process has at a time: so that both must.
func TestTwoProcessesShareRuns(t *testing.T) {
	if err := pgtest.Missing(); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: %v", err)
	}
	const transfers = 300
	url := pgtest.URL(t)
	// Each process calls an address of its own. A handler would be seen to take
	// another path by that, so that these are graphs.
	var calls [2]atomic.Int64
	var first sync.WaitGroup
	first.Add(len(calls))
	both := make(chan struct{})
	go func() {
		first.Wait()
		close(both)
	}()
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i, err := strconv.Atoi(strings.Trim(r.URL.Path, "/"))
		if err != nil {
			t.Errorf("a call to %s", r.URL)
			return
		}
		if calls[i].Add(1) == 1 {
			first.Done()
		}
		select {
		case <-both:
		case <-r.Context().Done():
		}
		fmt.Fprint(w, `{"ok": true}`)
	}))
	t.Cleanup(service.Close)
	app := writeApp(t, bank)
	c := newClient(t, 20)
	var apis [2]string
	for i := range apis {
		apis[i] = serveApp(t, app, "DATABASE_URL="+url, fmt.Sprintf("SERVICE=%s/%d", service.URL, i)).api
	}
	var mu sync.Mutex
	runs := map[string]string{}
	var clients sync.WaitGroup
	for i := range transfers {
		clients.Go(func() {
			name := fmt.Sprint("t", i)
			var r struct {
				Run string `json:"run_id"`
			}
			code, err := http.StatusServiceUnavailable, error(nil)
			for err == nil && code == http.StatusServiceUnavailable { // it comes again if the server is too busy
				code, err = beginLater(c, apis[0]+"/workflows/move/execute", fmt.Sprintf(`{"inputs": {"transfer": %q, "amount": %d}}`, name, 1+i), &r)
			}
			if err != nil || code != http.StatusAccepted {
				t.Errorf("%s: %d, %v", name, code, err)
			}
			mu.Lock()
			runs[name] = r.Run
			mu.Unlock()
		})
	}
	clients.Wait()
	awaitRuns(t, c, apis[1], runs)
	checkLedger(t, c, apis[1], runs)
	a, b := calls[0].Load(), calls[1].Load()
	t.Logf("%d and %d calls", a, b)
	if a == 0 || b == 0 || a+b != transfers {
		t.Errorf("the processes made %d and %d calls, want some each and %d in all", a, b, transfers)
	}
}

// A process that is asked to end while a node is at work leaves its runs as they
// are, and the next one goes on.
func TestRunsGoOnAfterAnOrderlyEnd(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		const transfers = 10
		called, release := make(chan struct{}, 10*transfers), make(chan struct{})
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			called <- struct{}{}
			select {
			case <-release:
			case <-r.Context().Done():
			}
			fmt.Fprint(w, `{"ok": true}`)
		}))
		letGo := sync.OnceFunc(func() { close(release) })
		t.Cleanup(func() { letGo(); service.Close() })
		app := writeApp(t, bank)
		env := []string{"DATABASE_URL=" + url, "SERVICE=" + service.URL}
		c := newClient(t, transfers)
		p := serveApp(t, app, env...)
		runs := map[string]string{}
		for i := range transfers {
			name := fmt.Sprint("t", i)
			var r struct {
				Run string `json:"run_id"`
			}
			at := p.api + "/workflows/" + []string{"move", "move_handler"}[i%2] + "/execute"
			if code, err := beginLater(c, at, fmt.Sprintf(`{"inputs": {"transfer": %q, "amount": %d}}`, name, 1+i), &r); err != nil || code != http.StatusAccepted {
				t.Fatal(code, err)
			}
			runs[name] = r.Run
		}
		for range transfers {
			<-called
		}
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		<-p.exited
		if code := p.cmd.ProcessState.ExitCode(); code != 0 {
			out, errOut := p.output()
			t.Errorf("the process ended with %d\n%s%s", code, out, errOut)
		}
		letGo()
		p = serveApp(t, app, env...)
		awaitRuns(t, c, p.api, runs)
		checkLedger(t, c, p.api, runs)
	})
}

// What a handler of a file may do to itself, and how its run then ends.
func TestHandlersOfAFileThatMisbehave(t *testing.T) {
	const app = `
db = DataFlow(database_url = env("DATABASE_URL"))
Entry = db.model("Entry", {"what": str})

def loops(ctx):
    ctx.run(Entry.create, what = "loops")
    n = 0
    for i in range(1000000000):
        n += i
    return n

def allocates(ctx):
    ctx.run(Entry.create, what = "allocates")
    text = "x" * 1000000
    for i in range(40):
        text += text
    return text

def fails(ctx):
    ctx.run(Entry.create, what = "fails")
    return [][1]

def gives_a_function(ctx):
    ctx.run(Entry.create, what = "gives_a_function")
    return lambda x: x

def gives_itself(ctx):
    ctx.run(Entry.create, what = "gives_itself")
    list = []
    list.append(list)
    return list

app = Nexus(name = "bad")
[app.handler(name, fn, durable = True) for name, fn in {"loops": loops, "allocates": allocates, "fails": fails, "gives_a_function": gives_a_function, "gives_itself": gives_itself}.items()]
app.expose(Entry)
app.start()
`
	eachEngine(t, func(t *testing.T, url string) {
		file := writeApp(t, app)
		p := serveApp(t, file, "DATABASE_URL="+url)
		c := newClient(t, 1)
		names := []string{"loops", "allocates", "fails", "gives_a_function", "gives_itself"}
		for _, name := range names {
			a, err := ask(c, http.MethodPost, p.api+"/workflows/"+name+"/execute", `{}`, "")
			if err != nil || a.status < 400 || !strings.Contains(a.body, `"detail"`) || strings.Contains(a.body, "goroutine") {
				t.Errorf("%s: %v %v", name, a, err)
			}
		}
		var runs struct {
			Runs []struct {
				Workflow string
				Error    *struct{ Code, Detail string }
			}
		}
		if code, err := get(c, p.api+"/runs?status=failed", &runs); err != nil || code != 200 {
			t.Fatal(code, err)
		}
		got := map[string]int{}
		for _, r := range runs.Runs {
			if r.Error == nil || r.Error.Detail == "" {
				t.Errorf("the run of %s says nothing of why it failed", r.Workflow)
			}
			got[r.Workflow]++
		}
		want := map[string]int{}
		for _, name := range names {
			want[name] = 1
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("runs that failed: %s", diff)
		}
		must(t, c, "GET", p.api+"/health/ready", "", 200)
	})
}

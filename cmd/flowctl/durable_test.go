//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
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
		for i := range transfers {
			clients.Go(func() {
				name := fmt.Sprint("t", i)
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
					<-again
				}
			})
		}
		kills := 3
		if testing.Short() {
			kills = 1
		}
		for range kills {
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
		if len(service.keys) != transfers {
			t.Errorf("the service saw %d keys, want %d", len(service.keys), transfers)
		}
		if service.keys[""] > 0 {
			t.Error("a call had no Idempotency-Key")
		}
	})
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
	}
	if code, err := get(c, api+"/api/entries?limit=1000", &list); err != nil || code != 200 {
		t.Fatal(code, err)
	}
	sum, seen := 0, map[string]int{}
	for _, e := range list.Records {
		sum += e.Amount
		seen[e.Transfer+" "+e.Kind]++
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

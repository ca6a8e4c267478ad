//go:build unix

package main

import (
	"fmt"
	"maps"
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/google/go-cmp/cmp"
)

// branch is an app with all that goes on by itself: runs that wait for a time
// and for a signal, runs that a row begins, and a schedule.
const branch = `
db = DataFlow(database_url = env("DATABASE_URL"))
SERVICE = env("SERVICE")
Order = db.model("Order", {"name": field(str, searchable = True)})
Done = db.model("Done", {"name": str})

def place(name, input, type, config):
    wf = WorkflowBuilder(name, input = dict(input, name = str), durable = True)
    wf.add_node(Order.create, "order", {"name": wf.input.name})
    wf.add_node(type, "rest", config)
    wf.add_node("HTTPRequestNode", "call", {"url": SERVICE, "method": "POST", "json": {"order": "${order.id}"}})
    wf.add_node(Done.create, "done", {"name": "${input.name} ${call.status}"})
    return wf.build()

def told(ctx, record):
    ctx.run("HTTPRequestNode", url = SERVICE, method = "POST", json = {"order": record.id})
    ctx.run(Done.create, name = "told " + record.name)

def beat(ctx):
    ctx.run(Done.create, name = "beat")

app = Nexus(name = "branch")
app.register("later", place("later", {"at": datetime}, "WaitNode", {"until": "${input.at}"}))
app.register("signed", place("signed", {}, "SignalNode", {"name": "sign"}))
app.handler("told", told, input = {"record": {"id": int, "name": str}}, durable = True)
app.handler("beat", beat, durable = True)
app.on("Order.created", "told")
app.schedule("@every 1s", "beat")
app.expose(Order)
app.start()
`

// backUp copies a database as docs/operations.md has it, while it is in use.
func backUp(t *testing.T, from string) (to string) {
	t.Helper()
	if !isPostgres(from) {
		file := filepath.Join(t.TempDir(), "copy.db")
		sqliteExec(t, strings.TrimPrefix(from, "sqlite:"), "VACUUM INTO '"+file+"'")
		return "sqlite:" + file
	}
	to, dump := pgtest.URL(t), filepath.Join(t.TempDir(), "app.dump")
	for _, args := range [][]string{
		{pgtest.Program(t, "pg_dump"), "--format=custom", "--file=" + dump, from},
		{pgtest.Program(t, "pg_restore"), "--no-owner", "--exit-on-error", "--dbname=" + to, dump},
	} {
		if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", args[0], err, out)
		}
	}
	return to
}

// texts asks a database, as another program might, for a column of text.
func texts(t *testing.T, at, statement string) (list []string) {
	t.Helper()
	db, err := openSQL(strings.TrimPrefix(at, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	rows, err := db.Query(statement)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatal(err)
		}
		list = append(list, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// A copy that is made of a database in use has all that was acknowledged before,
// and each run as it stood with its rows. Held, it does nothing by itself; let go,
// it brings each run to its end, once. One without its runs begins none.
func TestABackupOfWhatIsInUse(t *testing.T) {
	eachEngine(t, func(t *testing.T, url string) {
		service, ofTheCopy := newKeyService(t), newKeyService(t)
		app, c := writeApp(t, branch), newClient(t, 20)
		serve := func(at string, service *keyService, args ...string) *serverProcess {
			cmd := flowctlRun(t, app, "DATABASE_URL="+at, "SERVICE="+service.URL)
			cmd.Args = append(cmd.Args, args...)
			return started(t, cmd)
		}
		p := serve(url, service)
		const rest = 6 * time.Second
		var mu sync.Mutex
		acknowledged := map[string]bool{}
		stop := make(chan struct{})
		var clients sync.WaitGroup
		for client := range 6 {
			clients.Go(func() {
				for i := 0; ; i++ {
					select {
					case <-stop:
						return
					case <-time.After(20 * time.Millisecond):
					}
					name := fmt.Sprintf("%d-%d", client, i)
					path, body := "/api/orders", fmt.Sprintf(`{"name": %q}`, name)
					switch client % 3 {
					case 1:
						path, body = "/workflows/later/execute", fmt.Sprintf(`{"inputs": {"name": %q, "at": %q}}`, name, time.Now().Add(rest).UTC().Format(time.RFC3339))
					case 2:
						path, body = "/workflows/signed/execute", fmt.Sprintf(`{"inputs": {"name": %q}}`, name)
					}
					a, err := ask(c, http.MethodPost, p.api+path, body, name)
					if err != nil || a.status < 200 || a.status > 202 {
						t.Errorf("%s: %v %v", path, a, err)
						return
					}
					mu.Lock()
					acknowledged[name] = true
					mu.Unlock()
				}
			})
		}
		has := func(n int) func() bool {
			return func() bool { mu.Lock(); defer mu.Unlock(); return len(acknowledged) >= n }
		}
		waitUntil(t, "there is something to copy", has(60))
		mu.Lock()
		before := maps.Clone(acknowledged)
		mu.Unlock()
		held, emptied := backUp(t, url), backUp(t, url)
		waitUntil(t, "more has come since", has(len(before)+60))
		close(stop)
		clients.Wait()

		const standing = `SELECT id || ' ' || workflow || ' ' || status FROM _flow_runs ORDER BY id`
		was := texts(t, held, standing)
		orders := texts(t, held, `SELECT name FROM orders ORDER BY name`)
		there := map[string]bool{}
		for _, name := range orders {
			if there[name] {
				t.Errorf("%s is there twice", name)
			}
			there[name] = true
		}
		for name := range before {
			if !there[name] {
				t.Errorf("%s is lost", name)
			}
		}
		original := p
		p = serve(held, ofTheCopy, "--hold-runs")
		if out, _ := p.output(); !strings.Contains(out, "runs      held: none that waits or is queued goes on") {
			t.Errorf("the server says\n%s", out)
		}
		// The original has runs that wait longer than those of the copy.
		const later = `SELECT id FROM _flow_runs WHERE workflow = 'later' AND status <> 'completed'`
		waitUntil(t, "the runs of the original went on", func() bool { return len(texts(t, url, later)) == 0 })
		if err := original.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		<-original.exited
		if now := texts(t, held, standing); !slices.Equal(now, was) {
			t.Errorf("runs that are held went on:\n%s", cmp.Diff(was, now))
		}
		if n := len(calls(ofTheCopy)); n > 0 {
			t.Errorf("%d calls were made for runs that are held", n)
		}
		must(t, c, http.MethodPost, p.api+"/api/orders", `{"name": "held"}`, 201)
		if code, err := p.stop(syscall.SIGTERM); code != 0 || err != nil {
			t.Fatal(code, err)
		}

		forget(service)
		p = serve(held, service)
		for _, id := range texts(t, held, `SELECT id FROM _flow_runs WHERE workflow = 'signed'`) {
			must(t, c, http.MethodPost, p.api+"/runs/"+id+"/signal", `{"name": "sign", "payload": null}`, 202)
		}
		const open = `SELECT id FROM _flow_runs WHERE workflow <> 'beat' AND status <> 'completed'`
		waitUntil(t, "all runs have completed", func() bool { return len(texts(t, held, open)) == 0 })
		want := []string{"told held"}
		for _, name := range orders {
			want = append(want, "told "+name)
			if !strings.HasPrefix(name, "0-") && !strings.HasPrefix(name, "3-") {
				want = append(want, name+" 200")
			}
		}
		slices.Sort(want)
		done := texts(t, held, `SELECT name FROM dones WHERE name <> 'beat'`)
		slices.Sort(done)
		if !slices.Equal(done, want) {
			t.Errorf("what was done:\n%s", cmp.Diff(want, done))
		}
		for key, n := range calls(service) {
			if n > 1 {
				t.Errorf("the call %s was made %d times", key, n)
			}
		}

		for _, table := range []string{"_flow_signals", "_flow_steps", "_flow_runs", "_flow_schedules"} {
			if isPostgres(emptied) {
				pgtest.Exec(t, emptied, "DELETE FROM "+table)
			} else {
				sqliteExec(t, strings.TrimPrefix(emptied, "sqlite:"), "DELETE FROM "+table)
			}
		}
		forget(service)
		p = serve(emptied, service)
		must(t, c, http.MethodPost, p.api+"/api/orders", `{"name": "anew"}`, 201)
		waitUntil(t, "what is new is told of", func() bool {
			return len(texts(t, emptied, `SELECT name FROM dones WHERE name = 'told anew'`)) == 1
		})
		if n := len(calls(service)); n != 1 {
			t.Errorf("%d calls were made, want that for what is new", n)
		}
	})
}

// forget has a service count from here.
func forget(s *keyService) {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.keys)
}

// calls are those that a service was asked for, by their keys.
func calls(s *keyService) map[string]int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.keys)
}

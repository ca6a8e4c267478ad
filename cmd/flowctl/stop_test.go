package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// stoppedApp adds rows in every way that acknowledges them.
const stoppedApp = `db = DataFlow(database_url = env("DATABASE_URL"))
Note = db.model("Note", {"text": str})
def add(ctx, text):
    return {"id": ctx.run(Note.create, text = text).id}
app = Nexus()
app.expose(Note)
app.handler("add", add, input = {"text": str})
app.start()
`

// Whoever has been answered finds what was written, however busy the server was
// when it was told to stop.
func TestAStopUnderLoadLosesNothing(t *testing.T) {
	onEachEngine(t, func(t *testing.T, empty func(*testing.T) string) {
		app := filepath.Join(t.TempDir(), "app.star")
		if err := os.WriteFile(app, []byte(stoppedApp), 0o644); err != nil {
			t.Fatal(err)
		}
		database := "DATABASE_URL=" + empty(t)
		p := serveApp(t, app, database)
		load := writeUntilRefused(t, p, 300)
		<-p.exited
		if code := p.cmd.ProcessState.ExitCode(); code != 0 {
			_, errOut := p.output()
			t.Fatalf("exit code %d:\n%s", code, errOut)
		}
		p = serveApp(t, app, database)
		there := allIDs(t, p)
		for id := range load.acknowledged {
			if !there[id] {
				t.Errorf("the row %d was acknowledged and is not there", id)
			}
		}
		// What was not answered may have been done, or not; nothing else is there.
		if most := len(load.acknowledged) + int(load.unanswered.Load()); len(there) > most {
			t.Errorf("%d rows are there, of at most %d that were sent", len(there), most)
		}
		t.Logf("%d acknowledged, %d there; %d sent and not answered, %d turned away", len(load.acknowledged), len(there), load.unanswered.Load(), load.refused.Load())
	})
}

// traffic is what came of many writes.
type traffic struct {
	mu           sync.Mutex
	acknowledged map[int64]bool
	unanswered   atomic.Int64 // the connection ended before an answer
	refused      atomic.Int64 // no connection was made, or the server said that it stops
}

// writeUntilRefused writes with connections that are kept and ones that are not,
// tells the server to stop after some writes, and returns when it takes no more.
func writeUntilRefused(t *testing.T, p *serverProcess, before int) *traffic {
	t.Helper()
	w := &traffic{acknowledged: make(map[int64]bool)}
	stop := sync.OnceFunc(func() {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
	})
	var clients sync.WaitGroup
	for i := range 16 {
		clients.Go(func() {
			c := &http.Client{Transport: &http.Transport{DisableKeepAlives: i%4 == 0, MaxIdleConnsPerHost: 1}, Timeout: patience}
			defer c.CloseIdleConnections()
			for n := 0; w.send(t, c, p.api, i, n); n++ {
				w.mu.Lock()
				enough := len(w.acknowledged) >= before
				w.mu.Unlock()
				if enough {
					stop()
				}
			}
		})
	}
	clients.Wait()
	return w
}

// send makes one write, and reports whether it is worth to try another.
func (w *traffic) send(t *testing.T, c *http.Client, api string, i, n int) bool {
	var answer struct {
		ID      int64
		Outputs struct{ ID int64 }
	}
	path, body := "/api/notes", fmt.Sprintf(`{"text": "%d.%d"}`, i, n)
	if i%2 == 1 {
		path, body = "/workflows/add/execute", `{"inputs": `+body+`}`
	}
	code, err := post(c, api+path, body, &answer)
	dial, _ := errors.AsType[*net.OpError](err)
	switch {
	case dial != nil && dial.Op == "dial": // nothing was sent
		w.refused.Add(1)
		return false
	case err != nil:
		w.unanswered.Add(1)
		t.Logf("%s: %v", path, err)
		return true // the next attempt says whether anybody is there
	case code == http.StatusServiceUnavailable:
		w.refused.Add(1)
		return true
	case code != http.StatusCreated && code != http.StatusOK:
		t.Errorf("%s: %d", path, code)
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acknowledged[answer.ID+answer.Outputs.ID] = true
	return true
}

// allIDs are the ids of all notes.
func allIDs(t *testing.T, p *serverProcess) map[int64]bool {
	t.Helper()
	ids := make(map[int64]bool)
	for next := "/api/notes?limit=1000"; next != ""; {
		var page struct {
			Records    []struct{ ID int64 }
			NextCursor string `json:"next_cursor"`
		}
		if code, err := get(http.DefaultClient, p.api+next, &page); err != nil || code != http.StatusOK {
			t.Fatal(next, code, err)
		}
		for _, r := range page.Records {
			ids[r.ID] = true
		}
		if next = ""; page.NextCursor != "" {
			next = "/api/notes?limit=1000&cursor=" + page.NextCursor
		}
	}
	return ids
}

// A server that is told to stop while it makes its next state ready, and waits
// for a database, gives that up: it stops as ever, within its grace time, and
// whoever has been answered finds what was written.
func TestAStopDuringAReloadLosesNothing(t *testing.T) {
	onEachEngine(t, func(t *testing.T, empty func(*testing.T) string) {
		for _, c := range []struct {
			name, verb string
			flags      []string
			// hold has a reload wait: it returns what is saved as the app, and what
			// waits until the reload does.
			hold func(t *testing.T, database string) (next string, waits func(p *serverProcess) bool)
		}{
			{"a database that is silent, dev", "dev", nil, silentDatabase},
			{"a database that is silent, run", "run", []string{"--watch"}, silentDatabase},
			{"another's lock", "dev", nil, lockedDatabase},
		} {
			t.Run(c.name, func(t *testing.T) {
				at := empty(t)
				app := filepath.Join(t.TempDir(), "app.star")
				written(t, app, stoppedApp)
				database := "DATABASE_URL=" + at
				cmd := flowctlRun(t, app, database)
				cmd.Args = append([]string{cmd.Args[0], c.verb, app}, append(cmd.Args[3:], c.flags...)...)
				p := started(t, cmd)
				next, waits := c.hold(t, at)
				written(t, app+".new", next)
				if err := os.Rename(app+".new", app); err != nil {
					t.Fatal(err)
				}
				look := time.NewTicker(5 * time.Millisecond)
				defer look.Stop()
				for late := time.After(patience); !waits(p); {
					select {
					case <-look.C:
					case <-late:
						out, errOut := p.output()
						t.Fatalf("the reload does not wait:\n%s%s", out, errOut)
					}
				}
				load := writeUntilRefused(t, p, 100)
				told := time.Now()
				select {
				case <-p.exited:
				case <-time.After(grace):
					t.Fatalf("it goes on %s after it has been told to stop", grace)
				}
				out, errOut := p.output()
				if code := p.cmd.ProcessState.ExitCode(); code != exitOK || !strings.HasSuffix(out, "stopped\n") || strings.Contains(out+errOut, "reloaded") {
					t.Errorf("exit code %d after %s:\n%s%s", code, time.Since(told), out, errOut)
				}
				written(t, app, stoppedApp)
				p = serveApp(t, app, database)
				there := allIDs(t, p)
				for id := range load.acknowledged {
					if !there[id] {
						t.Errorf("the row %d was acknowledged and is not there", id)
					}
				}
			})
		}
	})
}

// silentDatabase adds a database to the app of which the server takes
// connections and says nothing.
func silentDatabase(t *testing.T, _ string) (string, func(*serverProcess) bool) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	asked := make(chan struct{})
	go func() {
		for first := true; ; first = false {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			if first {
				close(asked)
			}
		}
	}()
	return withDatabase("postgres://flow@" + l.Addr().String() + "/silent?sslmode=disable"), func(*serverProcess) bool {
		select {
		case <-asked:
			return true
		default:
			return false
		}
	}
}

// withDatabase is the app with another database.
func withDatabase(url string) string {
	more := fmt.Sprintf("other = DataFlow(database_url = %q, migration_lock_timeout = \"10m\")\nMore = other.model(\"More\", {\"n\": int})\napp.expose(More)\napp.start()", url)
	return strings.Replace(stoppedApp, "app.start()", more, 1)
}

// lockedDatabase has another program's transaction in the way of the reload: of
// the table that it alters on PostgreSQL, of a database that it opens on SQLite.
func lockedDatabase(t *testing.T, database string) (string, func(*serverProcess) bool) {
	t.Helper()
	locking := func(at string, statements ...string) {
		c, err := openTest(t, at).Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() }) // which ends its transaction
		for _, statement := range statements {
			if _, err := c.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	if isPostgres(database) {
		db := openTest(t, database)
		locking(database, "BEGIN", "LOCK TABLE notes IN ACCESS SHARE MODE")
		next := strings.NewReplacer(`"Note", {"text": str}`, `"Note", {"text": str, "more": field(str, optional = True)}`, `"DATABASE_URL")`, `"DATABASE_URL"), migration_lock_timeout = "10m"`).Replace(stoppedApp)
		return next, func(*serverProcess) bool {
			var waiting bool
			if err := db.QueryRow("SELECT count(*) > 0 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'").Scan(&waiting); err != nil {
				t.Fatal(err)
			}
			return waiting
		}
	}
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED, NOT TESTED: only Linux says which files a process has open")
	}
	path := filepath.Join(t.TempDir(), "other.db")
	locking("sqlite:"+path, "CREATE TABLE there (n INTEGER)", "BEGIN EXCLUSIVE")
	return withDatabase("sqlite:" + path), func(p *serverProcess) bool {
		dir := fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(files, func(f os.DirEntry) bool {
			to, _ := os.Readlink(filepath.Join(dir, f.Name())) // it may be closed again
			return to == path
		})
	}
}

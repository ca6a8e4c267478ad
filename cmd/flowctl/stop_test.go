package main

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
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

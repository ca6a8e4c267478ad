package main

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
)

// smallDisk mounts a file system of its own that is soon full. Only root may:
// without, what an engine does on a full disk is tested beside it alone.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED, NOT TESTED: only root may mount a small disk")
	}
	dir, err := os.MkdirTemp("", "flowctl-disk-") // others are to reach it too
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("none", dir, "tmpfs", 0, "mode=0777,size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// TestTheDiskIsFull fills a disk by writing, through the server, makes room
// and goes on.
func TestTheDiskIsFull(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) {
		dir := smallDisk(t, "1m")
		testFullDisk(t, dir, "sqlite:"+filepath.Join(dir, "app.db"))
	})
	t.Run("postgres", func(t *testing.T) {
		pg := pgtest.Start(t, "", nil)
		dir := smallDisk(t, "16m")
		space := filepath.Join(dir, "space")
		if err := os.Mkdir(space, 0o700); err != nil {
			t.Fatal(err)
		}
		pg.Own(space)
		pgtest.Exec(t, pg.URL(), "CREATE TABLESPACE small LOCATION '"+space+"'", "CREATE DATABASE full_one TABLESPACE small")
		testFullDisk(t, dir, strings.Replace(pg.URL(), "/postgres", "/full_one", 1))
	})
}

// noise is text that can't be made smaller.
func noise(n int) string {
	b := make([]byte, n/2)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

func testFullDisk(t *testing.T, dir, url string) {
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 200<<10), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serveApp(t, itemsApp(t, "", ""), "DATABASE_URL="+url)
	c := newClient(t, 1)
	rows := func() int {
		var n struct {
			Total int `json:"total"`
		}
		if code, err := get(c, p.api+"/api/items?limit=1&count=true&fields=n", &n); err != nil || code != 200 {
			t.Fatal(code, err)
		}
		return n.Total
	}
	// Each call is two rows: both or none.
	two := fmt.Sprintf(`{"data": [{"n": 1, "text": %q}, {"n": 2, "text": %q}]}`, noise(20_000), noise(20_000))
	written := 0
	fill := func() answer {
		for {
			a, err := ask(c, "POST", p.api+"/api/items/bulk_create", two, "")
			if err != nil {
				t.Fatal(err)
			}
			if a.status >= 300 {
				return a
			}
			if written += 2; written > 100_000 {
				t.Fatal("the disk does not fill up")
			}
		}
	}
	if a := fill(); a.status != 507 || !strings.Contains(a.body, `"code":"storage_full"`) || !strings.Contains(a.body, "free some space") {
		t.Errorf("on a full disk: %s", a)
	}
	if n := rows(); n != written || n == 0 {
		t.Errorf("%d rows are there, %d were acknowledged", n, written)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	before := written
	fill()
	if n := rows(); n != written || written == before {
		t.Errorf("with room again: %d rows, %d acknowledged, %d before", n, written, before)
	}
	if code, err := p.stop(syscall.SIGTERM); code != 0 || err != nil {
		t.Error(code, err)
	}
}

// A reload that needs room on a full disk changes nothing; the app from before
// goes on, and says so, and with room again the new one comes.
func TestAReloadOnAFullDisk(t *testing.T) {
	dir := smallDisk(t, "1m")
	app := filepath.Join(t.TempDir(), "app.star")
	save := func(fields string) {
		t.Helper()
		text := `db = DataFlow(database_url = "sqlite:` + dir + `/app.db")
Note = db.model("Note", {"text": str` + fields + `})
app = Nexus()
app.expose(Note)
app.start()
`
		if err := os.WriteFile(app, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save("")
	p := serveApp(t, app)
	c := newClient(t, 1)
	write := func(body string, want int) {
		t.Helper()
		if code, err := post(c, p.api+"/api/notes", body, nil); code != want || err != nil {
			t.Errorf("%s: %d, %v", body, code, err)
		}
	}
	write(`{"text":"kept"}`, 201)
	filler := filepath.Join(dir, "filler")
	_ = os.WriteFile(filler, make([]byte, 2<<20), 0o600) // which does not fit
	save(`, "more": field(str, default = "x", index = True)`)
	hangUp := func(text string) {
		t.Helper()
		if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		if err := p.awaitLog(text); err != nil {
			t.Fatal(err)
		}
	}
	hangUp("generation 1 goes on")
	if _, said := p.output(); !strings.Contains(said, "FC607") {
		t.Errorf("it said: %s", said)
	}
	var list struct{ Count int }
	if code, err := get(c, p.api+"/api/notes", &list); code != 200 || list.Count != 1 || err != nil {
		t.Error(code, list, err)
	}
	write(`{"text":"x","more":"y"}`, 422)
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	await(t, "what there was no room for is served", func() bool { // for the signal, or by itself
		res, err := c.Get(p.api + "/health/live")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.Header.Get("X-Flowctl-Stale") == ""
	})
	write(`{"text":"x","more":"y"}`, 201)
}

// TestAReadOnlyDisk: an app on it is not started.
func TestAReadOnlyDisk(t *testing.T) {
	dir := smallDisk(t, "1m")
	file := filepath.Join(dir, "app.db")
	app := itemsApp(t, "", "")
	p := serveApp(t, app, "DATABASE_URL=sqlite:"+file)
	c := newClient(t, 1)
	must(t, c, "POST", p.api+"/api/items", `{"n": 1}`, 201)
	if code, err := p.stop(syscall.SIGTERM); code != 0 || err != nil {
		t.Fatal(code, err)
	}
	remount := func(flags uintptr) {
		if err := syscall.Mount("none", dir, "", syscall.MS_REMOUNT|flags, ""); err != nil {
			t.Fatal(err)
		}
	}
	remount(syscall.MS_RDONLY)
	out, err := flowctlRun(t, app, "DATABASE_URL=sqlite:"+file).CombinedOutput()
	if _, failed := err.(*exec.ExitError); !failed || !strings.Contains(string(out), "error[FC606]: the database "+file+" can't be written to") {
		t.Errorf("%v\n%s", err, out)
	}
	remount(0)
	p = serveApp(t, app, "DATABASE_URL=sqlite:"+file)
	must(t, c, "GET", p.api+"/api/items/1", "", 200)
}

// TestADatabaseDamagedInTheMiddle is found when what is damaged is read.
func TestADatabaseDamagedInTheMiddle(t *testing.T) {
	file := filepath.Join(t.TempDir(), "app.db")
	app := itemsApp(t, "", "")
	p := serveApp(t, app, "DATABASE_URL=sqlite:"+file)
	c := newClient(t, 1)
	for range 100 {
		must(t, c, "POST", p.api+"/api/items", fmt.Sprintf(`{"n": 1, "text": %q}`, strings.Repeat("x", 4000)), 201)
	}
	if code, err := p.stop(syscall.SIGTERM); code != 0 || err != nil {
		t.Fatal(code, err)
	}
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, 100<<10), info.Size()-100<<10); err != nil {
		t.Fatal(err)
	}
	f.Close()
	p = serveApp(t, app, "DATABASE_URL=sqlite:"+file)
	for _, path := range []string{"/api/items?limit=1000", "/api/items/100"} {
		if a, err := ask(c, "GET", p.api+path, "", ""); err != nil || a.status != 507 || !strings.Contains(a.body, `"code":"storage_corrupt"`) || !strings.Contains(a.body, "backup") {
			t.Errorf("%s: %.300s, %v", path, a, err)
		}
	}
	must(t, c, "GET", p.api+"/api/items/1", "", 200) // what is not damaged is served
}

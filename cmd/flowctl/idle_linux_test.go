package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Ten thousand connections on which nothing happens hold up nobody, and little
// memory.
func TestTenThousandIdleConnections(t *testing.T) {
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	n := 10_000
	if may := int(min(files.Cur, 1<<20)) - 1000; may < n { // Go has raised the limit as far as it may
		t.Logf("this process may have %d files: %d connections and not %d", files.Cur, may, n)
		n = max(may, 16)
	}
	app := filepath.Join(t.TempDir(), "app.star")
	if err := os.WriteFile(app, []byte(`db = DataFlow(database_url = "sqlite:app.db")
Note = db.model("Note", {"text": str})
app = Nexus()
app.expose(Note)
app.start()
`), 0o600); err != nil {
		t.Fatal(err)
	}
	p := serveApp(t, app)
	addr := strings.TrimPrefix(p.api, "http://")
	conns := make([]net.Conn, n)
	var wg sync.WaitGroup
	const dialers = 8
	for d := range dialers {
		wg.Go(func() {
			for i := d; i < n; i += dialers {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					t.Error(err)
					return
				}
				conns[i] = c
				if i%4 == 0 { // some have been served before
					fmt.Fprintf(c, "GET /health/live HTTP/1.1\r\nHost: %s\r\n\r\n", addr)
				}
			}
		})
	}
	wg.Wait()
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	c := newClient(t, 1)
	for range 20 {
		if code, err := post(c, p.api+"/api/notes", `{"text":"x"}`, nil); code != http.StatusCreated || err != nil {
			t.Fatal(code, err)
		}
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	kib, err := strconv.Atoi(string(regexp.MustCompile(`VmHWM:\s+(\d+)`).FindSubmatch(status)[1]))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d connections, at most %d MiB", n, kib>>10)
	if kib > 400<<10 {
		t.Errorf("the server has taken %d MiB", kib>>10)
	}
	for i := 0; i < n; i += 4 * (n / 16) { // nobody was turned away
		_ = conns[i].SetReadDeadline(time.Now().Add(patience))
		head := make([]byte, len("HTTP/1.1 200"))
		if _, err := conns[i].Read(head); err != nil || string(head) != "HTTP/1.1 200" {
			t.Errorf("connection %d: %q, %v", i, head, err)
		}
	}
}

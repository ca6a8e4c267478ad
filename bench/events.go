package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// eventsApp is an app whose changes are streamed.
const eventsApp = `db = DataFlow(database_url = env("DATABASE_URL"))
Note = db.model("Note", {"text": str, "n": int})
app = Nexus()
app.expose(Note, events = True)
app.start()
`

// changesASecond is how many rows are created a second while all listen.
const changesASecond = 100

// events has many clients follow a model, and watches the server's memory while
// rows are created. The clients are this process; the server is another.
func events(ctx context.Context, c config) error {
	app := filepath.Join(c.dir, "events.star")
	if err := os.WriteFile(app, []byte(eventsApp), 0o600); err != nil {
		return err
	}
	p, err := flowctlRun(c, app, filepath.Join(c.dir, "events.db"))
	if err != nil {
		return err
	}
	defer p.kill()
	if _, err := p.answered(ctx, "/health/ready"); err != nil {
		return err
	}
	idle, err := p.rss()
	if err != nil {
		return err
	}
	var heard atomic.Int64
	var listeners sync.WaitGroup
	conns := make([]net.Conn, c.listeners)
	defer func() {
		for _, conn := range conns {
			if conn != nil {
				conn.Close()
			}
		}
		listeners.Wait()
	}()
	for i := range conns {
		if conns[i], err = follow(p.addr); err != nil {
			return fmt.Errorf("listener %d: %w\n%s", i, err, p.log)
		}
		listeners.Go(func() { count(conns[i], &heard) })
	}
	time.Sleep(c.settle)
	listening, err := p.rss()
	if err != nil {
		return err
	}
	before, err := p.cpu()
	if err != nil {
		return err
	}
	highest := listening
	began := time.Now()
	changes := int(c.listen.Seconds() * changesASecond)
	for i := range changes {
		time.Sleep(time.Until(began.Add(time.Duration(i) * time.Second / changesASecond)))
		res, err := http.Post("http://"+p.addr+"/api/notes", "application/json", strings.NewReader(fmt.Sprintf(`{"text": "note %d", "n": %d}`, i, i)))
		if err != nil {
			return fmt.Errorf("%w\n%s", err, p.log)
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != http.StatusCreated {
			return fmt.Errorf("change %d: %s", i, res.Status)
		}
		if i%(changesASecond/10) == 0 {
			now, err := p.rss()
			if err != nil {
				return err
			}
			highest = max(highest, now)
		}
	}
	wrote := time.Since(began)
	all := int64(changes) * int64(c.listeners)
	for heard.Load() < all && ctx.Err() == nil && time.Since(began) < 10*c.listen {
		time.Sleep(10 * time.Millisecond)
		now, err := p.rss()
		if err != nil {
			return err
		}
		highest = max(highest, now)
	}
	took := time.Since(began)
	after, err := p.cpu()
	if err != nil {
		return err
	}
	if got := heard.Load(); got != all {
		return fmt.Errorf("%d of %d events were heard", got, all)
	}
	table(c.out, fmt.Sprintf("%d listeners, %d changes in %.1f s, SQLite: the server's resident memory in MiB", c.listeners, changes, wrote.Seconds()),
		[]string{"nobody listens", "all listen", "highest", "heard", "all had heard after, s", "CPU of the server, s"},
		[][]string{{mib(idle), mib(listening), mib(highest), fmt.Sprint(all), fmt.Sprintf("%.1f", took.Seconds()), fmt.Sprintf("%.1f", (after - before).Seconds())}})
	return nil
}

// follow opens a stream of changes, and returns once it has begun.
func follow(addr string) (net.Conn, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(conn, "GET /api/notes/events HTTP/1.1\r\nHost: "+addr+"\r\nAccept: text/event-stream\r\n\r\n"); err != nil {
		conn.Close()
		return nil, err
	}
	head := make([]byte, 12)
	if _, err := io.ReadFull(conn, head); err != nil || string(head) != "HTTP/1.1 200" {
		conn.Close()
		return nil, fmt.Errorf("it is answered with %q: %v", head, err)
	}
	return conn, nil
}

// count counts the events of a stream until it ends. An event may begin in one
// chunk of the answer and end in the next.
func count(conn net.Conn, heard *atomic.Int64) {
	answer := bufio.NewReaderSize(conn, 4096)
	for { // what is left of the headers
		line, err := answer.ReadSlice('\n')
		if err != nil {
			return
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
	}
	for lines := bufio.NewReaderSize(httputil.NewChunkedReader(answer), 4096); ; {
		line, err := lines.ReadSlice('\n')
		if bytes.HasPrefix(line, []byte("event: created")) {
			heard.Add(1)
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

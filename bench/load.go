package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// load is a closed loop: each connection sends its next request when the
// answer to the last one is there, until n have been sent in all.
type load struct {
	addr    string
	conns   int
	n       int
	status  int // what every answer must have
	request func(i int) []byte
}

// client is what every client says of itself, curl as much as a browser: a
// request with less is one that nobody sends.
const client = "User-Agent: bench/1.0\r\nAccept: */*\r\n"

// get and post write requests as they go over the wire.
func get(path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: localhost\r\n" + client + "\r\n")
}

func post(path, body string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: localhost\r\n"+client+"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
}

// run sends everything and returns how long it took.
func (l load) run(ctx context.Context) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	var next atomic.Int64
	var wg sync.WaitGroup
	errs := make(chan error, l.conns)
	begin := time.Now()
	for range min(l.conns, l.n) {
		wg.Go(func() {
			if err := l.connection(ctx, &next); err != nil {
				errs <- err
				cancel()
			}
		})
	}
	wg.Wait()
	close(errs)
	return time.Since(begin), <-errs
}

func (l load) connection(ctx context.Context, next *atomic.Int64) error {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", l.addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	r := bufio.NewReaderSize(conn, 32<<10)
	status := fmt.Appendf(nil, "HTTP/1.1 %d ", l.status)
	for {
		i := int(next.Add(1)) - 1
		if i >= l.n {
			return nil
		}
		req := l.request(i)
		if _, err := conn.Write(req); err != nil {
			return err
		}
		if n := plain(r, status); n > 0 {
			_, err = r.Discard(n)
		} else {
			err = l.answer(r, req)
		}
		if err != nil {
			return err
		}
	}
}

// plain returns the length of the next answer if it begins as it should, with its
// header all there and a Content-Length; else 0. Clients share the processors with
// the servers that they measure: what they do besides counts against the quicker
// one.
func plain(r *bufio.Reader, status []byte) int {
	if _, err := r.Peek(1); err != nil {
		return 0
	}
	b, _ := r.Peek(r.Buffered()) // which needs no reading
	end := bytes.Index(b, []byte("\r\n\r\n"))
	if end < 0 || !bytes.HasPrefix(b, status) {
		return 0
	}
	_, rest, found := bytes.Cut(b[:end+2], []byte("\r\nContent-Length: "))
	digits, _, _ := bytes.Cut(rest, []byte("\r\n"))
	n, err := strconv.Atoi(string(digits))
	if !found || err != nil {
		return 0
	}
	return end + 4 + n
}

// answer reads any other answer.
func (l load) answer(r *bufio.Reader, req []byte) error {
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != l.status {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 2000))
		return fmt.Errorf("%s\nanswered %s: %s", req, resp.Status, body)
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	return err
}

// cost is what a load took.
type cost struct {
	cpu  time.Duration // of the server, per request
	wall time.Duration // per request
}

func (l load) measure(ctx context.Context, p *process) (cost, error) {
	before, err := p.cpu()
	if err != nil {
		return cost{}, err
	}
	wall, err := l.run(ctx)
	if err != nil {
		return cost{}, fmt.Errorf("%w\n%s", err, p.log)
	}
	after, err := p.cpu()
	return cost{cpu: (after - before) / time.Duration(l.n), wall: wall / time.Duration(l.n)}, err
}

package nexus

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/flowctl/flowctl/nexus/internal/apptest"
)

// A client that sends its headers a byte at a time holds a connection for as long
// as headers may take, on both ports, and no longer: each byte gives it no more
// time. Others are served meanwhile.
func TestSlowHeadersAreCutOff(t *testing.T) {
	gen, ds := Build(t.Context(), apptest.Shop("sqlite:"+filepath.Join(t.TempDir(), "shop.db")), Options{})
	if gen == nil {
		t.Fatal(ds)
	}
	s, ds := Listen(gen, Options{})
	if s == nil {
		t.Fatal(ds)
	}
	if s.headers != 10*time.Second {
		t.Errorf("headers may take %s", s.headers)
	}
	s.headers = 200 * time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, time.Minute) }()
	for _, l := range []*net.TCPListener{s.api, s.mcp} {
		begun := time.Now()
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Fatal(err)
		}
		var done atomic.Bool
		drip := make(chan struct{})
		go func() { // until the other side has hung up
			defer close(drip)
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for text := "GET /health/live HTTP/1.1\r\nHost: localhost\r\nX-Slow: "; !done.Load(); <-tick.C {
				if _, err := io.WriteString(c, text); err != nil {
					return
				}
				text = "a"
			}
		}()
		res, err := http.Get("http://" + s.api.Addr().String() + "/health/live")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusOK {
			t.Errorf("others get %d", res.StatusCode)
		}
		answer, err := io.ReadAll(c)
		if err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the connection is still open: %v", err)
		}
		if text := string(answer); text != "" && !strings.HasPrefix(text, "HTTP/1.1 408") {
			t.Errorf("it is answered: %s", text)
		}
		if took := time.Since(begun); took < s.headers {
			t.Errorf("it was cut off after %s, before its time", took)
		}
		done.Store(true)
		c.Close()
		<-drip
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

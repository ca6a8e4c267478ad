package nexus

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// both are the two ends of a connection, of which the first is the server's.
func both(t *testing.T) (*lazily, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	return &lazily{TCPConn: server.(*net.TCPConn)}, client
}

var past = time.Unix(1, 0)

func TestADeadlineIsForTheCallsThatFollow(t *testing.T) {
	c, client := both(t)
	one := make([]byte, 1)
	for _, set := range []func(time.Time) error{c.SetReadDeadline, c.SetDeadline} {
		if err := set(past); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(one); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("past its deadline: %v", err)
		}
		if _, err := c.WriteTo(io.Discard); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("past its deadline, to a writer: %v", err)
		}
		if err := set(time.Time{}); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Write([]byte{'x'}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(one); err != nil {
			t.Errorf("without a deadline: %v", err)
		}
	}
	if err := c.SetWriteDeadline(past); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(one); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a write past its deadline: %v", err)
	}
	if _, err := c.ReadFrom(strings.NewReader("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a write from a reader past its deadline: %v", err)
	}
	if err := c.SetWriteDeadline(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(one); err != nil {
		t.Errorf("a write before its deadline: %v", err)
	}
	if _, err := io.ReadFull(client, one); err != nil {
		t.Error(err)
	}
}

func TestADeadlineIsForTheCallUnderWay(t *testing.T) {
	c, _ := both(t)
	if err := c.SetReadDeadline(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	over := make(chan error)
	go func() {
		_, err := c.Read(make([]byte, 1))
		over <- err
	}()
	if err := c.SetReadDeadline(past); err != nil { // before the call, or while it waits
		t.Fatal(err)
	}
	if err := <-over; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error(err)
	}
}

func TestADeadlineOfAClosedConnection(t *testing.T) {
	c, _ := both(t)
	if err := c.SetReadDeadline(past); err != nil {
		t.Fatal(err)
	}
	c.Close()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}

// hasCome waits until a call under way has met the deadline of before, and got
// its own.
func hasCome(t *testing.T, d *deadline) {
	t.Helper()
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	late := time.After(20 * time.Second)
	for {
		d.mu.Lock()
		own := d.under > 0 && d.have.Equal(d.want)
		d.mu.Unlock()
		if own {
			return
		}
		select {
		case <-look.C:
		case <-late:
			t.Fatal("the deadline has not come")
		}
	}
}

func TestAReadGoesOnPastADeadlineOfBefore(t *testing.T) {
	for _, next := range []time.Time{{}, time.Now().Add(time.Hour)} {
		c, client := both(t)
		one := make([]byte, 1)
		if err := c.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Write([]byte{'a'}); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Read(one); err != nil {
			t.Fatal(err)
		}
		if err := c.SetReadDeadline(next); err != nil {
			t.Fatal(err)
		}
		over := make(chan error)
		go func() {
			_, err := c.Read(one)
			over <- err
		}()
		hasCome(t, &c.reading)
		if _, err := client.Write([]byte{'b'}); err != nil {
			t.Fatal(err)
		}
		if err := <-over; err != nil || one[0] != 'b' {
			t.Errorf("the deadline is %v: %q, %v", next, one, err)
		}
	}
}

func TestAWriteGoesOnPastADeadlineOfBefore(t *testing.T) {
	c, client := both(t)
	if err := c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte{'a'}); err != nil {
		t.Fatal(err)
	}
	if err := c.SetWriteDeadline(time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	much := make([]byte, 16<<20) // more than is buffered for who does not read
	for i := range much {
		much[i] = byte(i % 251)
	}
	over := make(chan error)
	go func() {
		n, err := c.Write(much)
		if err == nil && n != len(much) {
			err = io.ErrShortWrite
		}
		over <- err
	}()
	hasCome(t, &c.writing)
	got := make([]byte, 1+len(much))
	if _, err := io.ReadFull(client, got); err != nil {
		t.Fatal(err)
	}
	if err := <-over; err != nil {
		t.Error(err)
	}
	if !bytes.Equal(got[1:], much) {
		t.Error("what arrives is not what was written")
	}
}

// A deadline that comes sooner than the one before is set.
func TestADeadlineThatComesSooner(t *testing.T) {
	c, client := both(t)
	one := make([]byte, 1)
	for _, d := range []time.Duration{time.Hour, time.Millisecond} {
		if err := c.SetReadDeadline(time.Now().Add(d)); err != nil {
			t.Fatal(err)
		}
		if d == time.Hour {
			if _, err := client.Write([]byte{'a'}); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Read(one); errors.Is(err, os.ErrDeadlineExceeded) != (d == time.Millisecond) {
			t.Errorf("a deadline in %v: %v", d, err)
		}
	}
}

package nexus

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// drainTime is how long a listener that closes still takes in connections.
	drainTime = 50 * time.Millisecond
	// lingerTime is how long connections that are kept open for more requests are
	// still served when the server ends. Who is at work hears with an answer
	// that it is the last; who has said nothing for so long is hung up on.
	lingerTime = 250 * time.Millisecond
)

// drained is a listener that when it is closed first hands out the connections
// that clients have made already: the kernel would reset them, and with them
// requests that their clients have sent.
type drained struct {
	*net.TCPListener
	conns  *connections
	once   sync.Once
	last   bool          // it closes as soon as nobody waits
	closed chan struct{} // whoever connects is refused
}

func drain(tcp *net.TCPListener, conns *connections) *drained {
	return &drained{TCPListener: tcp, conns: conns, closed: make(chan struct{})}
}

// Accept implements net.Listener. One goroutine may call it.
func (d *drained) Accept() (net.Conn, error) {
	for !d.last || waiting(d.TCPListener) {
		tcp, err := d.AcceptTCP()
		switch {
		case err == nil:
			if c := d.conns.admit(tcp); c != nil {
				return c, nil
			}
		case !errors.Is(err, os.ErrDeadlineExceeded):
			return nil, err
		case d.last || d.SetDeadline(time.Now().Add(drainTime)) != nil:
			return nil, d.end() // however many still come
		default:
			d.last = true
		}
	}
	return nil, d.end()
}

func (d *drained) end() error {
	_ = d.TCPListener.Close() // nothing waits that could be lost
	close(d.closed)
	return net.ErrClosed
}

// Close implements net.Listener. The port is free once Accept has failed.
func (d *drained) Close() error {
	var err error
	d.once.Do(func() { err = d.SetDeadline(time.Now().Add(drainTime)) })
	return err
}

// settle lets nobody in any more, and serves those who are connected until they
// have gone, or for the time of linger: http.Server.Shutdown hangs up on who is
// between two requests, and drops a request that it has yet to read.
func settle(ctx context.Context, linger time.Duration, conns *connections, listeners []*drained) {
	for _, l := range listeners {
		_ = l.Close() // it fails only where there is nothing to close
	}
	for _, l := range listeners {
		select {
		case <-l.closed:
		case <-ctx.Done():
			return
		}
	}
	conns.ending.Store(true)
	timer := time.NewTimer(linger)
	defer timer.Stop()
	select {
	case <-conns.empty():
	case <-timer.C:
	case <-ctx.Done():
	}
}

package nexus

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// drainTime is how long a listener that closes still takes in connections.
const drainTime = 50 * time.Millisecond

// drained is a listener that when it is closed first hands out the connections
// that clients have made already: the kernel would reset them, and with them
// requests that their clients have sent.
type drained struct {
	*net.TCPListener
	once sync.Once
}

func drain(l net.Listener) net.Listener {
	if tcp, ok := l.(*net.TCPListener); ok {
		return &drained{TCPListener: tcp}
	}
	return l
}

// Accept implements net.Listener.
func (d *drained) Accept() (net.Conn, error) {
	c, err := d.TCPListener.Accept()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		_ = d.TCPListener.Close() // whoever connects from now on is refused
		return nil, net.ErrClosed
	}
	return c, err
}

// Close implements net.Listener. The port is free once Accept has failed.
func (d *drained) Close() error {
	var err error
	d.once.Do(func() { err = d.SetDeadline(time.Now().Add(drainTime)) })
	return err
}

// settle lets nobody in any more, and gives those who have just connected time
// to be served: http.Server.Shutdown drops a request that it has yet to read.
func settle(ctx context.Context, servers []*http.Server, listeners []net.Listener) {
	for i, srv := range servers {
		srv.SetKeepAlivesEnabled(false) // which closes idle connections
		_ = listeners[i].Close()        // it fails only where there is nothing to close
	}
	timer := time.NewTimer(2 * drainTime)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

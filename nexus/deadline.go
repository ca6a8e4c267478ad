package nexus

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// deadline is that of reading from a connection, or of writing to it. net/http
// sets some six for each request, most of which nothing is waited for under: what
// they are for has come with what was read before. To set one is a change of the
// runtime's timers, which may wake a thread. So it is done by the call that may
// have to wait, and where the connection still has one that comes sooner, not
// even then: a call that is cut off by that goes on.
type deadline struct {
	mu    sync.Mutex
	want  time.Time // zero: none
	have  time.Time // as the connection knows it
	over  bool      // have has come
	under int       // calls under way
}

// set is for the calls under way, and for those that follow.
func (d *deadline) set(t time.Time, apply func(time.Time) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.want = t
	if d.under == 0 {
		return nil
	}
	d.have, d.over = t, !t.IsZero() && time.Until(t) <= 0
	return apply(t)
}

// begin is called before a call that may wait, and end after it. exact is for a
// call that can't go on.
func (d *deadline) begin(exact bool, apply func(time.Time) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	sooner := !exact && !d.over && !d.have.IsZero() && (d.want.IsZero() || d.have.Before(d.want))
	if !sooner && !d.want.Equal(d.have) {
		if err := apply(d.want); err != nil {
			return err
		}
		d.have, d.over = d.want, false
	}
	d.under++
	return nil
}

// end takes what the call has returned. It reports whether that was cut off by a
// deadline that is not the one it was to have, and has to go on.
func (d *deadline) end(err error) (early bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.under--
	if err == nil || d.want.Equal(d.have) || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	d.over = true
	return d.want.IsZero() || time.Until(d.want) > 0
}

// lazily is a connection whose deadlines are set once they matter.
type lazily struct {
	*net.TCPConn
	reading, writing deadline
}

// Read implements net.Conn.
func (c *lazily) Read(p []byte) (n int, err error) {
	for again := true; again; {
		if err := c.reading.begin(false, c.TCPConn.SetReadDeadline); err != nil {
			return 0, err
		}
		n, err = c.TCPConn.Read(p)
		again = c.reading.end(err) && n == 0
	}
	return n, err
}

// Write implements net.Conn.
func (c *lazily) Write(p []byte) (n int, err error) {
	for again := true; again; {
		if err := c.writing.begin(false, c.TCPConn.SetWriteDeadline); err != nil {
			return n, err
		}
		var m int
		m, err = c.TCPConn.Write(p[n:])
		n += m
		again = c.writing.end(err)
	}
	return n, err
}

// ReadFrom implements io.ReaderFrom: a file is sent by the system itself.
func (c *lazily) ReadFrom(r io.Reader) (int64, error) {
	if err := c.writing.begin(true, c.TCPConn.SetWriteDeadline); err != nil {
		return 0, err
	}
	defer c.writing.end(nil)
	return c.TCPConn.ReadFrom(r)
}

// WriteTo implements io.WriterTo.
func (c *lazily) WriteTo(w io.Writer) (int64, error) {
	if err := c.reading.begin(true, c.TCPConn.SetReadDeadline); err != nil {
		return 0, err
	}
	defer c.reading.end(nil)
	return c.TCPConn.WriteTo(w)
}

// SetReadDeadline implements net.Conn.
func (c *lazily) SetReadDeadline(t time.Time) error {
	return c.reading.set(t, c.TCPConn.SetReadDeadline)
}

// SetWriteDeadline implements net.Conn.
func (c *lazily) SetWriteDeadline(t time.Time) error {
	return c.writing.set(t, c.TCPConn.SetWriteDeadline)
}

// SetDeadline implements net.Conn.
func (c *lazily) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

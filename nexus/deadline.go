package nexus

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"
)

// deadline is that of reading from a connection, or of writing to it. net/http
// sets some six for each request, most of which nothing is waited for under: what
// they are for has come with what was read before. To set one is a change of the
// runtime's timers, which may wake a thread. So it is done by the call that may
// have to wait.
type deadline struct {
	mu    sync.Mutex
	want  time.Time // zero: none
	have  time.Time // as the connection knows it
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
	d.have = t
	return apply(t)
}

// begin is called before a call that may wait, and end after it.
func (d *deadline) begin(apply func(time.Time) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.want.Equal(d.have) {
		if err := apply(d.want); err != nil {
			return err
		}
		d.have = d.want
	}
	d.under++
	return nil
}

func (d *deadline) end() {
	d.mu.Lock()
	d.under--
	d.mu.Unlock()
}

// lazily is a connection whose deadlines are set once they matter.
type lazily struct {
	*net.TCPConn
	reading, writing deadline
}

// Read implements net.Conn.
func (c *lazily) Read(p []byte) (int, error) {
	if err := c.reading.begin(c.TCPConn.SetReadDeadline); err != nil {
		return 0, err
	}
	defer c.reading.end()
	return c.TCPConn.Read(p)
}

// Write implements net.Conn.
func (c *lazily) Write(p []byte) (int, error) {
	if err := c.writing.begin(c.TCPConn.SetWriteDeadline); err != nil {
		return 0, err
	}
	defer c.writing.end()
	return c.TCPConn.Write(p)
}

// ReadFrom implements io.ReaderFrom: a file is sent by the system itself.
func (c *lazily) ReadFrom(r io.Reader) (int64, error) {
	if err := c.writing.begin(c.TCPConn.SetWriteDeadline); err != nil {
		return 0, err
	}
	defer c.writing.end()
	return c.TCPConn.ReadFrom(r)
}

// WriteTo implements io.WriterTo.
func (c *lazily) WriteTo(w io.Writer) (int64, error) {
	if err := c.reading.begin(c.TCPConn.SetReadDeadline); err != nil {
		return 0, err
	}
	defer c.reading.end()
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

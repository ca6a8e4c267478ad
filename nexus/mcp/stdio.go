package mcp

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"github.com/flowctl/flowctl/dataflow"
)

// Bounds of one pair of streams, besides what only listens.
const (
	maxInFlight = 32  // messages that are worked on at a time
	maxWaiting  = 256 // those that wait for that; no further one is read meanwhile
)

// ServeStdio speaks the protocol over a pair of streams, a message to a line,
// until in ends, nobody reads out any more or ctx is done. What is under way then
// is done before it returns. Nothing but the protocol is written to out.
func (s *Server) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	set, _ := ctx.Value(toolsetKey{}).(string)
	v, err := s.toolset(set, callerOf(ctx))
	if err != nil {
		return err
	}
	c := &conn{server: s, view: v, out: out, slots: make(chan struct{}, maxInFlight), room: make(chan struct{}, maxInFlight+maxWaiting), session: newSession("", v.name, callerOf(ctx))}
	if f := s.hub.listen(c.session.listener); f != nil {
		return f
	}
	defer s.hub.forget(c.session.listener)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	c.reading, c.gone = context.WithCancel(ctx)
	defer c.gone()
	var told sync.WaitGroup
	told.Go(func() { // its end is the connection's
		_ = s.hub.pump(ctx, c.session.listener, func(text []byte) error { c.announce(text); return nil })
	})
	err = c.read(ctx, in)
	c.busy.Wait() // requests are answered, whatever has become of the client
	c.session.end()
	stop()
	told.Wait()
	c.listening.Wait()
	if err == nil {
		err = c.writeErr
	}
	return err
}

// conn is one pair of streams, and the session of whoever is at its other end.
type conn struct {
	server          *Server
	view            *view
	session         *session
	slots, room     chan struct{}
	busy, listening sync.WaitGroup

	mu       sync.Mutex // guards what follows
	out      io.Writer
	writeErr error

	reading context.Context // done when no more messages are to be taken
	gone    func()          // ends it, once nobody hears what is written
}

// announce tells the client of a change, if it began with a handshake: later
// revisions are told where they listen.
func (c *conn) announce(text []byte) {
	if version, _, _ := c.session.known(); version != "" {
		c.write(text)
	}
}

type line struct {
	text []byte
	err  error
}

// read takes messages until there are no more. Reading goes on aside, as a
// blocked read can't be called off.
func (c *conn) read(ctx context.Context, in io.Reader) error {
	lines := make(chan line)
	go func() {
		r := bufio.NewReaderSize(in, 64<<10)
		for {
			text, err := readLine(r, c.server.o.MaxBody)
			select {
			case lines <- line{text, err}:
			case <-c.reading.Done():
				return
			}
			if err != nil && !errors.Is(err, errLineTooLong) {
				return
			}
		}
	}()
	for {
		select {
		case <-c.reading.Done():
			return nil
		case l := <-lines:
			if len(bytes.TrimSpace(l.text)) > 0 {
				c.receive(ctx, l.text)
			}
			switch {
			case l.err == io.EOF:
				return nil
			case errors.Is(l.err, errLineTooLong):
				c.write(appendFault(nil, nil, faultf(codeInvalidRequest, "the message is larger than %d bytes", c.server.o.MaxBody)))
			case l.err != nil:
				return fmt.Errorf("read a message: %w", l.err)
			}
		}
	}
}

// receive works on one message: a request aside, so that a long one holds up
// no other; a notification at once, so that none overtakes another.
func (c *conn) receive(ctx context.Context, text []byte) {
	m, f := parseMessage(text)
	switch {
	case f != nil:
		c.write(appendFault(nil, m.id, f))
		return
	case m.method == "":
		c.session.answered(m)
		return
	case m.id == nil:
		c.server.notified(c.session, m)
		return
	}
	off, done := c.session.begin(m.id)
	q := &request{server: c.server, view: c.view, caller: callerOf(ctx), session: c.session, msg: m, out: c, off: off}
	if known := c.server.methods[m.method]; known != nil && known.streams {
		c.listening.Go(func() {
			defer done()
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			defer context.AfterFunc(off, cancel)()
			defer context.AfterFunc(c.session.over, cancel)()
			c.answer(ctx, q)
		})
		return
	}
	c.room <- struct{}{}
	c.busy.Go(func() {
		defer func() { <-c.room }()
		defer done()
		// Whoever waits here must not keep what comes after it from being read: it
		// may be the answer, or the cancellation, that others wait for.
		select {
		case c.slots <- struct{}{}:
		case <-off.Done():
			return
		}
		defer func() { <-c.slots }()
		c.answer(ctx, q)
	})
}

func (c *conn) answer(ctx context.Context, q *request) {
	defer func() {
		if p := recover(); p != nil {
			c.server.o.Logger.Error("panic while serving MCP", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			c.write(appendFault(nil, q.msg.id, faultf(codeInternal, "something went wrong inside the server")))
		}
	}()
	text, _ := q.answer(ctx)
	if q.calledOff() || q.method != nil && q.method.streams && c.session.over.Err() != nil {
		return // nobody waits for it
	}
	c.write(text)
}

func (c *conn) notify(text []byte) { c.write(text) }

// ask sends a question; the answer comes as a message of its own.
func (c *conn) ask(ctx context.Context, method string, params *dataflow.Object) (*dataflow.Object, error) {
	return c.session.ask(ctx, c.server.hub, method, params, c.write)
}

func (c *conn) write(text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writeErr != nil {
		return
	}
	if _, err := c.out.Write(append(text, '\n')); err != nil {
		c.writeErr = fmt.Errorf("write a message: %w", err)
		c.gone()
	}
}

var errLineTooLong = errors.New("line too long")

// readLine reads a line of at most limit bytes. Of a longer one it skips the
// rest and reports errLineTooLong.
func readLine(r *bufio.Reader, limit int64) ([]byte, error) {
	var text []byte
	tooLong := false
	for {
		part, err := r.ReadSlice('\n')
		if int64(len(text)+len(part)) > limit {
			text, tooLong = nil, true
		}
		if !tooLong {
			text = append(text, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case tooLong && (err == nil || err == io.EOF):
			return nil, errLineTooLong
		}
		return text, err
	}
}

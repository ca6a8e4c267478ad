package mcp

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"github.com/mark3labs/mcp-go/mcp"
	"github.com/mark3labs/mcp-go/server"
)

// maxInFlight is how many messages of one pair of streams are worked on at a
// time.
const maxInFlight = 32

// ServeStdio speaks the protocol over a pair of streams, a message to a line,
// until in ends or ctx is done. What is under way when in ends is answered
// before it returns: that is why the library's own loop, which calls it off,
// is not used. Nothing but the protocol is written to out.
func (s *Server) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	session := server.NewInProcessSession(server.GenerateInProcessSessionID(), nil)
	inner := s.inner()
	if err := inner.RegisterSession(ctx, session); err != nil {
		return fmt.Errorf("start a session: %w", err)
	}
	defer inner.UnregisterSession(ctx, session.SessionID())
	c := &conn{server: s, out: out, slots: make(chan struct{}, maxInFlight)}
	ctx = inner.WithContext(ctx, session)
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	go c.forward(ctx, session.ClientNotifications())
	err := c.read(ctx, in)
	c.busy.Wait()
	if err == nil {
		err = c.writeErr
	}
	return err
}

// conn is one pair of streams.
type conn struct {
	server *Server
	slots  chan struct{}
	busy   sync.WaitGroup

	mu       sync.Mutex // guards what follows
	out      io.Writer
	writeErr error
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
			case <-ctx.Done():
				return
			}
			if err != nil && !errors.Is(err, errLineTooLong) {
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case l := <-lines:
			if len(bytes.TrimSpace(l.text)) > 0 {
				c.receive(ctx, l.text)
			}
			switch {
			case l.err == io.EOF:
				return nil
			case errors.Is(l.err, errLineTooLong):
				c.write(protocolError(mcp.INVALID_REQUEST, fmt.Sprintf("the message is larger than %d bytes", c.server.o.MaxBody)))
			case l.err != nil:
				return fmt.Errorf("read a message: %w", l.err)
			}
		}
	}
}

// receive works on one message: a request aside, so that a long one holds up
// no other; a notification at once, so that none overtakes another.
func (c *conn) receive(ctx context.Context, text []byte) {
	var head struct {
		ID json.RawMessage `json:"id"`
	}
	if json.Unmarshal(text, &head) == nil && len(head.ID) == 0 {
		c.answer(ctx, text)
		return
	}
	c.slots <- struct{}{}
	c.busy.Go(func() {
		defer func() { <-c.slots }()
		c.answer(ctx, text)
	})
}

func (c *conn) answer(ctx context.Context, text []byte) {
	defer func() {
		if p := recover(); p != nil {
			c.server.o.Logger.Error("panic while serving MCP", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			c.write(protocolError(mcp.INTERNAL_ERROR, "something went wrong inside the server"))
		}
	}()
	if answer := c.server.misread(text); answer != nil {
		c.write(answer)
		return
	}
	if response := c.server.inner().HandleMessage(ctx, text); response != nil {
		c.writeValue(response)
	}
}

// forward passes on what the library sends besides answers.
func (c *conn) forward(ctx context.Context, notifications <-chan mcp.JSONRPCNotification) {
	for {
		select {
		case n := <-notifications:
			c.writeValue(n)
		case <-ctx.Done():
			return
		}
	}
}

func (c *conn) writeValue(v any) {
	text, err := json.Marshal(v)
	if err != nil {
		c.server.o.Logger.Error("an MCP message can't be encoded", "cause", err.Error())
		text = protocolError(mcp.INTERNAL_ERROR, "something went wrong inside the server")
	}
	c.write(text)
}

func (c *conn) write(text []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writeErr != nil {
		return
	}
	if _, err := c.out.Write(append(text, '\n')); err != nil {
		c.writeErr = fmt.Errorf("write a message: %w", err)
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

// protocolError is a JSON-RPC error that answers no request in particular.
func protocolError(code int, message string) []byte {
	// Strings and numbers alone always encode.
	text, _ := json.Marshal(map[string]any{
		"jsonrpc": mcp.JSONRPC_VERSION,
		"id":      nil,
		"error":   map[string]any{"code": code, "message": message},
	})
	return text
}

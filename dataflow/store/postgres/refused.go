package postgres

import (
	"bytes"
	"context"
	"net"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
)

// goOnRefused lets an attempt to connect, the one that is made with config,
// go on without TLS, where sslmode allows it, on the connection on which the
// server refused it, as libpq does (PostgreSQL's manual, "SSL Session
// Encryption"). pgx hangs up and dials again, and to a server each connection is
// a process. What is kept and not asked for is closed with the attempt, whose
// end is that of the context that it dials with.
func goOnRefused(config *pgconn.Config) {
	dial := config.DialFunc
	var kept sync.Map // by address: a refused, of the attempt, and of who cancels later
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		if r, ok := kept.LoadAndDelete(address); ok && r.(refused).keep() {
			return r.(refused).Conn, nil
		}
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		return &asking{Conn: c, refused: func() {
			kept.Store(address, refused{c, context.AfterFunc(ctx, func() { _ = c.Close() })})
		}}, nil
	}
}

// refused is a connection that is about to be closed.
type refused struct {
	net.Conn
	keep func() bool // false if it is closed
}

// sslRequest is what asks a server for TLS. One that has none answers with an N.
var sslRequest = []byte{0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f}

// asking is a connection on which TLS may be asked for first.
type asking struct {
	net.Conn
	refused func() // instead of hanging up
	said    answerToTLS
}

type answerToTLS uint8

const (
	notAsked answerToTLS = iota
	asked
	settled // nothing is looked at from here on
	no
)

func (c *asking) Write(b []byte) (int, error) {
	if c.said == notAsked {
		c.said = settled
		if bytes.Equal(b, sslRequest) {
			c.said = asked
		}
	}
	return c.Conn.Write(b)
}

func (c *asking) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.said == asked {
		c.said = settled
		if n == 1 && b[0] == 'N' {
			c.said = no
		}
	}
	return n, err
}

func (c *asking) Close() error {
	if c.said == no {
		c.said = settled
		c.refused()
		return nil
	}
	return c.Conn.Close()
}

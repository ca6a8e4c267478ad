// Package first asks one thing on a new connection to PostgreSQL, as a program
// written by hand would: what that costs is what no start can do without.
package first

import (
	"context"

	"github.com/jackc/pgx/v5/pgconn"
)

// Conn is a new connection.
type Conn struct{ conn *pgconn.PgConn }

// Connect makes one.
func Connect(ctx context.Context, url string) (*Conn, error) {
	c, err := pgconn.Connect(ctx, url)
	if err != nil {
		return nil, err
	}
	return &Conn{c}, nil
}

// Ask runs a statement, in one round trip, and reads its answer.
func (c *Conn) Ask(ctx context.Context, sql string) error {
	return c.conn.ExecParams(ctx, sql, nil, nil, nil, nil).Read().Err
}

// Close ends the connection.
func (c *Conn) Close(ctx context.Context) error { return c.conn.Close(ctx) }

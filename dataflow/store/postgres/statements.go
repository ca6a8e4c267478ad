package postgres

import (
	"container/list"
	"context"
	"crypto/sha256"
	"encoding/hex"

	"github.com/jackc/pgx/v5/pgconn"
)

// maxStatements bounds the prepared statements a connection keeps. Each takes
// memory in the server too.
const maxStatements = 256

// statements keeps a connection's prepared statements, the least recently
// used given up first.
type statements struct {
	conn  *pgconn.PgConn
	bySQL map[string]*list.Element
	used  list.List // of *pgconn.StatementDescription, the most recently used first
}

// get returns the statement for sql, preparing it if need be.
func (s *statements) get(ctx context.Context, sql []byte) (*pgconn.StatementDescription, error) {
	if e := s.bySQL[string(sql)]; e != nil {
		s.used.MoveToFront(e)
		return e.Value.(*pgconn.StatementDescription), nil
	}
	if len(s.bySQL) >= maxStatements {
		if err := s.forget(ctx, s.used.Back()); err != nil {
			return nil, err
		}
	}
	stmt, err := s.conn.Prepare(ctx, statementName(sql), string(sql), nil)
	if err != nil {
		return nil, err
	}
	if s.bySQL == nil {
		s.bySQL = make(map[string]*list.Element)
	}
	s.bySQL[stmt.SQL] = s.used.PushFront(stmt)
	return stmt, nil
}

// statementName names a statement by what it says. Behind a pooler that the
// file does not speak of, a name may be looked up on another connection than it
// was made on: then it is unknown, or there already, but never that of another
// statement, which might change other rows.
func statementName(sql []byte) string {
	sum := sha256.Sum256(sql)
	return "flow" + hex.EncodeToString(sum[:16])
}

func (s *statements) forget(ctx context.Context, e *list.Element) error {
	stmt := s.used.Remove(e).(*pgconn.StatementDescription)
	delete(s.bySQL, stmt.SQL)
	return s.conn.Deallocate(ctx, stmt.Name)
}

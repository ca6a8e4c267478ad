package postgres

import (
	"container/list"
	"context"
	"strconv"

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
	made  int       // names given so far
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
	s.made++
	stmt, err := s.conn.Prepare(ctx, "flow"+strconv.Itoa(s.made), string(sql), nil)
	if err != nil {
		return nil, err
	}
	if s.bySQL == nil {
		s.bySQL = make(map[string]*list.Element)
	}
	s.bySQL[stmt.SQL] = s.used.PushFront(stmt)
	return stmt, nil
}

func (s *statements) forget(ctx context.Context, e *list.Element) error {
	stmt := s.used.Remove(e).(*pgconn.StatementDescription)
	delete(s.bySQL, stmt.SQL)
	return s.conn.Deallocate(ctx, stmt.Name)
}

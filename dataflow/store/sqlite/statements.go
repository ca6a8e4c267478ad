package sqlite

import "zombiezen.com/go/sqlite"

// maxStatements bounds the prepared statements a connection keeps. One takes
// some kilobytes.
const maxStatements = 256

// maxKeptText is the longest text of a statement that is kept, in bytes. What
// is longer was made long by a filter of its caller's, and takes some hundred
// kilobytes; with maxStatements of those, on every connection, callers could
// fill the memory.
const maxKeptText = 16 << 10

// statements keeps a connection's prepared statements, the least recently
// used given up first.
type statements struct {
	conn  *sqlite.Conn
	bySQL map[string]*statement
	first *statement // most recently used
	last  *statement
}

// statement is a prepared statement. It is in use between get and put.
type statement struct {
	*sqlite.Stmt
	sql        string
	busy       bool
	once       bool // not kept: a second use of one that is busy, or too long
	prev, next *statement
}

// get returns the statement for sql, preparing it if need be.
func (s *statements) get(sql string) (*statement, error) {
	if st := s.bySQL[sql]; st != nil {
		return s.use(st)
	}
	return s.prepare(sql)
}

// getBytes is get for text that the caller is going to overwrite.
func (s *statements) getBytes(sql []byte) (*statement, error) {
	if st := s.bySQL[string(sql)]; st != nil {
		return s.use(st)
	}
	return s.prepare(string(sql))
}

func (s *statements) use(st *statement) (*statement, error) {
	if st.busy {
		return s.transient(st.sql)
	}
	st.busy = true
	if s.first != st {
		s.unlink(st)
		s.pushFront(st)
	}
	return st, nil
}

func (s *statements) transient(sql string) (*statement, error) {
	stmt, _, err := s.conn.PrepareTransient(sql)
	if err != nil {
		return nil, err
	}
	return &statement{Stmt: stmt, sql: sql, once: true}, nil
}

func (s *statements) prepare(sql string) (*statement, error) {
	if len(sql) > maxKeptText {
		return s.transient(sql)
	}
	stmt, err := s.conn.Prepare(sql)
	if err != nil {
		return nil, err
	}
	if s.bySQL == nil {
		s.bySQL = make(map[string]*statement)
	}
	st := &statement{Stmt: stmt, sql: sql, busy: true}
	s.bySQL[sql] = st
	s.pushFront(st)
	s.evict()
	return st, nil
}

// evict gives up the least recently used statement that is not in use.
func (s *statements) evict() {
	if len(s.bySQL) <= maxStatements {
		return
	}
	st := s.last
	for st != nil && st.busy {
		st = st.prev
	}
	if st != nil {
		s.unlink(st)
		delete(s.bySQL, st.sql)
		_ = st.Finalize() // it reports the last step's error again
	}
}

// put ends the use of a statement. Its error repeats the last step's, and is
// not looked at.
func (s *statements) put(st *statement) {
	if st.once {
		_ = st.Finalize()
		return
	}
	_ = st.Reset()
	st.busy = false
}

func (s *statements) finalize() {
	for _, st := range s.bySQL {
		_ = st.Finalize()
	}
	*s = statements{conn: s.conn}
}

func (s *statements) pushFront(st *statement) {
	st.prev, st.next = nil, s.first
	if s.first != nil {
		s.first.prev = st
	} else {
		s.last = st
	}
	s.first = st
}

func (s *statements) unlink(st *statement) {
	if st.prev != nil {
		st.prev.next = st.next
	} else {
		s.first = st.next
	}
	if st.next != nil {
		st.next.prev = st.prev
	} else {
		s.last = st.prev
	}
}

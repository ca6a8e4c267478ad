package postgres

import (
	"time"
)

// started notes that a statement is about to run, and when, if that is asked
// for. Values are never logged.
func (s *Store) started(sql []byte) (began time.Time) {
	if s.echo {
		s.log.Info("statement", "sql", string(sql))
	}
	if s.slow > 0 {
		began = time.Now()
	}
	return began
}

// ended notes a statement that took longer than slow_query_threshold, rows
// handled and all.
func (s *Store) ended(sql []byte, began time.Time) {
	if began.IsZero() {
		return
	}
	if took := time.Since(began); took > s.slow {
		s.log.Warn("slow query", "sql", string(sql), "took", took)
	}
}

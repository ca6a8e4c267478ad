package jobs

import (
	"context"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"
)

// SQLite is a queue in a SQLite database.
type SQLite struct{ conn *sqlite.Conn }

// OpenSQLite makes one.
func OpenSQLite(path string) (*SQLite, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		return nil, err
	}
	if err := sqlitex.ExecuteTransient(conn, "PRAGMA synchronous = FULL", nil); err != nil {
		conn.Close()
		return nil, err
	}
	err = sqlitex.ExecuteScript(conn, `CREATE TABLE jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER NOT NULL, step INTEGER NOT NULL, state TEXT NOT NULL, status TEXT NOT NULL,
	created_at TEXT NOT NULL, updated_at TEXT NOT NULL) STRICT;
CREATE INDEX jobs_status ON jobs (status, id);
CREATE TABLE entries (id INTEGER PRIMARY KEY AUTOINCREMENT, n INTEGER NOT NULL, what TEXT NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL) STRICT;`, nil)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &SQLite{conn}, nil
}

// Close implements Queue.
func (q *SQLite) Close() { q.conn.Close() }

func (q *SQLite) exec(sql string, row func(*sqlite.Stmt) error, args ...any) error {
	return sqlitex.Execute(q.conn, sql, &sqlitex.ExecOptions{Args: args, ResultFunc: row})
}

func now() string { return time.Now().UTC().Format("2006-01-02T15:04:05.000000Z") }

// Do implements Queue.
func (q *SQLite) Do(_ context.Context, n int64) error {
	at := now()
	if err := q.exec("INSERT INTO jobs (n, step, state, status, created_at, updated_at) VALUES (?, 0, '{}', 'ready', ?, ?)", nil, n, at, at); err != nil {
		return err
	}
	for range steps {
		if err := q.step(); err != nil {
			return err
		}
	}
	return nil
}

func (q *SQLite) step() (err error) {
	end, err := sqlitex.ImmediateTransaction(q.conn)
	if err != nil {
		return err
	}
	defer end(&err)
	var j job
	err = q.exec("SELECT id, n, step, state FROM jobs WHERE status = 'ready' ORDER BY id LIMIT 1", func(r *sqlite.Stmt) error {
		j.id, j.n, j.step = r.ColumnInt64(0), r.ColumnInt64(1), r.ColumnInt(2)
		return j.read(r.ColumnText(3))
	})
	if err != nil {
		return err
	}
	at, entry := now(), int64(0)
	err = q.exec("INSERT INTO entries (n, what, created_at, updated_at) VALUES (?, ?, ?, ?) RETURNING id", func(r *sqlite.Stmt) error {
		entry = r.ColumnInt64(0)
		return nil
	}, j.n, names[j.step], at, at)
	if err != nil {
		return err
	}
	state, status, err := j.take(entry)
	if err != nil {
		return err
	}
	return q.exec("UPDATE jobs SET step = ?, state = ?, status = ?, updated_at = ? WHERE id = ?", nil, j.step, state, status, at, j.id)
}

// Exec runs SQL on a SQLite database that is there.
func (q *SQLite) Exec(_ context.Context, sql string) error {
	return sqlitex.ExecuteScript(q.conn, sql, nil)
}

// Ask returns the text of the first column of an answer's first row.
func (q *SQLite) Ask(_ context.Context, sql string) (text string, err error) {
	err = q.exec(sql, func(r *sqlite.Stmt) error {
		text = r.ColumnText(0)
		return nil
	})
	return text, err
}

// ConnectSQLite opens a database of others.
func ConnectSQLite(path string) (*SQLite, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		return nil, err
	}
	conn.SetBlockOnBusy()
	return &SQLite{conn}, nil
}

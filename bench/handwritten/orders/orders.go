// Package orders is a transaction written by hand, which the same one as a
// workflow is measured against.
package orders

import (
	"fmt"
	"time"

	"zombiezen.com/go/sqlite"
)

// Database is a connection to a database of products and lines.
type Database struct{ conn *sqlite.Conn }

// Close closes it.
func (d *Database) Close() error { return d.conn.Close() }

// Open makes a database of the tables that flowctl makes for
// bench/workflows.star, kept as safe: an id is never given again.
func Open(path string) (*Database, error) {
	conn, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate|sqlite.OpenWAL)
	if err != nil {
		return nil, err
	}
	statements := []string{
		"PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON",
		`CREATE TABLE products (id INTEGER PRIMARY KEY AUTOINCREMENT, sku TEXT NOT NULL UNIQUE, name TEXT NOT NULL,
			price INTEGER NOT NULL CHECK (price BETWEEN -9999999999 AND 9999999999), stock INTEGER NOT NULL,
			active INTEGER NOT NULL CHECK (active IN (0, 1)), created_at TEXT NOT NULL, updated_at TEXT NOT NULL) STRICT`,
		`CREATE TABLE lines (id INTEGER PRIMARY KEY AUTOINCREMENT, product INTEGER NOT NULL REFERENCES products (id) ON DELETE RESTRICT,
			qty INTEGER NOT NULL, created_at TEXT NOT NULL, updated_at TEXT NOT NULL) STRICT`,
		"CREATE INDEX lines_product ON lines (product)",
	}
	for i := range 100 {
		statements = append(statements, fmt.Sprintf("INSERT INTO products VALUES (%d, 'S-%d', 'Kettle', 1000, 5, 1, '2026-01-01', '2026-01-01')", i+1, i))
	}
	for _, s := range statements {
		if err := step(conn, s, nil); err != nil {
			conn.Close()
			return nil, err
		}
	}
	return &Database{conn}, nil
}

// Place is what the workflow "order" does, for the i-th time.
func (d *Database) Place(i int) (err error) {
	conn := d.conn
	if err := step(conn, "BEGIN IMMEDIATE", nil); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = step(conn, "ROLLBACK", nil)
		}
	}()
	id, now := int64(1+i%100), time.Now().UTC().Format("2006-01-02T15:04:05.000000Z")
	err = step(conn, "SELECT id, sku, name, price, stock, active, created_at, updated_at FROM products WHERE id = ?", func(s *sqlite.Stmt) { s.BindInt64(1, id) })
	if err != nil {
		return err
	}
	err = step(conn, "UPDATE products SET stock = ?, updated_at = ? WHERE id = ? RETURNING id, sku, name, price, stock, active, created_at, updated_at", func(s *sqlite.Stmt) {
		s.BindInt64(1, int64(i%50))
		s.BindText(2, now)
		s.BindInt64(3, id)
	})
	if err != nil {
		return err
	}
	err = step(conn, "INSERT INTO lines (product, qty, created_at, updated_at) VALUES (?, ?, ?, ?) RETURNING id", func(s *sqlite.Stmt) {
		s.BindInt64(1, id)
		s.BindInt64(2, 2)
		s.BindText(3, now)
		s.BindText(4, now)
	})
	if err != nil {
		return err
	}
	return step(conn, "COMMIT", nil)
}

// step runs a statement to its end and reads its columns.
func step(conn *sqlite.Conn, sql string, bind func(*sqlite.Stmt)) error {
	stmt, err := conn.Prepare(sql)
	if err != nil {
		return err
	}
	defer stmt.Reset()
	if bind != nil {
		bind(stmt)
	}
	for {
		more, err := stmt.Step()
		if err != nil || !more {
			return err
		}
		for i := range stmt.ColumnCount() {
			_ = stmt.ColumnText(i)
		}
	}
}

package pgtest

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// databases are those of one server. One that a test is done with is emptied
// and given to the next: that takes a small part of the work of a new one,
// which is a copy of some 300 files. A server that is not the process's own
// gets them dropped, since nothing else would tidy it up.
type databases struct {
	base string // URL of the server
	own  bool

	mu     sync.Mutex
	free   []string        // names
	pooled map[string]bool // a pooler may hold connections to it
}

// take returns the name of an empty database.
func (d *databases) take() (string, error) {
	d.mu.Lock()
	if n := len(d.free); n > 0 {
		name := d.free[n-1]
		d.free = d.free[:n-1]
		d.mu.Unlock()
		return name, nil
	}
	d.mu.Unlock()
	name := "flow_test_" + strings.ToLower(rand.Text()[:12])
	return name, run(d.base, "CREATE DATABASE "+name)
}

// give takes a database back, whoever is still connected to it.
func (d *databases) give(name string) error {
	d.mu.Lock()
	again := d.own && !d.pooled[name]
	d.mu.Unlock()
	if !again {
		return run(d.base, "DROP DATABASE IF EXISTS "+name+" WITH (FORCE)")
	}
	if err := empty(withDatabase(d.base, name)); err != nil {
		return err
	}
	d.mu.Lock()
	d.free = append(d.free, name)
	d.mu.Unlock()
	return nil
}

// throughPooler takes note that a pooler knows the database of a URL.
func (d *databases) throughPooler(u *url.URL) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.pooled == nil {
		d.pooled = map[string]bool{}
	}
	d.pooled[strings.TrimPrefix(u.Path, "/")] = true
}

// The schemas of a database that are not the server's own, and what a new one
// has.
const (
	schemasQuery = `SELECT quote_ident(nspname) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'`
	endOthers    = `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`
)

// empty makes a database like a new one.
func empty(at string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgconn.Connect(ctx, at)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	if _, err := c.Exec(ctx, endOthers).ReadAll(); err != nil {
		return err
	}
	schemas := c.ExecParams(ctx, schemasQuery, nil, nil, nil, nil).Read()
	if schemas.Err != nil {
		return schemas.Err
	}
	var sql strings.Builder
	sql.WriteString("SET client_min_messages = warning; ")
	for _, r := range schemas.Rows {
		fmt.Fprintf(&sql, "DROP SCHEMA %s CASCADE; ", r[0])
	}
	sql.WriteString("CREATE SCHEMA public AUTHORIZATION pg_database_owner; GRANT USAGE ON SCHEMA public TO PUBLIC; COMMENT ON SCHEMA public IS 'standard public schema'")
	_, err = c.Exec(ctx, sql.String()).ReadAll()
	return err
}

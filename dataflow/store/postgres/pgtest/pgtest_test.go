package pgtest

import (
	"context"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

func TestADatabaseForEachTest(t *testing.T) {
	a, b := URL(t), URL(t)
	Exec(t, a, "CREATE TABLE x (n int)")
	Exec(t, b, "CREATE TABLE x (n int)")
	c, err := pgconn.Connect(context.Background(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	for _, setting := range []string{"fsync", "server_encoding"} {
		r := c.ExecParams(context.Background(), "SELECT current_setting($1)", [][]byte{[]byte(setting)}, nil, nil, nil).Read()
		if r.Err != nil || string(r.Rows[0][0]) != map[string]string{"fsync": "on", "server_encoding": "UTF8"}[setting] {
			t.Errorf("%s: %s, %v", setting, r.Rows, r.Err)
		}
	}
}

// TestADatabaseIsGivenOnEmpty: whatever a test leaves behind, the next finds
// nothing of it.
func TestADatabaseIsGivenOnEmpty(t *testing.T) {
	ctx := context.Background()
	first, drop, err := New()
	if err != nil {
		t.Fatal(err)
	}
	left, err := pgconn.Connect(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	defer left.Close(ctx)
	for _, sql := range []string{`CREATE SCHEMA "other one"`, `CREATE TABLE "other one".x (n int)`, "CREATE TYPE y AS ENUM ('a')",
		"CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "SELECT pg_advisory_lock(1)"} {
		if _, err := left.Exec(ctx, sql).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	if err := drop(); err != nil {
		t.Fatal(err)
	}
	if _, err := left.Exec(ctx, "SELECT 1").ReadAll(); err == nil {
		t.Error("a connection of the test before is still there")
	}
	const things = `SELECT (SELECT count(*) FROM pg_class WHERE relnamespace >= 16384) + (SELECT count(*) FROM pg_proc WHERE oid >= 16384) +
  (SELECT count(*) FROM pg_type WHERE oid >= 16384) + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory')`
	second := URL(t)
	c, err := pgconn.Connect(ctx, second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	if r := c.ExecParams(ctx, things, nil, nil, nil, nil).Read(); r.Err != nil || string(r.Rows[0][0]) != "0" {
		t.Errorf("left behind: %s, %v", r.Rows, r.Err)
	}
	Exec(t, second, "CREATE TABLE public.x (n int)")
}

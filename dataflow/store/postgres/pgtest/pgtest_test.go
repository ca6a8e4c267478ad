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

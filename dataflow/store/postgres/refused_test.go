package postgres

import (
	"context"
	"testing"

	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/jackc/pgx/v5/pgconn"
)

// TestConnectionsOfAStart: a start that finds nothing to do makes one, though
// the server has no TLS and is asked for it, and the app is served on that.
func TestConnectionsOfAStart(t *testing.T) {
	direct := pgtest.URL(t)
	_, host := through(t, direct, "")
	p := newProxy(t, "127.0.0.1:0", host)
	via, _ := through(t, direct, p.Addr().String())
	m := model("Thing", "things")
	for _, test := range []struct {
		name           string
		opened, served int32
	}{
		{"the first, which makes the tables", 1, 2},
		{"the second", 1, 1},
	} {
		p.passed.Store(0)
		s := openTest(t, database(via, m))
		opened := p.passed.Load()
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
		if served := p.passed.Load(); opened != test.opened || served != test.served {
			t.Errorf("%s: %d connections, and %d when something was asked", test.name, opened, served)
		}
		s.Close()
	}
}

// TestRefusedConnectionsAreClosed, but for the one that is gone on with.
func TestRefusedConnectionsAreClosed(t *testing.T) {
	direct := pgtest.URL(t)
	_, host := through(t, direct, "")
	first, second := newProxy(t, "127.0.0.1:0", host), newProxy(t, "127.0.0.1:0", host)
	for _, test := range []struct {
		mode          string
		first, second int32 // that stay
	}{
		{"prefer", 1, 0}, // both are asked for TLS before the first is asked without
		{"require", 0, 0},
		{"disable", 1, 0},
	} {
		config, err := pgconn.ParseConfig(direct + "?sslmode=" + test.mode)
		if err != nil {
			t.Fatal(err)
		}
		config.ConnectTimeout = connectTimeout
		config.LookupFunc = func(context.Context, string) ([]string, error) {
			return []string{first.Addr().String(), second.Addr().String()}, nil
		}
		goOnRefused(config)
		c, err := pgconn.ConnectConfig(t.Context(), config)
		if connected := err == nil; connected != (test.first == 1) {
			t.Errorf("%s: %v", test.mode, err)
		}
		first.untilOpen(t, test.first)
		second.untilOpen(t, test.second)
		if open := first.open.Load(); open != test.first {
			t.Errorf("%s: %d connections stay, not %d", test.mode, open, test.first)
		}
		if c != nil {
			c.Close(t.Context())
		}
		first.untilOpen(t, 0)
	}
}

// Package pgtest gives tests a PostgreSQL server of their own, which is gone
// when the test process is, however it ends. It knows nothing of what is
// tested with it.
//
// FLOWCTL_TEST_POSTGRES may name a server to use instead, by the URL of a
// user who may create databases. Where there is neither, tests that ask for
// one are skipped, or fail if FLOWCTL_REQUIRE_POSTGRES=1.
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// URL returns the URL of an empty database, the test's own until it ends.
func URL(t testing.TB) string {
	t.Helper()
	if err := Missing(); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: %v", err)
	}
	url, drop, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := drop(); err != nil {
			t.Error(err)
		}
	})
	return url
}

// Missing says why there is no server to test with. Where tests must not do
// without one it says nothing, and New fails.
func Missing() error {
	if os.Getenv("FLOWCTL_REQUIRE_POSTGRES") == "1" {
		return nil
	}
	if _, err := server(); err != nil {
		return fmt.Errorf("no PostgreSQL to test with: %w", err)
	}
	return nil
}

// New is URL for what is no testing.TB: drop gives the database back, and ends
// the connections to it.
func New() (url string, drop func() error, err error) {
	d, err := server()
	if err != nil {
		return "", nil, fmt.Errorf("no PostgreSQL to test with: %w", err)
	}
	name, err := d.take()
	if err != nil {
		return "", nil, err
	}
	return withDatabase(d.base, name), func() error { return d.give(name) }, nil
}

func withDatabase(base, name string) string {
	u, err := url.Parse(base)
	if err != nil {
		panic("pgtest: the server's URL has been used already: " + err.Error())
	}
	u.Path = "/" + name
	return u.String()
}

// Exec runs statements on a database, as another program might.
func Exec(t testing.TB, url string, sql ...string) {
	t.Helper()
	if err := run(url, sql...); err != nil {
		t.Fatal(err)
	}
}

func run(url string, sql ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgconn.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer c.Close(ctx)
	for _, s := range sql {
		if _, err := c.Exec(ctx, s).ReadAll(); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// Settle makes a database as tidy as one that has been there for a while, for
// measurements, and returns the process id of its server.
func Settle(url string) (postmaster int, err error) {
	if err := run(url, "VACUUM ANALYZE", "CHECKPOINT"); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := pgconn.Connect(ctx, url)
	if err != nil {
		return 0, err
	}
	defer c.Close(ctx)
	r := c.ExecParams(ctx, "SELECT split_part(pg_read_file('postmaster.pid'), chr(10), 1)", nil, nil, nil, nil).Read()
	if r.Err != nil {
		return 0, r.Err
	}
	return strconv.Atoi(string(r.Rows[0][0]))
}

// server returns the databases of the server of this process.
var server = sync.OnceValues(func() (*databases, error) {
	if given := os.Getenv("FLOWCTL_TEST_POSTGRES"); given != "" {
		return &databases{base: given}, nil
	}
	base, err := start()
	return &databases{base: base, own: true}, err
})

// ready waits until the server answers, or has ended.
func ready(url string, ended <-chan struct{}) error {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		err := run(url)
		if err == nil {
			return nil
		}
		pause := time.NewTimer(20 * time.Millisecond)
		select {
		case <-ended:
			pause.Stop()
			return errors.New("the server ended before it was ready")
		case <-pause.C:
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server is not ready after two minutes: %w", err)
		}
	}
}

// FreePort finds a port that nobody listens on. It is none of those that
// systems give to whoever asks for any: such a one could be another's by the
// time that the server listens on it, or while it is stopped.
func FreePort() (int, error) {
	var taken error
	for range 100 {
		port := 10_000 + rand.IntN(20_000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err == nil {
			return port, l.Close()
		}
		taken = err
	}
	return 0, taken
}

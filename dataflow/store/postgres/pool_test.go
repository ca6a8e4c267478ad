package postgres

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/jackc/pgx/v5/pgconn"
)

// backends counts the server's processes that work for a store.
func backends(t *testing.T, s *Store) (n int) {
	t.Helper()
	fmt.Sscan(ask(t, s.pool.Config().ConnString(), "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"), &n)
	return n
}

// ask returns what a statement finds, as another program sees it.
func ask(t *testing.T, url, sql string) string {
	t.Helper()
	c, err := pgconn.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	r := c.ExecParams(t.Context(), sql, nil, nil, nil, nil).Read()
	if r.Err != nil || len(r.Rows) != 1 {
		t.Fatalf("%s: %v, %d rows", sql, r.Err, len(r.Rows))
	}
	return string(r.Rows[0][0])
}

// wantBackends waits until so many work for a store: one that has hung up, or
// was hung up on, is gone in a moment.
func wantBackends(t *testing.T, s *Store, when string, least, most int) {
	t.Helper()
	n := 0
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		if n = backends(t, s); least <= n && n <= most {
			return
		}
	}
	t.Errorf("%d connections %s, want %d to %d", n, when, least, most)
}

// hold begins n writes that stay open until release is called.
func hold(t *testing.T, s *Store, n int) (release func()) {
	t.Helper()
	end := make(chan struct{})
	var begun, done sync.WaitGroup
	begun.Add(n)
	for range n {
		done.Go(func() {
			err := s.Write(t.Context(), func(tx store.Tx) error {
				_, err := tx.(store.Clock).Now(t.Context()) // a transaction begins with its first statement
				begun.Done()
				<-end
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	begun.Wait()
	return func() { close(end); done.Wait() }
}

func TestOverflow(t *testing.T) {
	s, m := things(t, func(o *dataflow.DatabaseOptions) { o.PoolSize, o.PoolMaxOverflow = 2, 3 })
	for range 3 {
		release := hold(t, s, 5)
		s.wait = 20 * time.Millisecond
		if _, err := s.Count(t.Context(), m, nil); code(err) != "busy" || dataflow.AsError(err).Status != dataflow.StatusBusy {
			t.Errorf("a sixth is told %v", err)
		}
		s.wait = poolWait
		wantBackends(t, s, "under load", 5, 5)
		release()
		wantBackends(t, s, "afterwards", 2, 2)
	}
}

func TestAFullPoolHandsConnectionsOn(t *testing.T) {
	s, m := things(t, func(o *dataflow.DatabaseOptions) { o.PoolSize, o.PoolMaxOverflow = 2, 2 })
	var readers sync.WaitGroup
	for range 40 {
		readers.Go(func() {
			for range 20 {
				if n, err := s.Count(t.Context(), m, nil); n != 1 || err != nil {
					t.Errorf("%d, %v", n, err)
				}
			}
		})
	}
	readers.Wait()
	wantBackends(t, s, "that stay", 0, 2)
	if n := s.pool.Stat().MaxConns(); n != 4 {
		t.Errorf("there may be %d connections", n)
	}
}

// served is the process that answered.
func served(t *testing.T, s *Store) uint32 {
	t.Helper()
	c, err := s.take(t.Context(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer c.put()
	return c.PID()
}

func TestRecycling(t *testing.T) {
	old := 30 * time.Millisecond
	for _, recycle := range []time.Duration{0, time.Hour, old} {
		s, _ := things(t, func(o *dataflow.DatabaseOptions) { o.PoolSize, o.PoolRecycle = 1, recycle })
		first := served(t, s)
		enough := 3 * old
		if recycle == old { // it is replaced, sooner or later
			enough = time.Minute
		}
		replaced := false
		for until := time.Now().Add(enough); !replaced && time.Now().Before(until); {
			replaced = served(t, s) != first
		}
		if replaced != (recycle == old) {
			t.Errorf("pool_recycle %s: the connection was replaced: %v", recycle, replaced)
		}
		wantBackends(t, s, "with pool_recycle "+recycle.String(), 1, 1)
	}
}

func TestTwoURLs(t *testing.T) {
	one, other := pgtest.URL(t), pgtest.URL(t)
	_, host := through(t, one, "")
	m := func() *dataflow.Model { return model("Thing", "things") }
	for _, test := range []struct{ direct, want string }{
		{one, ""},
		{one + "?application_name=round", ""},
		{other, "FC601 direct_url leads to another database than database_url: " + seenAs(t, other) + ", not " + seenAs(t, one)},
		{one + "?search_path=pg_temp", "FC601 direct_url leads to another database than database_url: " + seenAs(t, one) + ", not " + seenAs(t, one)},
		{"sqlite:a.db", `FC601 the URL does not start with "postgres:"`},
		{"postgres://flow:s3cret@" + host + "/nothing", "FC602 the server has no database of the name in postgres://" + host + "/nothing"},
	} {
		db := database(one, m())
		db.Options.DirectURL = test.direct
		s, _, diags := Opener{Wait: time.Nanosecond}.Open(t.Context(), db, store.Options{})
		got := ""
		if len(diags) > 0 {
			got = diags[0].Code + " " + diags[0].Message
		}
		if got != test.want || (s != nil) != (test.want == "") {
			t.Errorf("%s:\n got %s\nwant %s", test.direct, got, test.want)
		}
		if s != nil {
			s.Close()
		}
	}
	if n := ask(t, other, "SELECT count(*) FROM pg_class WHERE relname = 'things'"); n != "0" {
		t.Error("tables were made in another database")
	}
}

// seenAs is a URL as people see it.
func seenAs(t *testing.T, url string) string {
	t.Helper()
	config, problem := parseURL(url, false)
	if problem != "" {
		t.Fatal(problem)
	}
	return displayName(config)
}

func TestTablesAreMadeOverTheDirectURL(t *testing.T) {
	at := pgtest.URL(t)
	config, _ := parseURL(at, false)
	role := "serves_" + config.ConnConfig.Database
	pgtest.Exec(t, at, "CREATE ROLE "+role+" LOGIN")
	t.Cleanup(func() { pgtest.Exec(t, at, "DROP OWNED BY "+role, "DROP ROLE "+role) })
	db := database(strings.Replace(at, "flow@", role+"@", 1), model("Thing", "things"))
	if _, _, diags := (Opener{}).Open(t.Context(), db, store.Options{}); len(diags) != 1 || diags[0].Code != "FC606" {
		t.Fatalf("one who may not make tables: %v", diags)
	}
	db.Options.DirectURL = at
	s := openTest(t, db)
	if owner := ask(t, at, "SELECT tableowner FROM pg_tables WHERE tablename = 'things'"); owner != "flow" {
		t.Errorf("the table is %s's", owner)
	}
	if _, err := s.Count(t.Context(), db.Models[0], nil); code(err) != "storage_read_only" {
		t.Errorf("rows are not read as the user of database_url: %v", err)
	}
}

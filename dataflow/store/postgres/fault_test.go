package postgres

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/google/go-cmp/cmp"
)

// things is a database of one model with one row.
func things(t *testing.T, change func(*dataflow.DatabaseOptions)) (*Store, *dataflow.Model) {
	t.Helper()
	return thingsIn(t, func(t *testing.T, db *dataflow.Database) *Store {
		if change != nil {
			change(&db.Options)
		}
		return openTest(t, db)
	})
}

func thingsIn(t *testing.T, open func(*testing.T, *dataflow.Database) *Store) (*Store, *dataflow.Model) {
	t.Helper()
	m := model("Thing", "things", &dataflow.Field{Name: "n", Type: dataflow.Int})
	s := open(t, database("", m))
	if err := s.Write(t.Context(), func(tx store.Tx) error { return add(t, tx, m, 0) }); err != nil {
		t.Fatal(err)
	}
	return s, m
}

func add(t *testing.T, tx store.Tx, m *dataflow.Model, n int64) error {
	_, err := tx.Insert(t.Context(), m, []int{1}, [][]any{{n}})
	return err
}

func set(t *testing.T, tx store.Tx, m *dataflow.Model, id, n int64) error {
	_, err := tx.Update(t.Context(), &query.Update{Model: m, Bump: -1, Set: []query.Assign{{Field: 1, Value: n}},
		Where: &query.Cmp{Path: query.Path{Model: m}, Op: query.Eq, Value: id}})
	return err
}

func code(err error) string {
	if err == nil {
		return ""
	}
	return dataflow.AsError(err).Code
}

// drop ends every connection of a database's but the caller's.
func drop(t *testing.T, s *Store) {
	t.Helper()
	pgtest.Exec(t, s.pool.Config().ConnString(), "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
}

func TestLostConnections(t *testing.T) {
	s, m := things(t, nil)
	testLostConnections(t, s, m)
}

func testLostConnections(t *testing.T, s *Store, m *dataflow.Model) {
	drop(t, s)
	if n, err := s.Count(t.Context(), m, nil); n != 1 || err != nil {
		t.Errorf("a read after the connections were lost: %d, %v", n, err)
	}
	drop(t, s)
	if err := s.Snapshot(t.Context(), func(r store.Reader) error { _, err := r.Count(t.Context(), m, nil); return err }); err != nil {
		t.Errorf("a snapshot: %v", err)
	}
	calls := 0
	err := s.Write(t.Context(), func(tx store.Tx) error {
		if calls++; calls == 1 {
			if err := add(t, tx, m, 1); err != nil {
				return err
			}
			drop(t, s)
		}
		return add(t, tx, m, 2)
	})
	if calls != 2 || err != nil {
		t.Errorf("a write whose connection was lost was run %d times: %v", calls, err)
	}
	if n, err := s.Count(t.Context(), m, nil); n != 2 || err != nil {
		t.Errorf("%d rows, %v, want 2", n, err)
	}
	seen := 0
	err = s.Select(t.Context(), &query.Select{Model: m}, func(store.Row) error { seen++; drop(t, s); return nil })
	if seen > 2 || err != nil && code(err) != "busy" {
		t.Errorf("rows that were seen are shown again: %d, %v", seen, err)
	}
}

func TestDeadlocksAreRunAgain(t *testing.T) {
	s, m := things(t, nil)
	if err := s.Write(t.Context(), func(tx store.Tx) error { return add(t, tx, m, 0) }); err != nil {
		t.Fatal(err)
	}
	var wg, met sync.WaitGroup
	met.Add(2)
	for _, ids := range [][2]int64{{1, 2}, {2, 1}} {
		wg.Go(func() {
			first := true
			err := s.Write(t.Context(), func(tx store.Tx) error {
				if err := set(t, tx, m, ids[0], ids[0]); err != nil {
					return err
				}
				if first {
					first = false
					met.Done()
					met.Wait()
				}
				// Not even a savepoint keeps the transaction from being run again.
				return tx.Savepoint(t.Context(), func() error { return set(t, tx, m, ids[1], ids[0]) })
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestThePoolIsExhausted(t *testing.T) {
	s, m := things(t, func(o *dataflow.DatabaseOptions) { o.PoolSize = 1 })
	s.wait = 50 * time.Millisecond
	err := s.Write(t.Context(), func(store.Tx) error {
		_, err := s.Count(t.Context(), m, nil)
		if code(err) != "busy" || dataflow.AsError(err).Message != "every connection to the database is in use" {
			t.Errorf("with no connection left: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestAStatementPastItsTime(t *testing.T) {
	s, m := things(t, nil)
	c, err := s.take(t.Context(), false)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := c.toError(ctx, c.exec(ctx, "SELECT pg_sleep(60)")); code(err) != "timeout" {
		t.Errorf("%v", err)
	}
	c.put()
	if n, err := s.Count(t.Context(), m, nil); n != 1 || err != nil {
		t.Errorf("afterwards: %d, %v", n, err)
	}
}

func TestTablesAlteredUnderPreparedStatements(t *testing.T) {
	s, m := things(t, func(o *dataflow.DatabaseOptions) { o.PoolSize = 1 })
	read := func() error {
		_, err := s.Get(t.Context(), m, int64(1), nil, func(store.Row) error { return nil })
		return err
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, s.pool.Config().ConnString(), "ALTER TABLE things ALTER COLUMN n TYPE numeric", "ALTER TABLE things ALTER COLUMN n TYPE integer")
	if err := read(); err != nil {
		t.Errorf("a read: %v", err)
	}
	pgtest.Exec(t, s.pool.Config().ConnString(), "ALTER TABLE things ALTER COLUMN n TYPE bigint")
	err := s.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Get(t.Context(), m, int64(1), nil, func(store.Row) error { return nil })
		return err
	})
	if err != nil {
		t.Errorf("a write: %v", err)
	}
}

// proxy stands between a client and the server.
type proxy struct {
	net.Listener
	to  string
	cut atomic.Pointer[string] // at the next message with this in it, once the server has it

	passed, open atomic.Int32  // connections
	closed       chan struct{} // has something in it when one has been closed since it was looked into
}

func newProxy(t *testing.T, address, to string) *proxy {
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{Listener: l, to: to, closed: make(chan struct{}, 1)}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			go p.pass(client)
		}
	}()
	return p
}

func (p *proxy) pass(client net.Conn) {
	p.passed.Add(1)
	p.open.Add(1)
	defer func() {
		p.open.Add(-1)
		select {
		case p.closed <- struct{}{}:
		default:
		}
	}()
	defer client.Close()
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer server.Close()
	go func() { _, _ = io.Copy(client, server); client.Close() }()
	buf := make([]byte, 1<<16)
	for {
		n, err := client.Read(buf)
		if err != nil {
			return
		}
		mark := p.cut.Load()
		cut := mark != nil && bytes.Contains(buf[:n], []byte(*mark)) && p.cut.CompareAndSwap(mark, nil)
		if cut {
			client.Close()
		}
		if _, err := server.Write(buf[:n]); err != nil {
			return
		}
		if cut { // wait until the server is done with it
			_ = server.(*net.TCPConn).CloseWrite()
			_, _ = io.Copy(io.Discard, server)
			return
		}
	}
}

// untilOpen waits until no more connections are open than are to stay.
func (p *proxy) untilOpen(t *testing.T, n int32) {
	t.Helper()
	late := time.After(10 * time.Second)
	for p.open.Load() > n {
		select {
		case <-p.closed:
		case <-late:
			t.Fatalf("%d connections are open, not %d", p.open.Load(), n)
		}
	}
}

// through returns a database's URL by way of an address.
func through(t *testing.T, text, address string) (via, host string) {
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	host = u.Host
	u.Host = address
	return u.String(), host
}

func TestACommitWithoutAnAnswer(t *testing.T) {
	direct := pgtest.URL(t)
	m := model("Thing", "things", &dataflow.Field{Name: "n", Type: dataflow.Int})
	_, host := through(t, direct, "")
	p := newProxy(t, "127.0.0.1:0", host)
	via, _ := through(t, direct, p.Addr().String())
	s := openTest(t, database(via, m))
	p.cut.Store(new("COMMIT\x00"))
	calls := 0
	err := s.Write(t.Context(), func(tx store.Tx) error { calls++; return add(t, tx, m, 7) })
	if code(err) != "commit_unknown" || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
	if n, err := s.Count(t.Context(), m, nil); err != nil || n > 1 {
		t.Errorf("%d rows, %v", n, err)
	}
}

// The changes that a transaction ends with go with its commit: where the answer
// is lost nobody knows about them either, and they are not made again.
func TestLastChangesWithoutAnAnswer(t *testing.T) {
	direct := pgtest.URL(t)
	m := model("Thing", "things", &dataflow.Field{Name: "n", Type: dataflow.Int}, &dataflow.Field{Name: "s", Type: dataflow.String, Optional: true})
	_, host := through(t, direct, "")
	p := newProxy(t, "127.0.0.1:0", host)
	via, _ := through(t, direct, p.Addr().String())
	s := openTest(t, database(via, m))
	if err := s.Write(t.Context(), func(tx store.Tx) error { return add(t, tx, m, 7) }); err != nil {
		t.Fatal(err)
	}
	calls := 0
	write := func(value string) error {
		return s.Write(t.Context(), func(tx store.Tx) error {
			calls++
			if err := add(t, tx, m, 8); err != nil {
				return err
			}
			set := query.Assign{Field: 2, Value: value}
			return tx.Last(t.Context(), &query.Update{Model: m, Bump: -1, Set: []query.Assign{set}}, nil)
		})
	}
	p.cut.Store(new("the mark"))
	if err := write("the mark"); code(err) != "commit_unknown" || calls != 1 {
		t.Errorf("%d calls, %v", calls, err)
	}
	if n, err := s.Count(t.Context(), m, nil); err != nil || n > 2 {
		t.Errorf("%d rows, %v", n, err)
	}
	if err := write("again"); err != nil || calls != 2 {
		t.Errorf("the next: %d calls, %v", calls, err)
	}
}

// when calls f at the first record that is logged.
type when struct {
	slog.Handler
	once *sync.Once
	f    func()
}

func (w when) Enabled(context.Context, slog.Level) bool { return true }

func (w when) Handle(_ context.Context, r slog.Record) error {
	w.once.Do(w.f)
	return nil
}

func TestAStartWaitsForTheServer(t *testing.T) {
	direct := pgtest.URL(t)
	_, host := through(t, direct, "")
	port, err := pgtest.FreePort() // which nobody is given meanwhile
	if err != nil {
		t.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	via, _ := through(t, direct, address)
	log := slog.New(when{slog.DiscardHandler, new(sync.Once), func() { newProxy(t, address, host) }})
	s, _, diags := Opener{}.Open(t.Context(), database(via, model("Thing", "things")), store.Options{Logger: log})
	if s == nil {
		t.Fatal(diags)
	}
	s.Close()
}

// TestRefusals: what is wrong is said, and nothing of a password.
func TestRefusals(t *testing.T) {
	good := pgtest.URL(t)
	_, host := through(t, good, "")
	name := good[strings.LastIndex(good, "/")+1:]
	for _, test := range []struct{ url, want string }{
		{"postgres://ann:s3cret/@host/db", "FC601 the URL can't be read: characters such as @ : / ? # and % in a user's name or password are written as %40 %3A %2F %3F %23 and %25"},
		{"postgres://ann:s3cret@host:port/db", "FC601 the URL can't be read: characters such as @ : / ? # and % in a user's name or password are written as %40 %3A %2F %3F %23 and %25"},
		{"postgres://ann:s3cret@host/db?sslmode=s3cret", "FC601 the URL can't be used: sslmode is invalid"},
		{"postgres://ann:s3cret@host/db?pool_max_conns=3", "FC601 the URL has the option pool_max_conns, which is pgx's; options of the pool are arguments of DataFlow, such as pool_size"},
		{"postgres://ann:s3cret@127.0.0.1:1/db", "FC602 the database postgres://127.0.0.1:1/db can't be reached: connect: connection refused"},
		{"postgres://ann:s3cret@nobody.invalid/db", "FC602 the database postgres://nobody.invalid/db can't be reached: "},
		{"postgres://ann:s3cret@" + host + "/" + name, "FC602 the database postgres://" + host + "/" + name + ` refuses the user: role "ann" does not exist`},
		{"postgres://flow:s3cret@" + host + "/nothing", "FC602 the server has no database of the name in postgres://" + host + "/nothing"},
		{good + "?no_such_setting=s3cret", "FC602 the database postgres://" + host + "/" + name + ` does not take the connection: unrecognized configuration parameter "no_such_setting"`},
		{good + "?default_transaction_read_only=on", "FC606 the database postgres://" + host + "/" + name + " can't be written to: the URL has default_transaction_read_only = on"},
	} {
		db := database(test.url, model("Thing", "things"))
		s, _, diags := Opener{Wait: time.Nanosecond}.Open(t.Context(), db, store.Options{})
		if s != nil || len(diags) != 1 {
			t.Errorf("%s is opened: %v", test.url, diags)
			continue
		}
		got := diags[0].Code + " " + diags[0].Message
		if !strings.HasPrefix(got, test.want) {
			t.Errorf("%s (-want +got):\n%s", test.url, cmp.Diff(test.want, got))
		}
		if strings.Contains(fmt.Sprintf("%+v", diags), "s3cret") {
			t.Errorf("%s: the password is shown: %+v", test.url, diags)
		}
	}
}

// TestWhyItIsReadOnly: where the setting is from is said, and how it goes away.
func TestWhyItIsReadOnly(t *testing.T) {
	at := pgtest.URL(t)
	config, _ := parseURL(at, false)
	name := config.ConnConfig.Database
	role := "reads_" + name
	pgtest.Exec(t, at, "CREATE ROLE "+role+" LOGIN", "GRANT CREATE ON SCHEMA public TO "+role)
	t.Cleanup(func() { pgtest.Exec(t, at, "BEGIN READ WRITE; DROP OWNED BY "+role+"; DROP ROLE "+role+"; COMMIT") })
	const setting = "default_transaction_read_only"
	for _, test := range []struct{ alter, why, hint string }{
		{"DATABASE " + name, "it has " + setting + " = on", "SET " + setting + " = off; ALTER DATABASE " + name + " RESET " + setting},
		{"ROLE " + role, "the user " + role + " has " + setting + " = on", "ALTER ROLE " + role + " RESET " + setting + ", or name another user in the URL"},
		{"ROLE " + role + " IN DATABASE " + name, "the user " + role + " has " + setting + " = on", "ALTER ROLE " + role + " IN DATABASE " + name + " RESET " + setting + ", or name another user in the URL"},
	} {
		pgtest.Exec(t, at, "ALTER "+test.alter+" SET "+setting+" = on")
		for _, existing := range []bool{false, true} {
			db := database(strings.Replace(at, "flow@", role+"@", 1))
			if db.Options.ExistingSchemaMode = existing; !existing {
				db.Models = []*dataflow.Model{model("Thing", "things")}
			}
			s, _, diags := Opener{}.Open(t.Context(), db, store.Options{})
			if s != nil || len(diags) != 1 {
				t.Fatalf("%s, existing %t: it is opened: %v", test.alter, existing, diags)
			}
			want := "FC606 the database " + seenAs(t, at) + " can't be written to: " + test.why + "; if it is to be written to: " + test.hint
			if got := diags[0].Code + " " + diags[0].Message + "; " + diags[0].Hint; got != want {
				t.Errorf("existing %t (-want +got):\n%s", existing, cmp.Diff(want, got))
			}
		}
		pgtest.Exec(t, at, "BEGIN READ WRITE; ALTER "+test.alter+" RESET "+setting+"; COMMIT")
	}
}

func TestEchoAndSlowQueries(t *testing.T) {
	var log bytes.Buffer
	m := model("Thing", "things", &dataflow.Field{Name: "a", Type: dataflow.String})
	db := database(pgtest.URL(t), m)
	db.Options.Echo, db.Options.SlowQueryThreshold = true, time.Nanosecond
	s, _, diags := Opener{}.Open(t.Context(), db, store.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if s == nil {
		t.Fatal(diags)
	}
	defer s.Close()
	err := s.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Insert(t.Context(), m, []int{1}, [][]any{{"s3cret"}})
		return err
	})
	if said := log.String(); err != nil || !strings.Contains(said, "msg=statement") || !strings.Contains(said, `msg="slow query"`) || strings.Contains(said, "s3cret") {
		t.Errorf("%v\n%s", err, said)
	}
}

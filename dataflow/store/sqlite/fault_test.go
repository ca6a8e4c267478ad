package sqlite

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

func selectAll(s *Store) *query.Select {
	for m := range s.tables {
		return &query.Select{Model: m, Order: []query.Order{{Field: 0}}}
	}
	return nil
}

// code is the code of an error, "" for none.
func code(err error) string {
	if err == nil {
		return ""
	}
	return dataflow.AsError(err).Code
}

func TestDiskFull(t *testing.T) {
	s, m := notes(t)
	groupOf(s)
	if err := s.writer.c.exec("PRAGMA max_page_count = 40"); err != nil {
		t.Fatal(err)
	}
	large := strings.Repeat("x", 200_000)
	var members []*member
	for i := range 6 {
		text := fmt.Sprint(i)
		if i == 2 || i == 4 {
			text = large
		}
		members = append(members, &member{do: func(tx store.Tx) error { return add(tx, m, text) }})
	}
	together(s, members...)
	for i, member := range members { // what there is room for is no worse off for being beside what there is none for
		want := ""
		if i == 2 || i == 4 {
			want = "storage_full"
		}
		if code(member.told) != want {
			t.Errorf("member %d is told %v", i, member.told)
		}
	}
	got := texts(t, s)
	slices.Sort(got) // each goes again by itself, in any order
	if !slices.Equal(got, []string{"0", "1", "3", "5"}) {
		t.Errorf("stored %.100v", got)
	}
	if err := s.Write(context.Background(), func(tx store.Tx) error { return add(tx, m, "small") }); err != nil {
		t.Errorf("after a full disk: %v", err)
	}
}

func TestReadOnly(t *testing.T) {
	s, m := notes(t)
	if err := s.writer.c.exec("PRAGMA query_only = 1"); err != nil {
		t.Fatal(err)
	}
	err := s.Write(context.Background(), func(tx store.Tx) error { return add(tx, m, "x") })
	if e := dataflow.AsError(err); e.Code != "storage_read_only" || e.Status != dataflow.StatusStorage {
		t.Errorf("told %v", err)
	}
	if got := texts(t, s); len(got) > 0 {
		t.Errorf("stored %v", got)
	}
}

func TestLockedByAnother(t *testing.T) {
	s, m := notes(t)
	s.writer.c.SetBusyTimeout(time.Millisecond)
	path := strings.TrimPrefix(m.Database.URL, "sqlite:")
	other, err := openConn(path, sqlite.OpenReadWrite, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	if err := other.exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	err = s.Write(context.Background(), func(tx store.Tx) error { return add(tx, m, "x") })
	if e := dataflow.AsError(err); e.Code != "busy" || e.Status != dataflow.StatusBusy || e.Message != "the database is locked by another program" {
		t.Errorf("told %v", err)
	}
	if got := texts(t, s); len(got) > 0 { // readers go on
		t.Errorf("stored %v", got)
	}
	if err := other.exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(context.Background(), func(tx store.Tx) error { return add(tx, m, "x") }); err != nil {
		t.Error(err)
	}
}

func TestDamagedPages(t *testing.T) {
	s, m := notes(t)
	if err := s.Write(context.Background(), func(tx store.Tx) error {
		for range 200 {
			if err := add(tx, m, strings.Repeat("x", 1000)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	path := strings.TrimPrefix(m.Database.URL, "sqlite:")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 8 * 4096; i < len(data); i++ {
		data[i] = 0xA5
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	again := openTest(t, m.Database)
	err = again.Select(context.Background(), selectAll(again), func(store.Row) error { return nil })
	if code(err) != "storage_corrupt" {
		t.Errorf("told %v", err)
	}
}

// opened tries to open a database and returns what is said.
func opened(t *testing.T, db *dataflow.Database) []string {
	t.Helper()
	_, said := migrated(t, db)
	return said
}

func TestUnusableDatabases(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		if err := os.WriteFile(path(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	note := func() *dataflow.Model {
		return model("Note", "notes", &dataflow.Field{Name: "text", Type: dataflow.String})
	}
	write("text.db", strings.Repeat("this is no database ", 300))
	if _, said := migrated(t, database(path("newer.db"), note())); said != nil {
		t.Fatal(said)
	}
	execSQL(t, path("newer.db"), `UPDATE _flow_meta SET format = 99`)
	before, _ := os.ReadFile(path("text.db"))
	for _, test := range []struct{ url, want string }{
		{"sqlite:" + dir, "FC602 error: the database " + dir + " can't be opened: it is a folder"},
		{"sqlite:" + dir + "/none/a.db", "FC602 error: the database " + dir + "/none/a.db can't be opened: the folder " + dir + "/none does not exist"},
		{"sqlite:" + path("text.db"), "FC604 error: the file " + path("text.db") + " is no SQLite database, or is damaged"},
		{"sqlite:" + path("newer.db"), "FC605 error: the database " + path("newer.db") + " was made by a newer flowctl: its format is 99, and this one knows formats up to 2"},
		{"sqlite:/proc/flowctl.db", "FC606 error: the database /proc/flowctl.db can't be written to"},
		{"sqlite:a.db?mode=ro", `FC601 error: a "sqlite:" URL has no options behind "?" or "#"; options are arguments of DataFlow`},
		{"sqlite:", "FC601 error: the URL names no file"},
	} {
		db := database("", note())
		db.URL = test.url
		if said := opened(t, db); !slices.Equal(said, []string{test.want}) {
			t.Errorf("%s:\n got %q\nwant %q", test.url, said, test.want)
		}
	}
	if after, _ := os.ReadFile(path("text.db")); !bytes.Equal(before, after) {
		t.Error("a file that is no database was changed")
	}
}

func TestLockedAtStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	text := &dataflow.Field{Name: "text", Type: dataflow.String}
	if _, said := migrated(t, database(path, model("Note", "notes", text))); said != nil {
		t.Fatal(said)
	}
	other, err := openConn(path, sqlite.OpenReadWrite, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.close()
	if err := other.exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	more := database(path, model("Note", "notes", text, &dataflow.Field{Name: "more", Type: dataflow.Int, Optional: true}))
	more.Options.MigrationLockTimeout = time.Millisecond
	want := []string{"FC603 error: the database " + path + " is locked by another program"}
	if said := opened(t, more); !slices.Equal(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	// Nothing is to be altered: no need to wait for whoever writes.
	if said := opened(t, database(path, model("Note", "notes", text))); said != nil {
		t.Errorf("said %q", said)
	}
}

func TestMigrationFailsWhole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	a := func() *dataflow.Field { return &dataflow.Field{Name: "a", Type: dataflow.String} }
	if _, said := migrated(t, database(path, model("Note", "notes", a()))); said != nil {
		t.Fatal(said)
	}
	// A view is in the way of the second table, which only its making shows.
	execSQL(t, path, `CREATE VIEW others AS SELECT 1`)
	schema := querySQL(t, path, "SELECT sql FROM sqlite_schema ORDER BY rowid")
	said := opened(t, database(path,
		model("Extra", "extras", a()),
		model("Note", "notes", a(), &dataflow.Field{Name: "b", Type: dataflow.Int, Optional: true}),
		model("Other", "others", a())))
	if len(said) != 1 || !strings.HasPrefix(said[0], "FC620 error: the tables of the database "+path+" can't be made") {
		t.Errorf("said %q", said)
	}
	if after := querySQL(t, path, "SELECT sql FROM sqlite_schema ORDER BY rowid"); !slices.Equal(schema, after) {
		t.Errorf("half a migration was done: %q", after)
	}
	if n := querySQL(t, path, "SELECT count(*) FROM _flow_migrations"); n[0] != "1" {
		t.Errorf("%v migrations are in the history", n)
	}
}

func TestTwoStartAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	var wg sync.WaitGroup
	said := make([][]string, 4)
	for i := range said {
		wg.Go(func() {
			s, _, diags := Opener{}.Open(context.Background(), database(path, model("Note", "notes", &dataflow.Field{Name: "a", Type: dataflow.String})), store.Options{})
			for _, d := range diags {
				said[i] = append(said[i], d.Message)
			}
			if s != nil {
				_ = s.Close()
			}
		})
	}
	wg.Wait()
	for _, s := range said {
		if s != nil {
			t.Errorf("said %q", s)
		}
	}
	if n := querySQL(t, path, "SELECT count(*) FROM _flow_migrations"); n[0] != "1" {
		t.Errorf("%v migrations are in the history", n)
	}
}

// TestKill kills a process while many write at once. What it was told is
// stored must be there, and whatever is there must be whole.
func TestKill(t *testing.T) {
	if path := os.Getenv("SQLITE_TEST_KILL"); path != "" {
		writePairs(path)
		return
	}
	path := filepath.Join(t.TempDir(), "a.db")
	for round := range 3 {
		acknowledged := killWriter(t, path, 150+50*round)
		db := pairs(path)
		s := openTest(t, db)
		stored := map[string]int{}
		if err := s.Select(context.Background(), &query.Select{Model: db.Models[0]}, func(r store.Row) error {
			stored[r.Value(1).(string)]++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for _, key := range acknowledged {
			if stored[key] != 2 {
				t.Errorf("%s was acknowledged, but %d of its rows are there", key, stored[key])
			}
		}
		for key, n := range stored {
			if n != 2 {
				t.Errorf("%d rows of %s are there: half a transaction", n, key)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := querySQL(t, path, "PRAGMA integrity_check"); got[0] != "ok" {
			t.Errorf("integrity: %v", got)
		}
	}
}

func pairs(path string) *dataflow.Database {
	return database(path, model("Note", "notes", &dataflow.Field{Name: "text", Type: dataflow.String}))
}

// killWriter runs writePairs in another process and kills it after n writes
// are acknowledged. It returns all that were.
func killWriter(t *testing.T, path string, n int) (acknowledged []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestKill$")
	cmd.Env = append(os.Environ(), "SQLITE_TEST_KILL="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		key, ok := strings.CutPrefix(lines.Text(), "ack ")
		if !ok {
			continue
		}
		if acknowledged = append(acknowledged, key); len(acknowledged) == n {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || len(acknowledged) < n {
		t.Fatalf("the writer ended by itself after %d writes: %v", len(acknowledged), err)
	}
	return acknowledged
}

// writePairs writes two rows per transaction, from many goroutines, and says
// on standard output what it was told is stored.
func writePairs(path string) {
	db := pairs(path)
	s, _, diags := Opener{}.Open(context.Background(), db, store.Options{})
	if s == nil {
		fmt.Println(diags)
		return
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			for i := range 100_000 {
				key := strconv.Itoa(os.Getpid()) + "-" + strconv.Itoa(w) + "-" + strconv.Itoa(i)
				err := s.Write(context.Background(), func(tx store.Tx) error {
					if err := add(tx, db.Models[0], key); err != nil {
						return err
					}
					return add(tx, db.Models[0], key)
				})
				if err == nil {
					mu.Lock()
					fmt.Println("ack " + key)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
}

func TestEchoAndSlowQueries(t *testing.T) {
	var log bytes.Buffer
	m := model("Note", "notes", &dataflow.Field{Name: "text", Type: dataflow.String})
	db := database(filepath.Join(t.TempDir(), "a.db"), m)
	db.Options.Echo, db.Options.SlowQueryThreshold = true, time.Nanosecond
	s, _, diags := Opener{}.Open(context.Background(), db, store.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if s == nil {
		t.Fatal(diags)
	}
	defer s.Close()
	if err := s.Write(context.Background(), func(tx store.Tx) error { return add(tx, m, "secret") }); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "msg=statement sql=\"INSERT INTO") || !strings.Contains(log.String(), "msg=\"slow query\"") {
		t.Errorf("logged %s", log.String())
	}
	if strings.Contains(log.String(), "secret") {
		t.Error("a value is in the log")
	}
}

func TestTheFileIsTakenAway(t *testing.T) {
	for _, test := range []struct {
		name string
		take func(path string) error
	}{
		{"the database is deleted", os.Remove},
		{"the database is moved", func(p string) error { return os.Rename(p, p+".old") }},
		{"the database is replaced", func(p string) error {
			if err := os.WriteFile(p+".new", nil, 0o666); err != nil {
				return err
			}
			return os.Rename(p+".new", p)
		}},
		{"its log is deleted", func(p string) error { return os.Remove(p + "-wal") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.db")
			m := model("Note", "notes", &dataflow.Field{Name: "text", Type: dataflow.String})
			opened, _, diags := Opener{}.Open(t.Context(), database(path, m), store.Options{})
			if opened == nil {
				t.Fatal(diags)
			}
			defer opened.Close()
			write := func() error {
				return opened.Write(t.Context(), func(tx store.Tx) error { return add(tx, m, "x") })
			}
			if err := errors.Join(write(), opened.Ping(t.Context())); err != nil {
				t.Fatal(err)
			}
			if err := test.take(path); err != nil {
				t.Fatal(err)
			}
			if got := code(write()); got != "storage_lost" {
				t.Errorf("a write that no file would have: %q", got)
			}
			if got := code(opened.Ping(t.Context())); got != "storage_lost" {
				t.Errorf("ping: %q", got)
			}
			if n, err := opened.Count(t.Context(), m, nil); n != 1 && err == nil {
				t.Errorf("%d rows", n)
			}
		})
	}
}

func TestALogWithoutItsDatabase(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	if err := os.WriteFile(path+"-wal", []byte("what only the log has"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, said := migrated(t, database(path, model("Note", "notes")))
	if len(said) != 1 || !strings.HasPrefix(said[0], "FC602 error") || !strings.Contains(said[0], "its log a.db-wal is there, but the database it belongs to is not") {
		t.Errorf("%v", said)
	}
	if text, err := os.ReadFile(path + "-wal"); err != nil || string(text) != "what only the log has" {
		t.Errorf("the log: %q, %v", text, err)
	}
}

func TestMigratedUnderARunningApp(t *testing.T) {
	text := func() *dataflow.Field { return &dataflow.Field{Name: "text", Type: dataflow.String} }
	old := func() *dataflow.Model { return model("Note", "notes", text()) }
	optional := model("Note", "notes", text(), &dataflow.Field{Name: "more", Type: dataflow.String, Optional: true, Index: true})
	required := model("Note", "notes", text(), &dataflow.Field{Name: "more", Type: dataflow.String, HasDefault: true, Default: "x"})
	soft := model("Note", "notes", text(), &dataflow.Field{Name: "deleted_at", Type: dataflow.DateTime, Optional: true, System: dataflow.RoleDeletedAt})
	soft.SoftDelete = true
	for _, test := range []struct {
		name string
		now  *dataflow.Model
		want string
	}{
		{"an optional column and an index more", optional, ""},
		{"a required column more", required, "schema_changed"},
		{"soft delete", soft, "schema_changed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.db")
			m := old()
			opened, _, diags := Opener{}.Open(t.Context(), database(path, m), store.Options{})
			if opened == nil {
				t.Fatal(diags)
			}
			defer opened.Close()
			write := func() error {
				return opened.Write(t.Context(), func(tx store.Tx) error { return add(tx, m, "x") })
			}
			if err := write(); err != nil {
				t.Fatal(err)
			}
			if _, said := migrated(t, database(path, test.now)); said != nil {
				t.Fatal(said)
			}
			for range 2 {
				if got := code(write()); got != test.want {
					t.Errorf("a write of the older app: %q, want %q", got, test.want)
				}
			}
		})
	}
}

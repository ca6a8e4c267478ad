package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

func TestParseURL(t *testing.T) {
	for _, test := range []struct{ url, path, name, problem string }{
		{url: "sqlite:shop.db", path: "/app/shop.db", name: "shop.db"},
		{url: "sqlite:data/shop.db", path: "/app/data/shop.db", name: "data/shop.db"},
		{url: "sqlite:../shop.db", path: "/shop.db", name: "../shop.db"},
		{url: "sqlite:/var/shop.db", path: "/var/shop.db", name: "/var/shop.db"},
		{url: "sqlite:///var/shop.db", path: "/var/shop.db", name: "/var/shop.db"},
		{url: "sqlite:////var/shop.db", path: "/var/shop.db", name: "/var/shop.db"},
		{url: "sqlite:a b%20c.db", path: "/app/a b%20c.db", name: "a b%20c.db"},
		{url: "sqlite::memory:", path: ":memory:", name: ":memory:"},
		{url: "sqlite:///:memory:", path: ":memory:", name: ":memory:"},
		{url: "sqlite://shop.db", problem: `"sqlite://" is followed by a third slash and an absolute path; a path that starts from the app's folder has no slashes before it`},
		{url: "sqlite:///shop.db", problem: `"sqlite:///" is followed by an absolute path, so that this would be a file in the root folder`},
		{url: "sqlite:/shop.db", path: "/shop.db", name: "/shop.db"},
		{url: "sqlite:", problem: "the URL names no file"},
		{url: "sqlite:data/", problem: "the URL names no file"},
		{url: "sqlite:a.db?cache=shared", problem: `a "sqlite:" URL has no options behind "?" or "#"; options are arguments of DataFlow`},
		{url: "postgres://x", problem: `the URL does not start with "sqlite:"`},
	} {
		p, diag := parseURL(&dataflow.Database{URL: test.url}, "/app")
		problem := ""
		if diag != nil {
			problem = diag.Message
		}
		if problem != test.problem || problem == "" && (p.path != test.path || p.name != test.name) {
			t.Errorf("%s: %+v %q", test.url, p, problem)
		}
	}
}

func TestInMemory(t *testing.T) {
	m := model("Note", "notes", &dataflow.Field{Name: "text", Type: dataflow.String})
	db := database("", m)
	db.URL = "sqlite::memory:"
	s := openTest(t, db)
	writes := make([]*member, 4)
	for i := range writes {
		writes[i] = &member{do: func(tx store.Tx) error { return add(tx, m, fmt.Sprint(i)) }}
	}
	groupOf(s)
	together(s, writes...)
	for _, w := range writes {
		if w.told != nil {
			t.Error(w.told)
		}
	}
	if got := texts(t, s); len(got) != 4 {
		t.Errorf("stored %v", got)
	}
	mine := errors.New("mine")
	if err := s.Snapshot(context.Background(), func(r store.Reader) error {
		if n, err := r.Count(context.Background(), m, nil); n != 4 || err != nil {
			t.Error(n, err)
		}
		return mine
	}); err != mine {
		t.Error(err)
	}
	if err := s.Ping(context.Background()); err != nil {
		t.Error(err)
	}
	if got := texts(t, openTest(t, db)); len(got) != 0 {
		t.Errorf("two databases in memory are one: %v", got)
	}
}

func TestExistingSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	execSQL(t, path,
		`CREATE TABLE people (id INTEGER PRIMARY KEY, name VARCHAR(80) NOT NULL, email TEXT, born REAL, extra JSON, day DATE, legacy TEXT NOT NULL DEFAULT '')`,
		`INSERT INTO people (name, email, extra, day) VALUES ('Ann', 'a@b.c', 'not JSON', '2026-01-31')`)
	existing := func(models ...*dataflow.Model) *dataflow.Database {
		db := database(path, models...)
		db.Options.ExistingSchemaMode = true
		return db
	}
	name := &dataflow.Field{Name: "name", Type: dataflow.String}
	email := &dataflow.Field{Name: "email", Type: dataflow.String, Optional: true}
	fits := model("Person", "people", name, email, &dataflow.Field{Name: "extra", Type: dataflow.JSON, Optional: true},
		&dataflow.Field{Name: "day", Type: &dataflow.Type{Kind: dataflow.KindDate}, Optional: true})
	own := model("Key", "_flow_keys")
	own.Seal()
	existingStore, _, diags := Opener{}.Open(context.Background(), existing(fits), store.Options{System: []*dataflow.Model{own}})
	if existingStore == nil {
		t.Fatal(diags)
	}
	s := existingStore.(*Store)
	if _, err := s.Count(context.Background(), own, nil); code(err) != "not_available" {
		t.Errorf("a table of the runtime's own: %v", err)
	}
	if err := s.Select(context.Background(), &query.Select{Model: fits}, func(r store.Row) error {
		if got := string(r.AppendJSON(nil)); got != `{"id":1,"name":"Ann","email":"a@b.c","extra":"not JSON","day":"2026-01-31"}` {
			t.Errorf("read %s", got)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if err := s.Write(context.Background(), func(tx store.Tx) error { return add(tx, fits, "Bob") }); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	audited := model("Person", "people",
		&dataflow.Field{Name: "name", Type: dataflow.Int},
		&dataflow.Field{Name: "email", Type: dataflow.String, Unique: true},
		&dataflow.Field{Name: "born", Type: dataflow.Float},
		&dataflow.Field{Name: "age", Type: dataflow.Int})
	audited.AuditLog = true
	want := []string{
		"FC617 error: the column people.name is a column of type TEXT, but the field is int, kept as INTEGER",
		"FC617 error: the column people.email can be null, but the field is required",
		"FC617 error: the column people.born can be null, but the field is required",
		"FC617 error: the table people has no column age",
		"FC617 error: the table people has no unique index on email",
		"FC617 error: the database has no table orders for Order",
		"FC617 error: Person keeps an audit log, but the database has no table _flow_audit",
	}
	if said := opened(t, existing(audited, model("Order", "orders"))); !slices.Equal(said, want) {
		t.Errorf("said\n%s", strings.Join(said, "\n"))
	}
	if tables := querySQL(t, path, "SELECT name FROM sqlite_schema"); !slices.Equal(tables, []string{"people"}) {
		t.Errorf("tables were made: %v", tables)
	}
}

func TestAutoMigrateOff(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	text := func() *dataflow.Field { return &dataflow.Field{Name: "text", Type: dataflow.String} }
	off := func(fields ...*dataflow.Field) *dataflow.Database {
		db := database(path, model("Note", "notes", fields...))
		db.Options.AutoMigrate = false
		return db
	}
	want := []string{"FC616 error: the database " + path + " is not as the models ask, and auto_migrate is off; it would take: create table notes"}
	if said := opened(t, off(text())); !slices.Equal(said, want) {
		t.Errorf("said %q", said)
	}
	if tables := querySQL(t, path, "SELECT name FROM sqlite_schema"); len(tables) > 0 {
		t.Errorf("tables were made: %v", tables)
	}
	if _, said := migrated(t, database(path, model("Note", "notes", text()))); said != nil {
		t.Fatal(said)
	}
	if steps, said := migrated(t, off(text())); steps != nil || said != nil {
		t.Errorf("%v %v", steps, said)
	}
	more := &dataflow.Field{Name: "more", Type: dataflow.Int, Optional: true, Index: true}
	want = []string{"FC616 error: the database " + path + " is not as the models ask, and auto_migrate is off; it would take: add column notes.more; create index on notes (more)"}
	if said := opened(t, off(text(), more)); !slices.Equal(said, want) {
		t.Errorf("said %q", said)
	}
}

// TestUnchangedSchemaIsNotInspected checks what a start costs, and that a
// change behind the runtime's back is noticed all the same.
func TestUnchangedSchemaIsNotInspected(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	db := func() *dataflow.Database {
		return database(path, model("Note", "notes", &dataflow.Field{Name: "text", Type: dataflow.String, Index: true}))
	}
	if _, said := migrated(t, db()); said != nil {
		t.Fatal(said)
	}
	inspects := func() bool {
		t.Helper()
		c, err := openWriter(t.Context(), db(), place{path: path, name: "a.db"})
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		run := migrate.Runner{DB: &migrator{c, db(), place{path: path, name: "a.db"}}, Database: db()}
		if _, diags := run.Open(context.Background()); diags != nil {
			t.Fatal(diags)
		}
		return c.stmts.bySQL[columnsQuery] != nil
	}
	if inspects() {
		t.Error("an unchanged schema is inspected")
	}
	execSQL(t, path, `DROP INDEX "ix_notes.text"`)
	if !inspects() {
		t.Error("a schema changed by another is not inspected")
	}
	if inspects() {
		t.Error("a mended schema is inspected again")
	}
	if ix := querySQL(t, path, `SELECT name FROM sqlite_schema WHERE type = 'index'`); !slices.Equal(ix, []string{"ix_notes.text"}) {
		t.Errorf("indexes %v", ix)
	}
}

func TestPool(t *testing.T) {
	dir := t.TempDir()
	opened := 0
	p := &pool{size: 1, most: 2, open: func() (*conn, error) {
		opened++
		return openConn(filepath.Join(dir, "a.db"), sqlite.OpenReadWrite|sqlite.OpenCreate, 0)
	}}
	take := func() *conn {
		t.Helper()
		c, err := p.take(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	a := take()
	b := take() // the overflow
	done, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := p.take(done); code(err) != "cancelled" {
		t.Errorf("a third: %v", err)
	}
	got := make(chan *conn)
	go func() {
		c, _ := p.take(context.Background())
		got <- c
	}()
	for waiting := 0; waiting == 0; {
		p.mu.Lock()
		waiting = len(p.waiting)
		p.mu.Unlock()
	}
	p.put(b)
	if c := <-got; c != b {
		t.Error("the one who waits does not get the one given back")
	}
	p.put(b) // over its size: closed
	p.put(a)
	if c := take(); c != a || opened != 2 {
		t.Errorf("%d connections opened", opened)
	}
	p.recycle = time.Nanosecond
	p.put(a)
	p.recycle = 0
	c := take()
	if c == a {
		t.Error("an old connection is handed out")
	}
	if err := c.exec("BEGIN"); err != nil {
		t.Fatal(err)
	}
	p.put(c)
	last := take()
	if last == c {
		t.Error("a connection in a transaction is handed out")
	}
	p.put(last)
	p.close()
	if _, err := p.take(context.Background()); code(err) != "busy" {
		t.Errorf("a closed pool: %v", err)
	}
}

// What connections keep of the database is most of what a server holds under
// load (bench/README.md, Memory).
func TestWhatAReaderKeeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	w, err := openConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	c, err := openReader(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	stmt, _, err := c.PrepareTransient("PRAGMA cache_size")
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Finalize()
	if row, err := stmt.Step(); err != nil || !row || stmt.ColumnInt(0) != -1024 {
		t.Errorf("cache_size is %d, want 1,024 KiB (%v)", stmt.ColumnInt(0), err)
	}
}

// Were the caches one, a connection could take the pages of another, and leave
// it none to keep.
func TestEachConnectionKeepsItsOwnPages(t *testing.T) {
	c, err := openConn(filepath.Join(t.TempDir(), "a.db"), sqlite.OpenReadWrite|sqlite.OpenCreate, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.exec("CREATE TABLE a (b)"); err != nil {
		t.Fatal(err)
	}
	if n := pageCaches.Fgrp.FnPurgeable; n != 0 {
		t.Errorf("%d pages of connections are in what they share, want 0", n)
	}
}

func TestStatementsAreBounded(t *testing.T) {
	c, err := openConn(":memory:", sqlite.OpenReadWrite|sqlite.OpenCreate, 0)
	if err != nil {
		t.Fatal(err)
	}
	held, err := c.stmts.get("SELECT 'held'")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 * maxStatements {
		if err := c.run(fmt.Sprintf("SELECT %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(c.stmts.bySQL); n != maxStatements {
		t.Errorf("%d statements are kept", n)
	}
	long := "SELECT 1 /*" + strings.Repeat(" ", maxKeptText) + "*/"
	if err := c.run(long); err != nil || c.stmts.bySQL[long] != nil {
		t.Errorf("a long statement is kept: %v", err)
	}
	if again, err := c.stmts.get("SELECT 'held'"); err != nil || again == held || !again.once {
		t.Errorf("a statement in use is handed out again: %v", err)
	} else {
		c.stmts.put(again)
	}
	if more, err := held.Step(); !more || err != nil || held.ColumnText(0) != "held" {
		t.Errorf("a statement in use was given up: %v", err)
	}
	c.stmts.put(held)
	if err := c.close(); err != nil {
		t.Error(err)
	}
}

func BenchmarkOpenUnchanged(b *testing.B) {
	for _, n := range []int{10, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var models []*dataflow.Model
			for i := range n {
				models = append(models, model(fmt.Sprintf("Model%d", i), fmt.Sprintf("models_%d", i),
					&dataflow.Field{Name: "a", Type: dataflow.String, Unique: true}, &dataflow.Field{Name: "b", Type: dataflow.Int, Index: true}))
			}
			db := database(filepath.Join(b.TempDir(), "a.db"), models...)
			began, first := time.Now(), time.Duration(0)
			for i := range b.N + 1 {
				s, _, diags := Opener{}.Open(context.Background(), db, store.Options{})
				if s == nil {
					b.Fatal(diags)
				}
				if i == 0 {
					first = time.Since(began)
					b.ResetTimer()
				}
				if _, err := s.Count(context.Background(), models[0], nil); err != nil {
					b.Fatal(err)
				}
				_ = s.Close()
			}
			b.ReportMetric(float64(first.Microseconds())/1000, "ms-first")
		})
	}
}

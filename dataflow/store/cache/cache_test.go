package cache_test

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/rawsql"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/cache"
	"github.com/flowctl/flowctl/dataflow/store/postgres"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/dataflow/store/sqlite"
	"github.com/flowctl/flowctl/dataflow/store/storetest"
	"github.com/google/go-cmp/cmp"
)

// openBelow opens a database without a cache.
func openBelow(t testing.TB, o store.Opener, db *dataflow.Database, url string) store.Store {
	t.Helper()
	if db.URL == "" {
		db.URL = url
	}
	db.Options.CacheTTL = time.Hour
	s, _, diags := o.Open(context.Background(), db, store.Options{})
	if s == nil {
		t.Fatal(diags)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// A database behind a cache is one as any other, also where what is seen has
// been kept.
func TestConformance(t *testing.T) {
	for name, open := range map[string]func(t *testing.T, db *dataflow.Database) store.Store{
		"sqlite": func(t *testing.T, db *dataflow.Database) store.Store {
			return openBelow(t, sqlite.Opener{}, db, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
		},
		"postgres": func(t *testing.T, db *dataflow.Database) store.Store {
			return openBelow(t, postgres.Opener{}, db, pgtest.URL(t))
		},
	} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T, db *dataflow.Database) store.Store {
				return twice{cache.New(open(t, db), db, &cache.Writes{}, nil)}
			})
		})
	}
}

// twice asks every question twice, so that the second time it may be answered
// by what was kept.
type twice struct{ *cache.Store }

func ignore(store.Row) error { return nil }

func (s twice) Get(ctx context.Context, m *dataflow.Model, id any, fields []int, f func(store.Row) error) (bool, error) {
	if _, err := s.Store.Get(ctx, m, id, fields, ignore); err != nil {
		return false, err
	}
	return s.Store.Get(ctx, m, id, fields, f)
}

func (s twice) Select(ctx context.Context, q *query.Select, f func(store.Row) error) error {
	if err := s.Store.Select(ctx, q, ignore); err != nil {
		return err
	}
	return s.Store.Select(ctx, q, f)
}

func (s twice) Count(ctx context.Context, m *dataflow.Model, where query.Expr) (int64, error) {
	if _, err := s.Store.Count(ctx, m, where); err != nil {
		return 0, err
	}
	return s.Store.Count(ctx, m, where)
}

func (s twice) Aggregate(ctx context.Context, q *query.Aggregate, f func(store.Row) error) error {
	if err := s.Store.Aggregate(ctx, q, ignore); err != nil {
		return err
	}
	return s.Store.Aggregate(ctx, q, f)
}

// library is a database of two models, the second of which refers to the first.
type library struct {
	db           *dataflow.Database
	author, book *dataflow.Model
	below        store.Store
	asked        *atomic.Int64 // questions that reached the database
	s            *cache.Store
	writes       *cache.Writes
	clock        time.Time
}

// counting counts the questions that reach a store.
type counting struct {
	store.Store
	asked *atomic.Int64
}

func (c counting) Select(ctx context.Context, q *query.Select, f func(store.Row) error) error {
	c.asked.Add(1)
	return c.Store.Select(ctx, q, f)
}

func (c counting) Get(ctx context.Context, m *dataflow.Model, id any, fields []int, f func(store.Row) error) (bool, error) {
	c.asked.Add(1)
	return c.Store.Get(ctx, m, id, fields, f)
}

func (c counting) Count(ctx context.Context, m *dataflow.Model, where query.Expr) (int64, error) {
	c.asked.Add(1)
	return c.Store.Count(ctx, m, where)
}

func openLibrary(t testing.TB) *library {
	t.Helper()
	id := func() *dataflow.Field {
		return &dataflow.Field{Name: "id", Type: dataflow.Int, System: dataflow.RoleID}
	}
	l := &library{db: &dataflow.Database{Name: "db", Options: dataflow.DatabaseOptions{AutoMigrate: true}}, asked: &atomic.Int64{}, writes: &cache.Writes{}, clock: time.Date(2027, 3, 1, 12, 0, 0, 0, time.UTC)}
	l.author = &dataflow.Model{Name: "Author", Table: "authors", Database: l.db, Fields: []*dataflow.Field{id(), {Name: "name", Type: dataflow.String}}}
	l.book = &dataflow.Model{Name: "Book", Table: "books", Database: l.db, Fields: []*dataflow.Field{
		id(), {Name: "title", Type: dataflow.String}, {Name: "author", Type: &dataflow.Type{Kind: dataflow.KindRef, Model: l.author}, Optional: true, OnDelete: "cascade"},
	}}
	for _, m := range []*dataflow.Model{l.author, l.book} {
		m.Seal()
		l.db.Models = append(l.db.Models, m)
	}
	l.below = openBelow(t, sqlite.Opener{}, l.db, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	l.s = cache.New(counting{l.below, l.asked}, l.db, l.writes, func() time.Time { return l.clock })
	return l
}

func (l *library) insert(t testing.TB, s store.Store, m *dataflow.Model, fields []int, vals ...any) {
	t.Helper()
	err := s.Write(context.Background(), func(tx store.Tx) error {
		_, err := tx.Insert(context.Background(), m, fields, [][]any{vals})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// titles asks for the books of authors whose name begins so; wantAsked is how
// often that reaches the database.
func (l *library) titles(t *testing.T, prefix string, wantAsked int64, want ...string) {
	t.Helper()
	before := l.asked.Load()
	var got []string
	err := l.s.Select(context.Background(), &query.Select{Model: l.book, Fields: []int{1}, Order: []query.Order{{Field: 1}},
		Where: &query.Cmp{Path: query.Path{Model: l.book, Via: []int{2}, Field: 1}, Op: query.StartsWith, Value: prefix}},
		func(r store.Row) error {
			got = append(got, string(r.AppendJSON(nil)))
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		want[i] = `{"title":"` + want[i] + `"}`
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if n := l.asked.Load() - before; n != wantAsked {
		t.Errorf("the database was asked %d times, want %d", n, wantAsked)
	}
}

var nameAndTitle = []int{1}

func TestWhatIsKept(t *testing.T) {
	l := openLibrary(t)
	ctx := context.Background()
	l.insert(t, l.s, l.author, nameAndTitle, "Ann")
	l.insert(t, l.s, l.book, []int{1, 2}, "A", int64(1))
	l.titles(t, "A", 1, "A")
	l.titles(t, "A", 0, "A")
	l.titles(t, "B", 1) // another question
	l.titles(t, "B", 0)

	l.insert(t, l.s, l.book, []int{1, 2}, "B", int64(1)) // its own table
	l.titles(t, "A", 1, "A", "B")
	if _, err := l.s.Add(ctx, l.author, nameAndTitle, []any{"Bob"}); err != nil { // one that it only leads through
		t.Fatal(err)
	}
	l.titles(t, "A", 1, "A", "B")
	l.titles(t, "A", 0, "A", "B")

	l.insert(t, l.below, l.book, []int{1, 2}, "C", int64(1)) // as another process does
	l.titles(t, "A", 0, "A", "B")
	l.clock = l.clock.Add(time.Hour)
	l.titles(t, "A", 1, "A", "B", "C")

	earlier := cache.New(l.below, l.db, l.writes, nil) // as an earlier version of the app
	l.insert(t, earlier, l.book, []int{1, 2}, "D", int64(1))
	l.titles(t, "A", 1, "A", "B", "C", "D")

	err := l.s.Write(ctx, func(tx store.Tx) error { // along with what it refers to
		_, err := tx.Delete(ctx, l.author, &query.Cmp{Path: query.Path{Model: l.author, Field: 1}, Op: query.Eq, Value: "Ann"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	l.titles(t, "A", 1)
	if st := l.s.Stats(); st.Hits == 0 || st.Misses == 0 {
		t.Errorf("%d hits and %d misses, want some", st.Hits, st.Misses)
	}
}

// While a table is written to, and after that has failed, it is the database
// that answers.
func TestWhileItIsWritten(t *testing.T) {
	l := openLibrary(t)
	ctx := context.Background()
	l.insert(t, l.s, l.author, nameAndTitle, "Ann")
	l.insert(t, l.s, l.book, []int{1, 2}, "A", int64(1))
	l.titles(t, "A", 1, "A")
	failed := errors.New("failed")
	err := l.s.Write(ctx, func(tx store.Tx) error {
		l.titles(t, "A", 0, "A") // nothing has been written yet
		if _, err := tx.Update(ctx, &query.Update{Model: l.book, Bump: -1, Set: []query.Assign{{Field: 1, Value: "Z"}}}); err != nil {
			return err
		}
		l.titles(t, "A", 1, "A")
		l.titles(t, "A", 1, "A")
		return failed
	})
	if !errors.Is(err, failed) {
		t.Fatal(err)
	}
	l.titles(t, "A", 1, "A")
	l.titles(t, "A", 0, "A")

	read, wrote := make(chan struct{}), make(chan struct{}) // a write in the middle of a read
	slow := make(chan error, 1)
	go func() {
		slow <- l.s.Select(ctx, &query.Select{Model: l.book, Fields: []int{1}}, func(store.Row) error {
			close(read)
			<-wrote
			return nil
		})
	}()
	<-read
	l.insert(t, l.s, l.book, []int{1, 2}, "B", int64(1))
	close(wrote)
	if err := <-slow; err != nil {
		t.Fatal(err)
	}
	n := 0
	if err := l.s.Select(ctx, &query.Select{Model: l.book, Fields: []int{1}}, func(store.Row) error { n++; return nil }); err != nil || n != 2 {
		t.Errorf("%d rows, %v: what was read before the write has been kept", n, err)
	}
}

// A statement of the app's own may change any table.
func TestStatementsOfTheApp(t *testing.T) {
	l := openLibrary(t)
	ctx := context.Background()
	l.insert(t, l.s, l.author, nameAndTitle, "Ann")
	l.insert(t, l.s, l.book, []int{1, 2}, "A", int64(1))
	l.titles(t, "A", 1, "A")
	for _, text := range []string{"UPDATE books SET title = 'B'", "SELECT 1 AS one"} {
		q, flaw := rawsql.Parse(text, true)
		if flaw != nil {
			t.Fatal(flaw)
		}
		q.Write, q.MaxRows = strings.HasPrefix(text, "UPDATE"), 10
		err := l.s.Write(ctx, func(tx store.Tx) error {
			_, err := tx.Query(ctx, q, nil)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		l.titles(t, "A", map[bool]int64{true: 1}[q.Write], "B")
	}
}

// What fails, what is too large, what locks rows and what is the runtime's own
// is not kept.
func TestWhatIsNotKept(t *testing.T) {
	l := openLibrary(t)
	ctx := context.Background()
	l.insert(t, l.s, l.author, nameAndTitle, strings.Repeat("x", cache.MaxAnswer/2+1))
	other := &dataflow.Model{Name: "Elsewhere", Table: "_flow_elsewhere"}
	for name, ask := range map[string]func() error{
		"too large": func() error {
			return l.s.Select(ctx, &query.Select{Model: l.author}, ignore)
		},
		"too large, one": func() error {
			_, err := l.s.Get(ctx, l.author, int64(1), nil, ignore)
			return err
		},
		"given up": func() error {
			stop := errors.New("stop")
			if err := l.s.Select(ctx, &query.Select{Model: l.author, Fields: []int{0}}, func(store.Row) error { return stop }); !errors.Is(err, stop) {
				return errors.Join(errors.New("the error is lost"), err)
			}
			return nil
		},
		"the runtime's own": func() error {
			_, err := l.s.Count(ctx, other, nil)
			return map[bool]error{true: nil, false: errors.New("it is there")}[err != nil]
		},
	} {
		for range 2 {
			before := l.asked.Load()
			if err := ask(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if n := l.asked.Load() - before; n != 1 {
				t.Errorf("%s: the database was asked %d times, want each time", name, n)
			}
		}
	}
}

// No two questions have one answer.
func TestQuestionsDiffer(t *testing.T) {
	l := openLibrary(t)
	ctx := context.Background()
	for _, name := range []string{"1", "a", "b", `a","b`} {
		l.insert(t, l.s, l.author, nameAndTitle, name)
	}
	cmpOf := func(op query.Op, v any) query.Expr {
		return &query.Cmp{Path: query.Path{Model: l.author, Field: 1}, Op: op, Value: v}
	}
	questions := []*query.Select{
		{Model: l.author},
		{Model: l.author, Fields: []int{1}},
		{Model: l.author, Fields: []int{1, 0}},
		{Model: l.author, Limit: 1},
		{Model: l.author, Limit: 2},
		{Model: l.author, Limit: 2, Offset: 1},
		{Model: l.author, Order: []query.Order{{Field: 1}}},
		{Model: l.author, Order: []query.Order{{Field: 1, Desc: true}}},
		{Model: l.author, Order: []query.Order{{Field: 0}}, After: []any{int64(1)}},
		{Model: l.author, Order: []query.Order{{Field: 0}}, After: []any{int64(2)}},
		{Model: l.author, Where: cmpOf(query.Eq, "1")},
		{Model: l.author, Where: cmpOf(query.Ne, "1")},
		{Model: l.author, Where: cmpOf(query.In, []any{"a", "b"})},
		{Model: l.author, Where: cmpOf(query.In, []any{`a","b`})},
		{Model: l.author, Where: cmpOf(query.Contains, "a")},
		{Model: l.author, Where: cmpOf(query.StartsWith, "a")},
		{Model: l.author, Where: cmpOf(query.EndsWith, "a")},
		{Model: l.author, Where: query.Not{Expr: cmpOf(query.StartsWith, "a")}},
		{Model: l.author, Where: query.Or{cmpOf(query.Eq, "a"), cmpOf(query.Eq, "1")}},
		{Model: l.author, Where: query.And{cmpOf(query.Gte, "a"), cmpOf(query.Lt, "b")}},
	}
	for round := range int64(2) {
		for i, q := range questions {
			before := l.asked.Load()
			var got, want []string
			read := func(to *[]string) func(store.Row) error {
				return func(r store.Row) error { *to = append(*to, string(r.AppendJSON(nil))); return nil }
			}
			if err := errors.Join(l.s.Select(ctx, q, read(&got)), l.below.Select(ctx, q, read(&want))); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, want) {
				t.Errorf("question %d is answered with %q, want %q", i, got, want)
			}
			if n := l.asked.Load() - before; n != 1-round {
				t.Errorf("question %d, the %dth time: the database was asked %d times", i, round, n)
			}
		}
	}
}

// Whoever reads after a write was acknowledged sees it, however many read and
// write at the same time.
func TestNobodySeesWhatWasBefore(t *testing.T) {
	l := openLibrary(t)
	ctx := context.Background()
	l.insert(t, l.s, l.author, nameAndTitle, "0")
	const writes = 50
	var acknowledged atomic.Int64
	ended := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				least := acknowledged.Load()
				var name string
				_, err := l.s.Get(ctx, l.author, int64(1), nil, func(r store.Row) error {
					name, _ = r.Value(1).(string)
					return nil
				})
				if n, err2 := strconv.ParseInt(name, 10, 64); err != nil || err2 != nil || n < least {
					t.Errorf("%q was read after %d had been written: %v", name, least, errors.Join(err, err2))
					return
				}
				select {
				case <-ended:
					return
				default:
				}
			}
		})
	}
	for i := range int64(writes) {
		err := l.s.Write(ctx, func(tx store.Tx) error {
			_, err := tx.Update(ctx, &query.Update{Model: l.author, Bump: -1, Set: []query.Assign{{Field: 1, Value: strconv.FormatInt(i+1, 10)}}})
			return err
		})
		if err != nil {
			t.Error(err)
			break
		}
		acknowledged.Store(i + 1)
	}
	close(ended)
	readers.Wait()
}

func BenchmarkGet(b *testing.B) {
	l := openLibrary(b)
	ctx := context.Background()
	l.insert(b, l.s, l.author, nameAndTitle, "Ann")
	var text []byte
	for name, s := range map[string]store.Store{"kept": l.s, "asked": l.below} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := s.Get(ctx, l.author, int64(1), nil, func(r store.Row) error {
					text = r.AppendJSON(text[:0])
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What else the database can do is found behind the cache.
func TestWhatIsBelow(t *testing.T) {
	l := openLibrary(t)
	behind := cache.New(l.below, l.db, l.writes, nil)
	if got, ok := store.As[*sqlite.Store](behind); !ok || got != l.below {
		t.Errorf("the database is %v, %v", got, ok)
	}
	if got, ok := store.As[*cache.Store](behind); !ok || got != behind {
		t.Errorf("the cache is %v, %v", got, ok)
	}
	if got, ok := store.As[*postgres.Store](behind); ok {
		t.Errorf("there is another engine: %v", got)
	}
	if _, ok := store.As[store.Store](nil); ok {
		t.Error("nothing is something")
	}
}

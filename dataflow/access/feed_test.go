package access_test

import (
	"context"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres"
	"github.com/flowctl/flowctl/dataflow/store/postgres/pgtest"
	"github.com/flowctl/flowctl/dataflow/store/sqlite"
)

// feedTest is a parent and its children, which go along with it, both followed.
type feedTest struct {
	t             *testing.T
	store         store.Store
	feed          *access.Feed
	parent, child *access.Model
	now           time.Time
}

func newFeedTest(t *testing.T, open store.Opener, url string) *feedTest {
	f := &feedTest{t: t, now: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)}
	db := &dataflow.Database{Name: "db", URL: url, Options: dataflow.DatabaseOptions{AutoMigrate: true}}
	build := func(name string, fields ...*dataflow.Field) *dataflow.Model {
		m := &dataflow.Model{Name: name, Table: name + "s", Database: db}
		m.Fields = slices.Concat([]*dataflow.Field{{Name: "id", Type: dataflow.Int, System: dataflow.RoleID}}, fields, []*dataflow.Field{
			{Name: "created_at", Type: dataflow.DateTime, System: dataflow.RoleCreatedAt}, {Name: "updated_at", Type: dataflow.DateTime, System: dataflow.RoleUpdatedAt}})
		m.Seal()
		db.Models = append(db.Models, m)
		return m
	}
	parent := build("Parent", &dataflow.Field{Name: "name", Type: dataflow.String})
	child := build("Child", &dataflow.Field{Name: "parent", Type: &dataflow.Type{Kind: dataflow.KindRef, Model: parent}, OnDelete: "cascade"})
	child.Indexes = []dataflow.Index{{Fields: []string{"parent"}}}
	now := func() time.Time { return f.now }
	f.feed = access.NewFeed(db, now)
	o := access.Options{Now: now, Feed: func(*dataflow.Model) *access.Feed { return f.feed }}
	f.parent, f.child = access.New(parent, o), access.New(child, o)
	st, _, ds := open.Open(t.Context(), db, store.Options{System: slices.Concat(access.SystemModels(db), access.FeedModels(db))})
	if st == nil {
		t.Fatal(ds)
	}
	f.store = st
	t.Cleanup(func() { st.Close() })
	return f
}

func onEachStore(t *testing.T, test func(*feedTest)) {
	t.Run("sqlite", func(t *testing.T) {
		test(newFeedTest(t, sqlite.Opener{}, "sqlite:"+filepath.Join(t.TempDir(), "x.db")))
	})
	t.Run("postgres", func(t *testing.T) {
		if err := pgtest.Missing(); err != nil {
			t.Skipf("SKIPPED, NOT TESTED: %v", err)
		}
		test(newFeedTest(t, postgres.Opener{}, pgtest.URL(t)))
	})
}

func (f *feedTest) do(m *access.Model, op dataflow.OpKind, args *dataflow.Object) {
	f.t.Helper()
	err := f.store.Write(f.t.Context(), func(tx store.Tx) error {
		_, err := m.Do(f.t.Context(), tx, access.Caller{}, op, args)
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *feedTest) settle() access.Extent {
	f.t.Helper()
	e, err := f.feed.Settle(f.t.Context(), f.store)
	if err != nil {
		f.t.Fatal(err)
	}
	return e
}

// events returns what is read after a place, as "Parent 1".
func (f *feedTest) events(after access.Place, upTo int64) (events []string, places []access.Place) {
	f.t.Helper()
	err := f.feed.Read(f.t.Context(), f.store, after, upTo, 100, func(e access.Event) error {
		events, places = append(events, e.Model+" "+e.Row), append(places, e.Place)
		return nil
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return events, places
}

func TestRowsThatGoAlongAreTold(t *testing.T) {
	onEachStore(t, func(f *feedTest) {
		f.do(f.parent, dataflow.OpCreate, dataflow.ObjectOf("name", "p"))
		f.do(f.child, dataflow.OpBulkCreate, dataflow.ObjectOf("data", []any{dataflow.ObjectOf("parent", int64(1)), dataflow.ObjectOf("parent", int64(1))}))
		from := access.AfterBatch(f.settle().Last)
		f.do(f.parent, dataflow.OpBulkDelete, dataflow.ObjectOf("ids", []any{int64(1)}))
		events, _ := f.events(from, f.settle().Last)
		if want := []string{"Child 1", "Child 2", "Parent 1"}; !slices.Equal(events, want) {
			f.t.Errorf("got %q, want %q", events, want)
		}
	})
}

func TestWhatIsOldIsForgottenBatchByBatch(t *testing.T) {
	onEachStore(t, func(f *feedTest) {
		f.do(f.parent, dataflow.OpCreate, dataflow.ObjectOf("name", "a"))
		f.do(f.parent, dataflow.OpCreate, dataflow.ObjectOf("name", "b"))
		first := f.settle()
		_, places := f.events(access.Place{}, first.Last)
		f.now = f.now.Add(50 * time.Minute)
		f.do(f.parent, dataflow.OpCreate, dataflow.ObjectOf("name", "c"))
		f.now = f.now.Add(20 * time.Minute)
		if err := f.feed.Trim(f.t.Context(), f.store, time.Hour); err != nil {
			f.t.Fatal(err)
		}
		e := f.settle()
		if want := (access.Extent{Trimmed: 1, Last: 2}); e != want {
			f.t.Fatalf("got %+v, want %+v", e, want)
		}
		for p, want := range map[access.Place]bool{places[0]: false, places[1]: false, access.AfterBatch(0): false,
			access.AfterBatch(1): true, access.AfterBatch(2): true, {Batch: 2, ID: 1}: true, access.AfterBatch(3): false} {
			if e.Holds(p) != want {
				f.t.Errorf("%v: held is %v", p, !want)
			}
		}
		// What nobody has followed is not missed without being noticed.
		f.do(f.parent, dataflow.OpCreate, dataflow.ObjectOf("name", "d"))
		f.now = f.now.Add(2 * time.Hour)
		if err := f.feed.Trim(f.t.Context(), f.store, time.Hour); err != nil {
			f.t.Fatal(err)
		}
		if e := f.settle(); e != (access.Extent{Trimmed: 3, Last: 3}) || e.Holds(access.AfterBatch(2)) {
			f.t.Errorf("got %+v", e)
		}
	})
}

// A change that is committed after a later one has its place behind it, and one
// that is not committed has none.
func TestAChangeHasItsPlaceOnceItIsCommitted(t *testing.T) {
	if err := pgtest.Missing(); err != nil {
		t.Skipf("SKIPPED, NOT TESTED: %v", err) // SQLite has one writer
	}
	f := newFeedTest(t, postgres.Opener{}, pgtest.URL(t))
	ctx := t.Context()
	create := func(ctx context.Context, tx store.Tx, name string) error {
		_, err := f.parent.Do(ctx, tx, access.Caller{}, dataflow.OpCreate, dataflow.ObjectOf("name", name))
		return err
	}
	var between access.Extent
	err := f.store.Write(ctx, func(tx store.Tx) error {
		if err := create(ctx, tx, "slow"); err != nil {
			return err
		}
		f.do(f.parent, dataflow.OpCreate, dataflow.ObjectOf("name", "quick"))
		between = f.settle()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if events, _ := f.events(access.Place{}, between.Last); !slices.Equal(events, []string{"Parent 2"}) {
		t.Errorf("before: got %q", events)
	}
	if events, _ := f.events(access.AfterBatch(between.Last), f.settle().Last); !slices.Equal(events, []string{"Parent 1"}) {
		t.Errorf("after: got %q", events)
	}
}

func TestPlacesAsText(t *testing.T) {
	for text, want := range map[string]access.Place{"12-345": {Batch: 12, ID: 345}, "0": access.AfterBatch(0), "7": access.AfterBatch(7)} {
		if p, ok := access.ParsePlace(text); !ok || p != want || p.String() != text {
			t.Errorf("%s: got %+v", text, p)
		}
	}
	for _, text := range []string{"", "-", "1-", "-1", "01", "1-02", "+1", "1-2-3", "x", "99999999999999999999", "1 ", "1-9223372036854775807"} {
		if p, ok := access.ParsePlace(text); ok {
			t.Errorf("%q is %+v", text, p)
		}
	}
}

package sqlite

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

// counter is a store with one row that holds a number, and a connection to the
// same file as another program would have it.
func counter(t *testing.T) (s *Store, get func() int64, other *conn) {
	t.Helper()
	m := model("Counter", "counters", &dataflow.Field{Name: "n", Type: dataflow.Int})
	db := database(filepath.Join(t.TempDir(), "test.db"), m)
	s = openTest(t, db)
	if err := s.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Insert(t.Context(), m, []int{1}, [][]any{{int64(0)}})
		return err
	}); err != nil {
		t.Fatal(err)
	}
	other, err := openConn(s.file.path, sqlite.OpenReadWrite, busyTimeout)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.close() })
	return s, func() (n int64) {
		found, err := s.Get(context.Background(), m, int64(1), nil, func(r store.Row) error {
			n = r.Value(1).(int64)
			return nil
		})
		if err != nil || !found {
			t.Error(found, err)
		}
		return n
	}, other
}

// kept counts the views at rest.
func kept(s *Store) (n int) {
	s.readers.mu.Lock()
	defer s.readers.mu.Unlock()
	for _, c := range s.readers.free {
		if c.view.kept && !c.AutocommitEnabled() {
			n++
		}
	}
	return n
}

// stopped stops the clock by which views are given up, and returns what a tick of
// it does: whether one is awaited.
func stopped(s *Store) (tick func() bool) {
	next := make(chan func(), 1)
	s.readers.later = func(_ time.Duration, f func()) { next <- f }
	return func() bool {
		select {
		case f := <-next:
			f()
			return true
		default:
			return false
		}
	}
}

func TestViewsAreKept(t *testing.T) {
	s, get, other := counter(t)
	tick := stopped(s)
	view := func() {
		t.Helper()
		get() // finds a header
		get() // finds the same one
		if kept(s) != 1 {
			t.Fatal("no view is kept")
		}
	}
	view()
	c := s.readers.free[0]
	of := c.view.of
	if err := other.exec("UPDATE counters SET n = 7"); err != nil {
		t.Fatal(err)
	}
	if n := get(); n != 7 {
		t.Errorf("another program has committed 7, and %d is read", n)
	}
	if c.view.of == of || kept(s) != 0 {
		t.Error("the view is of the commit before")
	}
	view()
	for range 2 { // it is used in the first one, and at rest in the second
		if kept(s) != 1 {
			t.Fatal("the view was given up too soon")
		}
		if !tick() {
			t.Fatal("no tick is awaited")
		}
	}
	if kept(s) != 0 || tick() {
		t.Error("a view that nobody uses is kept")
	}
	view()
	for range maxView + 2 {
		get()
		tick()
	}
	if get(); c.view.since == 0 || s.readers.ticks-c.view.since > maxView {
		t.Error("a view that is used all the time is never given up")
	}
}

// Readers must see what was committed before they asked: by the store itself,
// and by another program.
func TestViewsSeeEveryCommit(t *testing.T) {
	s, get, other := counter(t)
	m := s.of.Models[0]
	var committed atomic.Int64
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 3 {
		readers.Go(func() {
			last := int64(0)
			for {
				select {
				case <-stop:
					return
				default:
				}
				least := committed.Load()
				n := get()
				if n < least || n < last {
					t.Errorf("read %d after %d was committed and %d read", n, least, last)
					return
				}
				last = n
			}
		})
	}
	for i := int64(1); i <= 200; i++ {
		var err error
		if i%2 == 0 {
			err = other.exec(fmt.Sprintf("UPDATE counters SET n = %d", i))
		} else {
			err = s.Write(t.Context(), func(tx store.Tx) error {
				_, err := tx.Update(t.Context(), &query.Update{Model: m, Bump: -1, Set: []query.Assign{{Field: 1, Value: i}}})
				return err
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		committed.Store(i)
		for range i % 4 { // the second of them keeps its view
			if n := get(); n != i {
				t.Fatalf("read %d after %d was committed", n, i)
			}
		}
	}
	close(stop)
	readers.Wait()
}

// Who starts the log anew waits until no view is of it.
func TestViewsLetTheLogEnd(t *testing.T) {
	_, get, other := counter(t)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					get()
				}
			}
		})
	}
	if err := other.query("PRAGMA wal_checkpoint(TRUNCATE)", nil, func(r *sqlite.Stmt) {
		if busy := r.ColumnInt(0); busy != 0 {
			t.Error("the log could not be started anew for its readers")
		}
	}); err != nil {
		t.Error(err)
	}
	close(stop)
	readers.Wait()
}

// A snapshot is one state, whether its connection has a view or not.
func TestSnapshotInAView(t *testing.T) {
	s, get, other := counter(t)
	m := s.of.Models[0]
	stopped(s)
	get()
	if get(); kept(s) != 1 {
		t.Fatal("no view is kept")
	}
	if err := s.Snapshot(t.Context(), func(r store.Reader) error {
		for i := range 3 {
			n, err := int64(-1), error(nil)
			_, err = r.Get(t.Context(), m, int64(1), nil, func(r store.Row) error { n = r.Value(1).(int64); return nil })
			if err != nil || n != 0 {
				t.Errorf("read %d in the snapshot of 0: %v", n, err)
			}
			if err := other.exec(fmt.Sprintf("UPDATE counters SET n = %d", 100+i)); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n := get(); n != 102 {
		t.Errorf("read %d after the snapshot, want 102", n)
	}
}

// A transaction that is open in any other mode keeps all others from writing.
func TestNoViewsWithoutALog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	c, err := openConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if err := c.exec("CREATE TABLE t (n INTEGER)"); err != nil {
		t.Fatal(err)
	}
	r, err := openReader(path, new(walIndex))
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	if r.view.log != nil {
		t.Error("a connection to a database without a log keeps views")
	}
}

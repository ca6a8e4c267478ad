package sqlite

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"zombiezen.com/go/sqlite"
)

// notes is a store with one table of texts.
func notes(t *testing.T) (*Store, *dataflow.Model) {
	t.Helper()
	m := model("Note", "notes", &dataflow.Field{Name: "text", Type: dataflow.String})
	db := database("", m)
	db.URL = ""
	return openTest(t, db), m
}

func add(tx store.Tx, m *dataflow.Model, text string) error {
	_, err := tx.Insert(context.Background(), m, []int{1}, [][]any{{text}})
	return err
}

// texts returns what is stored, in order of id.
func texts(t *testing.T, s *Store) []string {
	t.Helper()
	list := []string{}
	if err := s.Select(context.Background(), selectAll(s), func(r store.Row) error {
		list = append(list, r.Value(1).(string))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

// member is one caller of a group: what it does, and what it is told.
type member struct {
	do   func(store.Tx) error
	told error
}

// together runs the members as one group: the first keeps its turn until the
// others are queued behind it, in order.
func together(s *Store, members ...*member) {
	var wg sync.WaitGroup
	started := make(chan struct{})
	begin := sync.OnceFunc(func() { // it may be run again
		close(started)
		waitQueued(s.writer, len(members)-1)
	})
	first := func(tx store.Tx) error {
		begin()
		return members[0].do(tx)
	}
	for i, m := range members {
		wg.Go(func() {
			if i == 0 {
				m.told = s.Write(context.Background(), first)
				return
			}
			<-started
			waitQueued(s.writer, i-1) // keep the order
			m.told = s.Write(context.Background(), m.do)
		})
	}
	wg.Wait()
}

func waitQueued(w *writer, n int) {
	for {
		w.mu.Lock()
		queued := len(w.queue)
		w.mu.Unlock()
		if queued >= n {
			return
		}
		runtime.Gosched()
	}
}

// groupOf keeps a group from being cut short by a slow machine.
func groupOf(s *Store) {
	s.writer.hold = time.Minute
}

func TestGroupCommitsOnce(t *testing.T) {
	s, m := notes(t)
	groupOf(s)
	commits := make([]*group, 4)
	var members []*member
	for i := range commits {
		members = append(members, &member{do: func(tx store.Tx) error {
			commits[i] = s.writer.cur
			return add(tx, m, fmt.Sprint(i))
		}})
	}
	together(s, members...)
	for i, member := range members {
		if member.told != nil {
			t.Errorf("member %d: %v", i, member.told)
		}
		if commits[i] != commits[0] {
			t.Errorf("member %d has a transaction of its own", i)
		}
	}
	if got := texts(t, s); !slices.Equal(got, []string{"0", "1", "2", "3"}) {
		t.Errorf("stored %v", got)
	}
}

func TestGroupSurvivesItsMembers(t *testing.T) {
	s, m := notes(t)
	groupOf(s)
	mine := errors.New("mine")
	good := func(text string) *member { return &member{do: func(tx store.Tx) error { return add(tx, m, text) }} }
	fails := &member{do: func(tx store.Tx) error { _ = add(tx, m, "failed"); return mine }}
	panics := &member{do: func(tx store.Tx) error { _ = add(tx, m, "panicked"); panic("a fault") }}
	exits := &member{do: func(tx store.Tx) error { _ = add(tx, m, "exited"); runtime.Goexit(); return nil }}
	first, middle, last := good("first"), good("middle"), good("last")
	together(s, first, fails, middle, panics, exits, last)
	for _, g := range []*member{first, middle, last} {
		if g.told != nil {
			t.Error(g.told)
		}
	}
	if fails.told != mine || dataflow.AsError(panics.told).Code != "internal" {
		t.Errorf("told %v and %v", fails.told, panics.told)
	}
	if got := texts(t, s); !slices.Equal(got, []string{"first", "middle", "last"}) {
		t.Errorf("stored %v", got)
	}
}

func TestFirstOfAGroupFails(t *testing.T) {
	s, m := notes(t)
	groupOf(s)
	mine := errors.New("mine")
	first := &member{do: func(tx store.Tx) error { _ = add(tx, m, "failed"); return mine }}
	next := &member{do: func(tx store.Tx) error { return add(tx, m, "next") }}
	together(s, first, next)
	if first.told != mine || next.told != nil {
		t.Errorf("told %v and %v", first.told, next.told)
	}
	if got := texts(t, s); !slices.Equal(got, []string{"next"}) {
		t.Errorf("stored %v", got)
	}
}

func TestCommitFails(t *testing.T) {
	m := model("Note", "notes", &dataflow.Field{Name: "text", Type: dataflow.String})
	m.Fields = append(m.Fields, &dataflow.Field{Name: "parent", Type: &dataflow.Type{Kind: dataflow.KindRef, Model: m}, Optional: true, OnDelete: "cascade"})
	db := database("", m)
	db.URL = ""
	s := openTest(t, db)
	groupOf(s)
	before := &member{do: func(tx store.Tx) error { return add(tx, m, "before") }}
	// With its checks deferred, a reference that leads nowhere is found only
	// when all is to be committed.
	breaks := &member{do: func(t store.Tx) error {
		if err := t.(*tx).c.exec("PRAGMA defer_foreign_keys = 1"); err != nil {
			return err
		}
		_, err := t.Insert(context.Background(), m, []int{1, 2}, [][]any{{"broken", int64(99)}})
		return err
	}}
	// Its own failure may be due to rows that are undone with the rest: it is
	// told what it comes to without them.
	runs := 0
	fails := &member{do: func(tx store.Tx) error {
		runs++
		n, err := tx.Count(context.Background(), m, nil)
		if err == nil && n == 2 {
			err = errors.New("there are two")
		}
		if err != nil {
			return err
		}
		return add(tx, m, "third")
	}}
	together(s, before, breaks, fails)
	if before.told != nil || breaks.told == nil || dataflow.AsError(breaks.told).Code != "reference_violation" || fails.told != nil || runs != 2 {
		t.Errorf("told %v, %v and, after %d runs, %v", before.told, breaks.told, runs, fails.told)
	}
	got := texts(t, s)
	slices.Sort(got) // each goes again by itself, in any order
	if !slices.Equal(got, []string{"before", "third"}) {
		t.Errorf("stored %v", got)
	}
	if err := s.Write(context.Background(), func(tx store.Tx) error { return add(tx, m, "after") }); err != nil {
		t.Errorf("the writer is stuck: %v", err)
	}
}

func TestWaitingWriterGivesUp(t *testing.T) {
	s, m := notes(t)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	var told error
	err := s.Write(context.Background(), func(tx store.Tx) error {
		wg.Go(func() {
			told = s.Write(ctx, func(tx store.Tx) error { return add(tx, m, "given up") })
		})
		waitQueued(s.writer, 1)
		cancel()
		wg.Wait()
		return add(tx, m, "first")
	})
	if err != nil || dataflow.AsError(told).Code != "cancelled" {
		t.Errorf("told %v and %v", err, told)
	}
	if got := texts(t, s); !slices.Equal(got, []string{"first"}) {
		t.Errorf("stored %v", got)
	}
}

func TestCloseRefusesThoseWhoWait(t *testing.T) {
	s, m := notes(t)
	var wg sync.WaitGroup
	var closeErr, told error
	err := s.Write(context.Background(), func(tx store.Tx) error {
		wg.Go(func() { closeErr = s.Close() })
		waitQueued(s.writer, 1)
		wg.Go(func() {
			told = s.Write(context.Background(), func(tx store.Tx) error { return add(tx, m, "late") })
		})
		waitQueued(s.writer, 2)
		return add(tx, m, "in time")
	})
	wg.Wait()
	if err != nil || closeErr != nil || dataflow.AsError(told).Code != "busy" {
		t.Errorf("told %v, %v and %v", err, closeErr, told)
	}
}

func TestInterruptedWriteIsUndone(t *testing.T) {
	s, m := notes(t)
	ctx, cancel := context.WithCancel(context.Background())
	err := s.Write(ctx, func(tx store.Tx) error {
		if err := add(tx, m, "undone"); err != nil {
			return err
		}
		cancel()
		return add(tx, m, "undone too")
	})
	if code := dataflow.AsError(err).Code; code != "internal" && code != "cancelled" {
		t.Errorf("told %v", err)
	}
	if err := s.Write(context.Background(), func(tx store.Tx) error { return add(tx, m, "next") }); err != nil {
		t.Errorf("the writer is still interrupted: %v", err)
	}
	got := texts(t, s)
	if err == nil && !slices.Equal(got, []string{"undone", "undone too", "next"}) || err != nil && !slices.Equal(got, []string{"next"}) {
		t.Errorf("told %v, stored %v", err, got)
	}
}

// A read that runs out of a time of its own is interrupted, and leaves the
// transaction it is in as it was, also among others.
func TestAReadIsInterruptedInATransaction(t *testing.T) {
	s, m := notes(t)
	ctx := context.Background()
	long := strings.Repeat("a", 20_000)
	if err := s.Write(ctx, func(tx store.Tx) error {
		rows := make([][]any, 300)
		for i := range rows {
			rows[i] = []any{long}
		}
		_, err := tx.Insert(ctx, m, []int{1}, rows)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	slow := query.Or{} // some seconds of work
	for i := range 400 {
		slow = append(slow, &query.Cmp{Path: query.Path{Model: m, Field: 1}, Op: query.Contains, Value: fmt.Sprint("aaaa", i)})
	}
	reads := map[string]func(context.Context, store.Tx) error{
		"count": func(ctx context.Context, tx store.Tx) error { _, err := tx.Count(ctx, m, slow); return err },
		"select": func(ctx context.Context, tx store.Tx) error {
			return tx.Select(ctx, &query.Select{Model: m, Where: slow}, func(store.Row) error { return nil })
		},
	}
	var members []*member
	for name, read := range reads {
		members = append(members, &member{do: func(tx store.Tx) error {
			if err := add(tx, m, "before "+name); err != nil {
				return err
			}
			narrow, cancel := context.WithTimeout(ctx, 10*time.Millisecond)
			defer cancel()
			if err := read(narrow, tx); dataflow.AsError(err).Code != "timeout" {
				t.Errorf("%s: %v", name, err)
			}
			return add(tx, m, "after "+name)
		}})
	}
	together(s, members...)
	for _, b := range members {
		if b.told != nil {
			t.Error(b.told)
		}
	}
	if n := len(texts(t, s)); n != 304 {
		t.Errorf("%d rows, want 304", n)
	}
}

// TestOnesLooseReferenceIsNobodyElses: a reference of another program's table
// that is looked at by the commit fails for all who share it. Who has not broken
// it does not hear of that.
func TestOnesLooseReferenceIsNobodyElses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "theirs.db")
	c, err := openConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"CREATE TABLE tags (id INTEGER PRIMARY KEY)",
		"CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, tag INTEGER REFERENCES tags (id) DEFERRABLE INITIALLY DEFERRED)"} {
		if err := c.run(sql); err != nil {
			t.Fatal(err)
		}
	}
	c.close()
	tag := model("Tag", "tags")
	m := model("Note", "notes", &dataflow.Field{Name: "text", Type: dataflow.String},
		&dataflow.Field{Name: "tag", Type: &dataflow.Type{Kind: dataflow.KindRef, Model: tag}, Optional: true})
	db := database(path, tag, m)
	db.Options.ExistingSchemaMode = true
	s := openTest(t, db)
	groupOf(s)
	note := func(text string, tag any) *member {
		return &member{do: func(tx store.Tx) error {
			_, err := tx.Insert(context.Background(), m, []int{1, 2}, [][]any{{text, tag}})
			return err
		}}
	}
	mends := &member{do: func(tx store.Tx) error { // what it has broken is whole again by its end
		if _, err := tx.Insert(context.Background(), m, []int{1, 2}, [][]any{{"c", int64(9)}}); err != nil {
			return err
		}
		_, err := tx.Insert(context.Background(), tag, []int{0}, [][]any{{int64(9)}})
		return err
	}}
	members := []*member{note("a", nil), note("b", int64(7)), mends, note("d", int64(8))}
	together(s, members...)
	for i, member := range members {
		loose := member.told != nil && dataflow.AsError(member.told).Code == "reference_violation"
		if loose != (i%2 == 1) || !loose && member.told != nil {
			t.Errorf("member %d is told %v", i, member.told)
		}
		if loose && dataflow.AsError(member.told).Message != "there is no Tag with this id" {
			t.Errorf("member %d is not told what it broke: %v", i, member.told)
		}
	}
	got := []string{}
	if err := s.Select(context.Background(), &query.Select{Model: m}, func(r store.Row) error {
		got = append(got, r.Value(1).(string))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(got) // each goes again by itself, in any order
	if !slices.Equal(got, []string{"a", "c"}) {
		t.Errorf("kept are %v", got)
	}
}

// TestOnesFailureThatUndoesAllIsNobodyElses: SQLite undoes the whole transaction
// where it has no id left for a row, which it says of no other row. Who shares the
// transaction does not hear of that.
func TestOnesFailureThatUndoesAllIsNobodyElses(t *testing.T) {
	s, m := notes(t)
	groupOf(s)
	ctx := context.Background()
	if err := s.Write(ctx, func(tx store.Tx) error { return add(tx, m, "first") }); err != nil {
		t.Fatal(err)
	}
	if err := s.writer.exclusive(ctx, func(c *conn) error { // another program, of which the store does not know
		return c.exec("UPDATE sqlite_sequence SET seq = 9223372036854775807")
	}); err != nil {
		t.Fatal(err)
	}
	given := func(id int64) func(store.Tx) error {
		return func(tx store.Tx) error {
			_, err := tx.Insert(ctx, m, []int{0, 1}, [][]any{{id, "given"}})
			return err
		}
	}
	before, fails, after := &member{do: given(7)}, &member{do: func(tx store.Tx) error { return add(tx, m, "none") }}, &member{do: given(8)}
	together(s, before, fails, after)
	if before.told != nil || after.told != nil || fails.told == nil || dataflow.AsError(fails.told).Code != "table_broken" {
		t.Errorf("told %v, %v and %v", before.told, fails.told, after.told)
	}
	if got := texts(t, s); !slices.Equal(got, []string{"first", "given", "given"}) {
		t.Errorf("stored %v", got)
	}
	// From then on it is known, and a savepoint is enough.
	if err := s.Write(ctx, func(tx store.Tx) error {
		if err := tx.Savepoint(ctx, func() error { return add(tx, m, "none") }); dataflow.AsError(err).Code != "table_broken" {
			t.Errorf("told %v", err)
		}
		return given(9)(tx)
	}); err != nil {
		t.Error(err)
	}
}

package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/google/go-cmp/cmp"
)

func testInserts(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	write(t, s, func(tx store.Tx) error {
		rows := make([][]any, 1000)
		for i := range rows {
			rows[i] = []any{int64(i)}
		}
		ids, err := tx.Insert(t.Context(), shop.thing, []int{position(shop.thing, "i")}, rows)
		if err != nil || len(ids) != len(rows) {
			t.Fatalf("%d ids, %v", len(ids), err)
		}
		for i, id := range ids {
			if v, _ := get(t, tx, shop.thing, id).Get("i"); v != int64(i) {
				t.Fatalf("the id of row %d is that of row %v", i, v)
			}
		}
		return nil
	})
	write(t, s, func(tx store.Tx) error {
		none, err := tx.Insert(t.Context(), shop.thing, []int{1}, nil)
		if len(none) != 0 || err != nil {
			t.Errorf("no rows: %v, %v", none, err)
		}
		ids, err := tx.Insert(t.Context(), shop.thing, nil, [][]any{{}})
		if err != nil || len(ids) != 1 || ids[0] == nil {
			t.Errorf("a row of nothing: %v, %v", ids, err)
		}
		given, err := tx.Insert(t.Context(), shop.thing, []int{0}, [][]any{{int64(5000)}, {nil}})
		if diff := cmp.Diff([]any{int64(5000), int64(5001)}, given); diff != "" || err != nil {
			t.Errorf("ids given and not: %v\n%s", err, diff)
		}
		text, err := tx.Insert(t.Context(), shop.owner, []int{0}, [][]any{{"b"}, {"a"}})
		if diff := cmp.Diff([]any{"b", "a"}, text); diff != "" || err != nil {
			t.Errorf("text ids: %v\n%s", err, diff)
		}
		return nil
	})
	insert(t, s, shop.thing)
	write(t, s, func(tx store.Tx) error {
		_, err := tx.Delete(t.Context(), shop.thing, where(t, shop.thing, "id", dataflow.ObjectOf("$gte", int64(5000))))
		return err
	})
	if id := insert(t, s, shop.thing); id.(int64) <= 5001 {
		t.Errorf("id %v is used again", id)
	}
}

func testUpdates(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	insert(t, s, shop.owner, "id", "ann", "name", "Ann")
	for i := range 10 {
		insert(t, s, shop.thing, "i", int64(i), "owner", map[bool]any{true: "ann"}[i%2 == 0])
	}
	first := insert(t, s, shop.entry, "select", "x")
	update := func(u *query.Update) (n int64) {
		t.Helper()
		write(t, s, func(tx store.Tx) (err error) {
			n, err = tx.Update(t.Context(), u)
			return err
		})
		return n
	}
	byOwner := where(t, shop.thing, "owner.name", "Ann", "i", dataflow.ObjectOf("$gt", int64(0)))
	set := []query.Assign{{Field: position(shop.thing, "s"), Value: "set"}, {Field: position(shop.thing, "i"), Value: nil}}
	if n := update(&query.Update{Model: shop.thing, Where: byOwner, Set: set, Bump: -1}); n != 4 {
		t.Errorf("%d rows updated, want 4", n)
	}
	if n := count(t, s, shop.thing, where(t, shop.thing, "s", "set", "i", nil)); n != 4 {
		t.Errorf("%d rows changed, want 4", n)
	}
	if n := update(&query.Update{Model: shop.thing, Where: where(t, shop.thing, "id", int64(99)), Set: set, Bump: -1}); n != 0 {
		t.Errorf("%d rows updated, want none", n)
	}
	version := position(shop.entry, "version")
	if n := update(&query.Update{Model: shop.entry, Where: where(t, shop.entry, "version", int64(1)), Bump: version}); n != 1 {
		t.Errorf("%d rows bumped", n)
	}
	if v, _ := get(t, s, shop.entry, first).Get("version"); v != int64(2) {
		t.Errorf("version %v, want 2", v)
	}
	if n := update(&query.Update{Model: shop.thing, Set: set[:1], Bump: -1}); n != 10 {
		t.Errorf("%d rows updated without a filter, want 10", n)
	}
}

func testDeletes(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	for i := range 10 {
		insert(t, s, shop.thing, "i", int64(i))
	}
	insert(t, s, shop.entry, "select", "child", "thing", int64(1))
	write(t, s, func(tx store.Tx) error {
		n, err := tx.Delete(t.Context(), shop.thing, where(t, shop.thing, "i", dataflow.ObjectOf("$lt", int64(4))))
		if n != 4 {
			t.Errorf("%d rows deleted, want 4", n)
		}
		return err
	})
	if n := count(t, s, shop.thing, nil); n != 6 {
		t.Errorf("%d rows left, want 6", n)
	}
	if n := count(t, s, shop.entry, nil); n != 0 {
		t.Errorf("%d rows are left that were to go with what they refer to", n)
	}
	country := insert(t, s, shop.country, "code", "x")
	insert(t, s, shop.owner, "id", "ann", "country", country)
	write(t, s, func(tx store.Tx) error {
		_, err := tx.Delete(t.Context(), shop.country, nil)
		return err
	})
	if v, _ := get(t, s, shop.owner, "ann").Get("country"); v != nil {
		t.Errorf("a reference set to null is %v", v)
	}
}

// failure returns what a caller is told: code, message, and problems.
func failure(err error) []string {
	if err == nil {
		return nil
	}
	e := dataflow.AsError(err)
	said := []string{e.Code + ": " + e.Message}
	for _, p := range e.Problems {
		said = append(said, p.Pointer+" "+p.Code+": "+p.Detail)
	}
	return said
}

func wantFailure(t *testing.T, err error, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, failure(err)); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

func testUnique(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	insert(t, s, shop.country, "code", "secret value")
	insert(t, s, shop.entry, "select", "a", "group", int64(1))
	insert(t, s, shop.entry, "select", "a", "group", nil)
	insert(t, s, shop.entry, "select", "a", "group", nil) // null is equal to nothing, itself included
	try := func(m *dataflow.Model, namesAndValues ...any) error {
		return s.Write(t.Context(), func(tx store.Tx) error {
			_, err := insertTx(tx, m, namesAndValues...)
			return err
		})
	}
	wantFailure(t, try(shop.country, "code", "secret value"),
		"unique_violation: another Country has this code", "/code unique: another Country has this code")
	wantFailure(t, try(shop.country, "id", int64(1), "code", "other"),
		"unique_violation: another Country has this id", "/id unique: another Country has this id")
	both := "another Entry has this combination of select and group"
	wantFailure(t, try(shop.entry, "select", "a", "group", int64(1)),
		"unique_violation: "+both, "/select unique: "+both, "/group unique: "+both)
	err := s.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Insert(t.Context(), shop.country, []int{1}, [][]any{{"x"}, {"y"}, {"x"}})
		return err
	})
	wantFailure(t, err, "unique_violation: another Country has this code", "/2/code unique: another Country has this code")
	insert(t, s, shop.member, "tenant_id", "a", "email", "x")
	insert(t, s, shop.member, "tenant_id", "b", "email", "x") // another tenant's rows must not show
	wantFailure(t, try(shop.member, "tenant_id", "b", "email", "x"),
		"unique_violation: another Member has this email", "/email unique: another Member has this email")
	insert(t, s, shop.country, "code", "z")
	err = s.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Update(t.Context(), &query.Update{Model: shop.country, Set: []query.Assign{{Field: 1, Value: "same"}}, Bump: -1})
		return err
	})
	wantFailure(t, err, "unique_violation: another Country has this code", "/code unique: another Country has this code")
	if e := dataflow.AsError(err); e.Status != dataflow.StatusConflict || e.Model != "Country" || strings.Contains(e.Error(), "secret") {
		t.Errorf("%+v", e)
	}
	if n := count(t, s, shop.country, nil); n != 2 {
		t.Errorf("%d countries, want 2: a failed transaction left something", n)
	}
}

// testUniqueAmongLive: in a model with soft delete, rows that are deleted do
// not count, for unique fields and for combinations alike.
func testUniqueAmongLive(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	deletedAt := position(shop.entry, "deleted_at")
	first := insert(t, s, shop.entry, "select", "a", "group", int64(1), "code", "x")
	again := []any{"select", "a", "group", int64(1), "code", "x"}
	try := func() error {
		return s.Write(t.Context(), func(tx store.Tx) error {
			_, err := insertTx(tx, shop.entry, again...)
			return err
		})
	}
	setDeleted := func(id, v any) error {
		return s.Write(t.Context(), func(tx store.Tx) error {
			_, err := tx.Update(t.Context(), &query.Update{Model: shop.entry, Where: where(t, shop.entry, "id", id), Bump: -1,
				Set: []query.Assign{{Field: deletedAt, Value: v}}})
			return err
		})
	}
	wantAnyFailure(t, try(), "unique_violation")
	for range 2 { // any number of deleted rows may be alike
		if err := setDeleted(first, at("2026-01-31T09:30:00Z")); err != nil {
			t.Fatal(err)
		}
		if err := try(); err != nil {
			t.Fatalf("the values of a deleted row are still taken: %v", err)
		}
		wantAnyFailure(t, try(), "unique_violation")
		ids := found(t, s, shop.entry, where(t, shop.entry, "deleted_at", nil))
		if len(ids) != 1 {
			t.Fatalf("live rows: %v", ids)
		}
		first = ids[0]
	}
	insert(t, s, shop.entry, "select", "a", "group", int64(2))
	wantFailure(t, s.Write(t.Context(), func(tx store.Tx) error {
		_, err := insertTx(tx, shop.entry, "select", "b", "code", "x")
		return err
	}), "unique_violation: another Entry has this code", "/code unique: another Entry has this code")
	dead := found(t, s, shop.entry, where(t, shop.entry, "deleted_at", dataflow.ObjectOf("$ne", nil)))
	if len(dead) != 2 {
		t.Fatalf("deleted rows: %v", dead)
	}
	wantAnyFailure(t, setDeleted(dead[0], nil), "unique_violation") // it would be live beside the other
}

// wantAnyFailure checks an error's code, where which of several constraints is
// named first is the engine's own.
func wantAnyFailure(t *testing.T, err error, code string) {
	t.Helper()
	if err == nil || dataflow.AsError(err).Code != code {
		t.Fatalf("got %v, want %s", err, code)
	}
}

func testReferences(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	insert(t, s, shop.owner, "id", "ann")
	thing := insert(t, s, shop.thing, "owner", "ann")
	try := func(f func(tx store.Tx) error) error { return s.Write(t.Context(), f) }
	missing := []string{"reference_violation: there is no Owner with this id", "/owner reference: there is no Owner with this id"}
	wantFailure(t, try(func(tx store.Tx) error {
		_, err := insertTx(tx, shop.thing, "owner", "nobody")
		return err
	}), missing...)
	wantFailure(t, try(func(tx store.Tx) error {
		_, err := tx.Update(t.Context(), &query.Update{Model: shop.thing, Where: where(t, shop.thing, "id", thing), Bump: -1,
			Set: []query.Assign{{Field: position(shop.thing, "owner"), Value: "nobody"}}})
		return err
	}), missing...)
	wantFailure(t, try(func(tx store.Tx) error {
		_, err := tx.Insert(t.Context(), shop.thing, []int{position(shop.thing, "owner")}, [][]any{{"ann"}, {"nobody"}})
		return err
	}), missing[0], "/1/owner reference: there is no Owner with this id")
	wantFailure(t, try(func(tx store.Tx) error {
		_, err := tx.Delete(t.Context(), shop.owner, where(t, shop.owner, "id", "ann"))
		return err
	}), "reference_violation: Thing rows still refer to this Owner by their owner")
	if count(t, s, shop.thing, nil) != 1 || count(t, s, shop.owner, nil) != 1 {
		t.Error("a failed transaction left something, or took it")
	}
}

func testTransactions(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	mine := errors.New("mine")
	err := s.Write(t.Context(), func(tx store.Tx) error {
		id, err := insertTx(tx, shop.thing, "s", "x")
		if err != nil || get(t, tx, shop.thing, id) == nil {
			t.Errorf("a transaction does not see its own row: %v", err)
		}
		if get(t, s, shop.thing, id) != nil {
			t.Error("others see a row before it is committed")
		}
		return mine
	})
	if !errors.Is(err, mine) {
		t.Errorf("the function's error comes back as %v", err)
	}
	err = s.Write(t.Context(), func(tx store.Tx) error {
		_, _ = insertTx(tx, shop.thing, "s", "x")
		panic("a fault in a function")
	})
	wantFailure(t, err, "internal: something went wrong inside the server")
	// A statement that failed spoils the transaction, even if nobody minds.
	err = s.Write(t.Context(), func(tx store.Tx) error {
		_, _ = insertTx(tx, shop.thing, "s", "x")
		_, _ = insertTx(tx, shop.thing, "owner", "nobody")
		if _, err := insertTx(tx, shop.thing, "s", "y"); err == nil {
			t.Error("a spoilt transaction goes on")
		}
		return nil
	})
	if dataflow.AsError(err).Code != "reference_violation" {
		t.Errorf("a spoilt transaction ends with %v", err)
	}
	var kept store.Tx
	write(t, s, func(tx store.Tx) error { kept = tx; return nil })
	if _, err := kept.Count(t.Context(), shop.thing, nil); err == nil {
		t.Error("a transaction can be used after its end")
	}
	if n := count(t, s, shop.thing, nil); n != 0 {
		t.Errorf("%d rows are left of transactions that failed", n)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Error(err)
	}
}

func testSavepoints(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	write(t, s, func(tx store.Tx) error {
		add := func(text string) error { _, err := insertTx(tx, shop.thing, "s", text); return err }
		if err := add("outer"); err != nil {
			return err
		}
		err := tx.Savepoint(t.Context(), func() error {
			if err := add("undone"); err != nil {
				return err
			}
			if err := tx.Savepoint(t.Context(), func() error { return add("undone with it") }); err != nil {
				return err
			}
			_, err := insertTx(tx, shop.thing, "owner", "nobody")
			return err
		})
		if dataflow.AsError(err).Code != "reference_violation" {
			t.Errorf("the savepoint's error is %v", err)
		}
		if err := tx.Savepoint(t.Context(), func() error {
			if err := add("kept"); err != nil {
				return err
			}
			if err := tx.Savepoint(t.Context(), func() error { _ = add("inner"); return errors.New("no") }); err == nil {
				t.Error("an inner savepoint swallows its error")
			}
			return add("kept too")
		}); err != nil {
			return err
		}
		return add("last")
	})
	var texts []string
	if err := s.Select(t.Context(), &query.Select{Model: shop.thing, Order: []query.Order{{Field: 0}}}, func(row store.Row) error {
		texts = append(texts, row.Value(1).(string))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"outer", "kept", "kept too", "last"}, texts); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func testSnapshots(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	id := insert(t, s, shop.thing, "i", int64(1))
	err := s.Snapshot(t.Context(), func(r store.Reader) error {
		if n := count(t, r, shop.thing, nil); n != 1 {
			t.Errorf("%d rows at first", n)
		}
		insert(t, s, shop.thing, "i", int64(2))
		write(t, s, func(tx store.Tx) error {
			_, err := tx.Update(t.Context(), &query.Update{Model: shop.thing, Set: []query.Assign{{Field: 2, Value: int64(9)}}, Bump: -1})
			return err
		})
		if n := count(t, r, shop.thing, nil); n != 1 {
			t.Errorf("%d rows in the same snapshot after another was committed", n)
		}
		if v, _ := get(t, r, shop.thing, id).Get("i"); v != int64(1) {
			t.Errorf("a snapshot sees an update made after it began: %v", v)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := count(t, s, shop.thing, nil); n != 2 {
		t.Errorf("%d rows after the snapshot", n)
	}
}

func testCancellation(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	cancelled, cancel := context.WithCancel(context.Background())
	cancel()
	late, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	defer cancel()
	wantFailure(t, s.Write(cancelled, func(store.Tx) error { t.Error("called"); return nil }), "cancelled: the request was cancelled")
	wantFailure(t, s.Write(late, func(store.Tx) error { t.Error("called"); return nil }), "timeout: the database did not answer in the time there was")
	// A query that would take for ever ends when its context does, and the
	// connection it was on goes on to serve others.
	for i := range 60 {
		insert(t, s, shop.thing, "i", int64(i), "s", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	}
	ctx, stop := context.WithCancel(context.Background())
	err := s.Select(ctx, &query.Select{Model: shop.thing}, func(store.Row) error { stop(); <-ctx.Done(); return nil })
	if err != nil { // some engines have every row by then
		wantFailure(t, err, "cancelled: the request was cancelled")
	}
	for range 20 {
		if n := count(t, s, shop.thing, nil); n != 60 {
			t.Errorf("%d rows", n)
		}
	}
	ctx, stop = context.WithCancel(context.Background())
	err = s.Write(ctx, func(tx store.Tx) error {
		stop()
		_, err := tx.Delete(ctx, shop.thing, nil)
		return err
	})
	wantFailure(t, err, "cancelled: the request was cancelled")
	if n := count(t, s, shop.thing, nil); n != 60 {
		t.Errorf("a cancelled transaction deleted %d rows", 60-n)
	}
}

func testClose(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	insert(t, s, shop.thing, "s", "x")
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Write(context.Background(), func(store.Tx) error { return nil }); dataflow.AsError(err).Code != "busy" {
		t.Errorf("a closed store takes writes: %v", err)
	}
	if _, err := s.Count(context.Background(), shop.thing, nil); dataflow.AsError(err).Code != "busy" {
		t.Errorf("a closed store answers: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("closing twice: %v", err)
	}
}

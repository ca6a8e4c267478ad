package storetest

import (
	"sync"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// testRaces: many look for a row at once, add it if it is not there and change
// it if it is, as an upsert does. One adds it, and no change is lost.
func testRaces(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	code, group := position(shop.entry, "code"), position(shop.entry, "group")
	const writers = 50
	upsert := func(tx store.Tx) error {
		wanted := where(t, shop.entry, "code", "x")
		n := int64(-1)
		err := tx.Select(t.Context(), &query.Select{Model: shop.entry, Fields: []int{group}, Where: wanted, Lock: true}, func(row store.Row) error {
			n = row.Value(0).(int64)
			return nil
		})
		switch {
		case err != nil:
			return err
		case n < 0:
			_, err = insertTx(tx, shop.entry, "select", "s", "code", "x", "group", int64(1))
			return err
		}
		_, err = tx.Update(t.Context(), &query.Update{Model: shop.entry, Where: wanted, Bump: -1, Set: []query.Assign{{Field: group, Value: n + 1}}})
		return err
	}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			err := s.Write(t.Context(), func(tx store.Tx) error {
				if w%2 == 0 { // in a savepoint, as a bulk upsert that skips does
					return tx.Savepoint(t.Context(), func() error { return upsert(tx) })
				}
				return upsert(tx)
			})
			if err != nil {
				t.Errorf("writer %d: %v", w, err)
			}
		})
	}
	wg.Wait()
	if n := count(t, s, shop.entry, nil); n != 1 {
		t.Fatalf("%d rows, want 1", n)
	}
	if n := count(t, s, shop.entry, where(t, shop.entry, "group", int64(writers))); n != 1 {
		t.Error("a change was lost")
	}
	// What is taken for good is still refused, however it was looked for.
	err := s.Write(t.Context(), func(tx store.Tx) error {
		if n := count(t, tx, shop.entry, where(t, shop.entry, "code", "y")); n != 0 {
			t.Errorf("%d rows of y", n)
		}
		_, err := tx.Insert(t.Context(), shop.entry, []int{position(shop.entry, "select"), code, position(shop.entry, "version")}, [][]any{{"other", "x", int64(1)}})
		return err
	})
	wantFailure(t, err, "unique_violation: another Entry has this code", "/code unique: another Entry has this code")
	if e := dataflow.AsError(err); e.Status != dataflow.StatusConflict {
		t.Errorf("%+v", e)
	}
}

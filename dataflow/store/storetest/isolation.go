package storetest

import (
	"sync"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// testIsolation: what a transaction has read of one row, by its id or by a
// locked select, holds until it has written; and nobody sees half of one.
func testIsolation(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	i := position(shop.thing, "i")
	a := insert(t, s, shop.thing, "s", "a", "i", int64(0))
	b := insert(t, s, shop.thing, "s", "b", "i", int64(0))
	byID := func(id any) query.Expr { return where(t, shop.thing, "id", id) }
	set := func(tx store.Tx, e query.Expr, n int64) error {
		_, err := tx.Update(t.Context(), &query.Update{Model: shop.thing, Where: e, Bump: -1, Set: []query.Assign{{Field: i, Value: n}}})
		return err
	}
	number := func(into *int64) func(store.Row) error {
		return func(row store.Row) error { *into = row.Value(0).(int64); return nil }
	}
	get := func(tx store.Tx, id any) (n int64, err error) {
		_, err = tx.Get(t.Context(), shop.thing, id, []int{i}, number(&n))
		return n, err
	}
	find := func(tx store.Tx, s string) (n int64, err error) {
		err = tx.Select(t.Context(), &query.Select{Model: shop.thing, Fields: []int{i}, Where: where(t, shop.thing, "s", s), Limit: 2, Lock: true}, number(&n))
		return n, err
	}
	const writers, times = 16, 5
	ended := make(chan struct{})
	var writing, reading sync.WaitGroup
	for w := range writers {
		writing.Go(func() {
			for range times {
				err := s.Write(t.Context(), func(tx store.Tx) error { // one up, one down
					n, err := get(tx, a)
					if w%2 == 0 {
						n, err = find(tx, "a")
					}
					if err != nil {
						return err
					}
					if err := set(tx, byID(a), n+1); err != nil {
						return err
					}
					if n, err = get(tx, b); err != nil {
						return err
					}
					return set(tx, byID(b), n-1)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	sum := func(r store.Reader) (n int64, err error) {
		err = r.Select(t.Context(), &query.Select{Model: shop.thing, Fields: []int{i}}, func(row store.Row) error {
			n += row.Value(0).(int64)
			return nil
		})
		return n, err
	}
	for range 2 {
		reading.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				if n, err := sum(s); n != 0 || err != nil {
					t.Errorf("a reader sees half a transaction: %d, %v", n, err)
				}
				err := s.Snapshot(t.Context(), func(r store.Reader) error {
					first, err := sum(r)
					if err != nil {
						return err
					}
					var x, y int64
					for _, row := range []struct {
						id   any
						into *int64
					}{{a, &x}, {b, &y}} {
						if _, err := r.Get(t.Context(), shop.thing, row.id, []int{i}, number(row.into)); err != nil {
							return err
						}
					}
					if first != 0 || x+y != 0 {
						t.Errorf("a snapshot changes: %d, %d and %d", first, x, y)
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	writing.Wait()
	close(ended)
	reading.Wait()
	if n := count(t, s, shop.thing, where(t, shop.thing, "i", dataflow.ObjectOf("$in", []any{int64(writers * times), int64(-writers * times)}))); n != 2 {
		t.Error("a change was lost")
	}
}

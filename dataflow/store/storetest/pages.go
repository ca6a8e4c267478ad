package storetest

import (
	"slices"
	"sync"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/google/go-cmp/cmp"
)

// order makes a sort over a few fields.
func (g *generator) order() []query.Order {
	var order []query.Order
	for range g.IntN(4) {
		i := g.IntN(len(g.shop.thing.Fields))
		if query.Sortable(g.shop.thing.Fields[i].Type) && !slices.ContainsFunc(order, func(o query.Order) bool { return o.Field == i }) {
			order = append(order, query.Order{Field: i, Desc: g.IntN(2) == 0})
		}
	}
	return order
}

// inOrder sorts ids as the suite says rows are sorted: nulls last when
// ascending, first when descending, ids last.
func inOrder(m *dataflow.Model, order []query.Order, rows map[int64]func(query.Path) any) []any {
	ids := []any{}
	for id := range rows {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b any) int {
		for _, o := range query.Total(m, order) {
			path := query.Path{Model: m, Field: o.Field}
			c := compareNulls(rows[a.(int64)](path), rows[b.(int64)](path))
			if o.Desc {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		return 0
	})
	return ids
}

func compareNulls(a, b any) int {
	switch {
	case a == nil && b == nil:
		return 0
	case a == nil:
		return 1
	case b == nil:
		return -1
	}
	return query.Compare(a, b)
}

func ids(t *testing.T, r store.Reader, q *query.Select) []any {
	t.Helper()
	list := []any{}
	q.Fields = []int{q.Model.RoleIndex(dataflow.RoleID)}
	if err := r.Select(t.Context(), q, func(row store.Row) error {
		list = append(list, row.Value(0))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return list
}

func testSorts(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	g := newGenerator(t, shop)
	rows := g.fill(t, s, 100)
	for range 200 {
		order := g.order()
		want := inOrder(shop.thing, order, rows)
		if order != nil {
			if diff := cmp.Diff(want, ids(t, s, &query.Select{Model: shop.thing, Order: order})); diff != "" {
				t.Fatalf("order %v (-want +got):\n%s", order, diff)
			}
		}
		limit, offset := g.IntN(50), g.IntN(120)
		if limit == 0 && offset == 0 && order == nil {
			continue
		}
		page := want[min(offset, len(want)):]
		if limit > 0 {
			page = page[:min(limit, len(page))]
		}
		got := ids(t, s, &query.Select{Model: shop.thing, Order: order, Limit: limit, Offset: offset})
		if diff := cmp.Diff(page, got); diff != "" {
			t.Fatalf("order %v limit %d offset %d (-want +got):\n%s", order, limit, offset, diff)
		}
	}
}

// pages walks through a sort by keyset, calling between after each page.
func pages(t *testing.T, r store.Reader, q query.Select, between func()) []any {
	t.Helper()
	keys := query.Total(q.Model, q.Order)
	q.Fields = nil
	for _, k := range keys {
		q.Fields = append(q.Fields, k.Field)
	}
	id := slices.IndexFunc(keys, func(o query.Order) bool { return o.Field == q.Model.RoleIndex(dataflow.RoleID) })
	seen := []any{}
	for {
		n := 0
		var last []any
		if err := r.Select(t.Context(), &q, func(row store.Row) error {
			n++
			last = make([]any, len(keys))
			for i := range keys {
				last[i] = row.Value(i)
			}
			seen = append(seen, last[id])
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if n < q.Limit {
			return seen
		}
		if len(seen) > 1000 {
			t.Fatal("the pages have no end")
		}
		q.After = last
		between()
	}
}

func testPages(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	g := newGenerator(t, shop)
	rows := g.fill(t, s, 100)
	for range 150 {
		order, limit := g.order(), 1+g.IntN(30)
		got := pages(t, s, query.Select{Model: shop.thing, Order: order, Limit: limit}, func() {})
		if diff := cmp.Diff(inOrder(shop.thing, order, rows), got); diff != "" {
			t.Fatalf("order %v limit %d (-want +got):\n%s", order, limit, diff)
		}
	}
}

// testPagesUnderWrites checks what offset paging can't keep: that rows which
// are there all along come exactly once, whatever else comes and goes.
func testPagesUnderWrites(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	g := newGenerator(t, shop)
	stay := g.fill(t, s, 100)
	order := []query.Order{{Field: position(shop.thing, "i"), Desc: true}, {Field: position(shop.thing, "s")}}
	var extra []any
	got := pages(t, s, query.Select{Model: shop.thing, Order: order, Limit: 7}, func() {
		row := g.row()
		extra = append(extra, insert(t, s, shop.thing, "i", row[1], "s", row[0]))
		if len(extra) > 3 {
			write(t, s, func(tx store.Tx) error {
				_, err := tx.Delete(t.Context(), shop.thing, where(t, shop.thing, "id", extra[0]))
				return err
			})
			extra = extra[1:]
		}
	})
	got = slices.DeleteFunc(got, func(id any) bool { return stay[id.(int64)] == nil })
	if diff := cmp.Diff(inOrder(shop.thing, order, stay), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func write(t *testing.T, s store.Store, f func(store.Tx) error) {
	t.Helper()
	if err := s.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func testConcurrentWriters(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	counter := insert(t, s, shop.thing, "i", int64(0))
	const writers = 200
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			err := s.Write(t.Context(), func(tx store.Tx) error {
				var i int64
				if _, err := tx.Get(t.Context(), shop.thing, counter, nil, func(row store.Row) error {
					v, _ := row.Object().Get("i")
					i = v.(int64)
					return nil
				}); err != nil {
					return err
				}
				if _, err := insertTx(tx, shop.entry, "select", "w", "group", int64(w)); err != nil {
					return err
				}
				_, err := tx.Update(t.Context(), &query.Update{Model: shop.thing, Where: where(t, shop.thing, "id", counter), Bump: -1,
					Set: []query.Assign{{Field: position(shop.thing, "i"), Value: i + 1}}})
				if err == nil && w%4 == 0 {
					return &dataflow.Error{Code: "rejected"} // every fourth changes its mind
				}
				return err
			})
			if w%4 == 0 && dataflow.AsError(err).Code != "rejected" || w%4 != 0 && err != nil {
				t.Errorf("writer %d: %v", w, err)
			}
			// What is acknowledged can be seen, by anyone, at once.
			if n := count(t, s, shop.entry, where(t, shop.entry, "group", int64(w))); n != map[bool]int64{true: 0, false: 1}[w%4 == 0] {
				t.Errorf("writer %d left %d rows", w, n)
			}
		})
	}
	wg.Wait()
	if v, _ := get(t, s, shop.thing, counter).Get("i"); v != int64(writers*3/4) {
		t.Errorf("the counter is %v, want %d: an update was lost", v, writers*3/4)
	}
}

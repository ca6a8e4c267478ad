package storetest

import (
	"errors"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/google/go-cmp/cmp"
)

// testBatches: changes that are sent together are what they are one after
// another.
func testBatches(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	owners := func(ids ...any) store.Change {
		c := store.Change{Into: shop.owner, Fields: []int{position(shop.owner, "id")}}
		for _, id := range ids {
			c.Rows = append(c.Rows, []any{id})
		}
		return c
	}
	things := func(rows ...[]any) store.Change {
		return store.Change{Into: shop.thing, Fields: []int{position(shop.thing, "id"), position(shop.thing, "owner")}, Rows: rows}
	}
	number := func(n int64, ids ...any) store.Change {
		return store.Change{Update: &query.Update{Model: shop.thing, Bump: -1, Where: where(t, shop.thing, "id", dataflow.ObjectOf("$in", ids)),
			Set: []query.Assign{{Field: position(shop.thing, "i"), Value: n}}}}
	}
	for _, test := range []struct {
		name    string
		changes []store.Change
		touched []int64
		want    string // the error
	}{
		{"nothing", nil, []int64{}, "no error"},
		{"each sees what those before it did",
			[]store.Change{owners("ann"), owners("bob", "cid"), things([]any{int64(7), "bob"}, []any{int64(8), "ann"}), number(1, int64(7), int64(8)), number(2, int64(9))},
			[]int64{1, 2, 2, 2, 0}, "no error"},
		{"an update that changes nothing", []store.Change{{Update: &query.Update{Model: shop.owner, Bump: -1}}, owners("dan")}, []int64{3, 1}, "no error"},
		{"a row that is there", []store.Change{number(3, int64(7)), owners("eve"), owners("ann"), owners("fay")}, []int64{1, 1},
			`{"Code":"unique_violation","Status":3,"Message":"another Owner has this id","Model":"Owner","Problems":[{"code":"unique","pointer":"/id","detail":"another Owner has this id"}]}`},
		{"a reference to no row", []store.Change{owners("gus"), {Update: &query.Update{Model: shop.thing, Bump: -1, Set: []query.Assign{{Field: position(shop.thing, "owner"), Value: "zoe"}}}}}, []int64{1},
			`{"Code":"reference_violation","Status":3,"Message":"there is no Owner with this id","Model":"Thing","Problems":[{"code":"reference","pointer":"/owner","detail":"there is no Owner with this id"}]}`},
		{"the second of two rows refers to none", []store.Change{things([]any{int64(20), "ann"}, []any{int64(21), "zoe"})}, []int64{},
			`{"Code":"reference_violation","Status":3,"Message":"there is no Owner with this id","Model":"Thing","Problems":[{"code":"reference","pointer":"/1/owner","detail":"there is no Owner with this id"}]}`},
		{"a model without a table", []store.Change{{Update: &query.Update{Model: &dataflow.Model{Name: "Other", Table: "others"}, Bump: -1, Set: []query.Assign{{Field: 0, Value: int64(1)}}}}}, []int64{},
			`{"Code":"not_available","Status":4,"Message":"the database has no table for Other","Hint":"with existing_schema_mode = True the runtime makes no tables of its own, and does without what they are for","Model":"Other"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, first := range []bool{true, false} { // of its transaction
				var touched []int64
				undone := errors.New("undone")
				err := s.Write(t.Context(), func(tx store.Tx) (err error) {
					if !first {
						count(t, tx, shop.owner, nil)
					}
					if touched, err = tx.Batch(t.Context(), test.changes); err == nil && first {
						err = undone
					}
					return err
				})
				if errors.Is(err, undone) {
					err = nil
				}
				if whole(err) != test.want {
					t.Errorf("told\n%s\nwant\n%s", whole(err), test.want)
				}
				if diff := cmp.Diff(test.touched, append([]int64{}, touched...)); diff != "" {
					t.Errorf("touched:\n%s", diff)
				}
			}
		})
	}
	if diff := cmp.Diff([]any{"ann", "bob", "cid", "dan"}, found(t, s, shop.owner, nil)); diff != "" {
		t.Errorf("what failed has left something, or what did not has not:\n%s", diff)
	}
	if got := get(t, s, shop.thing, int64(7)); got == nil {
		t.Error("a row of a batch is not there")
	} else if i, _ := got.Get("i"); i != int64(1) {
		t.Errorf("a row of a batch says %v", i)
	}
}

// testLast: what a transaction ends with is done with the rest of it or not at
// all, whether it is made at once or with the commit.
func testLast(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	n := position(shop.thing, "i")
	thing := func(id any) store.Change {
		return store.Change{Into: shop.thing, Fields: []int{position(shop.thing, "id")}, Rows: [][]any{{id}}}
	}
	owner := func(id any) store.Change {
		return store.Change{Into: shop.owner, Fields: []int{position(shop.owner, "id")}, Rows: [][]any{{id}}}
	}
	number := func(value int64, id any) *query.Update {
		return &query.Update{Model: shop.thing, Bump: -1, Where: where(t, shop.thing, "id", id), Set: []query.Assign{{Field: n, Value: value}}}
	}
	all := func(first *query.Update, rest []store.Change) error {
		return s.Write(t.Context(), func(tx store.Tx) error {
			if _, err := tx.Insert(t.Context(), shop.owner, []int{position(shop.owner, "id")}, [][]any{{"before"}}); err != nil {
				return err
			}
			return tx.Last(t.Context(), first, rest)
		})
	}
	alone := func(first *query.Update, rest []store.Change) error { // it is all there is of its transaction
		return s.Write(t.Context(), func(tx store.Tx) error { return tx.Last(t.Context(), first, rest) })
	}
	const taken = `{"Code":"unique_violation","Status":3,"Message":"another Owner has this id","Model":"Owner","Problems":[{"code":"unique","pointer":"/id","detail":"another Owner has this id"}]}`
	for _, test := range []struct {
		name  string
		write func(*query.Update, []store.Change) error
		first *query.Update
		rest  []store.Change
		want  string // the error
		left  []any  // the number of the first thing, and the owners; nil: as before
	}{
		{"nothing else", all, number(1, int64(1)), nil, "no error", []any{int64(1), "ann", "before"}},
		{"nothing else, alone", alone, number(1, int64(1)), nil, "no error", []any{int64(1), "ann"}},
		{"others", all, number(2, int64(1)), []store.Change{owner("bob"), {Update: number(9, int64(2))}}, "no error", []any{int64(2), "ann", "before", "bob"}},
		{"others, alone", alone, number(2, int64(1)), []store.Change{owner("bob"), {Update: number(9, int64(2))}}, "no error", []any{int64(2), "ann", "bob"}},
		{"another that touches nothing", all, number(3, int64(1)), []store.Change{{Update: number(9, int64(99))}}, "no error", []any{int64(3), "ann", "before"}},
		{"a row that is given its id", all, number(4, int64(1)), []store.Change{thing(int64(7))}, "no error", []any{int64(4), "ann", "before"}},
		{"no row to rest on", all, number(5, int64(99)), []store.Change{owner("cid")}, "untouched", nil},
		{"no row to rest on, alone", alone, number(5, int64(99)), []store.Change{owner("cid")}, "untouched", nil},
		{"no row to rest on, and another that fails", all, number(5, int64(99)), []store.Change{owner("ann")}, "untouched", nil},
		{"another that fails", all, number(5, int64(1)), []store.Change{owner("cid"), owner("ann")}, taken, nil},
		{"another that fails, alone", alone, number(5, int64(1)), []store.Change{owner("cid"), owner("ann")}, taken, nil},
		{"the first fails", all, &query.Update{Model: shop.thing, Bump: -1, Where: where(t, shop.thing, "id", int64(1)), Set: []query.Assign{{Field: position(shop.thing, "owner"), Value: "zoe"}}}, nil,
			`{"Code":"reference_violation","Status":3,"Message":"there is no Owner with this id","Model":"Thing","Problems":[{"code":"reference","pointer":"/owner","detail":"there is no Owner with this id"}]}`, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := s.Write(t.Context(), func(tx store.Tx) error {
				for _, m := range []*dataflow.Model{shop.thing, shop.owner} {
					if _, err := tx.Delete(t.Context(), m, nil); err != nil {
						return err
					}
				}
				_, err := tx.Batch(t.Context(), []store.Change{thing(int64(1)), thing(int64(2)), owner("ann"), {Update: number(0, int64(1))}})
				return err
			}); err != nil {
				t.Fatal(err)
			}
			err := test.write(test.first, test.rest)
			got := whole(err)
			if errors.Is(err, store.ErrUntouched) {
				got = "untouched"
			}
			if got != test.want {
				t.Errorf("told\n%s\nwant\n%s", got, test.want)
			}
			if test.left == nil {
				test.left = []any{int64(0), "ann"}
			}
			i, _ := get(t, s, shop.thing, int64(1)).Get("i")
			if diff := cmp.Diff(test.left, append([]any{i}, found(t, s, shop.owner, nil)...)); diff != "" {
				t.Errorf("left:\n%s", diff)
			}
		})
	}
	err := s.Write(t.Context(), func(tx store.Tx) error {
		count(t, tx, shop.owner, nil)
		if err := tx.Last(t.Context(), number(6, int64(1)), nil); err != nil {
			return err
		}
		return errors.New("something else")
	})
	if err == nil || err.Error() != "something else" {
		t.Errorf("a function that fails after its Last is told %v", err)
	}
	if i, _ := get(t, s, shop.thing, int64(1)).Get("i"); i != int64(0) {
		t.Errorf("a function that fails has left %v", i)
	}
}

package storetest

import (
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/google/go-cmp/cmp"
)

// testEdgesCompared holds the comparisons, sorts and pages of every type to
// query.Compare, with the ends of its range on either side.
func testEdgesCompared(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	id := shop.thing.RoleIndex(dataflow.RoleID)
	rows := map[int64]func(query.Path) any{}
	values := edges()
	for name, list := range values {
		for _, v := range list {
			row := insert(t, s, shop.thing, name, v).(int64)
			at := position(shop.thing, name)
			rows[row] = func(p query.Path) any {
				switch p.Field {
				case id:
					return row
				case at:
					return v
				}
				return nil
			}
		}
	}
	for name, list := range values {
		field := position(shop.thing, name)
		if !query.Sortable(shop.thing.Fields[field].Type) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			compared(t, s, query.Path{Model: shop.thing, Field: field}, list, rows)
			for _, desc := range []bool{false, true} {
				order := []query.Order{{Field: field, Desc: desc}}
				want := inOrder(shop.thing, order, rows)
				if diff := cmp.Diff(want, ids(t, s, &query.Select{Model: shop.thing, Order: order})); diff != "" {
					t.Errorf("order %v (-want +got):\n%s", order, diff)
				}
				got := pages(t, s, query.Select{Model: shop.thing, Order: order, Limit: 7}, func() {})
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("pages in order %v (-want +got):\n%s", order, diff)
				}
			}
		})
	}
}

// compared compares a field with each value of a list, by every operator of
// order, and between each two that follow one another, either way round.
func compared(t *testing.T, r store.Reader, path query.Path, list []any, rows map[int64]func(query.Path) any) {
	t.Helper()
	before := any(nil)
	for _, v := range list {
		if v == nil {
			continue
		}
		comparisons := []*query.Cmp{{Path: path, Op: query.In, Value: []any{v, v}}, {Path: path, Op: query.Nin, Value: []any{v, v}}}
		for _, op := range []query.Op{query.Eq, query.Ne, query.Gt, query.Gte, query.Lt, query.Lte} {
			comparisons = append(comparisons, &query.Cmp{Path: path, Op: op, Value: v})
		}
		if before != nil {
			comparisons = append(comparisons, &query.Cmp{Path: path, Op: query.Between, Value: []any{before, v}},
				&query.Cmp{Path: path, Op: query.Between, Value: []any{v, before}})
		}
		before = v
		for _, c := range comparisons {
			want := []any{}
			for _, row := range inOrder(path.Model, nil, rows) {
				if query.Match(c, rows[row.(int64)]) {
					want = append(want, row)
				}
			}
			if diff := cmp.Diff(want, found(t, r, path.Model, c)); diff != "" {
				t.Errorf("%s %.60v (-want +got):\n%s", c.Op, c.Value, diff)
			}
		}
	}
}

// testCase holds $ilike to what query.FoldCase says: an engine's own idea of
// case depends on its version and its locale.
func testCase(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	for _, test := range []struct {
		text, pattern string
		want          bool
	}{
		{"İstanbul", "istanbul", true}, // the simple lower case of a dotted I is an i
		{"ısı", "ISI", false},          // and I has no dotless one
		{"STRASSE", "straße", false},   // one character is never compared with two
		{"STRAẞE", "straße", true},
		{"ΟΔΟΣ", "οδοσ", true},
		{"ΟΔΟΣ", "οδος", false}, // where a sigma stands makes no difference
		{"ﬁ", "FI", false},
		{"E\u0301", "é", false}, // combining characters are not composed
		{"E\u0301", "e\u0301", true},
	} {
		id := insert(t, s, shop.thing, "s", test.text)
		got := len(found(t, s, shop.thing, where(t, shop.thing, "id", id, "s", dataflow.ObjectOf("$ilike", test.pattern)))) == 1
		if got != test.want {
			t.Errorf("%q $ilike %q is %v, want %v", test.text, test.pattern, got, test.want)
		}
	}
}

package storetest

import (
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
)

// testLinked: rows that are added together may refer to each other, in whatever
// order they come.
func testLinked(t *testing.T, open Open) {
	node := &dataflow.Model{Name: "Node", Table: "nodes", ClientID: true}
	node.Fields = []*dataflow.Field{
		{Name: "id", Type: dataflow.String, System: dataflow.RoleID},
		{Name: "name", Type: dataflow.String, Unique: true},
		{Name: "up", Type: refTo(node), Optional: true},
		{Name: "twin", Type: refTo(node)},
	}
	db := &dataflow.Database{Name: "db", Models: []*dataflow.Model{node}, Options: dataflow.DatabaseOptions{AutoMigrate: true, ModelPersistence: true}}
	node.Database = db
	node.Seal()
	s := open(t, db)
	fields := []int{0, 1, 2, 3}
	add := func(rows ...[]any) (ids []any, err error) {
		err = s.Write(t.Context(), func(tx store.Tx) error {
			ids, err = tx.Insert(t.Context(), node, fields, rows)
			return err
		})
		return ids, err
	}
	for _, test := range []struct {
		name string
		rows [][]any
		want string // the code of the error
		at   string // what it points to
	}{
		{"one behind it", [][]any{{"a", "a", "b", "a"}, {"b", "b", nil, "b"}}, "", ""},
		{"in a circle", [][]any{{"c", "c", "d", "e"}, {"d", "d", "e", "c"}, {"e", "e", "c", "d"}}, "", ""},
		{"one that is there", [][]any{{"f", "f", "a", "g"}, {"g", "g", "c", "g"}}, "", ""},
		{"one that is not there", [][]any{{"h", "h", "i", "h"}, {"i", "i", "nowhere", "i"}}, "reference_violation", "/1/up"},
		{"one that can't be added", [][]any{{"j", "j", nil, "j"}, {"k", "a", nil, "k"}, {"l", "l", "m", "l"}, {"m", "m", nil, "m"}}, "unique_violation", "/1/name"},
		{"one that can't be added, behind it", [][]any{{"n", "n", "o", "n"}, {"o", "a", nil, "o"}}, "unique_violation", "/1/name"},
		{"one that can't be added, in a circle", [][]any{{"p", "p", "q", "p"}, {"q", "q", "p", "p"}, {"r", "q", "p", "p"}}, "unique_violation", "/2/name"},
		{"itself, and one that is not there", [][]any{{"s", "s", "nowhere", "s"}}, "reference_violation", "/up"},
		{"one of two that is not there", [][]any{{"s", "s", "t", "s"}, {"t", "t", "s", "nowhere"}}, "reference_violation", "/1/twin"},
	} {
		t.Run(test.name, func(t *testing.T) {
			before := count(t, s, node, nil)
			ids, err := add(test.rows...)
			if test.want != "" {
				if e := dataflow.AsError(err); e.Code != test.want || len(e.Problems) != 1 || e.Problems[0].Pointer != test.at {
					t.Errorf("told %s", whole(err))
				}
				if n := count(t, s, node, nil); n != before {
					t.Errorf("%d rows were added", n-before)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for i, row := range test.rows {
				if got := get(t, s, node, row[0]); ids[i] != row[0] || got == nil || got.Vals()[2] != row[2] || got.Vals()[3] != row[3] {
					t.Errorf("%v was added as %v, %v", row, ids[i], got)
				}
			}
		})
	}
}

// testAlong: rows that a delete is about are counted, whether they go for
// themselves or along with others of them; those it is not about are not.
func testAlong(t *testing.T, open Open) {
	id := func() *dataflow.Field {
		return &dataflow.Field{Name: "id", Type: dataflow.String, System: dataflow.RoleID}
	}
	tree, left, right := &dataflow.Model{Name: "Tree", Table: "trees", ClientID: true}, &dataflow.Model{Name: "Left", Table: "lefts", ClientID: true}, &dataflow.Model{Name: "Right", Table: "rights", ClientID: true}
	tree.Fields = []*dataflow.Field{id(), {Name: "up", Type: refTo(tree), Optional: true, OnDelete: "cascade"}}
	left.Fields = []*dataflow.Field{id(), {Name: "up", Type: refTo(right), Optional: true, OnDelete: "cascade"}}
	right.Fields = []*dataflow.Field{id(), {Name: "up", Type: refTo(left), Optional: true, OnDelete: "cascade"}}
	db := &dataflow.Database{Name: "db", Models: []*dataflow.Model{tree, left, right}, Options: dataflow.DatabaseOptions{AutoMigrate: true, ModelPersistence: true}}
	for _, m := range db.Models {
		m.Database = db
		m.Seal()
	}
	s := open(t, db)
	for _, row := range []struct {
		m      *dataflow.Model
		id, up any
	}{
		{tree, "a", nil}, {tree, "b", "a"}, {tree, "c", "b"}, {tree, "d", nil}, {tree, "e", "d"},
		{left, "l1", nil}, {right, "r1", "l1"}, {left, "l2", "r1"}, {right, "r2", "l2"}, {left, "l3", nil},
	} {
		insert(t, s, row.m, "id", row.id, "up", row.up)
	}
	for _, test := range []struct {
		m          *dataflow.Model
		ids        []any
		want, left int64
	}{
		{tree, []any{"a", "b", "c"}, 3, 2},
		{tree, []any{"d"}, 1, 0},
		{left, []any{"l1", "l2"}, 2, 1},
		{left, []any{"l1", "l3"}, 1, 0},
	} {
		write(t, s, func(tx store.Tx) error {
			n, err := tx.Delete(t.Context(), test.m, where(t, test.m, "id", dataflow.ObjectOf("$in", test.ids)))
			if n != test.want {
				t.Errorf("%s %v: %d rows were deleted, want %d", test.m.Name, test.ids, n, test.want)
			}
			return err
		})
		if n := count(t, s, test.m, nil); n != test.left {
			t.Errorf("%s %v: %d rows are left, want %d", test.m.Name, test.ids, n, test.left)
		}
	}
}

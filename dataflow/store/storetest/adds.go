package storetest

import (
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
)

// testAdds: a row that is added by itself is what it is in a transaction, and
// so is why it can't be added. For a store that knows no quicker way than Write
// the two are one.
func testAdds(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	quick := addByWrite
	if a, ok := s.(store.Adder); ok {
		quick = addBy(a)
	}
	insert(t, s, shop.owner, "id", "ann")
	insert(t, s, shop.country, "code", "at")
	for _, test := range []struct {
		name string
		m    *dataflow.Model
		row  []any
		want string
	}{
		{"an id that its caller gives", shop.owner, []any{"id", "ann"}, `{"Code":"unique_violation","Status":3,"Message":"another Owner has this id","Model":"Owner","Problems":[{"code":"unique","pointer":"/id","detail":"another Owner has this id"}]}`},
		{"an id that the database picks", shop.country, []any{"code", "at"}, `{"Code":"unique_violation","Status":3,"Message":"another Country has this code","Model":"Country","Problems":[{"code":"unique","pointer":"/code","detail":"another Country has this code"}]}`},
		{"an id that the database would pick", shop.country, []any{"id", int64(1), "code", "fr"}, `{"Code":"unique_violation","Status":3,"Message":"another Country has this id","Model":"Country","Problems":[{"code":"unique","pointer":"/id","detail":"another Country has this id"}]}`},
		{"no such row", shop.thing, []any{"owner", "bob"}, `{"Code":"reference_violation","Status":3,"Message":"there is no Owner with this id","Model":"Thing","Problems":[{"code":"reference","pointer":"/owner","detail":"there is no Owner with this id"}]}`},
		{"a model without a table", &dataflow.Model{Name: "Other", Table: "others"}, nil, `{"Code":"not_available","Status":4,"Message":"the database has no table for Other","Hint":"with existing_schema_mode = True the runtime makes no tables of its own, and does without what they are for","Model":"Other"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, add := range []func(store.Store, *dataflow.Model, ...any) (any, error){addByWrite, quick} {
				if _, err := add(s, test.m, test.row...); whole(err) != test.want {
					t.Errorf("told\n%s\nwant\n%s", whole(err), test.want)
				}
			}
		})
	}
	for _, id := range []int64{40, 41} { // the database goes on after what it was given
		if got, err := quick(s, shop.country, "id", id, "code", "c"+string(rune(id))); got != id || err != nil {
			t.Errorf("a row with the id %d: %v, %v", id, got, err)
		}
	}
	if got, err := quick(s, shop.country, "code", "de"); got != int64(42) || err != nil {
		t.Errorf("the next row has the id %v, %v, want 42", got, err)
	}
	if got, err := quick(s, shop.owner, "id", "éve"); got != "éve" || err != nil {
		t.Errorf("a row with an id of its own: %v, %v", got, err)
	}
}

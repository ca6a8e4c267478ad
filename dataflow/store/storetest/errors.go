package storetest

import (
	"context"
	"encoding/json"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
)

// whole is all of an error that anybody is shown.
func whole(err error) string {
	if err == nil {
		return "no error"
	}
	e := *dataflow.AsError(err)
	text, _ := json.Marshal(struct {
		Code     string
		Status   dataflow.Status
		Message  string
		Hint     string             `json:",omitempty"`
		Model    string             `json:",omitempty"`
		Problems []dataflow.Problem `json:",omitempty"`
		Private  string             `json:",omitempty"`
	}{e.Code, e.Status, e.Message, e.Hint, e.Model, e.Problems, e.Private}) // of text and numbers: it never fails
	return string(text)
}

// testErrors: what is wrong is said in the same words, to the letter, whatever
// the engine calls it. Only which of several constraints it names, of those
// that one row breaks at once, is the engine's own.
func testErrors(t *testing.T, open Open) {
	shop := newShop()
	s := open(t, shop.db)
	insert(t, s, shop.country, "code", "at")
	insert(t, s, shop.country, "code", "de")
	insert(t, s, shop.owner, "id", "ann", "country", int64(1))
	thing := insert(t, s, shop.thing, "owner", "ann")
	insert(t, s, shop.entry, "select", "a", "group", int64(1), "code", "x", "thing", thing)
	insert(t, s, shop.entry, "select", "b", "group", int64(2), "code", "y")
	insert(t, s, shop.member, "tenant_id", "t", "email", "e")
	add := func(m *dataflow.Model, namesAndValues ...any) func(store.Tx) error {
		return func(tx store.Tx) error { _, err := insertTx(tx, m, namesAndValues...); return err }
	}
	set := func(m *dataflow.Model, e query.Expr, namesAndValues ...any) func(store.Tx) error {
		return func(tx store.Tx) error {
			u := &query.Update{Model: m, Where: e, Bump: -1}
			for i := 0; i < len(namesAndValues); i += 2 {
				u.Set = append(u.Set, query.Assign{Field: position(m, namesAndValues[i].(string)), Value: namesAndValues[i+1]})
			}
			_, err := tx.Update(t.Context(), u)
			return err
		}
	}
	remove := func(m *dataflow.Model, e query.Expr) func(store.Tx) error {
		return func(tx store.Tx) error { _, err := tx.Delete(t.Context(), m, e); return err }
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		name string
		do   func(store.Tx) error
		want string
	}{
		{"a value that is taken", add(shop.country, "code", "at"), `{"Code":"unique_violation","Status":3,"Message":"another Country has this code","Model":"Country","Problems":[{"code":"unique","pointer":"/code","detail":"another Country has this code"}]}`},
		{"an id that is taken", add(shop.country, "id", int64(1), "code", "fr"), `{"Code":"unique_violation","Status":3,"Message":"another Country has this id","Model":"Country","Problems":[{"code":"unique","pointer":"/id","detail":"another Country has this id"}]}`},
		{"an id that its caller gave", add(shop.owner, "id", "ann"), `{"Code":"unique_violation","Status":3,"Message":"another Owner has this id","Model":"Owner","Problems":[{"code":"unique","pointer":"/id","detail":"another Owner has this id"}]}`},
		{"a combination", add(shop.entry, "select", "a", "group", int64(1)), `{"Code":"unique_violation","Status":3,"Message":"another Entry has this combination of select and group","Model":"Entry","Problems":[{"code":"unique","pointer":"/select","detail":"another Entry has this combination of select and group"},{"code":"unique","pointer":"/group","detail":"another Entry has this combination of select and group"}]}`},
		{"a value of the same tenant", add(shop.member, "tenant_id", "t", "email", "e"), `{"Code":"unique_violation","Status":3,"Message":"another Member has this email","Model":"Member","Problems":[{"code":"unique","pointer":"/email","detail":"another Member has this email"}]}`},
		{"a change to a value that is taken", set(shop.entry, where(t, shop.entry, "code", "y"), "code", "x"), `{"Code":"unique_violation","Status":3,"Message":"another Entry has this code","Model":"Entry","Problems":[{"code":"unique","pointer":"/code","detail":"another Entry has this code"}]}`},
		{"a change to a combination that is taken", set(shop.entry, where(t, shop.entry, "code", "y"), "select", "a", "group", int64(1)), `{"Code":"unique_violation","Status":3,"Message":"another Entry has this combination of select and group","Model":"Entry","Problems":[{"code":"unique","pointer":"/select","detail":"another Entry has this combination of select and group"},{"code":"unique","pointer":"/group","detail":"another Entry has this combination of select and group"}]}`},
		{"a value twice in one statement", func(tx store.Tx) error {
			_, err := tx.Insert(t.Context(), shop.country, []int{1}, [][]any{{"fr"}, {"it"}, {"fr"}})
			return err
		}, `{"Code":"unique_violation","Status":3,"Message":"another Country has this code","Model":"Country","Problems":[{"code":"unique","pointer":"/2/code","detail":"another Country has this code"}]}`},
		{"no such row", add(shop.thing, "owner", "bob"), `{"Code":"reference_violation","Status":3,"Message":"there is no Owner with this id","Model":"Thing","Problems":[{"code":"reference","pointer":"/owner","detail":"there is no Owner with this id"}]}`},
		{"a change to no such row", set(shop.thing, nil, "owner", "bob"), `{"Code":"reference_violation","Status":3,"Message":"there is no Owner with this id","Model":"Thing","Problems":[{"code":"reference","pointer":"/owner","detail":"there is no Owner with this id"}]}`},
		{"no such row, among several", func(tx store.Tx) error {
			_, err := tx.Insert(t.Context(), shop.thing, []int{position(shop.thing, "owner")}, [][]any{{"ann"}, {nil}, {"bob"}, {"cid"}})
			return err
		}, `{"Code":"reference_violation","Status":3,"Message":"there is no Owner with this id","Model":"Thing","Problems":[{"code":"reference","pointer":"/2/owner","detail":"there is no Owner with this id"}]}`},
		{"neither", add(shop.entry, "select", "c", "thing", int64(99), "code", "x"), `{"Code":"unique_violation","Status":3,"Message":"another Entry has this code","Model":"Entry","Problems":[{"code":"unique","pointer":"/code","detail":"another Entry has this code"}]}`},
		{"rows that are referred to", remove(shop.owner, nil), `{"Code":"reference_violation","Status":3,"Message":"Thing rows still refer to this Owner by their owner","Hint":"delete them first, or point their owner elsewhere","Model":"Owner"}`},
		{"a row that is referred to", remove(shop.owner, where(t, shop.owner, "id", "ann")), `{"Code":"reference_violation","Status":3,"Message":"Thing rows still refer to this Owner by their owner","Hint":"delete them first, or point their owner elsewhere","Model":"Owner"}`},
		{"an id that is referred to", set(shop.owner, nil, "id", "eve"), `{"Code":"reference_violation","Status":3,"Message":"Thing rows still refer to this Owner by their owner","Hint":"delete them first, or point their owner elsewhere","Model":"Owner"}`},
		{"after a statement that failed", func(tx store.Tx) error {
			_, _ = insertTx(tx, shop.country, "code", "at")
			_, err := tx.Count(t.Context(), shop.country, nil)
			return err
		}, `{"Code":"unique_violation","Status":3,"Message":"another Country has this code","Model":"Country","Problems":[{"code":"unique","pointer":"/code","detail":"another Country has this code"}]}`},
		{"a model without a table", add(&dataflow.Model{Name: "Other", Table: "others"}), `{"Code":"not_available","Status":4,"Message":"the database has no table for Other","Hint":"with existing_schema_mode = True the runtime makes no tables of its own, and does without what they are for","Model":"Other"}`},
		{"a caller who is gone", func(tx store.Tx) error {
			_, err := tx.Count(gone, shop.country, nil)
			return err
		}, `{"Code":"cancelled","Status":11,"Message":"the request was cancelled"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := whole(s.Write(t.Context(), test.do)); got != test.want {
				t.Errorf("told\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}

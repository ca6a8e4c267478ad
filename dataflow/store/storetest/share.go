package storetest

import (
	"context"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
)

// testShare: versions of an app that ask for one schema use the same
// connections, until the last of them is closed.
func testShare(t *testing.T, open Open) {
	ctx := context.Background()
	first := newShop()
	s := open(t, first.db).(store.Sharer)
	insert(t, s, first.country, "code", "at")

	again := func(change func(*shop)) (store.Store, *shop) {
		t.Helper()
		later := newShop()
		later.db.URL, later.db.Options = first.db.URL, first.db.Options
		change(later)
		other, _, diags := s.Share(ctx, later.db, store.Options{})
		if len(diags) > 0 {
			t.Fatal(diags)
		}
		return other, later
	}
	other, later := again(func(*shop) {})
	if other == nil {
		t.Fatal("a version that asks for the same is to be opened anew")
	}
	insert(t, other, later.country, "code", "de")
	insert(t, s, first.country, "code", "fr")
	for name, change := range map[string]func(*shop){
		"a field more": func(l *shop) {
			l.country.Fields = append(l.country.Fields, &dataflow.Field{Name: "name", Type: dataflow.String, Optional: true})
			l.country.Seal()
		},
		"another database": func(l *shop) { l.db.URL += "x" },
		"another option":   func(l *shop) { l.db.Options.PoolSize = 3 },
	} {
		if got, _ := again(change); got != nil {
			t.Errorf("%s: it is not opened anew", name)
		}
	}

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := other.Count(ctx, later.country, nil); n != 3 || err != nil {
		t.Errorf("after the first was closed: %d rows, %v; want 3", n, err)
	}
	insert(t, other, later.country, "code", "it")
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Count(ctx, later.country, nil); dataflow.AsError(err).Code != "busy" {
		t.Errorf("the last was closed, and it answers: %v", err)
	}
	if got, _ := again(func(*shop) {}); got != nil {
		t.Error("what is closed is shared")
	}
}

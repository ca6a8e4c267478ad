package sqlite

import (
	"context"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
)

// A database in memory is gone when it is closed, so that another version of
// the app takes it over whatever it asks for, and alters it.
func TestADatabaseInMemoryIsTakenOver(t *testing.T) {
	ctx := context.Background()
	declare := func(fields ...*dataflow.Field) (*dataflow.Database, *dataflow.Model) {
		m := &dataflow.Model{Name: "Note", Table: "notes", Fields: append([]*dataflow.Field{{Name: "id", Type: dataflow.Int, System: dataflow.RoleID}}, fields...)}
		m.Seal()
		db := &dataflow.Database{Name: "db", URL: "sqlite::memory:", Models: []*dataflow.Model{m},
			Options: dataflow.DatabaseOptions{AutoMigrate: true, ModelPersistence: true}}
		m.Database = db
		return db, m
	}
	text := func() *dataflow.Field { return &dataflow.Field{Name: "text", Type: dataflow.String} }
	db, notes := declare(text())
	first := openTest(t, db)
	add := func(s store.Store, m *dataflow.Model, values ...any) {
		t.Helper()
		fields := make([]int, len(values))
		for i := range values {
			fields[i] = i + 1
		}
		if err := s.Write(ctx, func(tx store.Tx) error {
			_, err := tx.Insert(ctx, m, fields, [][]any{values})
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	add(first, notes, "one")

	db, wider := declare(text(), &dataflow.Field{Name: "stars", Type: dataflow.Int, Default: int64(3), HasDefault: true})
	second, m, diags := first.Share(ctx, db, store.Options{})
	if second == nil || len(m.Steps) != 1 {
		t.Fatal(m, diags)
	}
	add(second, wider, "two", int64(5))
	var stars []any
	if _, err := second.Get(ctx, wider, int64(1), nil, func(r store.Row) error { stars = append(stars, r.Value(2)); return nil }); err != nil || len(stars) != 1 || stars[0] != int64(3) {
		t.Errorf("the row of before has %v stars, %v", stars, err)
	}

	// What would lose values is refused, and the version of before goes on.
	db, _ = declare(&dataflow.Field{Name: "text", Type: dataflow.Int})
	if third, _, diags := second.(store.Sharer).Share(ctx, db, store.Options{}); third != nil || !dataflow.HasErrors(diags) {
		t.Fatalf("a retyped field: %v, %v", third, diags)
	}
	if n, err := second.Count(ctx, wider, nil); n != 2 || err != nil {
		t.Errorf("%d rows, %v; want 2", n, err)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := first.Count(ctx, notes, nil); n != 2 || err != nil {
		t.Errorf("%d rows, %v; want 2", n, err)
	}
}

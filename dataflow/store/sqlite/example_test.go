package sqlite_test

import (
	"context"
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/sqlite"
)

// An Opener opens a database, makes its tables and returns a store.
func ExampleOpener() {
	ctx := context.Background()
	db := &dataflow.Database{URL: "sqlite::memory:", Options: dataflow.DatabaseOptions{AutoMigrate: true}}
	note := &dataflow.Model{Name: "Note", Table: "notes", Database: db, Fields: []*dataflow.Field{
		{Name: "id", Type: dataflow.Int, System: dataflow.RoleID},
		{Name: "text", Type: dataflow.String},
	}}
	note.Seal()
	db.Models = []*dataflow.Model{note}

	s, migration, diagnostics := sqlite.Opener{}.Open(ctx, db, store.Options{})
	if s == nil {
		fmt.Println(diagnostics)
		return
	}
	defer s.Close()
	fmt.Println(migration.Steps)

	err := s.Write(ctx, func(tx store.Tx) error {
		_, err := tx.Insert(ctx, note, []int{1}, [][]any{{"first"}, {"second"}})
		return err
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	err = s.Select(ctx, &query.Select{Model: note, Order: []query.Order{{Field: 1, Desc: true}}}, func(row store.Row) error {
		fmt.Printf("%s\n", row.AppendJSON(nil))
		return nil
	})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// [create table notes]
	// {"id":2,"text":"second"}
	// {"id":1,"text":"first"}
}

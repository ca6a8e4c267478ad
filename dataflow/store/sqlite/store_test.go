package sqlite

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/storetest"
)

// openTest opens a database in a file of its own, until the test ends.
func openTest(t testing.TB, db *dataflow.Database) *Store {
	t.Helper()
	if db.URL == "" {
		db.URL = "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	}
	s, _, diags := Opener{}.Open(context.Background(), db, store.Options{})
	if s == nil {
		t.Fatal(diags)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s.(*Store)
}

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T, db *dataflow.Database) store.Store { return openTest(t, db) })
}

func TestMigrations(t *testing.T) {
	storetest.RunMigrations(t, storetest.Engine{Opener: Opener{}, URL: func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") }})
}

func TestWatch(t *testing.T) {
	storetest.RunWatch(t, storetest.Engine{Opener: Opener{}, URL: func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") }})
}

func TestTheirs(t *testing.T) {
	storetest.RunTheirs(t, storetest.Engine{Opener: Opener{}, URL: func(t *testing.T) string { return "sqlite:" + filepath.Join(t.TempDir(), "test.db") }})
}

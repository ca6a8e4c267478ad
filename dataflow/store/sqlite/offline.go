package sqlite

import (
	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Offline implements store.Migrator.
func (Opener) Offline(db *dataflow.Database, o store.Options) *migrate.Runner {
	return &migrate.Runner{DB: offline{&migrator{db: db, place: place{name: db.Name}}}, Database: db, System: o.System}
}

// offline knows the engine's SQL and has no connection.
type offline struct{ *migrator }

func (offline) Close() {}

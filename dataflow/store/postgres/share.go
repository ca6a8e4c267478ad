package postgres

import (
	"context"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
)

var _ store.Sharer = (*Store)(nil)

// Share implements store.Sharer.
func (s *Store) Share(_ context.Context, db *dataflow.Database, o store.Options) (store.Store, *store.Migration, []dataflow.Diagnostic) {
	models := append(db.Models[:len(db.Models):len(db.Models)], o.System...)
	asked := migrate.FingerprintOf(models, engine)
	if db.URL != s.of.URL || db.Options != s.of.Options || asked() != s.fingerprint() || !s.holders.Join() {
		return nil, nil, nil
	}
	return newStore(s.shared, db, models, o), &store.Migration{Database: s.name}, nil
}

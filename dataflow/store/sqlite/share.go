package sqlite

import (
	"context"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
)

var _ store.Sharer = (*Store)(nil)

// Share implements store.Sharer. A database in memory is always shared, and
// brought up to what db asks for: opened anew it would be empty.
func (s *Store) Share(ctx context.Context, db *dataflow.Database, o store.Options) (store.Store, *store.Migration, []dataflow.Diagnostic) {
	if db.URL != s.of.URL || o.Dir != s.dir {
		return nil, nil, nil
	}
	models := append(db.Models[:len(db.Models):len(db.Models)], o.System...)
	asked := migrate.FingerprintOf(models, engine)
	same := db.Options == s.of.Options && asked() == s.fingerprint()
	if !same && s.file != nil || !s.holders.Join() {
		return nil, nil, nil
	}
	shared := *s.shared
	shared.of, shared.fingerprint = db, asked
	t := &Store{shared: &shared, tables: newTables(models, s.foreign)}
	t.watch = store.NewWatch(db, o, t.explain)
	if same {
		t.leaveOut(s.absent)
		return t, &store.Migration{Database: s.name}, nil
	}
	var result *migrate.Result
	var diags []dataflow.Diagnostic
	p, _ := parseURL(db, o.Dir) // it is that of s
	err := s.writer.exclusive(ctx, func(c *conn) error {
		run := migrate.Runner{DB: &migrator{c, db, p}, Database: db, System: o.System}
		result, diags = run.Open(ctx)
		return nil
	})
	if err != nil {
		diags = append(diags, openFailure(db, p, err))
	}
	if result == nil {
		_ = t.Close() // nothing has been done with it
		return nil, nil, diags
	}
	shared.absent = result.AbsentTables()
	t.leaveOut(shared.absent)
	return t, &store.Migration{Database: s.name, Steps: result.Steps}, diags
}

// leaveOut forgets tables that are not in the database.
func (s *Store) leaveOut(absent map[string]bool) {
	for m := range s.tables {
		if absent[m.Table] {
			delete(s.tables, m)
		}
	}
}

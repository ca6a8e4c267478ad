package sqlite

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Opener opens SQLite databases.
type Opener struct{}

// Schemes implements store.Opener.
func (Opener) Schemes() []string { return []string{"sqlite"} }

// CheckURL says what is wrong with a database's URL, and with the options that
// go with it, without opening anything.
func (Opener) CheckURL(db *dataflow.Database) []dataflow.Diagnostic {
	p, diag := parseURL(db, "")
	if diag != nil {
		return []dataflow.Diagnostic{*diag}
	}
	return append(serverOptions(db), poolOptions(db, p)...)
}

// Open implements store.Opener.
func (Opener) Open(ctx context.Context, db *dataflow.Database, o store.Options) (store.Store, *store.Migration, []dataflow.Diagnostic) {
	p, diag := parseURL(db, o.Dir)
	if diag != nil {
		return nil, nil, []dataflow.Diagnostic{*diag}
	}
	if diags := serverOptions(db); len(diags) > 0 {
		return nil, nil, diags
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c, err := openWriter(ctx, db, p)
	if err != nil {
		return nil, nil, []dataflow.Diagnostic{openFailure(db, p, err)}
	}
	run := migrate.Runner{DB: &migrator{c, db, p}, Database: db, System: o.System}
	result, diags := run.Open(ctx)
	if result == nil {
		_ = c.close()
		return nil, nil, diags
	}
	c.busy = busyTimeout
	c.SetBusyTimeout(c.busy)
	foreign, err := findForeign(c, db)
	if err != nil {
		_ = c.close()
		return nil, nil, append(diags, openFailure(db, p, err))
	}
	models := append(db.Models[:len(db.Models):len(db.Models)], o.System...)
	s := newStore(c, db, p, models, foreign, o)
	s.dir, s.absent = o.Dir, result.AbsentTables()
	s.leaveOut(s.absent)
	return s, &store.Migration{Database: p.name, Created: result.Created, Steps: result.Steps}, diags
}

func newStore(c *conn, db *dataflow.Database, p place, models []*dataflow.Model, foreign *foreignTables, o store.Options) *Store {
	s := &Store{
		shared: &shared{writer: &writer{c: c, hold: maxGroupHold}, holders: new(store.Holders), of: db, name: p.name, fingerprint: migrate.FingerprintOf(models, engine), foreign: foreign},
	}
	s.tables = newTables(models, foreign)
	s.watch = store.NewWatch(db, o, s.explain)
	if p.path != memory {
		s.file = newFile(p.path)
		s.writer.file = s.file
		s.writer.guard = newGuard(c, migrate.Desired(db.Models, engine))
		size := db.Options.PoolSize
		if size <= 0 {
			size = max(4, 2*runtime.NumCPU())
		}
		s.log = openIndex(p.path)
		s.readers = &pool{size: size, most: size + max(0, db.Options.PoolMaxOverflow), recycle: db.Options.PoolRecycle,
			later: func(d time.Duration, f func()) { time.AfterFunc(d, f) },
			open:  func() (*conn, error) { return openReader(p.path, s.log) }}
	}
	return s
}

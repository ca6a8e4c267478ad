package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime"
	"strconv"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Opener opens PostgreSQL databases.
type Opener struct {
	// Wait is how long a start waits for a server that does not answer yet;
	// 0 is as long as connect_timeout in the URL says, else 15 seconds.
	Wait time.Duration
}

// Schemes implements store.Opener.
func (Opener) Schemes() []string { return []string{"postgres", "postgresql"} }

// CheckURL says what is wrong with a database's URL, and with the options that
// go with it, without opening anything.
func (Opener) CheckURL(db *dataflow.Database) []dataflow.Diagnostic {
	_, _, diags := parseURLs(db)
	return diags
}

const (
	defaultWait    = 15 * time.Second
	retryPause     = 250 * time.Millisecond
	connectTimeout = 5 * time.Second
)

func itoa(n int) string { return strconv.Itoa(n) }

// Open implements store.Opener.
func (o Opener) Open(ctx context.Context, db *dataflow.Database, opts store.Options) (store.Store, *store.Migration, []dataflow.Diagnostic) {
	config, direct, diags := parseURLs(db)
	if len(diags) > 0 {
		return nil, nil, diags
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	name := displayName(config)
	served := o.way("database_url", config)
	limitPool(config, db.Options)
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, nil, []dataflow.Diagnostic{openFailure(db, name, err)}
	}
	served.pool = pool
	c, failure := o.reach(ctx, db, served, direct, opts.Logger)
	if failure != nil {
		pool.Close()
		return nil, nil, []dataflow.Diagnostic{*failure}
	}
	m := &migrator{c: c, db: db, name: name}
	run := migrate.Runner{DB: m, Database: db, System: opts.System}
	result, diags := run.Open(ctx)
	m.leave(ctx)
	if result == nil {
		pool.Close()
		return nil, nil, diags
	}
	models := append(db.Models[:len(db.Models):len(db.Models)], opts.System...)
	s := newStore(&shared{pool: pool, dialect: dialect{foreign: db.Options.ExistingSchemaMode, words: wordsFor(models)}, unnamed: db.Options.Pooler == pooled,
		surplus: surplusOf(db.Options), of: db, name: name, fingerprint: migrate.FingerprintOf(models, engine), absent: result.AbsentTables(), casts: castsOf(m.foreign)}, db, models, opts)
	return s, &store.Migration{Database: name, Created: result.Created, Steps: result.Steps}, diags
}

func newStore(of *shared, db *dataflow.Database, models []*dataflow.Model, o store.Options) *Store {
	s := &Store{shared: of, tables: newTables(models), wait: poolWait}
	s.watch = store.NewWatch(db, o, s.explain)
	for m, t := range s.tables {
		if of.absent[m.Table] {
			delete(s.tables, m)
			continue
		}
		t.gatherable(s.dialect)
	}
	return s
}

// way is how a database is reached: over the URL of an option, by a connection
// of its own, or, with a pool, by one of its. To connect is most of what a start
// costs a server: the first connection of the pool is the one that migrated,
// where it found nothing to do.
type way struct {
	option string
	config *pgxpool.Config
	wait   time.Duration // for a server that is coming up
	pool   *pgxpool.Pool // or nil
}

func (o Opener) way(option string, config *pgxpool.Config) way {
	w := way{option: option, config: config, wait: cmp.Or(o.Wait, config.ConnConfig.ConnectTimeout, defaultWait)}
	config.ConnConfig.ConnectTimeout = cmp.Or(config.ConnConfig.ConnectTimeout, connectTimeout)
	return w
}

func (w way) dial(ctx context.Context) (*conn, error) {
	if w.pool == nil {
		config := w.config.ConnConfig.Copy()
		goOnRefused(&config.Config)
		pc, err := pgconn.ConnectConfig(ctx, &config.Config)
		if err != nil {
			return nil, err
		}
		return newConn(pc, true), nil
	}
	pooled, err := w.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	c := newConn(pooled.Conn().PgConn(), true)
	c.pooled = pooled
	return c, nil
}

// reach makes the connection that migrates: over direct_url if the file has
// one, once it is known that both URLs lead to one database.
func (o Opener) reach(ctx context.Context, db *dataflow.Database, served way, direct *pgxpool.Config, log *slog.Logger) (*conn, *dataflow.Diagnostic) {
	c, failure := served.connect(ctx, db, log)
	if failure == nil && db.Options.Pooler == pooled {
		if failure = mistaken(ctx, db, displayName(served.config), c); failure != nil {
			c.leave(ctx)
			return nil, failure
		}
	}
	if failure != nil || direct == nil {
		return c, failure
	}
	defer c.leave(ctx)
	d, failure := o.way("direct_url", direct).connect(ctx, db, log)
	if failure != nil {
		return nil, failure
	}
	there, err := identity(ctx, c)
	migrated, err2 := identity(ctx, d)
	if err = errors.Join(err, err2); err == nil && there == migrated {
		return d, nil
	}
	d.leave(ctx)
	if err != nil {
		failed := openFailure(db, displayName(direct), err)
		return nil, &failed
	}
	return nil, &dataflow.Diagnostic{Code: "FC601", Span: db.OptionSpan("direct_url"),
		Message: fmt.Sprintf("direct_url leads to another database than database_url: %s, not %s", displayName(direct), displayName(served.config)),
		Hint:    "direct_url is another way to the same database and schema, one that goes round the pooler"}
}

// leave ends a connection, or gives the pool its own back.
func (c *conn) leave(ctx context.Context) {
	if c.pooled != nil {
		c.pooled.Release()
		return
	}
	_ = c.Close(context.WithoutCancel(ctx))
}

// identity tells databases apart, whatever they are called on the way there.
func identity(ctx context.Context, c *conn) (id string, err error) {
	err = c.query(ctx, `SELECT concat_ws(' ', extract(epoch FROM pg_postmaster_start_time()), (SELECT oid FROM pg_database WHERE datname = current_database()), current_schema())`,
		nil, func(r [][]byte) { id = string(r[0]) })
	return id, err
}

// poolSize is how many connections are kept.
func poolSize(o dataflow.DatabaseOptions) int {
	if o.PoolSize > 0 {
		return o.PoolSize
	}
	return max(16, 4*runtime.NumCPU())
}

// limitPool sets how many connections there may be and how old they get.
func limitPool(config *pgxpool.Config, o dataflow.DatabaseOptions) {
	config.MaxConns = int32(poolSize(o) + max(0, o.PoolMaxOverflow))
	config.MaxConnLifetime = o.PoolRecycle       // 0 is never
	config.ConnConfig.StatementCacheCapacity = 0 // ours are kept apart
	config.ConnConfig.DescriptionCacheCapacity = 0
	config.BeforeConnect = func(_ context.Context, c *pgx.ConnConfig) error { // c is a copy
		goOnRefused(&c.Config)
		return nil
	}
	config.PingTimeout = connectTimeout
}

// connect makes a connection, waiting for a server that is coming up.
func (w way) connect(ctx context.Context, db *dataflow.Database, log *slog.Logger) (*conn, *dataflow.Diagnostic) {
	deadline := time.Now().Add(w.wait)
	for told := false; ; {
		c, err := w.dial(ctx)
		if err == nil {
			return c, nil
		}
		if !comingUp(err) || ctx.Err() != nil || time.Now().Add(retryPause).After(deadline) {
			return nil, connectFailure(db, w.option, displayName(w.config), err)
		}
		if !told {
			log.Info("waiting for the database", "database", displayName(w.config))
			told = true
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, connectFailure(db, w.option, displayName(w.config), err)
		}
	}
}

// comingUp reports whether a failure to connect may be over in a moment.
func comingUp(err error) bool {
	switch sqlState(err) {
	case "":
		_, network := errors.AsType[net.Error](err)
		_, alert := handshake(err)
		return (network || pgconn.Timeout(err)) && !alert && !errors.Is(err, context.Canceled)
	case startingUp, shutDown, tooManyConnections:
		return true
	}
	return false
}

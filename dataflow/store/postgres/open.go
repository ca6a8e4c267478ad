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
	"github.com/flowctl/flowctl/dataflow/store"
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

// CheckURL says what is wrong with a database's URL, without opening anything.
func (Opener) CheckURL(db *dataflow.Database) []dataflow.Diagnostic {
	_, _, diags := parseURLs(db)
	return diags
}

const (
	defaultWait        = 15 * time.Second
	retryPause         = 250 * time.Millisecond
	defaultLockTimeout = 30 * time.Second
	connectTimeout     = 5 * time.Second
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
	c, err := o.connect(ctx, direct, name, opts.Logger)
	if err != nil {
		return nil, nil, []dataflow.Diagnostic{openFailure(db, name, err)}
	}
	done, absent, diags := migrateSchema(ctx, c, db, name, opts.System)
	_ = c.Close(context.WithoutCancel(ctx))
	if dataflow.HasErrors(diags) {
		return nil, nil, diags
	}
	limitPool(config, db.Options)
	pool, err := pgxpool.NewWithConfig(context.WithoutCancel(ctx), config)
	if err != nil {
		return nil, nil, []dataflow.Diagnostic{openFailure(db, name, err)}
	}
	models := append(db.Models[:len(db.Models):len(db.Models)], opts.System...)
	s := &Store{
		tables: newTables(models), pool: pool, dialect: dialect{foreign: db.Options.ExistingSchemaMode}, unnamed: db.Options.Pooler == "transaction",
		wait: poolWait, log: opts.Logger, slow: db.Options.SlowQueryThreshold, echo: db.Options.Echo,
	}
	for _, m := range absent {
		delete(s.tables, m)
	}
	return s, done, diags
}

// limitPool sets how many connections there may be and how old they get.
func limitPool(config *pgxpool.Config, o dataflow.DatabaseOptions) {
	size := o.PoolSize
	if size <= 0 {
		size = max(16, 4*runtime.NumCPU())
	}
	config.MaxConns = int32(size + max(0, o.PoolMaxOverflow))
	if o.PoolRecycle > 0 {
		config.MaxConnLifetime = o.PoolRecycle
	}
	config.ConnConfig.StatementCacheCapacity = 0 // ours are kept apart
	config.ConnConfig.DescriptionCacheCapacity = 0
	config.ConnConfig.ConnectTimeout = cmp.Or(config.ConnConfig.ConnectTimeout, connectTimeout)
	config.PingTimeout = connectTimeout
}

// connect makes a connection of its own, waiting for a server that is coming
// up.
func (o Opener) connect(ctx context.Context, config *pgxpool.Config, name string, log *slog.Logger) (*conn, error) {
	wait := cmp.Or(o.Wait, config.ConnConfig.ConnectTimeout, defaultWait)
	deadline := time.Now().Add(wait)
	config.ConnConfig.ConnectTimeout = cmp.Or(config.ConnConfig.ConnectTimeout, connectTimeout)
	for told := false; ; {
		pc, err := pgconn.ConnectConfig(ctx, &config.ConnConfig.Config)
		if err == nil {
			return newConn(pc, true), nil
		}
		if !comingUp(err) || ctx.Err() != nil || time.Now().Add(retryPause).After(deadline) {
			return nil, err
		}
		if !told {
			log.Info("waiting for the database", "database", name)
			told = true
		}
		pause := time.NewTimer(retryPause)
		select {
		case <-pause.C:
		case <-ctx.Done():
			pause.Stop()
			return nil, err
		}
	}
}

// comingUp reports whether a failure to connect may be over in a moment.
func comingUp(err error) bool {
	switch sqlState(err) {
	case "":
		_, network := errors.AsType[net.Error](err)
		return (network || pgconn.Timeout(err)) && !errors.Is(err, context.Canceled)
	case startingUp, shutDown, "53300":
		return true
	}
	return false
}

// openFailure says why a database can't be opened and what to do.
func openFailure(db *dataflow.Database, name string, err error) dataflow.Diagnostic {
	d := dataflow.Diagnostic{Code: "FC602", Span: db.URLSpan()}
	said, _ := errors.AsType[*pgconn.PgError](err)
	if said == nil {
		_, network := errors.AsType[net.Error](err)
		switch {
		case errors.Is(err, context.Canceled):
			d.Code, d.Message = "FC603", fmt.Sprintf("opening the database %s was cancelled", name)
		case network || pgconn.Timeout(err):
			d.Message = fmt.Sprintf("the database %s can't be reached: %s", name, network1(err))
			d.Hint = "start the server, or check host and port of the URL"
		default:
			d.Message = fmt.Sprintf("the database %s can't be opened: %v", name, withoutSecrets(err))
		}
		return d
	}
	switch said.Code {
	case undefinedDatabase:
		d.Message = fmt.Sprintf("the server has no database of the name in %s", name)
		d.Hint = "make it first: createdb"
	case "28P01", "28000":
		d.Message = fmt.Sprintf("the database %s refuses the user: %s", name, said.Message)
		d.Hint = "check user and password of the URL"
	case noPrivilege, readOnlyTransaction:
		d.Code = "FC606"
		d.Message = fmt.Sprintf("the database %s can't be altered: %s", name, said.Message)
		d.Hint = "let the user make tables: GRANT CREATE ON SCHEMA public TO …; or use auto_migrate = False"
	case lockNotAvailable:
		d.Code = "FC603"
		d.Message = fmt.Sprintf("the database %s is locked by another program", name)
		d.Hint = "end the other program's transaction; migration_lock_timeout says how long to wait for it"
	case diskFull:
		d.Code = "FC607"
		d.Message = fmt.Sprintf("there is no room left for the database %s", name)
		d.Hint = "free some space on its disk; nothing has been changed"
	case startingUp, shutDown, "53300":
		d.Message = fmt.Sprintf("the database %s does not take connections: %s", name, said.Message)
	default:
		d.Code = "FC620"
		d.Message = fmt.Sprintf("the tables of the database %s can't be made as the models ask: %s", name, said.Message)
		d.Hint = "nothing has been changed"
	}
	return d
}

// network1 is what the network says, without addresses.
func network1(err error) string {
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		return dns.Err
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Err != nil {
		return op.Err.Error()
	}
	return "it does not answer"
}

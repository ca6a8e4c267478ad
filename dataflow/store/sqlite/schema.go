package sqlite

import (
	"context"
	"strconv"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"zombiezen.com/go/sqlite"
)

// lockLook is how long SQLite waits for a lock before it is looked whether the
// start has been called off: its own wait can't be interrupted.
const lockLook = 50 * time.Millisecond

// patiently does something that takes a lock, and waits for that as long as the
// connection does, or until ctx is done. It is done again where the lock was not
// to be had.
func (c *conn) patiently(ctx context.Context, do func() error) error {
	c.SetBusyTimeout(min(lockLook, c.busy))
	defer c.SetBusyTimeout(c.busy)
	for end := time.Now().Add(c.busy); ; {
		err := do()
		if sqlite.ErrCode(err).ToPrimary() != sqlite.ResultBusy || time.Now().After(end) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// logKept is how much of the log is left of a large transaction once the next
// starts it anew, in bytes: four times what it comes to otherwise, so that nothing is
// cut off that would be written again at once. To look costs nothing measurable.
const logKept = 16 << 20

func openWriter(ctx context.Context, db *dataflow.Database, p place) (*conn, error) {
	timeout := db.Options.MigrationLockTimeout
	if timeout <= 0 {
		timeout = migrate.DefaultLockTimeout
	}
	if why := unusable(p); why != nil {
		return nil, why
	}
	flags := sqlite.OpenReadWrite | sqlite.OpenCreate
	if db.Options.ExistingSchemaMode {
		if why := absent(p); why != nil {
			return nil, why
		}
		flags = sqlite.OpenReadWrite
	}
	c, err := openMigrating(p.path, flags, timeout)
	if err != nil {
		return nil, err
	}
	for _, pragma := range []string{"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA journal_size_limit = " + strconv.Itoa(logKept)} {
		if err := c.patiently(ctx, func() error { return c.exec(pragma) }); err != nil {
			_ = c.close()
			return nil, err
		}
	}
	return c, nil
}

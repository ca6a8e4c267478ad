package sqlite

import (
	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"zombiezen.com/go/sqlite"
)

func openWriter(db *dataflow.Database, p place) (*conn, error) {
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
	for _, pragma := range []string{"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"} {
		if err := c.exec(pragma); err != nil {
			_ = c.close()
			return nil, err
		}
	}
	return c, nil
}

package nexus

import (
	"context"
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Migrations opens the databases of an app for their schemas alone, in order:
// to look at them, or to change them. The DB of each Runner is to be closed.
// With errors among the diagnostics there are none.
func Migrations(ctx context.Context, app *dataflow.App, o Options, look bool) ([]*migrate.Runner, []dataflow.Diagnostic) {
	var runners []*migrate.Runner
	var ds []dataflow.Diagnostic
	for _, db := range app.Databases {
		opener, ok := o.opener(scheme(db)).(store.Migrator)
		if !ok {
			ds = append(ds, dataflow.Diagnostic{Code: "FC701", Severity: dataflow.SeverityError, Span: db.URLSpan(),
				Message: fmt.Sprintf("the engine of the database %s can't be migrated by command", db.Name)})
			continue
		}
		r, more := opener.Migrate(ctx, db, store.Options{Dir: o.Dir, Logger: o.logger(), System: access.SystemModels(db)}, look)
		ds = append(ds, more...)
		if r != nil {
			runners = append(runners, r)
		}
	}
	if dataflow.HasErrors(ds) {
		for _, r := range runners {
			r.DB.Close()
		}
		return nil, ds
	}
	return runners, ds
}

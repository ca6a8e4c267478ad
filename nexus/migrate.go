package nexus

import (
	"context"
	"fmt"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/nexus/auth"
	"github.com/flowctl/flowctl/nexus/limit"
)

// Migrations opens the databases of an app for their schemas alone, in order
// of declaration: to look at them, or to change them. Each Runner's DB is to be
// closed. With errors among the diagnostics there are none.
func Migrations(ctx context.Context, app *dataflow.App, o Options, look bool) ([]*migrate.Runner, []dataflow.Diagnostic) {
	return runners(app, o, func(op store.Migrator, db *dataflow.Database) (*migrate.Runner, []dataflow.Diagnostic) {
		return op.Migrate(ctx, db, o.storeOptions(app, db), look)
	})
}

// Offline is Migrations without any database. All that its Runners can do is
// Whole. dialect, if it is not "", is the scheme of an engine to take instead
// of each database's own.
func Offline(app *dataflow.App, o Options, dialect string) ([]*migrate.Runner, []dataflow.Diagnostic) {
	return runners(app, o, func(op store.Migrator, db *dataflow.Database) (*migrate.Runner, []dataflow.Diagnostic) {
		if other, ok := o.opener(dialect).(store.Migrator); ok {
			op = other
		}
		return op.Offline(db, o.storeOptions(app, db)), nil
	})
}

func runners(app *dataflow.App, o Options, open func(store.Migrator, *dataflow.Database) (*migrate.Runner, []dataflow.Diagnostic)) ([]*migrate.Runner, []dataflow.Diagnostic) {
	diags := Check(app, o)
	if dataflow.HasErrors(diags) {
		return nil, diags
	}
	var list []*migrate.Runner
	for _, db := range app.Databases {
		var r *migrate.Runner
		op, ok := o.opener(scheme(db)).(store.Migrator)
		more := []dataflow.Diagnostic{unmigratable(db)}
		if ok {
			r, more = open(op, db)
		}
		for _, d := range more {
			if d.Span.IsZero() {
				d.Span = db.URLSpan()
			}
			diags = append(diags, d)
		}
		if r != nil {
			list = append(list, r)
		}
	}
	if dataflow.HasErrors(diags) {
		for _, r := range list {
			r.DB.Close()
		}
		return nil, diags
	}
	return list, diags
}

// unmigratable refuses the database of an engine that an embedding program has
// added without migrations.
func unmigratable(db *dataflow.Database) dataflow.Diagnostic {
	return dataflow.Diagnostic{Code: "FC626", Message: fmt.Sprintf("the engine of %q has no migrations by command", scheme(db)+":"),
		Hint: "it migrates when the app starts"}
}

// Dialects lists the engines that Offline can take.
func (o Options) Dialects() []string {
	var names []string
	for _, op := range o.openers() {
		if _, ok := op.(store.Migrator); ok {
			names = append(names, op.Schemes()[0])
		}
	}
	return names
}

func (o Options) storeOptions(app *dataflow.App, db *dataflow.Database) store.Options {
	system := slices.Concat(access.SystemModels(db), durable.Models(db), auth.Models(app, db), limit.Models(app, db, o.opener(scheme(db))))
	if slices.ContainsFunc(db.Models, app.Followed) {
		system = append(system, access.FeedModels(db)...)
	}
	so := store.Options{Dir: o.Dir, Logger: o.logger(), System: system}
	if o.watch != nil {
		so.Observer = o.watch.Store(db)
	}
	return so
}

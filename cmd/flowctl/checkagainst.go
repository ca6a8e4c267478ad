package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/nexus"
)

// comparison is an app's databases beside those that --against names.
type comparison struct {
	replies []*databaseReply
	diags   []dataflow.Diagnostic
}

// compare finds out what migrating the databases at urls would do: it looks,
// and writes nothing. Each of urls is a URL, or where the app has several
// databases the variable of one before it: "db=postgres://…".
func (a *appFile) compare(ctx context.Context, w *world, app *dataflow.App, urls []string) (*comparison, error) {
	beside, restore, err := a.aside(app, urls)
	defer restore()
	if err != nil {
		return nil, err
	}
	m := &migration{a: a, w: w, f: &migrateFlags{}}
	m.dbs, m.diags = look(ctx, beside, a.options(w, false))
	defer m.close()
	for _, r := range m.dbs {
		m.compare(ctx, r)
	}
	for i := range m.diags {
		if isOf(beside, m.diags[i].Span) { // the command names the database, not the file
			m.diags[i].Span = dataflow.Span{}
		}
	}
	return &comparison{m.reply.Databases, m.diags}, nil
}

// compare looks at one database.
func (m *migration) compare(ctx context.Context, r *migrate.Runner) {
	p, diags := r.Preview(ctx)
	refused := !m.note(r, diags)
	if p == nil {
		return // why has been noted
	}
	d := m.about(r)
	d.Preview, d.State = p, planned{p, refused}.state()
}

// isOf reports whether a place is where the file names one of the databases.
func isOf(app *dataflow.App, at dataflow.Span) bool {
	return slices.ContainsFunc(app.Databases, func(db *dataflow.Database) bool { return at == db.URLSpan() })
}

// aside returns the app with its databases at other places, those that are
// named and no others, until restore is called.
func (a *appFile) aside(app *dataflow.App, urls []string) (beside *dataflow.App, restore func(), err error) {
	var back []func()
	restore = func() {
		for _, f := range back {
			f()
		}
	}
	other := *app
	other.Databases = nil
	for _, word := range urls {
		db, url, err := a.named(app, word)
		if err != nil {
			return nil, restore, err
		}
		if slices.Contains(other.Databases, db) {
			return nil, restore, &usageError{"--against names the database " + db.Name + " twice", "name each once"}
		}
		was, options := db.URL, db.Options
		back = append(back, func() { db.URL, db.Options = was, options })
		db.URL = url
		db.Options.DirectURL, db.Options.Pooler = "", "" // which are about the one in the file
		other.Databases = append(other.Databases, db)
	}
	return &other, restore, nil
}

// named splits an argument of --against.
func (a *appFile) named(app *dataflow.App, word string) (*dataflow.Database, string, error) {
	name, url, ok := strings.Cut(word, "=")
	if ok && !strings.Contains(name, ":") {
		one, err := only(app, a, name)
		if err != nil {
			return nil, "", err
		}
		return one.Databases[0], url, nil
	}
	switch len(app.Databases) {
	case 0:
		return nil, "", &usageError{a.display + a.base + " has no database", "declare one: db = DataFlow(database_url = \"sqlite:app.db\")"}
	case 1:
		return app.Databases[0], word, nil
	}
	first := app.Databases[0].Name
	return nil, "", &usageError{a.display + a.base + " has several databases", fmt.Sprintf("say which one it is: --against %s=URL", first)}
}

// write says what would be done, for a person.
func (c *comparison) write(w io.Writer) {
	for _, d := range c.replies {
		writePlan(w, d, false, false)
	}
}

// against adds to diags what a comparison finds, if one was asked for.
func (a *appFile) against(ctx context.Context, w *world, app *dataflow.App, diags []dataflow.Diagnostic, urls []string) (*comparison, []dataflow.Diagnostic, error) {
	if len(urls) == 0 || app == nil || dataflow.HasErrors(diags) || dataflow.HasErrors(nexus.Check(app, a.options(w, false))) {
		return &comparison{}, diags, nil // what is wrong with the app is said first
	}
	c, err := a.compare(ctx, w, app, urls)
	if err != nil {
		return nil, nil, err
	}
	return c, append(diags, c.diags...), nil
}

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/starlark/report"
	"github.com/spf13/cobra"
)

// exitPending is for --exit-code: nothing is wrong, but there is something to do.
const exitPending = 3

func migrateCommand(w *world) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Plan, apply, list and undo changes to an app's databases",
		Long: `migrate brings the databases of an app up to what its models ask for, as run
does by itself, shows what that would take, and undoes it.

What would throw values away is refused, with the word that allows it:
--allow drop_column:Order.note.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownVerb(cmd, args[0], "to see what is to be done", "plan")
			}
			cmd.SetOut(w.err)
			if err := cmd.Help(); err != nil {
				return err
			}
			return &usageError{} // help was shown, and nothing done
		},
	}
	cmd.AddCommand(planCommand(w), applyCommand(w), statusCommand(w), historyCommand(w), rollbackCommand(w), exportCommand(w))
	return cmd
}

// unknownVerb tells of a word that names no command below cmd. first is the
// one to begin with, and why.
func unknownVerb(cmd *cobra.Command, word, why, first string) error {
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	hint := dataflow.DidYouMean(word, names)
	switch {
	case strings.HasSuffix(word, ".star"):
		hint = fmt.Sprintf("%s, write: %s %s %s", why, cmd.CommandPath(), first, word)
	case hint == "":
		hint = "the commands are " + strings.Join(names, ", ")
	}
	return &usageError{fmt.Sprintf("unknown command %q of %s", word, cmd.CommandPath()), hint}
}

// migrateFlags are those that commands of migrate share.
type migrateFlags struct {
	database string
	allow    []string
	json     bool
	exitCode bool
}

func (f *migrateFlags) add(cmd *cobra.Command, allow bool) {
	fl := cmd.Flags()
	fl.StringVar(&f.database, "database", "", "only the database that this variable of the file holds")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	if allow {
		fl.StringArrayVar(&f.allow, "allow", nil, "let go what is named, as drop_column:Order.note; may be repeated")
	}
}

func (f *migrateFlags) addExitCode(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.exitCode, "exit-code", false, "exit with 3 if there is anything to do")
}

// databaseReply is what is said of one database. What there is depends on the
// command.
type databaseReply struct {
	Database string `json:"database"`
	Variable string `json:"variable,omitempty"`
	State    string `json:"state,omitempty"`

	*migrate.Preview `json:",omitempty"`
	*migrate.Status  `json:",omitempty"`
	Did              []string          `json:"did,omitempty"`
	History          []migrate.Applied `json:"history,omitempty"`
	Undone           []migrate.Applied `json:"undone,omitempty"`
}

// migrateReply is the JSON form of what a command of migrate says.
type migrateReply struct {
	Version     int                   `json:"version"`
	Databases   []*databaseReply      `json:"databases"`
	Diagnostics []dataflow.Diagnostic `json:"diagnostics"`
}

// migration is a command of migrate at work.
type migration struct {
	a     *appFile
	w     *world
	f     *migrateFlags
	dbs   []*migrate.Runner
	diags []dataflow.Diagnostic
	reply migrateReply
}

// connecting is how a command gets at an app's databases.
type connecting func(context.Context, *dataflow.App, nexus.Options) ([]*migrate.Runner, []dataflow.Diagnostic)

// look connects to look at databases, change to change them.
func look(ctx context.Context, app *dataflow.App, o nexus.Options) ([]*migrate.Runner, []dataflow.Diagnostic) {
	return nexus.Migrations(ctx, app, o, true)
}

func change(ctx context.Context, app *dataflow.App, o nexus.Options) ([]*migrate.Runner, []dataflow.Diagnostic) {
	return nexus.Migrations(ctx, app, o, false)
}

// migrating runs do over an app's databases and reports what it and the app
// have to say. write writes one database's reply for a person.
func migrating(cmd *cobra.Command, w *world, path string, f *migrateFlags, connect connecting, do func(context.Context, *migration) error, write func(*databaseReply)) error {
	a, err := findApp(path)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(cmd.Context(), w, "stopping; press Ctrl+C again to stop at once")
	defer stop()
	m := &migration{a: a, w: w, f: f, reply: migrateReply{Version: report.Version, Databases: []*databaseReply{}}}
	if err := m.open(ctx, connect); err != nil {
		return err
	}
	defer m.close()
	if !dataflow.HasErrors(m.diags) {
		if err := do(ctx, m); err != nil {
			return err
		}
	}
	if err := m.tell(write); err != nil {
		return err
	}
	if dataflow.HasErrors(m.diags) {
		return exitError(exitFailed)
	}
	return nil
}

// open loads the app and connects to its databases, or to the one asked for.
func (m *migration) open(ctx context.Context, connect connecting) error {
	app, diags := m.a.load(ctx, m.w)
	if m.diags = diags; dataflow.HasErrors(diags) {
		return nil
	}
	if m.f.database != "" {
		var err error
		if app, err = only(app, m.a, m.f.database); err != nil {
			return err
		}
	}
	if len(app.Databases) == 0 {
		return &usageError{m.a.display + m.a.base + " has no database", "declare one: db = DataFlow(database_url = \"sqlite:app.db\")"}
	}
	m.dbs, diags = connect(ctx, app, m.a.options(m.w, false))
	m.diags = append(m.diags, diags...)
	return nil
}

func (m *migration) close() {
	for _, r := range m.dbs {
		r.DB.Close()
	}
}

// only is app with one of its databases.
func only(app *dataflow.App, a *appFile, name string) (*dataflow.App, error) {
	var names []string
	for _, db := range app.Databases {
		if db.Name == name {
			one := *app
			one.Databases = []*dataflow.Database{db}
			return &one, nil
		}
		names = append(names, db.Name)
	}
	hint := dataflow.DidYouMean(name, names)
	if hint == "" && len(names) > 0 {
		hint = "its databases are " + join(names)
	}
	return nil, &usageError{fmt.Sprintf("%s has no database %q", a.display+a.base, name), hint}
}

// about begins what is said of a database.
func (m *migration) about(r *migrate.Runner) *databaseReply {
	d := &databaseReply{Database: r.DB.Name(), Variable: r.Database.Name}
	m.reply.Databases = append(m.reply.Databases, d)
	return d
}

// note keeps what was found about a database, with the place that names it.
func (m *migration) note(r *migrate.Runner, diags []dataflow.Diagnostic) (ok bool) {
	for _, d := range diags {
		if d.Span.IsZero() && d.Code != "FC624" { // which is about the command
			d.Span = r.Database.URLSpan()
		}
		m.diags = append(m.diags, d)
	}
	return !dataflow.HasErrors(diags)
}

// tell writes what there is to say: as JSON all of it to standard output, else
// what was asked for there, and what is pressing to standard error.
func (m *migration) tell(write func(*databaseReply)) error {
	m.diags = dataflow.SortDiagnostics(m.diags)
	if m.f.json {
		m.reply.Diagnostics = append([]dataflow.Diagnostic{}, m.diags...)
		text, err := json.Marshal(m.reply)
		if err != nil {
			return fmt.Errorf("write the answer: %w", err)
		}
		return printJSON(m.w, text)
	}
	for _, d := range m.reply.Databases {
		write(d)
	}
	return m.a.reportPressing(m.w, m.w.err, m.diags)
}

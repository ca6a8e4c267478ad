package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/migrate"
	"github.com/flowctl/flowctl/dataflow/migrate/export"
	"github.com/flowctl/flowctl/nexus"
	"github.com/spf13/cobra"
)

// exportFlags are what export is asked for.
type exportFlags struct {
	dir, format, name, version, dialect string
	all                                 bool
	at                                  time.Time // that is to stand in the names of files
}

func exportCommand(w *world) *cobra.Command {
	f := migrateFlags{}
	var x exportFlags
	cmd := &cobra.Command{
		Use:   "export app.star",
		Short: "Write what apply would do as SQL files for other programs",
		Long: `export writes the steps that plan shows as SQL files that another migration
program runs, with the way back, and changes no database. Once they have been
run, plan finds nothing to do.

With --all the files make everything, from an empty database on, and no database
is asked; --dialect then says for which engine.

A file is never written over: a migration that was run elsewhere must not change.`,
		Args:    takes("app.star"),
		PreRunE: func(*cobra.Command, []string) error { return x.check(w, &f).orNil() },
		RunE: func(cmd *cobra.Command, args []string) error {
			connect := connecting(look)
			if x.all {
				connect = func(_ context.Context, app *dataflow.App, o nexus.Options) ([]*migrate.Runner, []dataflow.Diagnostic) {
					return nexus.Offline(app, o, x.dialect)
				}
			}
			return migrating(cmd, w, args[0], &f, connect, func(ctx context.Context, m *migration) error {
				return m.export(ctx, x, x.at)
			}, func(d *databaseReply) { writeDone(w.out, d.Database, d.State, d.Did) })
		},
	}
	f.add(cmd, true)
	fl := cmd.Flags()
	fl.StringVar(&x.dir, "dir", "migrations", "the folder to write to")
	fl.StringVar(&x.format, "format", "goose", "the program that is to run the files: "+strings.Join(export.Formats(), ", "))
	fl.StringVar(&x.name, "name", "flowctl", "what the files are called, behind their version")
	fl.StringVar(&x.version, "version", "", "the version that stands in their names, as 20270131120000, instead of the time")
	fl.StringVar(&x.dialect, "dialect", "", "with --all: the engine to write for, sqlite or postgres")
	fl.BoolVar(&x.all, "all", false, "from an empty database on, without asking any")
	return cmd
}

const versionLayout = "20060102150405"

// fileWord is what stands between the underscores of a file's name.
var fileWord = dataflow.NameShape{First: dataflow.Smalls | dataflow.Digits, Rest: dataflow.Smalls | dataflow.Digits}

func isFileName(name string) bool {
	return !slices.ContainsFunc(strings.Split(name, "_"), func(word string) bool { return !fileWord.Fits(word) })
}

// check finds what is wrong with the flags, and reads the time.
func (x *exportFlags) check(w *world, f *migrateFlags) (wrong usageErrors) {
	if !slices.Contains(export.Formats(), x.format) {
		wrong.add(unknown("format", x.format, export.Formats()))
	}
	if x.all && len(f.allow) > 0 {
		wrong.add(&usageError{"--allow goes without --all", "an empty database has nothing to lose"})
	}
	if !isFileName(x.name) {
		wrong.add(&usageError{fmt.Sprintf("--name can't be %q", x.name), "names of files have small letters, digits and _ between them"})
	}
	dialects := nexus.Options{}.Dialects()
	switch {
	case x.dialect == "":
	case !x.all:
		wrong.add(&usageError{"--dialect goes with --all", "without --all each database is asked, and is of the engine it is"})
	case !slices.Contains(dialects, x.dialect):
		wrong.add(unknown("dialect", x.dialect, dialects))
	}
	var err error
	if x.at = w.now(); x.version == "" {
		return wrong
	}
	if x.at, err = time.Parse(versionLayout, x.version); err != nil {
		wrong.add(&usageError{fmt.Sprintf("--version can't be %q", x.version), "a version is a time with fourteen digits, as 20270131120000"})
	}
	return wrong
}

func (m *migration) export(ctx context.Context, x exportFlags, at time.Time) error {
	plans, err := m.toExport(ctx, x)
	for i, p := range plans {
		if p != nil {
			m.note(m.dbs[i], m.dbs[i].Portable(p))
		}
	}
	if err != nil || dataflow.HasErrors(m.diags) {
		return err
	}
	for i, p := range plans {
		d := m.about(m.dbs[i])
		if d.State = "nothing to export"; len(p.Steps) == 0 {
			continue
		}
		dir := x.dir
		if len(m.dbs) > 1 {
			dir = filepath.Join(dir, m.dbs[i].Database.Name)
		}
		files := export.Files(x.format, export.Migration{At: at, Name: x.name, Changes: changesOf(p)})
		if err := writeFiles(dir, files); err != nil {
			return err
		}
		d.State = "exported"
		for _, f := range files {
			d.Did = append(d.Did, filepath.Join(dir, f.Name))
		}
	}
	return nil
}

func (m *migration) toExport(ctx context.Context, x exportFlags) ([]*migrate.Preview, error) {
	plans := make([]*migrate.Preview, len(m.dbs))
	if !m.managed() {
		return plans, nil
	}
	if !x.all {
		for i, p := range m.plan(ctx) {
			plans[i] = p.preview
		}
		return plans, nil
	}
	for i, r := range m.dbs {
		p, diags := r.Whole()
		m.note(r, diags)
		plans[i] = p
	}
	return plans, nil
}

func changesOf(p *migrate.Preview) []export.Change {
	var changes []export.Change
	for _, s := range p.Steps {
		if len(s.SQL) > 0 {
			changes = append(changes, export.Change{Comment: s.Step, SQL: s.SQL, Reverse: s.Reverse, Outside: s.Aside})
		}
	}
	return changes
}

// writeFiles writes all of files to a folder, or none.
func writeFiles(dir string, files []export.File) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return &usageError{dir + " can't be made: " + reason(err), "name another folder with --dir"}
	}
	for i, f := range files {
		err := writeNew(filepath.Join(dir, f.Name), []byte(f.Text))
		if err == nil {
			continue
		}
		for _, done := range files[:i] {
			_ = os.Remove(filepath.Join(dir, done.Name)) // made just now
		}
		if errors.Is(err, fs.ErrExist) {
			return &usageError{filepath.Join(dir, f.Name) + " is there already", "give another --version, or a --name"}
		}
		return &usageError{filepath.Join(dir, f.Name) + " can't be written: " + reason(err), "check the folder and its permissions"}
	}
	return nil
}

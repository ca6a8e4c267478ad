package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/check"
	"github.com/flowctl/flowctl/starlark/report"
	"github.com/spf13/cobra"
)

// checkFlags are the options of flowctl check.
type checkFlags struct {
	format            string
	only, without     []string
	strict            bool
	fix, unsafe, diff bool
	against           []string
}

func checkCommand(w *world) *cobra.Command {
	var o checkFlags
	cmd := &cobra.Command{
		Use:   "check app.star",
		Short: "Find what is wrong with an app, without running it",
		Long: `check loads the app and reports everything that can be found without touching
a database or a network. flowctl explain CODE says more about a finding.

Warnings that are meant to be are marked in the file, with the reason:
  "rate": float,  # flowctl: ignore[FC230] an exchange rate

--against URL also compares the models with a database that is there, and says
what migrating it would do: what is refused, with the rows that are in the way,
and what would stay behind. It reads, and writes nothing.

A file of tests, app_test.star, is checked with the app beside it.

Formats: text` + formatNames() + `.

Exit code 0: nothing wrong (there may be warnings). 1: errors, or with --strict
warnings. 2: the command or the file could not be read.`,
		Args:    takes("app.star"),
		PreRunE: func(*cobra.Command, []string) error { return o.check().orNil() },
		RunE: func(cmd *cobra.Command, args []string) error {
			if s := testsAt(args[0]); s != nil {
				return s.check(cmd.Context(), w, o)
			}
			a, err := findApp(args[0])
			if err != nil {
				return err
			}
			if o.fix || o.unsafe || o.diff {
				return a.fix(cmd.Context(), w, o)
			}
			app, sources, diags := a.read(cmd.Context(), w)
			c, diags, err := a.against(cmd.Context(), w, app, diags, o.against)
			if err != nil {
				return err
			}
			return a.reportCheck(w, app, check.Select(a.checkRead(w, app, sources, diags), o.only, o.without), c, o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "text", "form of the report")
	f.StringSliceVar(&o.only, "select", nil, "show only warnings whose codes begin so, as FC2,FC510")
	f.StringSliceVar(&o.without, "ignore", nil, "don't show warnings whose codes begin so")
	f.BoolVar(&o.strict, "strict", false, "let warnings fail the check too")
	f.BoolVar(&o.fix, "fix", false, "mend what can be without changing what the app does")
	f.BoolVar(&o.unsafe, "unsafe-fixes", false, "mend what may change what the app does, too")
	f.StringArrayVar(&o.against, "against", nil, "look at the database at this URL too; of an app with several: db=URL")
	f.BoolVar(&o.diff, "diff", false, "show what --fix would change, and change nothing")
	return cmd
}

func formatNames() string {
	var b strings.Builder
	for _, f := range report.Formats() {
		b.WriteString(", " + f.Name)
	}
	return b.String()
}

// check finds what is wrong with the flags.
func (o *checkFlags) check() (wrong usageErrors) {
	if len(o.against) > 0 && (o.fix || o.unsafe || o.diff) {
		wrong.add(&usageError{"--against is of no use to --fix", "mend first, then compare"})
	}
	if o.format != "text" && o.write(nil) == nil {
		names := []string{"text"}
		for _, f := range report.Formats() {
			names = append(names, f.Name)
		}
		wrong.add(unknown("format", o.format, names))
	}
	for _, codes := range [][]string{o.only, o.without} {
		if code, near := check.UnknownCode(codes); code != "" || near != "" {
			if near == "" {
				near = "docs/rules.md and docs/errors/diagnostics.md list the codes"
			}
			wrong.add(&usageError{fmt.Sprintf("there is no code that begins with %q", code), near})
		}
	}
	return wrong
}

// write returns what writes the format, or nil if there is none.
func (o *checkFlags) write(w io.Writer) func([]dataflow.Diagnostic) error {
	for _, f := range report.Formats() {
		if f.Name == o.format {
			return func(ds []dataflow.Diagnostic) error { return f.Write(w, ds) }
		}
	}
	return nil
}

// reportCheck writes what check was asked for.
func (a *appFile) reportCheck(w *world, app *dataflow.App, diags []dataflow.Diagnostic, c *comparison, o checkFlags) error {
	of := ""
	if app != nil {
		of = inventory(app)
	}
	failed, err := a.writeCheck(w, a.base, of, diags, o)
	if err != nil {
		return err
	}
	if o.format == "text" {
		c.write(w.out)
	}
	if failed {
		return exitError(exitFailed)
	}
	return nil
}

// writeCheck writes what was found in a file, which holds what of names.
func (a *appFile) writeCheck(w *world, file, of string, diags []dataflow.Diagnostic, o checkFlags) (failed bool, err error) {
	write := o.write(w.out)
	if write == nil {
		write = func(ds []dataflow.Diagnostic) error { return a.report(w, w.out, ds) }
	}
	if err := write(diags); err != nil {
		return false, fmt.Errorf("write the report: %w", err)
	}
	if o.format == "text" && !dataflow.HasErrors(diags) {
		fmt.Fprintf(w.out, "%s: no errors in %s\n", a.display+file, of)
	}
	return dataflow.HasErrors(diags) || o.strict && warned(diags), nil
}

// testsAt is the file of tests at a path, beside an app; nil if it is none.
func testsAt(path string) *suite {
	if !strings.HasSuffix(path, testSuffix) || !fileAt(path) || !fileAt(filepath.Join(filepath.Dir(path), "app.star")) {
		return nil
	}
	a, err := findApp(filepath.Join(filepath.Dir(path), "app.star"))
	if err != nil {
		return nil
	}
	return &suite{a, filepath.Base(path)}
}

// check finds what is wrong with a file of tests, without running it.
func (s *suite) check(ctx context.Context, w *world, o checkFlags) error {
	if o.fix || o.unsafe || o.diff || len(o.against) > 0 {
		return &usageError{s.display() + " is a file of tests, which is looked at and left as it is", "write: flowctl check " + s.display()}
	}
	var app *dataflow.App
	var sources check.Sources
	var tests []starlark.Test
	var diags []dataflow.Diagnostic
	err := s.app.within(func(files fs.FS) {
		loading := s.app.loading(w, files, w.err)
		loading.Read = sources.Add
		app, tests, diags = starlark.LoadTests(ctx, s.app.base, s.file, loading)
	})
	if err != nil {
		return &usageError{s.app.display + " can't be read: " + reason(err), ""}
	}
	diags = check.Select(check.RunTests(app, sources, s.display(), diags), o.only, o.without)
	failed, err := s.app.writeCheck(w, s.file, plural(len(tests), "test"), diags, o)
	if err == nil && failed {
		return exitError(exitFailed)
	}
	return err
}

func warned(ds []dataflow.Diagnostic) bool {
	for _, d := range ds {
		if d.Severity == dataflow.SeverityWarning {
			return true
		}
	}
	return false
}

// inventory counts what an app declares, so that a check of an empty file is
// not taken for one of an app.
func inventory(app *dataflow.App) string {
	return fmt.Sprintf("%s, %s, %s",
		plural(len(app.Databases), "database"), plural(len(app.Models()), "model"), plural(len(app.Workflows), "workflow"))
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

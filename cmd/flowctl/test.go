package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus/trial"
	"github.com/flowctl/flowctl/starlark"
	"github.com/flowctl/flowctl/starlark/report"
	"github.com/spf13/cobra"
)

// testFlags are the options of flowctl test.
type testFlags struct {
	run      string
	pattern  *regexp.Regexp
	format   string
	database string
	parallel int
	timeout  time.Duration
}

// testSuffix ends the names of files with tests.
const testSuffix = "_test.star"

func testCommand(w *world) *cobra.Command {
	var o testFlags
	cmd := &cobra.Command{
		Use:   "test [app.star | folder]",
		Short: "Run the tests beside an app",
		Long: `test runs the functions test_* of the files *_test.star beside an app. Each is
given a database of its own, empty, which is thrown away; a clock that stands
still; and only those services that it fakes itself. docs/testing.md says what
a test can do.

A folder stands for its app.star, or else for those in the folders below. One
file of tests is named by itself.

Exit code 0: all tests passed. 1: one failed, or an app can't be loaded.
2: there are no tests, or the command could not be understood.`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return &usageError{fmt.Sprintf("%q is one argument too many", args[1]), "write: " + cmd.CommandPath() + " app.star"}
			}
			return nil
		},
		PreRunE: func(*cobra.Command, []string) error { return o.check().orNil() },
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "."
			if len(args) == 1 {
				path = args[0]
			}
			suites, err := findSuites(path)
			if err != nil {
				return err
			}
			return w.test(cmd.Context(), suites, &o)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.run, "run", "", "run only tests whose names match this regular expression")
	f.StringVar(&o.format, "format", "text", "form of the report: "+strings.Join(testFormats, ", "))
	f.StringVar(&o.database, "database", "", "URL of a PostgreSQL database to test on, in schemas of the tests' own; else SQLite in memory")
	f.IntVar(&o.parallel, "parallel", runtime.NumCPU(), "how many tests run at the same time")
	f.DurationVar(&o.timeout, "timeout", time.Minute, "how long a test may take")
	return cmd
}

var testFormats = []string{"text", "json", "junit"}

func (o *testFlags) check() (wrong usageErrors) {
	if !slices.Contains(testFormats, o.format) {
		wrong.add(unknown("format", o.format, testFormats))
	}
	var err error
	if o.pattern, err = regexp.Compile(o.run); err != nil {
		wrong.add(&usageError{fmt.Sprintf("--run can't be %q: %s", o.run, strings.TrimPrefix(err.Error(), "error parsing regexp: ")), "write a part of a name, or a regular expression"})
	}
	if o.parallel < 1 {
		wrong.add(&usageError{"--parallel is 1 or more", ""})
	}
	if o.timeout <= 0 {
		wrong.add(&usageError{"--timeout is more than nothing", `write it as "30s" or "2m"`})
	}
	if scheme, _, _ := strings.Cut(o.database, ":"); o.database != "" && scheme != "postgres" && scheme != "postgresql" {
		wrong.add(&usageError{"--database is the URL of a PostgreSQL database", "without it tests run on SQLite, in memory"})
	}
	return wrong
}

// suite is a file with tests of an app.
type suite struct {
	app  *appFile
	file string // its name in the app's folder
}

func (s suite) display() string { return s.app.display + s.file }

// findSuites finds the tests that a path stands for.
func findSuites(path string) ([]suite, error) {
	if strings.HasSuffix(path, testSuffix) {
		a, err := findApp(filepath.Dir(path))
		if err != nil {
			return nil, err
		}
		if _, err := os.Stat(path); err != nil {
			return nil, &usageError{path + " can't be read: " + reason(err), ""}
		}
		return []suite{{a, filepath.Base(path)}}, nil
	}
	apps, err := appsAt(path)
	if err != nil {
		return nil, err
	}
	var suites []suite
	for _, a := range apps {
		files, err := fs.Glob(os.DirFS(a.dir), "*"+testSuffix)
		if err != nil {
			return nil, err
		}
		for _, f := range files {
			suites = append(suites, suite{a, f})
		}
	}
	if len(suites) == 0 {
		return nil, &usageError{"there are no tests at " + path, "write one beside the app, in app" + testSuffix + ": def test_something(t): …"}
	}
	return suites, nil
}

// appsAt finds the app at a path, or those below a folder that has none itself.
func appsAt(path string) ([]*appFile, error) {
	info, err := os.Stat(path)
	if err != nil || !info.IsDir() || fileAt(filepath.Join(path, "app.star")) {
		a, err := findApp(path)
		return []*appFile{a}, err
	}
	var apps []*appFile
	err = filepath.WalkDir(path, func(at string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && at != path && strings.HasPrefix(e.Name(), "."):
			return fs.SkipDir
		case e.Name() != "app.star" || e.IsDir():
			return nil
		}
		a, err := findApp(at)
		apps = append(apps, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for apps: %w", err)
	}
	return apps, nil
}

func fileAt(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// test runs the tests of suites and reports them.
func (w *world) test(ctx context.Context, suites []suite, o *testFlags) error {
	ctx, stop := interruptible(ctx, w, "stopping: tests are called off; press Ctrl+C again to stop at once")
	defer stop()
	var outcomes []report.Outcome
	for _, s := range suites {
		done, err := w.testSuite(ctx, s, o)
		if _, said := errors.AsType[exitError](err); said {
			outcomes = append(outcomes, report.Outcome{File: s.display(), Name: "load", Problem: &dataflow.Diagnostic{
				Message: "the app or its tests can't be loaded; standard error says why", Span: dataflow.Span{File: s.display()}}})
			continue
		}
		if err != nil {
			return err
		}
		outcomes = append(outcomes, done...)
	}
	if ctx.Err() != nil {
		return exitError(exitInterrupted)
	}
	if len(outcomes) == 0 {
		return &usageError{fmt.Sprintf("no test matches %q", o.run), "leave out --run to see the names of all"}
	}
	if err := w.reportTests(suites, outcomes, o.format); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if report.Failed(outcomes) > 0 {
		return exitError(exitFailed)
	}
	return nil
}

func (w *world) reportTests(suites []suite, outcomes []report.Outcome, format string) error {
	switch format {
	case "json":
		return report.TestsJSON(w.out, outcomes)
	case "junit":
		return report.TestsJUnit(w.out, outcomes)
	}
	source := func(path string) string {
		for _, s := range suites {
			if strings.HasPrefix(path, s.app.display) {
				if text := s.app.source(path); text != "" {
					return text
				}
			}
		}
		return ""
	}
	return report.TestsText(w.out, outcomes, source, report.Color(w.out, w.env))
}

// testSuite runs the tests of a file, several at a time. Each worker has the
// app for itself: a trial changes where its databases are.
func (w *world) testSuite(ctx context.Context, s suite, o *testFlags) ([]report.Outcome, error) {
	first, err := w.tryApp(ctx, s, o)
	if err != nil {
		return nil, err
	}
	names := make(chan int, len(first.tests))
	outcomes := make([]report.Outcome, len(first.tests))
	for i := range first.tests {
		names <- i
	}
	close(names)
	errs := make([]error, min(o.parallel, len(first.tests)))
	var wg sync.WaitGroup
	for n := range errs {
		wg.Go(func() {
			worker := first
			if n > 0 {
				if worker, errs[n] = w.tryApp(ctx, s, o); errs[n] != nil {
					return
				}
			}
			for i := range names {
				if ctx.Err() != nil {
					return
				}
				if outcomes[i], errs[n] = worker.test(ctx, worker.tests[i]); errs[n] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	return outcomes, errors.Join(errs...)
}

// tryout is an app with tests of it, for one worker.
type tryout struct {
	w     *world
	suite suite
	o     *testFlags
	app   *dataflow.App
	tests []starlark.Test
	print *printed
}

// tryApp loads an app with its tests. What is wrong with them is said; the error
// then only carries the exit code.
func (w *world) tryApp(ctx context.Context, s suite, o *testFlags) (*tryout, error) {
	t := &tryout{w: w, suite: s, o: o, print: &printed{}}
	var diags []dataflow.Diagnostic
	err := s.app.within(func(files fs.FS) {
		t.app, t.tests, diags = starlark.LoadTests(ctx, s.app.base, s.file, s.app.loading(w, files, t.print))
	})
	if err != nil {
		return nil, &usageError{s.app.display + " can't be read: " + reason(err), ""}
	}
	if t.app == nil {
		return nil, errors.Join(s.app.report(w, w.err, diags), exitError(exitFailed))
	}
	t.tests = slices.DeleteFunc(t.tests, func(test starlark.Test) bool { return !o.pattern.MatchString(test.Name) })
	return t, nil
}

// test runs one test. An error is what keeps all of them from running.
func (t *tryout) test(ctx context.Context, test starlark.Test) (report.Outcome, error) {
	out := report.Outcome{File: t.suite.display(), Name: test.Name, Line: test.Span.Start.Line}
	ctx, cancel := context.WithTimeout(ctx, t.o.timeout)
	defer cancel()
	t.print.Reset()
	began := t.w.now()
	options := trial.Options{Options: t.suite.app.options(t.w, false), Database: t.o.database}
	options.Logger = newLogger(t.print, "text", slog.LevelInfo)
	of, diags, err := trial.New(ctx, t.app, options)
	if err != nil {
		return out, err
	}
	if of == nil {
		return out, errors.Join(t.suite.app.report(t.w, t.w.err, diags), exitError(exitFailed))
	}
	out.Problem = test.Run(ctx, tester{of})
	if err := of.Close(); err != nil {
		return out, fmt.Errorf("end the test %s: %w", test.Name, err)
	}
	out.Took, out.Output = t.w.now().Sub(began), t.print.String()
	return out, nil
}

// tester is a trial as the language of tests knows it.
type tester struct{ *trial.Trial }

// As implements starlark.Tester.
func (t tester) As(user *dataflow.Object, tenant string) (starlark.Runner, error) {
	return t.Trial.As(user, tenant)
}

// printed keeps what a test prints. Nodes that run side by side print at once.
type printed struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (p *printed) Write(text []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.Write(text)
}

func (p *printed) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.b.String()
}

// Reset forgets it.
func (p *printed) Reset() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.b.Reset()
}

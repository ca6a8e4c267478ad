package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/nexus"
	"github.com/flowctl/flowctl/nexus/observe"
	"github.com/flowctl/flowctl/nexus/reload"
	"github.com/flowctl/flowctl/starlark/check"
	"github.com/spf13/cobra"
)

// serving is an app that a command serves, from its first state to its last.
type serving struct {
	a     *appFile
	w     *world
	cmd   *cobra.Command
	f     runFlags
	watch bool
	dev   bool

	log      *slog.Logger
	requests *slog.Logger // the access log
	warned   string       // what was last said of an app that is served
	stale    bool         // what is served is not what the files say
}

func (s *serving) serve(ctx context.Context) error {
	start := time.Now()
	lines := observe.NewLines(s.w.err)
	defer lines.Close()
	s.log, s.requests = s.f.log.loggers(lines)
	ctx, stop := interruptible(ctx, s.w, "stopping: what is under way is finished first; press Ctrl+C again to stop at once")
	defer stop()
	ctx, end := context.WithCancel(ctx)
	defer end()
	hangup, stopped := s.hangups(end)
	defer stopped()
	first, seen, gen, err := s.first(ctx)
	if err != nil {
		return err
	}
	srv, diags := nexus.Listen(gen, first.Options)
	if srv == nil {
		gen.Close()
		if err := s.a.report(s.w, s.w.err, diags); err != nil {
			return err
		}
		return exitError(exitFailed)
	}
	reloads := reload.Begin(reload.Options{Dir: s.a.dir, Server: srv, Load: s.load, First: first, Seen: seen, Watch: s.watch,
		Now: hangup, Examine: s.examine, Report: s.report, Logger: s.log})
	announce(s.w.out, s.a, gen, srv, s.f.hold, time.Since(start))
	var reloading sync.WaitGroup
	defer reloading.Wait()
	reloading.Go(func() {
		if err := reloads(ctx); err != nil {
			s.w.complain(dataflow.Diagnostic{Message: "the app is not reloaded any more: " + err.Error()})
		}
	})
	if err := srv.Serve(ctx, grace); err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	reloading.Wait()
	fmt.Fprintln(s.w.out, "stopped")
	return nil
}

// first makes the first generation. Under dev it waits for files that can be
// served.
func (s *serving) first(ctx context.Context) (reload.Loaded, *reload.Seen, *nexus.Generation, error) {
	var watcher *reload.Watcher
	for {
		loaded, seen, gen, err := s.attempt(ctx)
		if !s.dev || err == nil || ctx.Err() != nil {
			return loaded, seen, gen, err
		}
		var code exitError
		if !errors.As(err, &code) { // what is wrong has yet to be said
			s.w.fail(err)
		}
		if watcher == nil {
			watcher = reload.NewWatcher(s.log)
			defer watcher.Close()
		}
		if err := watcher.Watch(seen); err != nil {
			return loaded, seen, nil, err
		}
		fmt.Fprintf(s.w.err, "\nnothing is served: waiting for a change of %s\n", strings.Join(seen.Files(), ", "))
		for len(seen.Changed()) == 0 {
			select {
			case <-watcher.Changes():
			case <-ctx.Done():
				return loaded, seen, nil, err
			}
		}
	}
}

// attempt loads the app and makes it ready to be served. What is to be said of
// it is said; the error then only carries the exit code.
func (s *serving) attempt(ctx context.Context) (loaded reload.Loaded, seen *reload.Seen, gen *nexus.Generation, err error) {
	var refused error
	seen, err = reload.Read(s.a.dir, func(files fs.FS) {
		loaded = s.loadOnly(ctx, files)
		if loaded.App != nil && !dataflow.HasErrors(loaded.Diagnostics) {
			refused = s.f.apply(s.w, s.cmd, s.a, loaded.App)
		}
	})
	if err != nil {
		loaded.Diagnostics = s.a.unreadable(err)
	}
	if dataflow.HasErrors(loaded.Diagnostics) {
		return loaded, seen, nil, errors.Join(s.a.report(s.w, s.w.err, s.a.checkLoaded(s.w, loaded.App, loaded.Diagnostics)), exitError(exitFailed))
	}
	if refused != nil {
		return loaded, seen, nil, refused
	}
	gen, more := nexus.Build(ctx, loaded.App, loaded.Options)
	loaded.Diagnostics = append(loaded.Diagnostics, more...)
	diags := check.Run(loaded.App, s.a.sources(loaded.App), loaded.Diagnostics)
	if err := s.sayOnce(diags); err != nil {
		return loaded, seen, nil, fmt.Errorf("report what was found: %w", err)
	}
	if gen == nil {
		return loaded, seen, nil, exitError(exitFailed)
	}
	return loaded, seen, gen, nil
}

// loadOnly loads the app from files, as they are said to be in the folder.
func (s *serving) loadOnly(ctx context.Context, files fs.FS) reload.Loaded {
	app, diags := s.a.loadFrom(ctx, s.w, files)
	l := reload.Loaded{App: app, Options: s.options(), Diagnostics: diags}
	if app == nil {
		return l
	}
	texts := map[string]string{}
	for _, f := range app.Files {
		if strings.HasPrefix(f.Path, "@") {
			continue
		}
		if text, err := fs.ReadFile(files, f.Path); err == nil { // it was read a moment ago
			texts[f.Path] = string(text)
		}
	}
	l.Options.Source, l.Options.Load = s.a.versionsOf(s.w, texts)
	return l
}

// load is loadOnly for a reload: what the flags have against the app is found
// in its file.
func (s *serving) load(ctx context.Context, files fs.FS) reload.Loaded {
	l := s.loadOnly(ctx, files)
	if dataflow.HasErrors(l.Diagnostics) {
		return l
	}
	quiet := *s.w
	quiet.err = io.Discard // what it warns of has been said at the start
	if err := s.f.apply(&quiet, s.cmd, s.a, l.App); err != nil {
		d := dataflow.Diagnostic{Code: "FC735", Span: dataflow.Span{File: s.a.display + s.a.base}, Message: err.Error()}
		var u *usageError
		if errors.As(err, &u) {
			d.Hint = u.hint
		}
		if l.App.Server != nil && !l.App.Server.Span.IsZero() {
			d.Span = l.App.Server.Span
		}
		l.Diagnostics = append(l.Diagnostics, d)
	}
	return l
}

// sayOnce reports diagnostics, unless they are what was said last.
func (s *serving) sayOnce(diags []dataflow.Diagnostic) error {
	var text strings.Builder
	if err := s.a.report(s.w, &text, diags); err != nil {
		return err
	}
	if text.String() == s.warned {
		return nil
	}
	s.warned = text.String()
	return s.a.report(s.w, s.w.err, diags)
}

// examine adds what flowctl check finds.
func (s *serving) examine(l reload.Loaded, served bool, diags []dataflow.Diagnostic) []dataflow.Diagnostic {
	if served {
		return check.Run(l.App, s.a.sources(l.App), diags)
	}
	return s.a.checkLoaded(s.w, l.App, diags)
}

// report says how a reload went: a line, and what is wrong with the app.
func (s *serving) report(r reload.Result) {
	if r.Outcome == reload.Refused {
		s.warned = "" // once more, however often
	}
	if err := s.sayOnce(r.Diagnostics); err != nil {
		s.w.complain(dataflow.Diagnostic{Message: "what was found can't be written: " + err.Error()})
	}
	files := make([]string, len(r.Files))
	for i, name := range r.Files {
		files[i] = s.a.display + name
	}
	what := strings.Join(files, ", ")
	if what == "" {
		what = "no file has changed"
	}
	ms := r.Took.Milliseconds()
	switch r.Outcome {
	case reload.Refused:
		fmt.Fprintf(s.w.err, "\nnot reloaded: %s can't be served; generation %d goes on (%s)\n", s.a.display+s.a.base, r.Generation, what)
	case reload.Restored:
		fmt.Fprintf(s.w.out, "fixed: the files are again what is served, generation %d (%s)\n", r.Generation, what)
	case reload.Served:
		for _, m := range r.Built.Migrations() {
			if len(m.Steps) > 0 {
				writeDone(s.w.out, m.Database, "changed", m.Steps)
			}
		}
		line := "reloaded"
		if s.stale {
			line = "fixed: reloaded"
		}
		fmt.Fprintf(s.w.out, "%s in %d ms, generation %d: %s\n", line, ms, r.Generation, strings.Join(append([]string{what}, r.Changes.Words()...), "; "))
	}
	s.stale = r.Outcome == reload.Refused
}

// hangups returns the hangups that ask for a reload. One that says that the
// terminal is gone, on which the app was started, is the end of it: nobody would
// know that it still runs.
func (s *serving) hangups(end func()) (asked <-chan os.Signal, stop func()) {
	terminal := hasTerminal() && !signal.Ignored(syscall.SIGHUP) // which nohup has ignored
	signals, out := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case sig := <-signals:
				if s.dev || terminal && !hasTerminal() {
					end()
					continue
				}
				select {
				case out <- sig:
				default: // it has yet to be heard
				}
			case <-done:
				return
			}
		}
	}()
	return out, func() {
		signal.Stop(signals)
		close(done)
	}
}

// hasTerminal reports whether the process has a terminal that it belongs to.
func hasTerminal() bool {
	f, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// options are those of the app, with the log that is asked for.
func (s *serving) options() nexus.Options {
	o := s.a.options(s.w, false)
	o.Logger, o.AccessLog, o.AccessLogger, o.HoldRuns = s.log, s.f.log.access, s.requests, s.f.hold
	return o
}

package main

import (
	"cmp"
	"io"
	"log/slog"
	"maps"
	"slices"

	"github.com/flowctl/flowctl/nexus/observe"
	"github.com/spf13/pflag"
)

// logFlags say what a command that serves logs, and how.
type logFlags struct {
	format  string
	level   string
	access  bool
	verbose bool
}

// logFormats are the forms of a line.
var logFormats = map[string]func(io.Writer, *slog.HandlerOptions) slog.Handler{
	"text": func(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewTextHandler(w, o) },
	"json": func(w io.Writer, o *slog.HandlerOptions) slog.Handler { return slog.NewJSONHandler(w, o) },
}

// logLevels are the levels from which on lines are written.
var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

func (f *logFlags) add(fl *pflag.FlagSet) {
	fl.StringVar(&f.format, "log-format", "text", "form of the log's lines: text or json")
	fl.StringVar(&f.level, "log-level", "info", "from which level on lines are written: debug, info, warn or error")
	fl.BoolVar(&f.access, "access-log", false, "a line for each request, at level info")
	fl.BoolVarP(&f.verbose, "verbose", "v", false, "log every request, and all else of level debug")
}

// check refuses values that are none.
func (f *logFlags) check() (wrong usageErrors) {
	wrong.add(oneOfWords("--log-format", f.format, slices.Sorted(maps.Keys(logFormats))))
	wrong.add(oneOfWords("--log-level", f.level, []string{"debug", "info", "warn", "error"}))
	return wrong
}

// loggers write to standard error. The lines of the second may wait for each
// other: there is one for each request, and what is wrong is told by the first.
func (f *logFlags) loggers(lines *observe.Lines) (all, requests *slog.Logger) {
	level := logLevels[f.level]
	if f.verbose {
		level = slog.LevelDebug
	}
	format := cmp.Or(f.format, "text")
	all = newLogger(lines, format, level)
	if format == "text" { // the same lines at less cost, for there are many
		return all, slog.New(observe.Log(observe.NewTextHandler(lines.Patient(), level)))
	}
	return all, newLogger(lines.Patient(), format, level)
}

// newLogger returns a log whose lines say which request they are about.
func newLogger(out io.Writer, format string, level slog.Level) *slog.Logger {
	return slog.New(observe.Log(logFormats[format](out, &slog.HandlerOptions{Level: level})))
}

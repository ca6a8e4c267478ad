// Package starlark turns an app.star into a *dataflow.App: it reads and
// evaluates the file, records what the builtins are told, freezes it, and
// reports everything that is wrong as diagnostics with exact places. It knows
// nothing of databases, requests or servers.
package starlark

import (
	"context"
	"io/fs"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

// Options are what loading an app may use. The zero value of all but FS will do.
type Options struct {
	FS           fs.FS                       // that holds the app and what it loads
	Display      string                      // prefix for the names of files in spans; "" for none
	Modules      []Module                    // further modules to load() besides those of the app's folder
	Env          func(string) (string, bool) // nil: an empty environment
	MaxSteps     uint64                      // of evaluating the file; 0: the default
	Timeout      time.Duration               // of evaluating the file; 0: the default
	CallMaxSteps uint64                      // of each later call of a function; 0: the default
	CallTimeout  time.Duration               // of each later call but those of handlers, whose context limits them; 0: the default
	// Print receives what print() is given, while the file is loaded and when
	// its functions are called. nil discards it.
	Print func(at dataflow.Span, text string)
	// Begun, if set, receives every workflow that a file begins, those too that
	// are not registered, or not yet. An editor asks about them.
	Begun func(*dataflow.Workflow)
	// Read, if set, receives every file of the app's folder once it is resolved,
	// by the name that spans have for it. Load has no use for the tree when it
	// has returned.
	Read func(path, text string, tree *syntax.File)
}

// The default limits.
const (
	DefaultMaxSteps     = 50_000_000
	DefaultTimeout      = 10 * time.Second
	DefaultCallMaxSteps = 10_000_000
	DefaultCallTimeout  = 5 * time.Second
	maxCallDepth        = 200
)

func (o Options) withDefaults() Options {
	if o.MaxSteps == 0 {
		o.MaxSteps = DefaultMaxSteps
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.CallMaxSteps == 0 {
		o.CallMaxSteps = DefaultCallMaxSteps
	}
	if o.CallTimeout == 0 {
		o.CallTimeout = DefaultCallTimeout
	}
	if o.Env == nil {
		o.Env = func(string) (string, bool) { return "", false }
	}
	return o
}

// Module is a module for load("@name//file.star", …), written in Starlark, in
// Go, or both: Source sees Members as predeclared names. It exports what
// Source defines, those Members whose names don't start with "_", and all of
// them together under its own name: "money".
type Module struct {
	Name       string // "@stdlib//money.star"
	Doc        string
	Source     string
	Members    starlark.StringDict // Go parts; frozen when first loaded
	Capability string              // "pure", "clock", "random", "net"
}

// Load evaluates the file at path in o.FS. The app is nil only if evaluation
// did not reach the end; otherwise it holds everything that could be
// recorded, even beside errors, so that later checks can add theirs.
func Load(ctx context.Context, path string, o Options) (*dataflow.App, []dataflow.Diagnostic) {
	l := newLoader(ctx, path, o.withDefaults())
	return l.run(path)
}

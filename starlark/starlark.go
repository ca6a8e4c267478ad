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
	CallTimeout  time.Duration
}

// Module is a module for load("@name//file.star", …), written in Starlark, in
// Go, or both: Source sees Members as predeclared names.
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
	panic("unwritten")
}

// Package nexus makes a loaded app into a running server: it opens the
// databases, joins them with the plan into an immutable Generation, and serves
// that over REST and MCP. It owns life cycle and listeners; what a route or a
// tool does is in nexus/rest and nexus/mcp. It never imports the language.
package nexus

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/dataflow/engine/nodes"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/postgres"
	"github.com/flowctl/flowctl/dataflow/store/sqlite"
	"github.com/flowctl/flowctl/nexus/mcp"
	"github.com/flowctl/flowctl/nexus/observe"
)

// Options are what building and serving an app may use. An embedding program
// fills in what it adds; the zero value of the rest will do.
type Options struct {
	Version   string            // of the program, for clients that ask
	Dir       string            // that relative database paths start from
	NodeTypes []engine.NodeType // besides the built-in ones
	Openers   []store.Opener    // besides those of SQLite and PostgreSQL
	Env       func(string) (string, bool)
	Logger    *slog.Logger
	Client    *http.Client
	Now       func() time.Time
	AccessLog bool // a line for each request at level Info; without it they are at Debug
	// AccessLogger writes those lines; nil: Logger does.
	AccessLogger *slog.Logger
	NewID        func() string
	// Agents is what agents are given besides what the app declares.
	Agents mcp.Extension
	// Shared is what the generation is to share with those before it, which its
	// Server has. Nil: it is the first.
	Shared *Shared
	// Source is the app's own text. It is kept with durable runs, so that one
	// goes on with the app it began with: Load makes an app of a text. Without
	// them every run goes on with the app that is served.
	Source durable.Source
	Load   func(ctx context.Context, s durable.Source) (*dataflow.App, []dataflow.Diagnostic)
	// HoldRuns leaves durable runs where they are: none that is due is gone on
	// with, and nothing is begun that is scheduled, nor forgotten that has been
	// kept long enough. What callers begin is done up to where it comes to rest.
	HoldRuns bool

	watch *observe.Watch // of the app that is built; nil where none is
}

func (o Options) nodeTypes() []engine.NodeType { return append(nodes.Types(), o.NodeTypes...) }

func (o Options) logger() *slog.Logger {
	if o.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return o.Logger
}

func (o Options) accessLogger() *slog.Logger {
	if o.AccessLogger == nil {
		return o.logger()
	}
	return o.AccessLogger
}

// accessLevel is the level of the access log's lines.
func (o Options) accessLevel() slog.Level {
	if o.AccessLog {
		return slog.LevelInfo
	}
	return slog.LevelDebug
}

// client returns the client that the app calls other services with.
func (o Options) client() *http.Client {
	c := o.Client
	if c == nil {
		c = engine.NewClient()
	}
	return o.watch.Client(c)
}

func (o Options) now() func() time.Time {
	if o.Now == nil {
		return time.Now
	}
	return o.Now
}

// openers lists the database engines. Those of the embedding program come
// first, so that it can replace ours.
func (o Options) openers() []store.Opener {
	return append(slices.Clone(o.Openers), sqlite.Opener{}, postgres.Opener{})
}

// opener returns the opener for a URL scheme, or nil.
func (o Options) opener(scheme string) store.Opener {
	for _, op := range o.openers() {
		if slices.Contains(op.Schemes(), scheme) {
			return op
		}
	}
	return nil
}

func (o Options) schemes() []string {
	var all []string
	for _, op := range o.openers() {
		all = append(all, op.Schemes()...)
	}
	return all
}

// Defaults of Nexus(...), for an app that leaves it out.
const (
	defaultHost    = "127.0.0.1"
	defaultAPIPort = 8000
	defaultMCPPort = 3001
	defaultMaxBody = 1 << 20
	defaultTimeout = 30 * time.Second
)

// settings returns how an app is to be served, defaults filled in.
func settings(app *dataflow.App) dataflow.Server {
	s := dataflow.Server{APIPort: defaultAPIPort, MCPPort: defaultMCPPort}
	if app.Server != nil {
		s = *app.Server
	}
	if s.Host == "" {
		s.Host = defaultHost
	}
	if s.MaxBody <= 0 {
		s.MaxBody = defaultMaxBody
	}
	if s.RequestTimeout <= 0 {
		s.RequestTimeout = defaultTimeout
	}
	return s
}

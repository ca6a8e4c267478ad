// Package nexus makes a loaded app into a running server: it opens the
// databases, joins them with the plan into an immutable Generation, and serves
// that over REST and MCP. It owns life cycle and listeners; what a route or a
// tool does is in nexus/rest and nexus/mcp. It never imports the language.
package nexus

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Options are what building and serving an app may use. An embedding program
// fills in what it adds; the zero value of the rest will do.
type Options struct {
	Dir       string            // that relative database paths start from
	NodeTypes []engine.NodeType // besides the built-in ones
	Openers   []store.Opener    // besides SQLite's
	Env       func(string) (string, bool)
	Logger    *slog.Logger
	Client    *http.Client
	Now       func() time.Time
	NewID     func() string
}

// Check finds everything that can be found without touching a database.
func Check(app *dataflow.App, o Options) []dataflow.Diagnostic { panic("unwritten") }

// Generation is one app, planned, with its databases open, ready to serve.
type Generation struct{}

// Build makes app ready: plan, open, migrate, compile. It is nil if a
// diagnostic is an error; nothing is then left open.
func Build(ctx context.Context, app *dataflow.App, o Options) (*Generation, []dataflow.Diagnostic) {
	panic("unwritten")
}

// Engine runs the app's workflows.
func (g *Generation) Engine() *engine.Engine { panic("unwritten") }

// Migrations says what opening the databases took, in order of declaration.
func (g *Generation) Migrations() []*store.Migration { panic("unwritten") }

// API serves REST: mount it at "/".
func (g *Generation) API() http.Handler { panic("unwritten") }

// MCP serves the Model Context Protocol over Streamable HTTP: mount it at "/mcp".
func (g *Generation) MCP() http.Handler { panic("unwritten") }

// ServeStdio speaks MCP over a pair of streams until in ends or ctx is done.
func (g *Generation) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	panic("unwritten")
}

// Close waits for what is under way and closes the databases.
func (g *Generation) Close() error { panic("unwritten") }

// Server listens on the app's ports and serves the current Generation.
type Server struct{}

// Listen opens the app's ports. A port in use is a diagnostic.
func Listen(g *Generation, o Options) (*Server, []dataflow.Diagnostic) { panic("unwritten") }

// URLs returns where REST and MCP are served; "" for one that is not.
func (s *Server) URLs() (api, mcp string) { panic("unwritten") }

// Serve serves until ctx is done, then drains: it stops accepting, lets
// requests finish within grace, and closes the generation.
func (s *Server) Serve(ctx context.Context, grace time.Duration) error { panic("unwritten") }

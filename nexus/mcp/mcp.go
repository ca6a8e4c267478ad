// Package mcp serves the workflows and exposed models of a planned app to
// agents, over the Model Context Protocol: each workflow and each operation of
// an exposed model is a tool. It owns the tools' names, descriptions and
// schemas, and the protocol's transports; what a tool does is decided by
// dataflow/engine and dataflow/access, as for every other channel.
package mcp

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/mark3labs/mcp-go/server"
)

// Options are what a Server needs besides the engine. The zero value will do.
type Options struct {
	Name    string        // shown to clients; "" takes the app's
	Version string        // of the runtime
	Logger  *slog.Logger  // nil discards
	Origins []string      // of web pages that may call besides those of this host; "*" for all
	MaxBody int64         // bytes of one message; 0: DefaultMaxBody
	Timeout time.Duration // of one call; 0: none
	Runs    *durable.Runs // nil: no workflow is durable
}

// DefaultMaxBody bounds a message where Options do not.
const DefaultMaxBody = 4 << 20

// pageOfTools is how many tools a list names before it gives a cursor: all of
// them in any app but a huge one.
const pageOfTools = 500

// Server speaks the protocol for one app. It is immutable and safe for
// concurrent use.
type Server struct {
	engine *engine.Engine
	o      Options
	// inner is put together when it is first asked for: the schemas of a large
	// app take longer than all the rest of its start, and many never see an agent.
	inner func() *server.MCPServer
}

// New returns the server of the engine's app. Two tools of one name are an
// error, which Check explains.
func New(e *engine.Engine, o Options) (*Server, error) {
	app := e.App()
	if clashes := Check(app); len(clashes) > 0 {
		return nil, errors.New(clashes[0].Message)
	}
	if o.Name == "" {
		o.Name = appName(app)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	s := &Server{engine: e, o: o}
	s.inner = sync.OnceValue(s.assemble)
	return s, nil
}

func (s *Server) assemble() *server.MCPServer {
	tools := s.build(s.engine.App())
	inner := server.NewMCPServer(s.o.Name, s.o.Version,
		server.WithToolCapabilities(false),
		server.WithPaginationLimit(pageOfTools),
		server.WithInstructions(instructions(s.o.Name, tools)),
	)
	entries := make([]server.ServerTool, len(tools))
	for i, t := range tools {
		entries[i] = server.ServerTool{Tool: t.def, Handler: s.handler(t)}
	}
	inner.AddTools(entries...)
	return inner
}

func appName(app *dataflow.App) string {
	if app.Server != nil && app.Server.Name != "" {
		return app.Server.Name
	}
	return "flowctl"
}

// callerKey is the context key of WithCaller.
type callerKey struct{}

// WithCaller returns a context in which calls are made on behalf of c, for
// ServeStdio and for a handler mounted behind one that knows who calls.
func WithCaller(ctx context.Context, c access.Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

func callerFrom(ctx context.Context) (access.Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(access.Caller)
	return c, ok
}

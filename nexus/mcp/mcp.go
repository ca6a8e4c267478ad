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
	"net/http"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/nexus/front"
	"github.com/flowctl/flowctl/nexus/limit"
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

	MaxAnswer int  // bytes of rows in one answer; 0: DefaultMaxAnswer
	SSE       bool // serve the transport of 2024-11-05 as well
	Discovery bool // serve a card at CardPath
	Hub       *Hub // where clients are kept; nil makes one
	Extension Extension
	// Observer hears of calls; nil: nobody does.
	Observer Observer
	// Challenge, if set, returns what the header WWW-Authenticate says to a caller
	// whose key or token is not good for what was asked; "" for none.
	Challenge func(*http.Request, *dataflow.Error) string
	// Limiter bounds how often a caller may ask; nil: nothing does.
	Limiter *limit.Limiter
}

// Called is a call of a tool, by the app's own names.
type Called struct {
	Tool             string
	Model, Operation string // "" if it is about none
}

// Observer hears of every call of a tool, from any goroutine. It must be quick.
type Observer interface {
	// Tool hears that a call begins. It returns the context that the call runs
	// in, and what is to be called once, with what the call was about and its
	// error, when it has ended.
	Tool(ctx context.Context, tool string) (context.Context, func(Called, error))
	// Limited hears that a limit of that name has refused something.
	Limited(policy string)
}

// DefaultMaxBody bounds a message where Options do not.
const DefaultMaxBody = 4 << 20

// Server speaks the protocol for one app. It is immutable and safe for
// concurrent use.
type Server struct {
	engine   *engine.Engine
	o        Options
	hub      *Hub
	bodies   front.Bodies
	methods  map[string]*method
	identity []byte // the member of _meta that says who answers
	// catalog is put together when it is first asked for: many never see an agent.
	catalog func() *catalog
	views   sync.Map // *view by name
	guarded bool     // some callers may do less than others

	prompts                                []*prompt
	promptList, resourceList, templateList func() []byte
}

// New returns the server of the engine's app. Two tools of one name are an
// error, which Check explains.
func New(e *engine.Engine, o Options) (*Server, error) {
	app := e.App()
	if clashes := Check(app); dataflow.HasErrors(clashes) {
		return nil, errors.New(clashes[0].Message)
	}
	if o.Name == "" {
		o.Name = appName(app)
	}
	if o.Version == "" {
		o.Version = "devel"
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.MaxBody == 0 {
		o.MaxBody = DefaultMaxBody
	}
	if o.MaxAnswer == 0 {
		o.MaxAnswer = DefaultMaxAnswer
	}
	s := &Server{engine: e, o: o, hub: o.Hub, methods: methodTable()}
	if s.hub == nil {
		s.hub = NewHub(HubOptions{Logger: o.Logger})
		s.hub.Swap(s)
	}
	s.identity = members(dataflow.ObjectOf(metaServer, s.serverInfo()))
	s.guarded = guarded(app)
	s.catalog = sync.OnceValue(s.build)
	s.prompts = s.buildPrompts()
	s.promptList = sync.OnceValue(s.encodePrompts)
	s.resourceList, s.templateList = sync.OnceValue(s.encodeResources), sync.OnceValue(s.encodeTemplates)
	return s, nil
}

// Hub returns what the server's clients are kept in.
func (s *Server) Hub() *Hub { return s.hub }

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

// toolsetKey is the context key of WithToolset.
type toolsetKey struct{}

// WithToolset returns a context in which ServeStdio has the tools of a toolset,
// as "readonly" or "orders/readonly", in place of those at /mcp.
func WithToolset(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, toolsetKey{}, name)
}

// callerOf is who calls, where a context always says so or nobody is known.
func callerOf(ctx context.Context) access.Caller {
	c, _ := callerFrom(ctx)
	return c
}

func callerFrom(ctx context.Context) (access.Caller, bool) {
	c, ok := ctx.Value(callerKey{}).(access.Caller)
	return c, ok
}

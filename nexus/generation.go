package nexus

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/dataflow/store/cache"
	"github.com/flowctl/flowctl/nexus/auth"
	"github.com/flowctl/flowctl/nexus/docs"
	"github.com/flowctl/flowctl/nexus/front"
	"github.com/flowctl/flowctl/nexus/limit"
	"github.com/flowctl/flowctl/nexus/mcp"
	"github.com/flowctl/flowctl/nexus/observe"
	"github.com/flowctl/flowctl/nexus/openapi"
	"github.com/flowctl/flowctl/nexus/rest"
)

// Generation is one app, planned, with its databases open, ready to serve.
type Generation struct {
	settings   dataflow.Server
	common     *limit.Source // that its limits draw on; nil: they are each process's own
	guard      *auth.Guard   // nil: nobody is asked who they are
	keys       *auth.Keys    // nil: there are none
	shared     *Shared
	watch      *observe.Watch
	served     atomic.Bool // by a Server, which then closes what is shared
	engine     *engine.Engine
	stores     []store.Store
	byDatabase map[*dataflow.Database]store.Store
	files      *os.Root // nil: none
	migrations []*store.Migration
	runs       *durable.Runs
	held       bool // nobody here goes on with them
	rest       *rest.Handler
	working    sync.Once
	api, mcp   *front.Handler
	stdio      *mcp.Server

	gate   gate
	closed sync.Once
	err    error // of closing
}

// Build makes app ready: plan, open, migrate, compile. It is nil if a
// diagnostic is an error; nothing is then left open.
func Build(ctx context.Context, app *dataflow.App, o Options) (*Generation, []dataflow.Diagnostic) {
	p, ds := plan(app, o)
	if p != nil {
		ds = append(ds, p.Unset(o.Env)...)
	}
	if dataflow.HasErrors(ds) {
		return nil, dataflow.SortDiagnostics(ds)
	}
	o.Shared = o.shared()
	o.watch = o.Shared.observer.Watch(app, settings(app).Name)
	dbs, more := openAll(ctx, app, o)
	ds = append(ds, more...)
	if dataflow.HasErrors(ds) {
		dbs.close()
		return nil, dataflow.SortDiagnostics(ds)
	}
	files, more := openFiles(app, o)
	if ds = append(ds, more...); dataflow.HasErrors(ds) {
		dbs.close()
		return nil, dataflow.SortDiagnostics(ds)
	}
	g, err := assemble(p, dbs, files, o)
	if err != nil {
		dbs.close()
		if files != nil {
			files.Close()
		}
		o.logger().Error("building the app failed", "cause", err)
		ds = append(ds, dataflow.Diagnostic{Code: "FC705", Severity: dataflow.SeverityError, Span: dataflow.Span{File: app.Path},
			Message: "the app can't be made ready to serve, through a fault of flowctl's own", Hint: "the log has the cause; please report it"})
		return nil, dataflow.SortDiagnostics(ds)
	}
	if ds = append(ds, g.engine.Inspect(ctx)...); dataflow.HasErrors(ds) {
		_ = g.Close()
		return nil, dataflow.SortDiagnostics(ds)
	}
	return g, dataflow.SortDiagnostics(ds)
}

// databases are the open databases of an app, in order of declaration.
type databases struct {
	stores     []store.Store
	migrations []*store.Migration
	byDatabase map[*dataflow.Database]store.Store
}

func (d *databases) close() error {
	var errs []error
	for _, s := range d.stores {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	return errors.Join(errs...)
}

// openAll opens every database, at the same time: each may have a network or
// a migration to wait for.
func openAll(ctx context.Context, app *dataflow.App, o Options) (*databases, []dataflow.Diagnostic) {
	n := len(app.Databases)
	dbs := &databases{
		stores:     make([]store.Store, n),
		migrations: make([]*store.Migration, n),
		byDatabase: make(map[*dataflow.Database]store.Store, n),
	}
	diags := make([][]dataflow.Diagnostic, n)
	var wg sync.WaitGroup
	for i, db := range app.Databases {
		wg.Go(func() { dbs.stores[i], dbs.migrations[i], diags[i] = open(ctx, app, db, o) })
	}
	wg.Wait()
	var ds []dataflow.Diagnostic
	for i, db := range app.Databases {
		ds = append(ds, diags[i]...)
		dbs.byDatabase[db] = dbs.stores[i]
	}
	return dbs, ds
}

func open(ctx context.Context, app *dataflow.App, db *dataflow.Database, o Options) (store.Store, *store.Migration, []dataflow.Diagnostic) {
	so := o.storeOptions(app, db)
	s, mig, ds := o.Shared.share(ctx, db, so)
	if s == nil && len(ds) == 0 {
		s, mig, ds = o.opener(scheme(db)).Open(ctx, db, so)
	}
	if s != nil && db.Options.CacheTTL > 0 {
		s = cache.New(s, db, o.Shared.writesTo(db), nil)
	}
	for i := range ds {
		if ds[i].Span.IsZero() {
			ds[i].Span = db.URLSpan()
		}
	}
	return s, mig, ds
}

// loader makes engines of earlier versions of the app, on databases of their
// own connections. Their schema is that of the app now: what has been dropped
// is gone for them, too.
func (o Options) loader() func(context.Context, durable.Source) (*engine.Engine, func(), error) {
	if o.Load == nil {
		return nil
	}
	return func(ctx context.Context, s durable.Source) (*engine.Engine, func(), error) {
		app, ds := o.Load(ctx, s)
		if err := firstError(ds); err != nil {
			return nil, nil, err
		}
		for _, db := range app.Databases {
			db.Options.ExistingSchemaMode = true // what it needs must be there; nothing is changed for it
		}
		p, ds := plan(app, o)
		if err := firstError(ds); err != nil {
			return nil, nil, err
		}
		dbs, ds := openAll(ctx, app, o)
		if err := firstError(ds); err != nil {
			return nil, nil, errors.Join(err, dbs.close())
		}
		e, err := engine.New(p, engine.Options{Stores: dbs.byDatabase, Now: o.Now, NewID: o.NewID, Client: o.client(), Env: o.Env, Logger: o.logger(), Observer: o.watch.Engine()})
		if err != nil {
			return nil, nil, errors.Join(err, dbs.close())
		}
		return e, func() { _ = dbs.close() }, nil
	}
}

func firstError(ds []dataflow.Diagnostic) error {
	for _, d := range ds {
		if d.Severity == dataflow.SeverityError {
			return errors.New(d.Span.String() + ": " + d.Message)
		}
	}
	return nil
}

// openFiles opens the folder for files. Nothing that it is asked for leads out
// of it, not even a link. A folder that holds a database is refused.
func openFiles(app *dataflow.App, o Options) (*os.Root, []dataflow.Diagnostic) {
	if app.Server == nil || app.Server.Files == "" {
		return nil, nil
	}
	name := app.Server.Files
	bad := func(message, hint string) (*os.Root, []dataflow.Diagnostic) {
		return nil, []dataflow.Diagnostic{{Code: "FC708", Severity: dataflow.SeverityError, Span: app.Server.Spans.At("/files"), Message: message, Hint: hint}}
	}
	for _, db := range app.Databases {
		if file, ok := strings.CutPrefix(db.URL, "sqlite:"); ok && strings.HasPrefix(path.Clean(strings.TrimPrefix(file, "./")), path.Clean(name)+"/") {
			return bad("the folder "+name+" holds the database "+db.Name, "give files a folder of their own: nodes could write over the database")
		}
	}
	dir := o.Dir
	if dir == "" {
		dir = "."
	}
	top, err := os.OpenRoot(dir)
	if err == nil {
		defer top.Close()
		var root *os.Root
		if root, err = top.OpenRoot(name); err == nil {
			return root, nil
		}
	}
	o.logger().Debug("opening the folder for files failed", "cause", err)
	return bad("the folder "+name+" can't be opened", "make it beside the app: mkdir "+name)
}

// assemble joins plan, databases and files, and puts the channels on top.
func assemble(p *engine.Plan, dbs *databases, files *os.Root, o Options) (*Generation, error) {
	e, err := engine.New(p, engine.Options{Stores: dbs.byDatabase, Now: o.Now, NewID: o.NewID, Client: o.client(), Env: o.Env,
		Logger: o.logger(), Files: files, Observer: o.watch.Engine()})
	if err != nil {
		return nil, err
	}
	g := &Generation{shared: o.Shared, watch: o.watch, engine: e, settings: settings(e.App()), stores: dbs.stores, byDatabase: dbs.byDatabase, files: files, migrations: dbs.migrations, held: o.HoldRuns}
	g.gate.init()
	g.runs = durable.New(e, durable.Options{Logger: o.logger(), Now: o.Now, NewID: e.NewID, Source: o.Source, Load: o.loader(),
		Keep: g.settings.RunRetention, Ended: o.watch.Ended()})
	var challenge func(*http.Request, *dataflow.Error) string
	if g.settings.EnableAuth {
		g.guardAgainst(dbs, o)
		challenge = g.guard.Challenge
	}
	g.common = commonLimits(e.App(), dbs, o)
	limiter := g.shared.limits.Limiter(g.settings.Bounds())
	tools, err := mcp.New(e, mcp.Options{Name: g.settings.Name, Version: o.Version, Logger: o.logger(),
		Origins: g.settings.CORSOrigins, MaxBody: g.settings.MaxBody, Timeout: g.settings.RequestTimeout, Runs: g.runs,
		SSE: g.settings.MCPOverSSE, Discovery: g.settings.MCPCard, Hub: g.shared.agents, Extension: o.Agents, Observer: o.watch.Tools(), Challenge: challenge, Limiter: limiter})
	if err != nil {
		return nil, err
	}
	g.stdio = tools
	api := rest.New(e, rest.Options{
		Document: sync.OnceValues(func() ([]byte, string) { return openapi.Document(e.App(), p) }),
		Now:      o.now(),
		Runs:     g.runs,
		Status:   g.shared.statusText,
		Closing:  g.gate.closing, StreamWrite: transferTime,
		Stopping: g.shared.closing,
		Metrics:  o.watch.Handler(), Asks: g.settings.EnableAuth,
		Logger: o.logger(),
	})
	g.rest = api
	fo := front.Options{Logger: o.logger(), Limiter: limiter, Origins: g.settings.CORSOrigins,
		MaxBody: g.settings.MaxBody, Timeout: g.settings.RequestTimeout, Identify: auth.Anyone, AccessLog: o.accessLogger(), Access: o.accessLevel(), Observer: o.watch.Requests("rest")}
	agents := timed(identified(tools.Handler()), g.settings.RequestTimeout)
	if g.guard != nil {
		fo.Identify, fo.Challenge = g.guard.Identify, challenge
		g.api, agents = front.New(describing(g.guard, api), fo), describing(g.guard, agents)
	} else {
		g.api = front.New(api, fo)
	}
	fo.Observer = o.watch.Requests("mcp")
	fo.Timeout = 0 // MCP's answers may be streams
	fo.KeyElsewhere = true
	g.mcp = front.New(agents, fo)
	return g, nil
}

// commonLimits returns where the limits of an app are kept that several processes
// share: in its first database, if that is one for several.
func commonLimits(app *dataflow.App, dbs *databases, o Options) *limit.Source {
	if len(app.Databases) == 0 {
		return nil
	}
	db := app.Databases[0]
	models := limit.Models(app, db, o.opener(scheme(db)))
	st, ok := store.As[store.Allowances](dbs.byDatabase[db])
	if len(models) == 0 || !ok {
		return nil
	}
	return &limit.Source{Store: st, Model: models[0], App: settings(app).Name}
}

// bound has the limits of what is served now draw on this generation's database.
func (g *Generation) bound() {
	if g.common != nil {
		g.shared.limits.Share(*g.common)
	}
}

// guardAgainst has callers asked who they are.
func (g *Generation) guardAgainst(dbs *databases, o Options) {
	app := g.engine.App()
	if len(app.Databases) > 0 {
		g.keys = auth.NewKeys(app, dbs.byDatabase[app.Databases[0]], o.now())
	}
	g.guard = auth.New(auth.Options{Auth: &g.settings.Auth, Keys: g.keys, Sets: g.shared.keySets(o), Name: g.settings.Name,
		Now: o.now(), Logger: o.logger(), Open: openPaths(app),
		Toolset: func(path string) bool { return g.stdio.Serves(path) }})
}

// openPaths reports which paths access rules open to whoever has not said who
// they are. What is done there is for the rules to decide.
func openPaths(app *dataflow.App) func(path string) bool {
	models, workflows := map[string]bool{}, map[string]bool{}
	for _, e := range app.Exposures {
		if a := e.Model.Access; a != nil && (a.Read.Open() || a.Create.Open() || a.Update.Open() || a.Delete.Open()) {
			models[e.Path] = true
		}
	}
	for _, w := range app.Workflows {
		workflows[w.Name+"/execute"] = w.Access.Open()
	}
	return func(path string) bool {
		if path == docs.Path || strings.HasPrefix(path, docs.Path+"/") { // it shows nothing without the document, and asks for a key
			return true
		}
		if name, ok := strings.CutPrefix(path, "/workflows/"); ok {
			return workflows[name]
		}
		name, ok := strings.CutPrefix(path, "/api/")
		name, _, _ = strings.Cut(name, "/")
		return ok && models[name]
	}
}

// describing serves what tells clients where to sign in, before a channel.
func describing(guard *auth.Guard, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, ok := guard.Metadata(r)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		x := w.(*front.Exchange)
		x.Route = auth.MetadataPath
		x.Header().Set("Cache-Control", "public, max-age=3600")
		x.Out = append(x.Out, text...)
		x.Send(http.StatusOK)
	})
}

// identified hands on who asks, as the front has found out.
func identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := w.(*front.Exchange)
		next.ServeHTTP(w, r.WithContext(mcp.WithCaller(x.Context(), x.Caller)))
	})
}

// Engine runs the app's workflows.
func (g *Generation) Engine() *engine.Engine { return g.engine }

// Keys are the app's API keys: nil where nobody is asked who they are, or there
// is no database to keep any in.
func (g *Generation) Keys() *auth.Keys { return g.keys }

// Caller returns whose an API key or a token is, of an app that asks. tenant, if
// it is not "", is the one that its bearer names.
func (g *Generation) Caller(ctx context.Context, credential, tenant string) (access.Caller, error) {
	return g.guard.Caller(ctx, credential, tenant)
}

// Runs are the app's durable runs.
func (g *Generation) Runs() *durable.Runs { return g.runs }

// Work goes on with durable runs that are due, of this process and of others
// that have died, until the generation is closed, unless Options.HoldRuns says
// that they are to be left.
func (g *Generation) Work() {
	g.working.Do(func() {
		if !g.held {
			g.runs.Serve(context.Background())
		}
		g.rest.Serve()
	})
}

// Migrations says what opening the databases took, in order of declaration.
func (g *Generation) Migrations() []*store.Migration { return g.migrations }

// API serves REST: mount it at "/".
func (g *Generation) API() http.Handler {
	g.look()
	g.bound()
	g.shared.vigil.serve(g)
	return g.gate.guard(attended(g.api, g))
}

// MCP serves the Model Context Protocol over Streamable HTTP: mount it at "/mcp".
func (g *Generation) MCP() http.Handler {
	g.bound()
	g.shared.vigil.serve(g)
	return g.gate.guard(ending(g.mcp, g))
}

// ServeStdio speaks MCP over a pair of streams until in ends or ctx is done.
func (g *Generation) ServeStdio(ctx context.Context, in io.Reader, out io.Writer) error {
	if !g.gate.enter() {
		return errClosed
	}
	defer g.gate.leave()
	g.bound()
	g.Work()
	return g.stdio.ServeStdio(ctx, in, out)
}

// flushTime bounds how long the end of a generation that no Server served waits
// until its traces have been sent.
const flushTime = 5 * time.Second

// look shows the metrics where to look: at this generation.
func (g *Generation) look() {
	if m := g.watch.Metrics(); m != nil {
		m.Look(observe.Source{Stores: g.byDatabase, Runs: g.runs})
	}
}

// errClosed is the answer to whoever comes too late.
var errClosed = errors.New("the app has been closed")

// succeed has g take the place of another generation, whose durable runs look
// for no more work.
func (g *Generation) succeed(before *Generation) { g.runs.Succeed(before.runs) }

// Retire closes a generation that another has taken the place of, once what it
// has begun has ended: requests, and the durable runs that it has in hand. When
// ctx is done it leaves those, to be gone on with by the other one.
func (g *Generation) Retire(ctx context.Context) error {
	return g.end(func() { g.runs.Drain(ctx) })
}

// Close waits for what is under way and closes the databases. Closing again
// does nothing.
func (g *Generation) Close() error { return g.end(func() {}) }

// end closes the generation when no request is under way and drain has returned.
func (g *Generation) end(drain func()) error {
	g.closed.Do(func() {
		g.gate.close()
		drain()
		g.runs.Close()
		g.rest.Close()
		if g.guard != nil {
			g.guard.Close()
		}
		if g.common != nil {
			g.shared.limits.Part(g.common.Store)
		}
		g.err = (&databases{stores: g.stores}).close()
		if !g.served.Load() {
			ctx, cancel := context.WithTimeout(context.Background(), flushTime)
			defer cancel()
			g.shared.observer.Close(ctx)
		}
		if g.files != nil {
			g.err = errors.Join(g.err, g.files.Close())
		}
	})
	return g.err
}

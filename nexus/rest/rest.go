// Package rest serves the exposed models and the workflows of a planned app
// over HTTP. It owns routes, headers and the forms of requests and answers;
// what an operation means is decided by dataflow/access and dataflow/engine.
package rest

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
	"github.com/flowctl/flowctl/dataflow/engine/durable"
	"github.com/flowctl/flowctl/dataflow/store"
	"github.com/flowctl/flowctl/nexus/docs"
	"github.com/flowctl/flowctl/nexus/front"
	"github.com/gorilla/mux"
)

// Options are what a Handler needs besides the engine.
type Options struct {
	// Document returns the OpenAPI document and its entity tag.
	Document func() (text []byte, etag string)
	Now      func() time.Time
	Runs     *durable.Runs
	// Status returns how the last reload of the app went. ok is false if that is
	// not shown.
	Status  func() (text []byte, ok bool)
	Closing context.Context // done when streams are to end
	// Stopping is done when the server takes no new requests; nil: it never is.
	Stopping context.Context
	// Metrics answers scrapes; nil: there are no metrics.
	Metrics http.Handler
	Asks    bool // callers are asked who they are
	// StreamWrite is how long a client of a stream may take to take what is sent.
	StreamWrite time.Duration
	Logger      *slog.Logger
}

// Handler serves REST. Its ResponseWriter must be a *front.Exchange. It is safe
// for concurrent use.
type Handler struct {
	engine *engine.Engine
	app    *dataflow.App
	o      Options
	router *mux.Router

	models    map[string]*model // by path
	workflows map[string]*workflow
	stores    []namedStore
	kept      map[*dataflow.Database]*access.Replies
	taken     map[string]bool // what below a model's path is no id
	index     func() []byte
	hubs      map[*dataflow.Database]*hub // of those whose changes are kept
	views     views
	exports   chan struct{} // see model
	imports   chan struct{}
	stop      context.CancelFunc // ends the hubs; set once
	serving   sync.WaitGroup
	docs      func() (map[string]*docs.File, error)
}

// workflow is one that can be run, and what each request for it needs to know.
type workflow struct {
	*dataflow.Workflow
	inputs *codec.Decoder
	kept   bool // are its runs
}

type namedStore struct {
	name  string
	store store.Store
}

// New returns the handler of an app.
func New(e *engine.Engine, o Options) *Handler {
	h := &Handler{engine: e, app: e.App(), o: o,
		models:    make(map[string]*model),
		workflows: make(map[string]*workflow),
		kept:      make(map[*dataflow.Database]*access.Replies),
		hubs:      make(map[*dataflow.Database]*hub),
		exports:   make(chan struct{}, maxExports),
		imports:   make(chan struct{}, maxImports),
		views:     views{byKey: make(map[string]*view)},
	}
	for _, db := range h.app.Databases {
		h.stores = append(h.stores, namedStore{db.Name, e.Store(db)})
		h.kept[db] = access.NewReplies(db, access.Options{Now: o.Now}, keepReplies)
		if feed := e.Feed(db); feed != nil {
			h.hubs[db] = newHub(feed, e.Store(db), o.Logger)
		}
	}
	for _, exp := range h.app.Exposures {
		h.models[exp.Path] = newModel(h, exp)
	}
	for _, wf := range h.app.Workflows {
		h.workflows[wf.Name] = &workflow{wf, codec.NewDecoder(wf.InputShape, wf.Input), o.Runs != nil && e.Plan().Durable(wf.Name)}
	}
	h.taken = make(map[string]bool)
	for _, rt := range Routes() {
		if word, ok := strings.CutPrefix(rt.Pattern, collectionPattern+"/"); ok && rt.Pattern != itemPattern {
			h.taken[word] = true
		}
	}
	h.index = sync.OnceValue(h.buildIndex)
	h.docs = sync.OnceValues(docs.Files)
	h.router = h.routes()
	return h
}

// Serve looks after the changes that are kept, and whoever follows them, until
// Close. It is called once.
func (h *Handler) Serve() {
	var ctx context.Context
	ctx, h.stop = context.WithCancel(context.Background())
	for _, hub := range h.hubs {
		h.serving.Go(func() { hub.serve(ctx) })
	}
}

// Close ends what Serve began, and waits for it. No request may be under way.
func (h *Handler) Close() {
	if h.stop != nil {
		h.stop()
	}
	h.serving.Wait()
}

// Route is one of the fixed patterns that are served. Models and workflows
// are looked up in maps behind them, so that there are as few among 1,000
// models as among 10.
type Route struct {
	Pattern string
	Methods []string
	Doc     string
	serve   func(h *Handler, x *front.Exchange) error
}

// The routes of models and workflows, which are asked for most.
const (
	executePattern    = "/workflows/{name}/execute"
	collectionPattern = "/api/{model}"
	itemPattern       = "/api/{model}/{id}"
	eventsPattern     = "/api/{model}/events"
	importPattern     = "/api/{model}/" + importName
	importName        = "import"
	batchPattern      = "/api/" + dataflow.BatchPath
	metricsPattern    = "/metrics"
	statusPattern     = "/_flow/status"
)

// Routes lists every route, those that others would match too before them. Of the methods of models, an app serves those
// that its exposures allow.
func Routes() []Route {
	return []Route{
		{"/", methods("GET"), "What is served, in short.", (*Handler).serveIndex},
		{eventsPattern, methods("GET"), "Follow what happens to rows of a model (server-sent events).", (*Handler).events},
		{importPattern, methods("POST"), "Create or update rows of a file: CSV, or lines of JSON.", (*Handler).importRows},
		{batchPattern, methods("POST"), "Do several operations, on several models, in one transaction.", (*Handler).batch},
		{collectionPattern, methods("GET", "POST"), "List rows; create a row.",
			func(h *Handler, x *front.Exchange) error { return h.collection(x, variable(x, "model")) }},
		{itemPattern, methods("GET", "PATCH", "PUT", "DELETE", "POST"),
			"Read, change, replace or delete a row; POST with the name of an operation for id runs it.",
			func(h *Handler, x *front.Exchange) error {
				return h.item(x, variable(x, "model"), variable(x, "id"))
			}},
		{"/workflows", methods("GET"), "List the workflows.", (*Handler).listWorkflows},
		{"/workflows/{name}", methods("GET"), "Describe a workflow.", (*Handler).describeWorkflow},
		{executePattern, methods("POST"), "Run a workflow.",
			func(h *Handler, x *front.Exchange) error { return h.execute(x, variable(x, "name")) }},
		{"/runs", methods("GET"), "List the durable runs.", (*Handler).listRuns},
		{"/runs/{id}", methods("GET"), "Show a durable run with its steps.", (*Handler).showRun},
		{"/runs/{id}/events", methods("GET"), "Follow a durable run as it changes (server-sent events).", (*Handler).followRun},
		{"/runs/{id}/{action}", methods("POST"), "Signal, cancel or retry a durable run.", (*Handler).changeRun},
		{"/health/live", methods("GET"), "Whether the server runs.", (*Handler).live},
		{"/health/ready", methods("GET"), "Whether its databases answer.", (*Handler).ready},
		{statusPattern, methods("GET"), "How the last reload went, where flowctl dev serves.", (*Handler).status},
		{metricsPattern, methods("GET"), "Metrics, in the form of Prometheus, of an app with `enable_monitoring`.", (*Handler).metrics},
		{"/openapi.json", methods("GET"), "The API of this app as OpenAPI 3.1.", (*Handler).document},
		{docs.Path, methods("GET"), "The API in a browser.", (*Handler).page},
		{docs.Path + "/{file}", methods("GET"), "A file of that page.", (*Handler).page},
	}
}

// methods adds what comes with the others.
func methods(ms ...string) []string {
	if ms[0] == http.MethodGet {
		ms = append(ms, http.MethodHead)
	}
	return append(ms, http.MethodOptions)
}

func (h *Handler) routes() *mux.Router {
	// Encoded paths, so that an id may hold a slash; no cleaning, which would
	// redirect and lose the body.
	// Those of models, and to run workflows, are mostly found before (plainly).
	router := mux.NewRouter().UseEncodedPath().SkipClean(true)
	// The router tries one pattern after another: first those that are asked
	// for most, which are the longest.
	routes := Routes()
	slices.SortStableFunc(routes, func(a, b Route) int { return strings.Count(b.Pattern, "/") - strings.Count(a.Pattern, "/") })
	for _, rt := range routes {
		router.Path(rt.Pattern).Handler(h.adapt(rt))
	}
	router.NotFoundHandler = h.adapt(Route{serve: (*Handler).noRoute})
	return router
}

// adapt gives a route's function what all routes share.
func (h *Handler) adapt(rt Route) http.Handler {
	perModel := strings.HasPrefix(rt.Pattern, collectionPattern) // their methods depend on the exposure
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := w.(*front.Exchange)
		x.Request = r
		respond(x, rt.Pattern, func(x *front.Exchange) error {
			if !perModel && rt.Methods != nil {
				if done, err := checkMethod(x, rt.Methods); done || err != nil {
					return err
				}
			}
			return rt.serve(h, x)
		})
	})
}

// enter begins a request of a route.
func enter(x *front.Exchange, pattern string) error {
	x.Route = pattern
	if strings.HasPrefix(pattern, docs.Path) { // which is no JSON
		return nil
	}
	return acceptable(x.Request, pattern)
}

// respond serves a request of a route.
func respond(x *front.Exchange, pattern string, serve func(*front.Exchange) error) {
	err := enter(x, pattern)
	if err == nil {
		err = serve(x)
	}
	if err != nil {
		x.Fail(err)
	}
}

// ServeHTTP serves one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name, id, pattern := h.plainly(r)
	if pattern == "" {
		h.router.ServeHTTP(w, r)
		return
	}
	x := w.(*front.Exchange)
	err := enter(x, pattern)
	switch {
	case err != nil:
	case pattern == executePattern:
		err = h.execute(x, name)
	case pattern == itemPattern:
		err = h.item(x, name, id)
	default:
		err = h.collection(x, name)
	}
	if err != nil {
		x.Fail(err)
	}
}

// plainly finds the route of a model that is served, or of a workflow that is to
// be run, where it is plainly asked for, by its name and an id. No pattern: the
// router has to find it, which comes to the same at the cost of a copy of the
// request and three µs, a fifth of what reading a row from SQLite takes.
func (h *Handler) plainly(r *http.Request) (name, id, pattern string) {
	if r.URL.RawPath != "" { // which holds what is encoded in another way than usual
		return "", "", ""
	}
	path, ok := strings.CutPrefix(r.URL.Path, "/api/")
	if !ok {
		return h.execution(r)
	}
	name, id, isItem := strings.Cut(path, "/")
	switch {
	case h.models[name] == nil:
		return "", "", ""
	case !isItem:
		return name, "", collectionPattern
	case id == "" || strings.Contains(id, "/") || h.taken[id]:
		return "", "", ""
	}
	return name, id, itemPattern
}

// execution is plainly for a workflow that is to be run.
func (h *Handler) execution(r *http.Request) (name, _, pattern string) {
	name, ok := strings.CutPrefix(r.URL.Path, "/workflows/")
	if !ok || r.Method != http.MethodPost {
		return "", "", ""
	}
	if name, ok = strings.CutSuffix(name, "/execute"); !ok || h.workflows[name] == nil {
		return "", "", ""
	}
	return name, "", executePattern
}

// checkMethod answers OPTIONS and refuses methods that are not allowed.
func checkMethod(x *front.Exchange, allowed []string) (done bool, err error) {
	switch method := x.Request.Method; {
	case method == http.MethodOptions:
		x.Header().Set("Allow", strings.Join(allowed, ", "))
		x.Empty(http.StatusNoContent)
		return true, nil
	case slices.Contains(allowed, method):
		return false, nil
	default:
		return false, methodNotAllowed(x, allowed)
	}
}

// variable returns a part of the path, decoded.
func variable(x *front.Exchange, name string) string {
	raw := mux.Vars(x.Request)[name]
	if !strings.Contains(raw, "%") {
		return raw
	}
	if s, err := url.PathUnescape(raw); err == nil {
		return s
	}
	return raw // net/http has refused paths that can't be decoded
}

// ready pings every database. A server that is stopping is not asked for more.
func (h *Handler) ready(x *front.Exchange) error {
	x.Header().Set("Cache-Control", "no-store")
	ctx, cancel := context.WithTimeout(x.Request.Context(), readyTimeout)
	defer cancel()
	databases := dataflow.NewObject()
	status, word := http.StatusOK, "ready"
	for _, s := range h.stores {
		state := "ok"
		if err := s.store.Ping(ctx); err != nil {
			state, status, word = "unavailable", http.StatusServiceUnavailable, "unavailable"
		}
		databases.Set(s.name, state)
	}
	if h.o.Stopping != nil && h.o.Stopping.Err() != nil {
		status, word = http.StatusServiceUnavailable, "stopping"
	}
	return sendValue(x, status, dataflow.ObjectOf("status", word, "databases", databases))
}

// readyTimeout is how long databases have to answer: probes give up soon.
const readyTimeout = 2 * time.Second

// metrics answers a scrape.
func (h *Handler) metrics(x *front.Exchange) error {
	if h.o.Metrics == nil {
		return notFound("the app has no metrics", "to have them, write enable_monitoring = True in Nexus(...)")
	}
	if h.o.Asks {
		if err := access.MaySeeMetrics(x.Caller); err != nil {
			return err
		}
	}
	x.Header()["Cache-Control"] = []string{"no-store"}
	h.o.Metrics.ServeHTTP(x, x.Request)
	return nil
}

func (h *Handler) live(x *front.Exchange) error {
	x.Header().Set("Cache-Control", "no-store")
	return sendValue(x, http.StatusOK, dataflow.ObjectOf("status", "live"))
}

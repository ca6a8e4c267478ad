package dataflow

import (
	"sync"
	"time"
)

// App is everything an app.star declares.
type App struct {
	Path      string // of the main file, as the user named it
	Files     []File // every file that was read
	Env       []EnvRead
	Databases []*Database
	Workflows []*Workflow // registered ones, in order, handlers among them
	Exposures []*Exposure
	Prompts   []*Prompt
	// Subscriptions and Schedules start workflows that nobody asks for.
	Subscriptions []*Subscription
	Schedules     []*Schedule
	Server        *Server // nil if the file makes no Nexus
	// Calls are the node types that functions of the file run by name, where the
	// name is written out.
	Calls []*Call
}

// Call is ctx.run("LogNode", message = …) in a function.
type Call struct {
	Type string
	Span Span // of the type's name
	Args []CallArg
}

// CallArg is an argument that a call gives by name.
type CallArg struct {
	Name string
	Span Span // of the name
}

// Models lists the models of every database, in order of declaration.
func (a *App) Models() []*Model {
	var ms []*Model
	for _, db := range a.Databases {
		ms = append(ms, db.Models...)
	}
	return ms
}

// File is a file that was read for an app.
type File struct {
	Path string   // relative to the app's folder, or "@stdlib//…"
	Hash [32]byte // SHA-256 of its content
}

// EnvRead is one use of env() in a file.
type EnvRead struct {
	Name  string
	Found bool // in the environment; else the default was taken
	Span  Span
}

// Database is one DataFlow: a database and the models in it.
type Database struct {
	Name    string // the global variable that holds it: "db"
	URL     string // "sqlite:shop.db", "postgres://…"; never shown whole: it may hold a password
	Options DatabaseOptions
	Models  []*Model
	Span    Span
	Spans   Spans // of its options, by name

	systemLock sync.Mutex
	system     map[string][]*Model
}

// System returns models of the runtime's own beside the database's, as build
// made them when their owner first asked: a model is known by its pointer.
func (d *Database) System(owner string, build func() []*Model) []*Model {
	d.systemLock.Lock()
	defer d.systemLock.Unlock()
	if d.system == nil {
		d.system = map[string][]*Model{}
	}
	if _, ok := d.system[owner]; !ok {
		d.system[owner] = build()
	}
	return d.system[owner]
}

// URLSpan is where the file says which database it is.
func (d *Database) URLSpan() Span { return d.OptionSpan("database_url") }

// OptionSpan is where the file sets an option of the database.
func (d *Database) OptionSpan(name string) Span {
	if s := d.Spans.At("/" + name); !s.IsZero() {
		return s
	}
	return d.Span
}

// DatabaseOptions are the options of DataFlow(...), defaults filled in.
type DatabaseOptions struct {
	AutoMigrate          bool          // create and alter tables at start
	ExistingSchemaMode   bool          // never create or alter; the tables must fit already
	ModelPersistence     bool          // keep a snapshot of the schema in the database, so that an unchanged one is not inspected
	PoolSize             int           // connections that are kept; 0: the engine's own choice
	PoolMaxOverflow      int           // further ones, closed when they are idle
	PoolRecycle          time.Duration // 0: never
	SlowQueryThreshold   time.Duration // 0: none
	Echo                 bool          // log every statement, without values
	CacheTTL             time.Duration // how long answers are kept; 0: none are
	Monitoring           bool          // metrics of each statement, where the server has metrics
	MigrationLockTimeout time.Duration
	// Defaults for models that do not say themselves.
	MultiTenant  bool
	AuditLogging bool
	// Of PostgreSQL alone.
	Pooler    string // "transaction" behind PgBouncer
	DirectURL string // of the same database, for migrations
}

// Server is Nexus(...): how the app is served. Defaults are filled in.
type Server struct {
	Started        bool   // app.start() was called
	Name           string // shown to callers: in OpenAPI and MCP
	Host           string
	APIPort        int // 0: any free port
	MCPPort        int
	MCPStdioOnly   bool    // no MCP over HTTP: enable_http_transport = False
	MCPOverSSE     bool    // enable_sse_transport: the transport of 2024-11-05 as well
	MCPCard        bool    // enable_discovery: a card says what the server is
	RateLimit      float64 // requests per minute and address; 0: none
	Limits         []Limit // those of rate_limit_config
	CORSOrigins    []string
	MaxBody        int64 // bytes
	RequestTimeout time.Duration
	RunRetention   time.Duration // durable runs that ended so long ago are forgotten; 0: none are
	EnableAuth     bool          // callers are asked who they are
	NotDurable     bool          // enable_durability = False: no workflow is durable unless it says so
	Monitoring     bool          // metrics are counted and served
	Files          string        // the folder for files of nodes, below the app's; "": none
	Auth           Auth          // how they say so
	Span           Span
	Spans          Spans
}

// Shows reports whether rows of a model are served to callers, by one of its
// exposures at least.
func (a *App) Shows(m *Model) bool {
	for _, e := range a.Exposures {
		if e.Model == m && (e.Allows(OpRead) || e.Allows(OpList)) {
			return true
		}
	}
	return false
}

// Exposure is app.expose(Model, ...): a model served over REST and MCP.
type Exposure struct {
	Model *Model
	Path  string // /api/{Path}
	Ops   []OpKind
	// Events: what happens to rows can be followed at /api/{Path}/events.
	Events bool
	Span   Span
	Spans  Spans
}

// Followed reports whether what happens to rows of a model can be followed, by
// one of its exposures at least.
func (a *App) Followed(m *Model) bool {
	for _, e := range a.Exposures {
		if e.Model == m && e.Events {
			return true
		}
	}
	return false
}

// BatchPath is the path that no exposure can have: several operations at once
// are served at /api/batch.
const BatchPath = "batch"

// Served lists the operations that are served: Ops, and OpAggregate where
// OpList is among them.
func (e *Exposure) Served() []OpKind {
	if !e.Allows(OpList) {
		return e.Ops
	}
	return append(e.Ops[:len(e.Ops):len(e.Ops)], OpAggregate)
}

// Allows reports whether the exposure serves an operation.
func (e *Exposure) Allows(op OpKind) bool {
	if op == OpAggregate {
		op = OpList
	}
	for _, o := range e.Ops {
		if o == op {
			return true
		}
	}
	return false
}

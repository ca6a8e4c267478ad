// Package engine plans workflows when an app is loaded and runs them when
// they are called. It owns order, branches, references, transactions and the
// contract of node types; the node types themselves are in engine/nodes. It
// knows nothing of Starlark, SQL or HTTP servers.
//
// # What a run is
//
// The caller's inputs are coerced and checked, all problems at once; nothing
// that the workflow does not declare gets in. Nodes that depend on no data
// node run first, calls to the outside side by side. Then one transaction is
// opened (a snapshot if nothing writes, none if nothing reads), the other
// nodes run on it one after the other, the outputs are worked out, and it is
// committed. A node that fails fails the run, and nothing of it remains. The
// store may ask for the transaction again; what ran before it does not run
// again.
//
// A node is skipped if its condition is not true, or if it refers to a skipped
// node or to a port that is not active; in outputs such a reference is null.
//
// A reference that leads nowhere fails the node: into null, past the end of a
// list, to a key that is not there. Only ctx.user is null in all its parts if
// nobody is signed in. Null can't be part of a text; other values stand in it
// as in JSON, without quotes.
//
// A retry tries the whole node again, each attempt with the node's timeout and,
// in a transaction, with a savepoint. It never waits while the run holds a
// transaction that writes: the plan refuses such a retry, and where it can't
// see it the attempts follow each other at once.
//
// A node's on_error turns its failure into a result, a skip or another way, once
// retries are used up; what it did to the database is undone. Compensation is
// for what was done outside: where the run fails for good, after the
// transaction is gone, what the nodes name runs, the last first. If the process
// ends before that, nothing runs it.
package engine

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/rawsql"
	"github.com/flowctl/flowctl/dataflow/store"
)

// NodeType is a kind of node. Implementations are safe for concurrent use.
// Embedding programs add their own through NewPlan.
type NodeType interface {
	// Spec describes the type; it returns the same pointer each time.
	Spec() *dataflow.NodeSpec
	// Run does the node's work. The result is a canonical value.
	Run(ctx context.Context, call *Call) (any, error)
}

// Checker is a NodeType that checks a config beyond what its Spec says, when
// the app is loaded.
type Checker interface {
	Check(app *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic
}

// WorkflowCaller is a NodeType whose nodes run another workflow, so that the
// plan knows what that does, takes and gives.
type WorkflowCaller interface {
	// Callee returns the workflow a config names: a *dataflow.Workflow or a
	// name. inputs is the parameter that holds the workflow's inputs. The engine
	// runs the workflow itself: Run is not called.
	Callee(config *dataflow.Object) (workflow any, inputs string)
}

// LetGoer is a WorkflowCaller whose config may say that nobody waits for the
// workflow's end: it is then a run of its own, started in the transaction of
// the one that starts it.
type LetGoer interface {
	LetGo(config *dataflow.Object) bool
}

// Scoper is a NodeType whose nodes run other nodes of their workflow, through
// Call.Scope.
type Scoper interface {
	// Members returns the parameter that lists the ids of the scope's nodes.
	Members() string
}

// Repeater is a NodeType whose nodes run something else, as often as they
// see fit, through Call.Target.
type Repeater interface {
	// Target returns what a config names.
	Target(config *dataflow.Object) Target
}

// Target is what a node of a Repeater runs: one of the first three.
type Target struct {
	Workflow any           // a *dataflow.Workflow or a name
	Node     any           // a node type's name, or an operation of a model
	Fn       dataflow.Func // a function of the file
	// Args are the names that it is given, by the place in the config that
	// gives them: "/as", "/with/url".
	Args map[string]string
	// NoData: it must not use a database.
	NoData bool
}

// Call is one execution of a node.
type Call struct {
	Node    *dataflow.Node   // nil where a handler runs a node type
	Config  *dataflow.Object // evaluated and coerced to Spec's parameters
	Runtime Runtime
	// Key is the same whenever this node of this run is tried again: what an
	// outside service needs to recognise a repetition.
	Key string
	// Scope runs the nodes of a Scoper inside a savepoint: if it fails,
	// nothing of what they did to a database remains. Nil for others.
	Scope func(context.Context) error
	// Target runs what a Repeater names, for the i-th time, with arguments by
	// name. It is safe for concurrent use if Concurrent. Nil for others.
	Target func(ctx context.Context, i int, args *dataflow.Object) (any, error)
	// Try is Target, for what may fail alone: then nothing of what it did to a
	// database remains, and what it did outside is undone as far as its nodes
	// say how. fatal says that the run can't go on.
	Try func(ctx context.Context, i int, args *dataflow.Object) (out any, err error, fatal bool)
	// Concurrent: the target uses no database, and the run is not in its
	// transaction.
	Concurrent bool
	// Takes reports whether the target has a parameter of that name.
	Takes func(name string) bool
}

// Runtime is what a node may use of the run it is in.
type Runtime interface {
	dataflow.Handler
	NewID() string
	Logger() *slog.Logger
	// Emit tells of an event, in the run's transaction, and returns how many runs
	// that starts.
	Emit(ctx context.Context, event string, data *dataflow.Object) (int, error)
	HTTPClient() *http.Client
	// Query runs a statement of the app's own in the run's transaction or
	// snapshot of a database, given by its name ("": the only one).
	Query(ctx context.Context, database string, s *rawsql.Statement, args []any) (*store.Answer, error)
	// Files is the folder that the app declares for files. It fails if there is
	// none.
	Files() (*os.Root, error)
}

// Options are what an Engine needs besides its plan.
type Options struct {
	Stores map[*dataflow.Database]store.Store
	Now    func() time.Time // nil: the clock
	NewID  func() string    // nil: uuid version 7
	Client *http.Client     // nil: one of its own
	Env    func(string) (string, bool)
	Logger *slog.Logger
	Files  *os.Root // that nodes may read and write below; nil: none
	// Observer hears of what is run; nil: nobody does.
	Observer Observer
}

// Engine runs the workflows and operations of a planned app. It is immutable
// and safe for concurrent use.
type Engine struct {
	plan   *Plan
	opts   Options
	models []*access.Model // by the plan's position
	stores []store.Store   // by the plan's position
	env    []string        // values of the plan's env references
	start  Starter         // nil: nothing can be started
	feeds  map[*dataflow.Database]*access.Feed
	spent  sync.Pool // of *run (newRun)
}

// Starter starts runs by themselves, in a transaction of the database that
// their workflows write to. engine/durable implements it.
type Starter interface {
	Start(ctx context.Context, tx store.Tx, db *dataflow.Database, runs []*Spawned, c access.Caller, reason string) error
}

// KeepRuns says who starts runs. It is called once, before the engine is used.
func (e *Engine) KeepRuns(s Starter) { e.start = s }

// New joins a plan with its databases. Every variable that a "${env.X}" of the
// app names must be in o.Env now: its value is read once, here (Plan.Unset
// says so with places).
func New(p *Plan, o Options) (*Engine, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.NewID == nil {
		o.NewID = newUUID(o.Now)
	}
	if o.Client == nil {
		o.Client = NewClient()
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{plan: p, opts: o}
	for _, db := range p.databases {
		st := o.Stores[db]
		if st == nil {
			return nil, fmt.Errorf("database %s: no store is open", db.Name)
		}
		e.stores = append(e.stores, st)
	}
	e.feeds = newFeeds(p.app, o.Now)
	for _, m := range p.models {
		e.models = append(e.models, access.New(m, access.Options{Now: o.Now, NewID: o.NewID, Changed: e.changed(m), Watch: e.changed, Feed: e.feed}))
	}
	if unset := p.Unset(o.Env); len(unset) > 0 {
		return nil, errors.New(unset[0].Span.String() + ": " + unset[0].Message)
	}
	for _, u := range p.env {
		v, _ := o.Env(u.name)
		e.env = append(e.env, v)
	}
	return e, nil
}

func newFeeds(app *dataflow.App, now func() time.Time) map[*dataflow.Database]*access.Feed {
	feeds := make(map[*dataflow.Database]*access.Feed)
	for _, m := range app.Models() {
		if app.Followed(m) && feeds[m.Database] == nil {
			feeds[m.Database] = access.NewFeed(m.Database, now)
		}
	}
	return feeds
}

// feed returns where changes to rows of a model are kept; nil: nowhere.
func (e *Engine) feed(m *dataflow.Model) *access.Feed {
	if !e.plan.app.Followed(m) {
		return nil
	}
	return e.feeds[m.Database]
}

// Feed returns what is kept of the changes in a database; nil: nothing is.
func (e *Engine) Feed(db *dataflow.Database) *access.Feed { return e.feeds[db] }

// NewID returns a new id, of the kind that runs have.
func (e *Engine) NewID() string { return e.opts.NewID() }

// App returns the app.
func (e *Engine) App() *dataflow.App { return e.plan.app }

// Plan returns the plan the engine runs.
func (e *Engine) Plan() *Plan { return e.plan }

// Model returns the operations of a model.
func (e *Engine) Model(m *dataflow.Model) *access.Model {
	i, ok := e.plan.modelIndex[m]
	if !ok {
		return nil
	}
	return e.models[i]
}

// Store returns the store of a database.
func (e *Engine) Store(db *dataflow.Database) store.Store {
	i, ok := e.plan.dbIndex[db]
	if !ok {
		return nil
	}
	return e.stores[i]
}

// OutputType returns what a workflow's outputs are known to look like, or nil
// if there is no such workflow.
func (e *Engine) OutputType(workflow string) *dataflow.Type { return e.plan.OutputType(workflow) }

// ReadOnly reports whether a workflow can't change a database or reach
// outside it.
func (e *Engine) ReadOnly(workflow string) bool { return e.plan.ReadOnly(workflow) }

// Describe returns what the plan knows of a workflow, or nil if there is no
// such workflow.
func (e *Engine) Describe(workflow string) *Description { return e.plan.Describe(workflow) }

// NewClient returns a client for nodes that call out. Its limits are those a
// node can't set for itself.
func NewClient() *http.Client {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 16
	t.ResponseHeaderTimeout = 5 * time.Minute
	return &http.Client{Transport: t}
}

// newUUID returns a source of uuids of version 7 (RFC 9562, 5.7): 48 bits of
// milliseconds, then random ones. Those are fetched for many at once: to ask the
// system for a few takes as long as to read a row.
func newUUID(now func() time.Time) func() string {
	var mu sync.Mutex
	var ahead [128 * 10]byte
	left := 0
	return func() string {
		var b [16]byte
		mu.Lock()
		if left == 0 {
			_, _ = rand.Read(ahead[:]) // never fails: crypto/rand ends the program instead
			left = len(ahead)
		}
		left -= copy(b[6:], ahead[left-10:left])
		mu.Unlock()
		ms := uint64(now().UnixMilli())
		for i := range 6 {
			b[i] = byte(ms >> (40 - 8*i))
		}
		b[6] = b[6]&0x0f | 0x70
		b[8] = b[8]&0x3f | 0x80
		var s [36]byte
		hex.Encode(s[0:8], b[0:4])
		hex.Encode(s[9:13], b[4:6])
		hex.Encode(s[14:18], b[6:8])
		hex.Encode(s[19:23], b[8:10])
		hex.Encode(s[24:36], b[10:16])
		s[8], s[13], s[18], s[23] = '-', '-', '-', '-'
		return string(s[:])
	}
}

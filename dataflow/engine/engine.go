// Package engine plans workflows when an app is loaded and runs them when
// they are called. It owns order, branches, references, transactions and the
// contract of node types; the node types themselves are in engine/nodes. It
// knows nothing of Starlark, SQL or HTTP servers.
package engine

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/store"
)

// NodeType is a kind of node. Implementations are safe for concurrent use.
// Embedding programs add their own through Plan.
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

// Call is one execution of a node.
type Call struct {
	Node    *dataflow.Node
	Config  *dataflow.Object // evaluated and coerced to Spec's parameters
	Runtime Runtime
}

// Runtime is what a node may use of the run it is in.
type Runtime interface {
	dataflow.Handler
	Now() time.Time
	NewID() string
	Logger() *slog.Logger
	HTTPClient() *http.Client
}

// Plan is the plan of a whole app: what can be worked out before a database
// or a request is there. It is immutable.
type Plan struct{}

// NewPlan validates app, resolves and type-checks every workflow and fixes its
// order. types are the node types besides those of models. The plan is nil if
// a diagnostic is an error.
func NewPlan(app *dataflow.App, types []NodeType) (*Plan, []dataflow.Diagnostic) {
	panic("unwritten")
}

// Options are what an Engine needs besides its plan.
type Options struct {
	Stores map[*dataflow.Database]store.Store
	Now    func() time.Time // nil: the clock
	NewID  func() string    // nil: uuid version 7
	Client *http.Client     // nil: one of its own
	Env    func(string) (string, bool)
	Logger *slog.Logger
}

// Engine runs the workflows and operations of a planned app. It is immutable
// and safe for concurrent use.
type Engine struct{}

// New joins a plan with its databases.
func New(p *Plan, o Options) (*Engine, error) { panic("unwritten") }

// App returns the app.
func (e *Engine) App() *dataflow.App { panic("unwritten") }

// Model returns the operations of a model.
func (e *Engine) Model(m *dataflow.Model) *access.Model { panic("unwritten") }

// Store returns the store of a database.
func (e *Engine) Store(db *dataflow.Database) store.Store { panic("unwritten") }

// Request asks for a run of a workflow.
type Request struct {
	Workflow string
	Inputs   *dataflow.Object // as the caller gave them; coerced and checked by Run
	Caller   access.Caller
}

// Result is a finished run.
type Result struct {
	RunID   string
	Outputs any // the declared output, or an object of every node's output by id
}

// Run runs a workflow to its end. All its effects on a database happen, or
// none. The error is an *dataflow.Error with the workflow, node and span.
func (e *Engine) Run(ctx context.Context, req Request) (*Result, error) { panic("unwritten") }

// OutputType returns what a workflow's outputs are known to look like.
func (e *Engine) OutputType(workflow string) *dataflow.Type { panic("unwritten") }

// ReadOnly reports whether a workflow can't change a database or reach
// outside it.
func (e *Engine) ReadOnly(workflow string) bool { panic("unwritten") }

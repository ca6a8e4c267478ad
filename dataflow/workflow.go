package dataflow

import (
	"strings"
	"time"
	"unicode/utf8"
)

// Workflow is a graph of nodes, or a handler function, that callers run by
// name.
type Workflow struct {
	Name       string
	Doc        string
	Input      []*Field
	Nodes      []*Node
	Edges      []*Edge
	Output     any           // an expression over the nodes, or nil for every node's output by id
	Handler    Func          // set instead of Nodes for app.handler
	ReadOnly   bool          // a handler that promises not to write
	Timeout    time.Duration // 0: the server's own
	Durable    *bool         // runs are kept and survive the process; nil: the plan decides
	Signals    []Signal      // those that a durable handler waits for; nil: it doesn't say
	Priority   int           // of its durable runs: larger go first
	Limit      *RunLimit     // of its durable runs; nil: none
	Access     *Rule         // who may start it, and see and signal its runs; nil as for a model
	Span       Span
	Spans      Spans
	InputShape *Shape // of Input; set by SealInput
}

// RunLimit bounds the durable runs of a workflow.
type RunLimit struct {
	Concurrency int           // how many are in progress at a time; 0: any number
	Rate        int           // how many begin in Per; 0: any number
	Per         time.Duration //
	By          string        // an input: each of its values has the bounds for itself; "": all share them
}

// Signal is a signal that a run may wait for.
type Signal struct {
	Name    string
	Payload *Field // what has to come with it; nil: anything
}

// MaxSignal is how many bytes the name of a signal may have.
const MaxSignal = 100

// NamesSignal reports whether a signal can have that name, which is kept as text.
func NamesSignal(name string) bool {
	return name != "" && len(name) <= MaxSignal && utf8.ValidString(name) && !strings.ContainsRune(name, 0)
}

// SealInput works out InputShape once Input is complete.
func (w *Workflow) SealInput() {
	names := make([]string, len(w.Input))
	for i, f := range w.Input {
		names[i] = f.Name
	}
	w.InputShape = NewShape(names...)
}

// Subscription is app.on(…): a workflow that runs when something has happened,
// started in the transaction that did it.
type Subscription struct {
	// Event is "Order.created", "Order.updated" or "Order.deleted", or a name
	// that an EmitNode tells.
	Event    string
	Workflow *Workflow // nil: the one called Name
	Name     string
	Where    any // a filter that the row must match, or nil
	Span     Span
	Spans    Spans // "/event", "/workflow", "/where"
}

// Schedule is app.schedule(…): a workflow that runs at certain times.
type Schedule struct {
	Name         string
	Cron         string    // crontab(5): minute, hour, day of month, month, day of week; or "@daily"
	TZ           string    // the place whose clock it goes by; "": UTC
	Workflow     *Workflow // nil: the one called WorkflowName
	WorkflowName string
	Input        *Object
	Span         Span
	Spans        Spans // "/cron", "/tz", "/workflow", "/input/name"
}

// Node is one step of a workflow.
type Node struct {
	ID     string
	Type   string  // "OrderCreateNode", "SwitchNode", …
	Op     *Op     // set where the file gave an operation, as Order.create
	Config *Object // values and expressions: see Ref and Template
	// Options every node has.
	Retry   *Retry
	Timeout time.Duration // 0: none of its own
	When    any           // an expression; the node is skipped unless it is true
	// OnError says what the node's failure means: nil or "fail" that the run
	// fails, "continue" that what refers to the node is skipped,
	// {"default": expression} that this is its result, {"goto": id} that this
	// node runs then, and only then.
	OnError any
	// Compensate is the id of the node that undoes this one where the run
	// fails later, or a Ref to it. It runs for nothing else.
	Compensate any
	Span       Span  // of the add_node call
	Spans      Spans // of the call's parts: "/type", "/id", "/config/where/email"
}

// Retry says how often a failing node is tried again.
type Retry struct {
	Max     int
	Backoff time.Duration
	On      []string // error codes; empty is those worth trying again
}

// Edge carries one output of a node to one input of another.
type Edge struct {
	From, Output string // Output is a path: "record.id"
	To, Input    string
	Span         Span
	Spans        Spans // "/from", "/output", "/to", "/input"
}

// A node's Config, When and a workflow's Output are trees of canonical values,
// []any and *Object in which these may stand too:
//
//	Ref         "${node.output.path}" as a whole string, or node.output.path
//	*Template   text with references in it
//	Func        a function of the file
//	*Model, Op  a model, or an operation of one
//	*Workflow   another workflow
//	*Field      the type of something

// RefRoot says what a Ref starts from.
type RefRoot uint8

// The roots.
const (
	RootInput   RefRoot = iota // input.name
	RootNode                   // node.output
	RootEnv                    // env.NAME
	RootCtx                    // ctx.user.id, ctx.tenant, ctx.run_id
	RootUnknown                // a value that could not be made of the file, which has been reported
)

// Ref is a reference to a value that exists when the workflow runs. It keeps
// that value's type.
type Ref struct {
	Root RefRoot
	Node string // RootNode: the node's id
	Path []Step
	Span Span
}

// Step is one step of a Ref's path: a name, or an index if Name is empty.
type Step struct {
	Name  string
	Index int
}

// Template is text with references in it: Parts are strings and Refs.
type Template struct {
	Parts []any
	Span  Span
}

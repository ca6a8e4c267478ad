package engine

import (
	"context"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Journal keeps what a durable run has done, in the database that the run's
// own effects are in: what is kept and what it tells of happen together or not
// at all. engine/durable implements it. A Journal is used by one run, and by
// one goroutine at a time.
type Journal interface {
	// Recorded returns the steps that were kept before, in the order in which
	// they were.
	Recorded() []*Step
	// Pledge gives steps that are kept if the run fails now, with that it has.
	Pledge(steps []*Step)
	// Open makes sure that the run itself is kept, before it does what no
	// transaction can take back.
	Open(ctx context.Context) error
	// Commit runs body in one transaction of the run's home database and keeps
	// the checkpoint that it returns. The store may ask for body again. The
	// error is body's own, ErrLost, ErrCancelled, or the store's.
	Commit(ctx context.Context, body func(tx store.Tx) (*Checkpoint, error)) error
	// Receive takes the oldest signal of a name that the run was sent and has
	// not taken yet.
	Receive(ctx context.Context, tx store.Tx, name string) (payload any, ok bool, err error)
	// Spawn starts a run of another workflow in the transaction. parent says
	// whether this run waits for its end.
	Spawn(ctx context.Context, tx store.Tx, s *Spawned, parent bool) error
	// Child returns how a run that was spawned stands.
	Child(ctx context.Context, from store.Reader, id string) (*Ended, error)
}

// Spawned is a run that another one starts.
type Spawned struct {
	ID       string // "": a new one
	Workflow string
	Inputs   *dataflow.Object // checked
}

// Ended is how a spawned run stands.
type Ended struct {
	Done   bool // one way or the other
	Output any
	Err    *dataflow.Error // nil: it completed
}

// StepState is how a step of a durable run stands.
type StepState string

// The states of a step.
const (
	StepDone    StepState = "done"
	StepSkipped StepState = "skipped"
	StepFailed  StepState = "failed" // the run went on another way, or failed
	StepWaiting StepState = "waiting"
	StepUndone  StepState = "undone" // what it did was undone
	// StepPledged is no step: it says how to undo what a part of one did. Its
	// key is that of the node which does it, and its result what that is given.
	StepPledged StepState = "pledged"
)

// Step is what is kept of one step of a durable run: a node, or something that
// a handler ran.
type Step struct {
	Key      string // the node's id; in a handler "Order.create#2", what it ran and the how many-th that was
	State    StepState
	Input    any // what the node was given, for who looks at the run; nil where that says nothing
	Result   any
	Error    *dataflow.Error // of StepFailed
	Digest   string          // of what a handler asked for; of a node that waits for a signal, see takesSignal
	Attempts int
	Started  time.Time
	Ended    time.Time // zero: not yet
}

// takesSignal begins the digest of a node that waits for a signal; its name follows.
const takesSignal = "signal "

// Takes says of the step, which is of a node, that it waits for a signal.
func (s *Step) Takes(signal string) {
	if signal != "" {
		s.Digest = takesSignal + signal
	}
}

// waitSignal is what a handler's waits for a signal are called.
const waitSignal = "wait_signal"

// OfNode reports whether the step is of a node that waits for a signal, rather than
// of a handler that does.
func (s *Step) OfNode() bool { return strings.HasPrefix(s.Digest, takesSignal) }

// Signal is the name of the signal that the step waited for, or "".
func (s *Step) Signal() string {
	if name, ok := strings.CutPrefix(s.Digest, takesSignal); ok {
		return name
	}
	asked, _ := s.Input.(*dataflow.Object)
	if asked == nil || !strings.HasPrefix(s.Key, waitSignal+"#") {
		return ""
	}
	name, _ := asked.Get("name")
	text, _ := name.(string)
	return text
}

// Checkpoint is what a durable run keeps at once.
type Checkpoint struct {
	Steps  []*Step
	Done   bool // with this output
	Output any
	Wait   *Wait // the run rests
}

// Wait is what a durable run rests for.
type Wait struct {
	Until time.Time // no longer than this; zero: for ever
	For   string    // in words: `signal approve`
}

// Ends of a durable run's turn that are nobody's failure.
var (
	// ErrLost: another process has taken the run over.
	ErrLost error = &dataflow.Error{Code: "internal", Status: dataflow.StatusInternal, Message: "another process has taken the run over"}
	// ErrCancelled: somebody has cancelled the run.
	ErrCancelled error = &dataflow.Error{Code: "run_cancelled", Status: dataflow.StatusConflict, Message: "the run was cancelled"}
)

// DurableRun is a run that is kept in a Journal.
type DurableRun struct {
	ID       string
	Workflow string
	Inputs   *dataflow.Object // checked by CheckInputs
	Caller   access.Caller
	Started  time.Time
	Home     *dataflow.Database
	Journal  Journal
	// Process is done when the process is about to end; nil: never.
	Process context.Context
	// Now is the clock that the run's times are of, which is that of whoever
	// wakes it; nil: the engine's.
	Now func() time.Time
}

// Waiter is a NodeType whose nodes make a durable run rest.
type Waiter interface {
	NodeType
	// Wait returns what the node waits for. It is asked once.
	Wait(call *Call) (*Waiting, error)
	// Came returns the node's result once that has come. In a wait for a signal
	// that ran out of time it is asked with ok false, and may fail.
	Came(call *Call, w *Waiting, payload any, ok bool) (any, error)
}

// Listener is a Waiter that can tell, of a node as the file has it, which
// signal it waits for: one without a name for none. ok is false if only the run
// knows.
type Listener interface {
	Waiter
	Listens(config *dataflow.Object) (s dataflow.Signal, ok bool)
}

// Waiting is what a node of a Waiter waits for.
type Waiting struct {
	Until  time.Time // zero: for ever
	Signal string    // "": for the time alone
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/store"
)

// Request asks for a run of a workflow.
type Request struct {
	Workflow string
	Inputs   *dataflow.Object // as the caller gave them; coerced and checked by Run
	Caller   access.Caller

	// Typed: Inputs are over the workflow's InputShape and are of the types of its
	// Input, as a codec.Decoder for those has read them. What is left out of them
	// is looked at still.
	Typed bool

	// Begin and Commit, if set, run first and last in the run's writing
	// transaction on db: what they write is kept with the run's own effects or
	// not at all, and their error ends the run. A run that writes nothing has
	// no such transaction and calls neither; one that the store asks to retry
	// calls them again.
	Begin  func(ctx context.Context, db *dataflow.Database, tx store.Tx) error
	Commit func(ctx context.Context, db *dataflow.Database, tx store.Tx, res *Result) error

	// DryRun: nothing that the run writes is kept; its outputs are those that it
	// would have had. Only what it does in its transaction can be taken back, so
	// it is for workflows that do nothing else.
	DryRun bool

	// Text: the outputs are wanted to be written as JSON, and for nothing else.
	// Rows in them may then be dataflow.RawJSON, which is what they would be
	// written as.
	Text bool

	// Progress, if set, hears of each node of the workflow that has run: the
	// how-manieth it is, and how many there are. Of a handler it hears what that
	// has done so far; total is then 0, for nobody knows what is yet to come. Nodes
	// may run side by side, and a run that begins again counts anew.
	Progress func(done, total int, node string)
}

// Result is a finished run.
type Result struct {
	RunID   string
	Outputs any // the declared output, or an object of every executed node's output by id
}

// Run runs a workflow to its end. All its effects on a database happen, or
// none. The error is an *dataflow.Error with the workflow, node and span; its
// problems point into req.Inputs where a value came from there.
func (e *Engine) Run(ctx context.Context, req Request) (*Result, error) {
	wp, ok := e.plan.workflows[req.Workflow]
	if !ok {
		return nil, e.unknownWorkflow(req.Workflow)
	}
	r := e.newRun(wp)
	r.engine, r.id, r.caller, r.text, r.progress = e, e.opts.NewID(), req.Caller, req.Text, req.Progress
	ctx, ended := r.watchWorkflow(ctx, wp.wf)
	out, err := r.top(ctx, wp, req)
	ended(err)
	if err != nil {
		return nil, r.undoAll(ctx, err)
	}
	res := &Result{RunID: r.id, Outputs: out}
	if wp.alone() {
		*r = run{}
		e.spent.Put(r)
	}
	return res, nil
}

// newRun returns a run of nothing. One that was no more than a read has left
// nothing behind that holds on to it, and is used again.
func (e *Engine) newRun(wp *workflowPlan) *run {
	if wp.alone() {
		if r, ok := e.spent.Get().(*run); ok {
			return r
		}
	}
	return new(run)
}

func (e *Engine) unknownWorkflow(name string) error {
	names := make([]string, 0, len(e.plan.app.Workflows))
	for _, wf := range e.plan.app.Workflows {
		names = append(names, wf.Name)
	}
	return &dataflow.Error{Code: "not_found", Status: dataflow.StatusNotFound,
		Message: fmt.Sprintf("there is no workflow %q", name), Hint: dataflow.DidYouMean(name, names)}
}

// run is one run of a workflow, with those that it runs in turn.
type run struct {
	engine *Engine
	id     string
	caller access.Caller
	text   bool // see Request

	txDB      *dataflow.Database // that tx is on
	tx        store.Tx           // nil outside a writing transaction
	snapshots map[*dataflow.Database]store.Reader
	readOnly  string // the workflow that promised not to write; "" if none did
	failed    error  // an operation that failed and is not undone: the run can't be committed
	// probing: the database of the transaction is not known yet. The first
	// write names it in wanted, and the run starts again in a transaction.
	probing bool
	wanted  *dataflow.Database
	durable *durable // nil: what the run did is not kept

	progress func(done, total int, node string) // nil: nobody asks
	ran      atomic.Int64                       // nodes of the workflow that was asked for

	undoing sync.Mutex
	undos   []undo // of what was done, in order

	first frame // of the workflow that was asked for, in one piece with the run
}

// maxDepth bounds how deep handlers may run workflows that run handlers.
const maxDepth = 32

type nodeState uint8

const (
	statePending nodeState = iota
	stateDone
	stateSkipped
	stateFailed // and another node runs instead; the result says why
)

// frame is the state of one workflow in a run.
type frame struct {
	run     *run
	plan    *workflowPlan
	key     string // of the run and the nodes that led here
	depth   int    // of workflows run by workflows
	inputs  []any  // over the plan's input shape
	results []any  // by node
	state   []nodeState

	room struct { // for both, of a workflow of few nodes
		results [4]any
		state   [4]nodeState
	}
}

// top runs the workflow that the caller asked for, in its own transaction.
func (r *run) top(ctx context.Context, wp *workflowPlan, req Request) (any, error) {
	if wp.waits {
		return nil, named(notDurable("the workflow "+wp.wf.Name), wp.wf)
	}
	var inputs []any
	var err error
	if req.Typed {
		inputs, err = completeInputs(wp.wf, req.Inputs.Vals(), nil)
	} else {
		inputs, err = checkInputs(wp.wf, req.Inputs)
	}
	if err != nil {
		return nil, named(err, wp.wf)
	}
	if wp.wf.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, wp.wf.Timeout, workflowTimeout(wp.wf))
		defer cancel()
	}
	f := r.first.begin(r, wp, r.id, inputs)
	if wp.wf.Handler != nil && wp.wf.ReadOnly {
		r.readOnly = wp.wf.Name
	}
	if err := f.early(ctx); err != nil {
		return nil, named(err, wp.wf)
	}
	var out any
	if wp.oneRead {
		out, err = f.rest(ctx)
	} else {
		out, err = f.inTransaction(ctx, req)
	}
	if err != nil {
		return nil, named(asRunError(ctx, err), wp.wf)
	}
	return out, nil
}

// inTransaction is rest in the transaction that the workflow asks for.
func (f *frame) inTransaction(ctx context.Context, req Request) (any, error) {
	r := f.run
	var out any
	body := func() (err error) {
		if r.tx != nil && req.Begin != nil {
			if err := req.Begin(ctx, r.txDB, r.tx); err != nil {
				return err
			}
		}
		out, err = f.rest(ctx)
		if err == nil {
			err = r.failed
		}
		if err == nil && r.tx != nil && req.Commit != nil {
			err = req.Commit(ctx, r.txDB, r.tx, &Result{RunID: r.id, Outputs: out})
		}
		if err == nil && req.DryRun {
			err = errDryRun
		}
		return err
	}
	if err := r.transaction(ctx, &f.plan.effects, f.reset, body); err != nil && !errors.Is(err, errDryRun) {
		return nil, err
	}
	return out, nil
}

// errDryRun ends the transaction of a run of which nothing is to be kept.
var errDryRun = errors.New("nothing was to be kept")

// transaction runs body in the transaction that its effects ask for. body may
// be called more than once, after reset each time.
func (r *run) transaction(ctx context.Context, e *effects, reset func(), body func() error) error {
	switch {
	case !e.data():
		return body()
	case !e.writes:
		return r.snapshot(ctx, e.readers(r.engine.plan), body)
	case len(e.writeDBs) == 1:
		return r.write(ctx, e, e.writeDBs[0], reset, body)
	}
	r.probing = true
	err := body()
	r.probing = false
	if r.wanted == nil {
		return err
	}
	return r.write(ctx, e, r.wanted, reset, body)
}

// readers lists the databases that may be read.
func (e *effects) readers(p *Plan) []*dataflow.Database {
	if e.anyDB {
		return p.databases
	}
	return e.readDBs
}

// write runs body in one transaction on db, with snapshots of what else is
// read.
func (r *run) write(ctx context.Context, e *effects, db *dataflow.Database, reset func(), body func() error) error {
	var others []*dataflow.Database
	for _, other := range e.readers(r.engine.plan) {
		if other != db {
			others = append(others, other)
		}
	}
	return r.snapshot(ctx, others, func() error {
		return r.engine.Store(db).Write(ctx, func(tx store.Tx) error {
			reset()
			r.tx, r.txDB, r.failed = tx, db, nil
			defer func() { r.tx, r.txDB = nil, nil }()
			return body()
		})
	})
}

// snapshot runs body with a snapshot of each of dbs.
func (r *run) snapshot(ctx context.Context, dbs []*dataflow.Database, body func() error) error {
	if len(dbs) == 0 {
		return body()
	}
	return r.engine.Store(dbs[0]).Snapshot(ctx, func(rd store.Reader) error {
		if r.snapshots == nil {
			r.snapshots = make(map[*dataflow.Database]store.Reader, len(dbs))
		}
		r.snapshots[dbs[0]] = rd
		return r.snapshot(ctx, dbs[1:], body)
	})
}

func newFrame(r *run, wp *workflowPlan, key string, inputs []any) *frame {
	return new(frame).begin(r, wp, key, inputs)
}

// begin makes f, which is zero, the state of a workflow of which nothing has run.
func (f *frame) begin(r *run, wp *workflowPlan, key string, inputs []any) *frame {
	f.run, f.plan, f.key, f.inputs = r, wp, key, inputs
	if n := len(wp.nodes); n <= len(f.room.state) {
		f.results, f.state = f.room.results[:n], f.room.state[:n]
	} else {
		f.results, f.state = make([]any, n), make([]nodeState, n)
	}
	return f
}

// reset forgets what ran in a transaction that is about to be tried again.
func (f *frame) reset() {
	for _, n := range f.plan.inside {
		f.forget(n)
	}
}

func (f *frame) forget(n *nodePlan) {
	f.state[n.pos], f.results[n.pos] = statePending, nil
	for _, m := range n.members {
		f.state[m.pos], f.results[m.pos] = statePending, nil
	}
}

// early runs the nodes that need no transaction. Those of a stage that call
// out do so side by side.
func (f *frame) early(ctx context.Context) error {
	for _, stage := range f.plan.before {
		if err := f.stage(ctx, stage); err != nil {
			return err
		}
	}
	return nil
}

// maxParallel bounds how many nodes of one run call out at a time.
const maxParallel = 8

func (f *frame) stage(ctx context.Context, nodes []*nodePlan) error {
	outside := 0
	for _, n := range nodes {
		if n.outside {
			outside++
		}
	}
	if outside < 2 {
		for _, n := range nodes {
			if err := f.node(ctx, n); err != nil {
				return err
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wg    sync.WaitGroup
		slots = make(chan struct{}, maxParallel)
		once  sync.Once
		first error // the others are cancelled, so theirs say nothing
	)
	fail := func(err error) {
		once.Do(func() { first = err; cancel() })
	}
	for _, n := range nodes {
		if !n.outside {
			continue
		}
		slots <- struct{}{}
		if ctx.Err() != nil {
			<-slots
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if err := f.node(ctx, n); err != nil {
				fail(err)
			}
		})
	}
	for _, n := range nodes {
		if !n.outside && ctx.Err() == nil {
			if err := f.node(ctx, n); err != nil {
				fail(err)
			}
		}
	}
	wg.Wait()
	if first == nil && ctx.Err() != nil {
		return asRunError(ctx, ctx.Err())
	}
	return first
}

// rest runs what early left, and works out the outputs.
func (f *frame) rest(ctx context.Context) (any, error) {
	if f.plan.wf.Handler != nil {
		return f.handler(ctx)
	}
	for _, n := range f.plan.inside {
		if err := f.node(ctx, n); err != nil {
			return nil, err
		}
	}
	return f.outcome()
}

// outcome works out the outputs of a graph that has run.
func (f *frame) outcome() (any, error) {
	if f.plan.output != nil {
		v, err := f.plan.output.eval(f)
		if err != nil {
			return nil, named(err, f.plan.wf)
		}
		return v, nil
	}
	vals := make([]any, len(f.results))
	for i := range vals {
		vals[i] = dataflow.Absent
		if f.state[i] == stateDone {
			vals[i] = f.results[i]
		}
	}
	return dataflow.NewRecord(f.plan.shape, vals), nil
}

// handler calls a handler's function.
func (f *frame) handler(ctx context.Context) (out any, err error) {
	wf := f.plan.wf
	defer func() {
		if p := recover(); p != nil {
			err = f.run.panicked(p, wf, "")
		}
		err = named(err, wf)
	}()
	if f.depth == 0 {
		f.run.ran.Store(0)
	}
	h := &runtime{run: f.run, key: f.key, depth: f.depth, kept: f.run.durable != nil && f.run.tx == nil, plan: f.plan}
	out, err = wf.Handler.Call(ctx, []any{h}, dataflow.NewRecord(wf.InputShape, f.inputs))
	return out, err
}

// nested runs another workflow within this run: in its transaction, as its
// caller. Workflows that only call out may be nested side by side.
func (r *run) nested(ctx context.Context, wp *workflowPlan, key string, depth int, in *dataflow.Object) (out any, err error) {
	ctx, ended := r.watchWorkflow(ctx, wp.wf)
	defer func() { ended(err) }()
	inputs, err := checkInputs(wp.wf, in)
	if err != nil {
		return nil, named(err, wp.wf)
	}
	if depth > maxDepth {
		return nil, &dataflow.Error{Code: "recursion", Status: dataflow.StatusRejected, Workflow: wp.wf.Name,
			Message: fmt.Sprintf("workflows run each other more than %d deep", maxDepth)}
	}
	if wp.wf.ReadOnly && r.readOnly == "" {
		r.readOnly = wp.wf.Name
		defer func() { r.readOnly = "" }()
	}
	if wp.wf.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, wp.wf.Timeout, workflowTimeout(wp.wf))
		defer cancel()
	}
	f := newFrame(r, wp, key, inputs)
	f.depth = depth
	if err := f.early(ctx); err != nil {
		return nil, named(err, wp.wf)
	}
	return f.rest(ctx)
}

// checkInputs makes the values of a workflow's input of what a caller gave,
// reporting everything that is wrong with it.
func checkInputs(wf *dataflow.Workflow, in *dataflow.Object) ([]any, error) {
	if in == nil {
		in = dataflow.NewObject()
	}
	o, problems := codec.CoerceObject(wf.InputShape, wf.Input, in, "")
	return completeInputs(wf, o.Vals(), problems)
}

// completeInputs fills in the defaults of inputs that are left out, and asks for
// those that are required. problems are those that there are already.
func completeInputs(wf *dataflow.Workflow, vals []any, problems []dataflow.Problem) ([]any, error) {
	for i, fd := range wf.Input {
		switch {
		case vals[i] != dataflow.Absent:
			continue
		case fd.HasDefault:
			vals[i] = fd.Default
			continue
		case !fd.Optional:
			problems = append(problems, dataflow.Problem{Code: "required", Pointer: "/" + escape(fd.Name),
				Detail: fmt.Sprintf("%s is required", fd.Name)})
		}
		vals[i] = nil
	}
	if len(problems) > 0 {
		return nil, dataflow.Invalid(problems...)
	}
	return vals, nil
}

// log returns the run's logger.
func (r *run) log() *slog.Logger { return r.engine.opts.Logger.With("run", r.id) }

// named adds the workflow to an error that has none yet.
func named(err error, wf *dataflow.Workflow) error {
	if err == nil {
		return nil
	}
	e := dataflow.AsError(err)
	if e.Workflow != "" {
		return e
	}
	out := *e
	out.Workflow = wf.Name
	if out.Span.IsZero() {
		out.Span = wf.Span
	}
	return &out
}

// workflowTimeout is the error of a workflow that used up its time.
func workflowTimeout(wf *dataflow.Workflow) *dataflow.Error {
	return &dataflow.Error{Code: "timeout", Status: dataflow.StatusTimeout, Workflow: wf.Name, Span: wf.Span,
		Message: fmt.Sprintf("the workflow %s took longer than its %s", wf.Name, wf.Timeout)}
}

// asRunError turns the end of a context into an error that says whose time it
// was. Other errors are kept.
func asRunError(ctx context.Context, err error) error {
	e, ok := errors.AsType[*dataflow.Error](err)
	if ok && e.Code != "timeout" && e.Code != "cancelled" {
		return e
	}
	if ctx.Err() == nil {
		return err
	}
	if cause, ok := errors.AsType[*dataflow.Error](context.Cause(ctx)); ok {
		out := *cause
		out.Err = err
		return &out
	}
	if ok {
		return e
	}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return &dataflow.Error{Code: "timeout", Status: dataflow.StatusTimeout, Message: "the request ran out of its time", Err: err}
	}
	return &dataflow.Error{Code: "cancelled", Status: dataflow.StatusCancelled, Message: "the caller went away", Err: err}
}

package engine

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

// runtime is the Runtime of a node, or the ctx of a handler, in a run.
type runtime struct {
	run   *run
	key   string // of the run and the nodes that led here
	depth int
	calls int           // of node types and workflows so far, for their keys
	kept  bool          // what the handler runs is kept step by step: it is durable
	plan  *workflowPlan // of the handler
}

// Run implements dataflow.Handler.
func (rt *runtime) Run(ctx context.Context, op dataflow.Op, args *dataflow.Object) (any, error) {
	n, err := rt.run.engine.operationType(op)
	if err != nil {
		return nil, err
	}
	if args == nil {
		args = dataflow.NewObject()
	}
	do := rt.watch(op.NodeType(), func(ctx context.Context) (any, error) { return rt.run.operation(ctx, n, args) })
	var out any
	if rt.kept {
		e := n.effects()
		out, err = rt.step(ctx, op.Model.Name+"."+op.Kind.String(), args, &e, do)
	} else {
		out, err = do(ctx)
	}
	if err != nil {
		return nil, inHandler(err, op.Model.Name+"."+op.Kind.String())
	}
	rt.tell(op.Model.Name + "." + op.Kind.String())
	return out, nil
}

// RunNode implements dataflow.Handler. A node that calls out holds the
// transaction of the call open while it does.
func (rt *runtime) RunNode(ctx context.Context, nodeType string, args *dataflow.Object) (any, error) {
	e := rt.run.engine
	if args == nil {
		args = dataflow.NewObject()
	}
	t, ok := e.plan.types[nodeType]
	if !ok && nodeType == aggregateNode {
		op, err := e.aggregateOp(args)
		if err != nil {
			return nil, err
		}
		return rt.Run(ctx, op, aggregateArgs(args))
	}
	if !ok {
		ops := findOps(e.plan.byName, nodeType)
		if len(ops) == 1 {
			return rt.Run(ctx, ops[0], args)
		}
		return nil, e.unknownNodeType(nodeType, len(ops))
	}
	if t, ok := t.(WorkflowCaller); ok {
		return rt.runCaller(ctx, t, args)
	}
	if err := notInHandler(t, nodeType); err != nil {
		return nil, err
	}
	config, problems := handlerConfig(t.Spec(), args)
	if len(problems) > 0 {
		return nil, inHandler(dataflow.Invalid(problems...), nodeType)
	}
	do := func(ctx context.Context, key string) (any, error) {
		return rt.watch(nodeType, func(ctx context.Context) (any, error) {
			return t.Run(ctx, &Call{Config: config, Key: key, Runtime: &runtime{run: rt.run, key: key, depth: rt.depth}})
		})(ctx)
	}
	var out any
	var err error
	if rt.kept {
		effect := e.plan.effectsOf(t.Spec(), config)
		out, err = rt.step(ctx, nodeType, withoutSecrets(t.Spec(), args), &effect, func(ctx context.Context) (any, error) { return do(ctx, rt.key+"/"+nodeType+"#"+strconv.Itoa(rt.calls)) })
	} else {
		out, err = do(ctx, rt.nextKey(nodeType))
	}
	if err != nil {
		return nil, inHandler(asRunError(ctx, err), nodeType)
	}
	rt.tell(nodeType)
	if out == dataflow.Absent {
		return nil, nil
	}
	return out, nil
}

// notInHandler is why a handler can't run a node type; nil if it can.
func notInHandler(t NodeType, name string) *dataflow.Error {
	e := &dataflow.Error{Code: "not_in_handler", Status: dataflow.StatusInternal, Message: name + " is for workflows"}
	switch t.(type) {
	case WorkflowCaller:
		return nil
	case Repeater:
		e.Hint = "write a for loop in the handler"
	case Scoper:
		e.Message = name + " works on the nodes of a workflow, and a handler has none"
		e.Hint = "a handler that is not durable is one transaction by itself"
	case Waiter:
		e.Hint = "a durable handler waits with ctx.sleep and ctx.wait_signal"
	default:
		return nil
	}
	return e
}

func (rt *runtime) runCaller(ctx context.Context, t WorkflowCaller, args *dataflow.Object) (any, error) {
	target, param := t.Callee(args)
	v, _ := args.Get(param)
	in, _ := v.(*dataflow.Object)
	if g, ok := t.(LetGoer); ok && g.LetGo(args) {
		return rt.letGo(ctx, target, in)
	}
	switch target := target.(type) {
	case string:
		return rt.Workflow(ctx, target, in)
	case *dataflow.Workflow:
		return rt.Workflow(ctx, target.Name, in)
	}
	return nil, &dataflow.Error{Code: "invalid", Status: dataflow.StatusInvalid, Message: "the node names no workflow"}
}

// letGo starts a run of a workflow that nobody waits for.
func (rt *runtime) letGo(ctx context.Context, target any, in *dataflow.Object) (any, error) {
	name, _ := target.(string)
	if wf, ok := target.(*dataflow.Workflow); ok {
		name = wf.Name
	}
	e := rt.run.engine
	wp, ok := e.plan.workflows[name]
	if !ok {
		return nil, e.unknownWorkflow(name)
	}
	do := func(ctx context.Context) (any, error) {
		r := rt.run
		switch home := e.plan.home(wp); {
		case r.tx == nil && r.probing:
			r.wanted = home
			return nil, errRestart
		case r.tx == nil || e.start == nil:
			return nil, &dataflow.Error{Code: "not_available", Status: dataflow.StatusRejected, Message: "nobody keeps runs that are let go here"}
		case home != r.txDB:
			return nil, &dataflow.Error{Code: "second_database", Status: dataflow.StatusInternal,
				Message: name + " keeps its runs in another database than this run writes to"}
		}
		inputs, err := checkInputs(wp.wf, in)
		if err != nil {
			return nil, named(err, wp.wf)
		}
		s := &Spawned{ID: e.opts.NewID(), Workflow: name, Inputs: dataflow.NewRecord(wp.wf.InputShape, inputs)}
		err = e.start.Start(ctx, r.tx, r.txDB, []*Spawned{s}, r.caller, "run "+r.id)
		return dataflow.ObjectOf("run_id", s.ID), err
	}
	var out any
	var err error
	if rt.kept {
		out, err = rt.step(ctx, name, in, &effects{writes: true}, do)
	} else {
		out, err = do(ctx)
	}
	if err != nil {
		return nil, inHandler(err, "workflow "+name)
	}
	rt.tell(name)
	return out, nil
}

// Workflow implements dataflow.Handler.
func (rt *runtime) Workflow(ctx context.Context, name string, inputs *dataflow.Object) (any, error) {
	wp, ok := rt.run.engine.plan.workflows[name]
	if !ok {
		return nil, rt.run.engine.unknownWorkflow(name)
	}
	var out any
	var err error
	switch {
	case rt.kept:
		out, err = rt.workflow(ctx, wp, inputs)
	case wp.waits:
		err = notDurable("the workflow " + name)
	default:
		out, err = rt.run.nested(ctx, wp, rt.nextKey(name), rt.depth+1, inputs)
	}
	if err != nil {
		return nil, inHandler(err, "workflow "+name)
	}
	rt.tell(name)
	return out, nil
}

// tell says, to who wants to hear of progress, that the function of the workflow
// that was asked for has had something done.
func (rt *runtime) tell(what string) {
	if r := rt.run; r.progress != nil && rt.plan != nil && rt.depth == 0 {
		r.progress(int(r.ran.Add(1)), 0, what)
	}
}

// nextKey names the next thing that a function runs, the same way each time it
// does the same.
func (rt *runtime) nextKey(what string) string {
	rt.calls++
	return rt.key + "/" + what + "#" + strconv.Itoa(rt.calls)
}

// Info implements dataflow.Handler.
func (rt *runtime) Info() dataflow.Info {
	return dataflow.Info{RunID: rt.run.id, User: rt.run.caller.User, Tenant: rt.run.caller.Tenant}
}

// Record implements dataflow.Handler. Nothing is kept of a run that is one
// transaction: what fails leaves nothing, and is not run again.
func (rt *runtime) Record(ctx context.Context, what string, f func(context.Context) (any, error)) (any, error) {
	if rt.kept {
		return rt.step(ctx, what, nil, &effects{}, f)
	}
	return f(ctx)
}

// Now implements dataflow.Handler.
func (rt *runtime) Now() time.Time { return rt.run.now() }

// NewID implements Runtime.
func (rt *runtime) NewID() string { return rt.run.engine.opts.NewID() }

// Logger implements Runtime.
func (rt *runtime) Logger() *slog.Logger { return rt.run.log() }

// HTTPClient implements Runtime.
func (rt *runtime) HTTPClient() *http.Client { return rt.run.engine.opts.Client }

// Files implements Runtime.
func (rt *runtime) Files() (*os.Root, error) {
	if root := rt.run.engine.opts.Files; root != nil {
		return root, nil
	}
	return nil, &dataflow.Error{Code: "no_files", Status: dataflow.StatusInternal,
		Message: "the app declares no folder for files", Hint: `declare one: Nexus(files = "files")`}
}

// inHandler makes the problems of an error those of code, not of the caller's
// input: their pointers led into arguments that a function made.
func inHandler(err error, what string) error {
	e := dataflow.AsError(err)
	if len(e.Problems) == 0 {
		return e
	}
	out := *e
	out.Problems = slices.Clone(e.Problems)
	for i, p := range out.Problems {
		if p.Pointer != "" {
			p.Detail = what + ": " + strings.TrimPrefix(partName("", p.Pointer), ".") + ": " + p.Detail
			p.Pointer = ""
		}
		out.Problems[i] = p
	}
	return &out
}

// handlerConfig checks the arguments that a function gives a node type.
func handlerConfig(spec *dataflow.NodeSpec, args *dataflow.Object) (*dataflow.Object, []dataflow.Problem) {
	config := dataflow.NewObject()
	var problems []dataflow.Problem
	for _, f := range spec.Params {
		v, ok := args.Get(f.Name)
		switch {
		case ok:
			out, ps := coerceParam(f, v)
			config.Set(f.Name, out)
			problems = append(problems, ps...)
		case f.HasDefault:
			config.Set(f.Name, f.Default)
		case f.Required():
			problems = append(problems, dataflow.Problem{Code: "required", Pointer: "/" + escape(f.Name),
				Detail: f.Name + " is required"})
		}
	}
	for name, v := range args.All {
		switch {
		case spec.Param(name) != nil:
		case spec.Rest != nil:
			config.Set(name, v)
		default:
			problems = append(problems, dataflow.Problem{Code: "unknown_parameter", Pointer: "/" + escape(name),
				Detail: fmt.Sprintf("%s takes no %q", spec.Name, name), Hint: dataflow.DidYouMean(name, paramNames(spec))})
		}
	}
	return config, problems
}

// coerceParam brings a value into a parameter's type. What may be anything may
// also be what codec does not know: a function, a workflow.
func coerceParam(f *dataflow.Field, v any) (any, []dataflow.Problem) {
	if f.Type.Kind == dataflow.KindAny {
		return v, nil
	}
	return codec.Coerce(f, v, "/"+escape(f.Name))
}

func (e *Engine) operationType(op dataflow.Op) (*opNode, error) {
	n, ok := e.plan.opNodes[op]
	if ok {
		return n, nil
	}
	i, ok := e.plan.modelIndex[op.Model]
	if !ok {
		return nil, &dataflow.Error{Code: "not_found", Status: dataflow.StatusInternal, Message: "the model belongs to no database of the app"}
	}
	return &opNode{op: op, model: i}, nil
}

func (e *Engine) unknownNodeType(name string, found int) error {
	err := &dataflow.Error{Code: "not_found", Status: dataflow.StatusInternal, Message: fmt.Sprintf("unknown node type %q", name)}
	if found > 1 {
		err.Message = fmt.Sprintf("%q can mean %d node types", name, found)
		err.Hint = "run the operation itself, as ctx.run(Order.create, …)"
		return err
	}
	names := []string{aggregateNode}
	for t := range e.plan.types {
		names = append(names, t)
	}
	slices.Sort(names)
	for _, m := range e.plan.models {
		for _, kind := range dataflow.AllOps() {
			names = append(names, m.Name+kind.NodeSuffix())
		}
	}
	err.Hint = dataflow.DidYouMean(name, names)
	return err
}

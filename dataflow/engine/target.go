package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/flowctl/flowctl/dataflow"
)

// targetPlan is what a Repeater runs: one of the first four.
type targetPlan struct {
	callee *workflowPlan
	op     *opNode
	typ    NodeType
	fn     dataflow.Func
	args   map[string]string
	noData bool
	effects
}

// targetOf resolves what a Repeater names. Its Checker reports configs that
// name nothing, or several things.
func (w *wfPlanner) targetOf(n *nodePlan) {
	r, ok := n.typ.(Repeater)
	if !ok {
		return
	}
	t := r.Target(n.raw)
	tp := &targetPlan{args: t.Args, noData: t.NoData}
	switch node := t.Node.(type) {
	case dataflow.Op:
		tp.op = w.operationTarget(n, node)
	case *dataflow.Op:
		tp.op = w.operationTarget(n, *node)
	case string:
		w.nodeTarget(n, tp, node)
	}
	switch {
	case t.Workflow != nil:
		if tp.callee = w.called(n, t.Workflow); tp.callee != nil {
			tp.effects.add(&tp.callee.effects)
		}
	case t.Fn != nil:
		tp.fn = t.Fn
	case tp.op != nil:
		tp.effects = tp.op.effects()
	case tp.typ != nil:
		tp.effects = w.specEffects(tp.typ.Spec(), dataflow.NewObject())
	}
	if tp.callee == nil && tp.fn == nil && tp.op == nil && tp.typ == nil {
		return
	}
	n.target = tp
}

func (w *wfPlanner) operationTarget(n *nodePlan, op dataflow.Op) *opNode {
	if _, ok := w.planner.plan.modelIndex[op.Model]; !ok {
		w.errorf("FC300", partSpan(n.node, "/config/node"), "the model %s belongs to no database of the app", op.Model.Name)
		return nil
	}
	return w.opType(op)
}

// nodeTarget finds the type of node that is run.
func (w *wfPlanner) nodeTarget(n *nodePlan, tp *targetPlan, name string) {
	span := partSpan(n.node, "/config/node")
	stand := *n.node // for what is reported: the name stands in the config here
	stand.Type, stand.Op = name, nil
	stand.Spans = dataflow.Spans{"/type": span}
	if name == aggregateNode {
		w.errorf("FC300", span, "name the operation of a model instead of %s", name).Hint = "write Order.aggregate"
		return
	}
	switch typ := w.resolveType(&stand).(type) {
	case nil:
	case *opNode:
		tp.op = typ
	case Scoper, Repeater, WorkflowCaller:
		w.errorf("FC300", span, "%s runs nodes itself, and can't be run by %s", name, n.spec.Name).
			Hint = `run a workflow instead: {"workflow": …}`
	case Waiter:
		w.errorf("FC357", span, "%s waits, and can't be run by %s", name, n.spec.Name).
			Hint = `put a node of it before or behind this one: a run rests between its nodes`
	default:
		tp.typ = typ
	}
}

// takes reports whether the target has a parameter of that name.
func (t *targetPlan) takes(name string) bool {
	switch {
	case t.callee != nil:
		_, ok := t.callee.wf.InputShape.Index(name)
		return ok
	case t.fn != nil:
		return slices.ContainsFunc(t.fn.Params(), func(p dataflow.Param) bool { return p.Rest || p.Name == name })
	}
	return t.spec().Rest != nil || t.spec().Param(name) != nil
}

func (t *targetPlan) spec() *dataflow.NodeSpec {
	if t.op != nil {
		return t.op.spec
	}
	return t.typ.Spec()
}

// title names the target in a message, and names are its parameters.
func (t *targetPlan) title() (title string, names []string) {
	switch {
	case t.callee != nil:
		for _, f := range t.callee.wf.Input {
			names = append(names, f.Name)
		}
		return "the workflow " + t.callee.wf.Name, names
	case t.fn != nil:
		for _, p := range t.fn.Params() {
			names = append(names, p.Name)
		}
		return t.fn.Name(), names
	}
	return t.spec().Name, paramNames(t.spec())
}

// checkTarget checks the names that the target is given, and what it does.
func (w *wfPlanner) checkTarget(n *nodePlan) {
	t := n.target
	title, names := t.title()
	for ptr, name := range t.args {
		if t.takes(name) {
			continue
		}
		span := n.keySpanOf(ptr)
		if ptr == "/as" {
			span = n.spanOf(ptr)
		}
		w.errorf("FC347", span, "%s takes no %q", title, name).Hint = dataflow.NearOrAll(name, names)
	}
	if t.noData && t.data() {
		w.errorf("FC347", n.node.Span, "%s uses a database, so %s can't run it", title, n.spec.Name).
			Hint = "a value kept from before would hide what has been written since: read the database itself"
	}
}

// giveTarget lets a call run its node's target.
func (f *frame) giveTarget(call *Call, n *nodePlan) {
	t := n.target
	call.Concurrent = !t.data() && f.run.tx == nil // savepoints of retries are the transaction's
	call.Takes = t.takes
	call.Target = func(ctx context.Context, i int, args *dataflow.Object) (any, error) {
		return f.runTarget(ctx, n, call.Key+"#"+strconv.Itoa(i), args)
	}
	call.Try = func(ctx context.Context, i int, args *dataflow.Object) (out any, err error, fatal bool) {
		key := call.Key + "#" + strconv.Itoa(i)
		body := func() (err error) {
			out, err = f.runTarget(ctx, n, key, args)
			return err
		}
		if t.data() {
			err = f.run.savepoint(ctx, body)
		} else {
			err = body()
		}
		if err == nil {
			return out, nil, false
		}
		if ctx.Err() != nil || f.run.restarts() || dataflow.AsError(err).Status == dataflow.StatusInternal {
			return nil, err, true
		}
		if failed := f.run.undoBelow(ctx, key); failed != nil {
			return nil, failed, true
		}
		return nil, err, false
	}
}

// runTarget runs a node's target once.
func (f *frame) runTarget(ctx context.Context, n *nodePlan, key string, args *dataflow.Object) (out any, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	defer func() {
		if p := recover(); p != nil {
			err = f.run.panicked(p, f.plan.wf, n.node.ID)
		}
	}()
	switch t := n.target; {
	case t.callee != nil:
		return f.run.nested(ctx, t.callee, key, f.depth+1, args)
	case t.op != nil:
		return f.run.operation(ctx, t.op, args)
	case t.fn != nil:
		if problems := t.misnamed(args); len(problems) > 0 {
			return nil, dataflow.Invalid(problems...)
		}
		return t.fn.Call(ctx, nil, args)
	case t.typ != nil:
		config, problems := handlerConfig(t.typ.Spec(), args)
		if len(problems) > 0 {
			return nil, dataflow.Invalid(problems...)
		}
		return t.typ.Run(ctx, &Call{Config: config, Key: key, Runtime: &runtime{run: f.run, key: key, depth: f.depth}})
	}
	return nil, dataflow.Internal(errors.New("the node has no target"))
}

// misnamed is what is wrong with the names of a function's arguments: data gives
// them, so that it is no fault of the function.
func (t *targetPlan) misnamed(args *dataflow.Object) (problems []dataflow.Problem) {
	for _, p := range t.fn.Params() {
		if v, given := args.Get(p.Name); p.Required && !p.Rest && (!given || v == dataflow.Absent) {
			problems = append(problems, dataflow.Problem{Code: "required", Pointer: "/" + escape(p.Name), Detail: p.Name + " is required"})
		}
	}
	for name := range args.All {
		if !t.takes(name) {
			title, names := t.title()
			problems = append(problems, dataflow.Problem{Code: "unknown_parameter", Pointer: "/" + escape(name),
				Detail: fmt.Sprintf("%s takes no %q", title, name), Hint: dataflow.DidYouMean(name, names)})
		}
	}
	return problems
}

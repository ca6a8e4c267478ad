package nodes

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// What nodes that run something else have in common: its three names.
const targetForms = `name what to run, one of {"workflow": …}, {"node": "HTTPRequestNode"} and {"fn": function}`

func targetParams() []*dataflow.Field {
	return []*dataflow.Field{
		{Name: "workflow", Type: dataflow.Any, Optional: true, Doc: "runs a workflow, given as it is or by the name it is registered under"},
		{Name: "node", Type: dataflow.Any, Optional: true, Doc: "or a node type, `\"HTTPRequestNode\"`, or an operation, `Order.create`"},
		{Name: "fn", Type: dataflow.Any, Optional: true, Doc: "or a function of the file"},
	}
}

// targetFrom reads them.
func targetFrom(config *dataflow.Object) engine.Target {
	t := engine.Target{Args: map[string]string{}}
	t.Workflow, _ = config.Get("workflow")
	t.Node, _ = config.Get("node")
	fn, _ := config.Get("fn")
	t.Fn, _ = fn.(dataflow.Func)
	return t
}

// addNames notes the names of an object of the config as arguments.
func addNames(t *engine.Target, config *dataflow.Object, param string) {
	v, _ := config.Get(param)
	if o, ok := v.(*dataflow.Object); ok && o != nil {
		for name := range o.All {
			t.Args["/"+param+"/"+name] = name
		}
	}
}

// checkTarget checks that a config names one thing to run.
func checkTarget(node *dataflow.Node) []dataflow.Diagnostic {
	var given []string
	for _, name := range []string{"workflow", "node", "fn"} {
		if node.Config.Has(name) {
			given = append(given, name)
		}
	}
	bad := func(ptr, message string) []dataflow.Diagnostic {
		return []dataflow.Diagnostic{problem("FC347", node, ptr, message, targetForms)}
	}
	switch {
	case len(given) == 0:
		return bad("", "the node has nothing to run")
	case len(given) > 1:
		return bad("/"+given[1], given[0]+" and "+given[1]+" are both given")
	}
	v, _ := node.Config.Get(given[0])
	ok := false
	switch v := v.(type) {
	case string:
		ok = given[0] != "fn"
	case *dataflow.Workflow:
		ok = given[0] == "workflow"
	case dataflow.Op, *dataflow.Op:
		ok = given[0] == "node"
	case dataflow.Func:
		ok = given[0] == "fn" && v != nil
	}
	if !ok {
		return bad("/"+given[0], given[0]+" must be known when the file is loaded")
	}
	return nil
}

// mapNode runs something for each item of a list.
type mapNode struct{ spec *dataflow.NodeSpec }

// Bounds of what a node repeats.
const (
	maxItems  = 10_000
	maxRounds = 10_000
	maxAtOnce = 16
)

func newMap() *mapNode {
	return &mapNode{&dataflow.NodeSpec{
		Name: "MapNode",
		Doc: "Runs a workflow, a node type or a function for each item of a list and gives the results in the items' order. " +
			"The item is the argument that `as` names; without `as` an item that is an object gives the arguments by name. " +
			"`with` adds the same arguments each time. What uses a database runs item by item in the run's transaction; what does not, " +
			"and depends on no data, runs `parallel` at a time. " +
			"With `on_error = \"fail\"` the first item that fails fails the node; with `\"skip\"` it is left out of `results`, with `\"collect\"` " +
			"its result is null; both list it in `errors`, and undo what it did to the database. " +
			"At most 10,000 items.",
		Params: append([]*dataflow.Field{itemsParam()}, append(targetParams(),
			&dataflow.Field{Name: "as", Type: dataflow.String, Optional: true, Doc: "the argument that an item is"},
			&dataflow.Field{Name: "with", Type: &dataflow.Type{Kind: dataflow.KindObject}, Optional: true, Doc: "further arguments, by name"},
			&dataflow.Field{Name: "parallel", Type: dataflow.Int, Default: int64(4), HasDefault: true, Ge: int64(1), Le: int64(maxAtOnce),
				Doc: "how many items at a time, before the transaction"},
			&dataflow.Field{Name: "on_error", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"fail", "skip", "collect"}},
				Default: "fail", HasDefault: true, Doc: "what it means that an item fails"},
		)...),
		Effect: dataflow.EffectPure, // the plan takes that of what it runs
		Output: dataflow.ObjectType(
			&dataflow.Field{Name: "results", Type: dataflow.ListOf(dataflow.Any)},
			&dataflow.Field{Name: "count", Type: dataflow.Int, Doc: "items that did not fail"},
			&dataflow.Field{Name: "errors", Type: dataflow.ListOf(dataflow.ObjectType(
				&dataflow.Field{Name: "index", Type: dataflow.Int},
				&dataflow.Field{Name: "code", Type: dataflow.String},
				&dataflow.Field{Name: "message", Type: dataflow.String},
			))},
		),
	}}
}

// Spec implements engine.NodeType.
func (t *mapNode) Spec() *dataflow.NodeSpec { return t.spec }

// Target implements engine.Repeater.
func (t *mapNode) Target(config *dataflow.Object) engine.Target {
	out := targetFrom(config)
	addNames(&out, config, "with")
	if as, ok := stringOf(config, "as"); ok {
		out.Args["/as"] = as
	}
	return out
}

// Check implements engine.Checker.
func (t *mapNode) Check(_ *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	as, given := node.Config.Get("as")
	if _, text := as.(string); given && !text {
		return []dataflow.Diagnostic{problem("FC347", node, "/as", "as names an argument, written out", `write "as": "item"`)}
	}
	return checkTarget(node)
}

// Run implements engine.NodeType.
func (t *mapNode) Run(ctx context.Context, call *engine.Call) (any, error) {
	items := itemsOf(call)
	if len(items) > maxItems {
		return nil, dataflow.Invalid(dataflow.Problem{Code: "too_long", Pointer: "/items", Detail: fmt.Sprintf("has more than %d items", maxItems)})
	}
	as, _ := stringOf(call.Config, "as")
	with := withOf(call)
	args := make([]*dataflow.Object, len(items))
	for i, item := range items {
		o, err := argsOf(item, as, with)
		if err != nil {
			return nil, atItem(err, i)
		}
		args[i] = o
	}
	policy, _ := stringOf(call.Config, "on_error")
	m := &mapping{call: call, args: args, tolerant: policy != "fail", results: make([]any, len(items)), errs: make([]error, len(items))}
	atOnce, _ := call.Config.Get("parallel")
	if !call.Concurrent {
		atOnce = int64(1)
	}
	if err := m.run(ctx, int(atOnce.(int64))); err != nil {
		return nil, err
	}
	return m.output(policy == "skip"), nil
}

// withOf returns the arguments that are the same each time.
func withOf(call *engine.Call) *dataflow.Object {
	v, _ := call.Config.Get("with")
	with, _ := decoded(v).(*dataflow.Object)
	if with == nil {
		with = dataflow.NewObject()
	}
	return with
}

// argsOf makes arguments of an item.
func argsOf(item any, as string, with *dataflow.Object) (*dataflow.Object, error) {
	args := with.Clone()
	if as != "" {
		args.Set(as, item)
		return args, nil
	}
	o, ok := decoded(item).(*dataflow.Object)
	if !ok || o == nil {
		return nil, dataflow.Invalid(dataflow.Problem{Code: "wrong_type", Pointer: "/items", Detail: "is no object, so it gives no arguments by name",
			Hint: `say which argument it is: "as": "name"`})
	}
	for name, v := range o.All {
		if with.Has(name) {
			continue // what the file fixes, an item can't change
		}
		args.Set(name, v)
	}
	return args, nil
}

// mapping is one run over a list.
type mapping struct {
	call     *engine.Call
	args     []*dataflow.Object
	tolerant bool
	results  []any
	errs     []error // of items that failed alone
}

// run runs the items, so many at a time. Of several that fail for good the
// first of the list is told.
func (m *mapping) run(ctx context.Context, atOnce int) error {
	if atOnce == 1 {
		for i := range m.args {
			if err := m.item(ctx, i); err != nil {
				return err
			}
		}
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fatal := make([]error, len(m.args))
	slots := make(chan struct{}, atOnce)
	var wg sync.WaitGroup
	for i := range m.args {
		slots <- struct{}{}
		if ctx.Err() != nil {
			<-slots
			break
		}
		wg.Go(func() {
			defer func() { <-slots }()
			if fatal[i] = m.item(ctx, i); fatal[i] != nil {
				cancel()
			}
		})
	}
	wg.Wait()
	var first error
	for _, err := range fatal {
		if err != nil && (first == nil || errors.Is(first, context.Canceled) && !errors.Is(err, context.Canceled)) {
			first = err
		}
	}
	if first == nil {
		return ctx.Err()
	}
	return first
}

// item runs one item. The error is the node's.
func (m *mapping) item(ctx context.Context, i int) error {
	if !m.tolerant {
		out, err := m.call.Target(ctx, i, m.args[i])
		if err != nil {
			return itemError(err, i)
		}
		m.results[i] = present(out)
		return nil
	}
	out, err, fatal := m.call.Try(ctx, i, m.args[i])
	if err != nil && fatal {
		return itemError(err, i)
	}
	m.results[i], m.errs[i] = present(out), err
	return nil
}

// itemError keeps a context's error as it is: the engine words it.
func itemError(err error, i int) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return inside(err, fmt.Sprintf("item %d", i))
}

// inside makes the problems of an error those of what a node runs, not of its
// own config.
func inside(err error, what string) error {
	out := *dataflow.AsError(err)
	if out.Status == dataflow.StatusInternal {
		return &out
	}
	between := ": "
	for _, p := range out.Problems {
		what += between + p.Pointer
		if p.Pointer != "" {
			what += " "
		}
		what += p.Detail
		between = "; "
	}
	if len(out.Problems) == 0 {
		what += ": " + out.Message
	}
	out.Problems, out.Message = nil, what
	return &out
}

// present is a result as it stands in a list: what was skipped is null.
func present(v any) any {
	if v == dataflow.Absent {
		return nil
	}
	return v
}

func (m *mapping) output(skip bool) *dataflow.Object {
	results, failed := m.results, []any{}
	if skip {
		results = make([]any, 0, len(m.results))
	}
	for i, err := range m.errs {
		if err == nil {
			if skip {
				results = append(results, m.results[i])
			}
			continue
		}
		e := dataflow.AsError(inside(err, fmt.Sprintf("item %d", i)))
		failed = append(failed, dataflow.ObjectOf("index", int64(i), "code", e.Code, "message", e.Message))
	}
	return dataflow.ObjectOf("results", results, "count", int64(len(m.args)-len(failed)), "errors", failed)
}

// loop runs something until it is done.
type loop struct{ spec *dataflow.NodeSpec }

func newLoop() *loop {
	return &loop{&dataflow.NodeSpec{
		Name: "LoopNode",
		Doc: "Runs a workflow, a node type or a function again and again. `state` is where it starts: each round is given those values of the " +
			"state that it has an argument for, and what it returns by name is set in the state for the next. It ends when `until` holds after a round: " +
			"the name of a bool of the state, or a function of the state. After `max` rounds without that the node fails with the code " +
			"`loop_bound`; with `on_max = \"stop\"` it ends with `done` false instead.",
		Params: append(targetParams(),
			&dataflow.Field{Name: "state", Type: &dataflow.Type{Kind: dataflow.KindObject}, Optional: true, Doc: "values by name, to start with"},
			&dataflow.Field{Name: "until", Type: dataflow.Any, Doc: "a name, \"done\" or \"page.last\", or a function of the state"},
			&dataflow.Field{Name: "max", Type: dataflow.Int, Ge: int64(1), Le: int64(maxRounds), Doc: "the most rounds"},
			&dataflow.Field{Name: "on_max", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"fail", "stop"}},
				Default: "fail", HasDefault: true, Doc: "what it means to reach it"},
		),
		Effect: dataflow.EffectPure, // the plan takes that of what it runs
		Output: dataflow.ObjectType(
			&dataflow.Field{Name: "state", Type: &dataflow.Type{Kind: dataflow.KindObject}},
			&dataflow.Field{Name: "rounds", Type: dataflow.Int},
			&dataflow.Field{Name: "done", Type: dataflow.Bool},
		),
	}}
}

// Spec implements engine.NodeType.
func (t *loop) Spec() *dataflow.NodeSpec { return t.spec }

// Target implements engine.Repeater. Values of the state that the target does
// not take are kept for until.
func (t *loop) Target(config *dataflow.Object) engine.Target { return targetFrom(config) }

// Check implements engine.Checker.
func (t *loop) Check(_ *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	ds := checkTarget(node)
	switch v, given := node.Config.Get("until"); v.(type) {
	case string:
	case dataflow.Func:
		ds = append(ds, checkFn(node, "until", 1)...)
	default:
		if given {
			ds = append(ds, problem("FC347", node, "/until", "until is the name of a bool of the state, or a function of the state", `write "until": "done"`))
		}
	}
	return ds
}

// Run implements engine.NodeType.
func (t *loop) Run(ctx context.Context, call *engine.Call) (any, error) {
	v, _ := call.Config.Get("state")
	state, _ := decoded(v).(*dataflow.Object)
	if state == nil {
		state = dataflow.NewObject()
	}
	most, _ := call.Config.Get("max")
	until, _ := call.Config.Get("until")
	for round := int64(1); ; round++ {
		args := dataflow.NewObject()
		for name, v := range state.All {
			if call.Takes(name) {
				args.Set(name, v)
			}
		}
		out, err := call.Target(ctx, int(round), args)
		if err != nil {
			if ctx.Err() != nil {
				return nil, err
			}
			return nil, inside(err, fmt.Sprintf("round %d", round))
		}
		state = merged(state, out)
		done, err := ended(ctx, until, state)
		if err != nil {
			return nil, err
		}
		if done || round == most.(int64) {
			return t.end(call, state, round, done)
		}
	}
}

// merged sets what a round returned in a copy of the state.
func merged(state *dataflow.Object, out any) *dataflow.Object {
	next := state.Clone()
	if o, ok := decoded(out).(*dataflow.Object); ok && o != nil {
		for name, v := range o.All {
			next.Set(name, v)
		}
	} else if out != nil && out != dataflow.Absent {
		next.Set("result", out)
	}
	return next
}

func ended(ctx context.Context, until any, state *dataflow.Object) (bool, error) {
	if fn, ok := until.(dataflow.Func); ok {
		return truth(ctx, fn, state)
	}
	name, _ := until.(string)
	switch v := decoded(part(state, name)).(type) {
	case bool:
		return v, nil
	case nil:
		return false, nil
	default:
		if v == dataflow.Absent {
			return false, dataflow.Invalid(dataflow.Problem{Code: "wrong_type", Pointer: "/until", Detail: fmt.Sprintf("the state has no %q after a round", name)})
		}
		return false, dataflow.Invalid(dataflow.Problem{Code: "wrong_type", Pointer: "/until", Detail: fmt.Sprintf("%s of the state is no bool", name)})
	}
}

func (t *loop) end(call *engine.Call, state *dataflow.Object, rounds int64, done bool) (any, error) {
	if policy, _ := stringOf(call.Config, "on_max"); !done && policy == "fail" {
		return nil, &dataflow.Error{Code: "loop_bound", Status: dataflow.StatusRejected,
			Message: fmt.Sprintf("the loop is not done after %d rounds", rounds), Hint: `raise max, or write "on_max": "stop" and look at done`}
	}
	return dataflow.ObjectOf("state", state, "rounds", rounds, "done", done), nil
}

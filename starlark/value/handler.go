package value

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	sl "go.starlark.net/starlark"
)

// Ctx is the first argument of a handler function.
type Ctx struct {
	ctx     context.Context
	handler dataflow.Handler
	env     *Env
}

var _ sl.HasAttrs = (*Ctx)(nil)

// String returns "ctx".
func (c *Ctx) String() string { return "ctx" }

// Type returns "ctx".
func (c *Ctx) Type() string { return "ctx" }

// Freeze does nothing: ctx is immutable.
func (c *Ctx) Freeze() {}

// Truth is always true.
func (c *Ctx) Truth() sl.Bool { return true }

// Hash fails: ctx belongs to one run.
func (c *Ctx) Hash() (uint32, error) { return 0, fmt.Errorf("unhashable type: ctx") }

// ctxAttrs is what ctx offers; the docs in starlark/spec list the same names.
var ctxAttrs = []struct {
	name string
	get  func(*Ctx) sl.Value
}{
	{"now", func(c *Ctx) sl.Value { return sl.NewBuiltin("ctx.now", c.now) }},
	{"run", func(c *Ctx) sl.Value { return sl.NewBuiltin("ctx.run", c.run) }},
	{"run_id", func(c *Ctx) sl.Value { return sl.String(c.handler.Info().RunID) }},
	{"sleep", func(c *Ctx) sl.Value { return sl.NewBuiltin("ctx.sleep", notDurable) }},
	{"tenant", func(c *Ctx) sl.Value { return textOrNone(c.handler.Info().Tenant) }},
	{"user", func(c *Ctx) sl.Value {
		if u := c.handler.Info().User; u != nil {
			return NewRecord(u)
		}
		return sl.None
	}},
	{"wait_signal", func(c *Ctx) sl.Value { return sl.NewBuiltin("ctx.wait_signal", notDurable) }},
	{"workflow", func(c *Ctx) sl.Value { return sl.NewBuiltin("ctx.workflow", c.workflow) }},
}

func textOrNone(s string) sl.Value {
	if s == "" {
		return sl.None
	}
	return sl.String(s)
}

// Attr returns run, workflow, now, user, tenant or run_id.
func (c *Ctx) Attr(name string) (sl.Value, error) {
	for _, a := range ctxAttrs {
		if a.name == name {
			return a.get(c), nil
		}
	}
	return nil, nil
}

// AttrNames lists what Attr knows.
func (c *Ctx) AttrNames() []string { return CtxNames() }

// CtxNames lists the attributes of ctx.
func CtxNames() []string {
	names := make([]string, len(ctxAttrs))
	for i, a := range ctxAttrs {
		names[i] = a.name
	}
	return names
}

func notDurable(_ *sl.Thread, b *sl.Builtin, _ sl.Tuple, _ []sl.Tuple) (sl.Value, error) {
	return nil, fmt.Errorf("%s is not in this version yet: a handler runs in one transaction and can't wait", b.Name())
}

// run is ctx.run(operation or node type, {arguments}, name = argument, …).
func (c *Ctx) run(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	if len(args) == 0 {
		return nil, errors.New(`ctx.run: say what to run, as ctx.run(Order.create, total = …) or ctx.run("HTTPRequestNode", url = …)`)
	}
	input, err := arguments(b.Name(), args[1:], kwargs)
	if err != nil {
		return nil, err
	}
	var result any
	switch what := args[0].(type) {
	case Op:
		result, err = c.handler.Run(c.ctx, what.O, input)
	case sl.String:
		result, err = c.handler.RunNode(c.ctx, string(what), input)
	case Model:
		return nil, fmt.Errorf("ctx.run: %s is a model; name an operation of it, as %s.create", what, what)
	case Workflow:
		return nil, fmt.Errorf("ctx.run: to run a workflow write ctx.workflow(%q, {…})", what.W.Name)
	default:
		return nil, fmt.Errorf("ctx.run: want an operation or the name of a node type, not %s", what.Type())
	}
	return c.answer(thread, result, err)
}

// workflow is ctx.workflow(name, {inputs}, name = input, …).
func (c *Ctx) workflow(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var name string
	if len(args) > 0 {
		switch what := args[0].(type) {
		case sl.String:
			name = string(what)
		case Workflow:
			name = what.W.Name
		}
	}
	if name == "" {
		return nil, errors.New(`ctx.workflow: name a registered workflow, as ctx.workflow("place_order", {…})`)
	}
	input, err := arguments(b.Name(), args[1:], kwargs)
	if err != nil {
		return nil, err
	}
	result, err := c.handler.Workflow(c.ctx, name, input)
	return c.answer(thread, result, err)
}

// now is the time at which the run reads its clock, for handlers whose
// runtime has one.
func (c *Ctx) now(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	if err := sl.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	clock, ok := c.handler.(interface{ Now() time.Time })
	if !ok {
		return nil, errors.New("ctx.now: this run has no clock")
	}
	return NewDateTime(clock.Now())
}

// answer keeps the identity of an error and gives it the place of the call.
func (c *Ctx) answer(thread *sl.Thread, result any, err error) (sl.Value, error) {
	if err == nil {
		return FromGo(result), nil
	}
	e := *dataflow.AsError(err)
	if e.Span.IsZero() {
		e.Span = c.env.Locate(thread.CallFrame(1).Pos)
	}
	return nil, &e
}

// arguments joins a dict of arguments with those given by name.
func arguments(fn string, args sl.Tuple, kwargs []sl.Tuple) (*dataflow.Object, error) {
	out := dataflow.NewObject()
	if len(args) > 1 {
		return nil, fmt.Errorf("%s: give the arguments by name or as one dict", fn)
	}
	if len(args) == 1 {
		m, ok := args[0].(sl.IterableMapping)
		if !ok {
			return nil, fmt.Errorf("%s: the arguments are a dict, not a %s", fn, args[0].Type())
		}
		if err := addAll(fn, out, m.Items()); err != nil {
			return nil, err
		}
	}
	return out, addAll(fn, out, kwargs)
}

func addAll(fn string, out *dataflow.Object, pairs []sl.Tuple) error {
	for _, kv := range pairs {
		name, ok := sl.AsString(kv[0])
		if !ok {
			return fmt.Errorf("%s: the key %s is no string", fn, kv[0])
		}
		if out.Has(name) {
			return fmt.Errorf("%s: %q is given twice", fn, name)
		}
		if m, ok := kv[1].(Model); ok { // that an AggregateNode is about
			out.Set(name, m.M)
			continue
		}
		v, p := toGo(kv[1], 0)
		if p != nil {
			return fmt.Errorf("%s: %w", fn, p.in(name))
		}
		out.Set(name, v)
	}
	return nil
}

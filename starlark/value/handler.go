package value

import (
	"context"
	"errors"
	"fmt"
	"math"
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
	{"sleep", func(c *Ctx) sl.Value { return sl.NewBuiltin("ctx.sleep", c.sleep) }},
	{"tenant", func(c *Ctx) sl.Value { return textOrNone(c.handler.Info().Tenant) }},
	{"user", func(c *Ctx) sl.Value {
		if u := c.handler.Info().User; u != nil {
			return NewRecord(u)
		}
		return sl.None
	}},
	{"wait_signal", func(c *Ctx) sl.Value { return sl.NewBuiltin("ctx.wait_signal", c.waitSignal) }},
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

// sleep is ctx.sleep(duration).
func (c *Ctx) sleep(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var length sl.Value
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "duration", &length); err != nil {
		return nil, err
	}
	d, err := lengthOf(b.Name(), "duration", length)
	if err != nil {
		return nil, err
	}
	return c.answer(thread, nil, c.handler.Sleep(c.ctx, d))
}

// waitSignal is ctx.wait_signal(name, timeout = duration, default = value).
func (c *Ctx) waitSignal(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	var name string
	var length, other sl.Value
	if err := sl.UnpackArgs(b.Name(), args, kwargs, "name", &name, "timeout??", &length, "default?", &other); err != nil {
		return nil, err
	}
	if !dataflow.NamesSignal(name) {
		return nil, fmt.Errorf("%s: the name of a signal has 1 to %d bytes, of UTF-8 and without the character NUL", b.Name(), dataflow.MaxSignal)
	}
	var timeout time.Duration
	if length != nil {
		var err error
		if timeout, err = lengthOf(b.Name(), "timeout", length); err != nil {
			return nil, err
		}
	} else if other != nil {
		return nil, fmt.Errorf("%s: default is never used without a timeout", b.Name())
	}
	var value any
	if other != nil {
		v, p := toGo(other, 0)
		if p != nil {
			return nil, fmt.Errorf("%s: default: %w", b.Name(), p)
		}
		value = v
	}
	v, err := c.handler.WaitSignal(c.ctx, name, timeout, value, other != nil)
	return c.answer(thread, v, err)
}

// lengthOf reads a length of time that a function gives: more than nothing.
func lengthOf(fn, name string, v sl.Value) (d time.Duration, err error) {
	switch v := v.(type) {
	case Duration:
		d = v.D
	case sl.String:
		if d, err = ParseDuration(string(v)); err != nil {
			return 0, fmt.Errorf("%s: %s: %w", fn, name, err)
		}
	case sl.Int:
		n, ok := v.Int64()
		if !ok || n > math.MaxInt64/int64(time.Millisecond) {
			return 0, fmt.Errorf("%s: %s is too long", fn, name)
		}
		d = time.Duration(n) * time.Millisecond
	default:
		return 0, fmt.Errorf(`%s: %s is a duration, as "3d" or hours(2), or milliseconds, not %s`, fn, name, v.Type())
	}
	if d <= 0 {
		return 0, fmt.Errorf("%s: %s is more than 0", fn, name)
	}
	return d, nil
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
	name := workflowName(args)
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

// workflowName is the name of the workflow that the first argument is; "" if it
// is none.
func workflowName(args sl.Tuple) string {
	if len(args) > 0 {
		switch what := args[0].(type) {
		case sl.String:
			return string(what)
		case Workflow:
			return what.W.Name
		}
	}
	return ""
}

// now is the time at which the run reads its clock.
func (c *Ctx) now(thread *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
	if err := sl.UnpackArgs(b.Name(), args, kwargs); err != nil {
		return nil, err
	}
	return c.Record(thread, "now", func(context.Context) (sl.Value, error) { return NewDateTime(c.handler.Now()) })
}

// Record gives a function what f gives: something that may differ from call to
// call, as the clock or chance. Everything of the kind that a module offers
// goes through here, so that a run which is kept gets the same when it is run
// again. what names it.
func (c *Ctx) Record(thread *sl.Thread, what string, f func(context.Context) (sl.Value, error)) (sl.Value, error) {
	v, err := c.handler.Record(c.ctx, what, func(ctx context.Context) (any, error) {
		v, err := f(ctx)
		if err != nil {
			return nil, err
		}
		out, p := toGo(v, 0)
		if p != nil {
			return nil, fmt.Errorf("%s: %w", what, p)
		}
		return out, nil
	})
	return c.answer(thread, v, err)
}

// answer keeps the identity of an error and gives it the place of the call.
func (c *Ctx) answer(thread *sl.Thread, result any, err error) (sl.Value, error) {
	if err == nil {
		return FromGo(result), nil
	}
	e := *dataflow.AsError(err)
	if e.Span.IsZero() {
		if pos, ok := innermost(thread.CallStackDepth(), thread.CallFrame); ok {
			e.Span = c.env.Locate(pos)
		}
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

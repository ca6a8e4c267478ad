package nodes

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// wait makes a run rest until a time.
type wait struct{ spec *dataflow.NodeSpec }

func newWait() *wait {
	return &wait{&dataflow.NodeSpec{
		Name: "WaitNode",
		Doc: "Makes the run rest, `for` a while or `until` a time; what stands after it in the workflow runs then. A workflow that waits " +
			"is durable: the run rests in the database, not in a process.",
		Params: []*dataflow.Field{
			{Name: "for", Type: dataflow.Any, Optional: true, Doc: "how long, written out: `\"3d\"`, or milliseconds"},
			{Name: "until", Type: dataflow.DateTime, Optional: true, Doc: "or until when; a time that is past does not wait"},
		},
		Effect: dataflow.EffectPure,
		Output: dataflow.ObjectType(&dataflow.Field{Name: "until", Type: dataflow.DateTime, Doc: "when the wait was to end"}),
	}}
}

// Spec implements engine.NodeType.
func (t *wait) Spec() *dataflow.NodeSpec { return t.spec }

// Check implements engine.Checker.
func (t *wait) Check(_ *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	d, hasFor := node.Config.Get("for")
	_, hasUntil := node.Config.Get("until")
	if hasFor == hasUntil {
		return []dataflow.Diagnostic{problem("FC347", node, "", "a WaitNode has one of for and until", `write {"for": "3d"} or {"until": "${input.at}"}`)}
	}
	if hasFor && !dynamic(d) {
		if _, ok := ttlOf(d); !ok {
			return []dataflow.Diagnostic{problem("FC347", node, "/for", "for is a duration of more than 0", `write {"for": "3d"}`)}
		}
	}
	return nil
}

// dynamic reports whether only the run knows a value.
func dynamic(v any) bool {
	switch v.(type) {
	case dataflow.Ref, *dataflow.Template:
		return true
	}
	return false
}

// Run implements engine.NodeType.
func (t *wait) Run(context.Context, *engine.Call) (any, error) {
	return nil, dataflow.Internal(errors.New("WaitNode is run by the engine"))
}

// Listens implements engine.Listener.
func (t *wait) Listens(*dataflow.Object) (dataflow.Signal, bool) { return dataflow.Signal{}, true }

// Wait implements engine.Waiter.
func (t *wait) Wait(call *engine.Call) (*engine.Waiting, error) {
	if until, ok := call.Config.Get("until"); ok && until != nil {
		at, _ := until.(time.Time)
		return &engine.Waiting{Until: at}, nil
	}
	d, err := durationIn(call.Config, "for")
	if err != nil {
		return nil, err
	}
	return &engine.Waiting{Until: call.Runtime.Now().Add(d).Truncate(time.Microsecond)}, nil
}

// durationIn reads a duration that the run has worked out.
func durationIn(config *dataflow.Object, name string) (time.Duration, error) {
	v, _ := config.Get(name)
	d, ok := ttlOf(v)
	if !ok {
		return 0, dataflow.Invalid(dataflow.Problem{Code: "format", Pointer: "/" + name, Detail: "must be a duration of more than 0", Hint: `"3d", "2h30m", or milliseconds`})
	}
	return d, nil
}

// Came implements engine.Waiter.
func (t *wait) Came(_ *engine.Call, w *engine.Waiting, _ any, _ bool) (any, error) {
	return dataflow.ObjectOf("until", w.Until), nil
}

// signal makes a run rest until somebody sends it a signal.
type signal struct{ spec *dataflow.NodeSpec }

func newSignal() *signal {
	return &signal{&dataflow.NodeSpec{
		Name: "SignalNode",
		Doc: "Makes the run rest until somebody sends it the signal `name`: an approval, or an event outside. It is sent with " +
			"`POST /runs/{id}/signal`, `flowctl runs signal` or the MCP tool; one that comes before the run waits for it is kept for it. " +
			"Once `timeout` is over the node gives the `default`, or fails with `signal_timeout` if there is none. " +
			"A workflow that waits is durable: the run rests in the database, not in a process.",
		Params: []*dataflow.Field{
			{Name: "name", Type: dataflow.String, MinLength: ptr(1), MaxLength: ptr(100), Doc: "the signal's name"},
			{Name: "payload", Type: dataflow.Any, Optional: true, Doc: "the type of what has to come with it, as that of an input of a workflow: `{\"approved\": bool, \"note\": field(str, optional = True)}`; " +
				"a signal with anything else is refused (422) when it is sent. Without it, anything may come"},
			{Name: "timeout", Type: dataflow.Any, Optional: true, Doc: "how long, written out: `\"2d\"`, or milliseconds; without it for ever"},
			{Name: "default", Type: dataflow.Any, Optional: true, Doc: "the payload if no signal comes in time"},
		},
		Effect:   dataflow.EffectPure,
		Output:   signalType(nil),
		OutputOf: func(config *dataflow.Object) *dataflow.Type { return signalType(payloadOf(config)) },
	}}
}

// signalType is the type of what a SignalNode gives.
func signalType(payload *dataflow.Field) *dataflow.Type {
	f := &dataflow.Field{Name: "payload", Type: dataflow.Any, Doc: "what was sent with it; null if nothing was"}
	if payload != nil {
		f.Type, f.Optional = payload.Type, true // a default may be null
	}
	return dataflow.ObjectType(&dataflow.Field{Name: "received", Type: dataflow.Bool, Doc: "false: the time was over"}, f)
}

// payloadOf is what the file says has to come with a signal; nil: anything may.
func payloadOf(config *dataflow.Object) *dataflow.Field {
	v, _ := config.Get("payload")
	f, _ := v.(*dataflow.Field)
	return f
}

// Spec implements engine.NodeType.
func (t *signal) Spec() *dataflow.NodeSpec { return t.spec }

// Check implements engine.Checker.
func (t *signal) Check(_ *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	d, hasTimeout := node.Config.Get("timeout")
	if hasTimeout && !dynamic(d) {
		if _, ok := ttlOf(d); !ok {
			return []dataflow.Diagnostic{problem("FC347", node, "/timeout", "timeout is a duration of more than 0", `write {"timeout": "2d"}, or leave it out to wait for ever`)}
		}
	}
	if v, given := node.Config.Get("payload"); given && payloadOf(node.Config) == nil && v != nil {
		return []dataflow.Diagnostic{problem("FC347", node, "/payload", "payload is a type, written out", `as that of an input: "payload": {"approved": bool}`)}
	}
	if v, _ := node.Config.Get("name"); dynamic(v) && payloadOf(node.Config) != nil {
		return []dataflow.Diagnostic{problem("FC347", node, "/name", "a signal whose payload is declared has a name that is known when the file is loaded",
			"write the name out: a signal is sent to one run, so that it need not tell runs apart")}
	}
	if !hasTimeout && node.Config.Has("default") {
		return []dataflow.Diagnostic{problem("FC347", node, "/default", "the default is never used: the node waits for ever", `say for how long: {"timeout": "2d", "default": …}`)}
	}
	return checkDefault(node)
}

// checkDefault checks the default of a SignalNode against what comes with its
// signal. null says that nothing came, whatever would have.
func checkDefault(node *dataflow.Node) (ds []dataflow.Diagnostic) {
	payload := payloadOf(node.Config)
	v, _ := node.Config.Get("default")
	if payload == nil || v == nil || !allFixed(v) {
		return nil
	}
	_, problems := codec.Coerce(payload, v, "/default")
	for _, p := range problems {
		if p.Hint == "" {
			p.Hint = `"default": None says that nothing came`
		}
		ds = append(ds, problem("FC347", node, p.Pointer, "the default is no payload of the signal: "+p.Detail, p.Hint))
	}
	return ds
}

// allFixed reports whether all of a value is known before the run.
func allFixed(v any) bool {
	switch v := v.(type) {
	case []any:
		return !slices.ContainsFunc(v, func(item any) bool { return !allFixed(item) })
	case *dataflow.Object:
		return allFixed(v.Vals())
	}
	return fixed(v)
}

// Run implements engine.NodeType.
func (t *signal) Run(context.Context, *engine.Call) (any, error) {
	return nil, dataflow.Internal(errors.New("SignalNode is run by the engine"))
}

// Listens implements engine.Listener.
func (t *signal) Listens(config *dataflow.Object) (dataflow.Signal, bool) {
	name, _ := config.Get("name")
	text, ok := name.(string)
	return dataflow.Signal{Name: text, Payload: payloadOf(config)}, ok
}

// Wait implements engine.Waiter.
func (t *signal) Wait(call *engine.Call) (*engine.Waiting, error) {
	name, _ := stringOf(call.Config, "name")
	w := &engine.Waiting{Signal: name}
	if call.Config.Has("timeout") {
		d, err := durationIn(call.Config, "timeout")
		if err != nil {
			return nil, err
		}
		w.Until = call.Runtime.Now().Add(d).Truncate(time.Microsecond)
	}
	return w, nil
}

// Came implements engine.Waiter.
func (t *signal) Came(call *engine.Call, w *engine.Waiting, payload any, ok bool) (any, error) {
	at := "/payload"
	if !ok {
		other, has := call.Config.Get("default")
		if !has {
			return nil, engine.SignalTimeout(w.Signal)
		}
		payload, at = other, "/default"
	}
	if ok || payload != nil {
		var err error
		if payload, err = engine.TakePayload(payloadOf(call.Config), payload, at); err != nil {
			return nil, err
		}
	}
	return dataflow.ObjectOf("received", ok, "payload", payload), nil
}

package nodes

import (
	"context"
	"fmt"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// starlark runs a function of the file.
type starlark struct{ spec *dataflow.NodeSpec }

func newStarlark() *starlark {
	return &starlark{&dataflow.NodeSpec{
		Name: "StarlarkNode",
		Doc: "Calls a function of the file. The other names of the config are its arguments. " +
			"A dict that it returns is the node's output; anything else is the output `result`.",
		Params: []*dataflow.Field{
			{Name: "fn", Type: dataflow.Any, Doc: "the function"},
		},
		Rest:   dataflow.Any,
		Effect: dataflow.EffectPure,
		Output: dataflow.Any,
	}}
}

// Spec implements engine.NodeType.
func (t *starlark) Spec() *dataflow.NodeSpec { return t.spec }

// Check implements engine.Checker: the arguments must be the function's.
func (t *starlark) Check(_ *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	v, given := node.Config.Get("fn")
	if !given {
		return nil // the engine says so
	}
	fn, ok := v.(dataflow.Func)
	if !ok {
		return []dataflow.Diagnostic{problem("FC340", node, "/fn", "fn is not a function",
			"define it with def above and give its name without brackets: {\"fn\": total}")}
	}
	return checkArgs(node, fn)
}

func checkArgs(node *dataflow.Node, fn dataflow.Func) []dataflow.Diagnostic {
	var ds []dataflow.Diagnostic
	names, rest := paramsOf(fn)
	slips := map[string]bool{} // parameters that a misspelt name most likely means
	for name := range node.Config.All {
		if name != "fn" && !rest && !slices.Contains(names, name) {
			slips[dataflow.Suggest(name, names)] = true
		}
	}
	for _, p := range fn.Params() {
		if p.Required && !p.Rest && !node.Config.Has(p.Name) && !slips[p.Name] {
			d := problem("FC340", node, "", fmt.Sprintf("%s needs the argument %q", fn.Name(), p.Name),
				fmt.Sprintf("add %q: … to the config of %s, or give the parameter a default", p.Name, node.ID))
			d.Related = []dataflow.Related{{Message: fn.Name() + " is defined here", Span: fn.Span()}}
			ds = append(ds, d)
		}
	}
	if slices.Contains(names, "fn") {
		ds = append(ds, problem("FC340", node, "/fn", fmt.Sprintf("%s has a parameter called fn, which the config uses for the function", fn.Name()),
			"rename the parameter"))
	}
	for name := range node.Config.All {
		if name == "fn" || rest || slices.Contains(names, name) {
			continue
		}
		d := problem("FC340", node, "/"+name, fmt.Sprintf("%s has no parameter %q", fn.Name(), name), dataflow.NearOrAll(name, names))
		d.Span = node.Spans.Key("/config/" + name)
		d.Related = []dataflow.Related{{Message: fn.Name() + " is defined here", Span: fn.Span()}}
		ds = append(ds, d)
	}
	return ds
}

// paramsOf lists the names of a function's parameters, and says whether it
// takes every other name too.
func paramsOf(fn dataflow.Func) (names []string, rest bool) {
	for _, p := range fn.Params() {
		if p.Rest {
			rest = true
		} else {
			names = append(names, p.Name)
		}
	}
	return names, rest
}

// Run implements engine.NodeType.
func (t *starlark) Run(ctx context.Context, call *engine.Call) (any, error) {
	v, _ := call.Config.Get("fn")
	fn, ok := v.(dataflow.Func)
	if !ok {
		return nil, dataflow.Invalid(dataflow.Problem{Code: "wrong_type", Pointer: "/fn", Detail: "fn is not a function"})
	}
	args := dataflow.NewObject()
	for name, v := range call.Config.All {
		if name != "fn" {
			args.Set(name, v)
		}
	}
	out, err := fn.Call(ctx, nil, args)
	if err != nil {
		return nil, err
	}
	if o, ok := out.(*dataflow.Object); ok {
		return o, nil
	}
	return dataflow.ObjectOf("result", out), nil
}

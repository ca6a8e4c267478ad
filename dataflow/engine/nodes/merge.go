package nodes

import (
	"context"
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// merge brings ways together again.
type merge struct{ spec *dataflow.NodeSpec }

func newMerge() *merge {
	return &merge{&dataflow.NodeSpec{
		Name: "MergeNode",
		Doc: "Brings ways together. Its inputs are what `inputs` lists, and every other name of the config " +
			"(as connections give them); those of skipped nodes are left out. The output `result` is the first " +
			"that is there (`first`), a list of them (`all`), or an object of them by name (`object`). " +
			"If none is there the node is skipped; one that refers to no node is there always, so it does for the last of a list.",
		Params: []*dataflow.Field{
			{Name: "inputs", Type: dataflow.Any, Optional: true, Doc: "a list, or a dict of names"},
			{Name: "strategy", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: []string{"first", "all", "object"}},
				Default: "first", HasDefault: true, Doc: "how they become one"},
		},
		Rest:    dataflow.Any,
		Partial: true,
		Effect:  dataflow.EffectPure,
		OutputOf: func(config *dataflow.Object) *dataflow.Type {
			t := dataflow.Any
			switch v, _ := config.Get("strategy"); v {
			case "all":
				t = dataflow.ListOf(dataflow.Any)
			case "object":
				t = &dataflow.Type{Kind: dataflow.KindObject}
			}
			return dataflow.ObjectType(&dataflow.Field{Name: "result", Type: t})
		},
	}}
}

// Spec implements engine.NodeType.
func (t *merge) Spec() *dataflow.NodeSpec { return t.spec }

// Check implements engine.Checker.
func (t *merge) Check(_ *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	var ds []dataflow.Diagnostic
	others := 0
	for name, v := range node.Config.All {
		if t.spec.Param(name) == nil {
			others++
			if slip := t.meant(node, name, v); slip != "" {
				ds = append(ds, dataflow.Diagnostic{Code: "FC342", Severity: dataflow.SeverityWarning, Span: node.Spans.Key("/config/" + name),
					Message: fmt.Sprintf("%s is one input by itself", name), Hint: fmt.Sprintf("did you mean %q?", slip)})
			}
		}
	}
	inputs, given := node.Config.Get("inputs")
	strategy, _ := node.Config.Get("strategy")
	if !fixed(strategy) {
		ds = append(ds, problem("FC342", node, "/strategy", "the strategy must be known when the file is loaded",
			`write "first", "all" or "object"`))
	}
	switch in := inputs.(type) {
	case []any:
		if strategy == "object" && len(in) > 0 {
			ds = append(ds, problem("FC342", node, "/inputs", `the strategy "object" needs a name for each input`,
				`give inputs as a dict: {"a": "${a.result}", "b": "${b.result}"}`))
		}
	case *dataflow.Object:
	default:
		if given && fixed(inputs) {
			ds = append(ds, problem("FC342", node, "/inputs", "inputs is a list or a dict of references", ""))
		}
	}
	if !given && others == 0 {
		ds = append(ds, problem("FC342", node, "", "the node has nothing to merge",
			`add {"inputs": ["${a.result}", "${b.result}"]}, or connections to it`))
	}
	return ds
}

// meant is the option that an input is most likely meant for, by its name and
// what it is.
func (t *merge) meant(node *dataflow.Node, name string, v any) string {
	option := "inputs"
	switch v.(type) {
	case []any, *dataflow.Object:
	case string:
		option = "strategy"
	default:
		return ""
	}
	if node.Config.Has(option) || dataflow.Suggest(name, []string{option}) == "" {
		return ""
	}
	return option
}

// Run implements engine.NodeType.
func (t *merge) Run(_ context.Context, call *engine.Call) (any, error) {
	var names []string
	var vals []any
	add := func(name string, v any) {
		names, vals = append(names, name), append(vals, v)
	}
	inputs, given := call.Config.Get("inputs")
	switch in := inputs.(type) {
	case []any:
		for _, v := range in {
			add("", v)
		}
	case *dataflow.Object:
		for name, v := range in.All {
			add(name, v)
		}
	default:
		if given && in != nil {
			return nil, dataflow.Invalid(dataflow.Problem{Code: "wrong_type", Pointer: "/inputs", Detail: "wants a list or an object"})
		}
	}
	for name, v := range call.Config.All {
		if t.spec.Param(name) == nil {
			add(name, v)
		}
	}
	if len(vals) == 0 {
		return dataflow.Absent, nil
	}
	strategy, _ := call.Config.Get("strategy")
	switch strategy {
	case "all":
		return dataflow.ObjectOf("result", vals), nil
	case "object":
		out := dataflow.NewObject()
		for i, name := range names {
			if name == "" {
				return nil, dataflow.Invalid(dataflow.Problem{Code: "wrong_type", Pointer: "/inputs",
					Detail: `the strategy "object" needs a name for each input`})
			}
			out.Set(name, vals[i])
		}
		return dataflow.ObjectOf("result", out), nil
	}
	return dataflow.ObjectOf("result", vals[0]), nil
}

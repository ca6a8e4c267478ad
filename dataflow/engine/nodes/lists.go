package nodes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// shown writes a value as text: a string as it is, what else there is in its
// JSON form without quotes.
func shown(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	return strings.Trim(string(codec.AppendValue(nil, v)), `"`)
}

// itemsParam is the list that a node works on.
func itemsParam() *dataflow.Field {
	return &dataflow.Field{Name: "items", Type: dataflow.ListOf(dataflow.Any), Doc: "the list"}
}

// itemsOf returns the list that a node works on, and looks into JSON.
func itemsOf(call *engine.Call) []any {
	v, _ := call.Config.Get("items")
	items, _ := decoded(v).([]any)
	return items
}

// filter keeps some items of a list.
type filter struct{ spec *dataflow.NodeSpec }

func newFilter() *filter {
	return &filter{&dataflow.NodeSpec{
		Name: "FilterNode",
		Doc: "Keeps the items of a list that fit, in their order: those for which `fn` gives True, or whose `field` compares " +
			"with `value` as `operator` says. Rows of a model are filtered by the database for less: `Order.list` with a filter.",
		Params: []*dataflow.Field{
			itemsParam(),
			{Name: "fn", Type: dataflow.Any, Optional: true, Doc: "a function of an item that gives True or False"},
			{Name: "field", Type: dataflow.String, Optional: true, Doc: "a name within the items, \"customer.city\"; left out, the items are compared themselves"},
			{Name: "operator", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: operators}, Default: "==", HasDefault: true, Doc: "as of a SwitchNode"},
			{Name: "value", Type: dataflow.Any, Optional: true, Doc: "what is compared with"},
		},
		Effect: dataflow.EffectPure,
		Output: dataflow.ObjectType(
			&dataflow.Field{Name: "items", Type: dataflow.ListOf(dataflow.Any)},
			&dataflow.Field{Name: "count", Type: dataflow.Int, Doc: "how many were kept"},
		),
	}}
}

// Spec implements engine.NodeType.
func (t *filter) Spec() *dataflow.NodeSpec { return t.spec }

// Check implements engine.Checker.
func (t *filter) Check(_ *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	c := node.Config
	op, _ := c.Get("operator")
	switch {
	case c.Has("fn") && (c.Has("field") || c.Has("operator") || c.Has("value")):
		return []dataflow.Diagnostic{problem("FC348", node, "/fn", "fn stands alone: it decides by itself", "keep fn, or field, operator and value")}
	case c.Has("fn"):
		return checkFn(node, "fn", 1)
	case op == "is null" || op == "exists":
		if !c.Has("field") {
			return []dataflow.Diagnostic{problem("FC348", node, "", fmt.Sprintf("%q needs a field", op), `add "field": "name"`)}
		}
	case !c.Has("value"):
		return []dataflow.Diagnostic{problem("FC348", node, "", "the node has nothing to filter by",
			`add {"fn": keep}, or {"field": "status", "operator": "==", "value": "new"}`)}
	}
	return nil
}

// checkFn checks that a parameter is a function that takes so many arguments
// by position.
func checkFn(node *dataflow.Node, param string, args int) []dataflow.Diagnostic {
	v, _ := node.Config.Get(param)
	fn, ok := v.(dataflow.Func)
	if !ok {
		return []dataflow.Diagnostic{problem("FC348", node, "/"+param, param+" is not a function",
			"define it with def above and give its name without brackets")}
	}
	required := 0
	for _, p := range fn.Params() {
		if p.Required && !p.Rest {
			required++
		}
	}
	names, _ := paramsOf(fn)
	if required > args || len(names) < args {
		d := problem("FC348", node, "/"+param, fmt.Sprintf("%s is called with %d argument, and does not take that", fn.Name(), args), "")
		d.Related = []dataflow.Related{{Message: fn.Name() + " is defined here", Span: fn.Span()}}
		return []dataflow.Diagnostic{d}
	}
	return nil
}

// truth calls a function that gives True or False.
func truth(ctx context.Context, fn dataflow.Func, arg any) (bool, error) {
	v, err := fn.Call(ctx, []any{arg}, nil)
	if err != nil {
		return false, err
	}
	yes, ok := v.(bool)
	if !ok {
		return false, &dataflow.Error{Code: "function_failed", Status: dataflow.StatusInternal, Span: fn.Span(),
			Message: fn.Name() + "() gave something other than True or False"}
	}
	return yes, nil
}

// Run implements engine.NodeType.
func (t *filter) Run(ctx context.Context, call *engine.Call) (any, error) {
	fnValue, _ := call.Config.Get("fn")
	fn, _ := fnValue.(dataflow.Func)
	field, _ := stringOf(call.Config, "field")
	op, _ := stringOf(call.Config, "operator")
	value, _ := call.Config.Get("value")
	kept := []any{}
	for i, item := range itemsOf(call) {
		var yes bool
		var err error
		switch {
		case fn != nil:
			yes, err = truth(ctx, fn, item)
		case field == "":
			yes, err = compare(item, op, value)
		default:
			yes, err = compare(part(item, field), op, value)
		}
		if err != nil {
			return nil, atItem(err, i)
		}
		if yes {
			kept = append(kept, item)
		}
	}
	return dataflow.ObjectOf("items", kept, "count", int64(len(kept))), nil
}

// atItem says of which item an error is.
func atItem(err error, i int) error {
	out := *dataflow.AsError(err)
	if len(out.Problems) == 0 {
		out.Message = fmt.Sprintf("item %d: %s", i, out.Message)
		return &out
	}
	out.Problems = slices.Clone(out.Problems)
	for j := range out.Problems {
		out.Problems[j].Detail = fmt.Sprintf("item %d: %s", i, out.Problems[j].Detail)
	}
	return &out
}

// sortNode orders a list.
type sortNode struct{ spec *dataflow.NodeSpec }

func newSort() *sortNode {
	return &sortNode{&dataflow.NodeSpec{
		Name: "SortNode",
		Doc: "Orders a list by names within its items, or the items themselves. Equal ones keep their order; what is null or not " +
			"there comes last, either way round. Values of different types can't be ordered and fail the node.",
		Params: []*dataflow.Field{
			itemsParam(),
			{Name: "by", Type: dataflow.ListOf(dataflow.String), Optional: true, Doc: "names, \"-\" before one for the largest first: [\"-total\", \"customer.name\"]"},
			{Name: "reverse", Type: dataflow.Bool, Default: false, HasDefault: true, Doc: "the largest first"},
		},
		Effect: dataflow.EffectPure,
		Output: dataflow.ObjectType(&dataflow.Field{Name: "items", Type: dataflow.ListOf(dataflow.Any)}),
	}}
}

// Spec implements engine.NodeType.
func (t *sortNode) Spec() *dataflow.NodeSpec { return t.spec }

// Run implements engine.NodeType.
func (t *sortNode) Run(_ context.Context, call *engine.Call) (any, error) {
	items := slices.Clone(itemsOf(call))
	v, _ := call.Config.Get("by")
	by, _ := v.([]any)
	down, _ := call.Config.Get("reverse")
	if len(by) == 0 {
		by = []any{""}
	}
	var failed error
	slices.SortStableFunc(items, func(a, b any) int {
		for _, key := range by {
			name, descending := strings.CutPrefix(key.(string), "-")
			order, ok := orderBy(a, b, name, descending != (down == true))
			if !ok && failed == nil {
				failed = dataflow.Invalid(dataflow.Problem{Code: "wrong_type", Pointer: "/items",
					Detail: fmt.Sprintf("values of %q are of different types, and can't be ordered", name)})
			}
			if order != 0 {
				return order
			}
		}
		return 0
	})
	if failed != nil {
		return nil, failed
	}
	return dataflow.ObjectOf("items", items), nil
}

// orderBy compares two items by a name in them.
func orderBy(a, b any, name string, descending bool) (order int, ok bool) {
	if name != "" {
		a, b = part(a, name), part(b, name)
	}
	a, b = decoded(a), decoded(b)
	missing := func(v any) int { return bit(v == nil || v == dataflow.Absent) }
	if missing(a)+missing(b) > 0 {
		return missing(a) - missing(b), true
	}
	if order, ok = orderOf(a, b); descending {
		order = -order
	}
	return order, ok
}

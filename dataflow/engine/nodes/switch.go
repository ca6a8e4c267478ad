package nodes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/engine"
)

// switchNode activates one of its ports.
type switchNode struct{ spec *dataflow.NodeSpec }

// operators are those of a condition over an input.
var operators = []string{"==", "!=", ">", ">=", "<", "<=", "in", "not in", "contains", "is null", "exists"}

func newSwitch() *switchNode {
	t := &switchNode{}
	t.spec = &dataflow.NodeSpec{
		Name: "SwitchNode",
		Doc: "Chooses a way. With `condition`, a bool, the ports are `true_output` and `false_output`; " +
			"with `value` and `cases` they are `case_X` for each case X, and `default`; " +
			"with `input`, `condition_field`, `operator` and `value` a field of the input is compared. " +
			"One port is active and holds `input` (or what was tested, if there is none); " +
			"nodes that refer to another one are skipped.",
		Params: []*dataflow.Field{
			{Name: "condition", Type: dataflow.Any, Optional: true, Doc: "true or false"},
			{Name: "value", Type: dataflow.Any, Optional: true, Doc: "what is looked up in cases, or compared with the field"},
			{Name: "cases", Type: dataflow.ListOf(dataflow.Any), Optional: true, Doc: "the values that have a port: str, int or bool"},
			{Name: "input", Type: dataflow.Any, Optional: true, Doc: "what the active port passes on"},
			{Name: "condition_field", Type: dataflow.String, Optional: true, Doc: "the field of input to compare: \"status\", \"customer.city\""},
			{Name: "operator", Type: &dataflow.Type{Kind: dataflow.KindEnum, Values: operators}, Optional: true, Doc: "how to compare it; == if left out"},
		},
		Effect:  dataflow.EffectPure,
		Output:  dataflow.Any,
		PortsOf: portsOf,
	}
	t.spec.OutputOf = func(config *dataflow.Object) *dataflow.Type {
		var fields []*dataflow.Field
		for _, p := range portsOf(config) {
			fields = append(fields, &dataflow.Field{Name: p, Type: dataflow.Any, Optional: true})
		}
		return dataflow.ObjectType(fields...)
	}
	return t
}

func portsOf(config *dataflow.Object) []string {
	v, _ := config.Get("cases")
	cases, ok := v.([]any)
	if !ok {
		return []string{"true_output", "false_output"}
	}
	var ports []string
	for _, c := range cases {
		ports = append(ports, portOf(c))
	}
	return append(ports, "default")
}

func portOf(c any) string { return fmt.Sprintf("case_%v", c) }

// Spec implements engine.NodeType.
func (t *switchNode) Spec() *dataflow.NodeSpec { return t.spec }

// Check implements engine.Checker.
func (t *switchNode) Check(_ *dataflow.App, node *dataflow.Node) []dataflow.Diagnostic {
	const forms = `a SwitchNode takes {"condition": …}, {"value": …, "cases": […]}, or ` +
		`{"input": …, "condition_field": "status", "operator": "==", "value": …}`
	c := node.Config
	given := func(names ...string) string {
		for _, n := range names {
			if c.Has(n) {
				return n
			}
		}
		return ""
	}
	bad := func(ptr, message string) []dataflow.Diagnostic {
		return []dataflow.Diagnostic{problem("FC341", node, ptr, message, forms)}
	}
	switch {
	case c.Has("condition"):
		if other := given("value", "cases", "condition_field", "operator"); other != "" {
			return bad("/"+other, other+" can't stand beside condition")
		}
		v, _ := c.Get("condition")
		if _, isBool := v.(bool); fixed(v) && !isBool {
			return bad("/condition", "condition is a reference to a bool, not a text: comparisons in it are not evaluated")
		}
		if _, isText := v.(*dataflow.Template); isText {
			return bad("/condition", "condition is a reference to a bool, not a text: comparisons in it are not evaluated")
		}
	case c.Has("cases"):
		if other := given("condition_field", "operator"); other != "" {
			return bad("/"+other, other+" can't stand beside cases")
		}
		if !c.Has("value") {
			return bad("", "cases needs a value to look up")
		}
		return checkCases(node)
	case c.Has("condition_field"):
		if !c.Has("input") {
			return bad("", "condition_field needs an input to look into")
		}
		op, _ := c.Get("operator")
		if !c.Has("value") && op != "is null" && op != "exists" {
			return bad("", "the comparison needs a value")
		}
	default:
		return bad("", "the node has nothing to decide by")
	}
	return nil
}

func checkCases(node *dataflow.Node) []dataflow.Diagnostic {
	v, _ := node.Config.Get("cases")
	cases, ok := v.([]any)
	if !ok || len(cases) == 0 {
		return []dataflow.Diagnostic{problem("FC341", node, "/cases", "cases is a list of at least one value, written out",
			`its ports must be known when the file is loaded: "cases": ["new", "paid"]`)}
	}
	var ds []dataflow.Diagnostic
	seen := map[string]bool{}
	for i, c := range cases {
		at := fmt.Sprintf("/cases/%d", i)
		switch c.(type) {
		case string, int64, bool:
		default:
			ds = append(ds, problem("FC341", node, at, "a case is a str, an int or a bool, written out", ""))
			continue
		}
		if p := portOf(c); seen[p] {
			ds = append(ds, problem("FC341", node, at, fmt.Sprintf("the port %s is there twice", p), ""))
		} else {
			seen[p] = true
		}
	}
	return ds
}

// Run implements engine.NodeType.
func (t *switchNode) Run(_ context.Context, call *engine.Call) (any, error) {
	c := call.Config
	port, tested, err := choose(c)
	if err != nil {
		return nil, err
	}
	if in, ok := c.Get("input"); ok {
		tested = in
	}
	return dataflow.ObjectOf(port, tested), nil
}

func choose(c *dataflow.Object) (port string, tested any, err error) {
	v, _ := c.Get("value")
	if cond, ok := c.Get("condition"); ok {
		cond = decoded(cond)
		yes, ok := cond.(bool)
		if !ok && cond != nil {
			return "", nil, dataflow.Invalid(dataflow.Problem{Code: "wrong_type", Pointer: "/condition", Detail: "wants a bool"})
		}
		return boolPort(yes), cond, nil
	}
	cases, _ := c.Get("cases")
	if list, ok := cases.([]any); ok {
		for _, k := range list {
			if equal(v, k) {
				return portOf(k), v, nil
			}
		}
		return "default", v, nil
	}
	field, _ := c.Get("condition_field")
	in, _ := c.Get("input")
	name, _ := field.(string)
	op := "=="
	if o, ok := c.Get("operator"); ok && o != nil {
		op = o.(string)
	}
	yes, err := compare(part(in, name), op, v)
	return boolPort(yes), in, err
}

func boolPort(yes bool) string {
	if yes {
		return "true_output"
	}
	return "false_output"
}

// part follows a path of names; what is not there is Absent.
func part(v any, path string) any {
	for _, name := range strings.Split(path, ".") {
		o, ok := decoded(v).(*dataflow.Object)
		if !ok {
			return dataflow.Absent
		}
		if v, ok = o.Get(name); !ok {
			return dataflow.Absent
		}
	}
	return v
}

func equal(a, b any) bool {
	yes, err := compare(a, "==", b)
	return err == nil && yes
}

// compare compares as filters do: with null only == and != say anything, and
// an int equals the decimal of the same value.
func compare(a any, op string, b any) (bool, error) {
	there := a != dataflow.Absent
	if !there {
		a = nil
	}
	a, b = decoded(a), decoded(b)
	switch op {
	case "exists":
		return there, nil
	case "is null":
		return a == nil, nil
	case "in", "not in":
		list, ok := b.([]any)
		if !ok {
			return false, wrongValue("wants a list")
		}
		return slices.ContainsFunc(list, func(x any) bool { return equal(a, x) }) == (op == "in"), nil
	case "contains":
		return contains(a, b)
	case "==", "!=":
		if a == nil || b == nil {
			return (a == nil && b == nil) == (op == "=="), nil
		}
		order, ok := orderOf(a, b)
		return (ok && order == 0) == (op == "=="), nil
	}
	if a == nil || b == nil {
		return false, nil
	}
	order, ok := orderOf(a, b)
	if !ok {
		return false, wrongValue("can't be compared with the field: they are of different types")
	}
	switch op {
	case ">":
		return order > 0, nil
	case ">=":
		return order >= 0, nil
	case "<":
		return order < 0, nil
	}
	return order <= 0, nil
}

func wrongValue(detail string) error {
	return dataflow.Invalid(dataflow.Problem{Code: "wrong_type", Pointer: "/value", Detail: detail})
}

func contains(a, b any) (bool, error) {
	switch a := a.(type) {
	case nil:
		return false, nil
	case string:
		if s, ok := b.(string); ok {
			return strings.Contains(a, s), nil
		}
	case []any:
		return slices.ContainsFunc(a, func(x any) bool { return equal(x, b) }), nil
	}
	return false, wrongValue("contains works on a str and on a list")
}

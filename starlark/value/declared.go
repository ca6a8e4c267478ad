package value

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	sl "go.starlark.net/starlark"
)

type (
	// Model is a model in Starlark: its attributes are its operations.
	Model struct {
		M *dataflow.Model
		// Missing, if set, answers for attributes that a model does not have.
		Missing *Missing
	}
	// Missing decides what becomes of an attribute that a value lacks. It is
	// held by pointer, so that values with one can be compared.
	Missing struct {
		Attr func(what, name string, names []string) (sl.Value, error)
	}
	// Op is an operation of a model in Starlark: Order.create.
	Op struct{ O dataflow.Op }
	// Workflow is a built workflow in Starlark.
	Workflow struct{ W *dataflow.Workflow }
)

var (
	_ sl.HasAttrs = Model{}
	_ sl.Callable = Op{}
)

// String returns the model's name.
func (m Model) String() string { return m.M.Name }

// String returns the operation as it is written: "Order.create".
func (o Op) String() string { return o.O.Model.Name + "." + o.O.Kind.String() }

// String returns the workflow's name.
func (w Workflow) String() string { return "workflow(" + w.W.Name + ")" }

// Type returns "model".
func (m Model) Type() string { return "model" }

// Type returns "operation".
func (o Op) Type() string { return "operation" }

// Type returns "workflow".
func (w Workflow) Type() string { return "workflow" }

// Freeze does nothing: a model is immutable.
func (m Model) Freeze() {}

// Freeze does nothing: an operation is immutable.
func (o Op) Freeze() {}

// Freeze does nothing: a built workflow is immutable.
func (w Workflow) Freeze() {}

// Truth is always true.
func (m Model) Truth() sl.Bool { return true }

// Truth is always true.
func (o Op) Truth() sl.Bool { return true }

// Truth is always true.
func (w Workflow) Truth() sl.Bool { return true }

// Hash lets models be keys.
func (m Model) Hash() (uint32, error) { return sl.String(m.M.Name).Hash() }

// Hash lets operations be keys.
func (o Op) Hash() (uint32, error) { return sl.String(o.String()).Hash() }

// Hash lets workflows be keys.
func (w Workflow) Hash() (uint32, error) { return sl.String(w.W.Name).Hash() }

// Attr returns an operation, or the model's name or table.
func (m Model) Attr(name string) (sl.Value, error) {
	switch name {
	case "name":
		return sl.String(m.M.Name), nil
	case "table":
		return sl.String(m.M.Table), nil
	}
	for _, k := range dataflow.AllOps() {
		if k.String() == name {
			return Op{dataflow.Op{Model: m.M, Kind: k}}, nil
		}
	}
	if m.Missing != nil {
		return m.Missing.Attr("the model "+m.M.Name, name, m.AttrNames())
	}
	return nil, nil
}

// AttrNames lists what Attr knows.
func (m Model) AttrNames() []string {
	names := []string{"name", "table"}
	for _, k := range dataflow.AllOps() {
		names = append(names, k.String())
	}
	return names
}

// Name returns the operation as it is written.
func (o Op) Name() string { return o.String() }

// CallInternal refuses the call: an operation needs a run to belong to.
func (o Op) CallInternal(*sl.Thread, sl.Tuple, []sl.Tuple) (sl.Value, error) {
	return nil, fmt.Errorf("%s can't be called; in a handler write ctx.run(%s, …), in a workflow wf.add_node(%s, \"id\", {…})", o, o, o)
}

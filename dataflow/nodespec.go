package dataflow

// NodeSpec describes a node type: what it takes, gives and does. Checks, docs,
// OpenAPI and MCP read it; nothing else says these things.
type NodeSpec struct {
	Name   string
	Doc    string // one paragraph
	Params []*Field
	// Rest, if set, is the type of further names the config may have, which
	// reach the node as they are: the arguments of a StarlarkNode's function.
	Rest   *Type
	Effect Effect
	// EffectOf, if set, works out the effect from a config instead: one that is
	// not complete may reach further than it says.
	EffectOf func(config *Object) Effect
	// Output is the type of the node's result. OutputOf, if set, works it out
	// from a config instead.
	Output   *Type
	OutputOf func(config *Object) *Type
	// Partial: the node runs with what is there. References to skipped nodes
	// are left out of its config, and it is skipped only if all of them are.
	Partial bool
	// Ports lists outputs of which only some are active in a run, as a
	// SwitchNode's; nodes that hang on inactive ones are skipped. PortsOf, if
	// set, works them out from a config.
	Ports   []string
	PortsOf func(config *Object) []string
	// Unkept names a param whose texts may be secrets, or is "": of what a durable
	// handler gives for it only the names are kept, and compared when it is
	// called again.
	Unkept string
}

// Param returns the parameter of that name, or nil.
func (s *NodeSpec) Param(name string) *Field {
	for _, p := range s.Params {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// Effect is the furthest a node reaches.
type Effect uint8

// The effects, in rising order.
const (
	EffectPure    Effect = iota // its config alone decides its result
	EffectRead                  // reads the database
	EffectWrite                 // writes it
	EffectOutside               // reaches beyond it
)

// NodeOutline is what is known of a node.
type NodeOutline struct {
	Spec   *NodeSpec // nil: its type is not known
	Output *Type
	Ports  []string // outputs of which only some are active in a run
}

// Outline is what is known of the nodes of workflows, whatever else is wrong
// with those: for an editor, whose user is not done yet.
type Outline struct {
	Types []*NodeSpec // besides those of models, by name
	Nodes map[*Node]NodeOutline
}

// Package spec is the one table of what the language offers: every builtin,
// its parameters with their types and defaults, what it is for, the names
// that are gone or not there yet. Binding of arguments, diagnostics and the
// reference in docs/language.md all read it. It holds data only and knows
// nothing of Starlark.
package spec

import "strings"

// Accept is a set of the sorts of value that a parameter takes.
type Accept uint32

// The sorts of value.
const (
	Str Accept = 1 << iota
	Bool
	Int
	Number // an int, a decimal or a float
	Duration
	StrList // a list or tuple of strings; one string stands for a list of it
	List
	Dict
	Func
	Type // a field type, bare or with options
	Model
	Op
	Workflow
	Node // a node of the workflow, or its id
	Retry
	Index
	Rule
	None
	Any
)

var acceptNames = []struct {
	bit  Accept
	name string
}{
	{Str, "a string"}, {Bool, "True or False"}, {Int, "a whole number"}, {Number, "a number"},
	{Duration, `a duration such as "30s"`}, {StrList, "a list of strings"}, {List, "a list"},
	{Dict, "a dict"}, {Func, "a function"}, {Type, "a field type"}, {Model, "a model"},
	{Op, "an operation of a model"}, {Workflow, "a workflow"}, {Node, "a node or its id"},
	{Retry, "retry(…)"}, {Index, "index(…)"}, {Rule, "role(…)"}, {None, "None"}, {Any, "any value"},
}

// String names the sorts: "a string or None".
func (a Accept) String() string {
	var names []string
	for _, n := range acceptNames {
		if a&n.bit != 0 {
			names = append(names, n.name)
		}
	}
	switch len(names) {
	case 0:
		return "nothing"
	case 1:
		return names[0]
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// Has reports whether a includes any of b.
func (a Accept) Has(b Accept) bool { return a&b != 0 }

// Param is a parameter of a builtin.
type Param struct {
	Name     string
	Accept   Accept
	Required bool
	Named    bool   // may be given by name only
	Default  string // as it would be written; "" where leaving it out means none
	Doc      string
	Min, Max *int64            // bounds of an Int
	Some     bool              // "", blanks, {} and a duration of 0 mean nothing, and are refused
	OneOf    []string          // the strings it takes, or None where any will do
	Advice   map[string]string // what to do instead of saying one that it does not take
	For      string            // a field option: the types it applies to; "" is all
}

// Gone is a name that is not, or no longer, a parameter.
type Gone struct {
	Name    string
	Instead string // parameter to write instead; "" if there is none
	Advice  string // what to do
	Still   bool   // deprecated: still taken, as Instead, with a warning
}

// Builtin is a function of the language, or a method if its name has a point.
type Builtin struct {
	Name    string // "DataFlow", "db.model", "app.register"
	Doc     string
	Params  []Param
	Rest    *Param // what further positional arguments are
	Extra   *Param // what further named arguments are
	Gone    []Gone
	Returns string
	Example string
}

// Param returns the parameter of that name, or nil.
func (b *Builtin) Param(name string) *Param {
	for i := range b.Params {
		if b.Params[i].Name == name {
			return &b.Params[i]
		}
	}
	return nil
}

// ParamNames lists the parameters that can be given by name.
func (b *Builtin) ParamNames() []string {
	names := make([]string, len(b.Params))
	for i, p := range b.Params {
		names[i] = p.Name
	}
	return names
}

// Signature renders the builtin as a call.
func (b *Builtin) Signature() string {
	var parts []string
	named := false
	for _, p := range b.Params {
		if p.Named && !named {
			if b.Rest != nil {
				parts = append(parts, "*"+b.Rest.Name)
			} else {
				parts = append(parts, "*")
			}
			named = true
		}
		switch {
		case p.Required:
			parts = append(parts, p.Name)
		case p.Default != "":
			parts = append(parts, p.Name+" = "+p.Default)
		default:
			parts = append(parts, p.Name+" = None")
		}
	}
	if b.Rest != nil && !named {
		parts = append(parts, "*"+b.Rest.Name)
	}
	if b.Extra != nil {
		parts = append(parts, "**"+b.Extra.Name)
	}
	return b.Name + "(" + strings.Join(parts, ", ") + ")"
}

// Builtins is the table, in the order of the documentation.
func Builtins() []*Builtin { return builtins }

// Lookup returns the builtin of that name, which must be in the table: the
// names are written in the program, not read from a file.
func Lookup(name string) *Builtin {
	b, ok := byName[name]
	if !ok {
		panic("spec: no builtin " + name)
	}
	return b
}

// Methods lists the names of the methods of a receiver: Methods("db") is ["model"].
func Methods(recv string) []string {
	var names []string
	for _, b := range builtins {
		if r, m, ok := strings.Cut(b.Name, "."); ok && r == recv {
			names = append(names, m)
		}
	}
	return names
}

// Globals lists the names that a file can use without loading anything.
func Globals() []string {
	var names []string
	for _, b := range builtins {
		if !strings.Contains(b.Name, ".") {
			names = append(names, b.Name)
		}
	}
	for _, t := range types {
		names = append(names, t.Name)
	}
	return names
}

var builtins = concat(dataBuiltins, workflowBuiltins, serverBuiltins)

var byName = func() map[string]*Builtin {
	m := make(map[string]*Builtin, len(builtins))
	for _, b := range builtins {
		m[b.Name] = b
	}
	return m
}()

func concat(tables ...[]*Builtin) []*Builtin {
	var all []*Builtin
	for _, t := range tables {
		all = append(all, t...)
	}
	return all
}

func bound(n int64) *int64 { return &n }

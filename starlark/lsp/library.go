package lsp

import (
	"path"
	"strings"
)

// Module documents a module that can be loaded.
type Module struct {
	Name      string // "@stdlib//money.star"
	Doc       string
	Functions []Function
}

// Function documents a function, or a constant, of a module.
type Function struct {
	Name    string
	Params  string // as they are written in a call
	Value   bool   // it is a constant
	Doc     string
	Example string
}

// base is the name under which the module can be loaded as a whole.
func (m *Module) base() string { return strings.TrimSuffix(path.Base(m.Name), ".star") }

func (m *Module) function(name string) *Function {
	for i := range m.Functions {
		if m.Functions[i].Name == name {
			return &m.Functions[i]
		}
	}
	return nil
}

// candidates are the functions; to load, the module too.
func (m *Module) candidates(load bool) []candidate {
	var out []candidate
	if load && m.function(m.base()) == nil {
		out = append(out, candidate{label: m.base(), kind: kindModule, doc: m.Doc})
	}
	for _, f := range m.Functions {
		out = append(out, candidate{label: f.Name, kind: kindFunction, detail: f.signature(), doc: f.Doc})
	}
	return out
}

func (f *Function) signature() string {
	if f.Value {
		return f.Name
	}
	return f.Name + "(" + f.Params + ")"
}

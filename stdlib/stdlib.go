// Package stdlib owns the modules that a file loads as "@stdlib//name.star".
// Each is a table of functions with their docs and examples, written in Go or
// in an embedded .star file. None reads a file, a clock or chance; a network
// only http does, through the ctx of a handler.
package stdlib

import (
	"embed"
	"slices"

	"github.com/flowctl/flowctl/starlark"
	sl "go.starlark.net/starlark"
)

//go:embed *.star
var sources embed.FS

// Function documents a function or constant of a module.
type Function struct {
	Name     string
	Params   string // as they are written in a call
	Doc      string
	Examples []Example
	call     goFunc   // nil for one that the .star file defines
	constant sl.Value // set for a constant
}

// IsConstant reports whether it is a value rather than a function.
func (f Function) IsConstant() bool { return f.constant != nil }

// Example is an expression and what it is worth, as str() shows it.
type Example struct{ Expr, Result string }

// Module documents a module.
type Module struct {
	Name       string // "money"
	Doc        string
	Capability string
	Functions  []Function
}

// LoadName is what load() calls the module.
func (m Module) LoadName() string { return "@stdlib//" + m.Name + ".star" }

type goFunc func(*sl.Thread, *sl.Builtin, sl.Tuple, []sl.Tuple) (sl.Value, error)

// Table lists the modules with their docs.
func Table() []Module {
	return []Module{cryptoModule(), csvModule(), httpModule(), jsonModule(), mathModule(), moneyModule(), randomModule(), reModule(), retryModule(), stringsModule(), timeModule()}
}

// Modules returns the modules for starlark.Options.
func Modules() []starlark.Module {
	table := Table()
	out := make([]starlark.Module, 0, len(table))
	for _, m := range table {
		out = append(out, m.module())
	}
	return out
}

func (m Module) module() starlark.Module {
	source, err := sources.ReadFile(m.Name + ".star")
	if err != nil {
		source = nil // a module all in Go
	}
	members := sl.StringDict{}
	for _, f := range m.Functions {
		switch {
		case f.call != nil:
			members[f.Name] = sl.NewBuiltin(m.Name+"."+f.Name, f.call)
		case f.constant != nil:
			members[f.Name] = f.constant
		}
	}
	return starlark.Module{Name: m.LoadName(), Doc: m.Doc, Source: string(source), Members: members, Capability: m.Capability}
}

// Public lists the functions that files may use; those whose names begin with
// "_" serve the .star file alone.
func (m Module) Public() []Function {
	return slices.DeleteFunc(slices.Clone(m.Functions), func(f Function) bool { return f.Name[0] == '_' })
}

// The capabilities of modules: what their functions need beside their
// arguments.
const (
	pure    = "pure"
	network = "net"
	chance  = "random"
)

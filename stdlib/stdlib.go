// Package stdlib owns the modules that an app loads as "@stdlib//name.star":
// their Starlark source, embedded, and the parts of them that are Go. Every
// module is pure: the same arguments give the same result, whenever and
// wherever it is called. Nothing here knows of models, workflows or servers.
package stdlib

import (
	"embed"

	"github.com/flowctl/flowctl/starlark"
	sl "go.starlark.net/starlark"
)

//go:embed *.star
var sources embed.FS

// module is a row of the table of modules. A module has a file of Starlark,
// which sees members as predeclared names, or is its members alone.
type module struct {
	name    string
	doc     string
	members func() sl.StringDict
	source  bool
}

// table lists the modules; adding one is a row, a test and a paragraph in
// docs/language.md.
var table = [...]module{
	{"crypto", "Hashes, HMAC and encodings of text and bytes.", cryptoMembers, false},
	{"json", "JSON text to values and back, exactly.", jsonMembers, false},
	{"math", "Rounding, roots and logarithms of floats.", mathMembers, false},
	{"money", "Exact amounts: cents, rounding, percentages and fair division.", moneyMembers, true},
	{"re", "Regular expressions (RE2).", reMembers, false},
	{"strings", "Padding, truncation and slugs.", stringsMembers, true},
	{"time", "Reading, writing and measuring moments; it has no clock.", timeMembers, false},
}

// Modules returns the modules of the standard library.
func Modules() []starlark.Module {
	modules := make([]starlark.Module, len(table))
	for i, m := range table {
		modules[i] = starlark.Module{
			Name: "@stdlib//" + m.name + ".star", Doc: m.doc, Capability: "pure", Members: m.members(),
		}
		if m.source {
			src, err := sources.ReadFile(m.name + ".star")
			if err != nil {
				panic(err) // the file is embedded: it can only be missing from the source tree
			}
			modules[i].Source = string(src)
		}
	}
	return modules
}

// builtin makes a Go function a member. unpack reads its arguments and
// computes its result.
func builtin(name string, f func(b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error)) *sl.Builtin {
	return sl.NewBuiltin(name, func(_ *sl.Thread, b *sl.Builtin, args sl.Tuple, kwargs []sl.Tuple) (sl.Value, error) {
		return f(b, args, kwargs)
	})
}

// dict makes a StringDict of builtins.
func dict(builtins ...*sl.Builtin) sl.StringDict {
	d := make(sl.StringDict, len(builtins))
	for _, b := range builtins {
		d[b.Name()] = b
	}
	return d
}

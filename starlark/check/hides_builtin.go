package check

import (
	"fmt"
	sl "go.starlark.net/starlark"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var hidesBuiltin = Rule{
	Code: "FC801", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def longest(ctx, names):
    list = sorted(names, key = len)  # here
    return {"name": list[-1]}

app = Nexus()
app.expose(Thing)
app.handler("longest", longest, input = {"names": list(str)})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def longest(ctx, names):
    in_order = sorted(names, key = len)
    return {"name": in_order[-1]}

app = Nexus()
app.expose(Thing)
app.handler("longest", longest, input = {"names": list(str)})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			told, loaded := map[*syntax.Ident]bool{}, map[*syntax.Ident]*syntax.LoadStmt{}
			for _, st := range f.tree.Stmts { // a name by which another file calls it
				if load, ok := st.(*syntax.LoadStmt); ok {
					for i, from := range load.From {
						told[f.first(from)] = from != load.To[i]
						loaded[f.first(load.To[i])] = load
					}
				}
			}
			f.walk(func(n syntax.Node) {
				id, ok := n.(*syntax.Ident)
				if !ok || !f.binds[id] || !sl.Universe.Has(id.Name) && !slices.Contains(ownBuiltins, id.Name) || told[f.first(id)] || f.isParam[f.first(id)] {
					return
				}
				told[f.first(id)] = true
				hint := "give it another name"
				if from := loaded[f.first(id)]; from != nil {
					if typeToo(from, id.Name) {
						return
					}
					hint = fmt.Sprintf("give it another name: load(%q, my_%s = %q)", from.ModuleName(), id.Name, id.Name)
				}
				p.report(f.span(id), fmt.Sprintf("%s hides the builtin of that name", id.Name), hint)
			})
		}
	},
}

// typeToo reports whether a name is that of a module of the library which is a
// type as well, as json and time, and so hides nothing.
func typeToo(load *syntax.LoadStmt, name string) bool {
	return load.ModuleName() == "@stdlib//"+name+".star"
}

// ownBuiltins are the names that flowctl adds to those of Starlark and that a
// local variable would be missed behind.
var ownBuiltins = []string{"field", "ref", "enum", "index", "decimal", "env", "retry", "uuid", "json"}

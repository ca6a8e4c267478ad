package check

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	language "github.com/flowctl/flowctl/starlark/spec"
	"go.starlark.net/syntax"
)

var declaredLate = Rule{
	Code: "FC446", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"name": str})

def do(ctx):
    return ctx.run(Thing.create, name = env("SITE", default = "main"))  # here

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"name": str})
SITE = env("SITE", default = "main")

def do(ctx):
    return ctx.run(Thing.create, name = SITE)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {})
app.start()
`,
	find: (*pass).tell,
}

// declares reports whether a builtin is there only while the file is loaded, as
// all are that the language adds but for those that functions call as well.
func declares(name string) bool {
	switch name {
	case "fail", "decimal", "list":
		return false
	case "json", "uuid": // types that have no options
		return true
	}
	return slices.ContainsFunc(language.Builtins(), func(b *language.Builtin) bool { return b.Name == name })
}

// declaresLate notes a call that declares a part of the app, in a function that is
// called while a request runs.
func (fr *frame) declaresLate(c *syntax.CallExpr, name string) {
	if !declares(name) {
		return
	}
	hint := "declare it at the top of the file"
	switch name {
	case "env":
		hint = "read it at the top of the file, as NAME = env(…), and use NAME here"
	case "retry":
		hint = "it is an option of a node; a function calls again in a for loop"
	case "json":
		hint = `load("@stdlib//json.star", "json") has encode and decode`
	case "uuid":
		hint = "a uuid is a text: write it as it is"
	}
	fr.note("FC446", fr.f.span(c), true, name+"(…) is for what the file declares: while a request runs it fails", hint)
}

package check

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var sentAsObject = Rule{
	Code: "FC153", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"name": str})

def add(ctx, data):
    for key, value in data.items():  # here
        ctx.run(Thing.create, name = key + str(value))
    return {"first": data.get("first")}  # here

app = Nexus()
app.expose(Thing)
app.handler("add", add, input = {"data": json})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"name": str})

def add(ctx, data, more):
    if type(data) != "record":
        fail("data: an object is wanted")
    for key, value in data.items():
        ctx.run(Thing.create, name = key + str(value))
    return {"first": more.get("first")}

app = Nexus()
app.expose(Thing)
app.handler("add", add, input = {"data": json, "more": {"first": str}})
app.start()
`,
	find: (*pass).tell,
}

// sent is an input as it reaches a function.
func sent(in *dataflow.Field) *val {
	if in.Type.Kind == dataflow.KindJSON {
		return &val{kind: isSent}
	}
	return typed(in.Type)
}

// askedOfObject looks at a method that objects alone have.
func (fr *frame) askedOfObject(e *syntax.DotExpr, x *val) {
	name := e.Name.Name
	if !slices.Contains(recordMethods, name) {
		return
	}
	what := "it"
	if id, ok := e.X.(*syntax.Ident); ok {
		what = id.Name
	}
	where, signal := "input", ""
	if x != nil && x.kind == isSent && x.lib != "" {
		where, signal = "signals", x.lib
	}
	fr.note("FC153", fr.f.span(e.Name), x != nil && x.kind == isSent && !fr.tested[name],
		fmt.Sprintf("%s is whatever the caller sent, and a list or a number has no %q: the function fails then", what, name),
		fmt.Sprintf("declare its fields, as %s = {%q: {\"name\": str}}, or ask first: if type(%s) != \"record\": fail(…)", where, cmp.Or(signal, what), what))
}

// lookedAt forgets that values are of whatever shape once another function was
// given them: it may have asked.
func (fr *frame) lookedAt(args []syntax.Expr) {
	for _, e := range args {
		if kw, ok := e.(*syntax.BinaryExpr); ok && kw.Op == syntax.EQ {
			e = kw.Y
		}
		if id, ok := e.(*syntax.Ident); ok && fr.f.isLocal(id) {
			if first := fr.f.first(id); fr.vars[first] != nil && fr.vars[first].kind == isSent {
				fr.vars[first] = nil
			}
		}
	}
}

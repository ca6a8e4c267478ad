package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

var readAsNone = Rule{
	Code: "FC150", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"sku": field(str, unique = True), "n": int})

def add(ctx, sku, n):
    found = ctx.run(Thing.read, filter = {"sku": sku})
    if found == None:  # here
        return ctx.run(Thing.create, sku = sku, n = n)
    others = ctx.run(Thing.list, filter = {"n": n}, limit = 1)
    if not others:  # here
        fail("there is no other")
    return ctx.run(Thing.update, id = found.id, fields = {"n": found.n + n})

app = Nexus()
app.expose(Thing)
app.handler("add", add, input = {"sku": str, "n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"sku": field(str, unique = True), "n": int})

def add(ctx, sku, n):
    found = ctx.run(Thing.list, filter = {"sku": sku}, limit = 1).records
    if not found:
        return ctx.run(Thing.create, sku = sku, n = n)
    return ctx.run(Thing.update, id = found[0].id, fields = {"n": found[0].n + n})

app = Nexus()
app.expose(Thing)
app.handler("add", add, input = {"sku": str, "n": int})
app.start()
`,
	find: (*pass).tell,
}

// given is the result of an operation: a record with names, whatever was found.
func given(v *val, op dataflow.Op) *val {
	if v == nil {
		return nil
	}
	out := *v
	out.from = &op
	return &out
}

// askedFor looks at a value of which the function asks whether it is there.
func (fr *frame) askedFor(v *val, at dataflow.Span) {
	if v.is(dataflow.KindBool) { // the answer to another question, which may be the whole of this one
		return
	}
	if v == nil || v.from == nil {
		fr.note("FC150", at, false, "", "")
		return
	}
	m := v.from.Model.Name
	message := fmt.Sprintf("what %s.%s gives is never None, and always true", m, v.from.Kind)
	hint := "leave the question out"
	switch v.from.Kind {
	case dataflow.OpRead:
		message = fmt.Sprintf("%s.read never gives None: where there is no row the run fails with not_found", m)
		hint = fmt.Sprintf("to go on without one, run %s.list with limit = 1 and ask whether its .records are empty", m)
	case dataflow.OpList:
		hint = "ask for its .records, or their .count"
	case dataflow.OpCount:
		hint = "ask for its .count"
	case dataflow.OpAggregate:
		hint = "ask for its .groups"
	}
	fr.note("FC150", at, true, message, hint)
}

package check

import (
	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var callAfterWrite = Rule{
	Code: "FC437", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
load("@stdlib//http.star", "post")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    made = ctx.run(Thing.create, n = n)
    post(ctx, "https://example.com/things", json = {"n": n})  # here
    return made

app = Nexus()
app.handler("do", do, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
load("@stdlib//http.star", "post")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    post(ctx, "https://example.com/things", json = {"n": n})
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.handler("do", do, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		p.handlers(func(w *dataflow.Workflow, f *file, def *syntax.DefStmt) {
			if w.Durable == nil || !*w.Durable { // of one that is, the steps are transactions of their own
				p.callsAfter(f, f.loadedFrom("@stdlib//http.star"), def.Body, false)
			}
		})
	},
}

// callsAfter follows statements in their order: wrote says whether a write
// stands before them. What a branch writes counts for the branch alone.
func (p *pass) callsAfter(f *file, out map[string]bool, block []syntax.Stmt, wrote bool) {
	for _, st := range block {
		for _, inner := range blocks(st) {
			if _, isDef := st.(*syntax.DefStmt); !isDef {
				p.callsAfter(f, out, inner, wrote)
			}
		}
		if blocks(st) != nil {
			continue
		}
		syntax.Walk(st, func(n syntax.Node) bool {
			call, ok := n.(*syntax.CallExpr)
			if !ok {
				return true
			}
			_, node := runsNode(call, "HTTPRequestNode")
			if wrote && (node || f.callsOut(call, out)) {
				p.once(f.span(call), "the transaction stays open while this waits for an answer, and other writers with it", "call out before the first write")
			}
			if c, ok := runOf(call); ok && c.writes() {
				wrote = true
			}
			return true
		})
	}
}

// loadedFrom are the names that a file has from a module.
func (f *file) loadedFrom(module string) map[string]bool {
	names := map[string]bool{}
	for _, st := range f.tree.Stmts {
		if load, ok := st.(*syntax.LoadStmt); ok && load.ModuleName() == module {
			for _, to := range load.To {
				names[to.Name] = true
			}
		}
	}
	return names
}

// callsOut reports whether a call is of one of the names, or of a member of one.
func (f *file) callsOut(call *syntax.CallExpr, names map[string]bool) bool {
	fn := call.Fn
	if dot, ok := fn.(*syntax.DotExpr); ok {
		fn = dot.X
	}
	id, ok := fn.(*syntax.Ident)
	return ok && names[id.Name] && !f.isLocal(id)
}

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
				p.callsAfter(f, def.Body, false, map[*syntax.DefStmt]bool{def: true})
			}
		})
	},
}

// callsAfter follows statements in their order, and the functions that they
// call: wrote says whether a write stands before them. It reports whether one
// does behind them. What a branch writes counts for the branch alone; what a loop
// writes, for its next turn and for what follows it.
func (p *pass) callsAfter(f *file, block []syntax.Stmt, wrote bool, busy map[*syntax.DefStmt]bool) bool {
	for _, st := range block {
		switch st := st.(type) {
		case *syntax.DefStmt:
		case *syntax.IfStmt:
			wrote = p.callsIn(f, st.Cond, wrote, busy)
			p.callsAfter(f, st.True, wrote, busy)
			p.callsAfter(f, st.False, wrote, busy)
		case *syntax.ForStmt:
			wrote = p.callsIn(f, st.X, wrote, busy)
			if p.callsAfter(f, st.Body, wrote, busy) && !wrote {
				wrote = true
				p.callsAfter(f, st.Body, wrote, busy)
			}
		default:
			wrote = p.callsIn(f, st, wrote, busy)
		}
	}
	return wrote
}

// callsIn is callsAfter of an expression or a simple statement.
func (p *pass) callsIn(f *file, n syntax.Node, wrote bool, busy map[*syntax.DefStmt]bool) bool {
	out := f.loadedFrom("@stdlib//http.star")
	inOrder(n, func(n syntax.Node) {
		call, ok := n.(*syntax.CallExpr)
		if !ok {
			return
		}
		_, node := runsNode(call, "HTTPRequestNode")
		if wrote && (node || f.callsOut(call, out)) {
			p.once(f.span(call), "the transaction stays open while this waits for an answer, and other writers with it", "call out before the first write")
		}
		if c, ok := runOf(call); ok && c.writes() {
			wrote = true
		}
		if other, def := p.called(f, call); def != nil && !busy[def] && p.mayFollow() {
			busy[def] = true
			wrote = p.callsAfter(other, def.Body, wrote, busy)
			delete(busy, def)
		}
	})
	return wrote
}

// loadedFrom are the names that a file has from a module.
func (f *file) loadedFrom(module string) map[string]bool {
	if names := f.outer[module]; names != nil {
		return names
	}
	names := map[string]bool{}
	for _, st := range f.tree.Stmts {
		if load, ok := st.(*syntax.LoadStmt); ok && load.ModuleName() == module {
			for _, to := range load.To {
				names[to.Name] = true
			}
		}
	}
	if f.outer == nil {
		f.outer = map[string]map[string]bool{}
	}
	f.outer[module] = names
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

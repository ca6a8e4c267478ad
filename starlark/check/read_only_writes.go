package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var readOnlyWrites = Rule{
	Code: "FC436", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    return ctx.run(Thing.create, n = n)  # here

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int}, read_only = True)
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		p.handlers(func(w *dataflow.Workflow, f *file, def *syntax.DefStmt) {
			if !w.ReadOnly {
				return
			}
			p.runsIn(f, def.Body, map[*syntax.DefStmt]bool{def: true}, func(f *file, c dbCall) {
				if c.writes() {
					p.once(f.span(c.CallExpr), fmt.Sprintf("the handler %s promises not to write, and is refused here", w.Name), "leave read_only = True out of app.handler")
				}
			})
		})
	},
}

// runsIn calls visit for the operations that a handler runs: its own, and those
// of the functions it calls, but for what these do in a branch.
func (p *pass) runsIn(f *file, block []syntax.Stmt, busy map[*syntax.DefStmt]bool, visit func(f *file, c dbCall)) {
	handler := len(busy) == 1
	for _, st := range block {
		syntax.Walk(st, func(n syntax.Node) bool {
			if _, branch := n.(*syntax.IfStmt); branch && !handler {
				return false
			}
			if c, ok := runOf(n); ok {
				visit(f, c)
			}
			if call, ok := n.(*syntax.CallExpr); ok {
				if other, def := p.called(f, call); def != nil && !busy[def] && p.mayFollow() {
					busy[def] = true
					p.runsIn(other, def.Body, busy, visit)
					delete(busy, def)
				}
			}
			return true
		})
	}
}

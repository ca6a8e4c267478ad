package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var handlerReadOnly = Rule{
	Code: "FC431", severity: dataflow.SeverityInfo, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def count(ctx):
    return {"n": ctx.run(Thing.count).count}

app = Nexus()
app.handler("count", count)  # here
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def count(ctx):
    return {"n": ctx.run(Thing.count).count}

app = Nexus()
app.handler("count", count, read_only = True)
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			if w.Handler == nil || w.ReadOnly || w.Durable != nil && *w.Durable { // whose steps are transactions of their own
				continue
			}
			if f, def := p.definition(w.Handler); def != nil && f.onlyReads(def) {
				p.report(w.Span, fmt.Sprintf("the handler %s only reads, and waits its turn among the writers all the same", w.Name), "write read_only = True: it then runs beside them, on one state of the database")
			}
		}
	},
}

// onlyReads reports whether a handler reads, and is seen to do nothing else:
// its ctx goes nowhere but into ctx.run of operations that read.
func (f *file) onlyReads(def *syntax.DefStmt) bool {
	if len(def.Params) == 0 {
		return false
	}
	ctx, ok := def.Params[0].(*syntax.Ident)
	if !ok {
		return false
	}
	reads, uses := 0, 0
	reading := map[string]bool{"read": true, "list": true, "count": true, "aggregate": true}
	syntax.Walk(def, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.Ident:
			if !f.binds[n] && f.first(n) == f.first(ctx) {
				uses++
			}
		case *syntax.DotExpr:
			if id, ok := n.X.(*syntax.Ident); ok && id.Name == ctx.Name && n.Name.Name != "run" && n.Name.Name != "workflow" {
				uses-- // ctx.now, ctx.user: they do nothing
			}
		case *syntax.CallExpr:
			dot, ok := n.Fn.(*syntax.DotExpr)
			if !ok || dot.Name.Name != "run" || len(n.Args) == 0 {
				break
			}
			if id, ok := dot.X.(*syntax.Ident); ok && id.Name == ctx.Name {
				if op, ok := n.Args[0].(*syntax.DotExpr); ok && reading[op.Name.Name] {
					reads++
				}
			}
		}
		return true
	})
	return reads > 0 && reads == uses
}

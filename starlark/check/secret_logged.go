package check

import (
	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var secretLogged = Rule{
	Code: "FC521", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n, token):
    print("called with", token)  # here
    return ctx.run(Thing.create, n = n if token else 0)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "token": str})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n, token):
    print("called with", n)
    return ctx.run(Thing.create, n = n if token else 0)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int, "token": str})
app.start()
`,
	find: func(p *pass) {
		const message, hint = "the secret goes to the log, where it stays", "log what tells of it without it: whether it was there, or an id"
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				call, ok := n.(*syntax.CallExpr)
				_, node := runsNode(n, "LogNode")
				if !ok || callee(call) != "print" && !node {
					return
				}
				for _, a := range call.Args {
					if kw, ok := a.(*syntax.BinaryExpr); ok && kw.Op == syntax.EQ {
						a = kw.Y
					}
					syntax.Walk(a, func(n syntax.Node) bool {
						switch n := n.(type) {
						case *syntax.BinaryExpr: // token == None tells that there is one
							return n.Op == syntax.PLUS || n.Op == syntax.PERCENT || n.Op == syntax.OR
						case *syntax.UnaryExpr:
							return n.Op != syntax.NOT
						case *syntax.CallExpr: // len(token), sha256(token): not the secret itself
							return callee(n) == "format" || callee(n) == "str" || callee(n) == "repr"
						case *syntax.Ident:
							if isSecret(n.Name) {
								p.once(f.span(n), message, hint)
							}
						}
						return true
					})
				}
			})
		}
		for _, w := range p.app.Workflows {
			for _, n := range w.Nodes {
				if n.Type != "LogNode" {
					continue
				}
				nodeRefs(n, func(r dataflow.Ref) {
					if len(r.Path) > 0 && isSecret(r.Path[len(r.Path)-1].Name) {
						p.once(r.Span, message, hint)
					}
				})
			}
		}
	},
}

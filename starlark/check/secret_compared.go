package check

import (
	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var secretCompared = Rule{
	Code: "FC522", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
load("@stdlib//crypto.star", "hmac_sha256")
Thing = db.model("Thing", {"n": int})

def do(ctx, body, signature):
    if hmac_sha256("key", body) != signature:  # here
        fail("not signed")
    return ctx.run(Thing.create, n = 1)

app = Nexus()
app.handler("do", do, input = {"body": str, "signature": str})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
load("@stdlib//crypto.star", "equal", "hmac_sha256")
Thing = db.model("Thing", {"n": int})

def do(ctx, body, signature):
    if not equal(hmac_sha256("key", body), signature):
        fail("not signed")
    return ctx.run(Thing.create, n = 1)

app = Nexus()
app.handler("do", do, input = {"body": str, "signature": str})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			signed := map[*syntax.Ident]bool{} // names that stand for what hmac_sha256 gave
			f.walk(func(n syntax.Node) {
				if set, ok := n.(*syntax.AssignStmt); ok && isSignature(set.RHS) {
					if id, ok := set.LHS.(*syntax.Ident); ok {
						signed[f.first(id)] = true
					}
				}
			})
			secret := func(e syntax.Expr) bool {
				id, ok := e.(*syntax.Ident)
				return isSignature(e) || ok && signed[f.first(id)]
			}
			f.walk(func(n syntax.Node) {
				b, ok := n.(*syntax.BinaryExpr)
				if ok && (b.Op == syntax.EQL || b.Op == syntax.NEQ) && (secret(b.X) || secret(b.Y)) {
					p.report(f.span(b), "how long this takes tells how much of a forged signature is right", `load("@stdlib//crypto.star", "equal") and write equal(a, b)`)
				}
			})
		}
	},
}

func isSignature(e syntax.Expr) bool {
	call, ok := e.(*syntax.CallExpr)
	return ok && callee(call) == "hmac_sha256"
}

package check

import (
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var refusedSilently = Rule{
	Code: "FC806", severity: dataflow.SeverityInfo,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    if n < 0:
        fail()  # here
    return {"n": n}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    if n < 0:
        fail("n is less than 0")
    return {"n": n}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				call, ok := n.(*syntax.CallExpr)
				if !ok || len(call.Args) > 1 {
					return
				}
				if len(call.Args) == 1 {
					if s, ok := text(call.Args[0]); !ok || strings.TrimSpace(s) != "" {
						return
					}
				}
				if id, ok := call.Fn.(*syntax.Ident); ok && id.Name == "fail" && !f.isLocal(id) {
					p.report(f.span(call), "the caller is refused, and not told why", `write fail("only 3 left")`)
				}
			})
		}
	},
}

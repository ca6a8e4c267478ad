package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var secondDatabase = Rule{
	Code: "FC445", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})
books = DataFlow(database_url = "sqlite:books.db")
Entry = books.model("Entry", {"n": int})

def do(ctx, n):
    ctx.run(Entry.create, n = n)  # here
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.expose(Thing, Entry)
app.handler("do", do, input = {"n": int}, durable = True)
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})
books = DataFlow(database_url = "sqlite:books.db")
Entry = books.model("Entry", {"n": int})

def do(ctx, n):
    if ctx.run(Entry.count, filter = {"n": n}).count > 0:
        fail("there is an entry already")
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.expose(Thing, Entry)
app.handler("do", do, input = {"n": int}, durable = True)
app.start()
`,
	find: func(p *pass) {
		if len(p.app.Databases) < 2 {
			return
		}
		home := p.app.Databases[0]
		p.handlers(func(w *dataflow.Workflow, f *file, def *syntax.DefStmt) {
			if w.Durable == nil || !*w.Durable {
				return
			}
			p.runsIn(f, def.Body, map[*syntax.DefStmt]bool{def: true}, func(f *file, c dbCall) {
				m := p.modelOf(f, c)
				if m == nil || !c.writes() || m.Database == home {
					return
				}
				p.once(f.span(c.CallExpr), fmt.Sprintf("%s.%s writes to the database %s, and the runs of the handler %s are kept in %s", m.Name, c.kind, m.Database.Name, w.Name, home.Name),
					"write there in a handler of its own that is not durable; one that is writes to the database that the file declares first")
			})
		})
	},
}

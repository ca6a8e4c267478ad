package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

var waitUnkept = Rule{
	Code: "FC441", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def pause(ctx):
    ctx.sleep("1h")

def do(ctx, n):
    pause(ctx)
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})  # here
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def pause(ctx):
    ctx.sleep("1h")

def do(ctx, n):
    pause(ctx)
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int}, durable = True)
app.start()
`,
	find: func(p *pass) {
		p.follow()
		for _, w := range p.app.Workflows {
			at, waits := p.waits[w]
			if !waits || w.Durable != nil && *w.Durable || w.Signals != nil { // which is an error there
				continue
			}
			hint := "write durable = True: a run that waits rests in the database"
			if w.Durable != nil {
				hint = "leave out durable = False and write durable = True: a run that waits rests in the database"
			}
			d := p.report(w.Span, fmt.Sprintf("the handler %s waits, which fails: it is not durable", w.Name), hint)
			d.Related = []dataflow.Related{{Span: at, Message: "it waits here"}}
		}
	},
}

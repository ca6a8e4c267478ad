package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
)

var signalUnused = Rule{
	Code: "FC443", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    ctx.wait_signal("approval")
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int}, durable = True, signals = {
    "approval": {"approved": bool},
    "closed": None,  # here
})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def close(ctx):
    return ctx.wait_signal("closed")

def do(ctx, n):
    ctx.wait_signal("approval")
    close(ctx)
    return ctx.run(Thing.create, n = n)

def one(ctx, which):
    return ctx.wait_signal(which)

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int}, durable = True, signals = {"approval": {"approved": bool}, "closed": None})
app.handler("one", one, input = {"which": str}, durable = True, signals = {"a": None, "b": None})
app.start()
`,
	find: func(p *pass) {
		p.follow()
		for _, w := range p.app.Workflows {
			h := p.heard[w]
			if h == nil || h.other {
				continue
			}
			for _, s := range w.Signals {
				if !h.names[s.Name] {
					p.report(w.Spans.Key("/signals/"+codec.EscapePointer(s.Name)), fmt.Sprintf("the handler %s never waits for the signal %s", w.Name, s.Name), "wait for it, or don't declare it")
				}
			}
		}
	},
}

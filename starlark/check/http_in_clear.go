package check

import (
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/internal/lazyregexp"
	"go.starlark.net/syntax"
)

var httpInClear = Rule{
	Code: "FC512", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})
wf = WorkflowBuilder("rates", input = {})
wf.add_node("HTTPRequestNode", "rates", {"url": "http://rates.example.com/eur"})  # here
app = Nexus()
app.register("rates", wf.build())
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})
wf = WorkflowBuilder("rates", input = {})
wf.add_node("HTTPRequestNode", "rates", {"url": "https://rates.example.com/eur"})
wf.add_node("HTTPRequestNode", "beside", {"url": "http://localhost:9000/eur"})
app = Nexus()
app.register("rates", wf.build())
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				lit, ok := n.(*syntax.Literal)
				if !ok {
					return
				}
				s, ok := text(lit)
				rest, clear := strings.CutPrefix(s, "http://")
				if !ok || !clear || rest == "" || near.MatchString(rest) || strings.ContainsAny(s, " \n") {
					return
				}
				p.report(f.span(lit), "what is sent to this address can be read and changed on its way", "write https://")
			})
		}
	},
}

// near matches addresses that a request does not leave the machine or its own
// network for, and those that are no addresses: names of XML schemas.
var near = lazyregexp.New(`^(localhost|127\.|\[::1\]|10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|\$|\{|%|[^/:]+\.(local|internal|localhost|test)\b|[^./:]+[:/]|www\.w3\.org|schemas\.)`)

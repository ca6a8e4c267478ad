package check

import (
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/internal/lazyregexp"
	"go.starlark.net/syntax"
)

var secretInAddress = Rule{
	Code: "FC517", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {})
wf.add_node("HTTPRequestNode", "rates", {
    "url": "https://rates.example.com/eur?api_key=${env.RATES_KEY}",  # here
})
app = Nexus()
app.register("make", wf.build(output = {"rates": "${rates.json}"}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {})
wf.add_node("HTTPRequestNode", "rates", {
    "url": "https://rates.example.com/eur",
    "headers": {"Authorization": "Bearer ${env.RATES_KEY}"},
})
app = Nexus()
app.register("make", wf.build(output = {"rates": "${rates.json}"}))
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				if lit, ok := n.(*syntax.Literal); ok {
					if s, ok := text(lit); ok && strings.ContainsAny(s, "?&") && keyInQuery.MatchString(s) {
						p.report(f.span(lit), "what stands in an address is kept in logs, of services and of all that is between", "send it in a header, as Authorization")
					}
				}
			})
		}
	},
}

// keyInQuery matches a secret's name in the query of a URL, with a value.
var keyInQuery = lazyregexp.New(`(?i)^(https?://|\$\{)\S*[?&](api_?key|access_token|auth_token|token|secret|client_secret|password|passwd)=(\S|$)`)

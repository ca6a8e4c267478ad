package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

var retryRepeats = Rule{
	Code: "FC367", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})
wf = WorkflowBuilder("pay", input = {"n": int})
wf.add_node("HTTPRequestNode", "charge", {"url": "https://pay.example.com/charges", "method": "POST", "json": {"n": "${input.n}"}}, retry = retry(max = 3))  # here
app = Nexus()
app.register("pay", wf.build())
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})
wf = WorkflowBuilder("pay", input = {"n": int})
wf.add_node("HTTPRequestNode", "charge", {"url": "https://pay.example.com/charges", "method": "PUT", "json": {"n": "${input.n}"}}, retry = retry(max = 3))
app = Nexus()
app.register("pay", wf.build())
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			for _, n := range w.Nodes {
				if n.Type != "HTTPRequestNode" || n.Retry == nil || n.Retry.Max < 1 {
					continue
				}
				method, _ := n.Config.Get("method")
				if s, ok := method.(string); ok && (strings.EqualFold(s, "POST") || strings.EqualFold(s, "PATCH")) {
					p.report(n.Span, fmt.Sprintf("the node %s sends %s again when it fails, which may do what it asks for twice", n.ID, strings.ToUpper(s)),
						"make sure that the service heeds the Idempotency-Key that is sent along, and say so in a suppression; or leave retry out")
				}
			}
		}
	},
}

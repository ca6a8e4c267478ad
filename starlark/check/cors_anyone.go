package check

import (
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

var corsAnyone = Rule{
	Code: "FC513", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})
app = Nexus(cors_origins = ["*"])  # here
app.expose(Order)
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})
app = Nexus(cors_origins = ["https://shop.example.com"])
app.expose(Order)
app.start()
`,
	find: func(p *pass) {
		s := p.app.Server
		if s == nil || !slices.Contains(s.CORSOrigins, "*") {
			return
		}
		p.report(s.Spans.At("/cors_origins"), "every web page may call this app on behalf of whoever looks at it", "name the pages that do: cors_origins = [\"https://shop.example.com\"]")
	},
}

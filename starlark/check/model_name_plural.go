package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

var modelNamePlural = Rule{
	Code: "FC805", severity: dataflow.SeverityInfo,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Customers = db.model("Customers", {"name": str})  # here
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Customer = db.model("Customer", {"name": str})
Address = db.model("Address", {"street": str})
News = db.model("News", {"title": str}, table = "news")
`,
	find: func(p *pass) {
		for _, m := range p.app.Models() {
			if slices.ContainsFunc(oneIn, func(word string) bool { return strings.HasSuffix(strings.ToLower(m.Name), word) }) {
				continue
			}
			name := strings.TrimSuffix(m.Name, "s")
			if name == m.Name || strings.HasSuffix(name, "s") || strings.HasSuffix(name, "u") || strings.HasSuffix(name, "i") || m.Spans["/table"] != (dataflow.Span{}) {
				continue
			}
			p.report(m.Span, fmt.Sprintf("a row is one of %s: the model is named after one", m.Name), fmt.Sprintf("name it %s", name))
		}
	},
}

// oneIn are words for one thing that end as many do.
var oneIn = []string{"alias", "atlas", "bias", "canvas", "chaos", "dns", "gas", "gps", "lens", "pancreas", "pos", "series", "sms", "species", "tls", "trellis", "texas"}

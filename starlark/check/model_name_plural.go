package check

import (
	"fmt"
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
			name := strings.TrimSuffix(m.Name, "s")
			if name == m.Name || strings.HasSuffix(name, "s") || strings.HasSuffix(name, "u") || strings.HasSuffix(name, "i") || m.Spans["/table"] != (dataflow.Span{}) {
				continue
			}
			p.report(m.Span, fmt.Sprintf("a row is one of %s: the model is named after one", m.Name), fmt.Sprintf("name it %s", name))
		}
	},
}

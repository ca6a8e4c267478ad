package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

var statusAsText = Rule{
	Code: "FC243", severity: dataflow.SeverityInfo,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {
    "status": str,  # here
})
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {
    "status": enum("new", "paid", default = "new"),
})
`,
	find: func(p *pass) {
		for _, m := range p.app.Models() {
			for _, f := range m.Fields {
				if f.Name == "state" && isPlace(m) {
					continue
				}
				if (f.Name == "status" || f.Name == "state" || strings.HasSuffix(f.Name, "_status")) && f.Type.Kind == dataflow.KindString && f.Pattern == nil {
					p.report(f.Span, fmt.Sprintf("%s.%s looks like one of a few words, and takes any text", m.Name, f.Name), "write enum(\"new\", \"done\"): then misspelt ones are found, here and in what callers send")
				}
			}
		}
	},
}

// isPlace reports whether rows are addresses, whose state is a part of a country.
func isPlace(m *dataflow.Model) bool {
	for _, name := range []string{"city", "street", "zip", "postcode", "postal_code", "country", "county"} {
		if m.Field(name) != nil {
			return true
		}
	}
	return false
}

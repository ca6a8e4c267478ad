package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/internal/lazyregexp"
)

// moneyName matches names that money goes by, as a word of its own within the
// name: "unit_price", not "priceless".
var moneyName = lazyregexp.New(`(?i)(^|_)(price|amount|total|subtotal|cost|fee|salary|balance|revenue|tax|vat|discount|payment|refund|invoice|money|net|gross)s?($|_)`)

var moneyInFloat = Rule{
	Code: "FC230", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {
    "total": float,  # here
})
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {
    "total": decimal(12, 2),
    "weight": float,
})
`,
	find: func(p *pass) {
		for _, m := range p.app.Models() {
			for _, f := range m.Fields {
				if f.Type.Kind == dataflow.KindFloat && moneyName.MatchString(f.Name) {
					p.report(f.Span, fmt.Sprintf("%s.%s looks like money, which a float can't hold exactly", m.Name, f.Name), "write decimal(12, 2)")
				}
			}
		}
	},
}

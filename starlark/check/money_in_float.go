package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

// isMoney reports whether money goes by a name, with a word of its own within it:
// "unit_price", not "priceless".
func isMoney(name string) bool {
	if endsIn(name, "factor", "ratio", "percent", "percentage", "pct", "share", "index", "score", "weight", "load", "growth") { // of money, but none
		return false
	}
	return hasWord(name, "price", "amount", "total", "subtotal", "cost", "fee", "salary", "balance", "revenue",
		"tax", "vat", "discount", "payment", "refund", "invoice", "money", "net", "gross")
}

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
		for _, m := range p.ownModels() {
			for _, f := range m.Fields {
				if f.Type.Kind == dataflow.KindFloat && isMoney(f.Name) {
					p.report(f.Span, fmt.Sprintf("%s.%s looks like money, which a float can't hold exactly", m.Name, f.Name), "write decimal(12, 2)")
				}
			}
		}
	},
}

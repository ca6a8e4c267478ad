package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

var cardData = Rule{
	Code: "FC514", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Payment = db.model("Payment", {
    "amount": decimal(12, 2),
    "card_number": str,  # here
    "cvv": str,  # here
})
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Payment = db.model("Payment", {
    "amount": decimal(12, 2),
    "card_last4": field(str, min_length = 4, max_length = 4),
    "charge": str,
})
`,
	find: func(p *pass) {
		for _, m := range p.app.Models() {
			for _, f := range m.Fields {
				if isCardData(f.Name) {
					p.report(f.Span, fmt.Sprintf("%s.%s keeps what lets anybody pay with the card", m.Name, f.Name), "keep the id that the payment service gave for it, and the last four digits to show")
				}
			}
		}
	},
}

// isCardData reports whether a name is one of a card's own data: "card_number",
// not "card_last4".
func isCardData(name string) bool {
	name = strings.ToLower(name) // cardNumber, too
	switch name {
	case "cvv", "cvv2", "cvc", "cvc2", "credit_card", "pan":
		return true
	}
	switch strings.TrimPrefix(strings.ReplaceAll(name, "_", ""), "credit") {
	case "cardnumber", "cardno", "cardnum", "cardpan", "cardcvv", "cardcvc", "cardcode":
		return true
	}
	return false
}

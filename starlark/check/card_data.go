package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/internal/lazyregexp"
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
				if cardName.MatchString(f.Name) {
					p.report(f.Span, fmt.Sprintf("%s.%s keeps what lets anybody pay with the card", m.Name, f.Name), "keep the id that the payment service gave for it, and the last four digits to show")
				}
			}
		}
	},
}

var cardName = lazyregexp.New(`^(credit_?)?card_?(number|no|num|pan|cvv|cvc|code)$|^(cvv2?|cvc2?|credit_card|pan)$`)

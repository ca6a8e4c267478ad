package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

var emailUnchecked = Rule{
	Code: "FC235", severity: dataflow.SeverityInfo,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
User = db.model("User", {
    "email": str,  # here
})
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
User = db.model("User", {
    "email": field(str, format = "email"),
})
`,
	find: func(p *pass) {
		formats := map[string]string{"email": "email", "url": "url", "website": "url", "phone": "phone", "country_code": "country", "currency": "currency"}
		for _, m := range p.app.Models() {
			for _, f := range m.Fields {
				format, ok := formats[f.Name]
				if ok && f.Type.Kind == dataflow.KindString && f.Format == "" && f.Pattern == nil {
					p.report(f.Span, fmt.Sprintf("%s.%s takes any text", m.Name, f.Name), fmt.Sprintf("write field(str, format = %q)", format))
				}
			}
		}
	},
}

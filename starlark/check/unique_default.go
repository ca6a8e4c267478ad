package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

var uniqueDefault = Rule{
	Code: "FC241", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
User = db.model("User", {
    "code": field(str, unique = True, default = "none"),  # here
})
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
User = db.model("User", {
    "code": field(str, unique = True, optional = True),
})
`,
	find: func(p *pass) {
		for _, m := range p.app.Models() {
			for _, f := range m.Fields {
				if f.Unique && f.HasDefault && f.Default != nil && f.System == dataflow.RoleNone {
					at := f.Spans.At("/default")
					if at.IsZero() {
						at = f.Span
					}
					p.report(at, fmt.Sprintf("one row of %s can have the default of %s: the second is refused, for the field is unique", m.Name, f.Name), "leave the default out; with optional = True rows without a value don't count as the same")
				}
			}
		}
	},
}

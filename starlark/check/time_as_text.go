package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

var timeAsText = Rule{
	Code: "FC232", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Task = db.model("Task", {
    "due_at": str,  # here
    "birth_date": str,  # here
})
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Task = db.model("Task", {
    "due_at": datetime,
    "birth_date": date,
    "date_format": str,
})
`,
	find: func(p *pass) {
		for _, m := range p.ownModels() {
			for _, f := range m.Fields {
				if f.System != dataflow.RoleNone || f.Type.Kind != dataflow.KindString {
					continue
				}
				switch {
				case strings.HasSuffix(f.Name, "_at") || f.Name == "timestamp" || f.Name == "datetime":
					p.report(f.Span, fmt.Sprintf("%s.%s looks like an instant, kept as text", m.Name, f.Name), "write datetime: then it sorts and compares in time, whatever the offset it came with")
				case f.Name == "date" || strings.HasSuffix(f.Name, "_date"):
					p.report(f.Span, fmt.Sprintf("%s.%s looks like a date, kept as text", m.Name, f.Name), "write date: then only dates are taken, and it sorts")
				}
			}
		}
	},
}

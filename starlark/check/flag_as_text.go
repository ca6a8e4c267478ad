package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

var flagAsText = Rule{
	Code: "FC233", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Task = db.model("Task", {
    "is_done": str,  # here
    "has_parts": int,  # here
})
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Task = db.model("Task", {
    "is_done": bool,
    "has_parts": bool,
})
`,
	find: func(p *pass) {
		for _, m := range p.ownModels() {
			for _, f := range m.Fields {
				flag := strings.HasPrefix(f.Name, "is_") || strings.HasPrefix(f.Name, "has_")
				if flag && (f.Type.Kind == dataflow.KindString || f.Type.Kind == dataflow.KindInt) {
					p.report(f.Span, fmt.Sprintf("%s.%s looks like a yes or no, kept as %s", m.Name, f.Name, f.Type), "write bool")
				}
			}
		}
	},
}

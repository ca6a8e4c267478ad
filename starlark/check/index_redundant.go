package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

var indexRedundant = Rule{
	Code: "FC236", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {
    "status": field(str, index = True),  # here
    "day": date,
}, indexes = [index("status", "day")])
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {
    "status": str,
    "day": date,
}, indexes = [index("status", "day")])
`,
	find: func(p *pass) {
		for _, m := range p.ownModels() {
			for _, f := range m.Fields {
				if !f.Index || f.System != dataflow.RoleNone {
					continue
				}
				if why := served(m, f); why != "" {
					at := f.Span
					if o, ok := f.Spans["/index"]; ok {
						at = o
					}
					p.report(at, fmt.Sprintf("the index on %s.%s is one too many: %s", m.Name, f.Name, why), "leave out index = True: every write pays for an index")
				}
			}
		}
	},
}

// served says what else lets rows be found by a field: "" is nothing.
func served(m *dataflow.Model, f *dataflow.Field) string {
	for _, ix := range m.Indexes {
		if len(ix.Fields) > 1 && ix.Where == nil && ix.Fields[0] == f.Name {
			return "index(" + strings.Join(ix.Fields, ", ") + ") begins with it"
		}
	}
	if f.Type.Kind == dataflow.KindRef {
		return "a reference is always indexed"
	}
	return ""
}

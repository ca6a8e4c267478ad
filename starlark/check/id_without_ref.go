package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

var idWithoutRef = Rule{
	Code: "FC234", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Customer = db.model("Customer", {"name": str})
Order = db.model("Order", {
    "customer_id": int,  # here
})
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Customer = db.model("Customer", {"name": str})
Order = db.model("Order", {
    "customer": ref(Customer),
    "external_id": str,
})
`,
	find: func(p *pass) {
		for _, m := range p.ownModels() {
			for _, f := range m.Fields {
				if to := idOf(m, f); to != nil {
					p.report(f.Span, fmt.Sprintf("%s.%s looks like the id of a %s, which nothing keeps true", m.Name, f.Name, to.Name),
						fmt.Sprintf("write %q: ref(%s)", strings.TrimSuffix(f.Name, "_id"), to.Name))
				}
			}
		}
	},
}

// idOf returns the model whose ids a plain field seems to hold.
func idOf(m *dataflow.Model, f *dataflow.Field) *dataflow.Model {
	name, ok := strings.CutSuffix(f.Name, "_id")
	if !ok || f.System != dataflow.RoleNone || m.Database == nil {
		return nil
	}
	for _, to := range m.Database.Models {
		if strings.EqualFold(to.Name, strings.ReplaceAll(name, "_", "")) && f.Type.Kind == to.ID().Type.Kind {
			return to
		}
	}
	return nil
}

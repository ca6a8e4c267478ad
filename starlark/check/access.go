package check

import "github.com/flowctl/flowctl/dataflow"

// grants yields each grant of an app's access rules, with what it is for:
// "read" and so on of a model, "field" of one, "start" of a workflow. Those
// that the file does not write have no place, and are left out.
func (p *pass) grants(f func(m *dataflow.Model, what string, g *dataflow.Grant)) {
	each := func(m *dataflow.Model, what string, r *dataflow.Rule) {
		if r == nil || r.Span.IsZero() {
			return
		}
		for i := range r.Grants {
			f(m, what, &r.Grants[i])
		}
	}
	for _, m := range p.app.Models() {
		if m.Access == nil {
			continue
		}
		each(m, "read", m.Access.Read)
		each(m, "create", m.Access.Create)
		each(m, "update", m.Access.Update)
		each(m, "delete", m.Access.Delete)
		for _, fa := range m.Access.Fields {
			each(m, "field", fa.Read)
			each(m, "field", fa.Write)
		}
	}
	for _, w := range p.app.Workflows {
		each(nil, "start", w.Access)
	}
}

const ruledHead = `db = DataFlow(database_url = "sqlite:app.db")
app = Nexus(enable_auth = True)
`

package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

var ruleUnindexed = Rule{
	Code: "FC273", severity: dataflow.SeverityInfo,
	Bad: ruledHead + `Note = db.model("Note", {"owner": str, "text": str}, access = {"read": "owner == ctx.user.id", "create": signed_in()})  # here
app.expose(Note)
app.start()
`,
	Good: ruledHead + `Note = db.model("Note", {"owner": field(str, index = True), "text": str}, access = {"read": "owner == ctx.user.id", "create": signed_in()})
app.expose(Note)
app.start()
`,
	find: func(p *pass) {
		p.grants(func(m *dataflow.Model, what string, g *dataflow.Grant) {
			if what != "read" || g.Where == nil {
				return
			}
			for _, c := range needed(g.Where) {
				if f, ok := c.Left.(dataflow.FieldTerm); ok && len(f) == 1 && leads(m, m.Fields[f[0]].Name) || len(f) > 1 {
					return // one that leads to the rows is enough
				}
			}
			for _, c := range needed(g.Where) {
				if f, ok := c.Left.(dataflow.FieldTerm); ok && c.Op == dataflow.CompareEqual {
					name := m.Fields[f[0]].Name
					p.report(c.Span, fmt.Sprintf("no index leads to the rows of %s by %s: every list looks at all of them", m.Name, name), "write index = True for "+name)
					return
				}
			}
		})
	},
}

// needed lists comparisons all of which must hold for a condition to.
func needed(c dataflow.Cond) []*dataflow.CondCompare {
	switch c := c.(type) {
	case *dataflow.CondCompare:
		return []*dataflow.CondCompare{c}
	case dataflow.CondAnd:
		var all []*dataflow.CondCompare
		for _, part := range c {
			all = append(all, needed(part)...)
		}
		return all
	}
	return nil
}

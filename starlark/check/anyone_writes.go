package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

var anyoneWrites = Rule{
	Code: "FC274", severity: dataflow.SeverityWarning,
	Bad: ruledHead + `Note = db.model("Note", {"text": str}, access = {
    "read": signed_in(),
    "create": anyone(),  # here
})
app.expose(Note)
app.start()
`,
	Good: ruledHead + `Note = db.model("Note", {"text": str}, access = {
    "read": anyone(),
    "create": signed_in(),
})
app.expose(Note)
app.start()
`,
	find: func(p *pass) {
		p.grants(func(m *dataflow.Model, what string, g *dataflow.Grant) {
			if g.Who != dataflow.WhoAnyone || what != "create" && what != "update" && what != "delete" || !p.serves(m) {
				return
			}
			p.report(g.Span, fmt.Sprintf("whoever reaches the app may %s rows of %s, and need not say who they are", what, m.Name),
				"write signed_in() or role(…); if it is meant, as for a form that visitors send, bound it by rate_limit and say why in a suppression")
		})
	},
}

// serves reports whether a model is exposed.
func (p *pass) serves(m *dataflow.Model) bool {
	for _, e := range p.app.Exposures {
		if e.Model == m {
			return true
		}
	}
	return false
}

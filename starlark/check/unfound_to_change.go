package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

var unfoundToChange = Rule{
	Code: "FC270", severity: dataflow.SeverityWarning,
	Bad: ruledHead + `Note = db.model("Note", {"owner": field(str, index = True)}, access = {
    "create": signed_in(),
    "update": "owner == ctx.user.id",  # here
    "delete": role("admin"),  # here
})
app.expose(Note)
app.start()
`,
	Good: ruledHead + `Note = db.model("Note", {"owner": field(str, index = True)}, access = {
    "read": "owner == ctx.user.id",
    "create": signed_in(),
    "update": "owner == ctx.user.id",
})
app.expose(Note)
app.start()
`,
	find: func(p *pass) {
		for _, m := range p.app.Models() {
			if m.Access == nil || m.Access.Read != nil && len(m.Access.Read.Grants) > 0 {
				continue
			}
			for _, r := range []struct {
				name string
				rule *dataflow.Rule
			}{{"update", m.Access.Update}, {"delete", m.Access.Delete}} {
				if r.rule != nil && len(r.rule.Grants) > 0 && !r.rule.Span.IsZero() {
					p.report(m.Access.Spans.Key("/"+r.name), fmt.Sprintf("nobody may %s a %s: to do so a row is found first, and nobody may read one", r.name, m.Name), `say who may "read"`)
				}
			}
		}
	},
}

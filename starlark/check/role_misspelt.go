package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

var roleMisspelt = Rule{
	Code: "FC275", severity: dataflow.SeverityWarning,
	Bad: ruledHead + `Note = db.model("Note", {"text": str}, access = {
    "read": role("editor"),
    "create": role("editor"),
    "update": role("editro"),  # here
})
app.expose(Note)
app.start()
`,
	Good: ruledHead + `Note = db.model("Note", {"text": str}, access = {
    "read": role("editor", "reader"),
    "create": role("editor"),
    "update": role("editor"),
})
app.expose(Note)
app.start()
`,
	find: func(p *pass) {
		uses := map[string]int{}
		p.grants(func(_ *dataflow.Model, _ string, g *dataflow.Grant) {
			for _, name := range g.Roles {
				uses[name]++
			}
		})
		var common []string
		for _, name := range slices.Sorted(maps.Keys(uses)) {
			if uses[name] > 1 {
				common = append(common, name)
			}
		}
		p.grants(func(_ *dataflow.Model, _ string, g *dataflow.Grant) {
			for _, name := range g.Roles {
				if near := dataflow.Suggest(name, common); uses[name] == 1 && near != "" && withoutDigits(name) != withoutDigits(near) {
					p.report(g.Span, fmt.Sprintf("the role %q is named here alone", name), fmt.Sprintf("did you mean %q?", near))
				}
			}
		})
	},
}

// withoutDigits is a name less what numbers it: tier1 and tier2 are two.
func withoutDigits(name string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, name)
}

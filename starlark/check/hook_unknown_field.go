package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var hookUnknownField = Rule{
	Code: "FC237", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
def tidy(row):
    return {"emial": row.email.lower()}  # here

User = db.model("User", {"email": field(str, format = "email")}, before_create = tidy)
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
def tidy(row):
    return {"email": row.email.lower()}

User = db.model("User", {"email": field(str, format = "email")}, before_create = tidy)
`,
	find: func(p *pass) {
		for _, m := range p.app.Models() {
			for _, fn := range []dataflow.Func{m.BeforeCreate, m.BeforeUpdate, m.BeforeDelete, m.Validate} {
				if fn == nil {
					continue
				}
				f, def := p.definition(fn)
				if def == nil {
					continue
				}
				results(def, func(e syntax.Expr) {
					d, ok := e.(*syntax.DictExpr)
					if !ok {
						return
					}
					for _, item := range d.List {
						key := item.(*syntax.DictEntry).Key
						name, ok := text(key)
						near := dataflow.DidYouMean(name, ownFields(m))
						if !ok || m.Field(name) != nil || fn == m.Validate && near == "" { // which may say more than fields can hold
							continue
						}
						if at := f.span(key); fn == m.Validate {
							p.report(at, fmt.Sprintf("%s has no field %q for %s to speak of", m.Name, name, def.Name.Name), near)
						} else {
							p.report(at, fmt.Sprintf("%s has no field %q for %s to set", m.Name, name, def.Name.Name), near)
						}
					}
				})
			}
		}
	},
}

// ownFields are the names of the fields that the runtime does not keep itself.
func ownFields(m *dataflow.Model) []string {
	var names []string
	for _, f := range m.Fields {
		if f.System == dataflow.RoleNone {
			names = append(names, f.Name)
		}
	}
	return names
}

package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
)

var passwordPlain = Rule{
	Code: "FC511", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
User = db.model("User", {
    "name": str,
    "password": str,  # here
})
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
User = db.model("User", {
    "name": str,
    "password_hash": str,
})
`,
	find: func(p *pass) {
		for _, m := range p.app.Models() {
			for _, f := range m.Fields {
				if isPassword(f.Name) && (f.Type.Kind == dataflow.KindString || f.Type.Kind == dataflow.KindBytes) {
					p.report(f.Span, fmt.Sprintf("%s.%s keeps a password as it was given", m.Name, f.Name), "keep a digest made for passwords by the service that checks them, as password_hash; whoever reads the table or a backup has it otherwise")
				}
			}
		}
	},
}

func isPassword(name string) bool {
	return endsIn(name, "password", "passwd", "passphrase", "pin_code")
}

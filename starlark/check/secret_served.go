package check

import (
	"fmt"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

var secretServed = Rule{
	Code: "FC516", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
User = db.model("User", {"name": str, "password_hash": str})
app = Nexus()
app.expose(User)  # here
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
User = db.model("User", {"name": str})
Login = db.model("Login", {"user": ref(User), "password_hash": str})
app = Nexus()
app.expose(User)
app.start()
`,
	find: func(p *pass) {
		for _, e := range p.app.Exposures {
			if e.Model == nil || !e.Allows(dataflow.OpRead) && !e.Allows(dataflow.OpList) {
				continue
			}
			for _, f := range e.Model.Fields {
				if isServedSecret(f.Name) && !bounded(e.Model, f) {
					p.report(e.Span, fmt.Sprintf("%s.%s is in every answer about a %s", e.Model.Name, f.Name, e.Model.Name),
						"keep it in a model of its own that is not exposed, or serve the model by handlers that return what callers may see")
				}
			}
		}
	},
}

func isServedSecret(name string) bool {
	return endsIn(name, "password", "password_hash", "passwd", "pass_hash", "secret", "api_key", "apikey", "private_key", "privatekey", "token", "otp", "salt")
}

// bounded reports whether a rule says who may read a field: that is meant.
func bounded(m *dataflow.Model, f *dataflow.Field) bool {
	return m.Access != nil && slices.ContainsFunc(m.Access.Fields, func(fa dataflow.FieldAccess) bool {
		return fa.Read != nil && m.Fields[fa.Field] == f
	})
}

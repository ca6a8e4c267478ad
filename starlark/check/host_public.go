package check

import (
	"net/netip"

	"github.com/flowctl/flowctl/dataflow"
)

var hostPublic = Rule{
	Code: "FC515", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})
app = Nexus(host = "0.0.0.0")  # here
app.expose(Thing)
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})
app = Nexus(host = "0.0.0.0", enable_auth = True)
app.expose(Thing)
app.start()
`,
	find: func(p *pass) {
		s := p.app.Server
		if s == nil || s.EnableAuth || s.Host == "" || s.Host == "localhost" {
			return
		}
		if addr, err := netip.ParseAddr(s.Host); err == nil && addr.IsLoopback() {
			return
		}
		p.report(s.Spans.At("/host"), "whoever reaches the machine may call everything that is served: nobody is asked who they are", "write enable_auth = True, so that callers need a key or a token; or listen on 127.0.0.1, with a proxy before it that lets in whom you know")
	},
}

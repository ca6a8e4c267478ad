package check

import (
	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var addressOfCaller = Rule{
	Code: "FC518", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"url": str})
wf.add_node("HTTPRequestNode", "page", {
    "url": "${input.url}",  # here
})
app = Nexus()
app.register("make", wf.build(output = {"status": "${page.status}"}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int, "note": str})
wf = WorkflowBuilder("make", input = {"page": int})
wf.add_node("HTTPRequestNode", "page", {
    "url": "https://shop.example.com/pages/${input.page}",
})
app = Nexus()
app.register("make", wf.build(output = {"status": "${page.status}"}))
app.start()
`,
	find: func(p *pass) {
		const message, hint = "callers choose where the server calls, also within its own network", "write the host in the file, and let callers choose what is behind it"
		for _, w := range p.app.Workflows {
			for _, n := range w.Nodes {
				url, _ := n.Config.Get("url")
				if n.Type == "HTTPRequestNode" && beginsWithInput(url) {
					p.report(n.Spans.At("/config/url"), message, hint)
				}
			}
		}
		p.handlers(func(_ *dataflow.Workflow, f *file, def *syntax.DefStmt) {
			out := f.loadedFrom("@stdlib//http.star")
			syntax.Walk(def, func(n syntax.Node) bool {
				call, ok := n.(*syntax.CallExpr)
				if !ok {
					return true
				}
				var url syntax.Expr
				if _, node := runsNode(call, "HTTPRequestNode"); node {
					url = keyword(call, "url")
				} else if f.callsOut(call, out) && len(call.Args) > 1 {
					url = call.Args[1]
				}
				if url != nil && f.parameter(def, url) != "" {
					p.report(f.span(url), message, hint)
				}
				return true
			})
		})
	},
}

func beginsWithInput(v any) bool {
	if t, ok := v.(*dataflow.Template); ok && len(t.Parts) > 0 {
		v = t.Parts[0]
		if scheme, ok := v.(string); ok && len(t.Parts) > 1 && (scheme == "https://" || scheme == "http://") {
			v = t.Parts[1]
		}
	}
	r, ok := v.(dataflow.Ref)
	return ok && r.Root == dataflow.RootInput
}

package check

import (
	"fmt"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
)

var caseImpossible = Rule{
	Code: "FC366", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})
wf = WorkflowBuilder("route", input = {"kind": enum("new", "old")})
wf.add_node("SwitchNode", "by", {"value": "${input.kind}", "cases": ["new", "odl"]})  # here
wf.add_node(Order.count, "a", {}, when = "${by.case_new}")
app = Nexus()
app.register("route", wf.build())
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int})
wf = WorkflowBuilder("route", input = {"kind": enum("new", "old")})
wf.add_node("SwitchNode", "by", {"value": "${input.kind}", "cases": ["new", "old"]})
wf.add_node(Order.count, "a", {}, when = "${by.case_new}")
app = Nexus()
app.register("route", wf.build())
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			for _, n := range w.Nodes {
				if n.Type != "SwitchNode" {
					continue
				}
				value, _ := n.Config.Get("value")
				values := p.enumOf(w, value)
				cases, _ := n.Config.Get("cases")
				list, _ := cases.([]any)
				for _, c := range list {
					s, ok := c.(string)
					if ok && values != nil && !slices.Contains(values, s) {
						p.report(n.Spans.At("/config/cases"), fmt.Sprintf("the case %q of the node %s never comes: it is none of the values of its enum", s, n.ID), dataflow.DidYouMean(s, values))
					}
				}
			}
		}
	},
}

// enumOf returns the values that a reference to an input, or to what an operation
// gives, can have; nil if that is not known.
func (p *pass) enumOf(w *dataflow.Workflow, v any) []string {
	r, ok := v.(dataflow.Ref)
	if !ok || len(r.Path) == 0 {
		return nil
	}
	var is *val
	switch r.Root {
	case dataflow.RootInput:
		if in := inputOf(w, r.Path[0].Name); in != nil {
			is = along(typed(in.Type), r.Path[1:])
		}
	case dataflow.RootNode:
		for _, n := range w.Nodes {
			op := p.opOf(n)
			_, replaced := n.OnError.(*dataflow.Object)
			if n.ID == r.Node && op != nil && !replaced && !n.Config.Has("fields") && !n.Config.Has("expand") {
				is = along(typed(p.spec(*op).Output), r.Path)
			}
		}
	}
	if !is.is(dataflow.KindEnum) {
		return nil
	}
	return is.typ.Values
}

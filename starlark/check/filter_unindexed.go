package check

import (
	"fmt"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var filterUnindexed = Rule{
	Code: "FC361", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"status": str})
wf = WorkflowBuilder("open", input = {})
wf.add_node(Order.list, "orders", {"filter": {"status": "open"}, "limit": 50})  # here

def how_many(ctx):
    return {"open": ctx.run(Order.count, {"filter": {"status": "open"}}).count}  # here

app = Nexus()
app.handler("how_many", how_many)
app.register("open", wf.build(output = {"orders": "${orders.records}"}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"status": str, "day": date}, indexes = [index("status", "day")])
wf = WorkflowBuilder("open", input = {})
wf.add_node(Order.list, "orders", {"filter": {"status": "open"}, "limit": 50})

def open_of(ctx, day):
    return {"open": ctx.run(Order.count, filter = {"status": "open", "day": day}).count}

app = Nexus()
app.handler("open_of", open_of, input = {"day": date})
app.register("open", wf.build(output = {"orders": "${orders.records}"}))
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			for _, n := range w.Nodes {
				op := p.opOf(n)
				if op == nil || op.Kind != dataflow.OpList && op.Kind != dataflow.OpCount {
					continue
				}
				filter, _ := n.Config.Get("filter")
				if fields, ok := filter.(*dataflow.Object); ok && !n.Config.Has("search") && !bring(w, n, "search") {
					p.unindexed(op.Model, keys(fields), n.Spans.Key("/config/filter"))
				}
			}
		}
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				c, ok := runOf(n)
				if !ok || c.kind != "list" && c.kind != "count" {
					return
				}
				if search, known := c.argument("search"); search != nil || !known { // which finds the rows
					return
				}
				filter, _ := c.argument("filter")
				m := p.modelOf(f, c)
				if dict, ok := filter.(*syntax.DictExpr); ok && m != nil {
					p.unindexed(m, textKeys(dict), f.span(dict))
				}
			})
		}
	},
}

// unindexed reports a filter over some fields, all of which must hold, that no
// index leads to. A field "" is one that is not known.
func (p *pass) unindexed(m *dataflow.Model, fields []string, at dataflow.Span) {
	if len(fields) == 0 || slices.ContainsFunc(fields, func(name string) bool { return leads(m, name) }) {
		return
	}
	p.report(at, fmt.Sprintf("no index of %s serves this filter: every row is looked at", m.Name),
		"give one of its fields index = True, or the model indexes = [index(…)] that begins with it")
}

func keys(o *dataflow.Object) (names []string) {
	for name := range o.All {
		names = append(names, name)
	}
	return names
}

func textKeys(d *syntax.DictExpr) (names []string) {
	for _, item := range d.List {
		name, _ := text(item.(*syntax.DictEntry).Key)
		names = append(names, name)
	}
	return names
}

// leads reports whether an index leads to rows by a field, as far as can be
// told: which one serves a path or an operator, only the database knows.
func leads(m *dataflow.Model, name string) bool {
	f := m.Field(name)
	if f == nil || f.System == dataflow.RoleID || f.Unique || f.Index || f.Type.Kind == dataflow.KindRef || f.Type.Kind == dataflow.KindBool { // of two values an index finds half the table
		return true
	}
	return slices.ContainsFunc(m.Indexes, func(ix dataflow.Index) bool { return ix.Fields[0] == name })
}

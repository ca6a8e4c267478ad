package check

import (
	"fmt"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/access"
	"go.starlark.net/syntax"
)

var listUnbounded = Rule{
	Code: "FC360", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"status": field(str, index = True)})
wf = WorkflowBuilder("open", input = {})
wf.add_node(Order.list, "orders", {"filter": {"status": "open"}})  # here

def ids(ctx):
    return {"ids": [o.id for o in ctx.run(Order.list, filter = {"status": "open"}).records]}  # here

app = Nexus()
app.handler("ids", ids)
app.register("open", wf.build(output = {"orders": "${orders.records}"}))
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"status": field(str, index = True)})
wf = WorkflowBuilder("open", input = {})
wf.add_node(Order.list, "orders", {"filter": {"status": "open"}, "limit": 50})

def ids(ctx):
    page = ctx.run(Order.list, filter = {"status": "open"})
    return {"ids": [o.id for o in page.records], "more": page.has_more}

app = Nexus()
app.handler("ids", ids)
app.register("open", wf.build(output = {"orders": "${orders.records}"}))
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			for _, n := range w.Nodes {
				op := p.opOf(n)
				if op == nil || op.Kind != dataflow.OpList || n.Config.Has("limit") || n.Config.Has("cursor") || p.reads(w, n, "has_more", "next_cursor") || bring(w, n, "limit") || findsOne(op.Model, fieldsOf(n, "filter")) {
					continue
				}
				p.report(n.Span, fmt.Sprintf("the node %s lists %d rows at most, and nothing asks whether there are more", n.ID, access.DefaultLimit),
					fmt.Sprintf("say how many are enough: \"limit\": %d; or look at has_more", access.DefaultLimit))
			}
		}
		for _, f := range p.files {
			f.inFunctions(func(def *syntax.DefStmt, n syntax.Node) {
				c, ok := runOf(n)
				if !ok || c.kind != "list" || !c.without("limit", "cursor") || asksForMore(def) || p.listsOne(f, c) {
					return
				}
				p.report(f.span(n), fmt.Sprintf("this lists %d rows at most, and nothing asks whether there are more", access.DefaultLimit),
					fmt.Sprintf("say how many are enough: limit = %d; or look at has_more", access.DefaultLimit))
			})
		}
	},
}

// without reports whether an operation is certainly told nothing by some names.
func (c dbCall) without(names ...string) bool {
	for _, name := range names {
		if e, known := c.argument(name); e != nil || !known {
			return false
		}
	}
	return true
}

// asksForMore reports whether a function looks at whether a list has more.
func asksForMore(def *syntax.DefStmt) bool {
	found := false
	syntax.Walk(def, func(n syntax.Node) bool {
		switch n := n.(type) {
		case *syntax.DotExpr:
			found = found || n.Name.Name == "has_more" || n.Name.Name == "next_cursor"
		case *syntax.Literal:
			found = found || n.Value == "has_more" || n.Value == "next_cursor"
		}
		return !found
	})
	return found
}

// listsOne reports whether a filter is seen to leave one row at most.
func (p *pass) listsOne(f *file, c dbCall) bool {
	filter, _ := c.argument("filter")
	dict, ok := filter.(*syntax.DictExpr)
	m := p.modelOf(f, c)
	if !ok || m == nil {
		return false
	}
	var equal []string
	for _, item := range dict.List {
		entry := item.(*syntax.DictEntry)
		if _, operators := entry.Value.(*syntax.DictExpr); operators {
			continue
		}
		if name, ok := text(entry.Key); ok {
			equal = append(equal, name)
		}
	}
	return findsOne(m, equal)
}

// fieldsOf are the fields that an object in a node's config gives a value, and
// not an operator.
func fieldsOf(n *dataflow.Node, part string) (names []string) {
	v, _ := n.Config.Get(part)
	o, ok := v.(*dataflow.Object)
	if !ok {
		return nil
	}
	for name, v := range o.All {
		if _, operators := v.(*dataflow.Object); !operators {
			names = append(names, name)
		}
	}
	return names
}

// findsOne reports whether there is one row at most with given values of fields.
func findsOne(m *dataflow.Model, fields []string) bool {
	for _, name := range fields {
		if f := m.Field(name); f != nil && (f.Unique || f.System == dataflow.RoleID) {
			return true
		}
	}
	return slices.ContainsFunc(m.Indexes, func(ix dataflow.Index) bool {
		return ix.Unique && ix.Where == nil && !slices.ContainsFunc(ix.Fields, func(name string) bool { return !slices.Contains(fields, name) })
	})
}

package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/rawsql"
	"go.starlark.net/syntax"
)

var sqlPastRules = Rule{
	Code: "FC368", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int}, soft_delete = True)
wf = WorkflowBuilder("count", input = {})
wf.add_node("SQLQueryNode", "q", {"sql": "SELECT count(*) AS n FROM orders"})  # here
app = Nexus()
app.register("count", wf.build())
app.expose(Order)
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Order = db.model("Order", {"n": int}, soft_delete = True)
wf = WorkflowBuilder("count", input = {})
wf.add_node("SQLQueryNode", "q", {"sql": "SELECT count(*) AS n FROM orders WHERE deleted_at IS NULL"})
app = Nexus()
app.register("count", wf.build())
app.expose(Order)
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			for _, n := range w.Nodes {
				v, _ := n.Config.Get("sql")
				s, ok := v.(string)
				if n.Type != "SQLQueryNode" || !ok {
					continue
				}
				params, _ := n.Config.Get("params")
				_, byPlace := params.([]any)
				if st, flaw := rawsql.Parse(s, byPlace); flaw == nil {
					p.pastRules(n.Spans.At("/config/sql"), st)
				}
			}
		}
		for _, f := range p.files {
			f.inFunctions(func(_ *syntax.DefStmt, n syntax.Node) {
				call, ok := runsNode(n, "SQLQueryNode")
				if !ok {
					return
				}
				params := keyword(call, "params")
				_, byPlace := params.(*syntax.ListExpr)
				if s, ok := text(keyword(call, "sql")); ok {
					if st, flaw := rawsql.Parse(s, byPlace); flaw == nil {
						p.pastRules(f.span(keyword(call, "sql")), st)
					}
				}
			})
		}
	},
}

// pastRules reports which rules of the models a statement passes by.
func (p *pass) pastRules(at dataflow.Span, s *rawsql.Statement) {
	for _, m := range p.app.Models() {
		if s.Find(m.Table) < 0 {
			continue
		}
		missed := func(role dataflow.Role) bool {
			i := m.RoleIndex(role)
			return i >= 0 && s.Find(m.Fields[i].ColumnName()) < 0
		}
		var past []string
		if missed(dataflow.RoleTenant) {
			past = append(past, "the rows of all tenants")
		}
		if missed(dataflow.RoleDeletedAt) {
			past = append(past, "those that are deleted softly")
		}
		if len(past) > 0 {
			p.report(at, fmt.Sprintf("the SQL sees every row of %s: %s", m.Name, strings.Join(past, ", and ")),
				"write the condition into it, or use "+m.Name+".list or "+m.Name+".aggregate")
		}
	}
}

package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/rawsql"
	"go.starlark.net/syntax"
)

var modelUnused = Rule{
	Code: "FC231", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})
Lost = db.model("Lost", {"n": int})  # here
app = Nexus()
app.expose(Thing)
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})
Part = db.model("Part", {"thing": ref(Thing)})
Count = db.model("Count", {"n": int})
Rate = db.model("Rate", {"n": int})
RATES = "SELECT n FROM rates WHERE id = :id"

wf = WorkflowBuilder("add_up")
wf.add_node("SQLQueryNode", "sum", {"sql": "SELECT sum(n) AS n FROM counts"})

def rate(ctx, id):
    return ctx.run("SQLQueryNode", sql = RATES, params = {"id": id}).rows

app = Nexus()
app.expose(Part)
app.register("add_up", wf.build())
app.handler("rate", rate, input = {"id": int})
app.start()
`,
	find: func(p *pass) {
		if p.app.Server == nil || !p.app.Server.Started {
			return // a file of models, for another to serve
		}
		used := p.usedModels()
		for _, m := range p.app.Models() {
			if !used[m] {
				p.report(m.Span, fmt.Sprintf("nothing uses the model %s", m.Name), "expose it, use it in a workflow or handler, or take it out")
			}
		}
	},
}

// usedModels are those that are served, referred to, or named where something
// runs.
func (p *pass) usedModels() map[*dataflow.Model]bool {
	used := map[*dataflow.Model]bool{}
	for _, e := range p.app.Exposures {
		used[e.Model] = true
	}
	types := map[string][]*dataflow.Model{}
	names := map[string][]*dataflow.Model{}
	for _, m := range p.app.Models() {
		names[m.Name] = append(names[m.Name], m)
		for _, op := range dataflow.AllOps() {
			t := dataflow.Op{Model: m, Kind: op}.NodeType()
			types[t] = append(types[t], m)
		}
		for _, f := range m.Fields {
			if f.Type.Kind == dataflow.KindRef && f.Type.Model != m {
				used[f.Type.Model] = true
			}
		}
	}
	for _, w := range p.app.Workflows {
		for _, n := range w.Nodes {
			for _, m := range types[n.Type] {
				used[m] = true
			}
		}
	}
	p.namedModels(names, used)
	p.queriedModels(used)
	return used
}

// queriedModels marks those whose tables SQL of the app names: that of nodes,
// and what reads like SQL wherever it stands.
func (p *pass) queriedModels(used map[*dataflow.Model]bool) {
	var left []*dataflow.Model
	for _, m := range p.app.Models() {
		if !used[m] {
			left = append(left, m)
		}
	}
	mark := func(sql string) {
		if !slices.ContainsFunc(left, func(m *dataflow.Model) bool { return holds(sql, m.Table) }) {
			return // most text is none, and is not read as if it were
		}
		for _, byPlace := range []bool{false, true} {
			st, flaw := rawsql.Parse(sql, byPlace)
			if flaw != nil {
				continue
			}
			for _, m := range left {
				if st.Find(m.Table) >= 0 {
					used[m] = true
				}
			}
		}
	}
	for _, w := range p.app.Workflows {
		for _, n := range w.Nodes {
			if v, _ := n.Config.Get("sql"); n.Type == "SQLQueryNode" {
				sql, _ := v.(string)
				mark(sql)
			}
		}
	}
	for _, f := range p.files {
		f.walk(func(n syntax.Node) {
			if e, ok := n.(syntax.Expr); ok {
				if sql, ok := text(e); ok {
					mark(sql)
				}
			}
		})
	}
}

// holds reports whether a text has a word in it, in whatever case.
func holds(text, word string) bool {
	for i := 0; i+len(word) <= len(text); i++ {
		if strings.EqualFold(text[i:i+len(word)], word) {
			return true
		}
	}
	return false
}

// namedModels marks what stands in a file by its model's name beside where it
// is declared: in a function, a config.
func (p *pass) namedModels(names map[string][]*dataflow.Model, used map[*dataflow.Model]bool) {
	for _, f := range p.files {
		f.walk(func(n syntax.Node) {
			id, ok := n.(*syntax.Ident)
			if !ok || f.binds[id] {
				return
			}
			for _, m := range names[f.modelName(id)] {
				used[m] = true
			}
		})
	}
}

// modelName is the name of the model that a variable holds, if it holds one.
func (f *file) modelName(id *syntax.Ident) string {
	if f.holds == nil {
		f.holds = map[*syntax.Ident]string{}
		f.walk(func(n syntax.Node) {
			st, ok := n.(*syntax.AssignStmt)
			if !ok {
				return
			}
			id, ok := st.LHS.(*syntax.Ident)
			call, ok2 := st.RHS.(*syntax.CallExpr)
			if !ok || !ok2 || callee(call) != "model" || len(call.Args) == 0 {
				return
			}
			if name, ok := text(call.Args[0]); ok {
				f.holds[f.first(id)] = name
			}
		})
	}
	if name, ok := f.holds[f.first(id)]; ok {
		return name
	}
	return id.Name // loaded from another file
}

package check

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var handlerInputUnused = Rule{
	Code: "FC430", severity: dataflow.SeverityWarning, whole: true,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def add(ctx, n, note):  # here
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.expose(Thing, operations = ["list"])
app.handler("add", add, input = {"n": int, "note": str})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def add(ctx, n):
    return ctx.run(Thing.create, n = n)

app = Nexus()
app.expose(Thing, operations = ["list"])
app.handler("add", add, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		for _, w := range p.app.Workflows {
			if w.Handler == nil {
				continue
			}
			f, def := p.definition(w.Handler)
			if def == nil {
				continue
			}
			used := f.uses()
			for i, e := range def.Params {
				id, ok := e.(*syntax.Ident)
				if i > 0 && ok && used[f.first(id)] == 0 && !strings.HasPrefix(id.Name, "_") {
					p.report(f.span(id), fmt.Sprintf("the handler %s never uses its input %s", w.Name, id.Name), "use it, or don't ask callers for it")
				}
			}
		}
	},
}

// definition finds the def of a function of the app.
func (p *pass) definition(fn dataflow.Func) (*file, *syntax.DefStmt) {
	for _, f := range p.files {
		if f.Path == fn.Span().File {
			return f, f.defs[fn.Span().Start]
		}
	}
	return nil, nil
}

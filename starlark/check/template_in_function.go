package check

import (
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/internal/lazyregexp"
	"go.starlark.net/syntax"
)

var templateInFunction = Rule{
	Code: "FC439", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    return {"text": "n is ${input.n}"}  # here

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, n):
    return {"text": "n is {}".format(n)}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		for _, fn := range p.recorded() {
			f, def := p.definition(fn)
			if def == nil {
				continue
			}
			syntax.Walk(def, func(n syntax.Node) bool {
				if lit, ok := n.(*syntax.Literal); ok {
					if s, ok := text(lit); ok && strings.Contains(s, "${") && resolved.MatchString(s) {
						hint := "write \"{}\".format(n); references belong into the config of a node"
						if strings.Contains(s, "${env.") {
							hint = "read it at the top of the file, as NAME = env(…), and write \"{}\".format(NAME)"
						}
						p.once(f.span(lit), "a function's text is given as it stands: nothing looks for references in it", hint)
					}
				}
				return true
			})
		}
	},
}

// resolved matches what would be a reference in the config of a node.
var resolved = lazyregexp.New(`(^|[^$])\$\{(input|env|ctx)\.\w+[\w.\[\]]*\}`)

// once is report for what may be come across more than once.
func (p *pass) once(at dataflow.Span, message, hint string) {
	for _, d := range p.found {
		if d.Code == p.code && d.Span == at {
			return
		}
	}
	p.report(at, message, hint)
}

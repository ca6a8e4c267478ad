package check

import (
	"fmt"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var keyTwice = Rule{
	Code: "FC133", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def both(ctx):
    return {
        "a": 1,
        "a": 2,  # here
    }

app = Nexus()
app.handler("both", both)
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def both(ctx):
    return {"a": 1, "b": 2}

app = Nexus()
app.handler("both", both)
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				d, ok := n.(*syntax.DictExpr)
				if !ok {
					return
				}
				seen := map[string]bool{}
				for _, item := range d.List {
					key, ok := text(item.(*syntax.DictEntry).Key)
					if !ok {
						continue
					}
					if seen[key] && !p.failed(f.span(item)) {
						p.report(f.span(item.(*syntax.DictEntry).Key), fmt.Sprintf("the key %q stands in the dict twice", key), "keep one of them: the call fails when it gets here")
					}
					seen[key] = true
				}
			})
		}
	},
}

package check

import (
	"fmt"
	"strconv"

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
					name := strconv.Quote(key)
					if lit, isLit := item.(*syntax.DictEntry).Key.(*syntax.Literal); isLit && lit.Token == syntax.INT {
						key, name, ok = fmt.Sprintf("int %v", lit.Value), lit.Raw, true
					}
					if !ok {
						continue
					}
					if seen[key] && !p.failed(f.span(item)) {
						p.report(f.span(item.(*syntax.DictEntry).Key), fmt.Sprintf("the key %s stands in the dict twice", name), "keep one of them: the call fails when it gets here")
					}
					seen[key] = true
				}
			})
		}
	},
}

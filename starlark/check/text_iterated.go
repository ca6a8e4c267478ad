package check

import (
	"github.com/flowctl/flowctl/dataflow"
)

var textIterated = Rule{
	Code: "FC143", severity: dataflow.SeverityError,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, word):
    return {"letters": [c for c in word]}  # here

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"word": str})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def do(ctx, word):
    return {"letters": [c for c in word.elems()]}

app = Nexus()
app.expose(Thing)
app.handler("do", do, input = {"word": str})
app.start()
`,
	find: (*pass).tell,
}

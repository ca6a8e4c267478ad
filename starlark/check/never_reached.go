package check

import (
	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

var neverReached = Rule{
	Code: "FC803", severity: dataflow.SeverityWarning,
	Bad: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def check(ctx, n):
    if n < 0:
        fail("too small")
        return {}  # here
    return {"n": n}

app = Nexus()
app.expose(Thing)
app.handler("check", check, input = {"n": int})
app.start()
`,
	Good: `db = DataFlow(database_url = "sqlite:app.db")
Thing = db.model("Thing", {"n": int})

def check(ctx, n):
    if n < 0:
        fail("too small")
    return {"n": n}

app = Nexus()
app.expose(Thing)
app.handler("check", check, input = {"n": int})
app.start()
`,
	find: func(p *pass) {
		for _, f := range p.files {
			f.walk(func(n syntax.Node) {
				for _, block := range blocks(n) {
					for i, st := range block[:max(len(block)-1, 0)] {
						if ends(st) {
							p.report(f.span(block[i+1]), "nothing ever gets here", "take it out, or put it before the line that leaves")
							break
						}
					}
				}
			})
		}
	},
}

// blocks are the lists of statements directly below a node.
func blocks(n syntax.Node) [][]syntax.Stmt {
	switch n := n.(type) {
	case *syntax.DefStmt:
		return [][]syntax.Stmt{n.Body}
	case *syntax.ForStmt:
		return [][]syntax.Stmt{n.Body}
	case *syntax.IfStmt:
		return [][]syntax.Stmt{n.True, n.False}
	}
	return nil
}

// ends reports whether what follows a statement is never reached.
func ends(st syntax.Stmt) bool {
	switch st := st.(type) {
	case *syntax.ReturnStmt:
		return true
	case *syntax.BranchStmt:
		return st.Token != syntax.PASS
	case *syntax.ExprStmt:
		call, ok := st.X.(*syntax.CallExpr)
		if !ok {
			return false
		}
		id, ok := call.Fn.(*syntax.Ident)
		return ok && id.Name == "fail"
	case *syntax.IfStmt:
		return len(st.False) > 0 && leaves(st.True) && leaves(st.False)
	}
	return false
}

func leaves(block []syntax.Stmt) bool { return len(block) > 0 && ends(block[len(block)-1]) }

package check

import (
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

// dbCall is ctx.run(Order.list, …) in a function.
type dbCall struct {
	*syntax.CallExpr
	kind string // the operation's name: "list"
}

// runOf reads a call as one of an operation; not ok if it is another.
func runOf(n syntax.Node) (c dbCall, ok bool) {
	call, ok := n.(*syntax.CallExpr)
	if !ok || len(call.Args) == 0 {
		return c, false
	}
	dot, ok := call.Fn.(*syntax.DotExpr)
	if !ok || dot.Name.Name != "run" {
		return c, false
	}
	op, ok := call.Args[0].(*syntax.DotExpr)
	if !ok || !operationNames[op.Name.Name] {
		return c, false
	}
	return dbCall{call, op.Name.Name}, true
}

// operationNames are the names of operations.
var operationNames = names(dataflow.AllOps())

func names(ops []dataflow.OpKind) map[string]bool {
	names := map[string]bool{}
	for _, k := range ops {
		names[k.String()] = true
	}
	return names
}

// writes reports whether the operation changes rows.
func (c dbCall) writes() bool {
	return !slices.Contains([]string{"read", "list", "count", "aggregate"}, c.kind)
}

// argument returns what an operation is told by a name, as a keyword or in the
// dict of its arguments; nil if nothing is. It is not known where the arguments
// are put together elsewhere.
func (c dbCall) argument(name string) (e syntax.Expr, known bool) {
	for _, a := range c.Args[1:] {
		switch a := a.(type) {
		case *syntax.BinaryExpr:
			if id, ok := a.X.(*syntax.Ident); ok && a.Op == syntax.EQ && id.Name == name {
				return a.Y, true
			}
		case *syntax.DictExpr:
			for _, item := range a.List {
				entry := item.(*syntax.DictEntry)
				switch key, ok := text(entry.Key); {
				case !ok:
					return nil, false
				case key == name:
					return entry.Value, true
				}
			}
		default: // **more, or a dict by name
			return nil, false
		}
	}
	return nil, true
}

// modelOf returns the model whose operation is called, or nil.
func (p *pass) modelOf(f *file, c dbCall) *dataflow.Model {
	id, ok := c.Args[0].(*syntax.DotExpr).X.(*syntax.Ident)
	if !ok {
		return nil
	}
	var found *dataflow.Model
	for _, m := range p.app.Models() {
		if m.Name != f.modelName(id) {
			continue
		}
		if found != nil { // of two databases
			return nil
		}
		found = m
	}
	return found
}

// keyword returns the argument of a call that is given by that name, or nil.
func keyword(c *syntax.CallExpr, name string) syntax.Expr {
	for _, a := range c.Args {
		if b, ok := a.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
			if id, ok := b.X.(*syntax.Ident); ok && id.Name == name {
				return b.Y
			}
		}
	}
	return nil
}

// runsNode reports whether a call is ctx.run of a node type of that name.
func runsNode(n syntax.Node, nodeType string) (*syntax.CallExpr, bool) {
	call, ok := n.(*syntax.CallExpr)
	if !ok || callee(call) != "run" || len(call.Args) == 0 {
		return nil, false
	}
	s, ok := text(call.Args[0])
	return call, ok && s == nodeType
}

// handlers calls visit for every handler that is defined in the app's files.
func (p *pass) handlers(visit func(w *dataflow.Workflow, f *file, def *syntax.DefStmt)) {
	for _, w := range p.app.Workflows {
		if w.Handler == nil {
			continue
		}
		if f, def := p.definition(w.Handler); def != nil {
			visit(w, f, def)
		}
	}
}

// recorded lists the functions that the app runs, which is when nothing of
// the file is evaluated any more.
func (p *pass) recorded() []dataflow.Func {
	var fns []dataflow.Func
	for _, m := range p.app.Models() {
		fns = append(fns, m.Validate, m.BeforeCreate, m.BeforeUpdate, m.BeforeDelete)
		for _, c := range m.Computed {
			fns = append(fns, c.Func)
		}
	}
	for _, w := range p.app.Workflows {
		fns = append(fns, w.Handler)
		for _, n := range w.Nodes {
			for _, v := range n.Config.All {
				if fn, ok := v.(dataflow.Func); ok {
					fns = append(fns, fn)
				}
			}
		}
	}
	return slices.DeleteFunc(fns, func(fn dataflow.Func) bool { return fn == nil })
}

// results calls visit for what a function returns, in each of its returns.
func results(def *syntax.DefStmt, visit func(syntax.Expr)) {
	syntax.Walk(def, func(n syntax.Node) bool {
		if inner, ok := n.(*syntax.DefStmt); ok && inner != def {
			return false
		}
		if r, ok := n.(*syntax.ReturnStmt); ok && r.Result != nil {
			visit(r.Result)
		}
		return true
	})
}

// source is the text of a node, blanks made alike.
func (f *file) source(n syntax.Node) string {
	at := f.span(n)
	from, to := offset(f.Text, at.Start), offset(f.Text, at.End)
	if from < 0 || to < from {
		return ""
	}
	return strings.Join(strings.Fields(f.Text[from:to]), " ")
}

// calls reports whether a call stands in an expression, so that it may give
// something else each time.
func calls(n syntax.Node) bool {
	found := false
	syntax.Walk(n, func(n syntax.Node) bool {
		_, call := n.(*syntax.CallExpr)
		found = found || call
		return !found
	})
	return found
}

// parameter returns the name of the handler's input that an expression is.
func (f *file) parameter(def *syntax.DefStmt, e syntax.Expr) string {
	id, ok := e.(*syntax.Ident)
	if !ok || f.bound[f.first(id)] != 1 {
		return ""
	}
	for _, q := range def.Params[min(1, len(def.Params)):] {
		if p, ok := q.(*syntax.Ident); ok && f.first(p) == f.first(id) {
			return id.Name
		}
	}
	return ""
}

// inputOf returns the input of a workflow of that name, or nil.
func inputOf(w *dataflow.Workflow, name string) *dataflow.Field {
	for _, in := range w.Input {
		if in.Name == name {
			return in
		}
	}
	return nil
}

// mutators are methods that change a list, a dict or a set in place.
var mutators = map[string]bool{"append": true, "extend": true, "insert": true, "remove": true, "pop": true, "clear": true, "update": true, "setdefault": true, "popitem": true, "add": true, "discard": true}

// mutated returns the name whose value a statement or call changes in place,
// or nil.
func mutated(n syntax.Node) *syntax.Ident {
	id, _ := changed(n).(*syntax.Ident)
	return id
}

// mutatedWithin is mutated of what is within the value, too.
func mutatedWithin(n syntax.Node) *syntax.Ident {
	e := changed(n)
	for {
		ix, ok := e.(*syntax.IndexExpr)
		if !ok {
			break
		}
		e = ix.X
	}
	id, _ := e.(*syntax.Ident)
	return id
}

// changed is what a statement or call changes in place, or nil.
func changed(n syntax.Node) syntax.Expr {
	switch n := n.(type) {
	case *syntax.AssignStmt:
		if ix, ok := n.LHS.(*syntax.IndexExpr); ok {
			return ix.X
		}
	case *syntax.CallExpr:
		if dot, ok := n.Fn.(*syntax.DotExpr); ok && mutators[dot.Name.Name] {
			return dot.X
		}
	}
	return nil
}

// isCollection reports whether an expression makes a list, a dict or a set.
func isCollection(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.ListExpr, *syntax.DictExpr, *syntax.Comprehension:
		return true
	case *syntax.CallExpr:
		id, ok := e.Fn.(*syntax.Ident)
		return ok && (id.Name == "list" || id.Name == "dict" || id.Name == "set")
	}
	return false
}

package check

import (
	"maps"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

// frame is a function that is followed.
type frame struct {
	*flow
	f      *file
	vars   map[*syntax.Ident]*val // by the identifier that first sets the name
	result *val
	given  bool                     // something was returned
	leaves []map[*syntax.Ident]*val // what the loop that is followed is left with, by break and continue
}

// function follows a function's body and returns what its results have in
// common; nil also where it may return something that is not known.
func (fr *frame) function(def *syntax.DefStmt) *val {
	if fr.busy[def] || fr.calls <= 0 {
		fr.unseen()
		return nil
	}
	fr.calls--
	fr.busy[def] = true
	defer delete(fr.busy, def)
	if !fr.block(def.Body) {
		fr.returns(&val{kind: isNone})
	}
	return fr.result
}

func (fr *frame) returns(v *val) {
	if !fr.given {
		fr.result, fr.given = v, true
		return
	}
	fr.result = join(fr.result, v)
}

// block follows statements; it reports whether the last of them is never got
// past.
func (fr *frame) block(stmts []syntax.Stmt) (left bool) {
	for _, st := range stmts {
		if left = fr.statement(st); left {
			return true
		}
	}
	return false
}

func (fr *frame) statement(st syntax.Stmt) (left bool) {
	switch st := st.(type) {
	case *syntax.AssignStmt:
		fr.assign(st)
	case *syntax.ExprStmt:
		fr.eval(st.X)
		call, ok := st.X.(*syntax.CallExpr)
		return ok && fr.isFail(call)
	case *syntax.ReturnStmt:
		v := &val{kind: isNone}
		if st.Result != nil {
			v = fr.eval(st.Result)
		}
		fr.returns(v)
		return true
	case *syntax.BranchStmt:
		if st.Token == syntax.PASS {
			return false
		}
		fr.leaves = append(fr.leaves, maps.Clone(fr.vars))
		return true
	case *syntax.IfStmt:
		return fr.branches(st)
	case *syntax.ForStmt:
		fr.loop(st)
	case *syntax.DefStmt:
		fr.vars[fr.f.first(st.Name)] = nil
		fr.seen(st) // what it does to it is not followed
		fr.within(st)
	}
	return false
}

// seen forgets what a function within this one may change.
func (fr *frame) seen(def *syntax.DefStmt) {
	syntax.Walk(def, func(n syntax.Node) bool {
		if id, ok := n.(*syntax.Ident); ok {
			fr.vars[fr.f.first(id)].escape()
		}
		return true
	})
}

func (fr *frame) isFail(call *syntax.CallExpr) bool {
	id, ok := call.Fn.(*syntax.Ident)
	return ok && id.Name == "fail" && outside(id)
}

func (fr *frame) branches(st *syntax.IfStmt) (left bool) {
	cond := fr.eval(st.Cond)
	fr.askedFor(cond, fr.f.span(st.Cond))
	never := cond.isFalse()
	before := maps.Clone(fr.vars)
	if never {
		fr.muted++
	}
	leftTrue := fr.block(st.True)
	if never {
		fr.muted--
	}
	then := fr.vars
	fr.vars = before
	leftFalse := fr.block(st.False)
	switch {
	case leftTrue && leftFalse:
		return true
	case leftFalse:
		fr.vars = then
	case !leftTrue:
		fr.vars = joinVars(then, fr.vars)
	}
	return false
}

// joinVars is what is known of variables on two ways to one place. One that is
// set on one way only is used there, or the run fails.
func joinVars(a, b map[*syntax.Ident]*val) map[*syntax.Ident]*val {
	out := maps.Clone(a)
	for id, v := range b {
		if old, both := a[id]; both {
			v = join(old, v)
		}
		out[id] = v
	}
	return out
}

// loop follows a body twice: first for what its turns leave behind, which the
// next one begins with, then for what is wrong with it.
func (fr *frame) loop(st *syntax.ForStmt) {
	over := fr.eval(st.X)
	fr.iterated(st.X, over)
	outer := fr.leaves
	for _, silent := range []bool{true, false} {
		if silent {
			fr.muted++
		}
		before := maps.Clone(fr.vars)
		fr.leaves = nil
		fr.bind(st.Vars, itemOf(over))
		if !fr.block(st.Body) {
			fr.leaves = append(fr.leaves, fr.vars)
		}
		fr.vars = before
		for _, vars := range fr.leaves {
			fr.vars = joinVars(fr.vars, vars)
		}
		if silent {
			fr.muted--
		}
	}
	fr.leaves = outer
}

func (fr *frame) assign(st *syntax.AssignStmt) {
	if st.Op != syntax.EQ {
		x := fr.eval(st.LHS)
		y := fr.eval(st.RHS)
		v := fr.arithmetic(augmented[st.Op], st, x, y)
		switch lhs := st.LHS.(type) {
		case *syntax.Ident:
			fr.vars[fr.f.first(lhs)] = v
		case *syntax.IndexExpr:
			fr.bind(lhs, v)
		}
		return
	}
	fr.bind(st.LHS, fr.eval(st.RHS))
}

var augmented = map[syntax.Token]syntax.Token{
	syntax.PLUS_EQ: syntax.PLUS, syntax.MINUS_EQ: syntax.MINUS, syntax.STAR_EQ: syntax.STAR,
	syntax.SLASH_EQ: syntax.SLASH, syntax.SLASHSLASH_EQ: syntax.SLASHSLASH, syntax.PERCENT_EQ: syntax.PERCENT, syntax.PIPE_EQ: syntax.PIPE,
}

// bind sets the names on the left of an assignment.
func (fr *frame) bind(lhs syntax.Expr, v *val) {
	switch lhs := lhs.(type) {
	case *syntax.Ident:
		fr.vars[fr.f.first(lhs)] = v
	case *syntax.ParenExpr:
		fr.bind(lhs.X, v)
	case *syntax.TupleExpr:
		fr.bindAll(lhs.List, v)
	case *syntax.ListExpr:
		fr.bindAll(lhs.List, v)
	case *syntax.IndexExpr:
		fr.setItem(fr.eval(lhs.X), lhs, v)
	}
}

func (fr *frame) bindAll(list []syntax.Expr, v *val) {
	for i, x := range list {
		if v != nil && len(v.items) == len(list) && (v.kind == isTuple || v.kind == isList) {
			fr.bind(x, v.items[i])
		} else {
			fr.bind(x, nil)
		}
	}
}

// setItem follows d["name"] = v.
func (fr *frame) setItem(into *val, at *syntax.IndexExpr, v *val) {
	fr.givenAway(v)
	key := fr.eval(at.Y)
	if into == nil {
		return
	}
	if into.kind == isDict && key != nil && key.text != nil {
		into.set(&entry{*key.text, v, key.at})
		return
	}
	into.escape()
}

// itemOf is what a loop over a value takes from it.
func itemOf(v *val) *val {
	switch {
	case v == nil:
		return nil
	case v.kind == isList && !v.open:
		return v.oneItem()
	case v.kind == isTuple && len(v.items) > 0:
		item := v.items[0]
		for _, it := range v.items[1:] {
			item = join(item, it)
		}
		return item
	case v.kind == isDict || v.isRecord():
		return typed(dataflow.String)
	}
	return nil
}

// iterated looks at what a loop goes through.
func (fr *frame) iterated(e syntax.Expr, v *val) {
	fr.note("FC143", fr.f.span(e), v.isText(), "a text can't be gone through", "write .elems() for its characters, or .split(…) for its parts")
}

package starlark

import (
	"slices"

	"go.starlark.net/syntax"
)

// compareName is the hidden name of the builtin that comparisons are compiled
// to: Starlark compares values of two types as unequal and unordered, and gives
// our decimals no say in it, so that total == 0 would be False for ever.
// No file can use the name, for it is no identifier.
const compareName = "<compare>"

// timesName is the hidden name of the builtin that products are compiled to:
// Starlark makes a gigabyte of "a" * n without a word.
const timesName = "<times>"

// The hidden names of what else can make much of little in one step: sums,
// "%s" % x, and methods such as join.
const (
	plusName   = "<plus>"
	formatName = "<format>"
	methodName = "<method>"
	extendName = "<extend>"
)

// hiddenNames are the names that no file can use.
var hiddenNames = []string{compareName, timesName, plusName, formatName, methodName, extendName}

// rewriteOperators replaces x < y by a call of the compare builtin, and x * y
// by one of the times builtin; and so the other things that can make much of
// little. Comparisons in functions with a string, None,
// True or False on one side stay as they are, for speed; outside they might
// concern a reference, which has no value yet. It returns what brings the tree
// back to what is written.
func rewriteOperators(stmts []syntax.Stmt) (restore func()) {
	var undo []func()
	rewriter{undo: &undo}.statements(stmts)
	return func() {
		for _, f := range slices.Backward(undo) {
			f()
		}
	}
}

type rewriter struct {
	inDef bool
	undo  *[]func()
}

// replace puts one expression in the place of another.
func (r rewriter) replace(p *syntax.Expr, by syntax.Expr) {
	was := *p
	*r.undo = append(*r.undo, func() { *p = was })
	*p = by
}

func (r rewriter) statements(stmts []syntax.Stmt) {
	for _, st := range stmts {
		switch st := st.(type) {
		case *syntax.AssignStmt:
			r.rewrite(&st.LHS)
			r.rewrite(&st.RHS)
			r.assign(st)
		case *syntax.DefStmt:
			r.params(st.Params)
			rewriter{true, r.undo}.statements(st.Body)
		case *syntax.ExprStmt:
			r.rewrite(&st.X)
		case *syntax.ForStmt:
			r.rewrite(&st.X)
			r.statements(st.Body)
		case *syntax.WhileStmt:
			r.rewrite(&st.Cond)
			r.statements(st.Body)
		case *syntax.IfStmt:
			r.rewrite(&st.Cond)
			r.statements(st.True)
			r.statements(st.False)
		case *syntax.ReturnStmt:
			r.rewrite(&st.Result)
		}
	}
}

func (r rewriter) params(params []syntax.Expr) {
	for _, p := range params {
		if b, ok := p.(*syntax.BinaryExpr); ok { // name = default
			r.rewrite(&b.Y)
		}
	}
}

func (r rewriter) all(list []syntax.Expr) {
	for i := range list {
		r.rewrite(&list[i])
	}
}

func (r rewriter) rewrite(p *syntax.Expr) {
	switch e := (*p).(type) {
	case *syntax.BinaryExpr:
		r.rewrite(&e.X)
		r.rewrite(&e.Y)
		if isComparison(e.Op) && !(r.inDef && (plain(e.X) || plain(e.Y))) {
			r.replace(p, comparison(e))
		}
		switch {
		case e.Op == syntax.STAR:
			r.replace(p, hidden(timesName, e.OpPos, e.X, e.Y))
		case e.Op == syntax.PLUS && !isNumber(e.X) && !isNumber(e.Y):
			r.replace(p, spanning(hidden(plusName, e.OpPos, e.X, e.Y), e))
		case e.Op == syntax.PERCENT && !isNumber(e.Y):
			r.replace(p, spanning(hidden(formatName, e.OpPos, e.X, e.Y), e))
		}
	case *syntax.CallExpr:
		r.rewrite(&e.Fn)
		for i, a := range e.Args {
			if b, ok := a.(*syntax.BinaryExpr); ok && b.Op == syntax.EQ {
				r.rewrite(&b.Y)
			} else {
				r.rewrite(&e.Args[i])
			}
		}
		r.method(e)
	case *syntax.Comprehension:
		r.rewrite(&e.Body)
		for _, c := range e.Clauses {
			switch c := c.(type) {
			case *syntax.ForClause:
				r.rewrite(&c.X)
			case *syntax.IfClause:
				r.rewrite(&c.Cond)
			}
		}
	case *syntax.CondExpr:
		r.rewrite(&e.Cond)
		r.rewrite(&e.True)
		r.rewrite(&e.False)
	case *syntax.DictEntry:
		r.rewrite(&e.Key)
		r.rewrite(&e.Value)
	case *syntax.DictExpr:
		r.all(e.List)
	case *syntax.DotExpr:
		r.rewrite(&e.X)
	case *syntax.IndexExpr:
		r.rewrite(&e.X)
		r.rewrite(&e.Y)
	case *syntax.LambdaExpr:
		r.params(e.Params)
		rewriter{true, r.undo}.rewrite(&e.Body)
	case *syntax.ListExpr:
		r.all(e.List)
	case *syntax.ParenExpr:
		r.rewrite(&e.X)
	case *syntax.SliceExpr:
		r.rewrite(&e.X)
		r.rewrite(&e.Lo)
		r.rewrite(&e.Hi)
		r.rewrite(&e.Step)
	case *syntax.TupleExpr:
		r.all(e.List)
	case *syntax.UnaryExpr:
		r.rewrite(&e.X)
	}
}

func isComparison(op syntax.Token) bool {
	switch op {
	case syntax.LT, syntax.GT, syntax.LE, syntax.GE, syntax.EQL, syntax.NEQ:
		return true
	}
	return false
}

// plain reports whether a comparison with e can't concern a decimal.
func plain(e syntax.Expr) bool {
	switch e := e.(type) {
	case *syntax.Literal:
		return e.Token == syntax.STRING || e.Token == syntax.BYTES
	case *syntax.Ident:
		return e.Name == "None" || e.Name == "True" || e.Name == "False"
	}
	return false
}

// comparison builds the call. Its places are those of the operator, so that
// errors point there.
func comparison(e *syntax.BinaryExpr) syntax.Expr {
	op := &syntax.Literal{Token: syntax.INT, TokenPos: e.OpPos, Raw: e.Op.String(), Value: int64(e.Op)}
	return &syntax.CallExpr{
		Fn:     &syntax.Ident{NamePos: e.OpPos, Name: compareName},
		Lparen: e.OpPos, Rparen: e.OpPos,
		Args: []syntax.Expr{op, e.X, e.Y},
	}
}

// hidden is a call of one of the hidden builtins, at the place of an operator.
func hidden(name string, at syntax.Position, args ...syntax.Expr) *syntax.CallExpr {
	return &syntax.CallExpr{Fn: &syntax.Ident{NamePos: at, Name: name}, Lparen: at, Rparen: at, Args: args}
}

// spanning gives a hidden call the span of the expression that it stands for,
// which what is wrong with its value is shown at.
func spanning(call *syntax.CallExpr, e syntax.Expr) *syntax.CallExpr {
	start, end := e.Span()
	end.Col-- // a call ends behind its bracket
	call.Fn.(*syntax.Ident).NamePos, call.Rparen = start, end
	return call
}

// isNumber reports whether an operand is written as a number: then nothing
// becomes longer.
func isNumber(e syntax.Expr) bool {
	lit, ok := e.(*syntax.Literal)
	return ok && (lit.Token == syntax.INT || lit.Token == syntax.FLOAT)
}

// growing are the methods that can make much of little.
var growing = map[string]bool{"join": true, "replace": true, "format": true, "extend": true}

// method makes a call of the method builtin of x.join(…).
func (r rewriter) method(e *syntax.CallExpr) {
	dot, ok := e.Fn.(*syntax.DotExpr)
	if !ok || !growing[dot.Name.Name] {
		return
	}
	start, _ := dot.X.Span()
	name := &syntax.Literal{Token: syntax.STRING, TokenPos: start, Raw: dot.Name.Name, Value: dot.Name.Name}
	r.replace(&e.Fn, &syntax.Ident{NamePos: start, Name: methodName})
	args := e.Args
	*r.undo = append(*r.undo, func() { e.Args = args })
	e.Args = append([]syntax.Expr{dot.X, name}, e.Args...)
}

// assign makes x = x * y of x *= y, and likewise of x %= y. Of
// a[f()] *= y it can't: f would be called twice. x += y may change a list in
// place, so there what is added is counted instead.
func (r rewriter) assign(st *syntax.AssignStmt) {
	if st.Op == syntax.PLUS_EQ && !isNumber(st.RHS) {
		r.replace(&st.RHS, hidden(extendName, st.OpPos, st.RHS))
		return
	}
	id, ok := st.LHS.(*syntax.Ident)
	names := map[syntax.Token]string{syntax.STAR_EQ: timesName, syntax.PERCENT_EQ: formatName}
	if !ok || names[st.Op] == "" {
		return
	}
	r.replace(&st.RHS, hidden(names[st.Op], st.OpPos, &syntax.Ident{NamePos: id.NamePos, Name: id.Name}, st.RHS))
	op := st.Op
	*r.undo = append(*r.undo, func() { st.Op = op })
	st.Op = syntax.EQ
}

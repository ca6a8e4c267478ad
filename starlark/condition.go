package starlark

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/codec"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/starlark/internal/tree"
	"go.starlark.net/syntax"
)

// condReader reads the condition of an access rule: a text in Starlark's own
// grammar of expressions, of which it takes comparisons and and, or, not.
//
//	owner == ctx.user.id
//	published and not (team.secret or level > ctx.user.level)
//	ctx.user.id in members or status in ["new", "open"]
type condReader struct {
	l     *loader
	m     *dataflow.Model
	text  string
	place func(from, to int) dataflow.Span
	whole dataflow.Span
	count int
	bad   bool
	never bool // a contradiction has been reported
}

// maxCompares bounds the comparisons of a condition: each is part of every
// query of the model.
const maxCompares = 50

func (c *condReader) read() dataflow.Cond {
	if strings.TrimSpace(c.text) == "" {
		c.fail("FC266", c.whole, "the condition is empty", `write "owner == ctx.user.id"; signed_in() lets in whoever is signed in`)
		return nil
	}
	// In brackets it may have lines.
	e, err := tree.Options().ParseExpr("", "("+c.text+"\n)", 0)
	if err != nil {
		c.unread(err)
		return nil
	}
	inner, ok := e.(*syntax.ParenExpr)
	if !ok {
		c.fail("FC266", c.whole, "the condition is not one expression", "look at its brackets and commas")
		return nil
	}
	out := c.cond(inner.X)
	if c.count > maxCompares {
		c.fail("FC266", c.whole, fmt.Sprintf("the condition has more than %d comparisons", maxCompares), "keep what it comes to in a field of the row")
	}
	if c.bad {
		return nil
	}
	return out
}

// unread reports a text that is no expression.
func (c *condReader) unread(err error) {
	at, why := c.whole, err.Error()
	if e, ok := err.(syntax.Error); ok {
		why = e.Msg
		from := c.offset(dataflow.Pos{Line: int(e.Pos.Line), Col: int(e.Pos.Col)})
		at = c.place(from, min(from+1, len(c.text)))
		if from >= len(c.text) {
			at = c.whole
		}
	}
	hint := `conditions are written as in Starlark: "owner == ctx.user.id and not done"`
	for _, habit := range []struct{ has, write string }{{"&&", "and"}, {"||", "or"}, {"===", "=="}, {"<>", "!="}, {" is ", "=="}, {"!", "not"}} {
		if strings.Contains(c.text, habit.has) && !(habit.has == "!" && strings.Contains(c.text, "!=")) {
			hint = fmt.Sprintf("write %s for %s", habit.write, strings.TrimSpace(habit.has))
			break
		}
	}
	if strings.Contains(why, "=") && !strings.Contains(c.text, "==") {
		hint = "equality is written =="
	}
	c.fail("FC266", at, "the condition can't be read: "+why, hint)
}

func (c *condReader) fail(code string, at dataflow.Span, message, hint string) {
	c.bad = true
	c.l.error(code, at, message, hint)
}

// offset turns a place in the bracketed text into one of the text's bytes.
func (c *condReader) offset(p dataflow.Pos) int {
	rest, at := c.text, 0
	for range p.Line - 1 {
		i := strings.IndexByte(rest, '\n')
		if i < 0 {
			return len(c.text)
		}
		rest, at = rest[i+1:], at+i+1
	}
	col := p.Col - 1
	if p.Line == 1 {
		col-- // the bracket
	}
	for i := range rest {
		if col <= 0 {
			return at + i
		}
		col--
	}
	return len(c.text)
}

func (c *condReader) span(n syntax.Node) dataflow.Span {
	s := tree.Span("", n)
	return c.place(c.offset(s.Start), c.offset(s.End))
}

var compareTokens = map[syntax.Token]dataflow.CompareOp{
	syntax.EQL: dataflow.CompareEqual, syntax.NEQ: dataflow.CompareNotEqual,
	syntax.LT: dataflow.CompareLess, syntax.LE: dataflow.CompareLessEqual,
	syntax.GT: dataflow.CompareGreater, syntax.GE: dataflow.CompareGreaterEqual,
	syntax.IN: dataflow.CompareIn, syntax.NOT_IN: dataflow.CompareNotIn,
}

// cond reads a condition. Nil is one that has been reported.
func (c *condReader) cond(e syntax.Expr) dataflow.Cond {
	switch e := e.(type) {
	case *syntax.ParenExpr:
		return c.cond(e.X)
	case *syntax.UnaryExpr:
		if e.Op == syntax.NOT {
			return dataflow.CondNot{Cond: c.cond(e.X)}
		}
	case *syntax.BinaryExpr:
		switch e.Op {
		case syntax.AND:
			both := dataflow.CondAnd{c.cond(e.X), c.cond(e.Y)}
			c.contradiction(both, e)
			return both
		case syntax.OR:
			return dataflow.CondOr{c.cond(e.X), c.cond(e.Y)}
		}
		if op, ok := compareTokens[e.Op]; ok {
			c.count++
			return c.compare(op, e)
		}
	}
	return c.bare(e)
}

// bare reads a term that stands for itself: a bool.
func (c *condReader) bare(e syntax.Expr) dataflow.Cond {
	s, ok := c.side(e)
	if !ok {
		return nil
	}
	c.count++
	at := c.span(e)
	switch t := s.term.(type) {
	case dataflow.FieldTerm:
		if s.typ.Kind != dataflow.KindBool {
			c.fail("FC266", at, fmt.Sprintf("%s is %s, which is no condition", s.name, s.typ), "compare it: "+s.name+" == …")
			return nil
		}
	case dataflow.UserTerm:
		if s.typ != nil {
			c.fail("FC266", at, fmt.Sprintf("%s is %s, which is no condition", s.name, s.typ), "compare it: "+s.compareHint())
			return nil
		}
	case dataflow.TenantTerm:
		c.fail("FC266", at, "ctx.tenant is str, which is no condition", "compare it: region == ctx.tenant; a model with multi_tenant = True keeps tenants apart by itself")
		return nil
	case dataflow.Literal:
		if b, isBool := t.Value.(bool); isBool {
			c.constant(at, b)
			return nil
		}
		c.fail("FC266", at, "a value alone is no condition", "compare a field with it")
		return nil
	}
	return &dataflow.CondCompare{Op: dataflow.CompareEqual, Left: s.term, Right: dataflow.Literal{Value: true}, Span: at}
}

func (c *condReader) constant(at dataflow.Span, holds bool) {
	if holds {
		c.fail("FC269", at, "this is always true", "leave it out; signed_in() lets in whoever is signed in, anyone() everybody")
	} else {
		c.fail("FC269", at, "this is never true", "leave it out; nobody() lets nobody in")
	}
}

// side is one side of a comparison.
type side struct {
	term dataflow.Term
	node syntax.Expr
	name string          // as it is written
	typ  *dataflow.Type  // nil where only the caller can tell
	via  bool            // behind a reference
	f    *dataflow.Field // of a field
}

func (s *side) compareHint() string {
	if s.typ.Kind == dataflow.KindList {
		return `"…" in ` + s.name
	}
	return "owner == " + s.name
}

func (s *side) isField() bool { _, ok := s.term.(dataflow.FieldTerm); return ok }
func (s *side) literal() (v any, ok bool) {
	lit, ok := s.term.(dataflow.Literal)
	return lit.Value, ok
}
func (s *side) isNone() bool { v, ok := s.literal(); return ok && v == nil }

// side reads a term.
func (c *condReader) side(e syntax.Expr) (side, bool) {
	s := side{node: e}
	switch x := e.(type) {
	case *syntax.ParenExpr:
		return c.side(x.X)
	case *syntax.Ident:
		switch x.Name {
		case "None", "True", "False":
			s.term, s.name = dataflow.Literal{Value: map[string]any{"None": nil, "True": true, "False": false}[x.Name]}, x.Name
			return s, true
		}
		return c.path(s, e)
	case *syntax.DotExpr, *syntax.IndexExpr:
		return c.path(s, e)
	case *syntax.CallExpr:
		hint := "keep what it comes to in a field of the row"
		if fn, ok := x.Fn.(*syntax.Ident); ok && isRuleBuiltin(fn.Name) {
			hint = fmt.Sprintf(`rules stand beside each other in a list: [%s(…), "…"]; a role and a condition together are role("…", where = "…")`, fn.Name)
		}
		c.fail("FC266", c.span(e), "a condition calls no functions", hint)
		return s, false
	}
	v, ok := c.value(e)
	s.term, s.name = dataflow.Literal{Value: v}, "the value"
	return s, ok
}

// value reads a value that is written out.
func (c *condReader) value(e syntax.Expr) (any, bool) {
	switch x := e.(type) {
	case *syntax.ParenExpr:
		return c.value(x.X)
	case *syntax.Ident:
		switch x.Name {
		case "None":
			return nil, true
		case "True", "False":
			return x.Name == "True", true
		}
	case *syntax.Literal:
		switch v := x.Value.(type) {
		case string:
			if x.Token == syntax.STRING {
				return v, true
			}
		case int64:
			return v, true
		case float64:
			return v, true
		case *big.Int:
			if d, err := dataflow.ParseDecimal(v.String()); err == nil {
				return d, true
			}
		}
	case *syntax.UnaryExpr:
		if v, ok := c.value(x.X); ok && x.Op == syntax.MINUS {
			switch v := v.(type) {
			case int64:
				return -v, true
			case float64:
				return -v, true
			}
		}
	case *syntax.ListExpr:
		return c.values(x.List)
	case *syntax.TupleExpr:
		return c.values(x.List)
	}
	if !c.bad {
		c.fail("FC266", c.span(e), "this can't stand in a condition", "it compares fields, ctx.user.…, ctx.tenant and values with == != < <= > >= and in, joined by and, or, not")
	}
	return nil, false
}

func (c *condReader) values(list []syntax.Expr) (any, bool) {
	out := make([]any, len(list))
	for i, e := range list {
		v, ok := c.value(e)
		if !ok {
			return nil, false
		}
		out[i] = v
	}
	return out, true
}

// path reads names with points between them.
func (c *condReader) path(s side, e syntax.Expr) (side, bool) {
	names, ok := c.names(e)
	if !ok {
		return s, false
	}
	s.name = strings.Join(names, ".")
	if names[0] == "ctx" {
		return c.ofCaller(s, e, names[1:])
	}
	return c.ofRow(s, e, names)
}

func (c *condReader) names(e syntax.Expr) ([]string, bool) {
	switch x := e.(type) {
	case *syntax.ParenExpr:
		return c.names(x.X)
	case *syntax.Ident:
		return []string{x.Name}, true
	case *syntax.DotExpr:
		names, ok := c.names(x.X)
		return append(names, x.Name.Name), ok
	case *syntax.IndexExpr: // a claim whose name is no identifier
		names, ok := c.names(x.X)
		if lit, isText := x.Y.(*syntax.Literal); ok && isText && lit.Token == syntax.STRING && len(names) > 1 && names[0] == "ctx" {
			return append(names, lit.Value.(string)), true
		}
	}
	if !c.bad {
		c.fail("FC266", c.span(e), "this can't stand in a condition", "name a field, customer.owner through a reference, ctx.user.id or ctx.tenant")
	}
	return nil, false
}

// ofCaller reads what stands behind ctx.
func (c *condReader) ofCaller(s side, e syntax.Expr, names []string) (side, bool) {
	parts := []string{"user", "tenant"}
	switch {
	case len(names) == 0:
		c.fail("FC267", c.span(e), "ctx alone is no value", "write ctx.user.id or ctx.tenant")
		return s, false
	case names[0] == "tenant" && len(names) == 1:
		s.term, s.typ = dataflow.TenantTerm{}, dataflow.String
	case names[0] == "tenant":
		c.fail("FC267", c.span(e), "ctx.tenant is str: nothing can follow it", "")
		return s, false
	case names[0] != "user":
		c.fail("FC267", c.span(e), fmt.Sprintf("ctx has no %q in a rule", names[0]), orElse(dataflow.DidYouMean(names[0], parts), "there are ctx.user and ctx.tenant"))
		return s, false
	case len(names) == 1:
		c.fail("FC267", c.span(e), "ctx.user alone is no value", "write ctx.user.id; signed_in() asks whether there is a user")
		return s, false
	default:
		s.term = dataflow.UserTerm(names[1:])
		switch names[1] {
		case "id":
			s.typ = dataflow.String
		case "roles":
			s.typ = dataflow.ListOf(dataflow.String)
		}
		if s.typ != nil && len(names) > 2 {
			c.fail("FC267", c.span(e), fmt.Sprintf("ctx.user.%s is %s: nothing can follow it", names[1], s.typ), "")
			return s, false
		}
	}
	return s, true
}

// ofRow reads a field, or one that references lead to.
func (c *condReader) ofRow(s side, e syntax.Expr, names []string) (side, bool) {
	m := c.m
	var term dataflow.FieldTerm
	for i, name := range names {
		at, ok := m.FieldIndex(name)
		if !ok {
			c.noField(m, e, name)
			return s, false
		}
		term = append(term, at)
		f := m.Fields[at]
		if i == len(names)-1 {
			s.term, s.typ, s.f, s.via = term, f.Type, f, i > 0
			return s, f.Type.Kind != dataflow.KindRef || f.Type.Model != nil
		}
		if f.Type.Kind != dataflow.KindRef {
			c.fail("FC267", c.span(e), fmt.Sprintf("%s.%s is %s, not a reference, so nothing can follow it", m.Name, name, f.Type), "")
			return s, false
		}
		if f.Type.Model == nil || i+1 > query.MaxHops {
			c.fail("FC267", c.span(e), fmt.Sprintf("a path goes through at most %d references", query.MaxHops), "")
			return s, false
		}
		m = f.Type.Model
	}
	return s, false
}

func (c *condReader) noField(m *dataflow.Model, e syntax.Expr, name string) {
	hint := dataflow.DidYouMean(name, fieldsOf(m))
	switch {
	case m.ComputedField(name) != nil:
		c.fail("FC267", c.span(e), fmt.Sprintf("%s.%s is computed when a row is read, so the database can't look for it", m.Name, name), "write what it is worked out from")
		return
	case hint != "":
	case name == "true" || name == "false" || name == "null" || name == "none":
		hint = map[string]string{"true": "write True", "false": "write False", "null": "write None", "none": "write None"}[name]
	case name == "user" || name == "tenant" || name == "row" || name == "record" || name == "self":
		hint = "the caller is ctx.user, the tenant ctx.tenant; the fields of the row stand by themselves"
	default:
		hint = fmt.Sprintf("a text is written in quotes: '%s'", name)
	}
	c.fail("FC267", c.span(e), fmt.Sprintf("%s has no field %q", m.Name, name), hint)
}

func fieldsOf(m *dataflow.Model) []string {
	names := make([]string, len(m.Fields))
	for i, f := range m.Fields {
		names[i] = f.Name
	}
	return names
}

// compare reads a comparison.
func (c *condReader) compare(op dataflow.CompareOp, e *syntax.BinaryExpr) dataflow.Cond {
	if op == dataflow.CompareIn || op == dataflow.CompareNotIn {
		if cond, done := c.oneOfTerms(op, e); done {
			return cond
		}
	}
	x, ok := c.side(e.X)
	y, ok2 := c.side(e.Y)
	if !ok || !ok2 {
		return nil
	}
	at := c.span(e)
	if x.isField() && y.isField() {
		c.fail("FC268", at, "a condition compares a field with a value, not with another field", "keep what the comparison comes to in a field of its own")
		return nil
	}
	if op == dataflow.CompareIn || op == dataflow.CompareNotIn {
		return c.membership(op, x, y, at)
	}
	if y.isField() || !x.isField() && isLiteral(x) { // the row, or the caller, comes first
		x, y, op = y, x, op.Turned()
	}
	ordered := op != dataflow.CompareEqual && op != dataflow.CompareNotEqual
	switch {
	case isLiteral(x):
		c.fail("FC269", at, "two values that are written out always compare alike", "compare a field, or something of ctx.user")
		return nil
	case y.isNone():
		return c.withNone(op, x, at, ordered)
	case x.isField():
		return c.fieldCompared(op, x, y, at)
	}
	return c.callerCompared(op, x, y, at, ordered)
}

func isLiteral(s side) bool { _, ok := s.literal(); return ok }

// withNone compares with None.
func (c *condReader) withNone(op dataflow.CompareOp, x side, at dataflow.Span, ordered bool) dataflow.Cond {
	switch {
	case ordered:
		c.fail("FC268", at, "nothing is less or more than None", "write == None or != None")
		return nil
	case x.isField() && !x.via && !x.f.Optional && x.f.System != dataflow.RoleDeletedAt:
		c.l.warn("FC269", at, fmt.Sprintf("this is %s true: %s is required, so it is not None", map[bool]string{true: "never", false: "always"}[op == dataflow.CompareEqual], x.name), "leave it out, or write optional = True for the field")
	}
	return &dataflow.CondCompare{Op: op, Left: x.term, Right: dataflow.Literal{}, Span: at}
}

// queryOps are the operators of filters by comparison.
var queryOps = map[dataflow.CompareOp]query.Op{
	dataflow.CompareEqual: query.Eq, dataflow.CompareNotEqual: query.Ne, dataflow.CompareLess: query.Lt, dataflow.CompareLessEqual: query.Lte,
	dataflow.CompareGreater: query.Gt, dataflow.CompareGreaterEqual: query.Gte, dataflow.CompareIn: query.In, dataflow.CompareNotIn: query.Nin,
}

// comparable reports whether a field can be compared so, or says why not.
func (c *condReader) comparable(op dataflow.CompareOp, x side, at dataflow.Span) bool {
	if slices.Contains(query.Ops(x.typ), queryOps[op]) {
		return true
	}
	hint := ""
	switch x.typ.Kind {
	case dataflow.KindList:
		hint = "ask what is in it: ctx.user.id in " + x.name
	case dataflow.KindJSON:
		hint = "keep what is compared in a field of its own"
	}
	c.fail("FC268", at, fmt.Sprintf("%s can't be asked of %s, which is %s", op, x.name, x.typ), hint)
	return false
}

// fieldCompared compares a field with a value or with something of the caller.
func (c *condReader) fieldCompared(op dataflow.CompareOp, x, y side, at dataflow.Span) dataflow.Cond {
	if !c.comparable(op, x, at) || !c.fits(x.typ, &y, x.name) {
		return nil
	}
	return &dataflow.CondCompare{Op: op, Left: x.term, Right: y.term, Span: at}
}

// fits holds one value to the type that it is compared with.
func (c *condReader) fits(t *dataflow.Type, y *side, name string) bool {
	at := c.span(y.node)
	if v, ok := y.literal(); ok {
		out, ok := c.coerced(t, v, name, at)
		y.term = dataflow.Literal{Value: out}
		return ok
	}
	if y.typ == nil {
		return true
	}
	if y.typ.Kind == dataflow.KindList {
		c.fail("FC268", at, fmt.Sprintf("%s is %s, and %s is %s", y.name, y.typ, name, t), "write "+name+" in "+y.name)
		return false
	}
	switch t.Scalar().Kind { // what has a form that is text
	case dataflow.KindString, dataflow.KindInt, dataflow.KindUUID, dataflow.KindEnum:
		return true
	}
	c.fail("FC268", at, fmt.Sprintf("%s is text, and %s is %s", y.name, name, t), "")
	return false
}

func (c *condReader) coerced(t *dataflow.Type, v any, name string, at dataflow.Span) (any, bool) {
	if v == nil {
		c.fail("FC268", at, "None can't be in a list: nothing is equal to it", "write "+name+" == None")
		return nil, false
	}
	out, problems := codec.CoerceType(t, v, "")
	if len(problems) > 0 {
		c.fail("FC268", at, fmt.Sprintf("%s %s", name, problems[0].Detail), problems[0].Hint)
		return nil, false
	}
	return out, true
}

// callerCompared compares something of the caller, of no row.
func (c *condReader) callerCompared(op dataflow.CompareOp, x, y side, at dataflow.Span, ordered bool) dataflow.Cond {
	v, isValue := y.literal()
	switch v.(type) {
	case string, int64, float64, bool, dataflow.Decimal:
	default:
		if isValue {
			c.fail("FC268", c.span(y.node), "this can't be compared with "+x.name, "write in for one of several values")
			return nil
		}
	}
	_, isText := v.(string)
	switch {
	case x.typ != nil && x.typ.Kind == dataflow.KindList:
		c.fail("FC268", at, fmt.Sprintf("%s is %s", x.name, x.typ), `write "editor" in `+x.name)
		return nil
	case isValue && x.typ != nil && !isText:
		c.fail("FC268", c.span(y.node), fmt.Sprintf("%s is text", x.name), "write the value in quotes")
		return nil
	case ordered && isValue:
		if _, isBool := v.(bool); isBool {
			c.fail("FC268", at, "True and False have no order", "write == or !=")
			return nil
		}
	}
	return &dataflow.CondCompare{Op: op, Left: x.term, Right: y.term, Span: at}
}

// oneOfTerms reads "owner in [ctx.user.id, ctx.user.manager]", a list that is
// not all values, as comparisons with each.
func (c *condReader) oneOfTerms(op dataflow.CompareOp, e *syntax.BinaryExpr) (cond dataflow.Cond, done bool) {
	var list []syntax.Expr
	in := e.Y
	if p, ok := in.(*syntax.ParenExpr); ok {
		in = p.X
	}
	switch y := in.(type) {
	case *syntax.ListExpr:
		list = y.List
	case *syntax.TupleExpr:
		list = y.List
	}
	if !slices.ContainsFunc(list, func(e syntax.Expr) bool {
		switch e := e.(type) {
		case *syntax.DotExpr, *syntax.IndexExpr:
			return true
		case *syntax.Ident:
			return e.Name != "None" && e.Name != "True" && e.Name != "False"
		}
		return false
	}) {
		return nil, false
	}
	each, join := syntax.EQL, syntax.OR
	if op == dataflow.CompareNotIn {
		each, join = syntax.NEQ, syntax.AND
	}
	var all syntax.Expr
	for _, item := range list {
		var one syntax.Expr = &syntax.BinaryExpr{X: e.X, OpPos: e.OpPos, Op: each, Y: item}
		if all != nil {
			one = &syntax.BinaryExpr{X: all, OpPos: e.OpPos, Op: join, Y: one}
		}
		all = one
	}
	return c.cond(all), true
}

// membership reads "x in list".
func (c *condReader) membership(op dataflow.CompareOp, x, y side, at dataflow.Span) dataflow.Cond {
	list, isList := y.term.(dataflow.Literal)
	values, isValues := list.Value.([]any)
	switch {
	case y.isField() && y.typ.Kind != dataflow.KindList:
		c.fail("FC268", at, fmt.Sprintf("%s is %s, and in looks into a list", y.name, y.typ), "")
		return nil
	case y.isField():
		if x.isNone() {
			c.fail("FC268", at, "None is in no list", "")
			return nil
		}
		if !c.fits(y.typ.Elem, &x, "an item of "+y.name) {
			return nil
		}
		return &dataflow.CondCompare{Op: op, Left: x.term, Right: y.term, Span: at}
	case isList && !isValues, y.typ != nil && y.typ.Kind != dataflow.KindList:
		c.fail("FC268", c.span(y.node), "in looks into a list", `write status in ["new", "open"], or == for one value`)
		return nil
	case isList && len(values) == 0:
		c.constant(at, op == dataflow.CompareNotIn)
		return nil
	case isList && isLiteral(x):
		c.fail("FC269", at, "two values that are written out always compare alike", "compare a field, or something of ctx.user")
		return nil
	case x.isNone():
		c.fail("FC268", at, "None is in no list", "")
		return nil
	}
	if x.isField() {
		return c.fieldAmong(op, x, y, values, at)
	}
	for _, v := range values {
		if _, isText := v.(string); x.typ != nil && !isText {
			c.fail("FC268", c.span(y.node), fmt.Sprintf("%s is text", x.name), "write the values in quotes")
			return nil
		}
	}
	if x.typ != nil && x.typ.Kind == dataflow.KindList {
		c.fail("FC268", at, fmt.Sprintf("%s is a list, which is in no other", x.name), `write "a" in `+x.name+` or "b" in `+x.name)
		return nil
	}
	return &dataflow.CondCompare{Op: op, Left: x.term, Right: y.term, Span: at}
}

// fieldAmong reads "field in [values]" and "field in ctx.user.list".
func (c *condReader) fieldAmong(op dataflow.CompareOp, x, y side, values []any, at dataflow.Span) dataflow.Cond {
	if !c.comparable(op, x, at) {
		return nil
	}
	if _, isList := y.literal(); isList {
		out := make([]any, len(values))
		for i, v := range values {
			var ok bool
			if out[i], ok = c.coerced(x.typ, v, x.name, c.span(y.node)); !ok {
				return nil
			}
		}
		y.term = dataflow.Literal{Value: out}
	} else if y.typ != nil {
		item := side{term: y.term, node: y.node, name: "an item of " + y.name, typ: y.typ.Elem}
		if !c.fits(x.typ, &item, x.name) {
			return nil
		}
	}
	return &dataflow.CondCompare{Op: op, Left: x.term, Right: y.term, Span: at}
}

// contradiction warns of a field that would have to equal two values at once.
func (c *condReader) contradiction(both dataflow.CondAnd, e *syntax.BinaryExpr) {
	var equal []*dataflow.CondCompare
	var gather func(dataflow.Cond)
	gather = func(cond dataflow.Cond) {
		switch x := cond.(type) {
		case dataflow.CondAnd:
			for _, part := range x {
				gather(part)
			}
		case *dataflow.CondCompare:
			if x == nil || x.Op != dataflow.CompareEqual {
				return
			}
			_, isField := x.Left.(dataflow.FieldTerm)
			if _, isValue := x.Right.(dataflow.Literal); isField && isValue {
				equal = append(equal, x)
			}
		}
	}
	gather(both)
	if c.never {
		return
	}
	for i, a := range equal {
		for _, b := range equal[:i] {
			va, vb := a.Right.(dataflow.Literal).Value, b.Right.(dataflow.Literal).Value
			if slices.Equal(a.Left.(dataflow.FieldTerm), b.Left.(dataflow.FieldTerm)) && differ(va, vb) {
				c.never = true
				c.l.warn("FC269", c.span(e), "this is never true: a field does not equal two values", `write or, or field in [a, b]`)
				return
			}
		}
	}
}

func differ(a, b any) bool {
	if a == nil || b == nil {
		return a != b
	}
	d, ok := codec.Compare(a, b)
	return ok && d != 0
}

package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"go.starlark.net/syntax"
)

func (fr *frame) eval(e syntax.Expr) *val {
	switch e := e.(type) {
	case *syntax.Literal:
		return fr.literal(e)
	case *syntax.Ident:
		return fr.name(e)
	case *syntax.ParenExpr:
		return fr.eval(e.X)
	case *syntax.UnaryExpr:
		v := fr.eval(e.X)
		switch {
		case e.Op == syntax.NOT:
			fr.askedFor(v, fr.f.span(e.X))
			return typed(dataflow.Bool)
		case e.Op == syntax.MINUS && v != nil && v.count != nil:
			n := -*v.count
			return &val{kind: isTyped, typ: dataflow.Int, count: &n, at: fr.f.span(e)}
		}
		return v
	case *syntax.BinaryExpr:
		return fr.binary(e)
	case *syntax.CondExpr:
		fr.askedFor(fr.eval(e.Cond), fr.f.span(e.Cond))
		return join(fr.eval(e.True), fr.eval(e.False))
	case *syntax.DictExpr:
		return fr.dict(e)
	case *syntax.ListExpr:
		return fr.list(e.List)
	case *syntax.TupleExpr:
		v := &val{kind: isTuple, items: []*val{}}
		for _, x := range e.List {
			v.items = append(v.items, fr.eval(x))
		}
		fr.givenAway(v.items...)
		return v
	case *syntax.Comprehension:
		return fr.comprehension(e)
	case *syntax.DotExpr:
		return fr.attr(e, fr.eval(e.X))
	case *syntax.IndexExpr:
		return fr.index(e)
	case *syntax.SliceExpr:
		v := fr.eval(e.X)
		for _, x := range []syntax.Expr{e.Lo, e.Hi, e.Step} {
			if x != nil {
				fr.eval(x)
			}
		}
		if v.isText() {
			return typed(dataflow.String)
		}
		if v != nil && v.kind == isList {
			return &val{kind: isList, elem: v.elem, open: v.open}
		}
		return nil
	case *syntax.CallExpr:
		return fr.call(e)
	case *syntax.LambdaExpr:
		fr.within(e)
	}
	return nil
}

func (fr *frame) literal(e *syntax.Literal) *val {
	switch e.Token {
	case syntax.STRING:
		if s, ok := e.Value.(string); ok {
			return &val{kind: isTyped, typ: dataflow.String, text: &s, at: fr.f.span(e)}
		}
	case syntax.INT:
		if n, ok := e.Value.(int64); ok {
			return &val{kind: isTyped, typ: dataflow.Int, count: &n, at: fr.f.span(e)}
		}
		return &val{kind: isTyped, typ: dataflow.Int}
	case syntax.FLOAT:
		return &val{kind: isTyped, typ: dataflow.Float, plain: e.Value, at: fr.f.span(e)}
	}
	return nil
}

func (fr *frame) name(id *syntax.Ident) *val {
	if outside(id) {
		switch id.Name {
		case "True", "False":
			return &val{kind: isTyped, typ: dataflow.Bool, plain: id.Name == "True", at: fr.f.span(id)}
		case "None":
			return &val{kind: isNone}
		}
		return nil
	}
	if v, ok := fr.vars[fr.f.first(id)]; ok || fr.f.isLocal(id) {
		return v
	}
	return fr.global(fr.f, id)
}

func (fr *frame) dict(e *syntax.DictExpr) *val {
	v := &val{kind: isDict}
	for _, item := range e.List {
		d := item.(*syntax.DictEntry)
		key, value := fr.eval(d.Key), fr.eval(d.Value)
		if key == nil || key.text == nil {
			v.open = true
			continue
		}
		v.set(&entry{*key.text, value, key.at})
		fr.givenAway(value)
	}
	return v
}

func (fr *frame) list(list []syntax.Expr) *val {
	v := &val{kind: isList, items: []*val{}}
	for i, x := range list {
		item := fr.eval(x)
		v.items = append(v.items, item)
		if i == 0 {
			v.elem = item
		} else {
			v.elem = join(v.elem, item)
		}
	}
	v.open = len(list) > 0 && v.elem == nil
	fr.givenAway(v.items...)
	return v
}

func (fr *frame) comprehension(e *syntax.Comprehension) *val {
	before := maps.Clone(fr.vars)
	defer func() { fr.vars = before }()
	for _, c := range e.Clauses {
		switch c := c.(type) {
		case *syntax.ForClause:
			over := fr.eval(c.X)
			fr.iterated(c.X, over)
			fr.bind(c.Vars, itemOf(over))
		case *syntax.IfClause:
			fr.askedFor(fr.eval(c.Cond), fr.f.span(c.Cond))
		}
	}
	if d, ok := e.Body.(*syntax.DictEntry); ok {
		fr.eval(d.Key)
		fr.eval(d.Value)
		return &val{kind: isDict, open: true}
	}
	v := fr.eval(e.Body)
	return &val{kind: isList, elem: v, open: v == nil}
}

func (fr *frame) binary(e *syntax.BinaryExpr) *val {
	x, y := fr.eval(e.X), fr.eval(e.Y)
	switch e.Op {
	case syntax.EQL, syntax.NEQ:
		fr.compared(x, y)
		fr.compared(y, x)
		fr.floatBeside(e, x, y)
		fr.mixed(e.Op, e, x, y)
		if y != nil && y.kind == isNone {
			fr.askedFor(x, fr.f.span(e))
		}
		return typed(dataflow.Bool)
	case syntax.IN, syntax.NOT_IN:
		if y != nil && (y.kind == isList || y.kind == isTuple) {
			for _, item := range y.items {
				fr.compared(x, item)
			}
		}
		return typed(dataflow.Bool)
	case syntax.LT, syntax.LE, syntax.GT, syntax.GE:
		fr.floatBeside(e, x, y)
		fr.mixed(e.Op, e, x, y)
		return typed(dataflow.Bool)
	case syntax.AND, syntax.OR:
		fr.askedFor(x, fr.f.span(e.X))
		return join(x, y)
	}
	return fr.arithmetic(e.Op, e, x, y)
}

// compared looks at a comparison of one of a few words with a text.
func (fr *frame) compared(x, y *val) {
	if x == nil || y == nil {
		return
	}
	if x.kind == isTuple && y.kind == isTuple && len(x.items) == len(y.items) {
		for i := range x.items {
			fr.compared(x.items[i], y.items[i])
		}
		return
	}
	if y.text == nil {
		return
	}
	if !x.is(dataflow.KindEnum) {
		fr.note("FC145", y.at, false, "", "")
		return
	}
	fr.note("FC145", y.at, !slices.Contains(x.typ.Values, *y.text), fmt.Sprintf("the value is never %q: it is one of %s", *y.text, strings.Join(x.typ.Values, ", ")), dataflow.DidYouMean(*y.text, x.typ.Values))
}

var numbers = []dataflow.Kind{dataflow.KindInt, dataflow.KindFloat, dataflow.KindDecimal}

func (fr *frame) arithmetic(op syntax.Token, at syntax.Node, x, y *val) *val {
	if op == syntax.PIPE {
		return merged(x, y)
	}
	switch op {
	case syntax.PLUS, syntax.MINUS, syntax.STAR, syntax.SLASH, syntax.SLASHSLASH, syntax.PERCENT:
		fr.floatBeside(at, x, y)
		fr.mixed(op, at, x, y)
	default:
		return nil
	}
	if x == nil || y == nil || x.kind != isTyped || y.kind != isTyped {
		if op == syntax.PLUS && x != nil && y != nil && x.kind == isList && y.kind == isList {
			return join(&val{kind: isList, elem: x.elem, open: x.open}, &val{kind: isList, elem: y.elem, open: y.open})
		}
		if x.isText() && op == syntax.PERCENT {
			return typed(dataflow.String)
		}
		return nil
	}
	switch {
	case x.isText() && (op == syntax.PERCENT || op == syntax.PLUS && y.isText()):
		return typed(dataflow.String)
	case !slices.Contains(numbers, x.typ.Kind) || !slices.Contains(numbers, y.typ.Kind):
		return nil
	case x.is(dataflow.KindDecimal) || y.is(dataflow.KindDecimal):
		return reckoned(op, x, y, fr.f.span(at))
	case x.is(dataflow.KindFloat) || y.is(dataflow.KindFloat) || op == syntax.SLASH:
		return typed(dataflow.Float)
	}
	return typed(dataflow.Int)
}

// floatBeside looks at whether a float stands beside a decimal.
func (fr *frame) floatBeside(at syntax.Node, x, y *val) {
	mixed := x.is(dataflow.KindFloat) && y.is(dataflow.KindDecimal) || x.is(dataflow.KindDecimal) && y.is(dataflow.KindFloat)
	fr.note("FC144", fr.f.span(at), mixed, "a float and a decimal can't be reckoned with each other", `write the number as a decimal: decimal("1.2")`)
}

// merged is a | b of dicts and records.
func merged(x, y *val) *val {
	a, b := asDict(x), asDict(y)
	if a == nil || b == nil {
		return nil
	}
	out := &val{kind: isDict, open: a.open || b.open}
	for _, e := range a.names {
		if b.entry(e.name) == nil {
			out.names = append(out.names, e)
		}
	}
	out.names = append(out.names, b.names...)
	return out
}

// asDict is the value as a dict with its names; nil if it has none that are
// known. The names of a record have no place.
func asDict(v *val) *val {
	switch {
	case v == nil:
		return nil
	case v.kind == isDict:
		return v
	case v.isRecord():
		out := &val{kind: isDict}
		for _, name := range v.typ.AttrNames() {
			t, _, _ := v.typ.Attr(name)
			out.names = append(out.names, &entry{name: name, val: typed(t)})
		}
		return out
	}
	return nil
}

// attr follows x.name.
func (fr *frame) attr(e *syntax.DotExpr, x *val) *val {
	name, at := e.Name.Name, fr.f.span(e.Name)
	wrong := func(has []string, message, hint string) {
		bad := !slices.Contains(has, name) && !fr.tested[name]
		fr.note("FC146", at, bad, message, or(dataflow.DidYouMean(name, has), hint))
	}
	fr.askedOfObject(e, x)
	switch {
	case x == nil:
		fr.note("FC146", at, false, "", "")
	case x.kind == isCtx && name == "wait_signal": // which is called elsewhere
		fr.unseen()
	case x.kind == isModel:
		for _, kind := range dataflow.AllOps() {
			if kind.String() == name {
				return &val{kind: isOp, op: dataflow.Op{Model: x.model, Kind: kind}}
			}
		}
	case x.isRecord():
		has := x.typ.AttrNames()
		wrong(append(has[:len(has):len(has)], recordMethods...), fmt.Sprintf("%s has no %q", described(x.typ), name), "it has "+strings.Join(has, ", "))
		if t, known, ok := x.typ.Attr(name); ok && known {
			return typed(t)
		}
	case x.isText():
		wrong(methods.text, fmt.Sprintf("a text has no %q", name), "")
	case x.is(dataflow.KindInt), x.is(dataflow.KindBool), x.is(dataflow.KindFloat):
		wrong(nil, fmt.Sprintf("%s has no %q", article(x.typ), name), "if it is the id of another row, read that row, or expand it")
	case x.kind == isList:
		wrong(methods.list, fmt.Sprintf("a list has no %q", name), "take one of its items: [0]."+name)
	case x.kind == isDict:
		wrong(methods.dict, fmt.Sprintf("a dict has no %q", name), fmt.Sprintf("write [%q]", name))
	}
	return nil
}

// recordMethods are what rows and other records have beside their values.
var recordMethods = []string{"get", "items", "keys", "values"}

func described(t *dataflow.Type) string {
	if t.Kind == dataflow.KindRecord {
		return "a row of " + t.Model.Name
	}
	return "it"
}

func article(t *dataflow.Type) string {
	if t.Kind == dataflow.KindInt {
		return "an int"
	}
	return "a " + t.String()
}

func (fr *frame) index(e *syntax.IndexExpr) *val {
	x, y := fr.eval(e.X), fr.eval(e.Y)
	switch {
	case x == nil:
		return nil
	case x.kind == isList && !x.open:
		return x.oneItem()
	case y == nil || y.text == nil:
		return nil
	case x.kind == isDict:
		if en := x.entry(*y.text); en != nil {
			return en.val
		}
	case x.isRecord():
		has := x.typ.AttrNames()
		fr.note("FC146", y.at, !slices.Contains(has, *y.text) && !fr.tested[*y.text], fmt.Sprintf("%s has no %q", described(x.typ), *y.text),
			or(dataflow.DidYouMean(*y.text, has), "it has "+strings.Join(has, ", ")))
		if t, known, ok := x.typ.Attr(*y.text); ok && known {
			return typed(t)
		}
	}
	return nil
}

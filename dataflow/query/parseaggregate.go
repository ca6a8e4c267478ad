package query

import (
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Limits of an aggregate.
const (
	MaxGroupKeys   = 8
	MaxFigures     = 32
	maxFigureName  = 60
	aggregateOwner = "the result" // what messages about having and sort call it
)

var figureNames = dataflow.NameShape{First: dataflow.Letters | dataflow.Underscore, Rest: dataflow.Word}

// ParseAggregateStatic checks the arguments of an aggregate as an app file has
// them; see ParseStatic.
func ParseAggregateStatic(m *dataflow.Model, args *dataflow.Object) []dataflow.Problem {
	p := parser{model: m, static: true}
	p.aggregate(args)
	return p.problems
}

func (p *parser) aggregate(args *dataflow.Object) *Aggregate {
	arg := func(name string) any {
		v, _ := args.Get(name)
		return v
	}
	q := &Aggregate{Model: p.model, Where: p.filter(arg("filter"), "/filter", 0), Out: &dataflow.Model{Name: aggregateOwner}}
	before := len(p.problems)
	keysKnown := p.groupBy(q, arg("group_by"))
	figuresKnown := p.figures(q, arg("aggregates"))
	q.Out.Seal()
	if !keysKnown || !figuresKnown || len(p.problems) > before {
		return q // what having and sort may name is not known
	}
	if len(q.Out.Fields) == 0 {
		p.bad("required", "/aggregates", `write {"n": {"$count": true}}`, "say what to work out, or what to group by")
		return q
	}
	r := parser{model: q.Out, static: p.static}
	q.Having = r.filter(arg("having"), "/having", 0)
	q.Order = r.sort(arg("sort"), "/sort")
	p.problems = append(p.problems, r.problems...)
	return q
}

// groupBy reads the keys. known is false where only the run can tell them.
func (p *parser) groupBy(q *Aggregate, v any) (known bool) {
	known = !p.unbound(v)
	if list, ok := v.([]any); ok {
		known = !slices.ContainsFunc(list, p.unbound)
	}
	for name, at := range p.names("group_by", v, "/group_by") {
		if len(q.By) == MaxGroupKeys {
			p.bad("too_large", "/group_by", "", "groups have at most %d keys", MaxGroupKeys)
			break
		}
		path, ok := p.path(name, at)
		if !ok {
			continue
		}
		_, f := path.Last()
		switch {
		case q.Out.Fields != nil && slices.ContainsFunc(q.Out.Fields, func(f *dataflow.Field) bool { return f.Name == name }):
			p.bad("duplicate_key", at, "", "group_by names %s twice", name)
		case !Sortable(f.Type):
			p.bad("not_filterable", at, "", "%s is %s: rows can't be grouped by it", name, f.Type)
		case len(name) > maxFigureName:
			p.bad("too_long", at, "", "the path has more than %d characters", maxFigureName)
		default:
			q.By = append(q.By, path)
			q.Out.Fields = append(q.Out.Fields, &dataflow.Field{Name: name, Type: f.Type, Optional: f.Optional || len(path.Via) > 0})
		}
	}
	return known
}

// figures reads the aggregates. known is false where only the run can tell
// them.
func (p *parser) figures(q *Aggregate, v any) (known bool) {
	if v == nil || p.unbound(v) {
		return v == nil
	}
	o, ok := v.(*dataflow.Object)
	if !ok {
		p.bad("wrong_type", "/aggregates", `write {"n": {"$count": true}, "sum": {"$sum": "field"}}`, "aggregates must be an object, not %s", kindOf(v))
		return false
	}
	known = true
	for name, v := range o.All {
		if len(q.Figures) == MaxFigures {
			p.bad("too_large", "/aggregates", "", "there are at most %d aggregates", MaxFigures)
			break
		}
		if p.full() {
			break
		}
		at := at("/aggregates", name)
		switch {
		case !figureNames.Fits(name) || len(name) > maxFigureName:
			p.bad("format", at, "", "an aggregate's name has letters, digits and _, at most %d", maxFigureName)
		case slices.ContainsFunc(q.Out.Fields, func(f *dataflow.Field) bool { return f.Name == name }):
			p.bad("duplicate_key", at, "give it another name", "%s is a key of the groups already", name)
		case p.unbound(v):
			known = false
		default:
			known = p.figure(q, name, v, at) && known
		}
	}
	return known
}

// figure reads one aggregate: {"$sum": "net"}.
func (p *parser) figure(q *Aggregate, name string, v any, pointer string) (known bool) {
	o, ok := v.(*dataflow.Object)
	if !ok || o.Len() != 1 {
		p.bad("wrong_type", pointer, `write {"$sum": "field"}`, "an aggregate is an object of one function: %s", strings.Join(funcNames(), " "))
		return true
	}
	fn := o.Names()[0]
	of, _ := o.Get(fn)
	pointer = at(pointer, fn)
	i := slices.Index(funcNames(), fn)
	if i < 0 {
		hint := dataflow.DidYouMean(fn, funcNames())
		if hint == "" {
			hint = "there are " + strings.Join(funcNames(), " ")
		}
		p.bad("unknown_operator", pointer, hint, "there is no function %s", strconv.Quote(fn))
		return true
	}
	if p.unbound(of) {
		return false
	}
	f := Figure{Func: Func(i), Field: -1}
	t := dataflow.Int
	if f.Func != Count || of != true {
		if f.Field, ok = p.operandField(f.Func, of, pointer); !ok {
			return true
		}
		t = p.model.Fields[f.Field].Type
	}
	q.Figures = append(q.Figures, f)
	q.Out.Fields = append(q.Out.Fields, &dataflow.Field{Name: name, Type: FigureType(f.Func, t), Optional: f.Func != Count && f.Func != CountDistinct})
	return true
}

// operandField finds the field that a function is of.
func (p *parser) operandField(fn Func, v any, pointer string) (int, bool) {
	name, ok := v.(string)
	if !ok {
		if fn == Count {
			p.bad("wrong_type", pointer, "true counts rows, a field's name its values that are not null", "$count takes true or the name of a field, not %s", kindOf(v))
		} else {
			p.bad("wrong_type", pointer, "", "%s takes the name of a field, not %s", fn, kindOf(v))
		}
		return 0, false
	}
	i, ok := p.field(p.model, name, pointer)
	if !ok {
		return 0, false
	}
	if t := p.model.Fields[i].Type; !funcs[fn].kinds.has(t.Scalar().Kind) || t.Kind == dataflow.KindRef && funcs[fn].kinds == numeric {
		p.bad("unknown_operator", pointer, "", "%s can't be used on %s, which is %s", fn, name, t)
		return 0, false
	}
	return i, true
}

func funcNames() []string {
	names := make([]string, len(funcs))
	for i := range funcs {
		names[i] = funcs[i].name
	}
	return names
}

package lsp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/dataflow/query"
	"github.com/flowctl/flowctl/starlark/internal/tree"
	"github.com/flowctl/flowctl/starlark/spec"
	"go.starlark.net/syntax"
)

// call reads a call.
func (rd *reader) call(e *syntax.CallExpr, at slot) meaning {
	fn := rd.expr(e.Fn, slot{})
	switch fn.sort {
	case aBuiltin:
		return rd.builtinCall(builtin(fn.name), fn, e)
	case aType:
		return rd.typeCall(fn.name, e)
	case aFunction:
		return rd.functionCall(fn, e)
	case aModuleFunction:
		rd.arguments(e, func(*syntax.Ident, int) slot { return slot{} }, nil)
		return meaning{}
	}
	if dot, ok := e.Fn.(*syntax.DotExpr); ok && dot.Name.Name == "get" && len(e.Args) > 0 { // row.get("note", "")
		x := (&reader{ix: rd.ix, file: rd.file, scope: rd.scope, to: &reading{quiet: true}}).expr(dot.X, slot{})
		if lit, ok := e.Args[0].(*syntax.Literal); ok && lit.Token == syntax.STRING && (x.sort == aValue || x.sort == unknown) {
			is := rd.attr(x, lit.Value.(string), rd.inside(lit))
			rd.arguments(&syntax.CallExpr{Args: e.Args[1:]}, func(*syntax.Ident, int) slot { return slot{} }, nil)
			return is
		}
	}
	rd.arguments(e, func(*syntax.Ident, int) slot { return slot{flow: at.flow} }, nil)
	return meaning{}
}

// arguments reads the arguments of a call, each in its slot. names lists what
// can be given by name.
func (rd *reader) arguments(e *syntax.CallExpr, slotOf func(name *syntax.Ident, i int) slot, names func() []candidate) []meaning {
	var out []meaning
	for i, a := range e.Args {
		switch a := a.(type) {
		case *syntax.BinaryExpr:
			if id, ok := a.X.(*syntax.Ident); ok && a.Op == syntax.EQ {
				rd.expr(a.Y, slotOf(id, i))
				continue
			}
		case *syntax.UnaryExpr:
			if a.Op == syntax.STAR || a.Op == syntax.STARSTAR {
				rd.expr(a.X, slot{})
				continue
			}
		}
		if id, ok := a.(*syntax.Ident); ok && names != nil && rd.to.cursor.at(id.Name) {
			rd.to.cursor.arguments = names()
		}
		out = append(out, rd.expr(a, slotOf(nil, i)))
	}
	return out
}

// argument returns the expression that a call gives a parameter.
func argument(e *syntax.CallExpr, b *spec.Builtin, name string) syntax.Expr {
	for i, a := range e.Args {
		if bin, ok := a.(*syntax.BinaryExpr); ok && bin.Op == syntax.EQ {
			if id, ok := bin.X.(*syntax.Ident); ok && id.Name == name {
				return bin.Y
			}
			continue
		}
		if p := positional(b, i); p != nil && p.Name == name {
			return a
		}
	}
	return nil
}

// positional is the i-th parameter that need not be named.
func positional(b *spec.Builtin, i int) *spec.Param {
	for j := range b.Params {
		if p := &b.Params[j]; !p.Named {
			if i == 0 {
				return p
			}
			i--
		}
	}
	return b.Rest
}

// literal is the text of a string literal.
func literal(e syntax.Expr) string {
	if lit, ok := e.(*syntax.Literal); ok && lit.Token == syntax.STRING {
		return lit.Value.(string)
	}
	return ""
}

// callSite is what the slots of a builtin's arguments depend on.
type callSite struct {
	rd   *reader
	b    *spec.Builtin
	fn   meaning
	call *syntax.CallExpr

	spec *dataflow.NodeSpec // of add_node and ctx.run
	op   *dataflow.Op
	flow *dataflow.Workflow
	mod  *dataflow.Model
}

func (rd *reader) builtinCall(b *spec.Builtin, fn meaning, e *syntax.CallExpr) meaning {
	c := &callSite{rd: rd, b: b, fn: fn, call: e, flow: fn.flow}
	gives := c.prepare()
	if b.Name == "db.model" {
		defer func(outer *dataflow.Model) { rd.modelAround = outer }(rd.modelAround)
		rd.modelAround = c.mod
	}
	rd.arguments(e, c.slotOf, func() []candidate {
		if c.runs() && c.spec != nil {
			return argumentCandidates(c.spec.Params)
		}
		return paramCandidates(b)
	})
	return gives
}

// runs reports whether the call runs what it names.
func (c *callSite) runs() bool { return c.b.Name == "ctx.run" || c.b.Name == "t.run" }

// prepare finds out what a call makes.
func (c *callSite) prepare() meaning {
	rd, at := c.rd, c.rd.span(c.call)
	switch c.b.Name {
	case "DataFlow":
		return meaning{sort: aReceiver, name: "db"}
	case "Nexus":
		return meaning{sort: aReceiver, name: "app"}
	case "WorkflowBuilder":
		c.flow = rd.ix.builders[at]
		return meaning{sort: aReceiver, name: "wf", flow: c.flow}
	case "app.handler":
		c.flow = rd.ix.builders[at]
	case "db.model":
		c.mod = rd.ix.models[at]
		if name := literal(argument(c.call, c.b, "name")); c.mod == nil && name != "" {
			c.mod = rd.ix.model(name)
		}
		return meaning{sort: aModel, model: c.mod}
	case "wf.add_node":
		c.what("type")
		if n := rd.ix.nodes[at]; n != nil {
			return meaning{sort: aNode, node: n, flow: c.fn.flow}
		}
		return valueOf(c.output())
	case "wf.build":
		return meaning{sort: aWorkflow, flow: c.fn.flow}
	case "ctx.run", "t.run":
		c.what("what")
		return valueOf(c.output())
	case "ctx.wait_signal":
		return valueOf(payloadOf(c.signal()))
	}
	return meaning{}
}

// signal is the one that ctx.wait_signal waits for, or nil.
func (c *callSite) signal() *dataflow.Signal {
	return signalOf(c.flow, literal(argument(c.call, c.b, "name")))
}

// what finds the node type, or the operation, that a parameter names.
func (c *callSite) what(param string) {
	arg := argument(c.call, c.b, param)
	if name := literal(arg); name != "" {
		c.spec, c.op = c.rd.ix.nodeType(name)
		if name == "AggregateNode" {
			c.op = c.aggregate()
		}
	} else if arg != nil {
		quiet := &reader{ix: c.rd.ix, file: c.rd.file, scope: c.rd.scope, to: &reading{quiet: true}}
		if m := quiet.expr(arg, slot{}); m.sort == anOp {
			c.op = &dataflow.Op{Model: m.model, Kind: m.op}
		}
	}
	if c.op != nil {
		c.spec = c.rd.ix.specOf(*c.op)
	}
}

// aggregate is the operation that an AggregateNode stands for.
func (c *callSite) aggregate() *dataflow.Op {
	dict, ok := argument(c.call, c.b, "config").(*syntax.DictExpr)
	if !ok {
		return nil
	}
	for _, item := range dict.List {
		if entry := item.(*syntax.DictEntry); literal(entry.Key) == "model" {
			quiet := &reader{ix: c.rd.ix, file: c.rd.file, scope: c.rd.scope, to: &reading{quiet: true}}
			m := quiet.expr(entry.Value, slot{})
			if name := literal(entry.Value); name != "" {
				m.model = c.rd.ix.model(name)
			}
			if m.model != nil {
				return &dataflow.Op{Model: m.model, Kind: dataflow.OpAggregate}
			}
		}
	}
	return nil
}

func (c *callSite) output() *dataflow.Type {
	if c.spec == nil || c.spec.OutputOf != nil && c.expands() {
		return nil
	}
	return c.spec.Output
}

// expands reports whether the call gives more than rows of one model.
func (c *callSite) expands() bool {
	for _, a := range c.call.Args {
		if bin, ok := a.(*syntax.BinaryExpr); ok && bin.Op == syntax.EQ {
			id, ok := bin.X.(*syntax.Ident)
			if ok && (id.Name == "expand" || id.Name == "fields" && leads(bin.Y)) {
				return true
			}
		}
		if u, ok := a.(*syntax.UnaryExpr); ok && u.Op == syntax.STARSTAR {
			return true
		}
	}
	return c.op == nil
}

// leads reports whether names of fields lead through relations.
func leads(fields syntax.Expr) bool {
	list, ok := fields.(*syntax.ListExpr)
	return ok && slices.ContainsFunc(list.List, func(e syntax.Expr) bool {
		name, ok := e.(*syntax.Literal)
		return ok && strings.Contains(name.Raw, ".")
	})
}

// slotOf is the slot of an argument.
func (c *callSite) slotOf(name *syntax.Ident, i int) slot {
	p := positional(c.b, i)
	if name != nil {
		if p = c.b.Param(name.Name); p != nil {
			c.rd.note(c.rd.span(name), entity{entParam, c.b, p.Name}, meaning{})
		} else if c.runs() {
			return c.named(name)
		}
	}
	if p == nil {
		return slot{flow: c.flow}
	}
	if s, ok := c.special(p.Name); ok {
		return s
	}
	switch {
	case p.OneOf != nil:
		return slot{kind: slotOneOf, words: p.OneOf}
	case p.Accept == spec.Bool:
		return slot{kind: slotType, typ: dataflow.Bool}
	}
	return slot{flow: c.flow}
}

// named is the slot of an argument of ctx.run that is given by its name.
func (c *callSite) named(id *syntax.Ident) slot {
	if c.spec == nil {
		return slot{}
	}
	f := c.spec.Param(id.Name)
	if f == nil {
		return slot{}
	}
	return c.rd.argumentOf(c.spec, c.op, f, c.rd.span(id), slot{})
}

// argumentOf notes an argument and returns the slot of its value.
func (rd *reader) argumentOf(s *dataflow.NodeSpec, op *dataflow.Op, f *dataflow.Field, at dataflow.Span, in slot) slot {
	if op != nil && op.Kind == dataflow.OpCreate {
		rd.note(at, entity{entField, op.Model, f.Name}, meaning{typ: f.Type})
		return in.typed(f.Type)
	}
	rd.note(at, entity{entArg, s, f.Name}, meaning{typ: f.Type})
	if op != nil {
		return in.argument(*op, f.Name, f)
	}
	switch f.Name {
	case "workflow":
		return in.with(slotWorkflow)
	case "node":
		return in.with(slotNodeType)
	case "nodes":
		return in.with(slotNodeID)
	}
	return in.typed(f.Type)
}

// special is the slot of a parameter of which more is known than its type.
func (c *callSite) special(param string) (slot, bool) {
	s := slot{flow: c.flow, model: c.mod}
	switch c.b.Name + " " + param {
	case "db.model fields":
		s.kind = slotDeclared
	case "db.model access":
		s.kind = slotAccess
	case "db.model indexes", "db.model unique":
		s.kind = slotFields
	case "WorkflowBuilder input", "app.handler input":
		s.kind = slotInputs
	case "app.handler signals":
		s.kind = slotSignals
	case "ctx.wait_signal name":
		s.kind = slotSignal
	case "ctx.wait_signal default":
		s = s.typed(payloadOf(c.signal()))
	case "wf.add_node type", "ctx.run what", "t.run what":
		s.kind = slotNodeType
	case "wf.add_node id":
		s.kind, s.spec = slotNodeID, &dataflow.NodeSpec{} // a new one
	case "wf.add_node config", "ctx.run args", "t.run args":
		s.kind, s.spec, s.op = slotConfig, c.spec, c.op
	case "wf.add_node compensate", "wf.add_connection source", "wf.add_connection target":
		s.kind = slotNodeID
	case "wf.add_node on_error":
		s.kind = slotNodeID
	case "wf.add_connection output":
		s.kind, s.node = slotOutput, c.nodeAt("source")
	case "wf.add_connection input":
		s.kind, s.node = slotTarget, c.nodeAt("target")
	case "ctx.workflow name", "t.workflow name":
		s.kind = slotWorkflow
	case "app.expose operations":
		s.kind = slotOneOf
		for _, k := range dataflow.Ops() {
			s.words = append(s.words, k.String())
		}
	case "t.has want", "t.equal want":
		s = c.sameAs("got")
	case "field format":
		s.kind = slotOneOf
		for _, f := range dataflow.Formats() {
			s.words = append(s.words, f.Name)
		}
	case "retry on":
		s.kind = slotOneOf
		for _, e := range dataflow.ErrorCodes() {
			s.words = append(s.words, e.Code)
		}
	case "index fields":
		if of := c.rd.modelAround; of != nil {
			s.kind, s.model = slotFields, of
		}
	case "index where":
		if of := c.rd.modelAround; of != nil {
			s.kind, s.model = slotFilter, of
		}
	default:
		return s, false
	}
	return s, true
}

// sameAs is the slot of what is held against another argument.
func (c *callSite) sameAs(param string) slot {
	quiet := &reader{ix: c.rd.ix, file: c.rd.file, scope: c.rd.scope, to: &reading{quiet: true}}
	at := slot{flow: c.flow}
	if arg := argument(c.call, c.b, param); arg != nil {
		if is := quiet.expr(arg, slot{}); is.sort == aValue && is.typ != nil {
			return at.typed(is.typ)
		}
	}
	return at
}

func (c *callSite) nodeAt(param string) *dataflow.Node {
	arg := argument(c.call, c.b, param)
	if id := literal(arg); id != "" {
		return nodeOf(c.flow, id)
	}
	if id, ok := arg.(*syntax.Ident); ok {
		if m, _ := c.rd.ix.global(c.rd.file, id.Name); m.sort == aNode {
			return m.node
		}
	}
	return nil
}

// typeCall reads enum(…), ref(…) and their like.
func (rd *reader) typeCall(name string, e *syntax.CallExpr) meaning {
	b := builtin(name)
	if b == nil {
		rd.arguments(e, func(*syntax.Ident, int) slot { return slot{} }, nil)
		return meaning{}
	}
	return rd.builtinCall(b, meaning{sort: aBuiltin, name: name}, e)
}

// functionCall reads the call of a function of the app, and learns what the
// function is given, and gives.
func (rd *reader) functionCall(fn meaning, e *syntax.CallExpr) meaning {
	var params []string
	for _, p := range fn.def.Params {
		id, ok := p.(*syntax.Ident)
		if bin, isBin := p.(*syntax.BinaryExpr); isBin {
			id, ok = bin.X.(*syntax.Ident)
		}
		if ok {
			params = append(params, id.Name)
		}
	}
	given := rd.arguments(e, func(*syntax.Ident, int) slot { return slot{} }, func() []candidate {
		var out []candidate
		for _, name := range params {
			out = append(out, candidate{label: name + " =", insert: name + " = ", kind: kindProperty})
		}
		return out
	})
	at := tree.Span(fn.file, fn.def.Name)
	if rd.to.quiet {
		for i, m := range given {
			if i < len(params) {
				rd.ix.param(at, params[i], m)
			}
		}
	}
	return rd.ix.result(fn, at)
}

// result is what a function gives. Functions do not recur, yet a file that is
// being typed may say so.
func (ix *index) result(fn meaning, at dataflow.Span) meaning {
	key := place{at.File, at.Start}
	if is, known := ix.gives[key]; known {
		return is
	}
	f := ix.files[fn.file]
	if f == nil {
		return meaning{}
	}
	ix.gives[key] = meaning{}
	rd := &reader{ix: ix, file: f, to: &reading{quiet: true}}
	defer rd.push()()
	rd.parameters(fn.def.Params, at.Start)
	rd.stmts(fn.def.Body)
	ix.gives[key] = rd.scope.gives
	return rd.scope.gives
}

// dict reads a dict in its slot.
func (rd *reader) dict(e *syntax.DictExpr, at slot) {
	for _, item := range e.List {
		entry := item.(*syntax.DictEntry)
		lit, ok := entry.Key.(*syntax.Literal)
		if !ok || lit.Token != syntax.STRING {
			if id, isName := entry.Key.(*syntax.Ident); isName && rd.to.cursor.at(id.Name) {
				rd.to.cursor.found(at, id.Name)
				rd.to.cursor.isKey = true
				return
			}
			rd.expr(entry.Key, slot{flow: at.flow})
			rd.expr(entry.Value, slot{flow: at.flow})
			continue
		}
		name := lit.Value.(string)
		if rd.to.cursor.at(name) {
			rd.to.cursor.found(at, name)
			rd.to.cursor.isKey, rd.to.cursor.quoted = true, true
			return
		}
		rd.expr(entry.Value, rd.key(name, rd.inside(lit), at))
	}
}

// key notes the key of a dict and returns the slot of its value.
func (rd *reader) key(name string, at dataflow.Span, in slot) slot {
	switch in.kind {
	case slotAny:
		rd.maybe(name, at)
	case slotConfig:
		if in.spec != nil {
			if f := in.spec.Param(name); f != nil {
				return rd.argumentOf(in.spec, in.op, f, at, in)
			}
		}
	case slotRow:
		if f := rd.field(in.model, name, at); f != nil {
			return in.typed(f.Type)
		}
	case slotFilter:
		return rd.filterKey(name, at, in)
	case slotCondition:
		rd.note(at, entity{entOperator, nil, name}, meaning{})
		if name == "$not" {
			return in
		}
		if in.typ != nil {
			return in.typed(in.typ.Scalar())
		}
	case slotAggregates:
		return in.with(slotFigure)
	case slotFigure:
		return in.with(slotFields)
	case slotDeclared:
		if in.model != nil {
			what := entity{entField, in.model, name}
			is := meaning{}
			if f := in.model.Field(name); f != nil {
				is.typ = f.Type
			}
			rd.declare(at, what, is)
		}
		return slot{}
	case slotInputs:
		if in.flow != nil {
			is := meaning{}
			if f := inputOf(in.flow, name); f != nil {
				is.typ = f.Type
			}
			rd.declare(at, entity{entInput, in.flow, name}, is)
		}
		return slot{}
	case slotSignals:
		rd.signal(in.flow, name, at, true)
		return slot{}
	case slotAccess:
		if name == "fields" {
			return in.with(slotFieldsAccess)
		}
		return in.with(slotRule)
	case slotFieldsAccess:
		rd.field(in.model, name, at)
		return in.with(slotFieldAccess)
	case slotNodeID: // {"goto": "sorry"}
		if name == "goto" {
			return in
		}
	case slotType:
		if in.typ != nil {
			if t, _, ok := in.typ.Attr(name); ok {
				rd.note(at, entity{entPart, at, name}, meaning{typ: t})
				return in.typed(t)
			}
		}
	}
	return in.plain()
}

// filterKey reads a key of a filter: a field, a path through references, or a
// word that joins filters.
func (rd *reader) filterKey(name string, at dataflow.Span, in slot) slot {
	if strings.HasPrefix(name, "$") {
		rd.note(at, entity{entOperator, nil, name}, meaning{})
		return in
	}
	t := rd.path(in.model, name, at)
	return slot{kind: slotCondition, flow: in.flow, model: in.model, typ: t}
}

// path notes the fields of "customer.email", and returns the type of the last.
func (rd *reader) path(m *dataflow.Model, path string, at dataflow.Span) *dataflow.Type {
	var t *dataflow.Type
	start := at.Start
	for name := range strings.SplitSeq(path, ".") {
		here := dataflow.Span{File: at.File, Start: start, End: tree.Advance(start, name)}
		f := rd.field(m, name, here)
		if f == nil {
			return nil
		}
		t, m = f.Type, f.Type.Model
		start = tree.Advance(here.End, ".")
	}
	return t
}

// field notes a field of a model.
func (rd *reader) field(m *dataflow.Model, name string, at dataflow.Span) *dataflow.Field {
	if m == nil {
		return nil
	}
	f := m.Field(name)
	if f == nil && m.ComputedField(name) != nil {
		f = &dataflow.Field{Name: name, Type: dataflow.Any}
	}
	if f != nil {
		rd.note(at, entity{entField, m, name}, meaning{typ: f.Type})
	}
	return f
}

// text reads a string literal in its slot.
func (rd *reader) text(lit *syntax.Literal, at slot) meaning {
	value := lit.Value.(string)
	inside := rd.inside(lit)
	if at.kind == slotRule {
		rd.condition(lit, inside.Start, at.model)
		return valueOf(dataflow.String)
	}
	if strings.Contains(lit.Raw, "${") {
		if is, whole := rd.template(lit, inside.Start, at); whole || rd.to.cursor.done() {
			return is
		}
		return valueOf(dataflow.String)
	}
	if rd.to.cursor.at(value) {
		if at.kind == slotFields {
			value = strings.TrimPrefix(value, "-") // of sort
		}
		rd.to.cursor.found(at, value)
		rd.to.cursor.quoted = true
		return meaning{}
	}
	switch at.kind {
	case slotAny:
		rd.maybe(strings.TrimPrefix(value, "-"), inside)
	case slotNodeType:
		if s, op := rd.ix.nodeType(value); op != nil {
			rd.note(inside, entity{entOp, *op, ""}, meaning{})
		} else if s != nil {
			rd.note(inside, entity{entNodeType, nil, s.Name}, meaning{})
		}
	case slotNodeID:
		if n := nodeOf(at.flow, value); n != nil {
			rd.nodeID(n, inside, at.spec != nil)
		}
	case slotOutput:
		if at.node != nil {
			rd.outputPath(rd.ix.outline.Nodes[at.node].Output, value, inside)
		} else if at.flow != nil {
			rd.outputPath(dataflow.ObjectType(at.flow.Input...), value, inside)
		}
	case slotFields:
		from := inside
		if strings.HasPrefix(value, "-") {
			value = value[1:]
			from.Start.Col++
		}
		rd.path(at.model, value, from)
	case slotTarget:
		rd.targetInput(at.node, value, inside)
	case slotSignal:
		rd.signal(at.flow, value, inside, false)
	case slotWorkflow:
		rd.note(inside, entity{entPart, inside, value}, meaning{})
	}
	return valueOf(dataflow.String)
}

// nodeID notes the id of a node.
func (rd *reader) nodeID(n *dataflow.Node, at dataflow.Span, sets bool) {
	is := meaning{sort: aNode, node: n}
	if sets {
		rd.declare(at, nodeEntity(n), is)
		return
	}
	rd.note(at, nodeEntity(n), is)
}

// signal notes the name of a signal.
func (rd *reader) signal(w *dataflow.Workflow, name string, at dataflow.Span, sets bool) {
	s := signalOf(w, name)
	if s == nil {
		return
	}
	what, is := entity{entSignal, w, name}, meaning{typ: payloadOf(s)}
	if sets {
		rd.declare(at, what, is)
		return
	}
	rd.note(at, what, is)
}

// targetInput notes the argument that a connection leads to.
func (rd *reader) targetInput(n *dataflow.Node, path string, at dataflow.Span) {
	if n == nil || rd.ix.outline.Nodes[n].Spec == nil {
		return
	}
	s, op := rd.ix.outline.Nodes[n].Spec, rd.ix.opOf(n)
	name, rest, nested := strings.Cut(path, ".")
	f := s.Param(name)
	if f == nil {
		return
	}
	end := tree.Advance(at.Start, name)
	in := rd.argumentOf(s, op, f, dataflow.Span{File: at.File, Start: at.Start, End: end}, slot{})
	if nested {
		rd.key(rest, dataflow.Span{File: at.File, Start: tree.Advance(end, "."), End: at.End}, in)
	}
}

// opOf is the operation that a node runs, or nil.
func (ix *index) opOf(n *dataflow.Node) *dataflow.Op {
	if n.Op != nil {
		return n.Op
	}
	if op, ok := ix.ops[n.Type]; ok {
		return &op
	}
	return nil
}

// operators lists what a field can be compared by.
func operators(t *dataflow.Type) []candidate {
	out := []candidate{}
	if t == nil {
		t = dataflow.Any
	}
	for _, op := range query.Ops(t) {
		out = append(out, candidate{label: op.String(), kind: kindOperator, detail: fmt.Sprintf("compares a %s", t)})
	}
	return append(out, candidate{label: "$not", kind: kindOperator, detail: "the opposite"})
}

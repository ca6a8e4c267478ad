package lsp

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/spec"
	"go.starlark.net/syntax"
)

type markup struct {
	Kind  string `json:"kind"`
	Value string `json:"value"`
}

type hoverResult struct {
	Contents markup `json:"contents"`
	Range    span   `json:"range"`
}

func (s *server) hover(ctx context.Context, p atPosition) (any, error) {
	at, err := s.locate(ctx, p)
	if at == nil || err != nil {
		return nil, err
	}
	text := at.ix.describe(at.mention)
	if text == "" {
		return nil, nil
	}
	return hoverResult{markup{"markdown", text}, at.shown}, nil
}

// describe says what a place speaks of, in Markdown.
func (ix *index) describe(m mention) string {
	e := m.what
	switch e.kind {
	case entBuiltin:
		return builtinDoc(builtin(e.name))
	case entType:
		return typeDoc(e.name)
	case entParam:
		return paramDoc(e.owner.(*spec.Builtin).Param(e.name))
	case entField:
		return fieldDoc(e.owner.(*dataflow.Model), e.name)
	case entInput:
		w := e.owner.(*dataflow.Workflow)
		if f := inputOf(w, e.name); f != nil {
			return code(signature(f)) + joined("An input of "+title(w)+".", f.Doc)
		}
	case entArg:
		s := e.owner.(*dataflow.NodeSpec)
		return code(signature(s.Param(e.name))) + joined("An argument of "+s.Name+".", s.Param(e.name).Doc)
	case entNodeType:
		s, _ := ix.nodeType(e.name)
		return specDoc(s)
	case entOp:
		return specDoc(ix.specOf(e.owner.(dataflow.Op)))
	case entNode:
		return ix.nodeDoc(m.is.node)
	case entSignal:
		t := payloadOf(signalOf(e.owner.(*dataflow.Workflow), e.name))
		takes := "What has to come with it is " + outputText(t) + "."
		if t.Kind == dataflow.KindAny {
			takes = "Anything may come with it."
		}
		return code(e.name+": "+t.String()) + joined("A signal that "+title(e.owner.(*dataflow.Workflow))+" waits for.", takes)
	case entModule:
		for i := range ix.modules {
			if ix.modules[i].Name == e.name {
				return code(e.name) + joined(ix.modules[i].Doc, "It has "+strings.Join(ix.modules[i].names(), ", ")+".")
			}
		}
	case entModuleFunction:
		for i := range ix.modules {
			if f := ix.modules[i].function(e.name); f != nil && ix.modules[i].Name == e.owner {
				return code(f.signature()) + joined(f.Doc, example(f.Example), "From "+ix.modules[i].Name+".")
			}
		}
	case entFile:
		return code(e.name)
	case entOperator:
		return operatorDoc(e.name)
	case entPart:
		if m.is.typ != nil {
			return code(e.name + ": " + m.is.typ.String())
		}
	case entName:
		return ix.nameDoc(e.name, m.is)
	}
	return ""
}

func code(text string) string { return "```python\n" + text + "\n```" }

func example(text string) string {
	if text == "" {
		return ""
	}
	return code(text)
}

// joined is paragraphs behind a heading; those that are empty are left out.
func joined(paragraphs ...string) string {
	var b strings.Builder
	for _, p := range paragraphs {
		if p != "" {
			b.WriteString("\n\n" + p)
		}
	}
	return b.String()
}

func builtinDoc(b *spec.Builtin) string {
	if b == nil {
		return ""
	}
	gives := ""
	if b.Returns != "" {
		gives = "Returns " + b.Returns + "."
	}
	return code(b.Signature()) + joined(b.Doc, gives, example(b.Example))
}

func typeDoc(name string) string {
	if b := builtin(name); b != nil {
		return builtinDoc(b)
	}
	for _, t := range spec.Types() {
		if t.Name == name {
			return code(name) + joined(t.Doc, "In JSON: "+t.JSON+".")
		}
	}
	return ""
}

func paramDoc(p *spec.Param) string {
	head := p.Name
	if p.Default != "" {
		head += " = " + p.Default
	}
	one := ""
	if len(p.OneOf) > 0 {
		one = "One of `" + strings.Join(p.OneOf, "`, `") + "`."
	}
	return code(head) + joined("Takes "+p.Accept.String()+".", p.Doc, one)
}

// signature writes a field with its type and the options that matter most.
func signature(f *dataflow.Field) string {
	text := f.Name + ": " + f.Type.String()
	for _, o := range []struct {
		set  bool
		word string
	}{{f.Optional, "optional"}, {f.Unique, "unique"}, {f.Immutable, "immutable"}, {f.Index, "index"}, {f.Searchable, "searchable"}} {
		if o.set {
			text += ", " + o.word
		}
	}
	if f.HasDefault && f.Default != nil && f.Default != dataflow.Absent {
		text += fmt.Sprintf(", default = %v", f.Default)
	}
	return text
}

func fieldDoc(m *dataflow.Model, name string) string {
	if f := m.Field(name); f != nil {
		kept := ""
		if f.System != dataflow.RoleNone && !(f.System == dataflow.RoleID && m.ClientID) {
			kept = "Kept by the runtime."
		}
		return code(signature(f)) + joined("A field of "+m.Name+".", f.Doc, kept)
	}
	return code(name) + joined("Computed by "+m.Name+" whenever a row is read.")
}

func modelDoc(m *dataflow.Model) string {
	lines := []string{m.Name + ", table " + m.Table}
	for _, f := range m.Fields {
		lines = append(lines, "    "+signature(f))
	}
	for _, c := range m.Computed {
		lines = append(lines, "    "+c.Name+", computed")
	}
	return code(strings.Join(lines, "\n")) + joined(m.Doc)
}

func specDoc(s *dataflow.NodeSpec) string {
	if s == nil {
		return ""
	}
	var takes, gives strings.Builder
	for _, p := range s.Params {
		need := ""
		if p.Required() {
			need = ", required"
		}
		fmt.Fprintf(&takes, "\n- `%s`%s%s", signature(p), need, behind(": ", p.Doc))
	}
	if s.Rest != nil {
		takes.WriteString("\n- any other name")
	}
	if s.Output != nil && s.Output.Fields != nil {
		for _, f := range s.Output.Fields {
			fmt.Fprintf(&gives, "\n- `%s`%s", signature(f), behind(": ", f.Doc))
		}
	} else if s.Output != nil {
		gives.WriteString(" " + s.Output.String())
	}
	return code(s.Name) + joined(s.Doc, behind("Takes", takes.String()), behind("Gives", gives.String()))
}

// behind is text with something before it, or nothing.
func behind(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

func title(w *dataflow.Workflow) string {
	if w.Name == "" {
		return "the workflow"
	}
	return "the workflow " + w.Name
}

func (ix *index) nodeDoc(n *dataflow.Node) string {
	if n == nil {
		return ""
	}
	o := ix.outline.Nodes[n]
	gives := ""
	if o.Output != nil {
		gives = "Gives " + outputText(o.Output) + "."
	}
	if len(o.Ports) > 0 {
		gives += " Ways: " + strings.Join(o.Ports, ", ") + "."
	}
	doc := ""
	if o.Spec != nil {
		doc = o.Spec.Doc
	}
	of := ""
	if w := ix.flowOf[n]; w != nil {
		of = "A node of " + title(w) + "."
	}
	return code(n.ID+": "+n.Type) + joined(of, doc, gives)
}

func outputText(t *dataflow.Type) string {
	if names := t.AttrNames(); len(names) > 0 {
		return "`{" + strings.Join(names, ", ") + "}`"
	}
	return "`" + t.String() + "`"
}

func operatorDoc(name string) string {
	i := slices.IndexFunc(operatorDocs, func(o struct{ name, doc string }) bool { return o.name == name })
	if i < 0 {
		return ""
	}
	return code(name) + joined(operatorDocs[i].doc)
}

var operatorDocs = []struct{ name, doc string }{
	{"$and", "All filters of the list hold."}, {"$or", "Any filter of the list holds."}, {"$not", "The opposite."},
	{"$eq", "Equal."}, {"$ne", "Not equal; null is not equal to any value."}, {"$gt", "More than."}, {"$gte", "At least."},
	{"$lt", "Less than."}, {"$lte", "At most."}, {"$in", "One of the list."}, {"$nin", "None of the list."},
	{"$like", "A pattern: `%` is any text, `_` any character."}, {"$ilike", "`$like` without regard to case."},
	{"$contains", "A part of the text, or an item of the list."}, {"$startswith", "The text begins so."}, {"$endswith", "The text ends so."},
	{"$regex", "A regular expression matches somewhere."}, {"$exists", "Whether there is a value."}, {"$null", "Whether it is null."},
	{"$between", "Between two values, both included."},
}

// nameDoc describes a name of a file.
func (ix *index) nameDoc(name string, is meaning) string {
	switch is.sort {
	case aModel:
		if is.model != nil {
			return modelDoc(is.model)
		}
	case aNode:
		return ix.nodeDoc(is.node)
	case aFunction:
		return code("def "+functionHead(is.def)) + joined(docstring(is.def))
	case aReceiver:
		return code(name) + joined("Its methods: "+strings.Join(methodsOf(is.name), ", ")+".")
	case anOp:
		return specDoc(ix.specOf(dataflow.Op{Model: is.model, Kind: is.op}))
	case aWorkflow:
		if is.flow != nil {
			return code(name) + joined("Is "+title(is.flow)+", built.", is.flow.Doc)
		}
	case aModule:
		return code(name) + joined(is.module.Doc)
	case aValue:
		return code(name + ": " + is.typ.String())
	}
	return code(name)
}

func functionHead(def *syntax.DefStmt) string {
	var params []string
	for _, p := range def.Params {
		switch p := p.(type) {
		case *syntax.Ident:
			params = append(params, p.Name)
		case *syntax.BinaryExpr:
			if id, ok := p.X.(*syntax.Ident); ok {
				params = append(params, id.Name+" = …")
			}
		case *syntax.UnaryExpr:
			if id, ok := p.X.(*syntax.Ident); ok {
				params = append(params, p.Op.String()+id.Name)
			}
		}
	}
	return def.Name.Name + "(" + strings.Join(params, ", ") + ")"
}

func docstring(def *syntax.DefStmt) string {
	if len(def.Body) == 0 {
		return ""
	}
	st, ok := def.Body[0].(*syntax.ExprStmt)
	if !ok {
		return ""
	}
	return strings.TrimSpace(literal(st.X))
}

// kind is the kind that a completion shows.
func (m meaning) kind() int {
	switch m.sort {
	case aModel:
		return kindClass
	case aFunction, aModuleFunction, aBuiltin:
		return kindFunction
	case aModule:
		return kindModule
	}
	return kindVariable
}

// detail says in a few words what a name stands for.
func (m meaning) detail() string {
	switch m.sort {
	case aModel:
		return "a model"
	case aNode:
		if m.node != nil {
			return m.node.Type
		}
	case aFunction:
		return functionHead(m.def)
	case aReceiver:
		return map[string]string{"db": "a database", "app": "the server", "wf": "a workflow", "ctx": "the run", "t": "the test"}[m.name]
	case aWorkflow:
		return "a workflow, built"
	case aValue:
		return m.typ.String()
	}
	return ""
}

// names lists the functions of a module.
func (m *Module) names() []string {
	var names []string
	for _, f := range m.Functions {
		names = append(names, f.Name)
	}
	return names
}

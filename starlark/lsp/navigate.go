package lsp

import (
	"context"
	"slices"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/internal/tree"
	"go.starlark.net/syntax"
)

// found is what stands at a place that an editor asks about.
type found struct {
	mention
	ix    *index
	r     *result
	doc   *document
	shown span // the place in the editor's text
}

// locate finds what the cursor is on; nil where that is nothing known.
func (s *server) locate(ctx context.Context, p atPosition) (*found, error) {
	d, r, err := s.stateOf(ctx, p.TextDocument)
	if r == nil {
		return nil, err
	}
	ix, name := s.indexOf(r), r.file(d)
	at, ok := r.then(d, p.Position)
	if !ok {
		return nil, nil
	}
	cursor := posOf(r.texts[name], at)
	best := -1
	for i, m := range ix.mentions {
		if m.at.File != name || after(m.at.Start, cursor) || after(cursor, m.at.End) {
			continue
		}
		if best = i; after(m.at.End, cursor) { // else it may be the next that begins here
			break
		}
	}
	if best < 0 {
		return nil, nil
	}
	return &found{ix.mentions[best], ix, r, d, r.now(s, ix.mentions[best].at)}, nil
}

// after reports whether a comes after b.
func after(a, b dataflow.Pos) bool { return a.Line > b.Line || a.Line == b.Line && a.Col > b.Col }

func (s *server) definition(ctx context.Context, p atPosition) (any, error) {
	at, err := s.locate(ctx, p)
	if at == nil || err != nil {
		return nil, err
	}
	out := []location{}
	for _, place := range at.ix.definitions(at.mention) {
		out = append(out, location{s.uriOf(at.r.path(place.File)), at.r.now(s, place)})
	}
	return out, nil
}

// definitions are the places where something is declared.
func (ix *index) definitions(m mention) []dataflow.Span {
	switch m.what.kind {
	case entFile:
		return []dataflow.Span{{File: m.what.name, Start: dataflow.Pos{Line: 1, Col: 1}, End: dataflow.Pos{Line: 1, Col: 1}}}
	case entOp:
		return ix.declarations(ix.nameOf(m.what.owner.(dataflow.Op).Model))
	case entField:
		model := m.what.owner.(*dataflow.Model)
		if c := model.ComputedField(m.what.name); c != nil {
			return []dataflow.Span{c.Span}
		}
	}
	return ix.declarations(m.what)
}

func (ix *index) declarations(e entity) []dataflow.Span {
	var out []dataflow.Span
	for _, m := range ix.mentions {
		if m.sets && m.what == e {
			out = append(out, m.at)
		}
	}
	return out
}

// nameOf is the name of a file that a model goes by.
func (ix *index) nameOf(m *dataflow.Model) entity {
	for _, x := range ix.mentions {
		if x.sets && x.what.kind == entName && x.is.sort == aModel && x.is.model == m {
			return x.what
		}
	}
	return entity{}
}

type referenceParams struct {
	atPosition
	Context struct {
		IncludeDeclaration bool `json:"includeDeclaration"`
	} `json:"context"`
}

func (s *server) references(ctx context.Context, p referenceParams) (any, error) {
	at, err := s.locate(ctx, p.atPosition)
	if at == nil || err != nil {
		return nil, err
	}
	out := []location{}
	for _, at := range s.everywhere(ctx, at) {
		for _, m := range at.ix.mentions {
			l := location{s.uriOf(at.r.path(m.at.File)), at.r.now(s, m.at)}
			if m.what == at.what && (p.Context.IncludeDeclaration || !m.sets) && !slices.Contains(out, l) {
				out = append(out, l)
			}
		}
	}
	return out, nil
}

type documentSymbol struct {
	Name           string           `json:"name"`
	Detail         string           `json:"detail,omitempty"`
	Kind           int              `json:"kind"`
	Range          span             `json:"range"`
	SelectionRange span             `json:"selectionRange"`
	Children       []documentSymbol `json:"children,omitempty"`
}

// The kinds of symbols, by the protocol's numbers.
const (
	symbolModule   = 2
	symbolClass    = 5
	symbolField    = 8
	symbolFunction = 12
	symbolVariable = 13
	symbolEvent    = 24
	symbolOperator = 25
)

// symbols lists what a file declares: models with their fields, workflows with
// their nodes, functions and other names.
func (s *server) symbols(ctx context.Context, p ofDocument) (any, error) {
	d, r, err := s.stateOf(ctx, p.TextDocument)
	if r == nil {
		return nil, err
	}
	ix := s.indexOf(r)
	o := outliner{s: s, r: r, ix: ix, flows: map[*dataflow.Workflow]int{}}
	if f := ix.files[r.file(d)]; f != nil {
		o.file = f
		for _, st := range f.tree.Stmts {
			o.statement(st)
		}
	}
	return append([]documentSymbol{}, o.out...), nil
}

// outliner makes the symbols of a file.
type outliner struct {
	s     *server
	r     *result
	ix    *index
	file  *file
	out   []documentSymbol
	flows map[*dataflow.Workflow]int // where they are in out
}

func (o *outliner) symbol(name, detail string, kind int, whole, part syntax.Node) documentSymbol {
	at := func(n syntax.Node) span { return o.r.now(o.s, tree.Span(o.file.path, n)) }
	return documentSymbol{Name: name, Detail: detail, Kind: kind, Range: at(whole), SelectionRange: at(part)}
}

func (o *outliner) statement(st syntax.Stmt) {
	switch st := st.(type) {
	case *syntax.DefStmt:
		o.out = append(o.out, o.symbol(st.Name.Name, functionHead(st), symbolFunction, st, st.Name))
	case *syntax.AssignStmt:
		if id, ok := st.LHS.(*syntax.Ident); ok {
			o.assigned(st, id)
		}
	case *syntax.ExprStmt:
		o.node(st.X, st)
	}
}

func (o *outliner) assigned(st *syntax.AssignStmt, id *syntax.Ident) {
	is, _ := o.ix.global(o.file, id.Name)
	if o.node(st.RHS, st) {
		return
	}
	switch {
	case is.sort == aModel:
		sym := o.symbol(id.Name, "model", symbolClass, st, id)
		if call, ok := st.RHS.(*syntax.CallExpr); ok {
			sym.Children = o.fields(call, is.model)
		}
		o.out = append(o.out, sym)
	case is.sort == aReceiver && is.name == "wf":
		o.flows[is.flow] = len(o.out)
		o.out = append(o.out, o.symbol(id.Name, "workflow", symbolEvent, st, id))
	case is.sort == aReceiver:
		o.out = append(o.out, o.symbol(id.Name, is.detail(), symbolModule, st, id))
	default:
		o.out = append(o.out, o.symbol(id.Name, is.detail(), symbolVariable, st, id))
	}
}

func (o *outliner) fields(call *syntax.CallExpr, m *dataflow.Model) []documentSymbol {
	var out []documentSymbol
	dict, ok := argument(call, methodOf("db", "model"), "fields").(*syntax.DictExpr)
	if !ok {
		return nil
	}
	for _, item := range dict.List {
		entry := item.(*syntax.DictEntry)
		name, detail := literal(entry.Key), ""
		if name == "" {
			continue
		}
		if m != nil && m.Field(name) != nil {
			detail = m.Field(name).Type.String()
		}
		out = append(out, o.symbol(name, detail, symbolField, entry, entry.Key))
	}
	return out
}

// node puts what add_node makes below its workflow.
func (o *outliner) node(e syntax.Expr, st syntax.Stmt) bool {
	call, ok := e.(*syntax.CallExpr)
	if !ok {
		return false
	}
	n := o.ix.nodes[tree.Span(o.file.path, call)]
	if n == nil {
		return false
	}
	sym := o.symbol(n.ID, n.Type, symbolOperator, st, call)
	if id := argument(call, methodOf("wf", "add_node"), "id"); id != nil {
		sym.SelectionRange = o.r.now(o.s, tree.Span(o.file.path, id))
	}
	i, ok := o.flows[o.ix.flowOf[n]]
	if !ok {
		o.out = append(o.out, sym)
		return true
	}
	o.out[i].Children = append(o.out[i].Children, sym)
	if before(o.out[i].Range.End, sym.Range.End) { // a symbol holds its children
		o.out[i].Range.End = sym.Range.End
	}
	return true
}

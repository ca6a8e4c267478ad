package lsp

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/internal/tree"
	"github.com/flowctl/flowctl/starlark/spec"
	"go.starlark.net/syntax"
)

type renameParams struct {
	atPosition
	NewName string `json:"newName"`
}

type prepared struct {
	Range       span   `json:"range"`
	Placeholder string `json:"placeholder"`
}

// renameable finds what is to be renamed, in a state of the files that is
// whole and that of the editor.
func (s *server) renameable(ctx context.Context, p atPosition) (*found, error) {
	at, err := s.locate(ctx, p)
	switch {
	case err != nil:
		return nil, err
	case at == nil:
		return nil, refused("fields of models, nodes and inputs of workflows can be renamed; here is none")
	}
	if !at.r.whole || at.r.rev != s.rev {
		return nil, refused("a file of the app can't be read as it stands: mend that first")
	}
	switch at.what.kind {
	case entField:
		m := at.what.owner.(*dataflow.Model)
		f := m.Field(at.what.name)
		if f == nil || f.System != dataflow.RoleNone || len(at.ix.declarations(at.what)) == 0 {
			return nil, refused("%s of %s is not declared in its dict of fields, so it can't be renamed here", at.what.name, m.Name)
		}
	case entNode:
	case entInput:
		if w := at.what.owner.(*dataflow.Workflow); w.Handler != nil {
			return nil, refused("an input of a handler is a parameter of its function too: rename it by hand")
		}
	default:
		return nil, refused("fields of models, nodes and inputs of workflows can be renamed; this is none")
	}
	return at, nil
}

func refused(format string, args ...any) error {
	return &wireError{codeRequestFailed, fmt.Sprintf(format, args...)}
}

func (s *server) prepareRename(ctx context.Context, p atPosition) (any, error) {
	at, err := s.renameable(ctx, p)
	if err != nil {
		return nil, err
	}
	return prepared{at.shown, at.what.name}, nil
}

func (s *server) rename(ctx context.Context, p renameParams) (any, error) {
	at, err := s.renameable(ctx, p.atPosition)
	if err != nil {
		return nil, err
	}
	if p.NewName == at.what.name {
		return s.edit(at.r, nil), nil
	}
	if err := at.clash(p.NewName); err != nil {
		return nil, err
	}
	all := s.everywhere(ctx, at)
	var edits []dataflow.Edit
	for _, at := range all {
		if edits, err = at.edits(edits, p.NewName); err != nil {
			return nil, err
		}
	}
	if at.what.kind == entField {
		edits = append(edits, at.keepRows()...)
	}
	sortEdits(edits)
	for _, at := range all {
		if err := s.wouldHold(ctx, at.r, edits); err != nil {
			return nil, err
		}
	}
	whole := *at.r
	whole.texts = map[string]string{}
	for _, at := range all {
		maps.Copy(whole.texts, at.r.texts)
	}
	return s.edit(&whole, edits), s.tellUncertain(all)
}

// clash refuses a name that something else has.
func (at *found) clash(name string) error {
	switch at.what.kind {
	case entField:
		m := at.what.owner.(*dataflow.Model)
		if m.Field(name) != nil || m.ComputedField(name) != nil {
			return refused("%s has a field %q already", m.Name, name)
		}
	case entNode:
		for _, w := range at.ix.flows {
			if n := nodeOf(w, at.what.name); n != nil && nodeEntity(n) == at.what && nodeOf(w, name) != nil {
				return refused("%s has a node %q already", title(w), name)
			}
		}
	case entInput:
		w := at.what.owner.(*dataflow.Workflow)
		if inputOf(w, name) != nil {
			return refused("%s has an input %q already", title(w), name)
		}
	}
	return nil
}

// everywhere is the same thing as the app has it, and as the files of tests
// beside the app do, which load it.
func (s *server) everywhere(ctx context.Context, at *found) []*found {
	all := []*found{at}
	for _, name := range at.r.starFiles() {
		if !isTestFile(name) || strings.Contains(name, "/") || name == at.r.main {
			continue
		}
		r := s.load(ctx, at.r.path(name))
		if r == nil || !r.whole { // a test that can't be read is no part of anything
			continue
		}
		other := *at
		other.r, other.ix = r, s.indexOf(r)
		if other.what = other.ix.counterpart(at.what); other.what.owner != nil {
			all = append(all, &other)
		}
	}
	return all
}

// counterpart is the entity of another state that is the same in the files.
func (ix *index) counterpart(e entity) entity {
	switch owner := e.owner.(type) {
	case *dataflow.Model:
		if m := ix.models[owner.Span]; m != nil {
			return entity{e.kind, m, e.name}
		}
		return entity{}
	case *dataflow.Workflow:
		if w := ix.builders[owner.Span]; w != nil {
			return entity{e.kind, w, e.name}
		}
		return entity{}
	case dataflow.Op:
		if m := ix.models[owner.Model.Span]; m != nil {
			return entity{e.kind, dataflow.Op{Model: m, Kind: owner.Kind}, e.name}
		}
		return entity{}
	}
	return e // a place, or a name
}

// edits adds those that change the name wherever it stands.
func (at *found) edits(edits []dataflow.Edit, name string) ([]dataflow.Edit, error) {
	for _, m := range at.ix.mentions {
		if m.what != at.what || slices.ContainsFunc(edits, func(e dataflow.Edit) bool { return e.Span == m.at }) {
			continue
		}
		text := at.r.texts[m.at.File]
		if text[byteOf(text, m.at.Start):byteOf(text, m.at.End)] != at.what.name {
			return nil, refused("%s writes %s in a way that can't be changed safely: rename it by hand", m.at, at.what.name)
		}
		edits = append(edits, dataflow.Edit{Span: m.at, New: name})
	}
	return edits, nil
}

func sortEdits(edits []dataflow.Edit) {
	slices.SortStableFunc(edits, func(a, b dataflow.Edit) int {
		return cmp.Or(cmp.Compare(a.Span.File, b.Span.File), cmp.Compare(a.Span.Start.Line, b.Span.Start.Line), cmp.Compare(a.Span.Start.Col, b.Span.Start.Col))
	})
}

// keepRows says in the field's options what it was called, so that a migration
// renames its column and keeps what is in it.
func (at *found) keepRows() []dataflow.Edit {
	m := at.what.owner.(*dataflow.Model)
	if m.Field(at.what.name).Was != "" || m.Database.Options.ExistingSchemaMode {
		return nil
	}
	was := fmt.Sprintf("was = %q", at.what.name)
	f := at.ix.files[m.Span.File]
	var edits []dataflow.Edit
	syntax.Walk(f.tree, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || tree.Span(f.path, call) != m.Span {
			return true
		}
		dict, ok := argument(call, methodOf("db", "model"), "fields").(*syntax.DictExpr)
		if !ok {
			return false
		}
		for _, item := range dict.List {
			entry := item.(*syntax.DictEntry)
			if literal(entry.Key) == at.what.name {
				edits = append(edits, withOption(f.path, entry.Value, was)...)
			}
		}
		return false
	})
	return edits
}

// withOption adds an option to a field's type as it is written: str, field(…),
// decimal(…).
func withOption(file string, e syntax.Expr, option string) []dataflow.Edit {
	at := tree.Span(file, e)
	insert := func(p dataflow.Pos, text string) dataflow.Edit {
		return dataflow.Edit{Span: dataflow.Span{File: file, Start: p, End: p}, New: text}
	}
	switch e := e.(type) {
	case *syntax.Ident:
		if slices.ContainsFunc(spec.Types(), func(t spec.TypeInfo) bool { return t.Name == e.Name }) {
			return []dataflow.Edit{insert(at.Start, "field("), insert(at.End, ", "+option+")")}
		}
	case *syntax.CallExpr:
		fn, ok := e.Fn.(*syntax.Ident)
		if !ok || builtin(fn.Name) == nil || builtin(fn.Name).Param("was") == nil || len(e.Args) == 0 {
			return nil
		}
		return []dataflow.Edit{insert(tree.Span(file, e.Args[len(e.Args)-1]).End, ", "+option)}
	}
	return nil
}

// wouldHold checks the app as it would be, and refuses what breaks it.
func (s *server) wouldHold(ctx context.Context, r *result, edits []dataflow.Edit) error {
	texts := map[string]string{}
	for file, text := range r.texts {
		texts[r.path(file)] = apply(text, file, edits)
	}
	after := s.judged(s.loadWith(ctx, r.path(r.main), texts))
	if after == nil {
		return ctx.Err()
	}
	before := map[string]int{}
	for _, d := range s.judged(r).diags {
		if d.Severity == dataflow.SeverityError {
			before[d.Code]++
		}
	}
	for _, d := range after.diags {
		if d.Severity != dataflow.SeverityError {
			continue
		}
		if before[d.Code]--; before[d.Code] < 0 {
			return refused("the app would not hold: %s: %s", d.Span, d.Message)
		}
	}
	return nil
}

// apply makes the edits of a file, the last first.
func apply(text, file string, edits []dataflow.Edit) string {
	mine := slices.DeleteFunc(slices.Clone(edits), func(e dataflow.Edit) bool { return e.Span.File != file })
	slices.SortStableFunc(mine, func(a, b dataflow.Edit) int { return byteOf(text, b.Span.Start) - byteOf(text, a.Span.Start) })
	for _, e := range mine {
		text = text[:byteOf(text, e.Span.Start)] + e.New + text[byteOf(text, e.Span.End):]
	}
	return text
}

// tellUncertain names the places that may speak of a renamed field, where only
// a run can tell.
func (s *server) tellUncertain(all []*found) error {
	if all[0].what.kind != entField {
		return nil
	}
	name := all[0].what.name
	var places []string
	for _, at := range all {
		for _, m := range at.ix.uncertain {
			place := fmt.Sprintf("%s:%d", m.at.File, m.at.Start.Line)
			if m.what.name == name && !slices.Contains(places, place) {
				places = append(places, place)
			}
		}
	}
	if len(places) == 0 {
		return nil
	}
	return s.out.notify("window/showMessage", map[string]any{"type": 2, // a warning
		"message": fmt.Sprintf("look at %s yourself: whether %q is this field there can't be told", strings.Join(places, ", "), name)})
}

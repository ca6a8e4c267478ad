package lsp

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/spec"
	"go.starlark.net/starlark"
)

// The kinds of things that can be completed, by the protocol's numbers.
const (
	kindMethod   = 2
	kindFunction = 3
	kindField    = 5
	kindVariable = 6
	kindClass    = 7
	kindModule   = 9
	kindProperty = 10
	kindValue    = 12
	kindKeyword  = 14
	kindFile     = 17
	kindOperator = 24
	kindType     = 25
)

// candidate is what may stand where the cursor is.
type candidate struct {
	label  string
	insert string // "": the label
	kind   int
	detail string
	doc    string
}

type completionItem struct {
	Label         string    `json:"label"`
	Kind          int       `json:"kind"`
	Detail        string    `json:"detail,omitempty"`
	Documentation *markup   `json:"documentation,omitempty"`
	SortText      string    `json:"sortText"`
	FilterText    string    `json:"filterText,omitempty"`
	TextEdit      *textEdit `json:"textEdit"`
}

type completionList struct {
	IsIncomplete bool             `json:"isIncomplete"`
	Items        []completionItem `json:"items"`
}

// shownAtMost bounds an answer; the editor asks again as more is typed.
const shownAtMost = 300

func (s *server) completion(ctx context.Context, p atPosition) (any, error) {
	d, r, err := s.stateOf(ctx, p.TextDocument)
	if r == nil {
		return nil, err
	}
	offset := offsetOf(d.text, p.Position)
	cur := r.look(s, d, offset)
	list := completionList{Items: []completionItem{}}
	if cur == nil || !cur.is || cur.nothing {
		return list, nil
	}
	from := offset - len(cur.typed)
	word := strings.ToLower(cur.typed)
	for _, c := range cur.candidates(s.indexOf(r), r.file(d), r) {
		if c.insert == "" {
			c.insert = c.label
		}
		filter := strings.Trim(c.insert, `"`)
		if !matches(strings.ToLower(filter), word) {
			continue
		}
		if len(list.Items) == shownAtMost {
			list.IsIncomplete = true
			break
		}
		item := completionItem{Label: c.label, Kind: c.kind, Detail: c.detail, SortText: fmt.Sprintf("%04d", len(list.Items)),
			FilterText: filter, TextEdit: &textEdit{span{positionOf(d.text, from), p.Position}, c.insert}}
		if c.doc != "" {
			item.Documentation = &markup{"markdown", c.doc}
		}
		list.Items = append(list.Items, item)
	}
	return list, nil
}

// matches reports whether the letters of a word stand in a text in this order.
func matches(text, word string) bool {
	for _, r := range word {
		i := strings.IndexRune(text, r)
		if i < 0 {
			return false
		}
		text = text[i+len(string(r)):]
	}
	return true
}

// look finds out what is to stand at a place of a document.
func (r *result) look(s *server, d *document, offset int) *cursor {
	name := r.file(d)
	stmts := statementAt(name, d.text, offset)
	if stmts == nil {
		return nil
	}
	ix := s.indexOf(r)
	f := ix.files[name]
	if f == nil {
		f = &file{path: name, globals: map[string]*global{}}
	}
	here := *f
	here.globals = maps.Clone(f.globals)
	to := &reading{quiet: true, cursor: &cursor{}}
	rd := &reader{ix: ix, file: &here, to: to}
	rd.stmts(stmts)
	return to.cursor
}

// candidates lists what may stand at the cursor, the likeliest first.
func (c *cursor) candidates(ix *index, file string, r *result) []candidate {
	switch {
	case c.isRoot:
		return rootCandidates(ix, file, c.slot.flow)
	case c.isPart:
		return ix.parts(c.of)
	}
	var out []candidate
	out = append(out, c.arguments...)
	words := c.slot.candidates(ix, file, c.isKey, r)
	if !c.quoted {
		for i := range words {
			if words[i].kind != kindKeyword {
				words[i].insert = `"` + words[i].label + `"`
				if c.isKey {
					words[i].insert += ": "
				}
			}
		}
	}
	out = append(out, words...)
	if c.quoted || c.isKey {
		return out
	}
	return append(out, nameCandidates(c.names)...)
}

// candidates of a slot are strings, or the keys of a dict.
func (s slot) candidates(ix *index, file string, key bool, r *result) []candidate {
	switch s.kind {
	case slotConfig:
		if s.spec != nil && key {
			return fieldCandidates(s.spec.Params, kindProperty)
		}
	case slotRow:
		if key {
			return modelCandidates(s.model, false)
		}
	case slotFilter:
		if key {
			return append(pathCandidates(s.model), words(kindOperator, "all of several filters hold", "$and", "$or", "$not")...)
		}
	case slotCondition:
		if key {
			return operators(s.typ)
		}
		return s.typed(s.typ).candidates(ix, file, false, r)
	case slotFields:
		return pathCandidates(s.model)
	case slotFigure:
		if key {
			return words(kindOperator, "a figure of rows", "$count", "$count_distinct", "$sum", "$avg", "$min", "$max")
		}
	case slotType:
		return typeCandidates(s.typ, key)
	case slotNodeType:
		return ix.nodeTypeCandidates()
	case slotNodeID:
		if key {
			return words(kindKeyword, "what happens instead", "goto", "default")
		}
		if s.spec == nil {
			return nodeCandidates(ix, s.flow)
		}
	case slotOutput:
		if s.node != nil {
			return ix.parts(meaning{sort: aNode, node: s.node})
		}
	case slotTarget:
		if s.node != nil && ix.outline.Nodes[s.node].Spec != nil {
			return append(fieldCandidates(ix.outline.Nodes[s.node].Spec.Params, kindProperty), words(kindKeyword, "it runs only if this is true", "when")...)
		}
	case slotWorkflow:
		var out []candidate
		for _, w := range ix.app.Workflows {
			out = append(out, candidate{label: w.Name, kind: kindFunction, doc: w.Doc})
		}
		return out
	case slotSignal:
		return signalCandidates(ix, s.flow)
	case slotOneOf:
		return words(kindValue, "", s.words...)
	case slotAccess:
		if key {
			return words(kindProperty, "who may", "read", "create", "update", "delete", "fields")
		}
	case slotFieldsAccess:
		if key {
			return modelCandidates(s.model, false)
		}
	case slotFieldAccess:
		if key {
			return words(kindProperty, "who may", "read", "write")
		}
	case slotRule:
		return ruleCandidates(s.model)
	case slotModule:
		return moduleCandidates(ix, file, r)
	case slotExport:
		return exportCandidates(ix, file, s.module, r)
	}
	return nil
}

func words(kind int, detail string, list ...string) []candidate {
	out := make([]candidate, len(list))
	for i, w := range list {
		out[i] = candidate{label: w, kind: kind, detail: detail}
	}
	return out
}

func fieldCandidates(fields []*dataflow.Field, kind int) []candidate {
	var out []candidate
	for _, f := range fields {
		out = append(out, candidate{label: f.Name, kind: kind, detail: signature(f), doc: f.Doc})
	}
	return out
}

// modelCandidates are the fields of a model, with what it computes if asked.
func modelCandidates(m *dataflow.Model, computed bool) []candidate {
	if m == nil {
		return nil
	}
	out := fieldCandidates(m.Fields, kindField)
	if computed {
		for _, c := range m.Computed {
			out = append(out, candidate{label: c.Name, kind: kindField, detail: "computed"})
		}
	}
	return out
}

// pathCandidates are the fields, and those of the rows that they refer to.
func pathCandidates(m *dataflow.Model) []candidate {
	out := modelCandidates(m, false)
	if m == nil {
		return out
	}
	for _, f := range m.Fields {
		if f.Type.Kind == dataflow.KindRef && f.Type.Model != nil {
			for _, inner := range f.Type.Model.Fields {
				out = append(out, candidate{label: f.Name + "." + inner.Name, kind: kindField, detail: signature(inner), doc: inner.Doc})
			}
		}
	}
	return out
}

func typeCandidates(t *dataflow.Type, key bool) []candidate {
	switch {
	case t == nil:
	case key && t.Kind == dataflow.KindObject:
		return fieldCandidates(t.Fields, kindField)
	case t.Kind == dataflow.KindEnum:
		return words(kindValue, t.String(), t.Values...)
	case t.Kind == dataflow.KindBool:
		return words(kindKeyword, "bool", "True", "False")
	}
	return nil
}

func (ix *index) nodeTypeCandidates() []candidate {
	var out []candidate
	for _, s := range ix.outline.Types {
		out = append(out, candidate{label: s.Name, kind: kindClass, doc: s.Doc})
	}
	for _, m := range ix.app.Models() {
		for _, kind := range dataflow.AllOps() {
			op := dataflow.Op{Model: m, Kind: kind}
			out = append(out, candidate{label: op.NodeType(), kind: kindClass, detail: m.Name + "." + kind.String()})
		}
	}
	return append(out, candidate{label: "AggregateNode", kind: kindClass})
}

func nodeCandidates(ix *index, w *dataflow.Workflow) []candidate {
	if w == nil {
		return nil
	}
	var out []candidate
	for _, n := range w.Nodes {
		out = append(out, candidate{label: n.ID, kind: kindVariable, detail: n.Type})
	}
	return out
}

// signalCandidates are the signals that a handler declares; where it is not known
// which one waits, those of all.
func signalCandidates(ix *index, w *dataflow.Workflow) []candidate {
	var out []candidate
	for _, flow := range ix.flows {
		if w != nil && flow != w {
			continue
		}
		for i := range flow.Signals {
			s := &flow.Signals[i]
			if !slices.ContainsFunc(out, func(c candidate) bool { return c.label == s.Name }) {
				out = append(out, candidate{label: s.Name, kind: kindValue, detail: payloadOf(s).String()})
			}
		}
	}
	return out
}

// rootCandidates are what a reference begins with.
func rootCandidates(ix *index, file string, w *dataflow.Workflow) []candidate {
	var out []candidate
	for _, flow := range ix.flows {
		if flow == w || w == nil && flow.Span.File == file && flow.Handler == nil {
			out = append(out, nodeCandidates(ix, flow)...)
		}
	}
	return append(out,
		candidate{label: "input", kind: kindVariable, detail: "the inputs of the workflow"},
		candidate{label: "env", kind: kindVariable, detail: "the environment"},
		candidate{label: "ctx", kind: kindVariable, detail: "who asks, and the run"})
}

// parts lists what can stand behind the point.
func (ix *index) parts(of meaning) []candidate {
	switch of.sort {
	case aReceiver:
		return receiverCandidates(of.name)
	case aModel:
		if of.model == nil {
			return nil
		}
		var out []candidate
		for _, kind := range dataflow.AllOps() {
			op := dataflow.Op{Model: of.model, Kind: kind}
			out = append(out, candidate{label: kind.String(), kind: kindMethod, detail: op.NodeType(), doc: ix.specOf(op).Doc})
		}
		return out
	case anInput:
		if of.flow != nil {
			return fieldCandidates(of.flow.Input, kindField)
		}
	case aNode:
		o := ix.outline.Nodes[of.node]
		return append(ix.parts(valueOf(o.Output)), words(kindField, "a way that a run may take", o.Ports...)...)
	case aModule:
		return of.module.candidates(false)
	case aValue:
		if of.typ.Kind == dataflow.KindRecord {
			return modelCandidates(of.typ.Model, true)
		}
		if of.typ.Kind == dataflow.KindObject {
			return fieldCandidates(of.typ.Fields, kindField)
		}
	}
	return nil
}

func receiverCandidates(name string) []candidate {
	switch name {
	case "$ctx":
		return words(kindField, "", "user.id", "tenant", "run_id")
	case "$env":
		return nil
	}
	var out []candidate
	for _, m := range methodsOf(name) {
		b := methodOf(name, m)
		out = append(out, candidate{label: m, kind: kindMethod, detail: b.Signature(), doc: b.Doc})
	}
	switch name {
	case "wf":
		out = append(out, candidate{label: "input", kind: kindField, detail: "the inputs of the workflow"})
	case "ctx":
		out = append(out, words(kindField, "who asks, and the run", "user", "tenant", "run_id")...)
	}
	return out
}

// nameCandidates are names that can be seen, and those that are there always.
func nameCandidates(names []named) []candidate {
	var out []candidate
	slices.SortFunc(names, func(a, b named) int { return strings.Compare(a.name, b.name) })
	for _, n := range names {
		out = append(out, candidate{label: n.name, kind: n.is.kind(), detail: n.is.detail()})
	}
	for _, b := range spec.Builtins() {
		if !strings.Contains(b.Name, ".") {
			out = append(out, candidate{label: b.Name, kind: kindFunction, detail: b.Signature(), doc: b.Doc})
		}
	}
	for _, t := range spec.Types() {
		if builtin(t.Name) == nil {
			out = append(out, candidate{label: t.Name, kind: kindType, doc: t.Doc})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(starlark.Universe)) {
		if builtin(name) == nil && !slices.ContainsFunc(spec.Types(), func(t spec.TypeInfo) bool { return t.Name == name }) {
			out = append(out, candidate{label: name, kind: kindFunction, detail: "Starlark"})
		}
	}
	return append(out, words(kindKeyword, "", "def", "load", "lambda", "return", "for", "if", "else", "not", "in", "and", "or")...)
}

func paramCandidates(b *spec.Builtin) []candidate {
	var out []candidate
	for _, p := range b.Params {
		out = append(out, candidate{label: p.Name + " =", insert: p.Name + " = ", kind: kindProperty, detail: p.Accept.String(), doc: p.Doc})
	}
	return out
}

func argumentCandidates(fields []*dataflow.Field) []candidate {
	out := fieldCandidates(fields, kindProperty)
	for i := range out {
		out[i].insert = out[i].label + " = "
		out[i].label += " ="
	}
	return out
}

// moduleCandidates are the modules, and the files of the folder, relative to
// the one that loads.
func moduleCandidates(ix *index, file string, r *result) []candidate {
	var out []candidate
	for _, m := range ix.modules {
		out = append(out, candidate{label: m.Name, kind: kindModule, doc: m.Doc})
	}
	for _, name := range r.starFiles() {
		if name == file || name == r.main {
			continue
		}
		label := "//" + name
		if rest, ok := strings.CutPrefix(name, path.Dir(file)+"/"); ok || path.Dir(file) == "." {
			label = rest
			if !ok {
				label = name
			}
		}
		out = append(out, candidate{label: label, kind: kindFile})
	}
	return out
}

// exportCandidates are the names that a module or a file has. One that nothing
// loads yet is read for it.
func exportCandidates(ix *index, file, module string, r *result) []candidate {
	f, m := ix.fileOf(file, module)
	if m != nil {
		return m.candidates(true)
	}
	if f == nil && !strings.HasPrefix(module, "@") {
		f = r.unloaded(keyOf(file, module))
	}
	var out []candidate
	if f != nil {
		for _, name := range slices.Sorted(maps.Keys(f.globals)) {
			if !strings.HasPrefix(name, "_") && f.globals[name].load == nil {
				is, _ := ix.global(f, name)
				out = append(out, candidate{label: name, kind: is.kind(), detail: is.detail()})
			}
		}
	}
	return out
}

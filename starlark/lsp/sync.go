package lsp

import (
	"context"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark"
)

func (s *server) didOpen(_ context.Context, p didOpen) (any, error) {
	path := pathOf(p.TextDocument.URI)
	if path == "" {
		return nil, invalidParams("only files can be opened")
	}
	s.docs[p.TextDocument.URI] = &document{p.TextDocument.URI, path, p.TextDocument.Version, p.TextDocument.Text}
	s.touch()
	return nil, nil
}

func (s *server) didChange(_ context.Context, p didChange) (any, error) {
	d, err := s.doc(p.TextDocument)
	if err != nil {
		return nil, err
	}
	for _, c := range p.ContentChanges {
		if c.Range == nil {
			d.text = c.Text
			continue
		}
		from := offsetOf(d.text, c.Range.Start)
		to := max(from, offsetOf(d.text, c.Range.End))
		d.text = d.text[:from] + c.Text + d.text[to:]
	}
	if p.TextDocument.Version != nil {
		d.version = *p.TextDocument.Version
	}
	s.touch()
	return nil, nil
}

// touch notes that the text is another than what is known is of.
func (s *server) touch() {
	s.rev++
	s.dirty = true
}

// didSave checks again: files that are not open may have changed as well.
func (s *server) didSave(context.Context, struct{}) (any, error) {
	s.touch()
	return nil, nil
}

func (s *server) didClose(_ context.Context, p ofDocument) (any, error) {
	delete(s.docs, p.TextDocument.URI)
	s.touch()
	return nil, nil
}

func (s *server) doc(id documentID) (*document, error) {
	if d := s.docs[id.URI]; d != nil {
		return d, nil
	}
	return nil, invalidParams("the document is not open: " + id.URI)
}

// publish checks the apps of all open documents and tells the editor. It stops
// where a message comes in meanwhile, and is then due still.
func (s *server) publish(ctx context.Context, queue <-chan job) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.pending.checking(cancel)
	defer s.pending.checking(nil)
	if len(queue) > 0 {
		return nil
	}
	byURI := map[string][]diagnostic{}
	var done []*result
	for _, uri := range slices.Sorted(maps.Keys(s.docs)) {
		d := s.docs[uri]
		byURI[uri] = append(byURI[uri], []diagnostic{}...)
		if slices.ContainsFunc(done, func(r *result) bool { return r.holds(d.path) }) {
			continue
		}
		r := s.check(ctx, d)
		if r == nil {
			return nil
		}
		done = append(done, r)
		for _, diag := range r.diags {
			if !strings.HasPrefix(diag.Span.File, "@") {
				to := s.uriOf(r.path(diag.Span.File))
				byURI[to] = append(byURI[to], s.convert(r, diag))
			}
		}
	}
	s.dirty = false
	for uri := range s.shown { // of which there is nothing to say any more
		if _, ok := byURI[uri]; !ok {
			byURI[uri] = nil
		}
	}
	for _, uri := range slices.Sorted(maps.Keys(byURI)) {
		p := published{URI: uri, Diagnostics: byURI[uri]}
		if p.Diagnostics == nil {
			p.Diagnostics = []diagnostic{}
		}
		if d := s.docs[uri]; d != nil {
			p.Version = &d.version
		}
		if s.shown[uri] = true; len(p.Diagnostics) == 0 {
			delete(s.shown, uri)
		}
		if err := s.out.notify("textDocument/publishDiagnostics", p); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) convert(r *result, d dataflow.Diagnostic) diagnostic {
	out := diagnostic{
		Range: rangeOf(r.text(d.Span.File), d.Span), Severity: int(d.Severity) + 1,
		Code: d.Code, Source: "flowctl", Message: d.Message,
	}
	if d.Hint != "" {
		out.Message += "\n" + d.Hint
	}
	for _, rel := range d.Related {
		if !strings.HasPrefix(rel.Span.File, "@") {
			out.Related = append(out.Related, related{
				location{s.uriOf(r.path(rel.Span.File)), rangeOf(r.text(rel.Span.File), rel.Span)}, rel.Message,
			})
		}
	}
	return out
}

func (s *server) formatting(_ context.Context, p ofDocument) (any, error) {
	d, err := s.doc(p.TextDocument)
	if err != nil {
		return nil, err
	}
	out, diags := starlark.Format(filepath.Base(d.path), []byte(d.text))
	if len(diags) > 0 || string(out) == d.text { // what can't be parsed is in the diagnostics
		return []textEdit{}, nil
	}
	return []textEdit{{whole(d.text), string(out)}}, nil
}

type codeActionParams struct {
	TextDocument documentID `json:"textDocument"`
	Range        span       `json:"range"`
}

// codeActions offers the fixes of the diagnostics that the range touches.
func (s *server) codeActions(ctx context.Context, p codeActionParams) (any, error) {
	d, err := s.doc(p.TextDocument)
	if err != nil {
		return nil, err
	}
	actions := []codeAction{}
	r := s.check(ctx, d)
	if r == nil {
		return nil, ctx.Err()
	}
	for _, diag := range r.diags {
		if r.path(diag.Span.File) != d.path || !touch(rangeOf(d.text, diag.Span), p.Range) {
			continue
		}
		for _, fix := range diag.Fixes {
			actions = append(actions, codeAction{
				Title: fix.Message, Kind: "quickfix", IsPreferred: fix.Safe,
				Diagnostics: []diagnostic{s.convert(r, diag)}, Edit: s.edit(r, fix.Edits),
			})
		}
	}
	return actions, nil
}

func (s *server) edit(r *result, edits []dataflow.Edit) workspaceEdit {
	out := workspaceEdit{map[string][]textEdit{}}
	for _, e := range edits {
		uri := s.uriOf(r.path(e.Span.File))
		out.Changes[uri] = append(out.Changes[uri], textEdit{rangeOf(r.text(e.Span.File), e.Span), e.New})
	}
	return out
}

func touch(a, b span) bool { return !before(a.End, b.Start) && !before(b.End, a.Start) }

func before(a, b position) bool {
	return a.Line < b.Line || a.Line == b.Line && a.Character < b.Character
}

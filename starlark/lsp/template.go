package lsp

import (
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/internal/scan"
	"github.com/flowctl/flowctl/starlark/internal/tree"
	"go.starlark.net/syntax"
)

// template reads the references in a string literal. whole says that one of
// them is all of it, so that it keeps its type. start is the place behind the
// opening quotes.
func (rd *reader) template(lit *syntax.Literal, start dataflow.Pos, at slot) (is meaning, whole bool) {
	open := opening(lit.Raw)
	text := lit.Raw[open : len(lit.Raw)-closing(lit.Raw, open)]
	for i := 0; i < len(text); {
		switch {
		case strings.HasPrefix(text[i:], "$${"):
			i += 3
		case strings.HasPrefix(text[i:], "${"):
			inner := text[i+2:]
			end := strings.IndexByte(inner, '}')
			if end < 0 {
				end = len(inner)
			}
			is = rd.reference(inner[:end], tree.Advance(start, text[:i+2]), at)
			whole = i == 0 && i+2+end+1 == len(text)
			i += 2 + end
		default:
			if rd.to.cursor.at(text[i:]) && strings.Index(text[i:], cursorMark) == 0 { // in the text between
				rd.to.cursor.found(slot{}, "")
				rd.to.cursor.nothing = true
				return meaning{}, false
			}
			i++
		}
	}
	return is, whole
}

// reference reads the inside of "${…}".
func (rd *reader) reference(text string, start dataflow.Pos, at slot) meaning {
	w := at.flow
	first, steps := true, meaning{}
	for text != "" {
		switch c := text[0]; {
		case c == '[':
			end := strings.IndexByte(text, ']')
			if end < 0 {
				return meaning{}
			}
			if _, err := strconv.Atoi(text[1:end]); err == nil {
				steps = valueOf(elementOf(rd.typeOf(steps)))
			}
			start, text = tree.Advance(start, text[:end+1]), text[end+1:]
			continue
		case c == '.' || c == ' ':
			start, text = tree.Advance(start, text[:1]), text[1:]
			if text == "" {
				return meaning{}
			}
			continue
		}
		n := nameLength(text)
		if n == 0 {
			return meaning{}
		}
		name := text[:n]
		here := dataflow.Span{File: rd.file.path, Start: start, End: tree.Advance(start, name)}
		start, text = here.End, text[n:]
		if rd.to.cursor.at(name) {
			rd.to.cursor.found(slot{flow: w}, name)
			rd.to.cursor.of, rd.to.cursor.isPart, rd.to.cursor.isRoot = steps, !first, first
			rd.to.cursor.quoted = true
			return meaning{}
		}
		if first {
			first = false
			if w == nil {
				w = rd.anyFlow(name)
			}
			steps = rd.root(w, name, here)
			continue
		}
		steps = rd.attr(steps, name, here)
	}
	return rd.valueOf(steps)
}

func nameLength(s string) int {
	n := 0
	for _, r := range s {
		if r != '-' && !scan.IsNameRune(r) {
			break
		}
		n += len(string(r))
	}
	return n
}

// root is what a reference begins with.
func (rd *reader) root(w *dataflow.Workflow, name string, at dataflow.Span) meaning {
	switch name {
	case "input":
		return meaning{sort: anInput, flow: w}
	case "env", "ctx":
		return meaning{sort: aReceiver, name: "$" + name}
	}
	if n := nodeOf(w, name); n != nil {
		rd.note(at, nodeEntity(n), meaning{sort: aNode, node: n})
		return meaning{sort: aNode, node: n, flow: w}
	}
	return meaning{}
}

// anyFlow finds the workflow that a reference is about which stands outside of
// one: in a dict that is given to add_node by its name.
func (rd *reader) anyFlow(root string) *dataflow.Workflow {
	for _, w := range rd.ix.flows {
		if w.Span.File == rd.file.path && w.Handler == nil && (root == "input" || nodeOf(w, root) != nil) {
			return w
		}
	}
	return nil
}

// typeOf is the type of what is there, or nil.
func (rd *reader) typeOf(m meaning) *dataflow.Type {
	switch m.sort {
	case aNode:
		return rd.ix.outline.Nodes[m.node].Output
	case anInput:
		if m.flow != nil {
			return dataflow.ObjectType(m.flow.Input...)
		}
	case aValue:
		return m.typ
	}
	return nil
}

func (rd *reader) valueOf(m meaning) meaning { return valueOf(rd.typeOf(m)) }

// outputPath notes the parts of a path into what a node gives.
func (rd *reader) outputPath(t *dataflow.Type, path string, at dataflow.Span) {
	is := valueOf(t)
	start := at.Start
	for path != "" {
		if path[0] == '[' || path[0] == '.' {
			n := 1
			if end := strings.IndexByte(path, ']'); path[0] == '[' && end >= 0 {
				n, is = end+1, valueOf(elementOf(is.typ))
			}
			start, path = tree.Advance(start, path[:n]), path[n:]
			continue
		}
		n := nameLength(path)
		if n == 0 {
			return
		}
		here := dataflow.Span{File: at.File, Start: start, End: tree.Advance(start, path[:n])}
		is = rd.attr(is, path[:n], here)
		start, path = here.End, path[n:]
	}
}

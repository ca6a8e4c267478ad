package starlark

import (
	"fmt"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/internal/scan"
)

// statementHabits are words of Python that begin a statement Starlark does
// not have.
var statementHabits = map[string]struct{ code, message, hint string }{
	"class":    {"FC010", "there are no classes", "declare a model with db.model(…); group values in a dict or with struct(a = 1)"},
	"try":      {"FC011", "there are no exceptions to catch", "test first, as with x.get(\"key\"); a node that may fail has retry = retry(max = 3)"},
	"except":   {"FC011", "there are no exceptions to catch", "test first, as with x.get(\"key\"); a node that may fail has retry = retry(max = 3)"},
	"finally":  {"FC011", "there are no exceptions to catch", "a run that fails keeps nothing: there is nothing to clean up"},
	"import":   {"FC012", "there is no import", `write load("lib.star", "name") for a file beside this one, load("@stdlib//math.star", "round") for the library`},
	"from":     {"FC012", "there is no import", `write load("lib.star", "name") for a file beside this one, load("@stdlib//math.star", "round") for the library`},
	"while":    {"FC014", "there is no while loop", "write a bounded loop in a function: for _ in range(1000): … break"},
	"with":     {"FC015", "there is no with statement", "every run is a transaction by itself"},
	"raise":    {"FC018", "there are no exceptions to raise", `write fail("why") in a function`},
	"async":    {"FC019", "there is no async", "write a plain def: nodes that do not depend on each other may run side by side"},
	"await":    {"FC019", "there is no await", "leave the word out: calls return when they are done"},
	"global":   {"FC022", "there is no global statement", "what a file declares can't change; return the new value from the function"},
	"nonlocal": {"FC022", "there is no nonlocal statement", "return the new value from the function"},
	"assert":   {"FC024", "there is no assert", `write if not condition: fail("why")`},
	"del":      {"FC025", "there is no del statement", `write d.pop("key") or l.pop(0)`},
	"yield":    {"FC026", "there are no generators", "build a list and return it"},
}

// findHabits finds what people write who know another language better. It
// looks at tokens, so that several can be found in one file, which a parser
// that stops at the first can't do.
func findHabits(src *source, tokens []scan.Token) []dataflow.Diagnostic {
	h := &habitFinder{src: src}
	for _, t := range tokens {
		if t.Kind != scan.Comment {
			h.tokens = append(h.tokens, t)
		}
	}
	for i := range h.tokens {
		h.look(i)
	}
	return h.found
}

type habitFinder struct {
	src     *source
	tokens  []scan.Token
	found   []dataflow.Diagnostic
	skipped int // tokens before this one belong to a habit that was reported
}

func (h *habitFinder) report(from, to scan.Token, code, message, hint string) *dataflow.Diagnostic {
	if to.At.Line == 0 || to.First && to.At != from.At { // nothing stands there, or another statement
		to = from
	}
	h.found = append(h.found, dataflow.Diagnostic{Code: code, Message: message, Hint: hint,
		Span: dataflow.Span{File: h.src.name, Start: from.At, End: to.End}})
	return &h.found[len(h.found)-1]
}

// at returns the i-th token, or an empty one beyond the ends.
func (h *habitFinder) at(i int) scan.Token {
	if i < 0 || i >= len(h.tokens) {
		return scan.Token{Kind: scan.Op}
	}
	return h.tokens[i]
}

func (h *habitFinder) isOp(i int, text string) bool {
	t := h.at(i)
	return t.Kind == scan.Op && t.Text == text
}

// operand reports whether the token can end a value.
func (h *habitFinder) operand(i int) bool {
	t := h.at(i)
	switch t.Kind {
	case scan.Name:
		return !isKeyword(t.Text)
	case scan.Number, scan.String:
		return true
	}
	return t.Text == ")" || t.Text == "]" || t.Text == "}"
}

func isKeyword(s string) bool {
	switch s {
	case "and", "or", "not", "in", "if", "else", "elif", "for", "return", "lambda", "def", "load", "pass", "break", "continue":
		return true
	}
	return false
}

func (h *habitFinder) look(i int) {
	if i < h.skipped {
		return
	}
	t := h.tokens[i]
	switch t.Kind {
	case scan.Name:
		h.lookName(i, t)
	case scan.String:
		h.lookString(i, t)
	case scan.Number:
		if strings.Contains(t.Text, "_") {
			plain := strings.ReplaceAll(t.Text, "_", "")
			d := h.report(t, t, "FC029", "numbers are written without underscores", "write "+plain)
			d.Fixes = []dataflow.Fix{{Message: "write " + plain, Safe: true, Edits: []dataflow.Edit{{Span: d.Span, New: plain}}}}
		}
	case scan.Op:
		h.lookOp(i, t)
	}
}

func (h *habitFinder) lookName(i int, t scan.Token) {
	if h.isOp(i-1, ".") {
		return
	}
	if s, ok := statementHabits[t.Text]; ok && t.First && h.startsStatement(i) {
		h.report(t, t, s.code, s.message, s.hint)
		for h.skipped = i + 1; h.skipped < len(h.tokens) && !h.tokens[h.skipped].First; h.skipped++ {
			if h.isOp(h.skipped, ":") && h.tokens[h.skipped].Depth == 0 { // what follows on the line is a statement of its own
				break
			}
		}
		return
	}
	switch t.Text {
	case "is":
		if h.operand(i-1) && h.at(i-1).Depth == t.Depth {
			hint := "write =="
			if h.at(i+1).Text == "not" {
				hint = "write !="
			}
			h.report(t, t, "FC017", "there is no is operator", hint)
		}
	case "await", "yield":
		if !t.First && !h.operand(i-1) && !h.isOp(i+1, "=") && (h.operand(i+1) || h.isOp(i+1, "(")) {
			s := statementHabits[t.Text]
			h.report(t, t, s.code, s.message, s.hint)
		}
	case "lambda":
		h.lookLambda(i)
	case "def":
		if t.First {
			h.lookDef(i)
		}
	case "else":
		if t.First && h.at(i+1).Text == "if" && h.at(i+1).Kind == scan.Name {
			h.report(t, h.at(i+1), "FC001", "there is no else if", "write elif")
		}
	}
	if t.First && t.Depth == 0 && !isKeyword(t.Text) && h.isOp(i+1, ":") && h.at(i+1).Depth == 0 {
		h.report(h.at(i+1), h.at(i+2), "FC030", "there are no type annotations", "leave the type out; the types of inputs and fields stand in their declarations")
		h.skipped = i + 3
	}
}

// startsStatement tells the word from a name that reads like it, as in
// `from = 1` or `with(x)`: the parser refuses those with words of its own.
func (h *habitFinder) startsStatement(i int) bool {
	next := h.at(i + 1)
	if next.First {
		return false
	}
	switch h.tokens[i].Text {
	case "assert":
		return next.Kind != scan.Op || next.Text == "("
	case "try", "finally":
		return next.Text == ":"
	case "except", "raise", "yield":
		return next.Text != "=" && next.Text != "."
	}
	return next.Kind != scan.Op || next.Text == "(" || next.Text == "." || next.Text == "[" || next.Text == "{" || next.Text == "-"
}

func (h *habitFinder) lookString(i int, t scan.Token) {
	if strings.ContainsAny(t.Text, "fF") {
		h.report(t, t, "FC013", "there are no f-strings", `write "{} {}".format(a, b) or "%s" % a; in a workflow "${node.output}" refers to a value`)
	}
	if prev := h.at(i - 1); prev.Kind == scan.String && !t.First && prev.Depth == t.Depth {
		h.report(prev, t, "FC028", "strings side by side are not joined", "write + between them")
	}
}

func (h *habitFinder) lookOp(i int, t scan.Token) {
	switch t.Text {
	case "**":
		if h.operand(i-1) && h.at(i-1).At.Line == t.At.Line {
			h.report(t, t, "FC016", "there is no ** operator", `write x * x, or load("@stdlib//math.star", "pow")`)
		}
	case ":=":
		h.report(t, t, "FC021", "there is no := operator", "set the name in a line of its own")
	case "@":
		if t.First {
			h.report(t, h.at(i+1), "FC020", "there are no decorators", `call the function that takes it, as app.handler("name", fn)`)
			for h.skipped = i + 1; h.skipped < len(h.tokens) && !h.tokens[h.skipped].First; h.skipped++ {
			}
		}
	case "&&":
		h.report(t, t, "FC001", "there is no && operator", "write and")
	case "||":
		h.report(t, t, "FC001", "there is no || operator", "write or")
	case "===", "!==":
		h.report(t, t, "FC001", fmt.Sprintf("there is no %s operator", t.Text), "write "+t.Text[:2])
	case "++", "--":
		if h.operand(i-1) && (h.at(i+1).First || i+1 == len(h.tokens)) {
			h.report(t, t, "FC001", fmt.Sprintf("there is no %s operator", t.Text), fmt.Sprintf("write x %c= 1", t.Text[0]))
		}
	case "//":
		if t.First {
			h.report(t, t, "FC001", "a comment begins with #", "write # instead of //")
			for h.skipped = i + 1; h.skipped < len(h.tokens) && h.tokens[h.skipped].At.Line == t.At.Line; h.skipped++ {
			}
		}
	case "!":
		if !h.operand(i - 1) {
			h.report(t, t, "FC001", "there is no ! operator", "write not")
		}
	}
}

// lookLambda finds a statement as the body of a lambda.
func (h *habitFinder) lookLambda(i int) {
	depth := h.tokens[i].Depth
	for j := i + 1; j < len(h.tokens) && !h.tokens[j].First; j++ {
		if h.tokens[j].Depth == depth && h.isOp(j, ":") {
			switch body := h.at(j + 1); body.Text {
			case "return", "raise", "pass", "for", "while", "if":
				if body.Kind == scan.Name {
					h.report(body, body, "FC032", "a lambda holds one expression, no statement", "leave return out, or write a def")
				}
			}
			return
		}
	}
}

// lookDef finds type annotations in the head of a def.
func (h *habitFinder) lookDef(i int) {
	base := h.tokens[i].Depth
	for j := i + 2; j < len(h.tokens) && !h.tokens[j].First; j++ {
		t := h.tokens[j]
		switch {
		case h.isOp(j, "->"):
			h.report(t, h.at(j+1), "FC030", "there are no type annotations", "leave the type out")
		case h.isOp(j, ":") && t.Depth == base:
			return // the head ends here
		case h.isOp(j, ":") && t.Depth == base+1 && h.at(j+1).At.Line == t.At.Line && h.at(j-1).Kind == scan.Name && (h.isOp(j-2, "(") || h.isOp(j-2, ",") || h.isOp(j-2, "*") || h.isOp(j-2, "**")):
			h.report(t, h.at(j+1), "FC030", "there are no type annotations", "leave the type out; the types of inputs stand in app.handler and WorkflowBuilder")
		}
	}
}

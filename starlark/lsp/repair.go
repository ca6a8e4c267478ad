package lsp

import (
	"slices"
	"strings"

	"github.com/flowctl/flowctl/starlark/internal/scan"
	"github.com/flowctl/flowctl/starlark/internal/tree"
	"go.starlark.net/syntax"
)

// cursorMark is a name that stands where the cursor is. Nobody has a name like it.
const cursorMark = "ǁcursorǁ"

// cursor is what is looked for when something is to be completed, and what is
// known of the place then.
type cursor struct {
	is    bool
	slot  slot
	typed string // what is there of the word already

	of        meaning     // of which a part is to be named
	isPart    bool        // of something
	isRoot    bool        // the first name of a reference in text
	isKey     bool        // of a dict
	quoted    bool        // it stands in quotes
	nothing   bool        // in free text
	names     []named     // that can be seen
	arguments []candidate // that can be given by name
}

// at reports whether a name or text holds the cursor.
func (c *cursor) at(text string) bool { return c != nil && strings.Contains(text, cursorMark) }

func (c *cursor) done() bool { return c != nil && c.is }

func (c *cursor) found(at slot, text string) {
	c.is, c.slot = true, at
	c.typed, _, _ = strings.Cut(text, cursorMark)
}

// partial is a text up to the cursor.
type partial struct {
	text   string
	tokens *scan.File
}

// maxNesting is how many brackets may be open around what is completed: nobody
// writes more, and each costs a look at the text.
const maxNesting = 100

// statementAt makes a whole statement of the one that stands before the
// cursor, with a mark in its place. There is none where nothing can be
// completed: in a comment, or behind what can't be understood.
func statementAt(name, text string, offset int) []syntax.Stmt {
	p := partial{text[:offset], scan.Text(text[:offset])}
	start := p.statement()
	if start < 0 || len(p.tokens.Open) > maxNesting {
		return nil
	}
	if stmts := p.parse(name, strings.Repeat("\n", strings.Count(p.text[:start], "\n")), start); stmts != nil {
		return stmts
	}
	for _, t := range slices.Backward(p.tokens.Tokens) { // an earlier line of the function may be wrong
		if t.First && t.From > start {
			return p.parse(name, p.head(start, t), t.From)
		}
	}
	return nil
}

// parse parses what begins at an offset, behind a head that puts it in its place.
func (p partial) parse(name, head string, start int) []syntax.Stmt {
	f, err := tree.Options().Parse(name, head+p.text[start:]+p.rest(start), 0)
	if err != nil {
		return nil
	}
	return f.Stmts
}

// head is the function that begins at an offset, without the lines before a
// token of it.
func (p partial) head(start int, t scan.Token) string {
	end := start
	for _, other := range p.tokens.Tokens {
		if other.From > start && other.To <= t.From && other.Depth == 0 && other.Kind == scan.Op && other.Text == ":" {
			end = other.To
			break
		}
	}
	lines := strings.Count(p.text[end:t.From], "\n")
	return strings.Repeat("\n", strings.Count(p.text[:start], "\n")) + p.text[start:end] +
		strings.Repeat("\n", max(lines, 1)) + strings.Repeat(" ", t.At.Col-1)
}

// statement finds where the statement of the file begins that the text ends
// in; -1 in a comment.
func (p partial) statement() int {
	if n := len(p.tokens.Tokens); n > 0 {
		if last := p.tokens.Tokens[n-1]; last.Kind == scan.Comment && last.To == len(p.text) {
			return -1
		}
	}
	line := strings.LastIndexByte(p.text, '\n') + 1
	if line == len(p.text) && len(p.tokens.Open) == 0 && p.quote() == "" {
		return line // a new one
	}
	for _, t := range slices.Backward(p.tokens.Tokens) {
		if t.First && t.Depth == 0 && t.At.Col == 1 && t.Kind != scan.Comment {
			return t.From
		}
	}
	return line
}

// quote is what closes the string that the text ends in; "" if it ends in none.
func (p partial) quote() string {
	n := len(p.tokens.Tokens)
	if n == 0 || p.tokens.Tokens[n-1].Kind != scan.String || p.tokens.Tokens[n-1].To != len(p.text) {
		return ""
	}
	raw := p.text[p.tokens.Tokens[n-1].From:]
	open := opening(raw)
	quote := raw[open-closing(raw, open) : open]
	for i := open; i < len(raw); i++ {
		if raw[i] == '\\' {
			i++
		} else if strings.HasPrefix(raw[i:], quote) {
			return ""
		}
	}
	return quote
}

// rest is the mark, and all that the statement lacks behind it.
func (p partial) rest(start int) string {
	var b strings.Builder
	b.WriteString(cursorMark + p.quote())
	for _, open := range slices.Backward(p.tokens.Open) {
		if open.From < start {
			continue
		}
		switch open.Text {
		case "(":
			if p.loads(open) {
				b.WriteString(`, "_"`)
			}
			b.WriteString(")")
		case "[":
			b.WriteString("]")
		case "{":
			if !p.hasKey(open) {
				b.WriteString(": None")
			}
			b.WriteString("}")
		}
	}
	if p.opensBlock(start) {
		b.WriteString(":\n" + strings.Repeat(" ", 200) + "pass")
	}
	return b.String()
}

// loads reports whether a bracket is that of a load statement that names no
// names yet.
func (p partial) loads(open scan.Token) bool {
	for i, t := range p.tokens.Tokens {
		if t.From == open.From {
			return i > 0 && p.tokens.Tokens[i-1].Text == "load" && !slices.ContainsFunc(p.tokens.Tokens[i:], func(t scan.Token) bool { return t.Text == "," })
		}
	}
	return false
}

// hasKey reports whether the cursor is behind the colon of the entry of a dict.
func (p partial) hasKey(open scan.Token) bool {
	has := false
	for _, t := range p.tokens.Tokens {
		if t.From <= open.From || t.Depth != open.Depth+1 || t.Kind != scan.Op {
			continue
		}
		switch t.Text {
		case ":":
			has = true
		case ",":
			has = false
		}
	}
	return has
}

// opensBlock reports whether the statement is one with a block, whose colon is
// not there yet.
func (p partial) opensBlock(start int) bool {
	opens := false
	for _, t := range p.tokens.Tokens {
		switch {
		case t.From < start:
		case t.First:
			opens = t.Kind == scan.Name && slices.Contains([]string{"if", "elif", "for", "def"}, t.Text)
		case t.Depth == 0 && t.Kind == scan.Op && t.Text == ":":
			opens = false
		}
	}
	return opens
}

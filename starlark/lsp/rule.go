package lsp

import (
	"strings"

	"github.com/flowctl/flowctl/dataflow"
	"github.com/flowctl/flowctl/starlark/internal/scan"
	"github.com/flowctl/flowctl/starlark/internal/tree"
	"go.starlark.net/syntax"
)

// ruleWords are the names in conditions that stand for themselves.
var ruleWords = []string{"and", "or", "not", "in", "True", "False", "None"}

// condition reads the condition of an access rule, "owner == ctx.user.id": text
// in which names are those of the row's fields, or of who asks. start is the
// place behind the opening quotes.
func (rd *reader) condition(lit *syntax.Literal, start dataflow.Pos, m *dataflow.Model) {
	open := opening(lit.Raw)
	text := lit.Raw[open : len(lit.Raw)-closing(lit.Raw, open)]
	for i := 0; i < len(text) && !rd.to.cursor.done(); {
		n := ruleNameLength(text[i:])
		switch {
		case n > 0:
			rd.rulePath(text[i:i+n], tree.Advance(start, text[:i]), m)
			i += n
		case text[i] == '\\' || text[i] == '"' || text[i] == '\'':
			i += quotedLength(text[i:])
		case '0' <= text[i] && text[i] <= '9': // which may have a point
			i += len(text[i:]) - len(strings.TrimLeft(text[i:], "0123456789.e_"))
		default:
			i++
		}
	}
	if rd.to.cursor.at(text) && !rd.to.cursor.done() { // in a text, or behind what can't be followed
		rd.to.cursor.found(slot{}, "")
		rd.to.cursor.nothing = true
	}
}

// ruleNameLength is how long the name is that a text begins with, with the
// names that stand behind it after points.
func ruleNameLength(s string) int {
	for i, r := range s {
		digit := '0' <= r && r <= '9'
		switch {
		case i == 0 && (digit || !scan.IsNameRune(r)):
			return 0
		case r != '.' && !scan.IsNameRune(r):
			return i
		}
	}
	return len(s)
}

// quotedLength is how long a text in quotes is, which may be escaped in the text
// around it. An escape that is no quote is a text of its own.
func quotedLength(s string) int {
	quote := s[:1]
	if quote == `\` {
		if len(s) < 2 || s[1] != '"' && s[1] != '\'' {
			return min(2, len(s))
		}
		quote = s[:2]
	}
	if end := strings.Index(s[len(quote):], quote); end >= 0 {
		return len(quote) + end + len(quote)
	}
	return len(s)
}

// rulePath reads a name, and what follows it after points.
func (rd *reader) rulePath(path string, start dataflow.Pos, m *dataflow.Model) {
	var is meaning
	for i, name := range strings.Split(path, ".") {
		here := dataflow.Span{File: rd.file.path, Start: start, End: tree.Advance(start, name)}
		start = tree.Advance(here.End, ".")
		if rd.to.cursor.at(name) {
			rd.to.cursor.found(slot{kind: slotRule, model: m}, name)
			rd.to.cursor.of, rd.to.cursor.isPart, rd.to.cursor.quoted = is, i > 0, true
			return
		}
		switch {
		case i > 0:
			is = referred(rd.attr(is, name, here))
		case name == "ctx":
			is = valueOf(rd.ix.caller())
		default:
			if f := rd.field(m, name, here); f != nil {
				is = referred(valueOf(f.Type))
			}
		}
	}
}

// referred is the row that a reference leads to, of which conditions name the
// fields.
func referred(is meaning) meaning {
	if is.sort == aValue && is.typ.Kind == dataflow.KindRef && is.typ.Model != nil {
		return valueOf(dataflow.RecordOf(is.typ.Model))
	}
	return is
}

// caller is what rules know of who asks.
func (ix *index) caller() *dataflow.Type {
	user := []*dataflow.Field{
		{Name: "id", Type: dataflow.String, Doc: "The user's id, or that of the API key."},
		{Name: "roles", Type: dataflow.ListOf(dataflow.String), Doc: "The user's roles."},
	}
	if s := ix.app.Server; s != nil {
		for _, issuer := range s.Auth.Issuers {
			for _, claim := range issuer.Claims {
				user = append(user, &dataflow.Field{Name: claim, Type: dataflow.Any, Doc: "A claim of the token."})
			}
		}
	}
	return dataflow.ObjectType(
		&dataflow.Field{Name: "user", Type: dataflow.ObjectType(user...), Doc: "Who asks."},
		&dataflow.Field{Name: "tenant", Type: dataflow.String, Doc: "For which tenant."})
}

// ruleCandidates are what a condition may name.
func ruleCandidates(m *dataflow.Model) []candidate {
	out := modelCandidates(m, false)
	out = append(out, candidate{label: "ctx", kind: kindVariable, detail: "who asks"})
	return append(out, words(kindKeyword, "", ruleWords...)...)
}

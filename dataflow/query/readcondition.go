package query

import (
	"slices"
	"strings"

	"github.com/flowctl/flowctl/internal/lazyregexp"
)

// ReadCondition reads the condition of an index as an engine's catalog has it.
// literal writes the value of a column as NewCondition's does; raw is the text
// of the literal, without quotes and casts. What is beyond a Condition is not
// ok.
func ReadCondition(sql string, literal func(column, raw string) (string, bool)) (*Condition, bool) {
	r := conditionReader{literal: literal}
	if r.tokens = conditionTokens(sql); r.tokens == nil {
		return nil, false
	}
	c := r.or()
	return c, c != nil && r.at == len(r.tokens)
}

// IndexWhere returns what stands behind WHERE in the text of CREATE INDEX.
func IndexWhere(sql string) (string, bool) {
	for _, at := range conditionToken.FindAllStringIndex(sql, -1) {
		if strings.EqualFold(strings.TrimSpace(sql[at[0]:at[1]]), "WHERE") {
			return sql[at[1]:], true
		}
	}
	return "", false
}

var conditionToken = lazyregexp.New(`\s*(?:"(?:[^"]|"")*"|[eE]'(?:[^'\\]|''|\\.)*'|'(?:[^']|'')*'|[A-Za-z_][A-Za-z0-9_$]*|-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|::|<>|!=|<=|>=|[=<>(),\[\]])`)

// conditionTokens takes a condition apart; nil if there is something else in it.
func conditionTokens(sql string) []string {
	var tokens []string
	end := 0
	for _, at := range conditionToken.FindAllStringIndex(sql, -1) {
		if at[0] != end {
			return nil
		}
		tokens = append(tokens, strings.TrimSpace(sql[at[0]:at[1]]))
		end = at[1]
	}
	if strings.TrimSpace(sql[end:]) != "" {
		return nil
	}
	return tokens
}

// conditionReader reads by descent. A method that does not find what it is to
// read returns nil or "", or not ok.
type conditionReader struct {
	tokens  []string
	at      int
	literal func(column, raw string) (string, bool)
}

// next takes one of the words, if it is next.
func (r *conditionReader) next(words ...string) string {
	if r.at < len(r.tokens) {
		for _, w := range words {
			if strings.EqualFold(r.tokens[r.at], w) {
				r.at++
				return w
			}
		}
	}
	return ""
}

func (r *conditionReader) or() *Condition  { return r.joined("OR", r.and) }
func (r *conditionReader) and() *Condition { return r.joined("AND", r.one) }

func (r *conditionReader) joined(op string, part func() *Condition) *Condition {
	var parts []*Condition
	for {
		p := part()
		if p == nil {
			return nil
		}
		if parts = append(parts, p); r.next(op) == "" {
			return joined(op, parts)
		}
	}
}

// one reads a comparison, or a condition in parentheses. A column may stand in
// parentheses too, so that the comparison is tried first.
func (r *conditionReader) one() *Condition {
	start := r.at
	if c := r.comparison(); c != nil {
		return c
	}
	if r.at = start; r.next("(") == "" {
		return nil
	}
	if c := r.or(); c != nil && r.next(")") != "" {
		return c
	}
	return nil
}

func (r *conditionReader) comparison() *Condition {
	column, ok := r.column()
	if !ok {
		return nil
	}
	c := &Condition{Column: column}
	switch {
	case r.next("IS") != "":
		c.Op = either(r.next("NOT") != "", "IS NOT NULL", "IS NULL")
		return only(c, r.next("NULL") != "")
	case r.next("NOT") != "":
		return only(c, r.next("IN") != "" && r.list(c, "(", ")") && c.finish(true))
	case r.next("IN") != "":
		return only(c, r.list(c, "(", ")") && c.finish(false))
	}
	op := r.next("=", "<>", "!=", "<=", ">=", "<", ">")
	switch {
	case op == "":
		return nil
	case op == "=" && r.next("ANY") != "":
		return only(c, r.array(c) && c.finish(false))
	case op == "<>" && r.next("ALL") != "":
		return only(c, r.array(c) && c.finish(true))
	}
	if c.Op = op; op == "!=" {
		c.Op = "<>"
	}
	return only(c, r.value(c))
}

func only(c *Condition, ok bool) *Condition {
	if !ok {
		return nil
	}
	return c
}

func (c *Condition) finish(none bool) bool {
	c.oneOf(none)
	return true
}

// column reads a column's name, which may stand in parentheses and be cast.
func (r *conditionReader) column() (string, bool) {
	if r.next("(") != "" {
		name, ok := r.column()
		return name, ok && r.next(")") != "" && r.casts()
	}
	if r.at == len(r.tokens) {
		return "", false
	}
	t := r.tokens[r.at]
	switch {
	case t[0] == '"':
		t = strings.ReplaceAll(t[1:len(t)-1], `""`, `"`)
	case !isWord(t) || slices.Contains([]string{"NOT", "NULL", "TRUE", "FALSE", "AND", "OR"}, strings.ToUpper(t)):
		return "", false
	}
	r.at++
	return t, r.casts()
}

func isWord(t string) bool {
	return t[0] == '_' || t[0] >= 'A' && t[0] <= 'Z' && !strings.HasSuffix(t, "'") || t[0] >= 'a' && t[0] <= 'z' && !strings.HasSuffix(t, "'")
}

// casts passes over what a value is cast to.
func (r *conditionReader) casts() bool {
	for r.next("::") != "" {
		words := 0
		for r.at < len(r.tokens) && isWord(r.tokens[r.at]) && r.tokens[r.at] != "AND" && r.tokens[r.at] != "OR" {
			r.at++
			words++
		}
		if words == 0 {
			return false
		}
		if r.next("[") != "" && r.next("]") == "" {
			return false
		}
	}
	return true
}

// value reads a literal, which may stand in parentheses and be cast.
func (r *conditionReader) value(c *Condition) bool {
	if r.next("(") != "" {
		return r.value(c) && r.next(")") != "" && r.casts()
	}
	if r.at == len(r.tokens) {
		return false
	}
	t := r.tokens[r.at]
	raw := t
	switch {
	case strings.HasSuffix(t, "'"):
		raw = unquoted(t)
	case strings.EqualFold(t, "true"), strings.EqualFold(t, "false"), t[0] == '-', t[0] >= '0' && t[0] <= '9':
	default:
		return false
	}
	r.at++
	text, ok := r.literal(c.Column, raw)
	c.Values = append(c.Values, text)
	return ok && r.casts()
}

// unquoted is what a string literal says.
func unquoted(t string) string {
	if t[0] != '\'' { // E'…'
		t = escapedCharacter.ReplaceAllString(t[1:], "$1")
	}
	return strings.ReplaceAll(t[1:len(t)-1], "''", "'")
}

var escapedCharacter = lazyregexp.New(`(?s)\\(.)`)

func (r *conditionReader) list(c *Condition, open, end string) bool {
	if r.next(open) == "" {
		return false
	}
	for r.value(c) {
		if r.next(",") == "" {
			return r.next(end) != ""
		}
	}
	return false
}

// array reads (ARRAY['a'::text, 'b'::text]), which may be cast.
func (r *conditionReader) array(c *Condition) bool {
	if r.next("(") != "" {
		return r.array(c) && r.next(")") != "" && r.casts()
	}
	return r.next("ARRAY") != "" && r.list(c, "[", "]") && r.casts()
}

// Package rawsql owns the SQL that an app writes itself: it finds the
// parameters in its text and writes it for an engine. It must not know what
// the statement means; that is the engine's to say.
//
// A parameter is ":name", or by its place "$1" or "?". Values never become part
// of the text. "IN (:ids)" takes a list.
package rawsql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/flowctl/flowctl/dataflow"
)

// Statement is one statement of the app's own.
type Statement struct {
	Text    string   // as it was written
	Params  []*Param // in the order of their numbers, from 1
	Columns []Column // what the result's columns are said to be
	Write   bool     // it may change the database
	MaxRows int      // more than these are an error

	verb  string
	parts []part
	words []word
}

// Param is a parameter of a statement.
type Param struct {
	Name string         // "min"; of one by place its number, "1"
	Type *dataflow.Type // nil: that of the value
	List bool           // it stands as IN (:name)
	Rows bool           // it stands behind LIMIT or OFFSET
	// Taken: Type is that of what the value refers to, and nobody has said that
	// it fits what the statement is about.
	Taken bool
	At    int // of its first use in Text, in bytes
}

// Column says what the values of a column of the result are.
type Column struct {
	Name string
	Type *dataflow.Type
}

// Flaw is what is wrong with a statement.
type Flaw struct {
	Offset  int // in Text, in bytes; negative where it is not known
	Message string
	Hint    string
	Warning bool // it can be run all the same
}

// Error says the flaw in one line.
func (f *Flaw) Error() string { return f.Message }

// part is a stretch of the text, or a parameter.
type part struct {
	text  string
	at    int // in Text
	param int // number of the parameter; 0: text
	in    inForm
}

type inForm uint8

const (
	notIn inForm = iota // the parameter alone
	isIn                // IN (:ids)
	isNot               // NOT IN (:ids)
)

// MaxText is the longest a statement may be, in bytes.
const MaxText = 64 << 10

// Parse finds the parameters of a statement. names are those of the values it
// is given; byPlace says that they are a list instead.
func Parse(text string, byPlace bool) (*Statement, *Flaw) {
	s := &Statement{Text: text}
	if len(text) > MaxText {
		return nil, &Flaw{Offset: -1, Message: fmt.Sprintf("the statement is longer than %d KiB", MaxText>>10)}
	}
	words, flaw := scan(text)
	if flaw != nil {
		return nil, flaw
	}
	if len(words) == 0 {
		return nil, &Flaw{Offset: 0, Message: "the statement is empty"}
	}
	if flaw := s.single(words); flaw != nil {
		return nil, flaw
	}
	s.verb = strings.ToUpper(s.words[0].text(text))
	if flaw := s.verbs(); flaw != nil {
		return nil, flaw
	}
	return s, s.params(byPlace)
}

// single refuses what follows the first statement, and drops its semicolon.
func (s *Statement) single(words []word) *Flaw {
	end := slices.IndexFunc(words, func(w word) bool { return w.kind == sign && w.text(s.Text) == ";" })
	if end < 0 {
		s.words = words
		return nil
	}
	s.words = words[:end]
	for _, w := range words[end:] {
		if w.text(s.Text) != ";" {
			return &Flaw{Offset: w.from, Message: "there is more than one statement", Hint: "make a node for each: they are one transaction"}
		}
	}
	if end == 0 {
		return &Flaw{Offset: 0, Message: "the statement is empty"}
	}
	return nil
}

// What a statement may begin with. The engine has the last word on what it does.
var (
	readVerbs  = []string{"SELECT", "WITH", "VALUES"}
	writeVerbs = []string{"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE"}
)

func (s *Statement) verbs() *Flaw {
	if slices.Contains(readVerbs, s.verb) || slices.Contains(writeVerbs, s.verb) {
		return nil
	}
	f := &Flaw{Offset: s.words[0].from, Message: fmt.Sprintf("a statement of an app begins with %s, or to write with %s, not with %s",
		strings.Join(readVerbs, ", "), strings.Join(writeVerbs, ", "), s.verb)}
	switch s.verb {
	case "CREATE", "ALTER", "DROP", "TRUNCATE":
		f.Hint = "tables are what the models say, and change as flowctl migrate does it"
	case "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "START", "END":
		f.Hint = "a run is one transaction by itself"
	}
	return f
}

// params splits the text at its parameters.
func (s *Statement) params(byPlace bool) *Flaw {
	numbered := slices.ContainsFunc(s.words, func(w word) bool { return w.kind == byNumber })
	from := 0
	end := s.words[len(s.words)-1].to
	for i, w := range s.words {
		name := ""
		switch {
		case w.kind == byName && byPlace:
			return &Flaw{Offset: w.from, Message: w.text(s.Text) + " is a name, and params is a list", Hint: `give params as a dict: {"` + w.text(s.Text)[1:] + `": …}`}
		case w.kind == byName:
			name = w.text(s.Text)[1:]
		case w.kind == byNumber && byPlace:
			name = w.text(s.Text)[1:]
			if n, err := strconv.Atoi(name); err != nil || n < 1 || n > maxParams {
				return &Flaw{Offset: w.from, Message: fmt.Sprintf("parameters by place are $1 to $%d", maxParams)}
			}
		case w.kind == byNumber:
			return &Flaw{Offset: w.from, Message: w.text(s.Text) + " takes a value by its place, and params is no list", Hint: `write :name, and params = {"name": …}; or give params as a list`}
		case w.kind == mark && byPlace && !numbered:
			name = strconv.Itoa(len(s.Params) + 1)
		} // another "?" is an operator, where the engine has one
		if name == "" {
			continue
		}
		p := part{at: w.from, param: s.number(name, w.from)}
		start, stop := w.from, w.to
		if in, first, last := s.inList(i); in != notIn {
			p.in, start, stop = in, s.words[first].from, s.words[last].to
			s.Params[p.param-1].List = true
		}
		if i > 0 {
			before := strings.ToUpper(s.words[i-1].text(s.Text))
			s.Params[p.param-1].Rows = before == "LIMIT" || before == "OFFSET"
		}
		s.parts = append(s.parts, part{text: s.Text[from:start], at: from}, p)
		from = stop
	}
	s.parts = append(s.parts, part{text: s.Text[from:end], at: from})
	for _, p := range s.parts {
		if p.param > 0 && s.Params[p.param-1].List != (p.in != notIn) {
			name := s.Params[p.param-1].Name
			return &Flaw{Offset: p.at, Message: fmt.Sprintf("the parameter %s is a list in one place and a value in another", name)}
		}
	}
	if byPlace { // $2 without $1
		for i, p := range s.Params {
			if p == nil || p.Name == "" {
				return &Flaw{Offset: -1, Message: fmt.Sprintf("the statement has no $%d, and a later one", i+1)}
			}
		}
	}
	return nil
}

// maxParams bounds the parameters of a statement.
const maxParams = 500

// number returns the number of a parameter, the same for each use of a name.
func (s *Statement) number(name string, at int) int {
	if n, err := strconv.Atoi(name); err == nil { // by place
		for len(s.Params) < n {
			s.Params = append(s.Params, &Param{At: at})
		}
		s.Params[n-1].Name = name
		return n
	}
	for i, p := range s.Params {
		if p.Name == name {
			return i + 1
		}
	}
	s.Params = append(s.Params, &Param{Name: name, At: at})
	return len(s.Params)
}

// inList reports whether the i-th word stands as IN (it), and from which word
// to which that is.
func (s *Statement) inList(i int) (form inForm, first, last int) {
	is := func(j int, text string) bool {
		return j >= 0 && j < len(s.words) && strings.EqualFold(s.words[j].text(s.Text), text)
	}
	if !is(i-1, "(") || !is(i+1, ")") || !is(i-2, "IN") {
		return notIn, 0, 0
	}
	if is(i-3, "NOT") {
		return isNot, i - 3, i + 1
	}
	return isIn, i - 2, i + 1
}

// Find returns where a name first stands in the statement, as a name of
// something in the database does, in bytes; -1 if it does not.
func (s *Statement) Find(name string) int {
	for _, w := range s.words {
		if w.isName(s.Text, name) {
			return w.from
		}
	}
	return -1
}

// Column returns what a column of the result is said to be, or nil.
func (s *Statement) Column(name string) *dataflow.Type {
	for _, c := range s.Columns {
		if c.Name == name {
			return c.Type
		}
	}
	return nil
}

// Style is how an engine writes parameters.
type Style struct {
	One   func(dst []byte, n int, t *dataflow.Type) []byte // a value
	In    func(dst []byte, n int, t *dataflow.Type) []byte // what follows an operand: IN (…)
	NotIn func(dst []byte, n int, t *dataflow.Type) []byte
}

// For writes the statement for an engine. back turns a place in what it
// writes, in bytes, into the one in Text.
func (s *Statement) For(style Style) (text string, back func(offset int) int) {
	var out []byte
	starts := make([]int, len(s.parts))
	for i, p := range s.parts {
		starts[i] = len(out)
		if p.param == 0 {
			out = append(out, p.text...)
			continue
		}
		t := s.Params[p.param-1].Type
		switch p.in {
		case isIn:
			out = style.In(out, p.param, t)
		case isNot:
			out = style.NotIn(out, p.param, t)
		default:
			out = style.One(out, p.param, t)
		}
	}
	return string(out), func(offset int) int {
		for i := len(s.parts) - 1; i >= 0; i-- {
			if p := s.parts[i]; offset >= starts[i] {
				if p.param > 0 {
					return p.at
				}
				return p.at + offset - starts[i]
			}
		}
		return 0
	}
}

// Renames reports whether something else may go by the name of a column in the
// statement's result. It errs on the safe side.
func (s *Statement) Renames(column string) bool {
	if s.verb == "WITH" {
		return true
	}
	for i, w := range s.words {
		if !w.isName(s.Text, column) {
			continue
		}
		if i == 0 || !s.beforeOperand(i-1) {
			return true
		}
	}
	return false
}

// beforeOperand reports whether what follows the i-th word is the beginning of
// an expression, and no alias.
func (s *Statement) beforeOperand(i int) bool {
	w := s.words[i]
	switch w.kind {
	case sign:
		t := w.text(s.Text)
		return t != ")" && t != "]"
	case name:
		return operandFollows[strings.ToUpper(w.text(s.Text))]
	}
	return false
}

// operandFollows are keywords behind which an expression begins.
var operandFollows = map[string]bool{"SELECT": true, "DISTINCT": true, "ALL": true, "WHERE": true, "AND": true, "OR": true, "NOT": true,
	"ON": true, "BY": true, "HAVING": true, "RETURNING": true, "SET": true, "WHEN": true, "THEN": true, "ELSE": true, "CASE": true, "BETWEEN": true, "LIKE": true}

// HasNumber reports whether a number is written in the statement, but for that
// of a LIMIT or an OFFSET.
func (s *Statement) HasNumber() (offset int, ok bool) {
	for i, w := range s.words {
		if w.kind != number || w.text(s.Text) == "0" {
			continue
		}
		if i > 0 {
			before := strings.ToUpper(s.words[i-1].text(s.Text))
			if before == "LIMIT" || before == "OFFSET" {
				continue
			}
		}
		return w.from, true
	}
	return 0, false
}

// Writes reports whether the statement looks like one that writes.
func (s *Statement) Writes() bool {
	if slices.Contains(writeVerbs, s.verb) {
		return true
	}
	if s.verb != "WITH" {
		return false
	}
	for i, w := range s.words { // WITH … INSERT, and WITH x AS (DELETE …)
		if i > 0 && w.kind == name && s.words[i-1].kind == sign && slices.Contains(writeVerbs, strings.ToUpper(w.text(s.Text))) {
			return true
		}
	}
	return false
}

// OfRuntime returns a name in the statement that is one of the runtime's own
// tables, or "".
func (s *Statement) OfRuntime() string {
	for _, w := range s.words {
		n := w.text(s.Text)
		if w.kind == quoted {
			n = n[1 : len(n)-1]
		}
		if (w.kind == name || w.kind == quoted) && strings.HasPrefix(strings.ToLower(n), "_flow_") {
			return n
		}
	}
	return ""
}

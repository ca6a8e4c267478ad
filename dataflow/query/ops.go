package query

import "github.com/flowctl/flowctl/dataflow"

// operand is the form of the value an operator takes.
type operand uint8

const (
	oneValue  operand = iota // of the field's type
	manyValue                // a list of values of the field's type
	twoValue                 // [low, high]
	aBool
	aText // a pattern, or part of a text
)

// opInfo describes an operator. The parser, the suggestions and the messages
// read this table.
type opInfo struct {
	name    string
	operand operand
	kinds   kinds
	doc     string // what a value is that it finds
}

// kinds is a set of dataflow.Kinds.
type kinds uint32

func (s kinds) has(k dataflow.Kind) bool { return s&(1<<k) != 0 }

const (
	ordered = 1<<dataflow.KindString | 1<<dataflow.KindInt | 1<<dataflow.KindFloat |
		1<<dataflow.KindDecimal | 1<<dataflow.KindDateTime | 1<<dataflow.KindDate |
		1<<dataflow.KindTime | 1<<dataflow.KindUUID
	comparable = ordered | 1<<dataflow.KindBool | 1<<dataflow.KindEnum | 1<<dataflow.KindBytes
	textual    = 1 << dataflow.KindString
	everything = comparable | 1<<dataflow.KindJSON | 1<<dataflow.KindList
)

// ops is the table of operators, by Op.
var ops = [...]opInfo{
	Eq:         {"$eq", oneValue, comparable, "is this one"},
	Ne:         {"$ne", oneValue, comparable, "is another one"},
	Gt:         {"$gt", oneValue, ordered, "is more than this"},
	Gte:        {"$gte", oneValue, ordered, "is this or more"},
	Lt:         {"$lt", oneValue, ordered, "is less than this"},
	Lte:        {"$lte", oneValue, ordered, "is this or less"},
	In:         {"$in", manyValue, comparable, "is one of these, at most 1,000"},
	Nin:        {"$nin", manyValue, comparable, "is none of these"},
	Like:       {"$like", aText, textual, "is all of this pattern, in which `%` stands for any characters and `_` for one; `\\%` and `\\_` are the characters themselves"},
	Ilike:      {"$ilike", aText, textual, "is as with `$like`, whatever the case of letters"},
	Contains:   {"$contains", aText, textual | 1<<dataflow.KindList, "has this text in it; a list, this item"},
	StartsWith: {"$startswith", aText, textual, "begins with this text"},
	EndsWith:   {"$endswith", aText, textual, "ends with this text"},
	Regex:      {"$regex", aText, textual, "matches this regular expression (RE2) somewhere; `^…$` for all of it, `(?i)` whatever the case"},
	Exists:     {"$exists", aBool, everything, "is not null; with `false`, is null"},
	Null:       {"$null", aBool, everything, "is null; with `false`, is not"},
	Between:    {"$between", twoValue, ordered, "is one of these two, or between them"},
}

// String returns the operator as filters write it: "$gte".
func (op Op) String() string { return ops[op].name }

// Ops lists the operators a field of type t can be filtered with.
func Ops(t *dataflow.Type) []Op {
	var list []Op
	for op := range ops {
		if ops[op].kinds.has(t.Scalar().Kind) {
			list = append(list, Op(op))
		}
	}
	return list
}

// opByName returns the operator with that name.
func opByName(name string) (Op, bool) {
	for op := range ops {
		if ops[op].name == name {
			return Op(op), true
		}
	}
	return 0, false
}

func opNames(list []Op) []string {
	names := make([]string, len(list))
	for i, op := range list {
		names[i] = op.String()
	}
	return names
}

// Sortable reports whether rows can be put in order of a field of type t.
func Sortable(t *dataflow.Type) bool {
	k := t.Scalar().Kind
	return kinds(comparable).has(k) && k != dataflow.KindBytes
}

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
	Eq:         {"$eq", oneValue, comparable},
	Ne:         {"$ne", oneValue, comparable},
	Gt:         {"$gt", oneValue, ordered},
	Gte:        {"$gte", oneValue, ordered},
	Lt:         {"$lt", oneValue, ordered},
	Lte:        {"$lte", oneValue, ordered},
	In:         {"$in", manyValue, comparable},
	Nin:        {"$nin", manyValue, comparable},
	Like:       {"$like", aText, textual},
	Ilike:      {"$ilike", aText, textual},
	Contains:   {"$contains", aText, textual | 1<<dataflow.KindList},
	StartsWith: {"$startswith", aText, textual},
	EndsWith:   {"$endswith", aText, textual},
	Regex:      {"$regex", aText, textual},
	Exists:     {"$exists", aBool, everything},
	Null:       {"$null", aBool, everything},
	Between:    {"$between", twoValue, ordered},
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
